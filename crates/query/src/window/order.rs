//! Extremes, quantiles and medians over windows.

use std::cmp::Ordering;

use super::{Samples, Window, Windows};

/// Smallest or largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extreme {
    Min,
    Max,
}

/// Calls `put(step, index)` with the extreme sample of each window that has samples: the last one among equals,
/// NaN only when there is nothing else. A monotonic queue, O(1) a sample.
pub(crate) fn extremes(
    samples: Samples<'_>,
    windows: Windows,
    wanted: Extreme,
    queue: &mut Vec<usize>,
    mut put: impl FnMut(usize, usize),
) {
    let values = samples.values;
    // `queue[head..]` holds indices whose values get ever less extreme; the head is the answer.
    queue.clear();
    let (mut head, mut seen) = (0, 0);
    let beats = |a: f64, b: f64| match wanted {
        _ if b.is_nan() => true,
        Extreme::Min => a <= b,
        Extreme::Max => a >= b,
    };
    windows.each(samples.times, |w| {
        while seen < w.hi {
            while queue.len() > head
                && queue
                    .last()
                    .is_some_and(|q| beats(values[seen], values[*q]))
            {
                queue.pop();
            }
            queue.push(seen);
            seen += 1;
        }
        while head < queue.len() && queue[head] < w.lo {
            head += 1;
        }
        if w.lo < w.hi && head < queue.len() {
            put(w.step, queue[head]);
        }
    });
}

/// NaN before every number, as Prometheus sorts for quantiles.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what `sort_by` calls")]
pub(crate) fn nan_first(a: &f64, b: &f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
    }
}

/// Calls `visit` with the values of each window that has samples, sorted, NaN first. Windows that
/// overlap update the sorted list instead of sorting anew.
pub(crate) fn sorted_windows(
    samples: Samples<'_>,
    windows: Windows,
    sorted: &mut Vec<f64>,
    mut visit: impl FnMut(Window, &[f64]),
) {
    let values = samples.values;
    sorted.clear();
    let (mut from, mut to) = (0, 0);
    windows.each(samples.times, |w| {
        if w.lo >= w.hi {
            return;
        }
        let moved = (w.lo - from) + (w.hi - to);
        if w.lo >= to || moved > 32 {
            sorted.clear();
            sorted.extend_from_slice(&values[w.lo..w.hi]);
            sorted.sort_by(nan_first);
        } else {
            for v in &values[from..w.lo] {
                // Among equals and among NaN any one will do: their order carries nothing.
                if let Ok(at) = sorted.binary_search_by(|x| nan_first(x, v)) {
                    sorted.remove(at);
                }
            }
            for v in &values[to..w.hi] {
                let at = sorted.partition_point(|x| nan_first(x, v) == Ordering::Less);
                sorted.insert(at, *v);
            }
        }
        (from, to) = (w.lo, w.hi);
        visit(w, sorted);
    });
}

/// The `q`-quantile of sorted values, interpolated between neighbours. NaN without values or with `q` NaN, -Inf below 0, +Inf above 1.
pub(crate) fn quantile(q: f64, sorted: &[f64]) -> f64 {
    if sorted.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (sorted.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(sorted.len() - 1);
    let weight = rank - rank.floor();
    sorted[lower] * (1.0 - weight) + sorted[upper] * weight
}

/// Median of the absolute deviations from the median; NaN as soon as a value is.
pub(crate) fn median_deviation(sorted: &[f64], deviations: &mut Vec<f64>) -> f64 {
    if sorted.first().is_none_or(|v| v.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, sorted);
    deviations.clear();
    deviations.extend(sorted.iter().map(|v| (v - median).abs()));
    deviations.sort_by(nan_first);
    quantile(0.5, deviations)
}
