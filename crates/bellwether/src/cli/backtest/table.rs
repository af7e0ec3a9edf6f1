//! The report of a backtest for people, made of the answer of the API: a folder's and a server's look the same.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use bellwether_engine::replay::{Firing, strip};
use bellwether_lang::rules::Level;
use bellwether_model::text::counted;
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs};
use serde_json::Value;

use crate::cli::output;

/// Cells of the strip chart.
const STRIP_CELLS: usize = 60;

/// Alerts, misses and differences that are printed; the JSON has all.
const LINES_SHOWN: usize = 50;

/// The report that `data` holds.
pub(super) fn table(data: &Value) -> Result<String> {
    let time = |name: &str| {
        TimestampMs::parse(text(&data[name])).with_context(|| format!("the answer has no {name}"))
    };
    let range = TimeRange {
        from: time("from")?,
        to: time("to")?,
    };
    let mut out = heading(data, range);
    rules_table(&mut out, data);
    strips(&mut out, data, range);
    near_misses(&mut out, data);
    if data["difference"].is_array() {
        differences(&mut out, data, range);
    }
    Ok(out)
}

fn heading(data: &Value, range: TimeRange) -> String {
    let notices = data["notices"].as_object().into_iter().flatten();
    let notices: Vec<(&String, u64)> = notices
        .map(|(channel, count)| (channel, count.as_u64().unwrap_or_default()))
        .collect();
    let all: u64 = notices.iter().map(|(_, count)| count).sum();
    let by_channel: Vec<String> = notices
        .iter()
        .map(|(channel, count)| format!("{channel} {count}"))
        .collect();
    let by_channel = if by_channel.is_empty() {
        String::new()
    } else {
        format!(" ({})", by_channel.join(", "))
    };
    format!(
        "{} to {}: {}, {}, {}{by_channel}\n",
        range.from,
        range.to,
        counted(data["ticks"].as_u64().unwrap_or_default() as usize, "tick"),
        counted(list(data, "transitions").len(), "transition"),
        counted(all as usize, "notice"),
    )
}

fn rules_table(out: &mut String, data: &Value) {
    let rules = list(data, "rules");
    if rules.is_empty() {
        return;
    }
    let rows = rules.iter().map(|rule| {
        let at_level = |level: Level| seconds(&rule["levelSeconds"][level.word()]);
        let [info, warning, error, critical, emergency] = Level::ALL.map(at_level);
        [
            text(&rule["rule"]).to_owned(),
            rule["fired"].to_string(),
            seconds(&rule["medianSeconds"]),
            seconds(&rule["longestSeconds"]),
            info,
            warning,
            error,
            critical,
            emergency,
            list(rule, "flapping").len().to_string(),
        ]
    });
    let titles = [
        "rule",
        "fired",
        "median",
        "longest",
        "info",
        "warning",
        "error",
        "critical",
        "emergency",
        "flapping",
    ];
    let _ = write!(out, "\n{}", output::aligned(&titles, rows)); // A String takes all of it.
}

/// One line for each alert: a cell is the worst level in its part of the time, by the level's first letter.
fn strips(out: &mut String, data: &Value, range: TimeRange) {
    let alerts = list(data, "alerts");
    if alerts.is_empty() {
        return;
    }
    let names: Vec<String> = alerts.iter().take(LINES_SHOWN).map(name).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    out.push('\n');
    for (name, alert) in names.iter().zip(alerts) {
        let strip = drawn(range, &course(alert, "firing"));
        let _ = writeln!(out, "{name:width$} |{strip}|");
    }
    more(out, alerts.len());
    let cell = DurationMs(range.to.since(range.from).0 / STRIP_CELLS as i64 / 1000 * 1000);
    let _ = writeln!(
        out,
        "a cell is {cell}: i info, w warning, e error, c critical, E emergency"
    );
}

fn drawn(range: TimeRange, course: &[Firing]) -> String {
    let levels = strip(range, course, STRIP_CELLS).into_iter();
    levels.map(letter).collect()
}

fn letter(level: Option<Level>) -> char {
    match level {
        None => '.',
        Some(Level::Info) => 'i',
        Some(Level::Warning) => 'w',
        Some(Level::Error) => 'e',
        Some(Level::Critical) => 'c',
        Some(Level::Emergency) => 'E',
    }
}

fn near_misses(out: &mut String, data: &Value) {
    let missed = list(&data["nearMisses"], "values");
    if !missed.is_empty() {
        let rows = missed.iter().take(LINES_SHOWN).map(|miss| {
            [
                name(miss),
                text(&miss["level"]).to_owned(),
                text(&miss["value"]).to_owned(),
                text(&miss["threshold"]).to_owned(),
                text(&miss["at"]).to_owned(),
            ]
        });
        let titles = ["never reached", "level", "nearest value", "threshold", "at"];
        let _ = write!(out, "\n{}", output::aligned(&titles, rows));
        more(out, missed.len());
    }
    let ended = list(&data["nearMisses"], "ended");
    if !ended.is_empty() {
        let rows = ended.iter().take(LINES_SHOWN).map(|lapse| {
            [
                name(lapse),
                text(&lapse["level"]).to_owned(),
                seconds(&lapse["lastedSeconds"]),
                seconds(&lapse["neededSeconds"]),
                text(&lapse["since"]).to_owned(),
                lapse["timesOfRule"].to_string(),
            ]
        });
        let titles = [
            "ended before it fired",
            "level",
            "longest",
            "needed",
            "at",
            "times (rule)",
        ];
        let _ = write!(out, "\n{}", output::aligned(&titles, rows));
        more(out, ended.len());
    }
}

fn differences(out: &mut String, data: &Value, range: TimeRange) {
    let differences = list(data, "difference");
    if differences.is_empty() {
        out.push_str("\nno alert differs\n");
        return;
    }
    let differ = match differences.len() {
        1 => "1 alert differs".to_owned(),
        more => format!("{more} alerts differ"),
    };
    let _ = writeln!(out, "\n{differ} (- compared with, + these rules)");
    for difference in differences.iter().take(LINES_SHOWN) {
        let _ = writeln!(out, "{}", name(difference));
        for (sign, field) in [('-', "against"), ('+', "firing")] {
            let course = course(difference, field);
            let strip = drawn(range, &course);
            let _ = writeln!(out, "  {sign} |{strip}| {}", spent(&course, range));
        }
    }
    more(out, differences.len());
}

/// How long it fires, and how often it changes.
fn spent(course: &[Firing], range: TimeRange) -> String {
    let time = |firing: &Firing| firing.to.unwrap_or(range.to).since(firing.from).0;
    let total = DurationMs(course.iter().map(time).sum());
    format!("{total} in {}", counted(course.len(), "interval"))
}

/// The stretches of time in a field of an alert.
fn course(alert: &Value, field: &str) -> Vec<Firing> {
    let firing = |stretch: &Value| {
        Some(Firing {
            level: Level::from_word(text(&stretch["level"]))?,
            from: TimestampMs::parse(text(&stretch["from"]))?,
            to: TimestampMs::parse(text(&stretch["to"])),
        })
    };
    list(alert, field).iter().filter_map(firing).collect()
}

/// The rule and the labels of an alert.
fn name(alert: &Value) -> String {
    let labels = alert["labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(name, value)| Some((name, value.as_str()?)));
    let labels = Labels::from_pairs(labels.filter(|(name, _)| *name != "alertname"));
    if labels.is_empty() {
        text(&alert["rule"]).to_owned()
    } else {
        format!("{}{labels}", text(&alert["rule"]))
    }
}

fn more(out: &mut String, all: usize) {
    if all > LINES_SHOWN {
        let _ = writeln!(out, "({} more; -o json has all)", all - LINES_SHOWN);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn seconds(value: &Value) -> String {
    let whole = |s: f64| DurationMs::from_secs(s as i64).to_string();
    value.as_f64().map(whole).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}
