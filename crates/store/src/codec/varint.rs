//! Variable-length integers, and the bounded reader that all decoders of the codec share.
//!
//! An unsigned integer is LEB128: seven bits a byte, low bits first, high bit set on all but the last,
//! at most ten bytes. A signed one is zigzag-mapped first (0, -1, 1, -2, ...).
//!
//! [`Input`] never reads past its slice and never panics: running out, or an over-long number, is
//! [`Corrupt`] with the offset at which the trouble was found.

use super::Corrupt;

/// Appends `value` as LEB128.
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value`, zigzag-mapped.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zigzag(value));
}

/// Bytes that [`put_unsigned`] writes for `value`.
pub fn unsigned_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Maps small magnitudes to small numbers: 0, -1, 1, -2, ... to 0, 1, 2, 3, ...
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A slice being read from the front.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, at: 0 }
    }

    /// Bytes consumed so far.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The error that points here.
    pub fn corrupt(&self) -> Corrupt {
        Corrupt { offset: self.at }
    }

    /// Errors unless everything was consumed.
    pub fn finish(&self) -> Result<(), Corrupt> {
        if self.remaining() == 0 {
            Ok(())
        } else {
            Err(self.corrupt())
        }
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        let byte = *self.bytes.get(self.at).ok_or(self.corrupt())?;
        self.at += 1;
        Ok(byte)
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let end = self.at.checked_add(len).ok_or(self.corrupt())?;
        let taken = self.bytes.get(self.at..end).ok_or(self.corrupt())?;
        self.at = end;
        Ok(taken)
    }

    /// The next eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, Corrupt> {
        let start = self.corrupt();
        self.take(8)?
            .try_into()
            .map(u64::from_le_bytes)
            .map_err(|_| start)
    }

    /// The next LEB128 number. Refused: more than ten bytes, or bits beyond the 64th.
    pub fn unsigned(&mut self) -> Result<u64, Corrupt> {
        let start = self.corrupt();
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(start);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(start)
    }

    /// The next zigzag number.
    pub fn signed(&mut self) -> Result<i64, Corrupt> {
        Ok(unzigzag(self.unsigned()?))
    }

    /// The next LEB128 number, refused when above `max`: for lengths and counts that size something.
    pub fn count(&mut self, max: usize) -> Result<usize, Corrupt> {
        let start = self.corrupt();
        match usize::try_from(self.unsigned()?) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_unsigned(&mut out, value);
                assert_eq!(out.len(), unsigned_len(value), "{value}");
                put_signed(&mut out, value as i64);
                let mut input = Input::new(&out);
                assert_eq!(input.unsigned(), Ok(value));
                assert_eq!(input.signed(), Ok(value as i64));
                assert_eq!(input.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn running_out_and_overlong_numbers_are_corrupt() {
        assert_eq!(
            Input::new(&[0x80, 0x80]).unsigned(),
            Err(Corrupt { offset: 2 })
        );
        assert_eq!(
            Input::new(&[0xff; 10]).unsigned(),
            Err(Corrupt { offset: 0 })
        );
        assert_eq!(Input::new(&[1, 2]).take(3), Err(Corrupt { offset: 0 }));
        assert_eq!(Input::new(&[9]).count(8), Err(Corrupt { offset: 0 }));
    }
}
