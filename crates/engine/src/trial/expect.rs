//! What a test expects at a time, against what is there: lines that say what differs, none when nothing does.

use std::collections::BTreeSet;

use bellwether_lang::promql::ast::Expr;
use bellwether_lang::rules::{
    ExpectedInstance, ExpectedSample, ExpectedState, InstanceName, OwnAlert,
};
use bellwether_model::value::format_value;
use bellwether_model::{Labels, METRIC_NAME, TimestampMs};
use bellwether_query::{Control, Options as QueryOptions, Source, Value, instant};

use crate::status::{AlertState, AlertStatus, Status};

/// How far two values may be apart, as a part of the larger one: what sums in another order differ by.
const RELATIVE_ERROR_MAX: f64 = 1e-9;

/// `eval`: the result is exactly these samples.
pub(super) fn samples(
    expr: &Expr,
    expected: &[ExpectedSample],
    source: &dyn Source,
    at: TimestampMs,
) -> Vec<String> {
    let answer = instant(expr, source, at, &QueryOptions::default(), &Control::new());
    let mut got = match answer.map(|answer| answer.value) {
        Ok(Value::Vector(vector)) => vector.into_iter().map(|(l, s)| (l, s.v)).collect(),
        Ok(Value::Scalar(sample)) => vec![(Labels::empty(), sample.v)],
        Ok(_) => return vec!["the expression yields neither a vector nor a scalar".to_owned()],
        Err(error) => return vec![format!("the expression cannot be evaluated: {error}")],
    };
    got.sort_by(|a, b| a.0.cmp(&b.0));
    let mut lines = Vec::new();
    // Those with a name first: what is left is for those without.
    let mut wanted: Vec<&ExpectedSample> = expected.iter().collect();
    wanted.sort_by_key(|want| want.labels.get(METRIC_NAME).is_none());
    for want in wanted {
        let nameless = if want.is_nameless {
            " without a metric's name"
        } else {
            ""
        };
        let text = format!("{}{nameless} {}", want.labels, format_value(want.value));
        match position(&got, want) {
            None => lines.push(format!("expected, but not there: {text}")),
            Some(i) => {
                let (_, value) = got.remove(i);
                if !close(value, want.value) {
                    lines.push(format!("expected {text}, got {}", format_value(value)));
                }
            }
        }
    }
    let unexpected = got.iter().map(|(labels, value)| {
        format!("there, but not expected: {labels} {}", format_value(*value))
    });
    lines.extend(unexpected);
    lines
}

/// Which of the samples is meant: the one with these labels, or the only one with these and a metric's name, which
/// then need not be written, unless it is said that there is none.
fn position(got: &[(Labels, f64)], want: &ExpectedSample) -> Option<usize> {
    let exact = got.iter().position(|(labels, _)| *labels == want.labels);
    if want.is_nameless {
        return exact;
    }
    exact.or_else(|| {
        let mut named = got
            .iter()
            .enumerate()
            .filter(|(_, (labels, _))| labels.without_metric() == want.labels);
        match (named.next(), named.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    })
}

fn close(a: f64, b: f64) -> bool {
    let near = (a - b).abs() <= RELATIVE_ERROR_MAX * a.abs().max(b.abs());
    a.to_bits() == b.to_bits() || a == b || near || (a.is_nan() && b.is_nan())
}

/// `at`: exactly these instances are pending or firing; the engine's own alerts count where one of them is named.
/// Adds the alerts that differ to `about`.
pub(super) fn instances(
    expected: &[ExpectedInstance],
    status: &Status,
    about: &mut BTreeSet<String>,
) -> Vec<String> {
    let names_own = expected
        .iter()
        .any(|want| OwnAlert::named(&want.instance.alert).is_some());
    let counts = |alert: &&AlertStatus| {
        let name = alert.labels.get("alertname").unwrap_or_default();
        names_own || OwnAlert::named(name).is_none()
    };
    let mut there: Vec<&AlertStatus> = status.alerts().filter(counts).collect();
    // Who says more chooses first, so that one with fewer labels does not take what another one needs.
    let mut wanted: Vec<&ExpectedInstance> = expected.iter().collect();
    wanted.sort_by_key(|want| std::cmp::Reverse(want.instance.labels.len()));
    let mut lines = Vec::new();
    for want in wanted {
        let named = |alert: &&&AlertStatus| is_named(&want.instance, alert);
        let exact = there
            .iter()
            .position(|alert| named(&alert) && state(alert) == want.state);
        let found = exact.or_else(|| there.iter().position(|alert| named(&alert)));
        let text = format!("{} {}", want.state.word(), instance_text(&want.instance));
        let known = lines.len();
        let Some(i) = found else {
            about.insert(want.instance.alert.clone());
            lines.push(format!("expected, but not there: {text}"));
            continue;
        };
        let alert = there.remove(i);
        if state(alert) != want.state {
            lines.push(format!(
                "expected {text}, but it is {}",
                state(alert).word()
            ));
        }
        let summary = alert.annotations.iter().find(|(name, _)| name == "summary");
        let summary = summary.map(|(_, text)| text.as_str());
        if let Some(want) = &want.summary
            && summary != Some(want)
        {
            let got =
                summary.map_or_else(|| "there is none".to_owned(), |s| format!("it is {s:?}"));
            lines.push(format!("{text}: expected the summary {want:?}, {got}"));
        }
        if lines.len() > known {
            about.insert(want.instance.alert.clone());
        }
    }
    let unexpected = there.into_iter().map(|alert| {
        let labels = alert.labels.without(&["alertname", "severity"]);
        let name = alert.labels.get("alertname").unwrap_or_default();
        about.insert(name.to_owned());
        format!(
            "there, but not expected: {} {name}{labels}",
            state(alert).word()
        )
    });
    lines.extend(unexpected);
    lines
}

fn is_named(name: &InstanceName, alert: &AlertStatus) -> bool {
    name.matches(
        alert.labels.get("alertname").unwrap_or_default(),
        &alert.labels,
    )
}

fn state(alert: &AlertStatus) -> ExpectedState {
    match alert.state {
        AlertState::Firing => ExpectedState::Firing(alert.level),
        AlertState::Pending | AlertState::Inactive => ExpectedState::Pending,
    }
}

/// As it is written in a test.
pub(super) fn instance_text(name: &InstanceName) -> String {
    let labels = Labels::from_pairs(name.labels.iter().map(|(n, v)| (n, v)));
    if labels.is_empty() {
        return name.alert.clone();
    }
    format!("{}{labels}", name.alert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_may_be_left_open_or_asked_for() {
        let sample = |labels: &[(&str, &str)], is_nameless| ExpectedSample {
            labels: Labels::from_pairs(labels.iter().copied()),
            is_nameless,
            value: 1.0,
            place: bellwether_lang::rules::Place {
                file: "a.rules".into(),
                line: 1,
                column: 1,
            },
        };
        let (job, named) = (("job", "a"), (METRIC_NAME, "up"));
        let with_name = [(Labels::from_pairs([named, job]), 1.0)];
        let without = [(Labels::from_pairs([job]), 1.0)];
        for (is_nameless, found) in [(false, Some(0)), (true, None)] {
            assert_eq!(position(&with_name, &sample(&[job], is_nameless)), found);
            assert_eq!(position(&without, &sample(&[job], is_nameless)), Some(0));
        }
        assert_eq!(position(&without, &sample(&[named, job], false)), None);
    }
}
