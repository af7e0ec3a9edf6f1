//! Windows: named times.

use std::fmt;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Weekday};
use chrono_tz::Tz;

use super::Place;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// `window NAME`: maintenance, office hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Unique in the folder.
    pub name: String,
    /// It is open when one of these is; at least one.
    pub spans: Vec<Span>,
    /// Days on which no recurring span starts.
    pub except: Vec<DateSpan>,
    /// Where it stands.
    pub place: Place,
}

/// One line of a window. Times are those of a wall clock in the zone: an hour that a clock change skips is not
/// there, one that it repeats is covered twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// `every mon-fri 09:00-17:30`
    Weekly {
        /// The days it starts on, from Monday, each once; at least one.
        days: Vec<Weekday>,
        /// Which of these days.
        within: Within,
        /// From when to when.
        times: DayTimes,
        /// Whose wall clock.
        zone: Tz,
    },
    /// `every month 1-7`: days of each month. Ends that a month does not have are cut off.
    Monthly {
        /// The first day it starts on.
        first: MonthDay,
        /// The last day it starts on.
        last: MonthDay,
        /// Which of these days.
        within: Within,
        /// From when to when.
        times: DayTimes,
        /// Whose wall clock.
        zone: Tz,
    },
    /// `on ... to ...`: once.
    Once {
        /// The start, inclusive.
        from: NaiveDateTime,
        /// The end, exclusive; after the start.
        to: NaiveDateTime,
        /// Whose wall clock.
        zone: Tz,
    },
}

/// `of month 1-7 of jan-mar, dec of 2026`: which days of a line count. Every list that is not empty has to have the day,
/// both ends of its ranges included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Days of the month.
    pub days: Vec<(MonthDay, MonthDay)>,
    /// Months, 1 to 12, the first not after the last.
    pub months: Vec<(u32, u32)>,
    /// Years, the first not after the last.
    pub years: Vec<(i32, i32)>,
}

impl Within {
    /// True for a day that every list has.
    pub fn has(&self, date: NaiveDate) -> bool {
        let in_days =
            |(first, last): &(MonthDay, MonthDay)| MonthDay::range_has(*first, *last, date);
        let in_months = |(first, last): &(u32, u32)| (*first..=*last).contains(&date.month());
        let in_years = |(first, last): &(i32, i32)| (*first..=*last).contains(&date.year());
        (self.days.is_empty() || self.days.iter().any(in_days))
            && (self.months.is_empty() || self.months.iter().any(in_months))
            && (self.years.is_empty() || self.years.iter().any(in_years))
    }
}

/// A stretch of a day, which may go on into the next one: it belongs to the day it starts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTimes {
    from: u16,
    to: u16,
}

impl DayTimes {
    /// From midnight to midnight.
    pub const WHOLE_DAY: DayTimes = DayTimes {
        from: 0,
        to: DAY_MINUTES,
    };

    /// From minute `from` of a day (below 1440) to minute `to` (at most 1440), exclusive. A `to` that is before
    /// `from` is on the next day; the two may not be equal.
    pub fn new(from: u16, to: u16) -> Option<DayTimes> {
        let sound = from < DAY_MINUTES && to <= DAY_MINUTES && from != to;
        sound.then_some(DayTimes { from, to })
    }

    /// The minute of the day it starts at, below 1440.
    pub fn from(self) -> u16 {
        self.from
    }

    /// The minute it ends at, exclusive, counted from the start of the day it starts on: above 1440 when that is on
    /// the next day.
    pub fn end(self) -> u16 {
        if self.to > self.from {
            self.to
        } else {
            self.to + DAY_MINUTES
        }
    }
}

/// `09:00-17:30`
impl fmt::Display for DayTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

/// A day of a month: 1 is the first, -1 the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthDay(i8);

impl MonthDay {
    /// 1 to 31, or -31 to -1.
    pub fn new(day: i8) -> Option<MonthDay> {
        (day != 0 && day.unsigned_abs() <= 31).then_some(MonthDay(day))
    }

    /// The number as written.
    pub fn get(self) -> i8 {
        self.0
    }

    /// True for a date from day `first` to day `last` of its month, both included. Ends that the month does not have are
    /// cut off; a range that starts after the month's end has none of its days.
    pub fn range_has(first: MonthDay, last: MonthDay, date: NaiveDate) -> bool {
        let days = date.num_days_in_month() as i8;
        let day = date.day() as i8;
        first.of(days) <= day && day <= last.of(days)
    }

    /// Which day of a month with so many days; may lie outside of it.
    pub fn of(self, days: i8) -> i8 {
        if self.0 > 0 {
            self.0
        } else {
            days + 1 + self.0
        }
    }
}

/// Days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateSpan {
    /// The first.
    pub first: NaiveDate,
    /// The last; not before the first.
    pub last: NaiveDate,
}
