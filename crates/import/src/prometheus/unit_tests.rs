//! Unit tests of promtool and vmalert-tool, made into `test` items.
//!
//! promtool asks which instances of *one* alert fire; `at` names every instance of the folder. So an `alert_rule_test`
//! becomes a look at the series `ALERTS`, which says exactly what was asked: these label sets fire, and no others.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{ExprKind, UnaryOp};
use bellwether_lang::promql::{self, Expr};
use bellwether_model::labels::Quoted;
use bellwether_model::{DurationMs, Labels};

use crate::report::{Reporter, shown};
use crate::write::{Item, Names};
use crate::yaml::{Fields, Node, Place};

/// A file of tests.
#[derive(Default)]
pub(super) struct UnitFile {
    /// How often promtool evaluates the rules, whatever their groups say.
    pub(super) every: DurationMs,
    tests: Vec<UnitTest>,
}

/// One test.
struct UnitTest {
    place: Place,
    name: Option<String>,
    interval: DurationMs,
    /// `SERIES VALUES`
    series: Vec<String>,
    looks: Vec<Look>,
}

/// What is asked at a time.
struct Look {
    at: DurationMs,
    kind: LookKind,
}

enum LookKind {
    Samples {
        expr: Expr,
        /// `LABELS VALUE`
        expected: Vec<String>,
    },
    Alerts {
        name: String,
        /// The labels of each instance that fires.
        expected: Vec<BTreeMap<String, String>>,
    },
}

/// An alert of the import: its name there, its name here, and the severities that are levels of it.
pub(super) struct Alert<'a> {
    pub(super) origin: &'a str,
    pub(super) name: &'a str,
    /// Words of its levels, lowest first, when there are several.
    pub(super) levels: Vec<&'static str>,
}

/// True for a file of tests.
pub(super) fn is(fields: &Fields<'_>) -> bool {
    ["tests", "rule_files", "evaluation_interval"]
        .iter()
        .any(|name| fields.entry(name).is_some())
}

/// Reads a file of tests; `known` are the paths that are imported together with it.
pub(super) fn read(fields: &Fields<'_>, known: &[&str], report: &mut Reporter<'_>) -> UnitFile {
    fields.only(
        &[
            "rule_files",
            "evaluation_interval",
            "group_eval_order",
            "fuzzy_compare",
            "tests",
        ],
        "a file of tests",
        report,
    );
    for (path, place) in fields.texts("rule_files", report) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let there = known.iter().any(|k| k.rsplit('/').next() == Some(name));
        if !there && !name.contains('*') {
            report.lose(
                place,
                format!("{} is not imported together with its tests", shown(path)),
            );
        }
    }
    if let Some((key, _)) = fields.entry("group_eval_order") {
        report.lose(
            key.place,
            "`group_eval_order`: rules run in the order in which they read each other",
        );
    }
    if fields.flag("fuzzy_compare", report) == Some(false) {
        let place = fields
            .get("fuzzy_compare")
            .map_or(fields.place, |node| node.place);
        report.change(place, "values are compared to nine digits here");
    }
    let every = fields
        .duration("evaluation_interval", report)
        .filter(|d| d.0 > 0);
    let every = every.unwrap_or(DurationMs::from_mins(1));
    let mut tests = Vec::new();
    for node in fields.list("tests", report) {
        if let Some(fields) = Fields::of(node, "a test", report) {
            tests.push(test(&fields, every, report));
        }
    }
    UnitFile { every, tests }
}

fn test(fields: &Fields<'_>, every: DurationMs, report: &mut Reporter<'_>) -> UnitTest {
    fields.only(
        &[
            "name",
            "interval",
            "input_series",
            "promql_expr_test",
            "metricsql_expr_test",
            "alert_rule_test",
            "external_labels",
            "external_url",
            "start_timestamp",
        ],
        "a test",
        report,
    );
    for name in ["external_labels", "external_url", "start_timestamp"] {
        if let Some((key, _)) = fields.entry(name) {
            report.lose(key.place, format!("`{name}` of a test"));
        }
    }
    let interval = fields
        .duration("interval", report)
        .filter(|d| d.0 > 0)
        .unwrap_or(every);
    let series = fields.list("input_series", report);
    let series = series
        .iter()
        .filter_map(|node| input(node, report))
        .collect();
    let mut looks = Vec::new();
    for list in ["promql_expr_test", "metricsql_expr_test"] {
        for node in fields.list(list, report) {
            looks.extend(samples(node, report));
        }
    }
    for node in fields.list("alert_rule_test", report) {
        looks.extend(alerts(node, report));
    }
    looks.sort_by_key(|look| look.at);
    UnitTest {
        place: fields.place,
        name: fields.text("name", report).map(str::to_owned),
        interval,
        series,
        looks,
    }
}

/// A series and its values; `None` after a mistake, or when it cannot be said here.
fn input(node: &Node, report: &mut Reporter<'_>) -> Option<String> {
    let fields = Fields::of(node, "a series", report)?;
    fields.only(&["series", "values"], "a series", report);
    let series = fields.text("series", report);
    let values = fields.text("values", report);
    let (Some(series), Some(values)) = (series, values) else {
        report.refuse(fields.place, "a series has `series` and `values`");
        return None;
    };
    let place = fields.get("series").map_or(fields.place, |node| node.place);
    if values.contains("{{") {
        report.lose(place, format!("{}: native histograms", shown(series)));
        return None;
    }
    let values = values.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("{} {values}", series.trim());
    match promql::parse_series_part(&line, 0) {
        Ok((labels, found))
            if labels.get(bellwether_model::METRIC_NAME).is_some() && !found.is_empty() =>
        {
            Some(format!("{labels} {values}"))
        }
        Ok(_) => {
            report.lose(
                place,
                format!(
                    "{}: a series without a name, or without values",
                    shown(series)
                ),
            );
            None
        }
        Err(errors) => {
            for error in errors {
                report.refuse(
                    place,
                    format!("bad series {}: {}", shown(&line), error.message),
                );
            }
            None
        }
    }
}

fn time(fields: &Fields<'_>, report: &mut Reporter<'_>) -> DurationMs {
    fields.duration("eval_time", report).unwrap_or_default()
}

fn samples(node: &Node, report: &mut Reporter<'_>) -> Option<Look> {
    let fields = Fields::of(node, "a test of an expression", report)?;
    fields.only(
        &["expr", "eval_time", "exp_samples"],
        "a test of an expression",
        report,
    );
    let at = time(&fields, report);
    let written = fields.text("expr", report).unwrap_or("");
    let place = fields.get("expr").map_or(fields.place, |node| node.place);
    let mut expected = Vec::new();
    for node in fields.list("exp_samples", report) {
        let sample = Fields::of(node, "a sample", report)?;
        sample.only(&["labels", "value", "histogram"], "a sample", report);
        if let Some((key, _)) = sample.entry("histogram") {
            report.lose(key.place, "a test of a native histogram is left out");
            return None;
        }
        let labels = sample.text("labels", report).unwrap_or("").trim();
        let labels = if labels.is_empty() { "{}" } else { labels };
        let value = sample.text("value", report).unwrap_or("0");
        match promql::parse_series_part(&format!("{labels} {value}"), 0) {
            Ok((labels, _)) => expected.push((labels, value)),
            Err(errors) => {
                for error in errors {
                    report.refuse(sample.place, format!("bad sample: {}", error.message));
                }
            }
        }
    }
    match promql::parse(written) {
        Ok(expr) => {
            let keeps = keeps_name(&expr);
            let line = |(labels, value): &(Labels, &str)| sample_line(labels, value, keeps);
            let expected = expected.iter().map(line).collect();
            Some(Look {
                at,
                kind: LookKind::Samples { expr, expected },
            })
        }
        Err(error) => {
            match super::metricsql::only_there(written) {
                Some(what) => report.lose(
                    place,
                    format!("a test is left out: only MetricsQL has {what}"),
                ),
                None => report.refuse(place, format!("could not parse `expr`: {}", error.message)),
            }
            None
        }
    }
}

/// A sample that is expected. promtool compares the metric's name, too: where the result may have one and none is
/// written, there shall be none.
fn sample_line(labels: &Labels, value: &str, keeps_name: bool) -> String {
    let labels = labels.to_string();
    match labels.strip_prefix('{') {
        Some("}") if keeps_name => format!("{{__name__=\"\"}} {value}"),
        Some(rest) if keeps_name => format!("{{__name__=\"\", {rest} {value}"),
        _ => format!("{labels} {value}"),
    }
}

/// True when the series of a result may have a metric's name: operators and most functions take it away.
fn keeps_name(expr: &Expr) -> bool {
    match &expr.unparenthesized().kind {
        ExprKind::Selector(_) => true,
        ExprKind::Unary(UnaryOp::Pos, inner) => keeps_name(inner),
        ExprKind::Binary(binary) => {
            let keeps = binary.op.is_set() || binary.op.is_comparison() && !binary.return_bool;
            keeps && (keeps_name(&binary.lhs) || keeps_name(&binary.rhs))
        }
        ExprKind::Aggregate(aggregate) => matches!(
            aggregate.op.text(),
            "topk" | "bottomk" | "limitk" | "limit_ratio"
        ),
        ExprKind::Call(call) => {
            let name = call.function.name;
            name.starts_with("sort")
                || matches!(
                    name,
                    "last_over_time" | "first_over_time" | "label_replace" | "label_join" | "info"
                )
        }
        _ => false,
    }
}

fn alerts(node: &Node, report: &mut Reporter<'_>) -> Option<Look> {
    let fields = Fields::of(node, "a test of an alert", report)?;
    fields.only(
        &["eval_time", "alertname", "groupname", "exp_alerts"],
        "a test of an alert",
        report,
    );
    let at = time(&fields, report);
    let Some(name) = fields
        .text("alertname", report)
        .filter(|name| !name.is_empty())
    else {
        report.refuse(fields.place, "a test of an alert has an `alertname`");
        return None;
    };
    let mut expected = Vec::new();
    for node in fields.list("exp_alerts", report) {
        let alert = Fields::of(node, "an expected alert", report)?;
        alert.only(
            &["exp_labels", "exp_annotations"],
            "an expected alert",
            report,
        );
        let labels = alert.pairs("exp_labels", report);
        let labels = labels.into_iter().filter_map(|(key, value)| {
            let (name, text) = (key.text()?, value.text().unwrap_or(""));
            (name != "alertname" && !text.is_empty()).then(|| (name.to_owned(), text.to_owned()))
        });
        expected.push(labels.collect());
        if let Some((key, _)) = alert.entry("exp_annotations") {
            report.lose(
                key.place,
                "`exp_annotations`: which instances fire is compared, their texts are not",
            );
        }
    }
    Some(Look {
        at,
        kind: LookKind::Alerts {
            name: name.to_owned(),
            expected,
        },
    })
}

impl UnitFile {
    /// The tests as items; names are unique in the folder.
    pub(super) fn items(&self, path: &str, alerts: &[Alert<'_>], names: &mut Names) -> Vec<Item> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let mut items = Vec::new();
        for (number, test) in self.tests.iter().enumerate() {
            let wanted = match &test.name {
                Some(name) => format!("{file}: {}", name.trim()),
                None => format!("{file}: test {}", number + 1),
            };
            let mut item = Item::new(format!("test {}", Quoted(&names.take(&wanted))));
            item.comments.push(format!("{file}:{}", test.place.line));
            if !test.series.is_empty() {
                let lines = test.series.join("\n    ");
                item.clause("load", format!("{}\n    {lines}", test.interval));
            }
            for look in &test.looks {
                look.clause(alerts, &mut item);
            }
            if test.looks.is_empty() {
                // promtool only looks whether the rules can be evaluated.
                item.clause("eval", "0s vector(1)\n    {} 1");
            }
            items.push(item);
        }
        items
    }
}

impl Look {
    fn clause(&self, alerts: &[Alert<'_>], item: &mut Item) {
        let (expr, lines) = match &self.kind {
            LookKind::Samples { expr, expected } => (expr.to_string(), expected.clone()),
            LookKind::Alerts { name, expected } => firing(name, expected, alerts),
        };
        let lines: String = lines.iter().map(|line| ["\n    ", line].concat()).collect();
        item.clause("eval", format!("{} {expr}{lines}", self.at));
    }
}

/// The instances of an alert that fire, as a look at `ALERTS`.
fn firing(
    name: &str,
    expected: &[BTreeMap<String, String>],
    alerts: &[Alert<'_>],
) -> (String, Vec<String>) {
    let here: Vec<&Alert<'_>> = alerts.iter().filter(|alert| alert.origin == name).collect();
    let names: Vec<&str> = here.iter().map(|alert| alert.name).collect();
    let known = if names.is_empty() { vec![name] } else { names };
    let levels: Vec<&'static str> = here.iter().flat_map(|alert| alert.levels.clone()).collect();
    let mut sets = highest(expected, &levels);
    for set in &mut sets {
        set.insert("alertstate".to_owned(), "firing".to_owned());
    }
    // One alert is named as it is; of several, whose names differ here, the labels beside the name are compared.
    if let [one] = known.as_slice() {
        let expr = format!("ALERTS{{alertname={},alertstate=\"firing\"}}", Quoted(one));
        for set in &mut sets {
            set.insert("alertname".to_owned(), (*one).to_owned());
            set.insert(
                bellwether_model::METRIC_NAME.to_owned(),
                "ALERTS".to_owned(),
            );
        }
        return (expr, lines(&sets));
    }
    let pattern = known.join("|").replace('.', "\\.");
    let selector = format!(
        "ALERTS{{alertname=~{},alertstate=\"firing\"}}",
        Quoted(&pattern)
    );
    sets.sort();
    sets.dedup();
    (
        format!("max without (alertname) ({selector})"),
        lines(&sets),
    )
}

/// Instances whose severities are levels of one alert here are one, at the highest of them.
fn highest(
    expected: &[BTreeMap<String, String>],
    levels: &[&str],
) -> Vec<BTreeMap<String, String>> {
    let rank = |set: &BTreeMap<String, String>| {
        let word = set.get("severity")?;
        levels.iter().position(|level| level == word)
    };
    let beside = |set: &BTreeMap<String, String>| {
        let mut rest = set.clone();
        rest.remove("severity");
        rest
    };
    let outranked = |set: &BTreeMap<String, String>| {
        let own = rank(set);
        own.is_some()
            && expected
                .iter()
                .any(|other| rank(other) > own && beside(other) == beside(set))
    };
    expected
        .iter()
        .filter(|set| !outranked(set))
        .cloned()
        .collect()
}

fn lines(sets: &[BTreeMap<String, String>]) -> Vec<String> {
    sets.iter()
        .map(|set| format!("{} 1", Labels::from_pairs(set.iter())))
        .collect()
}

/// Told once for each file whose rules run at another distance than promtool's.
pub(super) fn tell_interval(
    file: &UnitFile,
    every: DurationMs,
    place: Place,
    report: &mut Reporter<'_>,
) {
    if file.every != every {
        report.change(
            place,
            format!(
                "promtool evaluates every {}, the rules here have their own interval ({every} where their group has none)",
                file.every
            ),
        );
    }
}
