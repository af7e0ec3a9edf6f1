//! Small structures as values of the catalogue: the one module that knows how they become bytes.
//!
//! ```text
//! value = tag: u8, 1 | schema version: u8 | bincode 2, standard configuration
//! ```
//!
//! bincode is maintained no more: should it have to go, another encoding gets tag 2 here, and old values
//! stay readable. Bulk formats (log, segment) are written by hand and know nothing of it.
//!
//! Decoding is bounded by [`VALUE_BYTES_MAX`], refuses rests, and never panics. Every structure is pinned by bytes
//! in the tests.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

/// A longer value is not decoded.
pub(crate) const VALUE_BYTES_MAX: usize = 16 << 20;

const BINCODE: u8 = 1;

/// Why a value could not be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("encoding {tag} is unknown")]
    Encoding { tag: u8 },
    #[error("schema version {found} is unknown, {known} is the newest known")]
    Version { found: u8, known: u8 },
    #[error("the bytes are damaged")]
    Damaged,
}

/// A structure with a versioned layout.
pub(crate) trait Value: Encode + Decode<()> {
    /// The version written. A changed layout gets the next number, and a way to read the old one.
    const VERSION: u8;
}

/// What identifies a store.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StoreRow {
    /// Version of the folder's layout as a whole.
    pub(crate) format: u32,
    /// Also in every log file and segment, so that files of another store are not taken for this one's.
    pub(crate) id: u128,
}

impl Value for StoreRow {
    const VERSION: u8 = 1;
}

/// Where things continue. Written in one transaction with the segment that made it true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ProgressRow {
    /// Log files below this number are not needed.
    pub(crate) wal_first: u64,
    /// Ids of segments below this were given out.
    pub(crate) segment_next: u64,
    /// Series below this id are in the series table.
    pub(crate) series_end: u32,
    /// The clock, milliseconds, when this was written: a jump of the clock shows against it.
    pub(crate) clock: i64,
    /// The store was closed after this was written, and nothing has been logged since.
    pub(crate) clean: bool,
}

impl Value for ProgressRow {
    const VERSION: u8 = 1;
}

/// One segment in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SegmentRow {
    /// First and last time, milliseconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) samples: u64,
    pub(crate) series: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Set when the file was found unreadable and moved to `quarantine/`: why.
    pub(crate) quarantined: Option<String>,
}

impl Value for SegmentRow {
    const VERSION: u8 = 1;
}

/// Definitions of series, in the form of `wal::record`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SeriesRow {
    pub(crate) definitions: Vec<u8>,
}

impl Value for SeriesRow {
    const VERSION: u8 = 1;
}

fn configuration() -> Configuration<LittleEndian, Varint, Limit<VALUE_BYTES_MAX>> {
    bincode::config::standard().with_limit::<VALUE_BYTES_MAX>()
}

/// The bytes of a value.
pub(crate) fn encode<V: Value>(value: &V) -> Vec<u8> {
    let mut bytes = vec![BINCODE, V::VERSION];
    // Our structures hold nothing that bincode refuses, and writing to memory cannot fail.
    let body = bincode::encode_to_vec(value, bincode::config::standard()).unwrap_or_default();
    bytes.extend(body);
    bytes
}

/// Takes a value back out of all of `bytes`.
pub(crate) fn decode<V: Value>(bytes: &[u8]) -> Result<V, DecodeError> {
    let [tag, version, body @ ..] = bytes else {
        return Err(DecodeError::Damaged);
    };
    if *tag != BINCODE {
        return Err(DecodeError::Encoding { tag: *tag });
    }
    if *version != V::VERSION {
        return Err(DecodeError::Version {
            found: *version,
            known: V::VERSION,
        });
    }
    match bincode::decode_from_slice(body, configuration()) {
        Ok((value, used)) if used == body.len() => Ok(value),
        _ => Err(DecodeError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    /// The bytes are what every release must read, and no prefix of them passes.
    fn check<V: Value + PartialEq + Debug>(value: V, bytes: &[u8]) {
        assert_eq!(encode(&value), bytes);
        assert_eq!(decode::<V>(bytes), Ok(value));
        for cut in 0..bytes.len() {
            assert_eq!(
                decode::<V>(&bytes[..cut]),
                Err(DecodeError::Damaged),
                "cut at {cut}"
            );
        }
        let longer = [bytes, &[0]].concat();
        assert_eq!(decode::<V>(&longer), Err(DecodeError::Damaged));
    }

    #[test]
    fn layouts_are_pinned() {
        check(StoreRow { format: 1, id: 300 }, &[1, 1, 1, 251, 44, 1]);
        check(
            ProgressRow {
                wal_first: 7,
                segment_next: 3,
                series_end: 1000,
                clock: -1,
                clean: true,
            },
            &[1, 1, 7, 3, 251, 232, 3, 1, 1],
        );
        check(
            SegmentRow {
                first: -2,
                last: 5,
                samples: 9,
                series: 2,
                bytes: 250,
                quarantined: Some("x".into()),
            },
            &[1, 1, 3, 10, 9, 2, 250, 1, 1, b'x'],
        );
        check(
            SeriesRow {
                definitions: vec![1, 2],
            },
            &[1, 1, 2, 1, 2],
        );
    }

    #[test]
    fn the_future_is_refused_by_name() {
        assert_eq!(
            decode::<SeriesRow>(&[2, 1, 0]),
            Err(DecodeError::Encoding { tag: 2 })
        );
        assert_eq!(
            decode::<SeriesRow>(&[1, 9, 0]),
            Err(DecodeError::Version { found: 9, known: 1 })
        );
    }

    #[test]
    fn a_length_from_outside_does_not_allocate() {
        let huge = [1, 1, 253, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(decode::<SeriesRow>(&huge), Err(DecodeError::Damaged));
    }
}
