//! The report of a backtest for people, made of the answer of the API: a folder's and a server's look the same.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use bellwether_engine::replay::{Firing, strip};
use bellwether_lang::rules::Level;
use bellwether_model::text::counted;
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs};
use serde_json::Value;

use crate::cli::output;

/// Cells of the strip chart, where there is room for them.
const STRIP_CELLS: usize = 60;

/// However narrow the terminal, a chart of fewer cells says nothing.
const STRIP_CELLS_MIN: usize = 10;

/// Alerts, misses and differences that are printed; the JSON has all.
const LINES_SHOWN: usize = 50;

/// The report that `data` holds, for lines of so many characters.
pub(super) fn table(data: &Value, width: usize) -> Result<String> {
    let time = |name: &str| {
        TimestampMs::parse(text(&data[name])).with_context(|| format!("the answer has no {name}"))
    };
    let range = TimeRange {
        from: time("from")?,
        to: time("to")?,
    };
    let mut out = heading(data, range);
    if data["withoutData"] == true {
        out.push_str("no samples are stored in this time: nothing was tested\n");
        return Ok(out);
    }
    without_value(&mut out, data);
    failed(&mut out, data);
    rules_table(&mut out, data);
    let chart = Chart::new(range, width);
    strips(&mut out, data, chart);
    near_misses(&mut out, data);
    if data["difference"].is_array() {
        differences(&mut out, data, chart);
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

/// A rule that reads nothing is as silent as one whose system is healthy.
fn without_value(out: &mut String, data: &Value) {
    let names: Vec<&str> = list(data, "withoutValue").iter().map(text).collect();
    if !names.is_empty() {
        let _ = writeln!(out, "never had a value: {}", names.join(", "));
    }
}

/// What was not evaluated was not tested: at these times nothing could fire, and nothing resolve.
fn failed(out: &mut String, data: &Value) {
    let failed = list(data, "failed");
    if failed.is_empty() {
        return;
    }
    let rows = failed.iter().take(LINES_SHOWN).map(|failed| {
        [
            text(&failed["rule"]).to_owned(),
            failed["evaluations"].to_string(),
            text(&failed["first"]).to_owned(),
            text(&failed["error"]).to_owned(),
        ]
    });
    let titles = ["failed", "times", "first at", "error then"];
    let _ = write!(out, "\n{}", output::aligned(&titles, rows)); // A String takes all of it.
    more(out, failed.len());
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

/// How strips are drawn.
#[derive(Clone, Copy)]
struct Chart {
    range: TimeRange,
    cells: usize,
    /// Of a line.
    width: usize,
}

impl Chart {
    fn new(range: TimeRange, width: usize) -> Chart {
        let room = width.saturating_sub("  + ||".len());
        Chart {
            range,
            cells: room.clamp(STRIP_CELLS_MIN, STRIP_CELLS),
            width,
        }
    }

    /// `|..w.c..|`
    fn strip(self, course: &[Firing]) -> String {
        let levels = strip(self.range, course, self.cells).into_iter();
        format!("|{}|", levels.map(letter).collect::<String>())
    }
}

/// One strip for each alert: a cell is the worst level in its part of the time, by the level's first letter.
fn strips(out: &mut String, data: &Value, chart: Chart) {
    let alerts = list(data, "alerts");
    if alerts.is_empty() {
        return;
    }
    let names: Vec<String> = alerts.iter().take(LINES_SHOWN).map(name).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    out.push('\n');
    let fits = width + " ||".len() + chart.cells <= chart.width;
    for (name, alert) in names.iter().zip(alerts) {
        let strip = chart.strip(&course(alert, "firing"));
        let _ = if fits {
            writeln!(out, "{name:width$} {strip}")
        } else {
            writeln!(out, "{name}\n  {strip}")
        };
    }
    more(out, alerts.len());
    let length = chart.range.to.since(chart.range.from);
    let cell = DurationMs(length.0 / chart.cells as i64 / 1000 * 1000);
    let _ = writeln!(
        out,
        "a cell is {cell}: i info, w warning, e error, c critical, E emergency"
    );
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

fn differences(out: &mut String, data: &Value, chart: Chart) {
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
            let (strip, spent) = (chart.strip(&course), spent(&course, chart.range));
            let fits = "  + ".len() + strip.len() + 1 + spent.len() <= chart.width;
            let gap = if fits { " " } else { "\n    " };
            let _ = writeln!(out, "  {sign} {strip}{gap}{spent}");
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(width: usize, want: Expect) {
        let firing = serde_json::json!([{
            "level": "warning", "from": "1970-01-01T00:10:00.000Z", "to": "1970-01-01T00:20:00.000Z",
        }]);
        let labels = serde_json::json!({ "instance": "web-1.example.com" });
        let data = serde_json::json!({
            "from": "1970-01-01T00:00:00.000Z",
            "to": "1970-01-01T01:00:00.000Z",
            "ticks": 60,
            "alerts": [{ "rule": "Busy", "labels": labels, "firing": firing }],
            "difference": [{ "rule": "Busy", "labels": labels, "against": [], "firing": firing }],
        });
        want.assert_eq(&table(&data, width).unwrap());
    }

    /// Nothing is broken by the terminal in the middle of a strip.
    #[test]
    fn a_chart_fits_into_its_terminal() {
        check(
            usize::MAX,
            expect![[r#"
            1970-01-01T00:00:00.000Z to 1970-01-01T01:00:00.000Z: 60 ticks, 0 transitions, 0 notices

            Busy{instance="web-1.example.com"} |..........wwwwwwwwww........................................|
            a cell is 1m: i info, w warning, e error, c critical, E emergency

            1 alert differs (- compared with, + these rules)
            Busy{instance="web-1.example.com"}
              - |............................................................| 0s in 0 intervals
              + |..........wwwwwwwwww........................................| 10m in 1 interval
        "#]],
        );
        check(
            80,
            expect![[r#"
            1970-01-01T00:00:00.000Z to 1970-01-01T01:00:00.000Z: 60 ticks, 0 transitions, 0 notices

            Busy{instance="web-1.example.com"}
              |..........wwwwwwwwww........................................|
            a cell is 1m: i info, w warning, e error, c critical, E emergency

            1 alert differs (- compared with, + these rules)
            Busy{instance="web-1.example.com"}
              - |............................................................|
                0s in 0 intervals
              + |..........wwwwwwwwww........................................|
                10m in 1 interval
        "#]],
        );
        check(
            40,
            expect![[r#"
            1970-01-01T00:00:00.000Z to 1970-01-01T01:00:00.000Z: 60 ticks, 0 transitions, 0 notices

            Busy{instance="web-1.example.com"}
              |.....wwwwwww......................|
            a cell is 1m45s: i info, w warning, e error, c critical, E emergency

            1 alert differs (- compared with, + these rules)
            Busy{instance="web-1.example.com"}
              - |..................................|
                0s in 0 intervals
              + |.....wwwwwww......................|
                10m in 1 interval
        "#]],
        );
    }
}
