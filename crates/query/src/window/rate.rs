//! `rate`, `increase`, `delta`, `irate`, `idelta`.
//!
//! The increase between the first and last sample, with counter resets undone, is extended to the whole window: to its edge when
//! the samples come close to it (within 1.1 of their average distance), else by half that distance; and a
//! counter is never extended to before it was zero.

use super::{Samples, Window, Windows};
use crate::vector::RowBuffer;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rate,
    Increase,
    Delta,
}

/// Extrapolated change over each window with at least two samples.
pub(crate) fn rate(
    samples: Samples<'_>,
    windows: Windows,
    kind: Kind,
    resets: &mut Vec<usize>,
    out: &mut RowBuffer,
) {
    let Samples { times, values } = samples;
    let is_counter = kind != Kind::Delta;
    resets.clear();
    if is_counter {
        resets.extend((1..values.len()).filter(|i| values[*i] < values[*i - 1]));
    }
    // The resets inside the window are `resets[first..last]`; both ends only move forward.
    let (mut first, mut last) = (0, 0);
    windows.each(times, |w| {
        while last < resets.len() && resets[last] < w.hi {
            last += 1;
        }
        while first < last && resets[first] <= w.lo {
            first += 1;
        }
        if w.hi - w.lo < 2 {
            return;
        }
        let mut change = values[w.hi - 1] - values[w.lo];
        for reset in &resets[first..last] {
            change += values[*reset - 1];
        }
        let span = Span::new(samples, w, windows.range);
        let mut factor = span.extension(change, is_counter);
        if kind == Kind::Rate {
            factor /= windows.range as f64 / 1000.0;
        }
        out.put(w.step, change * factor);
    });
}

/// Where the samples lie in their window, in seconds.
pub(crate) struct Span {
    first_value: f64,
    to_start: f64,
    to_end: f64,
    sampled: f64,
    average: f64,
}

impl Span {
    fn new(samples: Samples<'_>, w: Window, range: i64) -> Span {
        let (first, last) = (samples.times[w.lo], samples.times[w.hi - 1]);
        let sampled = (last - first) as f64 / 1000.0;
        Span {
            first_value: samples.values[w.lo],
            to_start: (first - w.end.saturating_sub(range)) as f64 / 1000.0,
            to_end: (w.end - last) as f64 / 1000.0,
            sampled,
            average: sampled / (w.hi - w.lo - 1) as f64,
        }
    }

    /// By how much the change between the samples is multiplied to cover the window.
    fn extension(&self, change: f64, is_counter: bool) -> f64 {
        let near = self.average * 1.1;
        let (mut to_start, mut to_end) = (self.to_start, self.to_end);
        if to_start >= near {
            to_start = self.average / 2.0;
        }
        if is_counter && change > 0.0 && self.first_value >= 0.0 {
            // A counter starts at zero: it cannot have been rising for longer than this.
            to_start = to_start.min(self.sampled * (self.first_value / change));
        }
        if to_end >= near {
            to_end = self.average / 2.0;
        }
        (self.sampled + to_start + to_end) / self.sampled
    }
}

/// Per-second rate between the last two samples; a drop counts from zero.
pub(crate) fn instant_rate(samples: Samples<'_>, w: Window) -> Option<f64> {
    let (a, b, seconds) = last_two(samples, w)?;
    let change = if b < a { b } else { b - a };
    Some(change / seconds)
}

/// Difference of the last two samples.
pub(crate) fn instant_delta(samples: Samples<'_>, w: Window) -> Option<f64> {
    let (a, b, _) = last_two(samples, w)?;
    Some(b - a)
}

fn last_two(samples: Samples<'_>, w: Window) -> Option<(f64, f64, f64)> {
    if w.hi - w.lo < 2 {
        return None;
    }
    let (i, j) = (w.hi - 2, w.hi - 1);
    let seconds = (samples.times[j] - samples.times[i]) as f64 / 1000.0;
    Some((samples.values[i], samples.values[j], seconds))
}
