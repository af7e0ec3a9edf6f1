//! The axes: which values and times stand at them, and how they are written.

use bellwether_model::TimestampMs;
use bellwether_model::value::format_value;
use chrono::{DateTime, Local, TimeZone, Utc};

/// The values an axis covers, `low < high`, both finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    low: f64,
    high: f64,
}

impl Span {
    /// Covers all finite values; `None` when there are none. One value alone lies in the middle.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Span> {
        let finite = values.filter(|v| v.is_finite());
        let (low, high) = finite.fold(None, |span, v| match span {
            None => Some((v, v)),
            Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
        })?;
        if low < high {
            return Some(Span { low, high });
        }
        let around = if low == 0.0 { 1.0 } else { low.abs() / 2.0 };
        Some(Span {
            low: (low - around).max(f64::MIN),
            high: (high + around).min(f64::MAX),
        })
    }

    /// Where a value lies, 0 at the low end and 1 at the high one; infinities lie at the ends.
    pub(super) fn place(self, v: f64) -> f64 {
        // Halved, since the distance of two floats may be more than the largest one.
        let (low, high) = (self.low / 2.0, self.high / 2.0);
        let place = (v / 2.0 - low) / (high - low);
        // Subnormal ends may be equal once halved.
        if place.is_nan() {
            return 0.5;
        }
        place.clamp(0.0, 1.0)
    }

    /// About `count` round values inside, with their texts. The ends, where no round ones can be told apart.
    pub(super) fn ticks(self, count: usize) -> Vec<(f64, String)> {
        let ends = [self.low, self.high];
        let rough = (self.high / 2.0 - self.low / 2.0) / (count as f64 / 2.0);
        let magnitude = rough.log10().floor();
        let power = 10f64.powf(magnitude);
        let factors = [1.0, 2.0, 5.0, 10.0];
        let factor = factors.iter().find(|f| **f * power >= rough);
        let step = factor.unwrap_or(&10.0) * power;
        let largest = ends.map(f64::abs).into_iter().fold(0.0, f64::max);
        if !step.is_normal() || step < largest * 1e-12 {
            return ends.map(|v| (v, format_value(v))).to_vec();
        }
        let first = (self.low / step).ceil();
        (0..=2 * count)
            .map(|i| (first + i as f64) * step)
            .take_while(|v| *v <= self.high)
            .map(|v| (v, number(v, step)))
            .collect()
    }
}

/// A multiple of `step` with as many digits as tell it from its neighbours.
fn number(v: f64, step: f64) -> String {
    let digits = |v: f64| v.abs().log10().floor();
    if v == 0.0 || v.abs() < step / 2.0 {
        return "0".to_owned();
    }
    let (is_long, is_fine) = (digits(v) >= 7.0, digits(step) < -5.0);
    if is_long || is_fine {
        let after = (digits(v) - digits(step)).clamp(0.0, 15.0) as usize;
        return format!("{v:.after$e}");
    }
    let after = (-digits(step)).max(0.0) as usize;
    format!("{v:.after$}")
}

/// Six digits of a value: enough to compare, short enough for a column.
pub(super) fn brief(v: f64) -> String {
    let rounded: f64 = format!("{v:.5e}").parse().unwrap_or(v);
    let is_plain = rounded == 0.0 || (1e-4..1e7).contains(&rounded.abs());
    if is_plain || !rounded.is_finite() {
        format_value(rounded)
    } else {
        format!("{rounded:e}")
    }
}

/// Which zone times are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    /// The machine's.
    Local,
}

impl Zone {
    fn write(self, t: i64, format: &str) -> String {
        fn written<Z: TimeZone<Offset: std::fmt::Display>>(
            time: Option<DateTime<Z>>,
            t: i64,
            format: &str,
        ) -> String {
            // Beyond the calendar only the number is left.
            time.map_or_else(
                || format_value(TimestampMs(t).as_seconds()),
                |time| time.format(format).to_string(),
            )
        }
        match self {
            Zone::Utc => written(Utc.timestamp_millis_opt(t).single(), t, format),
            Zone::Local => written(Local.timestamp_millis_opt(t).single(), t, format),
        }
    }

    /// `2023-11-14 UTC`, `2023-11-14 to 2023-11-15 +01:00`: what the times of an axis leave out.
    pub(super) fn days(self, from: i64, to: i64) -> String {
        let day = |t| self.write(t, "%Y-%m-%d");
        let (first, last) = (day(from), day(to));
        let zone = match self {
            Zone::Utc => "UTC".to_owned(),
            Zone::Local => self.write(to, "%:z"),
        };
        if first == last {
            format!("{first} {zone}")
        } else {
            format!("{first} to {last} {zone}")
        }
    }

    /// A time of an axis from `from` to `to`, as exact as the axis is.
    pub(super) fn time(self, t: i64, from: i64, to: i64) -> String {
        const MINUTE: i64 = 60_000;
        let format = match to.saturating_sub(from) {
            span if span < MINUTE => "%H:%M:%S%.3f",
            span if span < 20 * MINUTE => "%H:%M:%S",
            span if span < 36 * 60 * MINUTE => "%H:%M",
            span if span < 14 * 24 * 60 * MINUTE => "%m-%d %H:%M",
            _ => "%Y-%m-%d",
        };
        self.write(t, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64]) -> Vec<String> {
        let span = Span::of(values.iter().copied()).unwrap();
        span.ticks(4).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_can_be_told_apart() {
        for (values, want) in [
            (&[0.0, 1.0][..], &["0", "0.5", "1.0"][..]),
            (&[-3.0, 7.5], &["0", "5"]),
            (&[5.0], &["4", "6"]),
            (&[0.0], &["-1.0", "-0.5", "0", "0.5", "1.0"]),
            (&[0.0012, 0.0019], &["0.0012", "0.0014", "0.0016", "0.0018"]),
            (&[1e9, 4e9], &["1e9", "2e9", "3e9", "4e9"]),
            (&[1e-9, 2e-9], &["1.0e-9", "1.5e-9", "2.0e-9"]),
            (&[f64::MIN, f64::MAX], &["-1e308", "0", "1e308"]),
            (
                &[1e15, 1e15 + 1.0],
                &["1000000000000000", "1000000000000001"],
            ),
        ] {
            assert_eq!(ticks(values), want, "{values:?}");
        }
    }

    #[test]
    fn figures_are_brief() {
        let values = [0.1 + 0.2, 1_234_567.8, 1e12 / 3.0, -1e-7, 0.0, f64::NAN];
        let texts = ["0.3", "1234570", "3.33333e11", "-1e-7", "0", "NaN"];
        assert_eq!(values.map(brief), texts);
    }

    #[test]
    fn places_lie_between_the_ends_whatever_the_values() {
        let span = Span::of([f64::MIN, f64::NAN, f64::MAX, f64::INFINITY].into_iter()).unwrap();
        let places = [f64::NEG_INFINITY, f64::MIN, 0.0, f64::MAX, f64::INFINITY];
        assert_eq!(places.map(|v| span.place(v)), [0.0, 0.0, 0.5, 1.0, 1.0]);
        let tiny = Span::of([0.0, 5e-324].into_iter()).unwrap();
        assert!((0.0..=1.0).contains(&tiny.place(5e-324)));
        assert_eq!(Span::of([f64::NAN, f64::INFINITY].into_iter()), None);
    }

    #[test]
    fn times_say_what_the_axis_can_show() {
        let (t, minute, hour) = (1_700_000_000_000, 60_000, 3_600_000);
        let time = |span| Zone::Utc.time(t, t, t + span);
        assert_eq!(time(1000), "22:13:20.000");
        assert_eq!(time(minute), "22:13:20");
        assert_eq!(time(hour), "22:13");
        assert_eq!(time(48 * hour), "11-14 22:13");
        assert_eq!(time(1000 * hour), "2023-11-14");
        assert_eq!(Zone::Utc.time(i64::MAX, 0, i64::MAX), "9223372036854776");
        assert_eq!(Zone::Utc.days(t, t + hour), "2023-11-14 UTC");
        assert_eq!(
            Zone::Utc.days(t, t + 2 * hour),
            "2023-11-14 to 2023-11-15 UTC"
        );
    }
}
