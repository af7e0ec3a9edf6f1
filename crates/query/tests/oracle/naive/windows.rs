//! Functions over the samples of one window.

use bellwether_lang::promql::ast::Extended;

use super::numbers::{mean, quantile, sum, variance};
use super::{Fail, Naive, Outcome, Window, error};

/// What a value between two samples assumes when the second one is smaller.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Drop {
    /// It fell.
    Falls,
    /// A counter was reset right after the first sample.
    ResetsAtOnce,
    /// A counter was reset right before the second sample is looked at: it goes on from the first.
    GoesOn,
}

/// The value at `t` on the line from `a` to `b`.
pub(crate) fn on_line(a: (i64, f64), b: (i64, f64), t: i64, drop: Drop) -> f64 {
    let (mut from, mut to) = (a.1, b.1);
    if to < from {
        match drop {
            Drop::Falls => {}
            Drop::ResetsAtOnce => from = 0.0,
            Drop::GoesOn => to += from,
        }
    }
    from + (to - from) * (t - a.0) as f64 / (b.0 - a.0) as f64
}

impl Naive<'_> {
    /// What `function` makes of a window at the step `now`; none when the window is too poor for it.
    pub(crate) fn over_window(
        &self,
        function: &str,
        w: &Window,
        params: &[f64],
        now: i64,
    ) -> Outcome<Option<f64>> {
        if let Some(extended) = w.extended {
            return self.extended(function, w, extended);
        }
        let values: Vec<f64> = w.points.iter().map(|p| p.1).collect();
        let pairs = || values.windows(2).map(|p| (p[0], p[1]));
        let (Some(first), Some(last)) = (w.points.first(), w.points.last()) else {
            return Ok(None);
        };
        let noise = &self.noise;
        let two = |()| (values.len() >= 2).then_some(());
        let seconds = |t: i64| t as f64 / 1000.0;
        Ok(match function {
            "rate" | "increase" | "delta" => self.rate(function, w),
            "irate" | "idelta" => two(()).map(|()| {
                let [a, b] = [w.points[values.len() - 2], *last];
                let reset = function == "irate" && b.1 < a.1;
                let change = if reset { b.1 } else { b.1 - a.1 };
                if function == "irate" {
                    noise.rough(change / seconds(b.0 - a.0))
                } else {
                    change
                }
            }),
            "changes" => {
                let changed = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
                Some(pairs().filter(changed).count() as f64)
            }
            "resets" => Some(pairs().filter(|(a, b)| b < a).count() as f64),
            "deriv" => two(()).map(|()| noise.rough(self.line(&w.points, first.0).0)),
            "predict_linear" => two(()).map(|()| {
                let (slope, at_now) = self.line(&w.points, now);
                noise.rough(slope * params[0] + at_now)
            }),
            "time_to" => two(()).and_then(|()| {
                let (slope, at_now) = self.line(&w.points, now);
                let distance = params[0] - at_now;
                if distance == 0.0 {
                    return Some(0.0);
                }
                let seconds = noise.rough(distance / slope);
                (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
            }),
            "double_exponential_smoothing" => self.smoothing(&values, params)?,
            "avg_over_time" => {
                let (mean, exact) = mean(&values);
                Some(noise.unless(exact, mean))
            }
            "sum_over_time" => {
                let (sum, exact) = sum(values.iter().copied());
                Some(noise.unless(exact, sum))
            }
            "count_over_time" => Some(values.len() as f64),
            "present_over_time" | "absent_over_time" => Some(1.0),
            "min_over_time" => Some(values.iter().copied().fold(f64::NAN, f64::min)),
            "max_over_time" => Some(values.iter().copied().fold(f64::NAN, f64::max)),
            "last_over_time" => Some(last.1),
            "first_over_time" => Some(first.1),
            "stddev_over_time" => Some(noise.rough(variance(&values).sqrt())),
            "stdvar_over_time" => Some(noise.rough(variance(&values))),
            "quantile_over_time" => Some(noise.rough(quantile(params[0], values))),
            "mad_over_time" if values.iter().any(|v| v.is_nan()) => Some(f64::NAN),
            "mad_over_time" => {
                let median = quantile(0.5, values.clone());
                let distances = values.iter().map(|v| (v - median).abs());
                Some(noise.rough(quantile(0.5, distances.collect())))
            }
            "ts_of_first_over_time" => Some(seconds(first.0)),
            "ts_of_last_over_time" => Some(seconds(last.0)),
            "ts_of_min_over_time" => Some(seconds(extreme(w, |v, best| v <= best))),
            "ts_of_max_over_time" => Some(seconds(extreme(w, |v, best| v >= best))),
            other => return error(format!("no definition of {other}")),
        })
    }

    /// The change between the first and last sample, extended to the whole window.
    fn rate(&self, function: &str, w: &Window) -> Option<f64> {
        let points = &w.points;
        if points.len() < 2 {
            return None;
        }
        let is_counter = function != "delta";
        let (first, last) = (points[0], points[points.len() - 1]);
        let mut change = last.1 - first.1;
        if is_counter {
            for pair in points.windows(2) {
                if pair[1].1 < pair[0].1 {
                    change += pair[0].1;
                }
            }
        }
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let sampled = seconds(last.0 - first.0);
        let average = sampled / (points.len() - 1) as f64;
        let near = average * 1.1;
        let mut to_start = seconds(first.0 - w.start);
        let mut to_end = seconds(w.end - last.0);
        // A counter cannot have been rising for longer than this.
        let to_zero = if is_counter && change > 0.0 && first.1 >= 0.0 {
            sampled * (first.1 / change)
        } else {
            f64::INFINITY
        };
        if !self.rules.zero_last {
            to_start = to_start.min(to_zero);
        }
        if to_start >= near {
            to_start = average / 2.0;
        }
        if self.rules.zero_last {
            to_start = to_start.min(to_zero);
        }
        if to_end >= near {
            to_end = average / 2.0;
        }
        let mut factor = (sampled + to_start + to_end) / sampled;
        if function == "rate" {
            factor /= seconds(w.end - w.start);
        }
        Some(self.noise.rough(change * factor))
    }

    /// The least-squares line: slope per second, and value at `origin`.
    fn line(&self, points: &[(i64, f64)], origin: i64) -> (f64, f64) {
        let constant = points[0].1;
        if points.iter().all(|p| p.1 == constant) {
            return if constant.is_infinite() {
                (f64::NAN, f64::NAN)
            } else {
                (0.0, constant)
            };
        }
        let n = points.len() as f64;
        let x = |p: &(i64, f64)| (p.0 - origin) as f64 / 1000.0;
        let total = |f: &dyn Fn(&(i64, f64)) -> f64| {
            let scale = points.iter().map(|p| f(p).abs()).sum();
            self.noise.rough_by(sum(points.iter().map(f)).0, scale)
        };
        let (sum_x, sum_y) = (total(&x), total(&|p| p.1));
        let (sum_xy, sum_xx) = (total(&|p| x(p) * p.1), total(&|p| x(p) * x(p)));
        let slope = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n);
        (slope, sum_y / n - slope * sum_x / n)
    }

    fn smoothing(&self, values: &[f64], params: &[f64]) -> Outcome<Option<f64>> {
        let [level, trend] = [params[0], params[1]];
        for (what, factor) in [("smoothing", level), ("trend", trend)] {
            if factor <= 0.0 || factor >= 1.0 {
                return error(format!("invalid {what} factor: {factor}"));
            }
            if factor.is_nan() {
                return Err(Fail::Open("smoothing by NaN"));
            }
        }
        if values.len() < 2 {
            return Ok(None);
        }
        let (mut smoothed, mut slope) = (values[0], values[1] - values[0]);
        let mut before = 0.0;
        for (i, v) in values.iter().enumerate().skip(1) {
            if i > 1 {
                slope = trend * (smoothed - before) + (1.0 - trend) * slope;
            }
            let next = level * v + (1.0 - level) * (smoothed + slope);
            (before, smoothed) = (smoothed, next);
        }
        Ok(Some(self.noise.rough(smoothed)))
    }

    /// `anchored`: the last sample before the window stands at its start. `smoothed`: both edges are interpolated.
    fn extended(&self, function: &str, w: &Window, extended: Extended) -> Outcome<Option<f64>> {
        let is_counter = function != "delta";
        let is_smoothed = extended == Extended::Smoothed;
        let inner: Vec<(i64, f64)> = inner(w);
        let edges = if is_smoothed {
            smoothed_edges(w, is_counter)?
        } else {
            let before = w.around.iter().rev().find(|p| p.0 <= w.start);
            let (first, last) = (inner.first(), inner.last());
            let left = before.or(first).map(|p| p.1);
            last.and_then(|last| Some((left?, last.1)))
        };
        let Some((left, right)) = edges else {
            return Ok(None);
        };
        let mut all = vec![left];
        all.extend(inner.iter().filter(|p| p.0 < w.end).map(|p| p.1));
        all.push(right);
        let pairs = || all.windows(2).map(|p| (p[0], p[1]));
        Ok(Some(match function {
            "changes" => {
                let changed = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
                pairs().filter(changed).count() as f64
            }
            "resets" => pairs().filter(|(a, b)| b < a).count() as f64,
            _ => {
                let mut change = right - left;
                if is_counter {
                    let drops = pairs().filter(|(a, b)| b < a);
                    change += drops.map(|(a, _)| a).sum::<f64>();
                }
                if function == "rate" {
                    change /= (w.end - w.start) as f64 / 1000.0;
                }
                self.noise
                    .unless(!is_smoothed && function != "rate", change)
            }
        }))
    }
}

/// The values at the start and the end of a smoothed window, from the samples on both sides of each.
fn smoothed_edges(w: &Window, is_counter: bool) -> Outcome<Option<(f64, f64)>> {
    let before = |edge: i64| w.around.iter().rev().find(|p| p.0 <= edge).copied();
    let after = |edge: i64| w.around.iter().find(|p| p.0 >= edge).copied();
    if is_counter && w.around.iter().any(|p| p.1 < 0.0) {
        return Err(Fail::Open("a counter below zero"));
    }
    let (last_before, first_after) = (before(w.start), after(w.end));
    if let (Some(a), Some(b)) = (last_before, first_after)
        && inner(w).is_empty()
        && b.1 < a.1
    {
        return Err(Fail::Open("a reset in a gap longer than the window"));
    }
    if w.around.iter().all(|p| p.0 > w.end) {
        return Err(Fail::Open("a smoothed window before its series"));
    }
    if w.around.iter().all(|p| p.0 <= w.start) {
        return Ok(None);
    }
    let at = |edge, drop| match (before(edge), after(edge)) {
        (Some(a), Some(b)) if a.0 < b.0 => {
            on_line(a, b, edge, if is_counter { drop } else { Drop::Falls })
        }
        (Some(only), _) | (None, Some(only)) => only.1,
        (None, None) => f64::NAN,
    };
    let left = at(w.start, Drop::ResetsAtOnce);
    Ok(Some((left, at(w.end, Drop::GoesOn))))
}

/// The samples inside the window itself.
fn inner(w: &Window) -> Vec<(i64, f64)> {
    let is_inner = |p: &&(i64, f64)| w.start < p.0 && p.0 <= w.end;
    w.around.iter().filter(is_inner).copied().collect()
}

/// The time of the last sample that `beats` all before it; NaN is beaten by anything.
fn extreme(w: &Window, beats: impl Fn(f64, f64) -> bool) -> i64 {
    let mut best = w.points[0];
    for p in &w.points {
        if beats(p.1, best.1) || best.1.is_nan() {
            best = *p;
        }
    }
    best.0
}
