//! Sums, means, deviations and counts over windows.
//!
//! All of them are compensated. Which rounding errors are left depends on the order of the terms: windows with few samples
//! are added up in order of time, as Prometheus adds them, so that both agree even on sums that cancel to nothing. Longer ones add
//! up from the cut inside them outwards (`halves.rs`), which differs in the last digits at most unless terms of three magnitudes cancel.
//! Where nothing is rounded at all, since the values are whole numbers and not too large, order does not matter: windows that
//! hardly overlap add up four values at a time, the sum of others is the difference of two totals.

use bellwether_model::whole::{is_exact, is_exact_of_small, not_whole};

use super::halves::{Halves, cut};
use super::{Row, Samples, Scratch, Window, Windows};
use crate::error::QueryError;
use crate::source::Values;
use crate::sum::{Deviation, Mean, Sum};

/// Up to so many samples are added one by one: about what meeting in the middle costs.
const FEW: usize = 32;

/// `sum_over_time`
pub(crate) fn sums(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    scratch.charge(row.samples, size_of::<f64>() + size_of::<Sum>())?;
    exact_or_folded(
        row,
        &mut scratch.totals,
        &mut scratch.sums,
        |total, _| total,
        Sum::add,
        |mut tail, head| {
            tail.merge(head);
            tail.total()
        },
    )
}

/// `avg_over_time`
pub(crate) fn means(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    scratch.charge(row.samples, size_of::<f64>() + size_of::<Mean>())?;
    exact_or_folded(
        row,
        &mut scratch.totals,
        &mut scratch.means,
        |total, count| total / count,
        Mean::add,
        |mut tail, head| {
            tail.merge(head);
            tail.mean()
        },
    )
}

/// `stddev_over_time`
pub(crate) fn deviations(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    spreads(row, scratch, f64::sqrt)
}

/// `stdvar_over_time`
pub(crate) fn variances(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    spreads(row, scratch, |variance| variance)
}

/// The population variance of each window as `shown` shows it.
#[inline(always)]
fn spreads(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    shown: impl Fn(f64) -> f64,
) -> Result<(), QueryError> {
    scratch.charge(row.samples, size_of::<Deviation>())?;
    let halves = &mut scratch.deviations;
    fold(row, halves, Deviation::add, |mut tail, head| {
        tail.merge(head);
        shown(tail.variance())
    })
}

/// Writes `exact` of each window's sum and count where no sum is rounded, else what folding its samples makes of them.
fn exact_or_folded<A: Copy + Default>(
    row: &mut Row<'_>,
    totals: &mut Vec<f64>,
    halves: &mut Halves<A>,
    exact: impl Fn(f64, f64) -> f64,
    add: impl Fn(&mut A, f64),
    finish: impl Fn(A, A) -> f64,
) -> Result<(), QueryError> {
    let values = row.samples.values;
    if row.windows.hardly_overlap() {
        halves.reset();
        let (samples, windows) = (row.samples, row.windows);
        if samples.known == Values::Small && is_exact_of_small(values.len()) {
            return row.each(|w| Some(exact(total(&values[w.lo..w.hi]), (w.hi - w.lo) as f64)));
        }
        return row.each(|w| {
            let count = w.hi - w.lo;
            match exact_total(&values[w.lo..w.hi]) {
                Some(sum) => Some(exact(sum.total, count as f64)),
                None => Some(folded(samples, windows, w, halves, &add, &finish)),
            }
        });
    }
    if exact_totals(values, totals) {
        return row.each(|w| Some(exact(totals[w.hi] - totals[w.lo], (w.hi - w.lo) as f64)));
    }
    fold(row, halves, add, finish)
}

fn fold<A: Copy + Default>(
    row: &mut Row<'_>,
    halves: &mut Halves<A>,
    add: impl Fn(&mut A, f64),
    finish: impl Fn(A, A) -> f64,
) -> Result<(), QueryError> {
    let (samples, windows) = (row.samples, row.windows);
    halves.reset();
    row.each(|w| Some(folded(samples, windows, w, halves, &add, &finish)))
}

#[inline(always)]
fn folded<A: Copy + Default>(
    samples: Samples<'_>,
    windows: Windows,
    w: Window,
    halves: &mut Halves<A>,
    add: impl Fn(&mut A, f64),
    finish: impl Fn(A, A) -> f64,
) -> f64 {
    let add = |own: &mut A, index: usize| add(own, samples.values[index]);
    if w.hi - w.lo <= FEW {
        let mut all = A::default();
        (w.lo..w.hi).for_each(|index| add(&mut all, index));
        return finish(all, A::default());
    }
    let halved = halves.fold(samples.times, cut(windows, w), w, add, add);
    finish(halved.tail, halved.head)
}

/// Values between two looks at whether sums are exact still.
const LOT: usize = 64;

/// A sum that is not rounded, whatever the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    pub(super) total: f64,
    /// What the magnitudes of its terms add up to.
    pub(super) magnitude: f64,
}

/// The sum of the values, if no sum of some of them is rounded.
pub(super) fn exact_total(values: &[f64]) -> Option<Exact> {
    let (mut total, mut magnitude) = ([0.0; 4], [0.0; 4]);
    for lot in values.chunks(LOT) {
        let mut others = [0; 4];
        let (quads, rest) = lot.as_chunks::<4>();
        for quad in quads {
            for lane in 0..4 {
                others[lane] |= not_whole(quad[lane]);
                magnitude[lane] += quad[lane].abs();
                total[lane] += quad[lane];
            }
        }
        for &value in rest {
            others[0] |= not_whole(value);
            magnitude[0] += value.abs();
            total[0] += value;
        }
        if others != [0; 4] || !is_exact(magnitude.iter().sum()) {
            return None;
        }
    }
    Some(Exact {
        total: total.iter().sum(),
        magnitude: magnitude.iter().sum(),
    })
}

/// The sum of values that add up exactly in any order.
fn total(values: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (eights, rest) = values.as_chunks::<8>();
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).sum()
}

/// Fills `totals` with the sum of the first `i` values at `i`, if no sum of neighbours is rounded; else returns false.
fn exact_totals(values: &[f64], totals: &mut Vec<f64>) -> bool {
    totals.clear();
    totals.reserve_exact(values.len() + 1);
    totals.push(0.0);
    let (mut total, mut magnitude) = (0.0, 0.0);
    for lot in values.chunks(LOT) {
        let mut others = 0;
        for &value in lot {
            others |= not_whole(value);
            magnitude += value.abs();
            total += value;
            totals.push(total);
        }
        if others != 0 || !is_exact(magnitude) {
            return false;
        }
    }
    true
}

/// `changes`
pub(crate) fn changes(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    pairs(row, is_change, scratch)
}

/// `resets`
pub(crate) fn resets(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    pairs(row, is_reset, scratch)
}

/// How many neighbours in each window satisfy `counted`.
#[inline(always)]
fn pairs(
    row: &mut Row<'_>,
    counted: impl Fn(f64, f64) -> bool,
    scratch: &mut Scratch,
) -> Result<(), QueryError> {
    let counts = prefix_counts(row.samples, counted, scratch)?;
    row.each(|w| Some(f64::from(count(counts, w))))
}

/// What [`count`] looks at: how many neighbours before each sample satisfy `counted`.
pub(super) fn prefix_counts<'s>(
    samples: Samples<'_>,
    counted: impl Fn(f64, f64) -> bool,
    scratch: &'s mut Scratch,
) -> Result<&'s [u32], QueryError> {
    scratch.charge(samples, size_of::<u32>())?;
    let (values, counts) = (samples.values, &mut scratch.counts);
    counts.clear();
    counts.reserve_exact(values.len());
    let mut total = 0;
    counts.push(0);
    for pair in values.windows(2) {
        total += u32::from(counted(pair[0], pair[1]));
        counts.push(total);
    }
    Ok(counts)
}

/// How many neighbours inside a window, which has samples, were counted.
pub(super) fn count(counts: &[u32], w: Window) -> u32 {
    counts[w.hi - 1] - counts[w.lo]
}

/// True when the value changed; NaN after NaN is no change.
pub(super) fn is_change(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}

/// True when a counter began anew.
pub(super) fn is_reset(before: f64, after: f64) -> bool {
    after < before
}
