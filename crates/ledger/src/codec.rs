//! Values of the ledger's tables: small structures in an envelope that says what they are.
//!
//! ```text
//! value = tag: u8 | schema version: u8 | bytes | crc32c of all before: u32 LE
//! tag 1 = bytes are bincode 2, standard configuration (little endian, varint)
//! ```
//!
//! Decoding trusts nothing: checksum, tag, version, a limit on lengths before anything is allocated, and no
//! byte may be left over. bincode is used here and nowhere else in this crate; should it be
//! replaced, the new encoding gets the next tag and old ledgers stay readable.
//!
//! Not here: the structures (`rows.rs`) and the tables they stand in (`tables.rs`).

use bincode::{Decode, Encode};

const TAG_BINCODE: u8 = 1;
/// Longest value, envelope included.
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 20;
const HEADER_BYTES: usize = 2;
const CRC_BYTES: usize = 4;

/// A structure that a table keeps. The version changes whenever the bytes of the same value would.
pub(crate) trait Row: Encode + Decode<()> {
    const SCHEMA: u8;
}

/// Why bytes are not the value that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Shorter than an empty envelope.
    #[error("{0} bytes are too few for a value")]
    Short(usize),
    /// The bytes are not those that were written.
    #[error("the checksum of a value does not match")]
    Checksum,
    /// An encoding that this program does not know.
    #[error("a value has the unknown encoding {got}")]
    Tag {
        /// The tag read.
        got: u8,
    },
    /// A structure newer or older than this program reads.
    #[error("a value has schema version {got}, this program reads {known}")]
    Schema {
        /// The version read.
        got: u8,
        /// The version this program reads.
        known: u8,
    },
    /// The checksum holds, but the bytes are no such structure.
    #[error("a value does not decode: {0}")]
    Malformed(String),
    /// Too long to be written or read.
    #[error("a value of {got} bytes is longer than the limit of {max}")]
    TooLong {
        /// The length.
        got: usize,
        /// The limit.
        max: usize,
    },
}

fn config() -> bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<VALUE_BYTES_MAX>,
> {
    bincode::config::standard().with_limit::<VALUE_BYTES_MAX>()
}

/// The value for `row`. Fails only when it is too long to be read back.
pub(crate) fn encode<R: Row>(row: &R) -> Result<Vec<u8>, CodecError> {
    let body =
        bincode::encode_to_vec(row, config()).map_err(|e| CodecError::Malformed(e.to_string()))?;
    let len = HEADER_BYTES + body.len() + CRC_BYTES;
    if len > VALUE_BYTES_MAX {
        return Err(CodecError::TooLong {
            got: len,
            max: VALUE_BYTES_MAX,
        });
    }
    let mut value = Vec::with_capacity(len);
    value.extend_from_slice(&[TAG_BINCODE, R::SCHEMA]);
    value.extend_from_slice(&body);
    value.extend_from_slice(&crc32c::crc32c(&value).to_le_bytes());
    Ok(value)
}

/// The structure in `value`. Refuses anything that [`encode`] cannot have written.
pub(crate) fn decode<R: Row>(value: &[u8]) -> Result<R, CodecError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(CodecError::TooLong {
            got: value.len(),
            max: VALUE_BYTES_MAX,
        });
    }
    let split = value
        .len()
        .checked_sub(CRC_BYTES)
        .filter(|split| *split >= HEADER_BYTES);
    let (checked, crc) = value.split_at(split.ok_or(CodecError::Short(value.len()))?);
    if crc32c::crc32c(checked).to_le_bytes() != crc {
        return Err(CodecError::Checksum);
    }
    let (header, body) = checked.split_at(HEADER_BYTES);
    if header[0] != TAG_BINCODE {
        return Err(CodecError::Tag { got: header[0] });
    }
    if header[1] != R::SCHEMA {
        return Err(CodecError::Schema {
            got: header[1],
            known: R::SCHEMA,
        });
    }
    let (row, read) = bincode::decode_from_slice(body, config())
        .map_err(|e| CodecError::Malformed(e.to_string()))?;
    match body.len() - read {
        0 => Ok(row),
        rest => Err(CodecError::Malformed(format!("{rest} bytes too many"))),
    }
}
