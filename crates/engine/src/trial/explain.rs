//! Why a step failed, for people: how the alerts it is about came to be where they are, and the values around it.
//!
//! The test is run again up to the step, this time with an eye on these alerts: tests that pass do not pay for it.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::rules::Alert;
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::{Control, Options as QueryOptions, Value, instant};

use super::{Trials, World};
use crate::status::{AlertState, AlertStatus};

/// Evaluations shown on each side of the step.
const AROUND: i64 = 2;

/// Changes shown of one instance: the last ones, since they led here.
const CHANGES_MAX: usize = 8;

/// Lines of one part; the rest is counted.
const LINES_MAX: usize = 40;

/// What came before the time `at`, of the alerts that are not as expected.
pub(super) fn background(
    trials: &Trials,
    world: &World,
    at: TimestampMs,
    about: &BTreeSet<String>,
) -> Vec<String> {
    let mut replay = world.replay(&trials.ready);
    let mut courses: BTreeMap<Labels, Vec<(TimestampMs, String)>> = BTreeMap::new();
    let mut failed: BTreeMap<String, (TimestampMs, String)> = BTreeMap::new();
    while let Some((now, tick)) = replay.next(at) {
        for failure in &tick.failures {
            let first = || (now, failure.error.clone());
            failed.entry(failure.rule.clone()).or_insert_with(first);
        }
        let status = replay.status();
        let mut there = BTreeSet::new();
        for alert in status.alerts() {
            let identity = alert.labels.without(&["severity"]);
            there.insert(identity.clone());
            note(courses.entry(identity).or_default(), now, state(alert));
        }
        for (identity, course) in &mut courses {
            if !there.contains(identity) {
                note(course, now, "inactive".to_owned());
            }
        }
    }
    let mut lines = Vec::new();
    let alerts = trials.rules().alerts.iter();
    for alert in alerts.filter(|alert| about.contains(&alert.name)) {
        let of_alert = |identity: &&Labels| identity.get("alertname") == Some(&alert.name);
        let mut instances = courses.keys().filter(of_alert).peekable();
        if instances.peek().is_none() {
            lines.push(format!("{} was never pending", alert.name));
        }
        for identity in instances {
            let name = identity.without(&["alertname"]);
            lines.push(format!("{}{name}", alert.name));
            lines.extend(course(world, &courses[identity]));
        }
        shorten(&mut lines);
        lines.extend(values(world, &replay, alert, at));
    }
    // What an alert reads may be what failed.
    for (rule, (first, error)) in failed {
        let first = since(world, first);
        lines.push(format!("{rule} could not be evaluated at {first}: {error}"));
    }
    lines
}

/// The last changes of one instance.
fn course(world: &World, course: &[(TimestampMs, String)]) -> Vec<String> {
    let left_out = course.len().saturating_sub(CHANGES_MAX);
    let earlier = (left_out > 0).then(|| format!("  ({left_out} earlier changes)"));
    let shown = course[left_out..].iter().map(|(t, state)| {
        let time = since(world, *t).to_string();
        format!("  {time:>8}  {state}")
    });
    earlier.into_iter().chain(shown).collect()
}

fn note(course: &mut Vec<(TimestampMs, String)>, now: TimestampMs, state: String) {
    if course.last().is_none_or(|(_, last)| *last != state) {
        course.push((now, state));
    }
}

fn state(alert: &AlertStatus) -> String {
    let mut text = match alert.state {
        AlertState::Firing => alert.level.to_string(),
        AlertState::Pending | AlertState::Inactive => format!("pending ({})", alert.level),
    };
    if alert.missing_since.is_some() {
        text.push_str(", missing");
    }
    if alert.clearing_since.is_some() {
        text.push_str(", clearing");
    }
    text
}

/// The values of the alert's expression at the evaluations around a time.
fn values(
    world: &World,
    replay: &crate::replay::Replay<'_>,
    alert: &Alert,
    at: TimestampMs,
) -> Vec<String> {
    let every = alert.every.0.max(1);
    let last = at.0.div_euclid(every) * every;
    let times = (-AROUND..=AROUND).map(|i| TimestampMs(last + i * every));
    let times: Vec<TimestampMs> = times.filter(|t| *t >= world.start).collect();
    let mut rows: BTreeMap<Labels, Vec<String>> = BTreeMap::new();
    for (i, t) in times.iter().enumerate() {
        let options = QueryOptions::default();
        let data_time = t.minus(alert.delay);
        let answer = instant(
            &alert.expr,
            replay.source(),
            data_time,
            &options,
            &Control::new(),
        );
        let vector = match answer.map(|answer| answer.value) {
            Ok(Value::Vector(vector)) => vector,
            Ok(Value::Scalar(sample)) => vec![(Labels::empty(), sample)],
            _ => continue,
        };
        for (labels, sample) in vector {
            let row = rows
                .entry(labels.without_metric())
                .or_insert_with(|| vec!["-".to_owned(); times.len()]);
            row[i] = format_value(sample.v);
        }
    }
    let shown = times.iter().map(|t| since(world, *t).to_string());
    let mut lines = vec![format!("values of {} around that time", alert.name)];
    if rows.is_empty() {
        let shown: Vec<String> = shown.collect();
        lines.push(format!("  none at {}", shown.join(", ")));
        return lines;
    }
    let head = [String::new()].into_iter().chain(shown).collect();
    let body = rows.into_iter().map(|(labels, row)| {
        let cells = [labels.to_string()].into_iter().chain(row);
        cells.collect::<Vec<String>>()
    });
    let rows: Vec<Vec<String>> = [head].into_iter().chain(body).collect();
    lines.extend(aligned(&rows));
    shorten(&mut lines);
    lines
}

/// A table, the first column to the left and the others to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(i, (cell, width))| {
            let padding = " ".repeat(width - cell.chars().count());
            match i {
                0 => format!("{cell}{padding}"),
                _ => format!("{padding}{cell}"),
            }
        });
        format!("  {}", cells.collect::<Vec<String>>().join("  "))
    };
    rows.iter().map(line).collect()
}

fn since(world: &World, t: TimestampMs) -> DurationMs {
    t.since(world.start)
}

fn shorten(lines: &mut Vec<String>) {
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("  ({more} more lines)"));
    }
}
