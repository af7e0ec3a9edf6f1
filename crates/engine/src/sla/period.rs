//! Stretches of time with names: the period an objective speaks of at a moment, and those of the calendar by name.

use std::fmt;

use bellwether_lang::rules::{CalendarUnit, Period};
use bellwether_model::{DurationMs, TimestampMs};
use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, Months, NaiveDate, TimeDelta, TimeZone, Weekday,
};
use chrono_tz::Tz;

/// A period of the calendar, written `2026`, `2026-Q4`, `2026-10` or `2026-W43`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedPeriod {
    first: NaiveDate,
    unit: CalendarUnit,
}

impl NamedPeriod {
    /// Reads the name of a period.
    pub fn parse(text: &str) -> Option<NamedPeriod> {
        let (year, rest) = text
            .split_once('-')
            .map_or((text, None), |(y, rest)| (y, Some(rest)));
        let is_year = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
        let year: i32 = is_year.then(|| year.parse().ok())??;
        let (first, unit) = match rest {
            None => (NaiveDate::from_ymd_opt(year, 1, 1), CalendarUnit::Year),
            Some(rest) => match (rest.strip_prefix('Q'), rest.strip_prefix('W')) {
                (Some(quarter), _) => {
                    let quarter = number(quarter, 1)?;
                    let month = quarter.checked_sub(1)? * 3 + 1;
                    (
                        NaiveDate::from_ymd_opt(year, month, 1),
                        CalendarUnit::Quarter,
                    )
                }
                (_, Some(week)) => {
                    let week = number(week, 2)?;
                    (
                        NaiveDate::from_isoywd_opt(year, week, Weekday::Mon),
                        CalendarUnit::Week,
                    )
                }
                (None, None) => (
                    NaiveDate::from_ymd_opt(year, number(rest, 2)?, 1),
                    CalendarUnit::Month,
                ),
            },
        };
        Some(NamedPeriod {
            first: first?,
            unit,
        })
    }

    /// The period of this unit in which a moment lies, by the clocks of a zone.
    pub(super) fn around(unit: CalendarUnit, at: TimestampMs, zone: Tz) -> Option<NamedPeriod> {
        let date = DateTime::from_timestamp_millis(at.0)?
            .with_timezone(&zone)
            .date_naive();
        let first = match unit {
            CalendarUnit::Week => {
                let back = u64::from(date.weekday().num_days_from_monday());
                date.checked_sub_days(Days::new(back))?
            }
            CalendarUnit::Month => date.with_day(1)?,
            CalendarUnit::Quarter => {
                NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1)?
            }
            CalendarUnit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1)?,
        };
        Some(NamedPeriod { first, unit })
    }

    /// From its first moment to the first one after it, by the clocks of a zone.
    pub fn range(self, zone: Tz) -> Option<(TimestampMs, TimestampMs)> {
        let end = match self.unit {
            CalendarUnit::Week => self.first.checked_add_days(Days::new(7)),
            CalendarUnit::Month => self.first.checked_add_months(Months::new(1)),
            CalendarUnit::Quarter => self.first.checked_add_months(Months::new(3)),
            CalendarUnit::Year => self.first.checked_add_months(Months::new(12)),
        };
        Some((midnight(self.first, zone)?, midnight(end?, zone)?))
    }
}

/// As it is written.
impl fmt::Display for NamedPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.first.year(), self.first.month());
        match self.unit {
            CalendarUnit::Week => {
                let week = self.first.iso_week();
                write!(f, "{}-W{:02}", week.year(), week.week())
            }
            CalendarUnit::Month => write!(f, "{year}-{month:02}"),
            CalendarUnit::Quarter => write!(f, "{year}-Q{}", month.div_ceil(3)),
            CalendarUnit::Year => write!(f, "{year}"),
        }
    }
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let fits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

/// The first moment of a day; where the clocks skip midnight, the first that exists.
fn midnight(date: NaiveDate, zone: Tz) -> Option<TimestampMs> {
    let mut local = date.and_hms_opt(0, 0, 0)?;
    for _ in 0..24 * 4 {
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(t) | MappedLocalTime::Ambiguous(t, _) => {
                return Some(TimestampMs(t.timestamp_millis()));
            }
            MappedLocalTime::None => local = local.checked_add_signed(TimeDelta::minutes(15))?,
        }
    }
    None
}

/// The period an objective speaks of at a moment: its begin and its end. A rolling one ends at the moment.
pub(super) fn at(period: Period, now: TimestampMs) -> Option<(TimestampMs, TimestampMs)> {
    match period {
        Period::Rolling(length) => Some((now.minus(length), now)),
        Period::Calendar { unit, zone } => NamedPeriod::around(unit, now, zone)?.range(zone),
    }
}

/// The zone of a period; rolling ones have none, and go by UTC where a name needs one.
pub(super) fn zone(period: Period) -> Tz {
    match period {
        Period::Rolling(_) => Tz::UTC,
        Period::Calendar { zone, .. } => zone,
    }
}

/// The length of the stretches in which a period's evidence is told when it is not made of slices: no more than 8,640 of them,
/// whole minutes.
pub(super) fn stretch(length: DurationMs) -> DurationMs {
    const STRETCHES_MAX: i64 = 8640;
    const MINUTE: i64 = 60_000;
    let minutes = (length.0.max(0) / STRETCHES_MAX + MINUTE - 1) / MINUTE;
    DurationMs(minutes.max(1) * MINUTE)
}
