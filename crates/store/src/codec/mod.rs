//! The HOT codec: chunks of samples to bytes and back, bit-exact for every `f64`, at about a
//! nanosecond a value.
//!
//! [`values`] turns floats into integers ([`mapping`]), [`timestamps`] are integers already; both hand
//! them to [`ints`], which differences them and packs the rest in frames of 128 ([`frame`], [`bitpack`]).
//!
//! A chunk's bytes do not hold its number of samples nor a checksum: the container keeps both. Every
//! decoder is total: any bytes give values or [`Corrupt`], never a panic, and never more memory than
//! the number of values asked for.
//!
//! Layouts are pinned by byte vectors in the tests: what one release writes, all later ones read.
//!
//! Not here: where chunks live (`segment`), and timestamps shared between series (`segment` too).

pub mod bitpack;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod ints;
pub mod mapping;
pub mod timestamps;
pub mod values;
pub mod varint;

/// Most samples in one chunk.
pub const CHUNK_SAMPLES_MAX: usize = u16::MAX as usize;

/// The bytes cannot have been written by this codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("corrupt data at byte {offset}")]
pub struct Corrupt {
    /// Offset within the bytes given to the decoder, at or shortly before the trouble.
    pub offset: usize,
}

#[cfg(test)]
mod tests {
    use super::fuzzing;

    #[test]
    fn fuzz_targets_hold_on_noise() {
        let mut state = 99_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            state >> 33
        };
        for _ in 0..5000 {
            // Two draws AND-ed: small numbers and zeros pass more of the checks.
            let bytes: Vec<u8> = (0..noise() % 200)
                .map(|_| noise() as u8 & noise() as u8)
                .collect();
            fuzzing::codec_values(&bytes);
            fuzzing::codec_timestamps(&bytes);
        }
    }
}
