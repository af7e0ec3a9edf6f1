//! Time: milliseconds since the Unix epoch, durations, and how people write both.
//!
//! Not here: the present. Nothing in this crate, or above it up to `server`, reads a clock.

use std::fmt;

/// Milliseconds since the Unix epoch, UTC. Any value is legal, so the field is public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(pub i64);

/// The ends of time in Prometheus' API, as its clients write them.
const EVER_FROM: &str = "-292273086-05-16T16:47:06Z";
const EVER_TO: &str = "292277025-08-18T07:12:54.999999999Z";

impl TimestampMs {
    /// This time plus `by`; stops at the ends of the range instead of wrapping.
    pub fn plus(self, by: DurationMs) -> TimestampMs {
        TimestampMs(self.0.saturating_add(by.0))
    }

    /// This time minus `by`; stops at the ends of the range instead of wrapping.
    pub fn minus(self, by: DurationMs) -> TimestampMs {
        TimestampMs(self.0.saturating_sub(by.0))
    }

    /// How long after `earlier` this is; negative when it is before.
    pub fn since(self, earlier: TimestampMs) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0))
    }

    /// Seconds since the epoch, with the milliseconds as a fraction.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// From Unix seconds with a fraction, rounded to the millisecond. `None` when out of range or NaN.
    pub fn from_seconds(seconds: f64) -> Option<TimestampMs> {
        // The two parts by themselves, so that what lies far away is not moved by the product's rounding.
        let (whole, part) = (seconds.trunc(), (seconds.fract() * 1000.0).round());
        if whole.is_nan() {
            return None;
        }
        // What is too large for an integer becomes the largest, which is too large to be multiplied.
        let ms = (whole as i64).checked_mul(1000)?;
        ms.checked_add(part as i64).map(TimestampMs)
    }

    /// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`. Times outside the years that
    /// `chrono` can hold are written as plain milliseconds.
    pub fn to_rfc3339(self) -> String {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(t) => t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            None => format!("{} ms", self.0),
        }
    }

    /// Reads what Prometheus' API calls a time: RFC 3339, or Unix seconds with decimals. Of years beyond 9999 only the two are
    /// known with which its clients write "from ever" and "for ever".
    pub fn parse(text: &str) -> Option<TimestampMs> {
        match text {
            EVER_FROM => return Some(TimestampMs(-9_223_309_901_257_974_000)),
            EVER_TO => return Some(TimestampMs(9_223_309_901_257_974_999)),
            _ => {}
        }
        if let Ok(seconds) = text.parse::<f64>() {
            return TimestampMs::from_seconds(seconds);
        }
        let t = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        Some(TimestampMs(t.timestamp_millis()))
    }
}

impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// A length of time in milliseconds; may be negative (offsets are).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationMs(pub i64);

/// The units of a written duration, largest first, in milliseconds. A year is 365 days.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl DurationMs {
    /// No time at all.
    pub const ZERO: DurationMs = DurationMs(0);

    /// Whole seconds.
    pub const fn from_secs(seconds: i64) -> DurationMs {
        DurationMs(seconds * 1000)
    }

    /// Whole minutes.
    pub const fn from_mins(minutes: i64) -> DurationMs {
        DurationMs(minutes * 60_000)
    }

    /// In seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Reads `1h30m`, `5m`, `250ms`: whole numbers, each unit at most once, in falling order.
    /// `None` for anything else, for nothing at all, and beyond 292 million years.
    pub fn parse(text: &str) -> Option<DurationMs> {
        let mut rest = text;
        let mut total: i64 = 0;
        let mut next_unit = 0;
        if rest == "0" {
            return Some(DurationMs::ZERO);
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let count: i64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = UNITS
                .iter()
                .position(|(name, _)| *name == &rest[..letters])?;
            if unit < next_unit {
                return None;
            }
            next_unit = unit + 1;
            total = total.checked_add(count.checked_mul(UNITS[unit].1)?)?;
            rest = &rest[letters..];
        }
        (next_unit > 0).then_some(DurationMs(total))
    }

    /// What Prometheus' API takes as a step or timeout: `1h30m` or a number of seconds. Of a millisecond that has begun nothing
    /// counts, as there: it cuts to nanoseconds first.
    pub fn parse_or_seconds(text: &str) -> Option<DurationMs> {
        DurationMs::parse(text).or_else(|| {
            let nanos = text.parse::<f64>().ok()? * 1e9;
            (nanos.abs() < i64::MAX as f64).then_some(DurationMs(nanos as i64 / 1_000_000))
        })
    }
}

/// As Prometheus prints it: `1h30m`, `0s`; weeks and years only when they fit without a rest.
impl fmt::Display for DurationMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        for (name, ms) in UNITS {
            let ms = ms as u64;
            let exact_only = matches!(name, "y" | "w");
            if rest >= ms && (!exact_only || rest.is_multiple_of(ms)) {
                write!(f, "{}{name}", rest / ms)?;
                rest %= ms;
            }
        }
        Ok(())
    }
}

/// A closed range of time: both ends belong to it. `from > to` is the empty range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first millisecond that belongs to the range.
    pub from: TimestampMs,
    /// The last millisecond that belongs to the range.
    pub to: TimestampMs,
}

impl TimeRange {
    /// Every time there is.
    pub const ALL: TimeRange = TimeRange {
        from: TimestampMs(i64::MIN),
        to: TimestampMs(i64::MAX),
    };

    /// From both ends, in milliseconds.
    pub fn new(from: i64, to: i64) -> TimeRange {
        TimeRange {
            from: TimestampMs(from),
            to: TimestampMs(to),
        }
    }

    /// True when `t` lies inside, ends included.
    pub fn contains(self, t: i64) -> bool {
        self.from.0 <= t && t <= self.to.0
    }

    /// True when some time belongs to both.
    pub fn overlaps(self, from: i64, to: i64) -> bool {
        self.from.0 <= to && from <= self.to.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, ms) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1y", 365 * 86_400_000),
            ("2w", 14 * 86_400_000),
            ("1d1ms", 86_400_001),
            ("0s", 0),
        ] {
            assert_eq!(DurationMs::parse(text), Some(DurationMs(ms)), "{text}");
            assert_eq!(DurationMs(ms).to_string(), text);
        }
        assert_eq!(DurationMs(8 * 86_400_000).to_string(), "8d");
        assert_eq!(DurationMs(-90_000).to_string(), "-1m30s");
        for bad in [
            "",
            "5",
            "m",
            "5m5h",
            "5m5m",
            "1.5h",
            "99999999999999y",
            "-5m",
            "5 m",
        ] {
            assert_eq!(DurationMs::parse(bad), None, "{bad}");
        }
        for (text, ms) in [("0.25", 250), ("0.0015", 1), ("-0.0019", -1), ("1e-4", 0)] {
            let read = DurationMs::parse_or_seconds(text);
            assert_eq!(read, Some(DurationMs(ms)), "{text}");
        }
        for bad in ["NaN", "1e10", "-Inf"] {
            assert_eq!(DurationMs::parse_or_seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_read_and_print() {
        assert_eq!(TimestampMs::parse("1.5"), Some(TimestampMs(1500)));
        assert_eq!(
            TimestampMs::parse("2026-01-02T03:04:05.678Z").map(TimestampMs::to_rfc3339),
            Some("2026-01-02T03:04:05.678Z".into())
        );
        for (text, ms) in [
            ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_000),
            (
                "292277025-08-18T07:12:54.999999999Z",
                9_223_309_901_257_974_999,
            ),
            ("-9223309901257974", -9_223_309_901_257_974_000),
        ] {
            assert_eq!(TimestampMs::parse(text), Some(TimestampMs(ms)), "{text}");
        }
        for bad in ["", "now", "NaN", "1e300", "-292273086-05-16T16:47:07Z"] {
            assert_eq!(TimestampMs::parse(bad), None, "{bad}");
        }
    }
}
