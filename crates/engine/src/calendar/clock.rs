//! What the clocks of a zone show, when they are put forward or back, and what that does to a window.

use std::collections::BTreeSet;

use bellwether_lang::rules::Window;
use bellwether_model::{DurationMs, TimestampMs};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};
use chrono_tz::Tz;

use super::{DAYS_AHEAD, starts, times, zone};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A moment at which clocks are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockChange {
    /// The first moment after it.
    pub at: TimestampMs,
    /// How far they are put forward; negative when they go back.
    pub by: DurationMs,
}

/// The zones of the window's lines, each once, by name.
pub fn zones(window: &Window) -> Vec<Tz> {
    let mut zones: Vec<Tz> = window.spans.iter().map(zone).collect();
    zones.sort_unstable_by_key(|zone| zone.name());
    zones.dedup();
    zones
}

/// What the clocks of a zone show, with the day of the week and the offset: `Sun 2026-10-25 02:00 +01:00`.
pub fn shown(zone: Tz, at: TimestampMs) -> String {
    let Some(moment) = DateTime::from_timestamp_millis(at.0) else {
        return at.to_rfc3339(); // Beyond the years that zones know.
    };
    let local = moment.with_timezone(&zone);
    let whole = local.second() == 0;
    let form = if whole {
        "%a %Y-%m-%d %H:%M %:z"
    } else {
        "%a %Y-%m-%d %H:%M:%S %:z"
    };
    local.format(form).to_string()
}

/// When the clocks of the window's zones are changed from `from` to `to`, both included; not beyond 50 years.
pub fn clock_changes(window: &Window, from: TimestampMs, to: TimestampMs) -> Vec<ClockChange> {
    let changes = zones(window)
        .into_iter()
        .flat_map(|zone| changes(zone, from, to));
    let changes: BTreeSet<ClockChange> = changes.collect();
    changes.into_iter().collect()
}

/// The days from `from` to `to` on which a line of the window would start and does not open, because the clocks skip all of it.
pub fn skipped_days(window: &Window, from: TimestampMs, to: TimestampMs) -> Vec<NaiveDate> {
    let mut days = BTreeSet::new();
    for span in &window.spans {
        let Some(times) = times(span) else {
            continue; // Once is once.
        };
        for change in changes(zone(span), from, to) {
            // The clocks show the first time of the gap just when they are put forward.
            let Some((first, gap)) = gap(zone(span), change) else {
                continue;
            };
            let minute = i64::from(first.num_seconds_from_midnight() / 60);
            let is_inside = minute <= i64::from(times.from())
                && i64::from(times.end()) <= minute + gap.0 / 60_000;
            if is_inside && starts(span, first.date()) && !super::excepted(window, first.date()) {
                days.insert(first.date());
            }
        }
    }
    days.into_iter().collect()
}

/// The first local time that a change skips, and how long the gap is.
fn gap(zone: Tz, change: ClockChange) -> Option<(NaiveDateTime, DurationMs)> {
    let before = offset(zone, change.at.0 / 1000 - 1)?;
    let first = DateTime::from_timestamp(change.at.0 / 1000 + i64::from(before), 0)?;
    (change.by.0 > 0).then(|| (first.naive_utc(), change.by))
}

/// The changes of one zone's clocks from `from` to `to`, both included.
fn changes(zone: Tz, from: TimestampMs, to: TimestampMs) -> Vec<ClockChange> {
    let mut found = Vec::new();
    let mut begin = from.0.div_euclid(1000) - 1;
    for _ in 0..DAYS_AHEAD {
        let end = (begin + DAY).min(to.0.div_euclid(1000));
        if end <= begin {
            break;
        }
        found.extend(change_between(zone, begin, end));
        begin = end;
    }
    found
}

/// The moment within a day of `local` at which the zone's clocks are changed, if they are.
pub(super) fn change_near(zone: Tz, local: NaiveDateTime) -> Option<TimestampMs> {
    let middle = local.and_utc().timestamp();
    Some(change_between(zone, middle - DAY, middle + DAY)?.at)
}

/// The change after second `before` and not after `after`, if the two differ.
fn change_between(zone: Tz, mut before: i64, mut after: i64) -> Option<ClockChange> {
    let (old, new) = (offset(zone, before)?, offset(zone, after)?);
    if old == new {
        return None;
    }
    while after - before > 1 {
        let half = before + (after - before) / 2;
        if offset(zone, half)? == old {
            before = half;
        } else {
            after = half;
        }
    }
    Some(ClockChange {
        at: TimestampMs(after * 1000),
        by: DurationMs(i64::from(new - old) * 1000),
    })
}

/// Seconds that the zone's clocks are ahead of UTC.
fn offset(zone: Tz, second: i64) -> Option<i32> {
    let utc = DateTime::from_timestamp(second, 0)?.naive_utc();
    Some(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}
