//! Bodies out of gzip, with limits that hold while they are decoded.
//!
//! A body of several members is one body, as RFC 1952 says. Every member's checksum and length are
//! checked, and nothing may stand behind the last one.

use std::io::{self, Read};

use bellwether_model::limits;
use flate2::bufread::MultiGzDecoder;

/// How far decoding may go.
#[derive(Clone, Copy, Debug)]
pub struct GzipLimits {
    /// Most decoded bytes.
    pub decoded_max: usize,
    /// Most decoded bytes for one encoded byte, once [`RATIO_FREE_BYTES`] have come out.
    pub ratio_max: usize,
}

/// Decoded bytes before the ratio is looked at: small bodies of one repeated line are honest.
pub const RATIO_FREE_BYTES: usize = 1 << 20;

impl Default for GzipLimits {
    fn default() -> GzipLimits {
        GzipLimits {
            decoded_max: limits::INGEST_DECODED_MAX.usize(),
            ratio_max: limits::INGEST_RATIO_MAX.usize(),
        }
    }
}

/// Why a body was not decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// The body ends inside a member.
    #[error("truncated gzip body after {decoded} decoded bytes")]
    Truncated {
        /// What came out before the end.
        decoded: usize,
    },
    /// Not gzip, a wrong checksum, or bytes behind the last member.
    #[error("corrupt gzip body after {decoded} decoded bytes: {reason}")]
    Corrupt {
        /// What came out before the damage showed.
        decoded: usize,
        /// What the decoder said.
        reason: String,
    },
    /// More decoded bytes than allowed.
    #[error("the decoded body is larger than {max} bytes (ingest.max_decoded)")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// More decoded bytes for each encoded one than honest data has.
    #[error("the body expands more than {max} times (ingest.max_ratio)")]
    Ratio {
        /// The limit.
        max: usize,
    },
}

/// Decodes `body` into `out`, which is emptied first. `out` never grows beyond the limits by more than one step.
pub fn decode(body: &[u8], limits: &GzipLimits, out: &mut Vec<u8>) -> Result<(), GzipError> {
    /// How much is decoded between two looks at the limits.
    const STEP: usize = 256 * 1024;
    out.clear();
    let ratio_bytes = body.len().saturating_mul(limits.ratio_max);
    let mut decoder = MultiGzDecoder::new(body);
    loop {
        let before = out.len();
        out.resize(before + STEP, 0);
        let read = fill(&mut decoder, &mut out[before..]);
        let (count, ended) = match &read {
            Ok(count) => (*count, *count < STEP),
            Err((count, _)) => (*count, true),
        };
        out.truncate(before + count);
        if out.len() > limits.decoded_max {
            return Err(GzipError::TooLarge {
                max: limits.decoded_max,
            });
        }
        if out.len() > RATIO_FREE_BYTES && out.len() > ratio_bytes {
            return Err(GzipError::Ratio {
                max: limits.ratio_max,
            });
        }
        match read {
            Ok(_) if ended => return Ok(()),
            Ok(_) => {}
            Err((_, e)) => return Err(error(&e, out.len())),
        }
    }
}

/// Reads until `space` is full or the input ends; on an error says how much came before it.
fn fill(decoder: &mut impl Read, space: &mut [u8]) -> Result<usize, (usize, io::Error)> {
    let mut filled = 0;
    while filled < space.len() {
        match decoder.read(&mut space[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err((filled, e)),
        }
    }
    Ok(filled)
}

fn error(error: &io::Error, decoded: usize) -> GzipError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => GzipError::Truncated { decoded },
        _ => GzipError::Corrupt {
            decoded,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn check(body: &[u8]) -> Result<Vec<u8>, GzipError> {
        let limits = GzipLimits {
            decoded_max: 3 << 20,
            ratio_max: 20,
        };
        let mut out = vec![7; 10];
        decode(body, &limits, &mut out).map(|()| out)
    }

    /// Bytes that compress badly, so that the ratio stays out of the way.
    fn noise(len: usize) -> Vec<u8> {
        let mut x: u32 = 1;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn members_are_joined() {
        let mut body = gzip(b"cpu f=1\n");
        body.extend(gzip(b""));
        body.extend(gzip(b"cpu f=2\n"));
        assert_eq!(check(&body).unwrap(), b"cpu f=1\ncpu f=2\n");
        let long = noise(1 << 20);
        assert_eq!(check(&gzip(&long)).unwrap(), long);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body = gzip(b"cpu,host=a f=1,g=2,h=3 1700000000\n");
        for len in 0..body.len() {
            let got = check(&body[..len]);
            assert!(
                matches!(got, Err(GzipError::Truncated { .. })),
                "{len}: {got:?}"
            );
        }
    }

    #[test]
    fn damage_is_an_error() {
        let body = gzip(b"cpu f=1\n");
        let mut wrong_crc = body.clone();
        let crc_at = body.len() - 8;
        wrong_crc[crc_at] ^= 1;
        let mut wrong_len = body.clone();
        wrong_len[crc_at + 4] ^= 1;
        let mut garbage = body.clone();
        garbage.extend(b"not a gzip member at all");
        for (what, bad) in [
            ("crc", &wrong_crc[..]),
            ("length", &wrong_len),
            ("garbage", &garbage),
            ("plain text", b"cpu f=1\ncpu f=2\ncpu f=3\n"),
        ] {
            let got = check(bad);
            assert!(
                matches!(got, Err(GzipError::Corrupt { .. })),
                "{what}: {got:?}"
            );
        }
    }

    #[test]
    fn bombs_are_stopped_by_size_and_by_ratio() {
        let zeros = gzip(&vec![0; 64 << 20]);
        assert_eq!(check(&zeros), Err(GzipError::Ratio { max: 20 }));
        let large = gzip(&noise((3 << 20) + 1));
        assert_eq!(check(&large), Err(GzipError::TooLarge { max: 3 << 20 }));
        let small_and_repetitive = gzip(&vec![b'a'; RATIO_FREE_BYTES]);
        assert_eq!(
            check(&small_and_repetitive).map(|out| out.len()),
            Ok(RATIO_FREE_BYTES)
        );
    }
}
