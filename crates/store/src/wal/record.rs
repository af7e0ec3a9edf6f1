//! What the log's frames say: definitions of series, and rows of samples.
//!
//! ```text
//! series payload = definition*
//! definition = id - the one before: signed varint | bytes shared at the start: varint
//!       | bytes shared at the end: varint | length of the middle: varint | the middle
//! rows payload = row*
//! row = head: u8 | length, if the head says 0: varint | time - the one before: signed varint
//!       | id - one more than the last one before: signed varint | ids, unless a run | values
//! head = bits 0-2: mode | bit 3: ids are a run | bits 4-7: length, 0 when above 15
//! ids after the first = id - one more than the one before: signed varint, each
//! mode = 0..=4: integers times 10^-mode | 6: mixed | 7: raw
//! integers = signed varint each | raw = bits: u64 LE each
//! mixed = bitmap of ceil(length / 8) bytes, then raw for a set bit, integer for a clear one
//! ```
//!
//! "Shared" is with the labels (packed) of the definition before, "before" means within the same
//! frame, and everything before the first is empty or 0: a frame can be read without any other.
//!
//! Values are written the shortest of these ways that gives back their bits. Integers and short decimals take one
//! to three bytes that way, at a few nanoseconds each; better compression is for segments.

use crate::codec::Corrupt;
use crate::codec::varint::{Input, put_signed, put_unsigned};
use crate::index::LABELS_BYTES_MAX;
use bellwether_model::Labels;

/// Bytes one definition may take beyond the labels themselves.
const DEFINITION_OVERHEAD_MAX: usize = 40;
/// Samples in one encoded row; longer ones are written as several.
pub(crate) const ROW_SAMPLES_MAX: usize = 8192;
/// Bytes an encoded row may take: head, length, time; id and value of every sample.
const ROW_OVERHEAD_MAX: usize = 24;
const SAMPLE_BYTES_MAX: usize = 5 + 10 + 1;

/// Bytes that `definition` appends at most.
pub(crate) fn definition_bytes_max(labels: &Labels) -> usize {
    labels.as_packed().len() + DEFINITION_OVERHEAD_MAX
}

/// Bytes that [`RowWriter::write`] appends at most for `samples` samples.
pub(crate) fn row_bytes_max(samples: usize) -> usize {
    ROW_OVERHEAD_MAX + samples * SAMPLE_BYTES_MAX
}

/// Writes definitions into one frame.
#[derive(Default)]
pub(crate) struct DefinitionWriter {
    id: u32,
    labels: Option<Labels>,
}

impl DefinitionWriter {
    pub(crate) fn write(&mut self, id: u32, labels: &Labels, out: &mut Vec<u8>) {
        let before = self
            .labels
            .as_ref()
            .map_or("", |l| l.as_packed())
            .as_bytes();
        let packed = labels.as_packed().as_bytes();
        let max = before.len().min(packed.len());
        let start = before
            .iter()
            .zip(packed)
            .take_while(|(a, b)| a == b)
            .count();
        let ends = before.iter().rev().zip(packed.iter().rev());
        let end = ends.take(max - start).take_while(|(a, b)| a == b).count();
        let middle = &packed[start..packed.len() - end];
        put_signed(out, i64::from(id) - i64::from(self.id));
        put_unsigned(out, start as u64);
        put_unsigned(out, end as u64);
        put_unsigned(out, middle.len() as u64);
        out.extend_from_slice(middle);
        self.id = id;
        self.labels = Some(labels.clone());
    }
}

/// Calls `with` for every definition of a payload, until one is not as it must be.
pub(crate) fn read_definitions(
    payload: &[u8],
    mut with: impl FnMut(u32, Labels),
) -> Result<(), Corrupt> {
    let mut input = Input::new(payload);
    let mut id = 0_i64;
    let mut packed: Vec<u8> = Vec::new();
    while input.remaining() > 0 {
        id = id.wrapping_add(input.signed()?);
        let start = input.count(packed.len())?;
        let end = input.count(packed.len() - start)?;
        let len = input.count(input.remaining())?;
        let middle = input.take(len)?;
        if start + end + len > LABELS_BYTES_MAX {
            return Err(input.corrupt()); // A short payload must not make us build long texts.
        }
        let shared_end = packed.len() - end;
        packed.splice(start..shared_end, middle.iter().copied());
        let labels = str::from_utf8(&packed).ok().and_then(Labels::from_packed);
        match (u32::try_from(id), labels) {
            (Ok(id), Some(labels)) => with(id, labels),
            _ => return Err(input.corrupt()),
        }
    }
    Ok(())
}

const MIXED: u8 = 6;
const RAW: u8 = 7;
const MODE_BITS: u8 = 7;
const RUN: u8 = 8;
const POWERS: [f64; 5] = [1.0, 10.0, 100.0, 1000.0, 10_000.0];
/// Whole numbers up to here are all `f64`s, and so is every sum that the check makes.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// Writes rows into one frame.
#[derive(Default)]
pub(crate) struct RowWriter {
    t: i64,
    next_id: i64,
    mode: u8,
}

impl RowWriter {
    /// Appends a row of 1..=[`ROW_SAMPLES_MAX`] samples.
    pub(crate) fn write(
        &mut self,
        t: i64,
        ids: &[u32],
        values: &[f64],
        scratch: &mut Vec<i64>,
        out: &mut Vec<u8>,
    ) {
        assert!(ids.len() == values.len() && !ids.is_empty() && ids.len() <= ROW_SAMPLES_MAX);
        let run = ids
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1));
        let mode = self.choose_mode(values, scratch);
        let short = if ids.len() <= 15 { ids.len() as u8 } else { 0 };
        out.push(mode | if run { RUN } else { 0 } | short << 4);
        if short == 0 {
            put_unsigned(out, ids.len() as u64);
        }
        put_signed(out, t.wrapping_sub(self.t));
        self.t = t;
        put_signed(out, i64::from(ids[0]) - self.next_id);
        self.next_id = i64::from(ids[ids.len() - 1]) + 1;
        if !run {
            for pair in ids.windows(2) {
                put_signed(out, i64::from(pair[1]) - i64::from(pair[0]) - 1);
            }
        }
        match mode {
            RAW => values
                .iter()
                .for_each(|v| out.extend_from_slice(&v.to_bits().to_le_bytes())),
            MIXED => write_mixed(values, out),
            _ => scratch.iter().for_each(|&i| put_signed(out, i)),
        }
    }

    /// How to write `values`; for integers, `ints` holds them afterwards.
    fn choose_mode(&mut self, values: &[f64], ints: &mut Vec<i64>) -> u8 {
        let tries = [self.mode, 0, 1, 2, 3, 4];
        for (i, &mode) in tries.iter().enumerate() {
            if (i == 0 || mode != self.mode) && to_ints(values, mode, ints) {
                self.mode = mode;
                return mode;
            }
        }
        let whole = values.iter().filter(|&&v| to_int(v, 1.0).is_some()).count();
        if whole * 4 >= values.len() {
            MIXED
        } else {
            RAW
        }
    }
}

fn to_ints(values: &[f64], mode: u8, ints: &mut Vec<i64>) -> bool {
    let power = POWERS[mode as usize];
    ints.clear();
    for &value in values {
        match to_int(value, power) {
            Some(int) => ints.push(int),
            None => return false,
        }
    }
    true
}

/// The integer that, divided by `power`, gives back the value's very bits.
#[inline]
fn to_int(value: f64, power: f64) -> Option<i64> {
    let scaled = value * power;
    let int = if power == 1.0 {
        scaled as i64
    } else {
        scaled.round_ties_even() as i64
    };
    (from_int(int, power).to_bits() == value.to_bits() && scaled.abs() < INTEGER_MAX).then_some(int)
}

#[inline]
fn from_int(int: i64, power: f64) -> f64 {
    int as f64 / power
}

fn write_mixed(values: &[f64], out: &mut Vec<u8>) {
    let bitmap = out.len();
    out.resize(bitmap + values.len().div_ceil(8), 0);
    for (i, &value) in values.iter().enumerate() {
        if let Some(int) = to_int(value, 1.0) {
            put_signed(out, int);
        } else {
            out[bitmap + i / 8] |= 1 << (i % 8);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }
}

/// Calls `with` for every row of a payload (ids, time, values), until one is not as it must be.
pub(crate) fn read_rows(
    payload: &[u8],
    mut with: impl FnMut(&[u32], i64, &[f64]),
) -> Result<(), Corrupt> {
    let mut input = Input::new(payload);
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    let (mut t, mut next_id) = (0_i64, 0_i64);
    while input.remaining() > 0 {
        let head = input.byte()?;
        let len = match head >> 4 {
            0 => input.count(ROW_SAMPLES_MAX)?,
            short => short as usize,
        };
        t = t.wrapping_add(input.signed()?);
        ids.clear();
        values.clear();
        for i in 0..len {
            if i == 0 || head & RUN == 0 {
                next_id = next_id.wrapping_add(input.signed()?);
            }
            ids.push(u32::try_from(next_id).map_err(|_| input.corrupt())?);
            next_id += 1;
        }
        read_values(&mut input, head & MODE_BITS, len, &mut values)?;
        with(&ids, t, &values);
    }
    Ok(())
}

fn read_values(
    input: &mut Input<'_>,
    mode: u8,
    len: usize,
    values: &mut Vec<f64>,
) -> Result<(), Corrupt> {
    match mode {
        RAW => {
            for _ in 0..len {
                values.push(f64::from_bits(input.u64()?));
            }
        }
        MIXED => {
            let bitmap = input.take(len.div_ceil(8))?;
            for i in 0..len {
                let raw = bitmap[i / 8] >> (i % 8) & 1 == 1;
                values.push(if raw {
                    f64::from_bits(input.u64()?)
                } else {
                    from_int(input.signed()?, 1.0)
                });
            }
        }
        0 => {
            for _ in 0..len {
                values.push(input.signed()? as f64); // The usual case, without a division.
            }
        }
        mode => {
            let power = *POWERS.get(mode as usize).ok_or_else(|| input.corrupt())?;
            for _ in 0..len {
                values.push(from_int(input.signed()?, power));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::STALE_NAN;
    use proptest::prelude::*;

    fn rows_back(bytes: &[u8]) -> Vec<(u32, i64, u64)> {
        let mut back = Vec::new();
        let row = |ids: &[u32], t: i64, values: &[f64]| {
            back.extend(ids.iter().zip(values).map(|(id, v)| (*id, t, v.to_bits())));
        };
        read_rows(bytes, row).unwrap();
        back
    }

    fn written(rows: &[(i64, Vec<(u32, f64)>)]) -> Vec<u8> {
        let (mut writer, mut out, mut scratch) = (RowWriter::default(), Vec::new(), Vec::new());
        for (t, samples) in rows {
            let (ids, values): (Vec<u32>, Vec<f64>) = samples.iter().copied().unzip();
            let before = out.len();
            writer.write(*t, &ids, &values, &mut scratch, &mut out);
            assert!(out.len() - before <= row_bytes_max(ids.len()));
        }
        out
    }

    fn check(rows: &[(i64, Vec<(u32, f64)>)]) -> usize {
        let bytes = written(rows);
        let expected: Vec<_> = rows
            .iter()
            .flat_map(|(t, s)| s.iter().map(|(id, v)| (*id, *t, v.to_bits())))
            .collect();
        assert_eq!(rows_back(&bytes), expected);
        bytes.len()
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            any::<i32>().prop_map(f64::from),
            (any::<i32>(), 0..5).prop_map(|(i, e)| f64::from(i) / 10_f64.powi(e)),
            Just(STALE_NAN),
            Just(-0.0),
            Just(9_007_199_254_740_993.0),
            Just(-9_223_372_036_854_775_808.0),
            Just(f64::INFINITY),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back_bit_for_bit(rows in prop::collection::vec(
            (any::<i64>(), prop::collection::vec((any::<u32>(), value()), 1..40)), 0..20)
        ) {
            check(&rows);
        }

        #[test]
        fn definitions_come_back(texts in prop::collection::vec(("[a-zü]{1,9}", "[a-zü]{1,90}"), 1..20)) {
            let all: Vec<(u32, Labels)> = texts.iter().enumerate().map(|(i, (a, b))| {
                (i as u32 * 3, Labels::from_pairs([("__name__", a), ("x", b), ("host", &b.repeat(2))]))
            }).collect();
            let (mut writer, mut out) = (DefinitionWriter::default(), Vec::new());
            for (id, labels) in &all {
                writer.write(*id, labels, &mut out);
            }
            let mut back = Vec::new();
            read_definitions(&out, |id, labels| back.push((id, labels))).unwrap();
            prop_assert_eq!(back, all);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_rows(&bytes, |_, _, _| {});
            let _ = read_definitions(&bytes, |_, _| {});
        }
    }

    #[test]
    fn a_scrape_of_small_integers_takes_under_two_bytes_a_sample() {
        let rows: Vec<_> = (0..100)
            .map(|i| {
                (
                    1_793_491_200_000 + i * 10_000,
                    (0..10).map(|s| (s, f64::from(s * 7 % 64))).collect(),
                )
            })
            .collect();
        let bytes = check(&rows);
        assert!(bytes < 1600, "{bytes} for 1000 samples");
    }

    #[test]
    fn labels_that_differ_in_one_value_share_the_rest() {
        let (mut writer, mut out) = (DefinitionWriter::default(), Vec::new());
        for id in 0..100 {
            let host = format!("host_{id}");
            writer.write(
                id,
                &Labels::from_pairs([("__name__", "cpu"), ("host", &host), ("rack", "7")]),
                &mut out,
            );
        }
        assert!(out.len() < 100 * 10, "{}", out.len());
    }
}
