//! `anchored` and `smoothed` (experimental upstream): values at the edges of a window are taken from the samples
//! around it, so that nothing is extrapolated.
//!
//! - anchored: the newest sample at or before the start of the window stands at the start.
//! - smoothed: the value at each edge is interpolated between its neighbours; without a neighbour on one side,
//!   the other one's value is taken. A counter that drops between the two rises from zero.
//!
//! Neighbours are looked for within the lookback.

use bellwether_lang::promql::ast::Extended;

use super::{Samples, Window, WindowFn, Windows, totals};
use crate::vector::RowBuffer;

/// Runs `func` over extended windows. `samples` reach a lookback further than the windows: before, and for `smoothed` after them too.
pub(crate) fn run(
    func: WindowFn,
    extended: Extended,
    lookback: i64,
    samples: Samples<'_>,
    windows: Windows,
    out: &mut RowBuffer,
) {
    let is_counter = func != WindowFn::Delta;
    let mut points = Vec::new();
    windows.each(samples.times, |w| {
        points.clear();
        let start = w.end.saturating_sub(windows.range);
        let edges = Edges::new(samples, w, start, lookback);
        match extended {
            Extended::Anchored => edges.anchored(&mut points),
            Extended::Smoothed => edges.smoothed(is_counter, &mut points),
        }
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        let pairs = || points.windows(2).map(|pair| (pair[0], pair[1]));
        let count = |wanted: fn(f64, f64) -> bool| pairs().filter(|(a, b)| wanted(*a, *b)).count();
        let value = match func {
            WindowFn::Changes => count(totals::is_change) as f64,
            WindowFn::Resets => count(|a, b| b < a) as f64,
            _ => {
                let mut change = last - first;
                if is_counter {
                    change += pairs().filter(|(a, b)| b < a).map(|(a, _)| a).sum::<f64>();
                }
                if func == WindowFn::Rate {
                    change /= windows.range as f64 / 1000.0;
                }
                change
            }
        };
        out.put(w.step, value);
    });
}

/// `x smoothed`: at each step the sample there, or the value between its neighbours; after the last sample, that one.
pub(crate) fn interpolated(samples: Samples<'_>, windows: Windows, out: &mut RowBuffer) {
    windows.each(samples.times, |w| {
        if w.lo == w.hi {
            return;
        }
        let edges = Edges::new(samples, w, w.end, windows.range);
        out.put(w.step, edges.value_at(w.hi - 1, edges.after, w.end, false));
    });
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
    fn new(samples: Samples<'a>, window: Window, start: i64, lookback: i64) -> Edges<'a> {
        let times = samples.times;
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

    fn inside(&self) -> &'a [f64] {
        &self.samples.values[self.window.lo..self.window.hi]
    }

    fn anchored(&self, points: &mut Vec<f64>) {
        if self.inside().is_empty() {
            return;
        }
        points.extend(self.before.map(|i| self.samples.values[i]));
        points.extend_from_slice(self.inside());
    }

    fn smoothed(&self, is_counter: bool, points: &mut Vec<f64>) {
        let is_empty = self.inside().is_empty();
        let Window { lo, hi, end, .. } = self.window;
        // The nearest samples after the start and before the end.
        let first = if is_empty { self.after } else { Some(lo) };
        let last = if is_empty { self.before } else { Some(hi - 1) };
        let (Some(first), Some(last)) = (first, last) else {
            return;
        };
        points.push(match self.before {
            Some(before) => self.value_at(before, Some(first), self.start, is_counter),
            None => self.samples.values[first],
        });
        points.extend_from_slice(self.inside());
        points.push(self.value_at(last, self.after, end, is_counter));
    }

    /// The value at `t`, which is not before sample `a`, on the line from `a` to `b`.
    fn value_at(&self, a: usize, b: Option<usize>, t: i64, is_counter: bool) -> f64 {
        let Samples { times, values } = self.samples;
        let Some(b) = b.filter(|_| times[a] != t) else {
            return values[a];
        };
        let share = (t - times[a]) as f64 / (times[b] - times[a]) as f64;
        let from = if is_counter && values[b] < values[a] {
            0.0
        } else {
            values[a]
        };
        from + (values[b] - from) * share
    }
}
