//! As much of protobuf's wire format as remote read needs: fields of varints, doubles and bytes, one level at a time.
//!
//! ```text
//! field = varint(number << 3 | kind) | value
//! kind 0: varint    1: 8 bytes, little endian    2: varint length, so many bytes    5: 4 bytes
//! ```
//!
//! Promises: no input panics, nothing is copied, and unknown fields are skipped as long as they are well formed.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The fields of a message, in their order.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Fields<'a> {
        Fields(message)
    }

    /// How many bytes of the message come behind the field that was taken last.
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = take_varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Value::Varint(take_varint(&mut self.0)?),
            1 => {
                let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
                self.0 = rest;
                Value::Fixed64(u64::from_le_bytes(*head))
            }
            2 => {
                let length = take_varint(&mut self.0)?;
                let length = usize::try_from(length).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => {
                let (_, rest) = self.0.split_first_chunk::<4>().ok_or(Malformed)?;
                self.0 = rest;
                Value::Fixed32
            }
            _ => return Err(Malformed),
        };
        match key >> 3 {
            0 => Err(Malformed),
            number => Ok(Some((number, value))),
        }
    }
}

/// The text of a field.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// Takes a varint off the front: at most ten bytes, seven bits each, the lowest first.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Malformed);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn push_varint_field(out: &mut Vec<u8>, number: u64, value: u64) {
    push_varint(out, number << 3);
    push_varint(out, value);
}

pub(super) fn push_double_field(out: &mut Vec<u8>, number: u64, value: f64) {
    push_varint(out, number << 3 | 1);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

pub(super) fn push_bytes_field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    push_varint(out, number << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_too_long_ones_are_refused() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            assert_eq!(take_varint(&mut bytes.as_slice()), Ok(value));
            assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), Err(Malformed));
        }
        for bytes in [[0xff; 10].as_slice(), &[0x80; 11], &[]] {
            assert_eq!(take_varint(&mut { bytes }), Err(Malformed));
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_torn_ones_refused() {
        let bytes = [
            0x08, 5, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 1, b'x', 0x25, 0, 0, 0, 0,
        ];
        let mut fields = Fields::new(&bytes);
        for want in [
            Some((1, Value::Varint(5))),
            Some((2, Value::Fixed64(1))),
            Some((3, Value::Bytes(b"x"))),
            Some((4, Value::Fixed32)),
            None,
        ] {
            assert_eq!(fields.next(), Ok(want));
        }
        for bytes in [
            &[0x08][..],
            &[0x00, 1],
            &[0x0b],
            &[0x11, 1, 2],
            &[0x1a, 2, b'x'],
            &[
                0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
            &[0x25, 0],
        ] {
            assert_eq!(Fields::new(bytes).next(), Err(Malformed), "{bytes:?}");
        }
    }
}
