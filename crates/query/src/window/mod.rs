//! Functions over the samples of a window, slid over all steps with two cursors.
//!
//! A window is left-open: `(t - range, t]`. Samples come without staleness markers. One call handles one
//! series: the cursors only move forward, so reading costs O(samples + steps). What a kernel does
//! per window is O(1) where exactness allows it: counts from prefix sums, extremes from a monotonic queue, sums from
//! blocks that lie at fixed places in time, so that the same window always gives the same bits.
//! Regressions, deviations and smoothing look at each sample of each window, as their definitions ask.
//!
//! Not here: choosing samples for instant selectors (`newest.rs`), what counts as a sample (`pipe.rs`).

pub(crate) mod newest;

pub(crate) mod extended;
pub(crate) mod order;
mod rate;
mod regression;
mod totals;

use bellwether_lang::promql::ast::Extended;

use crate::scalar::Scalar;
use crate::steps::Grid;
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
    pub(crate) fn each(self, times: &[i64], mut visit: impl FnMut(Window)) {
        let (mut lo, mut hi) = (0, 0);
        for step in 0..self.grid.count {
            let now = self.grid.time(step);
            let end = self.shift.apply(now);
            let start = end.saturating_sub(self.range);
            while hi < times.len() && times[hi] <= end {
                hi += 1;
            }
            while lo < hi && times[lo] <= start {
                lo += 1;
            }
            visit(Window {
                step,
                now,
                end,
                lo,
                hi,
            });
        }
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
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    counts: Vec<u32>,
    indices: Vec<usize>,
    sorted: Vec<f64>,
    blocks: totals::Blocks,
}

/// Runs `func` over the windows of one series into `out`, whose steps have no value yet.
/// `params` are the function's scalar arguments in order; `extended` comes with the lookback.
pub(crate) fn run(
    func: WindowFn,
    extended: Option<(Extended, i64)>,
    params: &[Scalar],
    samples: Samples<'_>,
    windows: Windows,
    scratch: &mut Scratch,
    out: &mut RowBuffer,
) {
    if let Some((extended, lookback)) = extended {
        return extended::run(func, extended, lookback, samples, windows, out);
    }
    let Samples { times, values } = samples;
    if times.is_empty() {
        return;
    }
    // The first of `params`; every function that asks for one has it, the parser saw to that.
    let param = |index: usize, step: usize| params.get(index).map_or(f64::NAN, |p| p.at(step));
    let mut each_full = |f: &mut dyn FnMut(Window) -> Option<f64>| {
        windows.each(times, |w| {
            if w.lo < w.hi
                && let Some(value) = f(w)
            {
                out.put(w.step, value);
            }
        });
    };
    match func {
        WindowFn::Rate => rate::rate(
            samples,
            windows,
            rate::Kind::Rate,
            &mut scratch.indices,
            out,
        ),
        WindowFn::Increase => {
            rate::rate(
                samples,
                windows,
                rate::Kind::Increase,
                &mut scratch.indices,
                out,
            );
        }
        WindowFn::Delta => rate::rate(
            samples,
            windows,
            rate::Kind::Delta,
            &mut scratch.indices,
            out,
        ),
        WindowFn::Irate => each_full(&mut |w| rate::instant_rate(samples, w)),
        WindowFn::Idelta => each_full(&mut |w| rate::instant_delta(samples, w)),
        WindowFn::Changes => {
            totals::prefix_counts(values, totals::is_change, &mut scratch.counts);
            each_full(&mut |w| Some(f64::from(scratch.counts[w.hi - 1] - scratch.counts[w.lo])));
        }
        WindowFn::Resets => {
            totals::prefix_counts(values, |a, b| b < a, &mut scratch.counts);
            each_full(&mut |w| Some(f64::from(scratch.counts[w.hi - 1] - scratch.counts[w.lo])));
        }
        WindowFn::Deriv => each_full(&mut |w| regression::slope(samples, w)),
        WindowFn::PredictLinear => {
            each_full(&mut |w| regression::predict(samples, w, param(0, w.step)));
        }
        WindowFn::TimeTo => each_full(&mut |w| regression::time_to(samples, w, param(0, w.step))),
        WindowFn::DoubleExponentialSmoothing => each_full(&mut |w| {
            regression::smooth(&values[w.lo..w.hi], param(0, w.step), param(1, w.step))
        }),
        WindowFn::SumOverTime => {
            scratch.blocks.build(samples, windows.range);
            each_full(&mut |w| Some(scratch.blocks.sum(values, w.lo, w.hi)));
        }
        WindowFn::AvgOverTime => {
            scratch.blocks.build(samples, windows.range);
            each_full(&mut |w| Some(scratch.blocks.mean(values, w.lo, w.hi)));
        }
        WindowFn::CountOverTime => each_full(&mut |w| Some((w.hi - w.lo) as f64)),
        WindowFn::PresentOverTime => each_full(&mut |_| Some(1.0)),
        WindowFn::LastOverTime => each_full(&mut |w| Some(values[w.hi - 1])),
        WindowFn::FirstOverTime => each_full(&mut |w| Some(values[w.lo])),
        WindowFn::TsOfLast => each_full(&mut |w| Some(times[w.hi - 1] as f64 / 1000.0)),
        WindowFn::TsOfFirst => each_full(&mut |w| Some(times[w.lo] as f64 / 1000.0)),
        WindowFn::StdvarOverTime => {
            each_full(&mut |w| Some(totals::variance(&values[w.lo..w.hi])));
        }
        WindowFn::StddevOverTime => {
            each_full(&mut |w| Some(totals::variance(&values[w.lo..w.hi]).sqrt()));
        }
        WindowFn::MinOverTime | WindowFn::MaxOverTime | WindowFn::TsOfMin | WindowFn::TsOfMax => {
            let wanted = match func {
                WindowFn::MinOverTime | WindowFn::TsOfMin => order::Extreme::Min,
                _ => order::Extreme::Max,
            };
            let is_time = matches!(func, WindowFn::TsOfMin | WindowFn::TsOfMax);
            order::extremes(
                samples,
                windows,
                wanted,
                &mut scratch.indices,
                |step, index| {
                    out.put(
                        step,
                        if is_time {
                            times[index] as f64 / 1000.0
                        } else {
                            values[index]
                        },
                    );
                },
            );
        }
        WindowFn::QuantileOverTime => {
            order::sorted_windows(samples, windows, &mut scratch.sorted, |w, sorted| {
                out.put(w.step, order::quantile(param(0, w.step), sorted));
            });
        }
        WindowFn::MadOverTime => {
            let mut deviations = Vec::new();
            order::sorted_windows(samples, windows, &mut scratch.sorted, |w, sorted| {
                out.put(w.step, order::median_deviation(sorted, &mut deviations));
            });
        }
    }
}
