//! Pyrra's objectives.

use bellwether_lang::promql;
use bellwether_lang::promql::ast::{Expr, ExprKind};
use bellwether_lang::rules::Level;
use bellwether_model::DurationMs;

use super::Held;
use super::query::Counters;
use super::sla::{Burn, Burns, Indicator, Period, Sla};
use crate::report::{Reporter, shown};
use crate::write;
use crate::yaml::{Fields, Node};

/// How often a gauge is looked at.
const SLICE: DurationMs = DurationMs::from_mins(1);

/// Labels of an object that Pyrra hands on to its alerts.
const OWN_LABELS: &str = "pyrra.dev/";

pub(super) fn read(fields: &Fields<'_>, held: &mut Held, report: &mut Reporter<'_>) {
    fields.only(
        &["apiVersion", "kind", "metadata", "spec", "status"],
        "the object",
        report,
    );
    let metadata = fields
        .get("metadata")
        .and_then(|node| Fields::of(node, "`metadata`", report));
    let Some(metadata) = metadata else {
        report.refuse(fields.place, "the object has no `metadata`");
        return;
    };
    let name = metadata.text("name", report).unwrap_or("");
    if name.is_empty() {
        report.refuse(metadata.place, "the object has no name");
    }
    let Some(spec) = fields
        .get("spec")
        .and_then(|node| Fields::of(node, "`spec`", report))
    else {
        report.refuse(fields.place, "the object has no `spec`");
        return;
    };
    spec.only(
        &[
            "target",
            "window",
            "description",
            "indicator",
            "serviceLevel",
            "alerting",
            "performance_over_accuracy",
        ],
        "`spec`",
        report,
    );
    let percent = target(&spec, report);
    let window = spec.duration("window", report).filter(|w| w.0 > 0);
    if spec.get("window").is_none() {
        report.refuse(spec.place, "`spec` has no `window`");
    }
    let Some(node) = spec.get("indicator") else {
        report.refuse(spec.place, "`spec` has no `indicator`");
        return;
    };
    let Some(indicator) = Fields::of(node, "`indicator`", report) else {
        return;
    };
    let found = self::indicator(&indicator, report);
    if let (Some(percent), Some(window), Some(measured)) = (percent, window, found) {
        let burns = burns(&spec, window, report);
        held.slas.push(Sla {
            name: name.to_owned(),
            place: fields.place,
            percent,
            period: Period::Rolling(window),
            indicator: measured.indicator,
            by: measured.by,
            delay: measured.delay,
            burns,
            description: spec
                .text("description", report)
                .filter(|d| !d.is_empty())
                .map(str::to_owned),
            runbook: None,
            labels: labels(&metadata, report),
            notes: Vec::new(),
        });
    }
}

/// The promise in percent.
fn target(spec: &Fields<'_>, report: &mut Reporter<'_>) -> Option<f64> {
    let Some(node) = spec.get("target") else {
        report.refuse(spec.place, "`spec` has no `target`");
        return None;
    };
    let percent = spec.number("target", report)?;
    if percent <= 0.0 || percent >= 100.0 {
        report.refuse(
            node.place,
            format!("`target: {percent}` does not lie between 0 and 100"),
        );
        return None;
    }
    Some(percent)
}

/// What is measured.
struct Measured {
    indicator: Indicator,
    by: Vec<String>,
    /// How late its counters are looked at.
    delay: DurationMs,
}

fn indicator(fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<Measured> {
    fields.only(
        &[
            "ratio",
            "latency",
            "latencyNative",
            "bool_gauge",
            "boolGauge",
        ],
        "`indicator`",
        report,
    );
    let mut kinds = fields.entries().filter(|(_, value)| !value.is_null());
    let (Some((key, node)), None) = (kinds.next(), kinds.next()) else {
        report.refuse(
            fields.place,
            "`indicator` is one of `ratio`, `latency`, `latencyNative` and `bool_gauge`",
        );
        return None;
    };
    let kind = key.text().unwrap_or("");
    let inner = Fields::of(node, &format!("`{kind}`"), report)?;
    let mut by = Vec::new();
    for (label, place) in inner.texts("grouping", report) {
        if write::legal_label(label).is_some() {
            report.lose(place, format!("the label {} in `grouping`", shown(label)));
        } else {
            by.push(label.to_owned());
        }
    }
    let mut delay = DurationMs::ZERO;
    let indicator = match kind {
        "ratio" => {
            inner.only(&["errors", "total", "grouping"], "`ratio`", report);
            let (events, total) = (
                counter(&inner, "errors", report),
                counter(&inner, "total", report),
            );
            let events = together(&inner, events?, total?, report)?;
            delay = events.delay;
            Indicator::Counted {
                word: "bad",
                events: events.events,
                total: events.total,
            }
        }
        "latency" => {
            inner.only(&["success", "total", "grouping"], "`latency`", report);
            let (events, total) = (
                counter(&inner, "success", report),
                counter(&inner, "total", report),
            );
            let events = together(&inner, events?, total?, report)?;
            delay = events.delay;
            Indicator::Counted {
                word: "good",
                events: events.events,
                total: events.total,
            }
        }
        "latencyNative" => {
            report.lose(
                key.place,
                "a latency out of a native histogram: the objective is left out",
            );
            return None;
        }
        _ => {
            inner.only(&["metric", "grouping"], "`bool_gauge`", report);
            let node = metric_of(&inner, "bool_gauge", report)?;
            let written = node.text().unwrap_or("");
            selector(node, report)?;
            Indicator::Sliced {
                ok: format!("{written} == 1"),
                slice: SLICE,
            }
        }
    };
    Some(Measured {
        indicator,
        by,
        delay,
    })
}

/// Counters that are looked at together.
struct Together {
    events: Counters,
    total: Counters,
    delay: DurationMs,
}

/// Both counters with the shift of both; told when they are shifted differently.
fn together(
    fields: &Fields<'_>,
    (events, late): (Counters, DurationMs),
    (total, delay): (Counters, DurationMs),
    report: &mut Reporter<'_>,
) -> Option<Together> {
    if late != delay {
        report.lose(
            fields.place,
            "the objective is left out: its counters are shifted by different times",
        );
        return None;
    }
    Some(Together {
        events,
        total,
        delay,
    })
}

/// `NAME: {metric: SELECTOR}`
fn counter(
    fields: &Fields<'_>,
    name: &str,
    report: &mut Reporter<'_>,
) -> Option<(Counters, DurationMs)> {
    let Some(node) = fields.get(name) else {
        report.refuse(fields.place, format!("`{name}` is missing"));
        return None;
    };
    let inner = Fields::of(node, &format!("`{name}`"), report)?;
    inner.only(&["metric"], &format!("`{name}`"), report);
    let node = metric_of(&inner, name, report)?;
    let found = Counters::of_shifted(&selector(node, report)?);
    if found.is_none() {
        let what = shown(node.text().unwrap_or(""));
        report.lose(
            node.place,
            format!(
                "the objective is left out: {what} is not looked at as it is now, or a while ago"
            ),
        );
    }
    found
}

fn metric_of<'a>(fields: &Fields<'a>, what: &str, report: &mut Reporter<'_>) -> Option<&'a Node> {
    let node = fields
        .get("metric")
        .filter(|node| node.text().is_some_and(|t| !t.is_empty()));
    if node.is_none() {
        report.refuse(fields.place, format!("`{what}` has no `metric`"));
    }
    node
}

/// A selector; told when it is anything else.
fn selector(node: &Node, report: &mut Reporter<'_>) -> Option<Expr> {
    let written = node.text().unwrap_or("");
    match promql::parse(written) {
        Ok(expr) if matches!(expr.kind, ExprKind::Selector(_)) => Some(expr),
        Ok(_) => {
            report.refuse(
                node.place,
                format!("{} is not a metric with its labels", shown(written)),
            );
            None
        }
        Err(error) => {
            report.refuse(
                node.place_of(error.span.start),
                format!("not a metric: {}", error.message),
            );
            None
        }
    }
}

/// Pyrra's windows grow with the period: factors 14, 7, 2 and 1 over a 672nd, 112th, 28th and 7th of it.
fn burns(spec: &Fields<'_>, window: DurationMs, report: &mut Reporter<'_>) -> Burns {
    let alerting = spec
        .get("alerting")
        .and_then(|node| Fields::of(node, "`alerting`", report));
    if let Some(alerting) = &alerting {
        let known = ["disabled", "burnrates"];
        for (key, _) in alerting.entries() {
            let name = key.text().unwrap_or("");
            if !known.contains(&name) {
                report.lose(
                    key.place,
                    format!("{} of the alerts of an objective", shown(name)),
                );
            }
        }
        let off = alerting.flag("disabled", report) == Some(true)
            || alerting.flag("burnrates", report) == Some(false);
        if off {
            return Burns::None;
        }
    }
    report.change(
        spec.place,
        "the short windows of burn alerts are a twelfth of the long ones, and the alerts have no `for`",
    );
    let line = |part: i64, factor: f64, level| {
        let minutes = (window.0 / part + 30_000) / 60_000;
        let long = DurationMs::from_mins(minutes.max(1));
        Burn {
            percent: (factor * long.0 as f64 / window.0 as f64 * 100.0).min(100.0),
            long,
            level,
        }
    };
    Burns::Lines(vec![
        line(672, 14.0, Level::Critical),
        line(112, 7.0, Level::Critical),
        line(28, 2.0, Level::Warning),
        line(7, 1.0, Level::Warning),
    ])
}

fn labels(metadata: &Fields<'_>, report: &mut Reporter<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lost = Vec::new();
    for (key, value) in metadata.pairs("labels", report) {
        let name = key.text().unwrap_or("");
        match name
            .strip_prefix(OWN_LABELS)
            .map(|own| write::legal_label(own).unwrap_or_else(|| own.to_owned()))
        {
            Some(own)
                if !own.starts_with("__")
                    && own != "alertname"
                    && !found.iter().any(|(n, _)| *n == own) =>
            {
                found.push((own, value.text().unwrap_or("").to_owned()));
            }
            _ => lost.push(shown(name)),
        }
    }
    if let (false, Some((key, _))) = (lost.is_empty(), metadata.entry("labels")) {
        report.lose(
            key.place,
            format!("labels of the object for Kubernetes: {}", lost.join(", ")),
        );
    }
    found
}
