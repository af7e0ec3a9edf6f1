//! Straight lines through the samples of a window, and double exponential smoothing.

use super::halves::cut;
use super::{Row, Scratch, Window};
use crate::error::QueryError;

/// What a least-squares line needs to know of a set of samples, around their means.
///
/// Sums of `x * y` and `x * x` lose the line to rounding when times or values are large and lie close together; sums of
/// products of deviations do not, and they merge. Constant samples give slope 0 exactly, an infinite one gives NaN.
///
/// Sources: B. P. Welford, 1962; merging: T. F. Chan, G. H. Golub, R. J. LeVeque, 1979.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    count: f64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
}

impl Line {
    #[inline]
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        let share = 1.0 / self.count;
        let (dx, dy) = (x - self.mean_x, y - self.mean_y);
        if self.count == 1.0 {
            (self.mean_x, self.mean_y) = (x, y);
        } else {
            self.mean_x += dx * share;
            self.mean_y += dy * share;
        }
        self.xx += dx * (x - self.mean_x);
        self.xy += dx * (y - self.mean_y);
    }

    fn merge(&mut self, other: Line) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = other;
            return;
        }
        let count = self.count + other.count;
        let share = other.count / count;
        let (dx, dy) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        self.xx += other.xx + dx * dx * self.count * share;
        self.xy += other.xy + dx * dy * self.count * share;
        self.mean_x += dx * share;
        self.mean_y += dy * share;
        self.count = count;
    }

    fn slope(self) -> f64 {
        self.xy / self.xx
    }

    fn value_at(self, x: f64) -> f64 {
        self.mean_y + self.slope() * (x - self.mean_x)
    }
}

/// `value` of the slope per second, and of the line's value at the step, in each window with at least two samples.
#[inline(always)]
fn lines(
    row: &mut Row<'_>,
    scratch: &mut Scratch,
    value: impl Fn(Window, f64, f64) -> Option<f64>,
) -> Result<(), QueryError> {
    scratch.charge(row.samples, size_of::<Line>())?;
    let (samples, windows, halves) = (row.samples, row.windows, &mut scratch.lines);
    halves.reset();
    row.each(|w| {
        if w.hi - w.lo < 2 {
            return None;
        }
        // Seconds from the cut: a window is never far from it, its step may be.
        let cut = cut(windows, w);
        let x = |t: i64| t.saturating_sub(cut) as f64 / 1000.0;
        let add = |line: &mut Line, i: usize| line.add(x(samples.times[i]), samples.values[i]);
        let halved = halves.fold(samples.times, cut, w, add, add);
        let mut line = halved.tail;
        line.merge(halved.head);
        value(w, line.slope(), line.value_at(x(w.now)))
    })
}

/// `deriv`: slope per second.
pub(crate) fn slopes(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    lines(row, scratch, |_, slope, _| Some(slope))
}

/// `predict_linear`: the line's value so many seconds after the step.
pub(crate) fn predictions(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    let ahead = row.param(0);
    lines(row, scratch, |w, slope, now| {
        Some(slope * ahead(w.step) + now)
    })
}

/// `time_to`: seconds from the step until the line reaches the target. 0 where it is at the target, however flat; none when it never
/// will be: it is flat elsewhere, goes away from the target, or left it behind before the step. No slope counts as too small to be
/// meant: noise on a level gives a very large number, or none, and a comparison with a time that matters leaves it out.
pub(crate) fn times_to(row: &mut Row<'_>, scratch: &mut Scratch) -> Result<(), QueryError> {
    let target = row.param(0);
    lines(row, scratch, |w, slope, now| {
        let distance = target(w.step) - now;
        if distance == 0.0 {
            return Some(0.0);
        }
        let seconds = distance / slope;
        (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
    })
}

/// `double_exponential_smoothing`. Looks at every sample of every window: the recurrence begins anew with
/// each window's first two samples, and its factors may change from step to step. A factor that is none is an error where
/// there are samples to smooth, and only there.
pub(crate) fn smoothed(row: &mut Row<'_>, _: &mut Scratch) -> Result<(), QueryError> {
    let (level_at, trend_at) = (row.param(0), row.param(1));
    let (values, pace) = (row.samples.values, row.pace);
    let mut wrong = None;
    row.each(|w| {
        pace.owe(w.hi - w.lo);
        let (level, trend) = (level_at(w.step), trend_at(w.step));
        if wrong.is_none() {
            wrong = wrong_factor("smoothing", "sf", level).or(wrong_factor("trend", "tf", trend));
        }
        smooth(&values[w.lo..w.hi], level, trend)
    })?;
    wrong.map_or(Ok(()), |message| Err(QueryError::eval(row.span, message)))
}

/// What is wrong with a factor, worded as upstream words it; NaN is let through there.
fn wrong_factor(what: &str, letter: &str, factor: f64) -> Option<String> {
    (factor <= 0.0 || factor >= 1.0)
        .then(|| format!("invalid {what} factor. Expected: 0 < {letter} < 1, got: {factor:.6}"))
}

/// Holt's linear smoothing: level by `level`, trend by `trend`, both strictly between 0 and 1.
fn smooth(values: &[f64], level: f64, trend: f64) -> Option<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line {
        let mut line = Line::default();
        for (x, y) in points {
            line.add(*x, *y);
        }
        line
    }

    #[test]
    fn lines_merge_to_the_same_line() {
        let points: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i) * 0.3, f64::from(i * i % 17) - 2.0))
            .collect();
        let whole = line(&points);
        let mut merged = line(&points[..13]);
        merged.merge(line(&points[13..]));
        assert!((whole.slope() - merged.slope()).abs() < 1e-12);
        assert!((whole.value_at(99.0) - merged.value_at(99.0)).abs() < 1e-9);
    }

    #[test]
    fn large_numbers_close_together_keep_their_slope() {
        // Sums of products would be left with no correct digit.
        let points: Vec<(f64, f64)> = (0..20)
            .map(|i| (1e9 + f64::from(i), 1e9 + 0.5 * f64::from(i)))
            .collect();
        assert!((line(&points).slope() - 0.5).abs() < 1e-9);
        assert_eq!(line(&[(1.0, 7.3), (2.0, 7.3), (5.0, 7.3)]).slope(), 0.0);
        assert!(
            line(&[(1.0, f64::INFINITY), (2.0, f64::INFINITY)])
                .slope()
                .is_nan()
        );
    }
}
