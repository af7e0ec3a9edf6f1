//! Timestamp columns: integers, mostly on a grid.
//!
//! ```text
//! column = one integer sequence (`ints.rs`)
//! ```
//!
//! A constant step takes about ten bytes however long the column; a jittering scraper is coded on a
//! fitted grid, anything else by differences. The codec takes any integers: that a column ascends
//! is for its reader to check.

use super::ints::{self, OrderHint};
use super::varint::Input;
use super::{CHUNK_SAMPLES_MAX, Corrupt};

/// What the last column of the same kind looked like. Only size and speed depend on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hint(OrderHint);

/// Appends the encoding of at most 65,535 timestamps.
pub fn encode(timestamps: &[i64], hint: &mut Hint, out: &mut Vec<u8>) {
    assert!(timestamps.len() <= CHUNK_SAMPLES_MAX);
    ints::encode(timestamps, &mut hint.0, out);
}

/// Appends the `count` timestamps that `bytes` hold; on an error `out` is as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), Corrupt> {
    let before = out.len();
    let mut input = Input::new(bytes);
    if count > CHUNK_SAMPLES_MAX {
        return Err(input.corrupt());
    }
    out.reserve(count);
    let read = decode_body(&mut input, count, out).and_then(|()| input.finish());
    if read.is_err() {
        out.truncate(before);
    }
    read
}

fn decode_body(input: &mut Input<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Corrupt> {
    if count > 0
        && let Some((first, step)) = ints::decode_line(input)?
    {
        out.extend(ints::on_line(first, step, count));
        return Ok(());
    }
    ints::decode(input, count, |_, block, len| {
        out.extend_from_slice(&block[..len]);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let check = |timestamps: &[i64], want: &[u8]| {
            let mut out = Vec::new();
            encode(timestamps, &mut Hint::default(), &mut out);
            assert_eq!(out, want);
            let mut got = Vec::new();
            decode(want, timestamps.len(), &mut got).unwrap();
            assert_eq!(got, timestamps);
        };
        check(&[], &[]);
        check(&[1000, 2000, 3000], &[4, 0xd0, 0x0f, 0xd0, 0x0f]);
        check(&[1, 2, 4, 8], &[1, 2, 2, 2, 0b11_01_00_00]);
    }

    #[test]
    fn missing_and_surplus_bytes_are_refused() {
        let mut bytes = Vec::new();
        encode(&[1, 5, 6, 90, 91], &mut Hint::default(), &mut bytes);
        let mut out = vec![42];
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len], 5, &mut out).is_err());
        }
        bytes.push(0);
        assert!(decode(&bytes, 5, &mut out).is_err());
        assert_eq!(out, [42]);
    }
}
