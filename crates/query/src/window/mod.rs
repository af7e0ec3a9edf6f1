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
pub(crate) mod rate;
pub(crate) mod regression;
pub(crate) mod totals;

use std::sync::Arc;

use bellwether_lang::promql::ast::{Extended, Span};

use self::digested::FromDigests;
use self::halves::Halves;
use crate::budget::{Budget, Charge, LOOK_EVERY, Pace};
use crate::error::QueryError;
use crate::notes::Notes;
use crate::scalar::Scalar;
use crate::source::{Need, Values};
use crate::steps::Grid;
use crate::sum::{Deviation, Mean, Sum};
use crate::vector::RowBuffer;

/// The samples of one series, times strictly ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    /// What the source knows of the values.
    pub(crate) known: Values,
}

impl Samples<'_> {
    /// The time of a sample as functions return it.
    fn seconds(&self, index: usize) -> f64 {
        self.times[index] as f64 / 1000.0
    }
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

/// Steps whose bits share a word of a mask: windows are found for so many at a time.
const LOT: usize = 64;

impl Windows {
    /// The closed ends of the windows from step `first` on.
    #[inline(always)]
    fn ends(self, first: usize, ends: &mut [i64]) {
        for (i, end) in ends.iter_mut().enumerate() {
            *end = self.shift.apply(self.grid.time_within(first + i));
        }
    }

    /// Writes what `value` gives for the window of each step, in order, to `out`, which has no values yet.
    #[inline(always)]
    pub(crate) fn fill(
        self,
        times: &[i64],
        pace: &Pace,
        out: &mut RowBuffer,
        mut value: impl FnMut(Window) -> Option<f64>,
    ) -> Result<(), QueryError> {
        let (mut first, mut last) = (Cursor::default(), Cursor::default());
        let (mut ends, mut los, mut his) = ([0; LOT], [0; LOT], [0; LOT]);
        // Steps and samples since the last look at the clock.
        let (mut done, mut before) = (0, 0);
        let lots = out.values.chunks_mut(LOT).zip(&mut out.mask);
        for (lot, (values, mask)) in lots.enumerate() {
            let ends = &mut ends[..values.len()];
            self.ends(lot * LOT, ends);
            last.lot(times, ends, |end| end, &mut his);
            first.lot(times, ends, |end| end.saturating_sub(self.range), &mut los);
            let mut word = 0;
            for (i, out) in values.iter_mut().enumerate() {
                let step = lot * LOT + i;
                let found = value(Window {
                    step,
                    now: self.grid.time_within(step),
                    end: ends[i],
                    lo: los[i],
                    hi: his[i],
                });
                if let Some(found) = found {
                    *out = found;
                    word |= 1 << i;
                }
                done += 1 + his[i] - before;
                before = his[i];
                if done >= LOOK_EVERY || pace.is_due() {
                    pace.spend(done)?;
                    done = 0;
                }
            }
            *mask = word;
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

    /// Puts the first sample after `t` of each of `ends` into `found`.
    #[inline(always)]
    fn lot(
        &mut self,
        times: &[i64],
        ends: &[i64],
        t: impl Fn(i64) -> i64,
        found: &mut [usize; LOT],
    ) {
        let (start, stride) = (self.at, self.stride);
        let last = start.saturating_add(stride.saturating_mul(ends.len()));
        if stride > 0 && last < times.len() {
            // All as far apart as the last two were? No branch for each: it is true of nearly all lots.
            let (mut is_so, mut guess) = (true, start);
            for (end, found) in ends.iter().zip(&mut *found) {
                guess += stride;
                is_so &= (times[guess - 1] <= t(*end)) & (times[guess] > t(*end));
                *found = guess;
            }
            if is_so {
                self.at = last;
                return;
            }
        }
        for (end, found) in ends.iter().zip(found) {
            *found = self.after(times, t(*end));
        }
    }
}

/// A scalar argument of a window function.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) value: Scalar,
    /// Where it stands in the text, for notes.
    pub(crate) span: Span,
}

/// One series under evaluation: its samples, where its windows lie, and where their values go.
pub(crate) struct Row<'a> {
    /// Where the samples are asked for, for errors.
    pub(crate) span: Span,
    pub(crate) samples: Samples<'a>,
    pub(crate) windows: Windows,
    /// The function's scalar arguments in order; the parser saw to it that they are all there.
    pub(crate) params: &'a [Param],
    pub(crate) notes: &'a Notes,
    pub(crate) pace: &'a Pace,
    /// No step has a value yet.
    pub(crate) out: &'a mut RowBuffer,
}

impl<'a> Row<'a> {
    /// The value of an argument at each step.
    fn param(&self, index: usize) -> impl Fn(usize) -> f64 + use<'a> {
        let param = self.params.get(index);
        move |step| param.map_or(f64::NAN, |p| p.value.at(step))
    }

    /// Where an argument stands.
    fn param_span(&self, index: usize) -> Span {
        self.params.get(index).map_or(self.span, |p| p.span)
    }

    /// Writes `value` of each window that has samples.
    #[inline(always)]
    fn each(&mut self, mut value: impl FnMut(Window) -> Option<f64>) -> Result<(), QueryError> {
        self.each_even_empty(|w| if w.lo < w.hi { value(w) } else { None })
    }

    /// Writes `value` of each window.
    #[inline(always)]
    fn each_even_empty(
        &mut self,
        value: impl FnMut(Window) -> Option<f64>,
    ) -> Result<(), QueryError> {
        let times = self.samples.times;
        self.windows.fill(times, self.pace, self.out, value)
    }
}

/// Writes the value of each window of a series that has samples.
pub(crate) type Kernel = fn(&mut Row<'_>, &mut Scratch) -> Result<(), QueryError>;

/// A function over the samples of a window: its kernel, and what sets it apart from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowFn {
    pub(crate) kernel: Kernel,
    /// The same over windows with `anchored`, if it looks at the edges of its window.
    pub(crate) anchored: Option<extended::Kernel>,
    /// The same with `smoothed`.
    pub(crate) smoothed: Option<extended::Kernel>,
    /// How it does without samples of which enough is known, if it can.
    pub(crate) digested: Option<FromDigests>,
    /// Its values are samples as they are: the name stays.
    pub(crate) keeps_name: bool,
    /// It looks at the time of the step, wherever its window is.
    pub(crate) looks_at_now: bool,
    /// It means something of counters only.
    pub(crate) wants_counter: bool,
}

impl WindowFn {
    /// As most are: nothing but its kernel.
    pub(crate) const fn new(kernel: Kernel) -> WindowFn {
        WindowFn {
            kernel,
            anchored: None,
            smoothed: None,
            digested: None,
            keeps_name: false,
            looks_at_now: false,
            wants_counter: false,
        }
    }

    /// The same, and able to do without samples.
    pub(crate) const fn digested(self, need: Need, kernel: digested::Kernel) -> WindowFn {
        let digested = Some(FromDigests { need, kernel });
        WindowFn { digested, ..self }
    }

    /// What it does over windows so modified; `None` when it means nothing there.
    pub(crate) fn extended(&self, by: Extended) -> Option<extended::Kernel> {
        match by {
            Extended::Anchored => self.anchored,
            Extended::Smoothed => self.smoothed,
        }
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

    /// To be called before anything is kept here that takes `bytes` for each of `samples`.
    fn charge(&mut self, samples: Samples<'_>, bytes: usize) -> Result<(), QueryError> {
        self.charge.cover(bytes.saturating_mul(samples.times.len()))
    }
}

/// Runs `func` over the windows of one series; `extended` comes with the lookback.
pub(crate) fn run(
    func: &WindowFn,
    extended: Option<(Extended, i64)>,
    row: &mut Row<'_>,
    scratch: &mut Scratch,
) -> Result<(), QueryError> {
    if row.samples.times.is_empty() {
        return Ok(());
    }
    let Some((by, lookback)) = extended else {
        return (func.kernel)(row, scratch);
    };
    // The plan has refused functions that know no such windows.
    match func.extended(by) {
        Some(kernel) => kernel(row, scratch, by, lookback),
        None => Ok(()),
    }
}

/// `count_over_time`
pub(crate) fn counts(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    row.each(|w| Some((w.hi - w.lo) as f64))
}

/// `present_over_time`
pub(crate) fn presence(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    row.each(|_| Some(1.0))
}

/// `last_over_time`
pub(crate) fn last(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let values = row.samples.values;
    row.each(|w| Some(values[w.hi - 1]))
}

/// `first_over_time`
pub(crate) fn first(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let values = row.samples.values;
    row.each(|w| Some(values[w.lo]))
}

/// `ts_of_last_over_time`
pub(crate) fn last_time(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let samples = row.samples;
    row.each(|w| Some(samples.seconds(w.hi - 1)))
}

/// `ts_of_first_over_time`
pub(crate) fn first_time(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let samples = row.samples;
    row.each(|w| Some(samples.seconds(w.lo)))
}
