//! When a window is open: a wall clock in a zone, held against the lines of a `window`.
//!
//! A moment is inside when the clock in the line's zone shows a time that the line has. So a time that a clock change
//! skips is never inside, one that it repeats is inside twice, and a night from 02:00 to 04:00 in which the clocks go
//! back lasts three hours. Times over midnight belong to the day they start on. Ends are exclusive.
//!
//! Pure: the moment is an argument, zones come from the tables of `chrono-tz`. Not here: what is done about it.
//!
//! - `mutes`: when the clock lets a mute hold. `clock`: what clocks show, and when they are changed.

mod clock;
mod mutes;

use bellwether_lang::rules::{DayTimes, MonthDay, Window, WindowSpan, Within};
use bellwether_model::TimestampMs;
use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone, Timelike,
};
use chrono_tz::Tz;

/// A time zone, by its name in the tables of IANA.
pub use chrono_tz::Tz as Zone;

pub use clock::{ClockChange, clock_changes, shown, skipped_days, zones};
pub use mutes::{mute_holds, mute_openings};

/// Days that are looked through for the next change: 29 February comes within 8 years, a line for one year later.
const DAYS_AHEAD: usize = 50 * 366;

/// A stretch of time in which a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first moment.
    pub from: TimestampMs,
    /// The first moment after it; `None` when no end is in sight.
    pub to: Option<TimestampMs>,
}

/// True when one of the window's lines has this moment. Moments beyond the years that `chrono` can hold are outside.
pub fn is_open(window: &Window, at: TimestampMs) -> bool {
    let Some(moment) = DateTime::from_timestamp_millis(at.0) else {
        return false;
    };
    window.spans.iter().any(|span| {
        let local = moment.with_timezone(&zone(span)).naive_local();
        covers(window, span, local)
    })
}

/// The next moment after `at` at which the window opens or closes; `None` when there is none within 50 years.
pub fn next_change(window: &Window, at: TimestampMs) -> Option<TimestampMs> {
    let now = is_open(window, at);
    let start = DateTime::from_timestamp_millis(at.0)?;
    // Zones differ by less than two days from each other, so two days before cover the local date of every line.
    let mut date = start.date_naive().checked_sub_days(Days::new(2))?;
    for _ in 0..DAYS_AHEAD {
        let mut edges: Vec<TimestampMs> = window
            .spans
            .iter()
            .flat_map(|span| edges(span, date))
            .filter(|edge| *edge > at)
            .collect();
        edges.sort_unstable();
        let found = edges.into_iter().find(|edge| is_open(window, *edge) != now);
        // An edge of the next day may come first where zones differ: whatever changes lies behind none of this day's.
        if let Some(found) = found {
            let after = date.checked_add_days(Days::new(1))?;
            let later = date.checked_add_days(Days::new(2))?;
            let sooner = window
                .spans
                .iter()
                .flat_map(|span| edges_of_days(span, [after, later]))
                .filter(|edge| *edge > at && *edge < found && is_open(window, *edge) != now)
                .min();
            return Some(sooner.unwrap_or(found));
        }
        date = date.checked_add_days(Days::new(1))?;
    }
    None
}

/// The next `count` stretches in which the window is open, the running one first, which begins with `from` here.
pub fn openings(window: &Window, from: TimestampMs, count: usize) -> Vec<Opening> {
    let change = |at| next_change(window, at);
    stretches(from, count, is_open(window, from), &change)
}

/// The stretches between one change and the next, every other one, beginning at `from` when it `is_open` there.
fn stretches(
    from: TimestampMs,
    count: usize,
    is_open: bool,
    next_change: &dyn Fn(TimestampMs) -> Option<TimestampMs>,
) -> Vec<Opening> {
    let mut found = Vec::new();
    let mut begin = if is_open {
        Some(from)
    } else {
        next_change(from)
    };
    while let Some(from) = begin.filter(|_| found.len() < count) {
        let to = next_change(from);
        found.push(Opening { from, to });
        begin = to.and_then(next_change);
    }
    found
}

fn zone(span: &WindowSpan) -> Tz {
    match span {
        WindowSpan::Weekly { zone, .. }
        | WindowSpan::Monthly { zone, .. }
        | WindowSpan::Once { zone, .. } => *zone,
    }
}

/// True when a clock that shows `local` is inside the line.
fn covers(window: &Window, span: &WindowSpan, local: NaiveDateTime) -> bool {
    let Some(times) = times(span) else {
        return matches!(span, WindowSpan::Once { from, to, .. } if *from <= local && local < *to);
    };
    let date = local.date();
    let minute = (local.num_seconds_from_midnight() / 60) as u16;
    let starts = |date: NaiveDate| starts(span, date) && !excepted(window, date);
    let today = times.from() <= minute && minute < times.end() && starts(date);
    // What is left of a stretch that began the day before.
    let yesterday = || {
        let date = date.pred_opt();
        minute + 24 * 60 < times.end() && date.is_some_and(starts)
    };
    today || yesterday()
}

fn times(span: &WindowSpan) -> Option<DayTimes> {
    match span {
        WindowSpan::Weekly { times, .. } | WindowSpan::Monthly { times, .. } => Some(*times),
        WindowSpan::Once { .. } => None,
    }
}

/// True when a stretch of the line starts on this day.
fn starts(span: &WindowSpan, date: NaiveDate) -> bool {
    let (on_day, within): (bool, &Within) = match span {
        WindowSpan::Weekly { days, within, .. } => (days.contains(&date.weekday()), within),
        WindowSpan::Monthly {
            first,
            last,
            within,
            ..
        } => (MonthDay::range_has(*first, *last, date), within),
        WindowSpan::Once { .. } => return false,
    };
    on_day && within.has(date)
}

fn excepted(window: &Window, date: NaiveDate) -> bool {
    window
        .except
        .iter()
        .any(|days| days.first <= date && date <= days.last)
}

fn edges_of_days(span: &WindowSpan, dates: [NaiveDate; 2]) -> Vec<TimestampMs> {
    dates
        .into_iter()
        .flat_map(|date| edges(span, date))
        .collect()
}

/// Moments at which the line can begin or end that starts on `date`: its two ends, and the clock changes near them.
fn edges(span: &WindowSpan, date: NaiveDate) -> Vec<TimestampMs> {
    let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0);
    let ends = match span {
        WindowSpan::Once { from, to, .. } => {
            let touches = from.date() == date || to.date() == date;
            if !touches {
                return Vec::new();
            }
            [Some(*from), Some(*to)]
        }
        WindowSpan::Weekly { times, .. } | WindowSpan::Monthly { times, .. } => {
            if !starts(span, date) {
                return Vec::new();
            }
            let at = |minute: u16| {
                let start = midnight(date)?;
                start.checked_add_signed(chrono::TimeDelta::minutes(i64::from(minute)))
            };
            [at(times.from()), at(times.end())]
        }
    };
    let zone = zone(span);
    let mut found = Vec::new();
    for local in ends.into_iter().flatten() {
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(moment) => found.push(millis(&moment)),
            MappedLocalTime::Ambiguous(first, second) => {
                found.extend([millis(&first), millis(&second)]);
            }
            MappedLocalTime::None => {}
        }
        found.extend(clock::change_near(zone, local));
    }
    found
}

fn millis(moment: &DateTime<Tz>) -> TimestampMs {
    TimestampMs(moment.timestamp_millis())
}

#[cfg(test)]
mod tests;
