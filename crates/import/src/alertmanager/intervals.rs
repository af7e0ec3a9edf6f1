//! Time intervals, read and checked as Alertmanager does, and written as lines of a `window`.
//!
//! An interval is open when all of its fields say so, a field when any of its ranges does. Times are those of a clock
//! in its zone; ends are exclusive for times and inclusive for days, months and years.

use chrono_tz::Tz;

use crate::report::{Reporter, shown};
use crate::yaml::{Fields, Node, Place};

/// One interval of a named list.
#[derive(Debug, Default)]
pub(super) struct Interval {
    /// From minute to minute of the day.
    times: Vec<(u16, u16)>,
    /// 0 is Sunday.
    weekdays: Vec<(u8, u8)>,
    days: Vec<(i8, i8)>,
    months: Vec<(u8, u8)>,
    years: Vec<(i32, i32)>,
    zone: Option<Tz>,
}

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Reads an interval; mistakes are told.
pub(super) fn interval(node: &Node, report: &mut Reporter<'_>) -> Option<Interval> {
    let fields = Fields::of(node, "a time interval", report)?;
    let known = [
        "times",
        "weekdays",
        "days_of_month",
        "months",
        "years",
        "location",
    ];
    fields.only(&known, "a time interval", report);
    let mut interval = Interval::default();
    for node in fields.list("times", report) {
        interval.times.extend(times(node, report));
    }
    interval.weekdays = ranges(&fields, "weekdays", report, weekdays);
    interval.days = ranges(&fields, "days_of_month", report, days);
    interval.months = ranges(&fields, "months", report, months);
    interval.years = ranges(&fields, "years", report, years);
    if let Some(name) = fields
        .text("location", report)
        .filter(|name| !name.is_empty())
    {
        let place = fields
            .get("location")
            .map_or(fields.place, |node| node.place);
        match name.parse() {
            Ok(zone) => interval.zone = Some(zone),
            Err(_) if name == "Local" => report.change(
                place,
                "`location: Local` is UTC here: the zone of a server is not in its rules",
            ),
            Err(_) => report.refuse(place, format!("no time zone is called {}", shown(name))),
        }
    }
    Some(interval)
}

/// The ranges of a field.
fn ranges<T>(
    fields: &Fields<'_>,
    name: &str,
    report: &mut Reporter<'_>,
    read: fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut found = Vec::new();
    for (text, place) in fields.texts(name, report) {
        match read(text) {
            Ok(range) => found.push(range),
            Err(message) => report.refuse(place, message),
        }
    }
    found
}

fn times(node: &Node, report: &mut Reporter<'_>) -> Option<(u16, u16)> {
    let fields = Fields::of(node, "a range of times", report)?;
    fields.only(&["start_time", "end_time"], "a range of times", report);
    let (start, end) = (fields.entry("start_time"), fields.entry("end_time"));
    let (Some((_, start)), Some((_, end))) = (start, end) else {
        report.refuse(
            fields.place,
            "a range of times has `start_time` and `end_time`",
        );
        return None;
    };
    let (from, to) = (time(start, report)?, time(end, report)?);
    if from >= to {
        report.refuse(
            end.place,
            "a range of times ends after it starts, on the same day",
        );
        return None;
    }
    Some((from, to))
}

/// `HH:MM` up to `24:00`.
fn time(node: &Node, report: &mut Reporter<'_>) -> Option<u16> {
    let text = node.text().unwrap_or("");
    let found = text.split_once(':').and_then(|(hours, minutes)| {
        let two = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let legal = hours < 24 && minutes < 60 || hours == 24 && minutes == 0;
        legal.then_some(hours * 60 + minutes)
    });
    if found.is_none() {
        report.refuse(
            node.place,
            format!("{} is not a time such as 09:30", shown(text)),
        );
    }
    found
}

/// `a:b`, or `a` for both.
fn ends(text: &str) -> (String, String) {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let clean = |part: &str| part.trim().to_ascii_lowercase();
    (clean(from), clean(to))
}

fn weekdays(text: &str) -> Result<(u8, u8), String> {
    let day = |word: &str| {
        let found = WEEKDAYS.iter().position(|day| *day == word);
        found
            .map(|at| at as u8)
            .ok_or_else(|| format!("{} is not a weekday", shown(word)))
    };
    let (from, to) = ends(text);
    let (from, to) = (day(&from)?, day(&to)?);
    if from > to {
        return Err(format!(
            "{} ends before it starts; a week starts on sunday",
            shown(text)
        ));
    }
    Ok((from, to))
}

fn days(text: &str) -> Result<(i8, i8), String> {
    let day = |word: &str| {
        let found = word
            .parse::<i8>()
            .ok()
            .filter(|d| *d != 0 && (-31..=31).contains(d));
        found.ok_or_else(|| format!("{} is not a day of a month", shown(word)))
    };
    let (from, to) = ends(text);
    let (from, to) = (day(&from)?, day(&to)?);
    if from < 0 && to > 0 {
        return Err(format!(
            "{}: the last day is negative when the first one is",
            shown(text)
        ));
    }
    // A month has 28 days at least: what never fits is a mistake.
    let least = |d: i8| if d < 0 { 28 + d } else { d };
    if least(from) > least(to) {
        return Err(format!(
            "{}: the last day is always before the first",
            shown(text)
        ));
    }
    Ok((from, to))
}

fn months(text: &str) -> Result<(u8, u8), String> {
    let month = |word: &str| {
        let by_name = MONTHS
            .iter()
            .position(|month| *month == word)
            .map(|at| at as u8 + 1);
        let found = by_name.or_else(|| word.parse().ok().filter(|m| (1..=12).contains(m)));
        found.ok_or_else(|| format!("{} is not a month", shown(word)))
    };
    let (from, to) = ends(text);
    let (from, to) = (month(&from)?, month(&to)?);
    if from > to {
        return Err(format!("{} ends before it starts", shown(text)));
    }
    Ok((from, to))
}

fn years(text: &str) -> Result<(i32, i32), String> {
    let year = |word: &str| {
        let found = word.parse::<i32>().ok().filter(|y| (1..=9999).contains(y));
        found.ok_or_else(|| format!("{} is not a year", shown(word)))
    };
    let (from, to) = ends(text);
    let (from, to) = (year(&from)?, year(&to)?);
    if from > to {
        return Err(format!("{} ends before it starts", shown(text)));
    }
    Ok((from, to))
}

impl Interval {
    /// What follows `every`, a line for each range of times.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut line = match self.weekdays.as_slice() {
            [] => "day".to_owned(),
            ranges => {
                let short = |day: u8| &WEEKDAYS[day as usize][..3];
                listed(ranges, short)
            }
        };
        let month = |month: u8| &MONTHS[month as usize - 1][..3];
        for (word, list) in [
            (" of month ", listed(&self.days, |day| day)),
            (" of ", listed(&self.months, month)),
            (" of ", listed(&self.years, |year| format!("{year:04}"))),
        ] {
            if !list.is_empty() {
                line.push_str(word);
                line.push_str(&list);
            }
        }
        let zone = self.zone.map_or("UTC", |zone| zone.name());
        if self.times.is_empty() {
            return vec![format!("{line} in \"{zone}\"")];
        }
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        self.times
            .iter()
            .map(|(from, to)| format!("{line} {}-{} in \"{zone}\"", clock(*from), clock(*to)))
            .collect()
    }
}

/// `a-b,c`: ranges with commas between.
fn listed<T: Copy + PartialEq, S: std::fmt::Display>(
    ranges: &[(T, T)],
    show: impl Fn(T) -> S,
) -> String {
    let parts: Vec<String> = ranges
        .iter()
        .map(|(from, to)| {
            if from == to {
                show(*from).to_string()
            } else {
                format!("{}-{}", show(*from), show(*to))
            }
        })
        .collect();
    parts.join(",")
}

/// A named list of intervals.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) place: Place,
    pub(super) intervals: Vec<Interval>,
}
