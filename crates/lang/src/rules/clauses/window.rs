//! The clauses of windows: days, times of day, dates, zones.

use bellwether_model::{DurationMs, TimestampMs};
use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use nom::bytes::complete::take_while1;

use super::parts::{between, zone};
use crate::promql::ast::Span;
use crate::rules::clause::Clause;
use crate::rules::diagnostic::{Gathered, Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::types::{DateSpan, DayTimes, MonthDay, WindowSpan, Within};

/// The days of a week as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

pub(in crate::rules) fn every(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let days = or_skip(scan, &mut gathered, days, |word| {
        word == "of" || ends_days(word)
    });
    let within = or_skip(scan, &mut gathered, within, ends_days);
    let times = all_times(scan, &mut gathered);
    let zone = gathered.take(zone(scan));
    let (Some(days), Some(within), Some(times), Some(zone)) = (days, within, times, zone) else {
        return Err(gathered.spoiled());
    };
    gathered.whole(Clause::Span(match days {
        OnDays::Month(first, last) => WindowSpan::Monthly {
            first,
            last,
            within,
            times,
            zone,
        },
        OnDays::Week(days) => WindowSpan::Weekly {
            days,
            within,
            times,
            zone,
        },
    }))
}

/// The days of an `every` line.
enum OnDays {
    Week(Vec<Weekday>),
    Month(MonthDay, MonthDay),
}

fn days(scan: &mut Scan<'_>) -> Parsed<OnDays> {
    if scan.word("month").is_some() {
        let (first, last) = month_days(scan)?;
        return Ok(OnDays::Month(first, last));
    }
    if scan.word("day").is_some() {
        return Ok(OnDays::Week(DAYS.map(|(_, day)| day).to_vec()));
    }
    weekdays(scan).map(OnDays::Week)
}

/// True for the words behind the days: a time, or the zone's `in`.
fn ends_days(word: &str) -> bool {
    word == "in" || is_time(word)
}

fn is_time(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(':')
}

/// Reads a part of a line; behind one with a mistake the line goes on at the next word that `stop` knows.
fn or_skip<'a, T>(
    scan: &mut Scan<'a>,
    gathered: &mut Gathered,
    read: impl Fn(&mut Scan<'a>) -> Parsed<T>,
    stop: impl Fn(&str) -> bool,
) -> Option<T> {
    let before = *scan;
    let found = gathered.take(read(scan));
    if found.is_none() {
        *scan = before;
        if !stop(scan.next().value) || is_time(scan.next().value) {
            scan.skip_to(stop);
        }
    }
    found
}

/// The times of a line. Behind a word that does not belong there they are still looked for.
fn all_times(scan: &mut Scan<'_>, gathered: &mut Gathered) -> Option<DayTimes> {
    let is_odd = !scan.rest().starts_with(|c: char| c.is_ascii_digit());
    let found = or_skip(scan, gathered, times, |word| {
        word == "in" || is_odd && is_time(word)
    });
    if found.is_none() && is_time(scan.next().value) {
        or_skip(scan, gathered, times, |word| word == "in");
    }
    found
}

/// The months as they are written.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// `of month 1-7, -1`, `of jan-mar, dec`, `of 2026-2028`: each kind once, in any order.
fn within(scan: &mut Scan<'_>) -> Parsed<Within> {
    let mut within = Within::default();
    while let Some(of) = scan.word("of") {
        let start = scan.next().span;
        let again = if scan.word("month").is_some() {
            let again = !within.days.is_empty();
            listed(scan, &mut within.days, month_days)?;
            again
        } else if scan.rest().starts_with(|c: char| c.is_ascii_digit()) {
            let again = !within.years.is_empty();
            listed(scan, &mut within.years, |scan| range(scan, year))?;
            again
        } else {
            let again = !within.months.is_empty();
            listed(scan, &mut within.months, |scan| range(scan, month))?;
            again
        };
        if again {
            return Err(
                Mistake::error(between(of, start), "a second list of the same kind")
                    .label("join the two with a comma")
                    .into(),
            );
        }
    }
    Ok(within)
}

/// What `one` reads, as often as a comma follows.
fn listed<'a, T>(
    scan: &mut Scan<'a>,
    into: &mut Vec<T>,
    one: impl Fn(&mut Scan<'a>) -> Parsed<T>,
) -> Parsed<()> {
    loop {
        into.push(one(scan)?);
        if scan.symbol(",").is_none() {
            return Ok(());
        }
    }
}

/// `FIRST` or `FIRST-LAST`.
fn range<'a, T: Copy + PartialOrd>(
    scan: &mut Scan<'a>,
    one: impl Fn(&mut Scan<'a>) -> Parsed<Placed<T>>,
) -> Parsed<(T, T)> {
    let first = one(scan)?;
    let last = match scan.symbol("-") {
        Some(_) => one(scan)?,
        None => return Ok((first.value, first.value)),
    };
    if last.value < first.value {
        return Err(Mistake::error(
            between(first.span, last.span),
            "the range ends before it starts",
        )
        .label("write it as two, with a comma between")
        .into());
    }
    Ok((first.value, last.value))
}

fn month(scan: &mut Scan<'_>) -> Parsed<Placed<u32>> {
    let expected = "`month` and days of it, months such as jan-mar, or years such as 2026";
    let Some(word) = scan.any_word() else {
        return Err(scan
            .expected("something is missing after `of`", expected)
            .into());
    };
    if let Some(at) = MONTHS.iter().position(|month| *month == word.value) {
        return Ok(Placed {
            value: at as u32 + 1,
            span: word.span,
        });
    }
    let mistake = Mistake::error(word.span, format!("{} is not a month", shown(word.value)));
    let short = word.value.to_ascii_lowercase();
    let meant = MONTHS
        .into_iter()
        .find(|month| short.starts_with(month))
        .or_else(|| nearest(&short, MONTHS));
    Err(match meant {
        Some(month) => mistake.label(format!("did you mean `{month}`?")),
        None => mistake.label(format!("expected {expected}")),
    }
    .into())
}

fn year(scan: &mut Scan<'_>) -> Parsed<Placed<i32>> {
    let found = scan.take(|rest| take_while1(|c: char| c.is_ascii_digit())(rest));
    let Some(found) = found.filter(|found| found.value.len() == 4) else {
        return Err(scan
            .expected("a year has four digits", "one such as 2026")
            .into());
    };
    // Four digits fit.
    let value = found.value.parse().unwrap_or_default();
    Ok(Placed {
        value,
        span: found.span,
    })
}

/// `mon-fri, sun`; a range may go over the end of the week.
fn weekdays(scan: &mut Scan<'_>) -> Parsed<Vec<Weekday>> {
    let mut on = [false; 7];
    loop {
        let first = weekday(scan)?;
        let last = match scan.symbol("-") {
            Some(_) => weekday(scan)?,
            None => first,
        };
        let mut at = first;
        loop {
            on[at] = true;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
        if scan.symbol(",").is_none() {
            break;
        }
    }
    let days = DAYS.iter().zip(on).filter(|(_, on)| *on);
    Ok(days.map(|((_, day), _)| *day).collect())
}

/// The position of a day in the week.
fn weekday(scan: &mut Scan<'_>) -> Parsed<usize> {
    let words = DAYS.map(|(word, _)| word);
    let expected =
        "a day such as mon or mon-fri, `day` for every day, or `month 1` for days of a month";
    let Some(word) = scan.any_word() else {
        let next = scan.next();
        let mistake = scan.expected("a day is missing", expected);
        if next.value.contains(':') {
            return Err(mistake
                .help(format!("every day: `every day {}`", next.value))
                .into());
        }
        return Err(mistake.into());
    };
    if let Some(at) = words.iter().position(|day| *day == word.value) {
        return Ok(at);
    }
    let mistake = Mistake::error(word.span, format!("{} is not a day", shown(word.value)));
    let lower = word.value.to_lowercase();
    let long = words.iter().find(|day| lower.starts_with(**day));
    Err(match (lower.as_str(), long) {
        ("weekday" | "weekdays" | "workday" | "workdays", _) => {
            mistake.label("did you mean `mon-fri`?")
        }
        ("weekend" | "weekends", _) => mistake.label("did you mean `sat-sun`?"),
        ("daily", _) => mistake.label("did you mean `day`?"),
        (_, Some(day)) => mistake.label(format!("did you mean `{day}`?")),
        (lower, None) => match nearest(lower, words) {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None => mistake.label(format!("expected {expected}")),
        },
    }
    .into())
}

/// `1`, `1-7`, `-1`, `-3--1` behind `month`.
fn month_days(scan: &mut Scan<'_>) -> Parsed<(MonthDay, MonthDay)> {
    let first = month_day(scan)?;
    if scan.symbol("-").is_none() {
        return Ok((first.value, first.value));
    }
    let last = month_day(scan)?;
    let (from, to) = (first.value.get(), last.value.get());
    // Of two that count from the same end, the order is known.
    if (from > 0) == (to > 0) && from > to {
        return Err(Mistake::error(
            between(first.span, last.span),
            "the last day is before the first",
        )
        .label(format!("did you mean `{to}-{from}`?"))
        .into());
    }
    Ok((first.value, last.value))
}

fn month_day(scan: &mut Scan<'_>) -> Parsed<Placed<MonthDay>> {
    let what = "a day of the month: 1 to 31, or -1 for the last one";
    let minus = scan.symbol("-");
    if let (None, Some(span)) = (minus, scan.word("last")) {
        return Err(Mistake::error(span, "`last` is not a day of the month")
            .label("the last day is `-1`")
            .into());
    }
    if !scan.rest().starts_with(|c: char| c.is_ascii_digit()) {
        return Err(scan.expected("a day is missing after `month`", what).into());
    }
    let Some(digits) = scan.take(|rest| take_while1(|c: char| c.is_ascii_digit())(rest)) else {
        return Err(scan.expected("a day is missing after `month`", what).into());
    };
    let start = minus.map_or(digits.span.start, |minus| minus.start);
    let span = Span {
        start,
        end: digits.span.end,
    };
    let sign = if minus.is_some() { -1 } else { 1 };
    let day = digits
        .value
        .parse::<i8>()
        .ok()
        .and_then(|day| MonthDay::new(sign * day));
    match day {
        Some(value) => Ok(Placed { value, span }),
        None => Err(
            Mistake::error(span, format!("no month has a day {}", digits.value))
                .label(format!("expected {what}"))
                .into(),
        ),
    }
}

/// `09:00-17:30`; nothing is the whole day.
fn times(scan: &mut Scan<'_>) -> Parsed<DayTimes> {
    let next = scan.next();
    if next.value.is_empty() || next.value == "in" {
        return Ok(DayTimes::WHOLE_DAY);
    }
    if !next.value.starts_with(|c: char| c.is_ascii_digit()) {
        let message = format!("{} does not belong here", shown(next.value));
        let mistake = Mistake::error(next.span, message);
        return Err(match next.value {
            "from" => mistake.label("write the times bare: `09:00-17:30`"),
            "to" => mistake.label("days are joined with `-`, such as mon-fri"),
            _ => mistake.label("expected times such as 09:00-17:30, or `in \"ZONE\"`"),
        }
        .into());
    }
    let from = time(scan)?;
    if scan.symbol("-").is_none() {
        return Err(match scan.word("to") {
            Some(span) => Mistake::error(span, "times are joined with `-`")
                .label("such as 09:00-17:30")
                .into(),
            None => scan
                .expected(
                    "the end of the times is missing",
                    "`-` and a time such as 17:30",
                )
                .into(),
        });
    }
    let to = time(scan)?;
    let span = between(from.span, to.span);
    if from.value == 24 * 60 {
        return Err(Mistake::error(from.span, "24:00 is an end only")
            .label("a day starts at 00:00")
            .into());
    }
    DayTimes::new(from.value, to.value).ok_or_else(|| {
        Mistake::error(span, "the times are the same")
            .label("from when to when?")
            .help("a whole day needs no times: `every mon-fri`")
            .into()
    })
}

/// `HH:MM`, in minutes; 24:00 is the end of a day.
fn time(scan: &mut Scan<'_>) -> Parsed<Placed<u16>> {
    let example = "a time such as 09:00";
    let Some(found) = scan.take(|rest| take_while1(|c: char| c.is_ascii_digit() || c == ':')(rest))
    else {
        return Err(scan.expected("a time is missing", example).into());
    };
    let mistake = |message: String| Mistake::error(found.span, message);
    let (hours, minutes) = found.value.split_once(':').unwrap_or((found.value, ""));
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2);
    if scan.here().starts_with("am") || scan.here().starts_with("pm") {
        return Err(mistake("a time of the 12-hour clock".into())
            .label("write it as 00:00 to 24:00")
            .into());
    }
    let (Some(h), Some(m)) = (number(hours), number(minutes)) else {
        let short = hours.len() == 1 && hours.parse::<u16>().is_ok();
        let message = format!("{} is not a time of day", shown(found.value));
        return Err(match (short, minutes.len()) {
            (true, 2) => mistake(message).label(format!("write `0{}`", found.value)),
            (true, 0) => mistake(message).label(format!("write `0{hours}:00`")),
            (false, 0) if hours.len() == 2 => mistake(message).label(format!("write `{hours}:00`")),
            _ => mistake(message).label(format!("expected {example}")),
        }
        .into());
    };
    if m > 59 || h > 24 || (h == 24 && m > 0) {
        return Err(mistake(format!("no day has a time {}", found.value))
            .label("expected 00:00 to 24:00")
            .into());
    }
    Ok(Placed {
        value: h * 60 + m,
        span: found.span,
    })
}

pub(in crate::rules) fn on(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let from = or_skip(
        scan,
        &mut gathered,
        |scan| stamp(scan, "on"),
        |word| word == "to",
    );
    if scan.word("to").is_none() {
        if let Some(from) = from {
            let mistake = scan.expected("`to` is missing behind the start", "`to` and a date");
            let day = from.value.0;
            let is_day = scan.rest().is_empty() && from.value.1.is_none();
            let help = is_day.then(|| format!("one day: `on {day} to {day}`"));
            gathered.add(help.into_iter().fold(mistake, Mistake::help));
        }
        return Err(gathered.spoiled());
    }
    let to = or_skip(
        scan,
        &mut gathered,
        |scan| stamp(scan, "to"),
        |word| word == "in",
    );
    let zone = gathered.take(zone(scan));
    let (Some(from), Some(to), Some(zone)) = (from, to, zone) else {
        return Err(gathered.spoiled());
    };
    let start = at(from.value.0, from.value.1.unwrap_or(0));
    // A day without a time is the whole of it.
    let end = at(to.value.0, to.value.1.unwrap_or(24 * 60));
    let (Some(start), Some(end)) = (start, end) else {
        return Err(Mistake::error(to.span, "this is beyond all calendars").into());
    };
    if end <= start {
        return Err(Mistake::error(
            between(from.span, to.span),
            "the end is not after the start",
        )
        .label("this window never opens")
        .into());
    }
    Ok(Clause::Span(WindowSpan::Once {
        from: start,
        to: end,
        zone,
    }))
}

/// Minute `minutes` of a day, which may be the last one's end.
fn at(date: NaiveDate, minutes: u16) -> Option<NaiveDateTime> {
    let days = Days::new(u64::from(minutes / (24 * 60)));
    let minutes = u32::from(minutes % (24 * 60));
    let time = NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0)?;
    Some(date.checked_add_days(days)?.and_time(time))
}

/// A date, and a time when one follows.
fn stamp(scan: &mut Scan<'_>, after: &str) -> Parsed<Placed<(NaiveDate, Option<u16>)>> {
    let day = date(scan, after)?;
    if !scan.rest().starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Placed {
            value: (day.value, None),
            span: day.span,
        });
    }
    let time = time(scan)?;
    Ok(Placed {
        value: (day.value, Some(time.value)),
        span: between(day.span, time.span),
    })
}

/// `2026-12-24`
fn date(scan: &mut Scan<'_>, after: &str) -> Parsed<Placed<NaiveDate>> {
    let example = "a date such as 2026-12-24";
    let next = scan.next();
    if next.value.is_empty() || !next.value.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(scan
            .expected(format!("a date is missing after `{after}`"), example)
            .into());
    }
    if let Some((day, time)) = next.value.split_once('T') {
        return Err(
            Mistake::error(next.span, "a blank stands between date and time")
                .label(format!("write `{day} {}`", &time.get(..5).unwrap_or(time)))
                .help("the zone stands at the end: `in \"Europe/Berlin\"`")
                .into(),
        );
    }
    let shaped = next.value.len() == 10
        && next.value.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    let found = scan.chunk();
    let mistake = Mistake::error(found.span, format!("{} is not a date", shown(found.value)));
    if !shaped {
        let named = found.value.bytes().filter(|b| *b == b'-').count() == 2;
        let label = if named {
            "year-month-day with all their digits, such as 2026-03-01".to_owned()
        } else {
            format!("expected {example}")
        };
        return Err(mistake.label(label).into());
    }
    match found.value.parse() {
        Ok(value) => Ok(Placed {
            value,
            span: found.span,
        }),
        Err(_) => Err(mistake.label("no month has this day").into()),
    }
}

pub(in crate::rules) fn except(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let first = or_skip(
        scan,
        &mut gathered,
        |scan| date(scan, "except"),
        |word| word == "to",
    );
    let last = match scan.word("to") {
        Some(_) => gathered.take(date(scan, "to")),
        None => first.clone(),
    };
    let (Some(first), Some(last)) = (first, last) else {
        return Err(gathered.spoiled());
    };
    scan.finish("the dates").map_err(|mistake| {
        mistake.help("`except` has whole days, in the zone of each `every` line")
    })?;
    if last.value < first.value {
        return Err(Mistake::error(
            between(first.span, last.span),
            "the last day is before the first",
        )
        .label(format!("did you mean `{} to {}`?", last.value, first.value))
        .into());
    }
    Ok(Clause::Except(DateSpan {
        first: first.value,
        last: last.value,
    }))
}

/// A moment that is the same everywhere: `2026-11-30T18:00:00Z`.
pub(super) fn moment(scan: &mut Scan<'_>, after: &str) -> Parsed<Placed<TimestampMs>> {
    let example = "a time such as 2026-11-30T18:00:00Z";
    let found = scan.chunk();
    if found.value.is_empty() {
        return Err(scan
            .expected(format!("a time is missing after `{after}`"), example)
            .into());
    }
    let is_number = found.value.parse::<f64>().is_ok();
    if let Some(value) = TimestampMs::parse(found.value).filter(|_| !is_number) {
        return Ok(Placed {
            value,
            span: found.span,
        });
    }
    let mistake = Mistake::error(found.span, format!("{} is not a time", shown(found.value)));
    let text = found.value.trim_matches('"');
    let date_only = text.parse::<NaiveDate>().is_ok();
    let without_zone = text.parse::<NaiveDateTime>().is_ok();
    Err(if date_only {
        mistake.label(format!("write `{text}T00:00:00Z`, or the time you mean"))
    } else if without_zone {
        mistake.label(format!(
            "of which zone? `{text}Z` is UTC; or end it in an offset such as +01:00"
        ))
    } else if TimestampMs::parse(text).is_some() && !is_number {
        mistake.label("a time stands without quotes")
    } else if DurationMs::parse(text).is_some() {
        mistake.label("a length of time; write the moment, such as 2026-11-30T18:00:00Z")
    } else {
        mistake.label(format!("expected {example}"))
    }
    .into())
}
