//! `anchored` and `smoothed` (experimental upstream): values at the edges of a window are taken from the samples
//! around it, so that nothing is extrapolated.
//!
//! - anchored: the newest sample at or before the start of the window stands at the start.
//! - smoothed: the value at each edge is interpolated between its neighbours; without a neighbour on one side,
//!   the other one's value is taken. A counter that drops between the two rises from zero.
//!
//! Neighbours are looked for within the lookback.

use bellwether_lang::promql::ast::Extended;

use super::rate::{Kind, LOST_BYTES_PER_SAMPLE};
use super::totals::{self, is_change, is_reset};
use super::{Row, Samples, Scratch, Window};
use crate::error::QueryError;

/// A function over windows extended so, with this lookback. The samples reach a lookback further than the windows: before, and for
/// `smoothed` after them too.
pub(crate) type Kernel = fn(&mut Row<'_>, &mut Scratch, Extended, i64) -> Result<(), QueryError>;

/// `changes`
pub(crate) fn changes(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    by: Extended,
    lookback: i64,
) -> Result<(), QueryError> {
    count(row, by, lookback, is_change, scratch)
}

/// `resets`
pub(crate) fn resets(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    by: Extended,
    lookback: i64,
) -> Result<(), QueryError> {
    count(row, by, lookback, is_reset, scratch)
}

/// `rate`
pub(crate) fn rates(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    by: Extended,
    lookback: i64,
) -> Result<(), QueryError> {
    change(Kind::Rate, row, by, lookback, scratch)
}

/// `increase`
pub(crate) fn increases(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    by: Extended,
    lookback: i64,
) -> Result<(), QueryError> {
    change(Kind::Increase, row, by, lookback, scratch)
}

/// `delta`
pub(crate) fn deltas(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    by: Extended,
    lookback: i64,
) -> Result<(), QueryError> {
    change(Kind::Delta, row, by, lookback, scratch)
}

/// How many neighbours satisfy `counted`, the values at the edges among them.
fn count(
    row: &mut Row<'_>,
    extended: Extended,
    lookback: i64,
    counted: fn(f64, f64) -> bool,
    scratch: &mut Scratch,
) -> Result<(), QueryError> {
    let (samples, windows) = (row.samples, row.windows);
    let counts = totals::prefix_counts(samples, counted, scratch)?;
    row.each_even_empty(|w| {
        let edges = Edges::new(samples, w, windows.range, lookback);
        let (first, last) = edges.values(extended, true)?;
        let at_edges = edges.pairs(first, last).filter(|(a, b)| counted(*a, *b));
        let inside = if w.lo < w.hi {
            totals::count(counts, w)
        } else {
            0
        };
        Some(at_edges.count() as f64 + f64::from(inside))
    })
}

/// `delta`, `increase`, `rate`: the difference of the values at the edges, with a counter's resets undone.
fn change(
    kind: Kind,
    row: &mut Row<'_>,
    extended: Extended,
    lookback: i64,
    scratch: &mut Scratch,
) -> Result<(), QueryError> {
    let (samples, windows) = (row.samples, row.windows);
    let (is_counter, unit) = (kind.is_counter(), kind.unit(windows.range));
    if is_counter {
        scratch.charge(samples, LOST_BYTES_PER_SAMPLE)?;
        scratch.lost.reset(samples.values);
    }
    let lost = &mut scratch.lost;
    row.each_even_empty(|w| {
        let edges = Edges::new(samples, w, windows.range, lookback);
        let (first, last) = edges.values(extended, is_counter)?;
        let mut change = last - first;
        if is_counter {
            for (before, after) in edges.pairs(first, last) {
                if is_reset(before, after) {
                    change += before;
                }
            }
            if w.lo < w.hi {
                change = lost.add_to(change, samples, windows, w);
            }
        }
        Some(change / unit)
    })
}

/// `x smoothed`: at each step the sample there, or the value between its neighbours; after the last sample, that one.
pub(crate) fn interpolated(row: &mut Row<'_>) -> Result<(), QueryError> {
    let (samples, windows) = (row.samples, row.windows);
    row.each(|w| {
        let edges = Edges::new(samples, w, 0, windows.range);
        Some(edges.value_at(w.hi - 1, edges.after, w.end, false))
    })
}

/// A window and the samples next to it.
struct Edges<'a> {
    samples: Samples<'a>,
    window: Window,
    start: i64,
    before: Option<usize>,
    after: Option<usize>,
}

impl<'a> Edges<'a> {
    /// Of a window that begins `range` before its end.
    fn new(samples: Samples<'a>, window: Window, range: i64, lookback: i64) -> Edges<'a> {
        let times = samples.times;
        let start = window.end.saturating_sub(range);
        let before = window
            .lo
            .checked_sub(1)
            .filter(|i| times[*i] > start.saturating_sub(lookback));
        let near = |t: &i64| *t <= window.end.saturating_add(lookback);
        let after = times.get(window.hi).filter(|t| near(t)).map(|_| window.hi);
        Edges {
            samples,
            window,
            start,
            before,
            after,
        }
    }

    /// The values at the start and the end of the window; `None` when there is nothing to take them from.
    fn values(&self, extended: Extended, is_counter: bool) -> Option<(f64, f64)> {
        let Window { lo, hi, end, .. } = self.window;
        let is_empty = lo == hi;
        let values = self.samples.values;
        if extended == Extended::Anchored {
            return (!is_empty).then(|| (values[self.before.unwrap_or(lo)], values[hi - 1]));
        }
        // The nearest samples after the start and before the end.
        let first = if is_empty { self.after? } else { lo };
        let last = if is_empty { self.before? } else { hi - 1 };
        let at_start = match self.before {
            Some(before) => self.value_at(before, Some(first), self.start, is_counter),
            None => values[first],
        };
        Some((at_start, self.value_at(last, self.after, end, is_counter)))
    }

    /// The neighbours that an edge is part of, when these are the values there.
    fn pairs(&self, at_start: f64, at_end: f64) -> impl Iterator<Item = (f64, f64)> {
        let inside = &self.samples.values[self.window.lo..self.window.hi];
        let (to_first, from_last) = match (inside.first(), inside.last()) {
            (Some(first), Some(last)) => ((at_start, *first), Some((*last, at_end))),
            _ => ((at_start, at_end), None),
        };
        std::iter::once(to_first).chain(from_last)
    }

    /// The value at `t`, which is not before sample `a`, on the line from `a` to `b`.
    fn value_at(&self, a: usize, b: Option<usize>, t: i64, is_counter: bool) -> f64 {
        let Samples { times, values, .. } = self.samples;
        let Some(b) = b.filter(|_| times[a] != t) else {
            return values[a];
        };
        let since = |at: i64| at.saturating_sub(times[a]) as f64;
        let share = since(t) / since(times[b]);
        let from = if is_counter && values[b] < values[a] {
            0.0
        } else {
            values[a]
        };
        from + (values[b] - from) * share
    }
}
