//! Functions over the samples of a window, slid over all steps with two cursors.
//!
//! A window is left-open: `(t - range, t]`. Samples come without staleness markers. One call handles one
//! series: the cursors only move forward, so it costs O(samples + steps), because every kernel is O(1) a sample and a
//! window: counts come from prefix sums, extremes from a monotonic queue, sums, deviations and lines from two folds that meet
//! inside the window (`halves.rs`). Quantiles and medians cost a logarithm more (`ranks.rs`); double exponential smoothing alone looks
//! at each sample of each window. The value of a window depends on its samples only: it has the same bits in every query.
//!
//! Not here: choosing samples for instant selectors (`newest.rs`), what counts as a sample (`pipe.rs`).

pub(crate) mod newest;

pub(crate) mod digested;
pub(crate) mod extended;
mod halves;
pub(crate) mod order;
mod ranks;
mod rate;
mod regression;
mod totals;

use std::sync::Arc;

use bellwether_lang::promql::ast::{Extended, Span};

use self::halves::Halves;
use self::order::Extreme;
use crate::budget::{Budget, Charge, LOOK_EVERY, Pace};
use crate::error::QueryError;
use crate::scalar::Scalar;
use crate::steps::Grid;
use crate::sum::{Deviation, Mean, Sum};
use crate::vector::RowBuffer;

/// The samples of one series, times strictly ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
}

/// `offset` and `@` with their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) offset: i64,
    pub(crate) at: Option<i64>,
}

impl Shift {
    /// The time looked at when the step is at `t`.
    pub(crate) fn apply(self, t: i64) -> i64 {
        self.at.unwrap_or(t).saturating_sub(self.offset)
    }
}

/// Where the windows lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) grid: Grid,
    pub(crate) shift: Shift,
    /// Length, milliseconds, positive.
    pub(crate) range: i64,
}

impl Windows {
    /// True when no sample is in more than two windows: looking at all samples of each costs little.
    fn hardly_overlap(self) -> bool {
        self.grid.count == 1
            || self.shift.at.is_none() && self.grid.step >= self.range.div_euclid(2)
    }
}

/// One window over the samples of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Which step it belongs to.
    pub(crate) step: usize,
    /// The time of the step, before `offset` and `@`.
    pub(crate) now: i64,
    /// The closed end of the window.
    pub(crate) end: i64,
    /// The samples inside, `lo..hi`.
    pub(crate) lo: usize,
    pub(crate) hi: usize,
}

impl Windows {
    /// Calls `visit` for each step in order.
    #[inline(always)]
    pub(crate) fn each(
        self,
        times: &[i64],
        pace: &Pace,
        mut visit: impl FnMut(Window),
    ) -> Result<(), QueryError> {
        let (mut first, mut last) = (Cursor::default(), Cursor::default());
        // Steps and samples since the last look at the clock.
        let mut done = 0;
        for step in 0..self.grid.count {
            let now = self.grid.time(step);
            let end = self.shift.apply(now);
            let start = end.saturating_sub(self.range);
            done += 1;
            let before = last.at;
            let hi = last.after(times, end);
            let lo = first.after(&times[..hi], start);
            done += hi - before;
            visit(Window {
                step,
                now,
                end,
                lo,
                hi,
            });
            if done >= LOOK_EVERY || pace.is_due() {
                pace.spend(done)?;
                done = 0;
            }
        }
        pace.spend(done)
    }
}

/// Goes forward over the times of samples. They lie on a grid mostly, as steps do: as far as it went the last time is
/// tried first, and every sample in between is looked at only when that is wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    at: usize,
    stride: usize,
}

impl Cursor {
    /// Moves to the first sample after `t`, which is never less than the last time.
    #[inline(always)]
    fn after(&mut self, times: &[i64], t: i64) -> usize {
        let guess = self.at + self.stride;
        let is_reached = guess == self.at || times.get(guess - 1).is_some_and(|last| *last <= t);
        if is_reached && times.get(guess).is_none_or(|next| *next > t) {
            self.at = guess;
            return guess;
        }
        let from = self.at;
        while times.get(self.at).is_some_and(|time| *time <= t) {
            self.at += 1;
        }
        self.stride = self.at - from;
        self.at
    }
}

/// One series under evaluation: its samples, where its windows lie, and where their values go.
pub(crate) struct Row<'a> {
    /// Where the samples are asked for, for errors.
    pub(crate) span: Span,
    pub(crate) samples: Samples<'a>,
    pub(crate) windows: Windows,
    /// The function's scalar arguments in order; the parser saw to it that they are all there.
    pub(crate) params: &'a [Scalar],
    pub(crate) pace: &'a Pace,
    /// No step has a value yet.
    pub(crate) out: &'a mut RowBuffer,
}

impl Row<'_> {
    /// Writes `value` of each window that has samples.
    #[inline(always)]
    fn each(&mut self, mut value: impl FnMut(Window) -> Option<f64>) -> Result<(), QueryError> {
        self.each_even_empty(|w| if w.lo < w.hi { value(w) } else { None })
    }

    /// Writes `value` of each window.
    #[inline(always)]
    fn each_even_empty(
        &mut self,
        mut value: impl FnMut(Window) -> Option<f64>,
    ) -> Result<(), QueryError> {
        let out = &mut *self.out;
        self.windows.each(self.samples.times, self.pace, |w| {
            if let Some(value) = value(w) {
                out.put(w.step, value);
            }
        })
    }
}

/// A function over the samples of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowFn {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Changes,
    Resets,
    Deriv,
    PredictLinear,
    TimeTo,
    DoubleExponentialSmoothing,
    AvgOverTime,
    SumOverTime,
    CountOverTime,
    PresentOverTime,
    MinOverTime,
    MaxOverTime,
    LastOverTime,
    FirstOverTime,
    StddevOverTime,
    StdvarOverTime,
    QuantileOverTime,
    MadOverTime,
    TsOfMin,
    TsOfMax,
    TsOfLast,
    TsOfFirst,
}

impl WindowFn {
    /// `last_over_time` and `first_over_time` return samples as they are, name included.
    pub(crate) fn keeps_name(self) -> bool {
        matches!(self, WindowFn::LastOverTime | WindowFn::FirstOverTime)
    }
}

/// Memory that is used again for each series.
#[derive(Debug)]
pub(crate) struct Scratch {
    charge: Charge,
    counts: Vec<u32>,
    totals: Vec<f64>,
    queue: Vec<usize>,
    ranks: ranks::Ranks,
    lost: rate::Lost,
    sums: Halves<Sum>,
    means: Halves<Mean>,
    deviations: Halves<Deviation>,
    lines: Halves<regression::Line>,
}

impl Scratch {
    /// Empty; charged to `budget` as it grows.
    pub(crate) fn new(budget: &Arc<Budget>) -> Scratch {
        Scratch {
            charge: Charge::new(budget),
            counts: Vec::new(),
            totals: Vec::new(),
            queue: Vec::new(),
            ranks: ranks::Ranks::default(),
            lost: rate::Lost::default(),
            sums: Halves::default(),
            means: Halves::default(),
            deviations: Halves::default(),
            lines: Halves::default(),
        }
    }
}

/// The most bytes of scratch that `func` takes for each sample.
fn scratch_bytes(func: WindowFn) -> usize {
    use WindowFn as F;
    match func {
        F::Rate | F::Increase => rate::LOST_BYTES_PER_SAMPLE,
        F::Changes | F::Resets => size_of::<u32>(),
        F::SumOverTime => size_of::<f64>() + size_of::<Sum>(),
        F::AvgOverTime => size_of::<f64>() + size_of::<Mean>(),
        F::StddevOverTime | F::StdvarOverTime => size_of::<Deviation>(),
        F::Deriv | F::PredictLinear | F::TimeTo => size_of::<regression::Line>(),
        F::MinOverTime | F::MaxOverTime | F::TsOfMin | F::TsOfMax => size_of::<usize>(),
        F::QuantileOverTime | F::MadOverTime => ranks::BYTES_PER_SAMPLE,
        _ => 0,
    }
}

/// Runs `func` over the windows of one series; `extended` comes with the lookback.
pub(crate) fn run(
    func: WindowFn,
    extended: Option<(Extended, i64)>,
    row: &mut Row<'_>,
    scratch: &mut Scratch,
) -> Result<(), QueryError> {
    use WindowFn as F;
    let Samples { times, values } = row.samples;
    if times.is_empty() {
        return Ok(());
    }
    let bytes = scratch_bytes(func).saturating_mul(times.len());
    scratch.charge.cover(bytes)?;
    if let Some((extended, lookback)) = extended {
        return extended::run(func, extended, lookback, row, scratch);
    }
    let samples = row.samples;
    let seconds = |index: usize| times[index] as f64 / 1000.0;
    match func {
        F::Rate => rate::rate(row, rate::Kind::Rate, &mut scratch.lost),
        F::Increase => rate::rate(row, rate::Kind::Increase, &mut scratch.lost),
        F::Delta => rate::rate(row, rate::Kind::Delta, &mut scratch.lost),
        F::Irate => row.each(|w| rate::instant_rate(samples, w)),
        F::Idelta => row.each(|w| rate::instant_delta(samples, w)),
        F::Changes => totals::pairs(row, totals::is_change, &mut scratch.counts),
        F::Resets => totals::pairs(row, totals::is_reset, &mut scratch.counts),
        F::Deriv => regression::slopes(row, &mut scratch.lines),
        F::PredictLinear => regression::predictions(row, &mut scratch.lines),
        F::TimeTo => regression::times_to(row, &mut scratch.lines),
        F::DoubleExponentialSmoothing => regression::smoothed(row),
        F::SumOverTime => totals::sums(row, &mut scratch.totals, &mut scratch.sums),
        F::AvgOverTime => totals::means(row, &mut scratch.totals, &mut scratch.means),
        F::StdvarOverTime => totals::variances(row, &mut scratch.deviations, |v| v),
        F::StddevOverTime => totals::variances(row, &mut scratch.deviations, f64::sqrt),
        F::CountOverTime => row.each(|w| Some((w.hi - w.lo) as f64)),
        F::PresentOverTime => row.each(|_| Some(1.0)),
        F::LastOverTime => row.each(|w| Some(values[w.hi - 1])),
        F::FirstOverTime => row.each(|w| Some(values[w.lo])),
        F::TsOfLast => row.each(|w| Some(seconds(w.hi - 1))),
        F::TsOfFirst => row.each(|w| Some(seconds(w.lo))),
        F::MinOverTime => order::extremes(row, Extreme::Min, &mut scratch.queue, |i| values[i]),
        F::MaxOverTime => order::extremes(row, Extreme::Max, &mut scratch.queue, |i| values[i]),
        F::TsOfMin => order::extremes(row, Extreme::Min, &mut scratch.queue, seconds),
        F::TsOfMax => order::extremes(row, Extreme::Max, &mut scratch.queue, seconds),
        F::QuantileOverTime => order::quantiles(row, &mut scratch.ranks),
        F::MadOverTime => order::median_deviations(row, &mut scratch.ranks),
    }
}
