//! Value chunks: any `f64`s, bit for bit, small when they are what people measure.
//!
//! ```text
//! chunk = head: u8 | body
//! head = bits 0-4: mapping | bit 5: exceptions | bit 6: resets | bit 7: 0
//! mapping = 0..=15: decimals | 16: ordered bits | 17..=28: decimals (plus 17) and noise | 29: one value | 30: raw | 31: reserved
//! body of "one value" = the value's bits: u64 LE, for as many samples as there are
//! body of "raw" = bits: u64 LE each
//! body otherwise = exceptions, if bit 5 | resets, if bit 6 | one integer sequence (`ints.rs`)
//!                | one more for the noise, if the mapping has some
//! exceptions = count: varint, then for each: varint of (gap << 1 | same) | bits: u64 LE, unless same
//! resets = count: varint, then for each: gap: varint
//! ```
//!
//! An exception replaces the value at its index; "same" repeats the bits of the exception before, the
//! first one's being the staleness marker. Gaps count the values skipped since the one before.
//!
//! Resets serve counters: the sequence then holds what the counter would show had it never restarted,
//! so that a restart costs a gap instead of two differences as large as the counter.
//!
//! Not here: the number of samples and the checksum, which the container keeps.

use super::bitpack::BLOCK;
use super::ints::{self, OrderHint};
use super::mapping::{self, Mapped, Mapping};
use super::varint::{Input, put_unsigned};
use super::{CHUNK_SAMPLES_MAX, Corrupt};
use std::ops::Range;

const MAPPING_BITS: u8 = 0x1f;
const EXCEPTIONS: u8 = 0x20;
const RESETS: u8 = 0x40;
const ONE_VALUE: u8 = 29;
const RAW: u8 = 30;

/// The staleness marker of Prometheus: the most frequent exception by far.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A counter resets at most once in this many samples; more often, it is a gauge.
const RESET_ONE_IN: usize = 50;

/// What the last chunk of the same series looked like. Only size and speed depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    mapping: Mapping,
    order: OrderHint,
    noise: OrderHint,
}

impl Default for Hint {
    fn default() -> Hint {
        Hint {
            mapping: Mapping::Decimal(0),
            order: OrderHint::default(),
            noise: OrderHint::default(),
        }
    }
}

/// Appends the encoding of at most 65,535 values: at most `1 + 8 * values.len()` bytes, none for none.
pub fn encode(values: &[f64], hint: &mut Hint, out: &mut Vec<u8>) {
    assert!(values.len() <= CHUNK_SAMPLES_MAX);
    let Some(&first) = values.first() else { return };
    let start = out.len();
    if values.iter().fold(0, |differing, value| {
        differing | (value.to_bits() ^ first.to_bits())
    }) == 0
    {
        encode_one(first, values.len(), out);
        return;
    }
    let (mapping, mut mapped) = mapping::map(values, hint.mapping);
    hint.mapping = mapping;
    let resets = unwrap_resets(&mut mapped);
    let mut head = mapping.code();
    out.push(head);
    if !mapped.misfits.is_empty() {
        head |= EXCEPTIONS;
        put_exceptions(values, &mapped, out);
    }
    if !resets.is_empty() {
        head |= RESETS;
        put_unsigned(out, resets.len() as u64);
        put_gaps(&resets, |gap| put_unsigned(out, gap));
    }
    out[start] = head;
    ints::encode(&mapped.ints, &mut hint.order, out);
    ints::encode(&mapped.noise, &mut hint.noise, out);
    if out.len() - start > 1 + 8 * values.len() {
        out.truncate(start);
        out.push(RAW);
        out.extend(
            values
                .iter()
                .flat_map(|value| value.to_bits().to_le_bytes()),
        );
    }
}

fn encode_one(value: f64, count: usize, out: &mut Vec<u8>) {
    let start = out.len();
    if let Some((mapping, d)) = mapping::shortest_decimal(value) {
        out.push(mapping.code());
        ints::encode(&vec![d; count.min(2)], &mut OrderHint::default(), out);
        if out.len() - start <= 9 {
            return;
        }
        out.truncate(start);
    }
    out.push(ONE_VALUE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn put_gaps(indices: &[u16], mut put: impl FnMut(u64)) {
    let mut next = 0;
    for &at in indices {
        put(u64::from(at) - next);
        next = u64::from(at) + 1;
    }
}

fn put_exceptions(values: &[f64], mapped: &Mapped, out: &mut Vec<u8>) {
    put_unsigned(out, mapped.misfits.len() as u64);
    let mut last = STALE;
    let mut bits = mapped
        .misfits
        .iter()
        .map(|&at| values[usize::from(at)].to_bits());
    put_gaps(&mapped.misfits, |gap| {
        let bits = bits.next().unwrap_or(last);
        put_unsigned(out, gap << 1 | u64::from(bits == last));
        if bits != last {
            out.extend_from_slice(&bits.to_le_bytes());
        }
        last = bits;
    });
}

/// If the integers look like a counter that restarts now and then, makes them ascend and returns the
/// indices of the restarts.
fn unwrap_resets(mapped: &mut Mapped) -> Vec<u16> {
    let ints = &mut mapped.ints;
    let pairs = || ints.iter().zip(ints.iter().skip(1));
    let falls = pairs()
        .map(|(a, b)| (b.wrapping_sub(*a) as u64 >> 63) as usize)
        .sum::<usize>();
    if falls == 0 || falls * RESET_ONE_IN > ints.len() {
        return Vec::new();
    }
    // Below 2^51, at most 1,310 falls cannot overflow the sum.
    let is_counter =
        pairs().all(|(&a, &b)| a >= 0 && b >= 0 && a < 1 << 51 && (b >= a || b < a / 2));
    if !is_counter {
        return Vec::new();
    }
    let mut resets = Vec::with_capacity(falls);
    let (mut before, mut lost) = (0, 0);
    for (i, x) in ints.iter_mut().enumerate() {
        if *x < before {
            lost += before;
            resets.push(i as u16);
        }
        before = *x;
        *x += lost;
    }
    resets
}

/// Appends the `count` values that `bytes` hold; on an error `out` is as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Corrupt> {
    decode_range(bytes, count, 0..count, out)
}

/// Appends the values at indices `range` of the `count` that `bytes` hold; on an error `out` is as it
/// was. What follows the range is not decoded, and so not checked either.
pub fn decode_range(
    bytes: &[u8],
    count: usize,
    range: Range<usize>,
    out: &mut Vec<f64>,
) -> Result<(), Corrupt> {
    let before = out.len();
    let mut input = Input::new(bytes);
    if count > CHUNK_SAMPLES_MAX || range.start > range.end || range.end > count {
        return Err(input.corrupt());
    }
    if count == 0 {
        return input.finish();
    }
    let read = decode_body(&mut input, count, range, out);
    if read.is_err() {
        out.truncate(before);
    }
    read
}

fn decode_body(
    input: &mut Input<'_>,
    count: usize,
    range: Range<usize>,
    out: &mut Vec<f64>,
) -> Result<(), Corrupt> {
    let start = input.corrupt();
    let head = input.byte()?;
    match head {
        ONE_VALUE => return one_value(input, range.len(), out),
        RAW => return raw(input, count, range, out),
        _ => {}
    }
    let mapping = Mapping::from_code(head & MAPPING_BITS).ok_or(start)?;
    if head & !(MAPPING_BITS | EXCEPTIONS | RESETS) != 0 {
        return Err(start);
    }
    let exceptions = if head & EXCEPTIONS == 0 {
        Vec::new()
    } else {
        exceptions(input, count)?
    };
    let resets = if head & RESETS == 0 {
        Vec::new()
    } else {
        resets(input, count)?
    };
    let first = out.len();
    mapped(input, count, &range, mapping, &resets, out)?;
    if matches!(mapping, Mapping::Noisy(_)) {
        nudge(input, count, &range, &mut out[first..])?;
    }
    if range.end == count {
        input.finish()?;
    }
    for (at, bits) in exceptions {
        if let Some(i) = at.checked_sub(range.start)
            && let Some(value) = out[first..].get_mut(i)
        {
            *value = f64::from_bits(bits);
        }
    }
    Ok(())
}

fn one_value(input: &mut Input<'_>, wanted: usize, out: &mut Vec<f64>) -> Result<(), Corrupt> {
    let value = f64::from_bits(input.u64()?);
    input.finish()?;
    out.extend(std::iter::repeat_n(value, wanted));
    Ok(())
}

fn raw(
    input: &mut Input<'_>,
    count: usize,
    range: Range<usize>,
    out: &mut Vec<f64>,
) -> Result<(), Corrupt> {
    let raw = input.take(8 * count)?;
    input.finish()?;
    let words = raw.as_chunks::<8>().0[range].iter();
    out.extend(words.map(|&bytes| f64::from_bits(u64::from_le_bytes(bytes))));
    Ok(())
}

/// Appends what the integers stand for, as far as they lie within `range`.
fn mapped(
    input: &mut Input<'_>,
    count: usize,
    range: &Range<usize>,
    mapping: Mapping,
    resets: &[usize],
    out: &mut Vec<f64>,
) -> Result<(), Corrupt> {
    let mut rewind = Rewind {
        resets,
        last: 0,
        lost: 0,
    };
    // The stream of corrections comes after all integers.
    let to_the_end = matches!(mapping, Mapping::Noisy(_));
    out.reserve(range.len());
    ints::decode(input, count, |at, block, len| {
        let wanted = range.start.max(at) - at..range.end.min(at + len).max(at) - at;
        let rewound;
        let block = if resets.is_empty() {
            block
        } else {
            rewound = rewind.block(at, block);
            &rewound
        };
        if let Some(ints) = block.get(wanted) {
            mapping.floats(ints, out);
        }
        to_the_end || at + len < range.end
    })
}

/// Corrects `values`, those of `range`, by the steps that follow the integers.
fn nudge(
    input: &mut Input<'_>,
    count: usize,
    range: &Range<usize>,
    values: &mut [f64],
) -> Result<(), Corrupt> {
    ints::decode(input, count, |at, block, len| {
        let wanted = range.start.max(at)..range.end.min(at + len).max(at);
        for i in wanted {
            let value = &mut values[i - range.start];
            *value = mapping::nudge(*value, block[i - at]);
        }
        at + len < range.end
    })
}

/// Undoes [`unwrap_resets`], block after block.
struct Rewind<'a> {
    resets: &'a [usize],
    last: i64,
    lost: i64,
}

impl Rewind<'_> {
    fn block(&mut self, at: usize, block: &[i64; BLOCK]) -> [i64; BLOCK] {
        let mut rewound = *block;
        for (i, x) in rewound.iter_mut().enumerate() {
            if let Some((&reset, rest)) = self.resets.split_first()
                && reset == at + i
            {
                self.resets = rest;
                self.lost = self.last;
            }
            self.last = *x;
            *x = x.wrapping_sub(self.lost);
        }
        rewound
    }
}

/// The next index after `next` and a gap, if it is below `count`.
fn index(start: Corrupt, next: usize, gap: u64, count: usize) -> Result<usize, Corrupt> {
    let at = usize::try_from(gap)
        .ok()
        .and_then(|gap| next.checked_add(gap));
    at.filter(|&at| at < count).ok_or(start)
}

fn exceptions(input: &mut Input<'_>, count: usize) -> Result<Vec<(usize, u64)>, Corrupt> {
    // Each takes a byte at least, so a lying count cannot ask for more than the chunk's own size.
    let len = input.count(count.min(input.remaining()))?;
    let mut all = Vec::with_capacity(len);
    let (mut next, mut bits) = (0, STALE);
    for _ in 0..len {
        let start = input.corrupt();
        let word = input.unsigned()?;
        let at = index(start, next, word >> 1, count)?;
        if word & 1 == 0 {
            bits = input.u64()?;
        }
        all.push((at, bits));
        next = at + 1;
    }
    Ok(all)
}

fn resets(input: &mut Input<'_>, count: usize) -> Result<Vec<usize>, Corrupt> {
    let len = input.count(count.min(input.remaining()))?;
    let mut all = Vec::with_capacity(len);
    let mut next = 0;
    for _ in 0..len {
        let start = input.corrupt();
        let at = index(start, next, input.unsigned()?, count)?;
        all.push(at);
        next = at + 1;
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
