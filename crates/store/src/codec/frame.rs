//! Patched frames of reference: up to 128 integers in a window of `2^width` from a base, outliers apart.
//!
//! ```text
//! frame = head: u8 | base: signed varint, unless "same base" | outliers, if any | packed bits
//! head = bits 0-5: width (63 stands for 64) | bit 6: same base as the frame before | bit 7: outliers
//! outliers = count: u8, at least 1 | positions: u8 each, ascending | high parts: signed varint each
//! ```
//!
//! A value is `base + low + (high << width)`, all modulo 2^64: `low` is its packed `width` bits, `high`
//! its outlier part, or 0. So a frame can hold any integers; only the cost differs.
//!
//! The writer looks for the cheapest window by a linear histogram of the block, not by bit lengths from
//! the minimum: a walk's differences spread both ways, and a lone low outlier must not widen the rest.
//!
//! Not here: what the integers mean (`ints.rs`).

use super::Corrupt;
use super::bitpack::{self, BLOCK};
use super::varint::{Input, put_signed, unsigned_len, zigzag};

const WIDTH_BITS: u8 = 0x3f;
const SAME_BASE: u8 = 0x40;
const OUTLIERS: u8 = 0x80;

/// Bins of the histogram, and so the finest window relative to the range it looks at.
const BINS: usize = 64;
const BINS_LOG2: u32 = 6;

/// The window of the frame before, which the next frame may reuse. Starts as all zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    base: i64,
    width: u32,
    /// Frames that took this window without a search. The reader leaves it 0.
    reuses: u8,
}

/// Frames in a row that may take the window before them because it fits, though a narrower one
/// with outliers might be cheaper.
const REUSES_MAX: u8 = 7;
/// Below this width a few outliers are nearly always worth a look.
const REUSED_WIDTH_MIN: u32 = 3;

#[derive(Debug, Clone, Copy)]
struct Plan {
    window: Window,
    outliers: usize,
    cost: usize,
}

/// Estimated bytes of the frame that [`encode`] would write for `block`, 1..=128 values.
pub fn cost(block: &[i64]) -> usize {
    let (min, max) = min_max(block);
    plan(block, min, max).cost
}

/// Appends one frame holding `block`, 1..=128 values.
pub fn encode(block: &[i64], last: &mut Window, out: &mut Vec<u8>) {
    assert!(!block.is_empty() && block.len() <= BLOCK);
    let (min, max) = min_max(block);
    let full = bits(max.wrapping_sub(min) as u64);
    let reusable = full == last.width && last.covers(min, max);
    let plan = if reusable && full >= REUSED_WIDTH_MIN && last.reuses < REUSES_MAX {
        // As the frame before: the search is not repeated.
        let window = Window {
            reuses: last.reuses + 1,
            ..*last
        };
        Plan {
            window,
            outliers: 0,
            cost: 0,
        }
    } else {
        let found = plan(block, min, max);
        settle(block, min, max, found, *last)
    };
    write(block, plan, last, out);
}

impl Window {
    fn new(base: i64, width: u32) -> Window {
        Window {
            base,
            width,
            reuses: 0,
        }
    }

    fn covers(self, min: i64, max: i64) -> bool {
        self.holds(min)
            && self.holds(max)
            && max.wrapping_sub(self.base) as u64 >= min.wrapping_sub(self.base) as u64
    }

    fn holds(self, value: i64) -> bool {
        self.width == 64 || (value.wrapping_sub(self.base) as u64) >> self.width == 0
    }
}

fn bits(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// A width the head can name: 63 is written as 64.
fn writable(width: u32) -> u32 {
    if width == 63 { 64 } else { width }
}

fn min_max(block: &[i64]) -> (i64, i64) {
    let (mut min, mut max) = ([i64::MAX; 4], [i64::MIN; 4]);
    let (quads, rest) = block.as_chunks::<4>();
    for quad in quads {
        for lane in 0..4 {
            min[lane] = min[lane].min(quad[lane]);
            max[lane] = max[lane].max(quad[lane]);
        }
    }
    let rest_min = rest.iter().fold(i64::MAX, |a, &b| a.min(b));
    let rest_max = rest.iter().fold(i64::MIN, |a, &b| a.max(b));
    (
        min.iter().fold(rest_min, |a, &b| a.min(b)),
        max.iter().fold(rest_max, |a, &b| a.max(b)),
    )
}

/// The cheapest window, as far as a histogram of 64 bins (zoomed in on the crowd when outliers
/// stretch the range) can tell.
fn plan(block: &[i64], min: i64, max: i64) -> Plan {
    let len = block.len();
    let full = writable(bits(max.wrapping_sub(min) as u64));
    let mut best = Plan {
        window: Window::new(min, full),
        outliers: 0,
        cost: 1 + unsigned_len(zigzag(min)) + bitpack::packed_len(full, len),
    };
    let (mut low, mut span) = (min, max.wrapping_sub(min) as u64);
    while span > 0 {
        let bin_log2 = bits(span).saturating_sub(BINS_LOG2);
        let ends = histogram(block, low, bin_log2);
        let width_before = best.window.width;
        for window_log2 in (0..BINS_LOG2).rev() {
            let width = writable(bin_log2 + window_log2);
            if width >= best.window.width {
                continue;
            }
            let packed = bitpack::packed_len(width, len);
            let high_bytes = (full.saturating_sub(width) as usize + 1).div_ceil(7);
            // Not even a window that caught all but the few affordable outliers would do?
            let affordable = best.cost.saturating_sub(3 + packed) / (1 + high_bytes);
            let caught = crowd(&ends, 1 << window_log2);
            let outliers = len - caught;
            if outliers == 0 || outliers > affordable {
                continue;
            }
            let start = crowd_start(&ends, 1 << window_log2, caught);
            let base = low.wrapping_add((start as i64) << bin_log2);
            let cost = 2 + unsigned_len(zigzag(base)) + packed + outliers * (1 + high_bytes);
            if cost < best.cost {
                best = Plan {
                    window: Window::new(base, width),
                    outliers,
                    cost,
                };
            }
        }
        if bin_log2 == 0 {
            break;
        }
        if best.window.width < width_before {
            // Look closer at the window just found.
            (low, span) = (best.window.base, (1 << best.window.width) - 1);
            continue;
        }
        // No window pays yet: zoom in on the two fullest neighbouring bins, if most values are there.
        let caught = crowd(&ends, 2);
        if 2 * caught < len {
            break;
        }
        low = low.wrapping_add((crowd_start(&ends, 2, caught) as i64) << bin_log2);
        span = (2_u64 << bin_log2) - 1;
    }
    best
}

/// `ends[i]`: values in bins before `i`; bin `i` is `low + (i << bin_log2) ..`. Values outside the
/// 64 bins are not counted.
fn histogram(block: &[i64], low: i64, bin_log2: u32) -> [u8; BINS + 1] {
    // Four histograms, so that runs of one value do not wait for their own counter.
    let mut counts = [[0_u8; BINS + 1]; 4];
    let (quads, rest) = block.as_chunks::<4>();
    let bin = |value: i64| (((value.wrapping_sub(low) as u64) >> bin_log2) as usize).min(BINS);
    for quad in quads {
        for lane in 0..4 {
            counts[lane][bin(quad[lane])] += 1;
        }
    }
    for &value in rest {
        counts[0][bin(value)] += 1;
    }
    let mut ends = [0; BINS + 1];
    let mut sum = 0;
    for i in 0..BINS {
        sum += counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
        ends[i + 1] = sum;
    }
    ends
}

/// Values in the fullest window of `bins` bins.
fn crowd(ends: &[u8; BINS + 1], bins: usize) -> usize {
    let most = ends[bins..]
        .iter()
        .zip(ends)
        .map(|(end, start)| end - start)
        .fold(0, u8::max);
    most as usize
}

/// Where the first window of `bins` bins with `caught` values starts.
fn crowd_start(ends: &[u8; BINS + 1], bins: usize, caught: usize) -> usize {
    let at = ends[bins..]
        .iter()
        .zip(ends)
        .position(|(end, start)| (end - start) as usize == caught);
    at.unwrap_or(0)
}

/// Moves the window within its slack: onto the last base if that catches as much, which saves the
/// base's bytes; else to the middle, so that the next frame can reuse it.
fn settle(block: &[i64], min: i64, max: i64, mut plan: Plan, last: Window) -> Plan {
    let width = plan.window.width;
    if width == 64 {
        plan.window.base = last.base;
        return plan;
    }
    let moved = Window::new(last.base, width);
    if plan.outliers == 0 {
        let slack = ((1_u64 << width) - 1).saturating_sub(max.wrapping_sub(min) as u64);
        let middle = Window::new(min.saturating_sub((slack / 2) as i64), width);
        if moved.covers(min, max) {
            plan.window = moved;
        } else if middle.covers(min, max) {
            plan.window = middle;
        }
    } else if moved.base.abs_diff(plan.window.base) >> width == 0 {
        let outside = block.iter().filter(|&&value| !moved.holds(value)).count();
        if outside <= plan.outliers {
            plan.window = moved;
        }
    }
    plan
}

fn write(block: &[i64], plan: Plan, last: &mut Window, out: &mut Vec<u8>) {
    let Window { base, width, .. } = plan.window;
    let same = base == last.base;
    let mut shifted = [0_u64; BLOCK];
    for (to, value) in shifted.iter_mut().zip(block) {
        *to = value.wrapping_sub(base) as u64;
    }
    let shifted = &mut shifted;
    let head = width.min(63) as u8 | if same { SAME_BASE } else { 0 };
    let head_at = out.len();
    out.push(head);
    if !same {
        put_signed(out, base);
    }
    if plan.outliers > 0 {
        out[head_at] |= OUTLIERS;
        let count_at = out.len();
        out.push(0);
        let outside = |&value: &u64| value >> width != 0;
        for (i, _) in shifted
            .iter()
            .enumerate()
            .filter(|(_, value)| outside(value))
        {
            out.push(i as u8);
            out[count_at] += 1;
        }
        for value in shifted.iter().filter(|value| outside(value)) {
            put_signed(out, *value as i64 >> width);
        }
    }
    if block.len() == BLOCK {
        bitpack::pack(width, shifted, out);
    } else {
        bitpack::pack_tail(width, &shifted[..block.len()], out);
    }
    *last = plan.window;
}

/// Reads one frame of `count` values (1..=128) into the front of `block`; the rest is unspecified.
pub fn decode(
    input: &mut Input<'_>,
    count: usize,
    last: &mut Window,
    block: &mut [i64; BLOCK],
) -> Result<(), Corrupt> {
    let head = input.byte()?;
    let width = match u32::from(head & WIDTH_BITS) {
        63 => 64,
        width => width,
    };
    let base = if head & SAME_BASE == 0 {
        input.signed()?
    } else {
        last.base
    };
    *last = Window::new(base, width);
    let outliers = if head & OUTLIERS == 0 {
        None
    } else {
        Some(Outliers::skip(input, count)?)
    };
    let packed = input.take(bitpack::packed_len(width, count))?;
    if count == BLOCK {
        bitpack::unpack(width, packed, base, block);
    } else {
        bitpack::unpack_tail(width, packed, base, &mut block[..count]);
    }
    match outliers {
        None => Ok(()),
        Some(outliers) => outliers.patch(width, block),
    }
}

/// The outliers of a frame: read over first, since they stand before what they patch.
struct Outliers<'a> {
    positions: &'a [u8],
    highs: Input<'a>,
}

impl<'a> Outliers<'a> {
    fn skip(input: &mut Input<'a>, count: usize) -> Result<Outliers<'a>, Corrupt> {
        let len = usize::from(input.byte()?);
        let start = input.corrupt();
        let positions = input.take(len)?;
        if positions.iter().any(|&at| usize::from(at) >= count) {
            return Err(start);
        }
        let highs = input.clone();
        for _ in positions {
            input.unsigned()?;
        }
        Ok(Outliers { positions, highs })
    }

    fn patch(mut self, width: u32, block: &mut [i64; BLOCK]) -> Result<(), Corrupt> {
        for &at in self.positions {
            let high = self.highs.signed()?;
            let high = if width == 64 { 0 } else { high << width };
            let value = &mut block[usize::from(at)];
            *value = value.wrapping_add(high);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(block: &[i64]) -> usize {
        let mut out = Vec::new();
        let mut window = Window::default();
        // Twice, so that the second frame meets a window to reuse.
        encode(block, &mut window, &mut out);
        let first = out.len();
        encode(block, &mut window, &mut out);
        let mut input = Input::new(&out);
        let mut window = Window::default();
        for _ in 0..2 {
            let mut got = [7; BLOCK];
            decode(&mut input, block.len(), &mut window, &mut got).unwrap();
            assert_eq!(&got[..block.len()], block);
        }
        assert_eq!(input.finish(), Ok(()));
        first
    }

    #[test]
    fn a_low_outlier_does_not_widen_the_rest() {
        let mut block: Vec<i64> = (0..128).map(|i| i % 8).collect();
        block[50] = -1_000_000;
        assert!(check(&block) <= 48 + 10, "{}", check(&block));
    }

    #[test]
    fn outliers_on_both_sides_at_two_scales() {
        let mut block: Vec<i64> = (0..128).map(|i| 100 + i % 4).collect();
        block[3] = i64::MIN;
        block[70] = i64::MAX;
        block[90] = 100_000;
        assert!(check(&block) <= 32 + 50, "{}", check(&block));
    }

    #[test]
    fn equal_values_take_no_bits() {
        assert_eq!(check(&[0; 128]), 1);
        assert_eq!(check(&[-5; 100]), 2);
    }

    proptest! {
        #[test]
        fn any_integers_come_back(block in prop::collection::vec(any::<i64>(), 1..=128)) {
            check(&block);
        }

        #[test]
        fn clustered_integers_come_back_and_stay_small(
            center in -1_i64 << 61..1 << 61,
            spread in 0_u32..61,
            noise in prop::collection::vec(any::<u64>(), 1..=128),
            outlier in any::<(prop::sample::Index, i64)>(),
        ) {
            let mut block: Vec<i64> =
                noise.iter().map(|n| center.wrapping_add((n >> (63 - spread)) as i64)).collect();
            check(&block);
            let at = outlier.0.index(block.len());
            block[at] = outlier.1;
            // The search is by bins: it may end a bit wider than the crowd.
            let bound = 30 + bitpack::packed_len(writable(spread + 2), block.len());
            let size = check(&block);
            prop_assert!(size <= bound, "{size} bytes, at most {bound} expected");
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 1_usize..=128) {
            let mut block = [0; BLOCK];
            let _ = decode(&mut Input::new(&bytes), count, &mut Window::default(), &mut block);
        }
    }
}
