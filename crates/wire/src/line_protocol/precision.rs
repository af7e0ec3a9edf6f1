//! The unit of a line's timestamp.

use bellwether_model::TimestampMs;

/// The unit of a line's timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 10^-9 s, the format's default.
    #[default]
    Nanoseconds,
    /// 10^-6 s.
    Microseconds,
    /// 10^-3 s.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// 60 s.
    Minutes,
    /// 3600 s.
    Hours,
    /// By size, line by line: below 5e9 seconds, below 5e12 milliseconds, below 5e15 microseconds,
    /// else nanoseconds (the absolute number counts).
    Auto,
}

impl Precision {
    /// The `precision` argument of the write paths: `n`, `ns`, `u`, `us`, `µ`, `ms`, `s`, `m`, `h`, `auto`.
    pub fn parse(text: &str) -> Option<Precision> {
        Some(match text {
            "n" | "ns" => Precision::Nanoseconds,
            "u" | "us" | "µ" | "µs" => Precision::Microseconds,
            "ms" => Precision::Milliseconds,
            "s" => Precision::Seconds,
            "m" => Precision::Minutes,
            "h" => Precision::Hours,
            "auto" => Precision::Auto,
            _ => return None,
        })
    }

    /// `raw` in this unit as milliseconds. Finer units round down, before 1970 too.
    /// `None` when the milliseconds do not fit 64 bits.
    pub fn to_ms(self, raw: i64) -> Option<TimestampMs> {
        let ms = match self {
            Precision::Nanoseconds => raw.div_euclid(1_000_000),
            Precision::Microseconds => raw.div_euclid(1000),
            Precision::Milliseconds => raw,
            Precision::Seconds => raw.checked_mul(1000)?,
            Precision::Minutes => raw.checked_mul(60_000)?,
            Precision::Hours => raw.checked_mul(3_600_000)?,
            Precision::Auto => return Precision::by_size(raw).to_ms(raw),
        };
        Some(TimestampMs(ms))
    }

    fn by_size(raw: i64) -> Precision {
        match raw.unsigned_abs() {
            0..5_000_000_000 => Precision::Seconds,
            5_000_000_000..5_000_000_000_000 => Precision::Milliseconds,
            5_000_000_000_000..5_000_000_000_000_000 => Precision::Microseconds,
            _ => Precision::Nanoseconds,
        }
    }
}
