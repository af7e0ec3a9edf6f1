//! Extremes, quantiles and medians over windows.

use std::cmp::Ordering;

use super::ranks::{self, Ranks};
use super::{Row, Scratch};
use crate::error::QueryError;
use crate::notes::is_quantile;

/// `min_over_time`
pub(crate) fn minima(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    values(row, Extreme::Min, scratch)
}

/// `max_over_time`
pub(crate) fn maxima(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    values(row, Extreme::Max, scratch)
}

// Inlined, so that which extreme is known where `among` is compiled: otherwise each comparison is a call.
#[inline(always)]
fn values(row: &mut Row<'_>, wanted: Extreme, scratch: &mut Scratch) -> Result<(), QueryError> {
    let values = row.samples.values;
    if row.windows.hardly_overlap() {
        return row.each(|w| {
            let inside = &values[w.lo..w.hi];
            let found = wanted.among(inside);
            Some(found.unwrap_or_else(|| inside[wanted.last_among(inside)]))
        });
    }
    extremes(row, wanted, scratch, |index| values[index])
}

/// `ts_of_min_over_time`
pub(crate) fn minimum_times(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    let samples = row.samples;
    extremes(row, Extreme::Min, scratch, |index| samples.seconds(index))
}

/// `ts_of_max_over_time`
pub(crate) fn maximum_times(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    let samples = row.samples;
    extremes(row, Extreme::Max, scratch, |index| samples.seconds(index))
}

/// Smallest or largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extreme {
    Min,
    Max,
}

impl Extreme {
    /// Whether a sample takes the place of an earlier one.
    #[inline(always)]
    fn beats(self, a: f64, b: f64) -> bool {
        match self {
            _ if b.is_nan() => true,
            Extreme::Min => a <= b,
            Extreme::Max => a >= b,
        }
    }

    /// Where in `values`, of which there is one at least, the extreme is: the last one among equals.
    fn last_among(self, values: &[f64]) -> usize {
        (1..values.len()).fold(0, |best, i| {
            if self.beats(values[i], values[best]) {
                i
            } else {
                best
            }
        })
    }

    /// The extreme of `values`, eight at a time in whatever order. `None` where that does not say it: where there is nothing
    /// but NaN and the opposite infinity, and for zeros, which are equal but not the same.
    #[inline(always)]
    fn among(self, values: &[f64]) -> Option<f64> {
        let (worst, is_better): (f64, fn(f64, f64) -> bool) = match self {
            Extreme::Min => (f64::INFINITY, |a, b| a < b),
            Extreme::Max => (f64::NEG_INFINITY, |a, b| a > b),
        };
        let better = |best: f64, v: f64| if is_better(v, best) { v } else { best };
        let mut lanes = [worst; 8];
        let (eights, rest) = values.as_chunks::<8>();
        for eight in eights {
            for (best, v) in lanes.iter_mut().zip(eight) {
                *best = better(*best, *v);
            }
        }
        let best = rest.iter().chain(&lanes).copied().fold(worst, better);
        (best != worst && best != 0.0).then_some(best)
    }
}

/// The extreme sample of each window that has samples as `value` gives it by index: the last one among equals,
/// NaN only when there is nothing else. O(1) a sample: windows that hardly overlap are looked through, others slide over a
/// monotonic queue.
#[inline(always)]
fn extremes(
    row: &mut Row<'_>,
    wanted: Extreme,
    scratch: &mut Scratch,
    value: impl Fn(usize) -> f64,
) -> Result<(), QueryError> {
    let values = row.samples.values;
    if row.windows.hardly_overlap() {
        return row.each(|w| Some(value(w.lo + wanted.last_among(&values[w.lo..w.hi]))));
    }
    scratch.charge(row.samples, size_of::<usize>())?;
    let queue = &mut scratch.queue;
    // `queue[head..]` holds indices whose values get ever less extreme; the head is the answer.
    queue.clear();
    let (mut head, mut seen) = (0, 0);
    row.each(|w| {
        while seen < w.hi {
            while queue.len() > head
                && queue
                    .last()
                    .is_some_and(|q| wanted.beats(values[seen], values[*q]))
            {
                queue.pop();
            }
            queue.push(seen);
            seen += 1;
        }
        while head < queue.len() && queue[head] < w.lo {
            head += 1;
        }
        queue.get(head).map(|index| value(*index))
    })
}

/// `quantile_over_time`
pub(crate) fn quantiles(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    scratch.charge(row.samples, ranks::BYTES_PER_SAMPLE)?;
    let ranks = &mut scratch.ranks;
    let (q_at, q_span, notes) = (row.param(0), row.param_span(0), row.notes);
    let mut noted = None;
    let mut q = |step| {
        let q = q_at(step);
        if !is_quantile(q) && noted.replace(q.to_bits()) != Some(q.to_bits()) {
            notes.warn_quantile(q, q_span);
        }
        q
    };
    if row.windows.hardly_overlap() {
        let values = row.samples.values;
        let inside = ranks.unranked();
        return row.each(|w| {
            inside.clear();
            inside.extend_from_slice(&values[w.lo..w.hi]);
            Some(quantile_of(q(w.step), inside))
        });
    }
    ranks.reset(row.samples, row.pace)?;
    row.each(|w| {
        ranks.slide(w.lo, w.hi);
        Some(quantile(q(w.step), ranks.len(), |k| ranks.nth(k)))
    })
}

/// `mad_over_time`
pub(crate) fn median_deviations(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
) -> Result<(), QueryError> {
    scratch.charge(row.samples, ranks::BYTES_PER_SAMPLE)?;
    let ranks = &mut scratch.ranks;
    ranks.reset(row.samples, row.pace)?;
    row.each(|w| {
        ranks.slide(w.lo, w.hi);
        Some(median_deviation(ranks))
    })
}

/// NaN before every number, as Prometheus sorts for quantiles; minus zero before zero, so that equal is the same.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what `sort_by` calls")]
pub(crate) fn nan_first(a: &f64, b: &f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a, b) => b.cmp(&a),
    }
}

/// The `q`-quantile of `len` values, the `k`-th smallest of which is `nth(k)`, interpolated between neighbours.
/// NaN without values or with `q` NaN, -Inf below 0, +Inf above 1.
fn quantile(q: f64, len: usize, nth: impl Fn(usize) -> f64) -> f64 {
    match Between::of(q, len) {
        Ok(Between {
            lower,
            upper,
            weight,
        }) => nth(lower) * (1.0 - weight) + nth(upper) * weight,
        Err(value) => value,
    }
}

/// The `q`-quantile of `values`, which it puts into another order: not sorted, since only two of them are wanted.
pub(crate) fn quantile_of(q: f64, values: &mut [f64]) -> f64 {
    let Between {
        lower,
        upper,
        weight,
    } = match Between::of(q, values.len()) {
        Ok(between) => between,
        Err(value) => return value,
    };
    let (_, low, above) = values.select_nth_unstable_by(lower, nan_first);
    let next = above.iter().min_by(|a, b| nan_first(a, b));
    let high = next.filter(|_| upper > lower).unwrap_or(&*low);
    *low * (1.0 - weight) + high * weight
}

/// Between which of some sorted values a quantile lies, and how near to the second of them.
struct Between {
    lower: usize,
    upper: usize,
    weight: f64,
}

impl Between {
    /// `Err` is the quantile where it does not depend on the values.
    fn of(q: f64, len: usize) -> Result<Between, f64> {
        if len == 0 || q.is_nan() {
            return Err(f64::NAN);
        }
        if q < 0.0 {
            return Err(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return Err(f64::INFINITY);
        }
        let rank = q * (len - 1) as f64;
        let lower = rank.floor() as usize;
        Ok(Between {
            lower,
            upper: (lower + 1).min(len - 1),
            weight: rank - rank.floor(),
        })
    }
}

/// Median of the absolute deviations from the median; NaN as soon as a value is. O(log² n).
fn median_deviation(ranks: &Ranks) -> f64 {
    let len = ranks.len();
    if ranks.nth(0).is_nan() {
        return f64::NAN;
    }
    let median = quantile(0.5, len, |k| ranks.nth(k));
    // Deviations grow from the middle outwards, on either side: two sorted lists.
    let left = (len - 1) / 2 + 1;
    let below = |i: usize| (ranks.nth(left - 1 - i) - median).abs();
    let above = |i: usize| (ranks.nth(left + i) - median).abs();
    quantile(0.5, len, |k| {
        nth_of_two(k, (left, below), (len - left, above))
    })
}

/// The `k`-th smallest, from 0, of two lists sorted by [`nan_first`], each given by its length and its elements.
fn nth_of_two(
    k: usize,
    (len_a, a): (usize, impl Fn(usize) -> f64),
    (len_b, b): (usize, impl Fn(usize) -> f64),
) -> f64 {
    // How many of the first `k + 1` come from `a`: the smallest number that leaves no element of `b` among them too large.
    let taken = k + 1;
    let (mut low, mut high) = (taken.saturating_sub(len_b), taken.min(len_a));
    while low < high {
        let from_a = low.midpoint(high);
        if nan_first(&b(taken - from_a - 1), &a(from_a)).is_gt() {
            low = from_a + 1;
        } else {
            high = from_a;
        }
    }
    let last_a = low.checked_sub(1).map(&a);
    let last_b = (taken - low).checked_sub(1).map(&b);
    match (last_a, last_b) {
        (Some(a), Some(b)) if nan_first(&a, &b).is_gt() => a,
        (_, Some(b)) => b,
        (Some(a), None) => a,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Samples;
    use super::*;
    use crate::budget::{Budget, Pace};
    use crate::control::Control;
    use crate::source::Values;

    #[test]
    fn two_lists_are_one() {
        let lists: [&[f64]; 5] = [
            &[],
            &[1.0],
            &[0.0, 2.0, 2.0, 5.0],
            &[f64::NAN, 1.0, f64::INFINITY],
            &[2.0, 3.0, 4.0, 4.5, 9.0],
        ];
        for a in lists {
            for b in lists {
                let mut all = [a, b].concat();
                all.sort_by(nan_first);
                for (k, want) in all.iter().enumerate() {
                    let got = nth_of_two(k, (a.len(), |i| a[i]), (b.len(), |i| b[i]));
                    assert!(
                        nan_first(&got, want).is_eq(),
                        "{k} of {a:?} and {b:?}: {got}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_extreme_is_the_same_in_whatever_order() {
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0];
        let mut list: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11 - 5)).collect();
        for (i, value) in special.iter().cycle().take(200).enumerate() {
            let at = i * 13 % list.len();
            list[at] = *value;
            for wanted in [Extreme::Min, Extreme::Max] {
                for len in 1..=list.len() {
                    let values = &list[..len];
                    let slow = values[wanted.last_among(values)];
                    if let Some(fast) = wanted.among(values) {
                        assert_eq!(fast.to_bits(), slow.to_bits(), "{wanted:?} of {values:?}");
                    }
                }
            }
        }
        assert_eq!(Extreme::Max.among(&[1.0, f64::NAN, 3.0, 2.0]), Some(3.0));
        assert_eq!(Extreme::Min.among(&[0.0, 1.0]), None);
    }

    #[test]
    fn a_quantile_is_the_same_from_values_in_any_order() {
        let mut values = vec![0.0, f64::NAN, -0.0, 3.5, -2.0, f64::INFINITY, 3.5, 7.0];
        while !values.is_empty() {
            let mut sorted = values.clone();
            sorted.sort_by(nan_first);
            for q in [f64::NAN, -0.1, 0.0, 0.3, 0.5, 0.99, 1.0, 1.1] {
                let want = quantile(q, sorted.len(), |k| sorted[k]);
                let got = quantile_of(q, &mut values.clone());
                assert!(
                    got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                    "{q} of {values:?}: {got}, not {want}"
                );
            }
            values.pop();
        }
    }

    #[test]
    fn the_median_deviation_is_that_of_its_definition() {
        let mut ranks = Ranks::default();
        let pace = Pace::new(&Budget::new(&Control::new(), 0, 0));
        for len in 1..40_usize {
            let values: Vec<f64> = (0..len).map(|i| ((i * 7919) % 101) as f64 / 3.0).collect();
            let times: Vec<i64> = (0..len as i64).collect();
            let samples = Samples {
                times: &times,
                values: &values,
                known: Values::Any,
            };
            ranks.reset(samples, &pace).unwrap();
            ranks.slide(0, len);
            let median = |values: &[f64]| {
                let mut sorted = values.to_vec();
                sorted.sort_by(nan_first);
                quantile(0.5, sorted.len(), |k| sorted[k])
            };
            let middle = median(&values);
            let deviations: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
            assert_eq!(median_deviation(&ranks), median(&deviations), "{values:?}");
        }
    }
}
