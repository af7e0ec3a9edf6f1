//! Compact rows: how small structures become the opaque bytes that the ledger keeps.
//!
//! Whoever owns a structure writes its fields one after the other and reads them back in the same
//! order; the first field is a version. A reader never trusts a length: it takes no more than the
//! bytes it was given, and leftover bytes are an error.
//!
//! ```text
//! number  = LEB128, at most 10 bytes, shortest form
//! signed  = number, zigzag
//! float   = 8 bytes, little endian, bit-exact
//! text    = number of bytes, UTF-8
//! labels  = text of the packed form
//! option  = 0, or 1 and the value
//! ```
//!
//! Not here: checksums and magic. The ledger's envelope has them around every row.

use crate::labels::Labels;
use crate::time::TimestampMs;

/// Why bytes are not the row that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The bytes end inside a field.
    #[error("the row ends inside a field")]
    Short,
    /// A field holds what its type cannot be.
    #[error("the row has a bad {0}")]
    Bad(&'static str),
    /// Bytes are left behind the last field.
    #[error("the row has {0} bytes too many")]
    Long(usize),
    /// Written by a version of the program that this one does not know.
    #[error("the row has version {got}, newer than {known}")]
    Version {
        /// The version read.
        got: u64,
        /// The newest one this program can read.
        known: u64,
    },
}

/// Appends fields to a row.
#[derive(Debug, Default)]
pub struct RowWriter {
    bytes: Vec<u8>,
}

impl RowWriter {
    /// Starts a row with its version.
    pub fn new(version: u64) -> RowWriter {
        let mut writer = RowWriter::default();
        writer.number(version);
        writer
    }

    /// A number.
    pub fn number(&mut self, mut n: u64) -> &mut RowWriter {
        while n >= 0x80 {
            self.bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.bytes.push(n as u8);
        self
    }

    /// A number that may be negative.
    pub fn signed(&mut self, n: i64) -> &mut RowWriter {
        self.number((n << 1 ^ n >> 63) as u64)
    }

    /// A time.
    pub fn time(&mut self, t: TimestampMs) -> &mut RowWriter {
        self.signed(t.0)
    }

    /// A float, bit-exact.
    pub fn float(&mut self, v: f64) -> &mut RowWriter {
        self.bytes.extend_from_slice(&v.to_bits().to_le_bytes());
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut RowWriter {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// A label set.
    pub fn labels(&mut self, labels: &Labels) -> &mut RowWriter {
        self.text(labels.as_packed())
    }

    /// A value that may be absent.
    pub fn option<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut RowWriter, T),
    ) -> &mut RowWriter {
        match value {
            None => {
                self.number(0);
            }
            Some(value) => {
                self.number(1);
                write(self, value);
            }
        }
        self
    }

    /// The finished row.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes fields off a row.
#[derive(Clone, Debug)]
pub struct RowReader<'a> {
    rest: &'a [u8],
}

impl<'a> RowReader<'a> {
    /// Opens a row and reads its version, which must be in `1..=known`.
    pub fn new(row: &'a [u8], known: u64) -> Result<(u64, RowReader<'a>), RowError> {
        let mut reader = RowReader { rest: row };
        let version = reader.number()?;
        if version == 0 {
            return Err(RowError::Bad("version"));
        }
        if version > known {
            return Err(RowError::Version {
                got: version,
                known,
            });
        }
        Ok((version, reader))
    }

    /// A number, in its shortest form only: equal rows have equal bytes.
    pub fn number(&mut self) -> Result<u64, RowError> {
        let mut n: u64 = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(RowError::Short)?;
            self.rest = rest;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part || (byte == 0 && shift > 0) {
                return Err(RowError::Bad("number"));
            }
            n |= part << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(RowError::Bad("number"))
    }

    /// A number that may be negative.
    pub fn signed(&mut self) -> Result<i64, RowError> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A time.
    pub fn time(&mut self) -> Result<TimestampMs, RowError> {
        self.signed().map(TimestampMs)
    }

    /// A float, bit-exact.
    pub fn float(&mut self) -> Result<f64, RowError> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(RowError::Short)?;
        self.rest = rest;
        Ok(f64::from_bits(u64::from_le_bytes(*bytes)))
    }

    /// A text, borrowed from the row.
    pub fn text(&mut self) -> Result<&'a str, RowError> {
        let len = usize::try_from(self.number()?).map_err(|_| RowError::Short)?;
        if len > self.rest.len() {
            return Err(RowError::Short);
        }
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        std::str::from_utf8(bytes).map_err(|_| RowError::Bad("text"))
    }

    /// A label set.
    pub fn labels(&mut self) -> Result<Labels, RowError> {
        Labels::from_packed(self.text()?).ok_or(RowError::Bad("label set"))
    }

    /// A value that may be absent.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut RowReader<'a>) -> Result<T, RowError>,
    ) -> Result<Option<T>, RowError> {
        match self.number()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(RowError::Bad("option")),
        }
    }

    /// A list: how many, then each. Grows as it reads, so that a false count allocates nothing.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut RowReader<'a>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, RowError> {
        let count = self.number()?;
        let mut items = Vec::new();
        for _ in 0..count {
            if self.rest.is_empty() {
                return Err(RowError::Short); // Every item takes at least one byte.
            }
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Done: nothing may be left.
    pub fn finish(self) -> Result<(), RowError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(RowError::Long(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order() {
        let labels = Labels::from_pairs([("a", "b")]);
        let mut writer = RowWriter::new(1);
        writer
            .number(u64::MAX)
            .signed(i64::MIN)
            .time(TimestampMs(-1))
            .float(crate::STALE_NAN)
            .text("ü")
            .labels(&labels)
            .option(Some(3), |w, n| {
                w.number(n);
            })
            .option(None::<u64>, |_, _| {});
        let row = writer.finish();
        let (version, mut reader) = RowReader::new(&row, 1).unwrap();
        assert_eq!(version, 1);
        assert_eq!(reader.number(), Ok(u64::MAX));
        assert_eq!(reader.signed(), Ok(i64::MIN));
        assert_eq!(reader.time(), Ok(TimestampMs(-1)));
        assert!(reader.float().is_ok_and(crate::is_stale));
        assert_eq!(reader.text(), Ok("ü"));
        assert_eq!(reader.labels(), Ok(labels));
        assert_eq!(reader.option(RowReader::number), Ok(Some(3)));
        assert_eq!(reader.option(RowReader::number), Ok(None));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn damaged_rows_are_refused_by_reason() {
        let number = |row: &[u8]| RowReader { rest: row }.number();
        assert_eq!(number(&[0x80]), Err(RowError::Short));
        assert_eq!(number(&[0x80, 0x00]), Err(RowError::Bad("number")));
        assert_eq!(number(&[0xff; 10]), Err(RowError::Bad("number")));
        assert_eq!(
            RowReader {
                rest: &[200, 1, 65]
            }
            .text(),
            Err(RowError::Short)
        );
        assert_eq!(
            RowReader { rest: &[1, 0xff] }.text(),
            Err(RowError::Bad("text"))
        );
        let list = RowReader {
            rest: &[0xff, 0xff, 0xff, 0xff, 15, 1],
        }
        .list(RowReader::number);
        assert_eq!(list, Err(RowError::Short));
        let (_, reader) = RowReader::new(&[1, 0], 1).unwrap();
        assert_eq!(reader.finish(), Err(RowError::Long(1)));
        let newer = RowReader::new(&[2], 1).unwrap_err();
        assert_eq!(newer, RowError::Version { got: 2, known: 1 });
        assert_eq!(
            RowReader::new(&[0], 1).unwrap_err(),
            RowError::Bad("version")
        );
    }
}
