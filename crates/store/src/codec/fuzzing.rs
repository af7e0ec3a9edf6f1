//! Fuzz targets of the codec.

use super::{timestamps, values};

/// Decodes the data as a value chunk of up to 4096 values, and encodes what came out again.
///
/// Oracle: decoding gives exactly as many values as asked or an error; they come back to the bit.
pub fn codec_values(data: &[u8]) {
    let Some((count, bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    let count = usize::from(u16::from_le_bytes(*count)) % 4096;
    let mut first = Vec::new();
    if values::decode(bytes, count, &mut first).is_err() {
        assert!(first.is_empty());
        return;
    }
    assert_eq!(first.len(), count);
    let mut again = Vec::new();
    values::encode(&first, &mut values::Hint::default(), &mut again);
    let mut second = Vec::new();
    assert_eq!(values::decode(&again, count, &mut second), Ok(()));
    assert!(
        first
            .iter()
            .zip(&second)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
    // The data as values, too: every bit pattern must survive.
    let words = bytes.as_chunks::<8>().0;
    let raw: Vec<f64> = words
        .iter()
        .take(4096)
        .map(|word| f64::from_bits(u64::from_le_bytes(*word)))
        .collect();
    let (mut packed, mut back) = (Vec::new(), Vec::new());
    values::encode(&raw, &mut values::Hint::default(), &mut packed);
    assert_eq!(values::decode(&packed, raw.len(), &mut back), Ok(()));
    assert!(
        raw.iter()
            .zip(&back)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
}

/// As [`codec_values`], for timestamp columns.
pub fn codec_timestamps(data: &[u8]) {
    let Some((count, bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    let count = usize::from(u16::from_le_bytes(*count)) % 4096;
    let mut first = Vec::new();
    if timestamps::decode(bytes, count, &mut first).is_err() {
        assert!(first.is_empty());
        return;
    }
    let (mut again, mut second) = (Vec::new(), Vec::new());
    timestamps::encode(&first, &mut timestamps::Hint::default(), &mut again);
    assert_eq!(timestamps::decode(&again, count, &mut second), Ok(()));
    assert_eq!(first, second);
}
