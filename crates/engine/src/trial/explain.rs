//! Why a step failed, for people: how the alerts it is about came to be where they are, and the values around it.
//!
//! The test is run again up to the step, this time with an eye on these alerts: tests that pass do not pay for it.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::rules::{Alert, Step, StepKind};
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::{Control, Options as QueryOptions, Value, instant};

use super::{Trials, World};
use crate::status::{AlertState, AlertStatus};

/// Evaluations shown on each side of the step.
const AROUND: i64 = 2;

/// Lines of one part; the rest is counted.
const LINES_MAX: usize = 40;

/// The background of a step that failed.
pub(super) fn background(trials: &Trials, world: &World, step: &Step) -> Vec<String> {
    let at = world.start.plus(step.at);
    let mut replay = world.replay(&trials.ready);
    let mut courses: BTreeMap<Labels, Vec<(TimestampMs, String)>> = BTreeMap::new();
    while let Some((now, _)) = replay.next(at) {
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
    let alerts = alerts_of(step, &courses);
    let mut lines = Vec::new();
    for (identity, course) in &courses {
        let name = identity.get("alertname").unwrap_or_default();
        if !alerts.contains(name) {
            continue;
        }
        lines.push(format!("{name}{}", identity.without(&["alertname"])));
        for (t, state) in course {
            lines.push(format!("  {:>8}  {state}", since(world, *t)));
        }
    }
    shorten(&mut lines);
    for alert in trials
        .rules()
        .alerts
        .iter()
        .filter(|alert| alerts.contains(alert.name.as_str()))
    {
        lines.extend(values(world, &replay, alert, at));
    }
    lines
}

/// The alerts that the step is about: those it names, and for `at` all that are there.
fn alerts_of(
    step: &Step,
    courses: &BTreeMap<Labels, Vec<(TimestampMs, String)>>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    match &step.kind {
        StepKind::At { expected } => {
            names.extend(expected.iter().map(|want| want.instance.alert.clone()));
            let there = courses
                .keys()
                .filter_map(|identity| identity.get("alertname"));
            names.extend(there.map(str::to_owned));
        }
        StepKind::Notify { instance, .. } | StepKind::Ack { instance } => {
            names.insert(instance.alert.clone());
        }
        StepKind::Eval { .. } | StepKind::Silent { .. } => {}
    }
    names
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
    let shown: Vec<String> = times.iter().map(|t| since(world, *t).to_string()).collect();
    let mut lines = vec![format!("values of {} at {}", alert.name, shown.join(", "))];
    if rows.is_empty() {
        lines.push("  none".to_owned());
    }
    lines.extend(
        rows.iter()
            .map(|(labels, row)| format!("  {labels}  {}", row.join(", "))),
    );
    shorten(&mut lines);
    lines
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
