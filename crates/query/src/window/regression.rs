//! Straight lines through the samples of a window, and double exponential smoothing.

use super::{Samples, Window};
use crate::sum::Sum;

/// The least-squares line through the samples of `w`: slope per second, and value at time `origin`.
/// At least two samples. Constant samples give slope 0 exactly; constant infinity gives NaN.
fn fit(samples: Samples<'_>, w: Window, origin: i64) -> Option<(f64, f64)> {
    if w.hi - w.lo < 2 {
        return None;
    }
    let (times, values) = (&samples.times[w.lo..w.hi], &samples.values[w.lo..w.hi]);
    if values.iter().all(|v| *v == values[0]) {
        if values[0].is_infinite() {
            return Some((f64::NAN, f64::NAN));
        }
        return Some((0.0, values[0]));
    }
    let (mut sum_x, mut sum_y) = (Sum::default(), Sum::default());
    let (mut sum_xy, mut sum_xx) = (Sum::default(), Sum::default());
    for (t, y) in times.iter().zip(values) {
        let x = (*t - origin) as f64 / 1000.0;
        sum_x.add(x);
        sum_y.add(*y);
        sum_xy.add(x * y);
        sum_xx.add(x * x);
    }
    let n = values.len() as f64;
    let [x, y, xy, xx] = [sum_x, sum_y, sum_xy, sum_xx].map(|s| s.sum + s.error);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}

/// Slope per second.
pub(crate) fn slope(samples: Samples<'_>, w: Window) -> Option<f64> {
    let origin = *samples.times.get(w.lo)?;
    Some(fit(samples, w, origin)?.0)
}

/// The line's value `ahead` seconds after the step.
pub(crate) fn predict(samples: Samples<'_>, w: Window, ahead: f64) -> Option<f64> {
    let (slope, now) = fit(samples, w, w.now)?;
    Some(slope * ahead + now)
}

/// Seconds from the step until the line reaches `target`; none when it never will.
pub(crate) fn time_to(samples: Samples<'_>, w: Window, target: f64) -> Option<f64> {
    let (slope, now) = fit(samples, w, w.now)?;
    let seconds = (target - now) / slope;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

/// Holt's linear smoothing: level by `level`, trend by `trend`, both strictly between 0 and 1.
pub(crate) fn smooth(values: &[f64], level: f64, trend: f64) -> Option<f64> {
    let [first, second, ..] = *values else {
        return None;
    };
    let mut slope = second - first;
    let (mut before, mut smoothed) = (0.0, first);
    for (i, value) in values.iter().enumerate().skip(1) {
        if i > 1 {
            slope = trend * (smoothed - before) + (1.0 - trend) * slope;
        }
        let next = level * value + (1.0 - level) * (smoothed + slope);
        (before, smoothed) = (smoothed, next);
    }
    Some(smoothed)
}
