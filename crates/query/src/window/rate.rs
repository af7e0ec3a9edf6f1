//! `rate`, `increase`, `delta`, `irate`, `idelta`.
//!
//! The increase between the first and last sample, with counter resets undone, is extended to the whole window: to its edge when
//! the samples come close to it (within 1.1 of their average distance), else by half that distance; and a
//! counter is never extended to before it was zero.

use super::digested::{Digested, Way};
use super::halves::{Halves, cut};
use super::totals::is_reset;
use super::{Row, Samples, Scratch, Window, Windows};
use crate::error::QueryError;
use crate::sum::Sum;

/// `rate`
pub(crate) fn rates(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    extrapolated(row, Kind::Rate, scratch)
}

/// `increase`
pub(crate) fn increases(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    extrapolated(row, Kind::Increase, scratch)
}

/// `delta`
pub(crate) fn deltas(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    extrapolated(row, Kind::Delta, scratch)
}

/// `irate`
pub(crate) fn instant_rates(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let samples = row.samples;
    row.each(|w| instant_rate(samples, w))
}

/// `idelta`
pub(crate) fn instant_deltas(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let samples = row.samples;
    row.each(|w| instant_delta(samples, w))
}

/// `rate` of a window whose samples are not all read.
pub(crate) fn digested_rate(window: Digested<'_>) -> Option<f64> {
    digested(window, Kind::Rate)
}

/// `increase`, so
pub(crate) fn digested_increase(window: Digested<'_>) -> Option<f64> {
    digested(window, Kind::Increase)
}

/// `delta`, so
pub(crate) fn digested_delta(window: Digested<'_>) -> Option<f64> {
    digested(window, Kind::Delta)
}

fn digested(window: Digested<'_>, kind: Kind) -> Option<f64> {
    let way = Way::of(window)?;
    let change = match kind {
        Kind::Rate | Kind::Increase => way.increase(window)?,
        Kind::Delta => way.between(),
    };
    let (gaps, ends) = (window.count() - 1.0, (window.end, window.range));
    let span = Span::new(way.first, way.last.0, gaps, ends);
    Some(span.extrapolate(change, kind.is_counter(), kind.unit(window.range)))
}

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rate,
    Increase,
    Delta,
}

impl Kind {
    pub(super) fn is_counter(self) -> bool {
        self != Kind::Delta
    }

    /// What the change over a window of `range` milliseconds is divided by.
    pub(super) fn unit(self, range: i64) -> f64 {
        match self {
            Kind::Rate => range as f64 / 1000.0,
            Kind::Increase | Kind::Delta => 1.0,
        }
    }
}

/// Extrapolated change over each window with at least two samples.
#[inline(always)]
fn extrapolated(row: &mut Row<'_>, kind: Kind, scratch: &mut Scratch) -> Result<(), QueryError> {
    let (samples, windows) = (row.samples, row.windows);
    let (is_counter, unit) = (kind.is_counter(), kind.unit(windows.range));
    let extrapolate = |w: Window, change: f64| {
        let first = (samples.times[w.lo], samples.values[w.lo]);
        let (last, gaps) = (samples.times[w.hi - 1], w.hi - w.lo - 1);
        let span = Span::new(first, last, gaps as f64, (w.end, windows.range));
        span.extrapolate(change, is_counter, unit)
    };
    let between = |w: Window| samples.values[w.hi - 1] - samples.values[w.lo];
    let has_two = |w: Window| w.hi - w.lo >= 2;
    if !kind.is_counter() || !has_resets(samples.values) {
        return row.each(|w| has_two(w).then(|| extrapolate(w, between(w))));
    }
    scratch.charge(samples, LOST_BYTES_PER_SAMPLE)?;
    let lost = &mut scratch.lost;
    lost.reset(samples.values);
    row.each(|w| has_two(w).then(|| extrapolate(w, lost.add_to(between(w), samples, windows, w))))
}

/// Whether a counter began anew anywhere. Looks at several values at a time.
fn has_resets(values: &[f64]) -> bool {
    let pairs = values.iter().zip(values.iter().skip(1));
    pairs.fold(false, |any, (before, after)| {
        any | is_reset(*before, *after)
    })
}

/// What the resets of a counter have swallowed: the value before each of them.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// The samples that are less than the one before.
    resets: Vec<usize>,
    /// Those inside the window are `resets[first..last]`; both ends only move forward.
    first: usize,
    last: usize,
    halves: Halves<Swallowed>,
}

/// Bytes that [`Lost`] takes for each sample.
pub(super) const LOST_BYTES_PER_SAMPLE: usize = size_of::<usize>() + size_of::<Swallowed>();

/// So many resets are added one by one. Nearly every window has fewer, and none of the other samples is looked at.
const FEW: usize = 8;

/// The values before the resets between neighbours of a run of samples.
#[derive(Clone, Copy, Debug, Default)]
struct Swallowed {
    sum: Sum,
    is_run: bool,
}

impl Swallowed {
    /// Takes in one more pair of neighbours, unless this is the run's first sample.
    fn add(&mut self, before: Option<&f64>, after: Option<&f64>) {
        if let (true, Some(before), Some(after)) = (self.is_run, before, after)
            && is_reset(*before, *after)
        {
            self.sum.add(*before);
        }
        self.is_run = true;
    }
}

impl Lost {
    pub(super) fn reset(&mut self, values: &[f64]) {
        self.resets.clear();
        let is_start = |i: &usize| is_reset(values[*i - 1], values[*i]);
        self.resets.extend((1..values.len()).filter(is_start));
        (self.first, self.last) = (0, 0);
        self.halves.reset();
    }

    /// `change` with what was lost inside `w`, which has samples. Windows come in order.
    #[inline(always)]
    pub(super) fn add_to(
        &mut self,
        change: f64,
        samples: Samples<'_>,
        windows: Windows,
        w: Window,
    ) -> f64 {
        while self.last < self.resets.len() && self.resets[self.last] < w.hi {
            self.last += 1;
        }
        while self.first < self.last && self.resets[self.first] <= w.lo {
            self.first += 1;
        }
        if self.first == self.last {
            return change;
        }
        self.add_resets_to(change, samples, windows, &w)
    }

    /// The same where there are resets inside: apart, since there are few such windows. To copy the window for the call would
    /// cost all others more than the rest of their work.
    #[inline(never)]
    fn add_resets_to(
        &mut self,
        change: f64,
        samples: Samples<'_>,
        windows: Windows,
        w: &Window,
    ) -> f64 {
        let (values, w) = (samples.values, *w);
        let inside = &self.resets[self.first..self.last];
        if inside.len() <= FEW {
            return inside.iter().fold(change, |sum, i| sum + values[*i - 1]);
        }
        let prepend = |own: &mut Swallowed, i: usize| own.add(values.get(i), values.get(i + 1));
        let append = |own: &mut Swallowed, i: usize| {
            own.add(i.checked_sub(1).map(|i| &values[i]), values.get(i));
        };
        let cut = cut(windows, w);
        let halved = self.halves.fold(samples.times, cut, w, prepend, append);
        let (mut sum, middle) = (halved.tail.sum, halved.middle);
        sum.merge(halved.head.sum);
        if halved.tail.is_run && halved.head.is_run && is_reset(values[middle - 1], values[middle])
        {
            sum.add(values[middle - 1]);
        }
        change + sum.total()
    }
}

/// Where the samples lie in their window, in milliseconds: proportions are all that matters.
struct Span {
    first_value: f64,
    to_start: f64,
    to_end: f64,
    sampled: f64,
    /// Distances between neighbours.
    gaps: f64,
}

impl Span {
    /// From the first sample, time and value, over `gaps` to the last, in a window that ends at `end` and is `range` long.
    #[inline(always)]
    fn new(first: (i64, f64), last: i64, gaps: f64, (end, range): (i64, i64)) -> Span {
        let (first, first_value) = first;
        Span {
            first_value,
            to_start: first.saturating_sub(end.saturating_sub(range)) as f64,
            to_end: end.saturating_sub(last) as f64,
            sampled: last.saturating_sub(first) as f64,
            gaps,
        }
    }

    /// What `change` between the samples is over the whole window, in `unit`s.
    #[inline(always)]
    fn extrapolate(&self, change: f64, is_counter: bool, unit: f64) -> f64 {
        let covered = self.covered(change, is_counter);
        change * (covered / (self.sampled * unit))
    }

    /// How much of the window the change between the samples stands for. Comparisons are of products, since divisions would be
    /// most of what a window costs.
    fn covered(&self, change: f64, is_counter: bool) -> f64 {
        let near = self.sampled * 1.1;
        let half_a_gap = || self.sampled / self.gaps / 2.0;
        let is_far = |distance: f64| distance * self.gaps >= near;
        let mut to_start = if is_far(self.to_start) {
            half_a_gap()
        } else {
            self.to_start
        };
        if is_counter
            && change > 0.0
            && self.first_value >= 0.0
            && self.sampled * self.first_value < to_start * change
        {
            // A counter starts at zero: it cannot have been rising for longer than this.
            to_start = self.sampled * (self.first_value / change);
        }
        let to_end = if is_far(self.to_end) {
            half_a_gap()
        } else {
            self.to_end
        };
        self.sampled + to_start + to_end
    }
}

/// Per-second rate between the last two samples; a drop counts from zero.
fn instant_rate(samples: Samples<'_>, w: Window) -> Option<f64> {
    let (a, b, seconds) = last_two(samples, w)?;
    let change = if b < a { b } else { b - a };
    Some(change / seconds)
}

/// Difference of the last two samples.
fn instant_delta(samples: Samples<'_>, w: Window) -> Option<f64> {
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
