//! Rule files as Prometheus, its operator, Thanos and vmalert read them: fields, types, and every check upstream
//! makes when it loads.
//!
//! Fields that only Thanos or vmalert knows are read too; what they ask for is named, since nothing here does it.

use bellwether_lang::promql::{self, Expr};
use bellwether_model::labels::is_legacy_metric_name;
use bellwether_model::{DurationMs, METRIC_NAME};

use crate::report::{Reporter, shown};
use crate::template::Template;
use crate::yaml::{Fields, Node, Place, Read};

/// A group of rules.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) interval: Option<DurationMs>,
    pub(super) delay: Option<DurationMs>,
    /// Most results of a rule; 0 is no limit.
    pub(super) limit: usize,
    pub(super) labels: Vec<Pair<'a>>,
    pub(super) rules: Vec<Rule<'a>>,
}

/// A label or an annotation.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) key: &'a Node,
    pub(super) value: &'a Node,
}

/// One rule, sound as far as its own system goes.
pub(super) struct Rule<'a> {
    pub(super) place: Place,
    pub(super) kind: RuleKind,
    pub(super) name: &'a str,
    pub(super) written: &'a str,
    pub(super) expr: Expr,
    pub(super) hold_for: DurationMs,
    pub(super) keep: DurationMs,
    pub(super) labels: Vec<Pair<'a>>,
    pub(super) annotations: Vec<Pair<'a>>,
    /// Comment lines above it.
    pub(super) comments: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleKind {
    Alert,
    Record,
}

const GROUP_FIELDS: &[&str] = &[
    "name",
    "interval",
    "query_offset",
    "limit",
    "labels",
    "rules",
    // Thanos.
    "partial_response_strategy",
    // vmalert.
    "type",
    "concurrency",
    "params",
    "headers",
    "notifier_headers",
    "eval_offset",
    "eval_delay",
    "eval_alignment",
    "extra_filter_labels",
    "tenant",
    "debug",
    "file",
    "update_entries_limit",
];

const RULE_FIELDS: &[&str] = &[
    "record",
    "alert",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
    // vmalert.
    "debug",
    "update_entries_limit",
    "type",
    "id",
];

/// The groups of one document, `groups:` in `fields`.
pub(super) fn groups<'a>(
    fields: &Fields<'a>,
    file: &'a Read,
    seen: &mut Vec<(&'a str, Place)>,
    report: &mut Reporter<'_>,
) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    for node in fields.list("groups", report) {
        let Some(fields) = Fields::of(node, "a group", report) else {
            continue;
        };
        fields.only(GROUP_FIELDS, "a group", report);
        let name = fields.text("name", report).unwrap_or("");
        if name.is_empty() {
            report.refuse(fields.place, "a group has no `name`");
        } else if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
            let place = fields.get("name").map_or(fields.place, |node| node.place);
            let first = first.line;
            report.refuse(
                place,
                format!(
                    "the group name {} stands here and in line {first}",
                    shown(name)
                ),
            );
        } else {
            let place = fields.get("name").map_or(fields.place, |node| node.place);
            seen.push((name, place));
        }
        groups.extend(group(&fields, name, file, report));
    }
    groups
}

fn group<'a>(
    fields: &Fields<'a>,
    name: &'a str,
    file: &'a Read,
    report: &mut Reporter<'_>,
) -> Option<Group<'a>> {
    if let Some((key, node)) = fields.entry("type")
        && let Some(kind) = node.text()
        && kind != "prometheus"
    {
        if !matches!(kind, "graphite" | "vlogs") {
            report.refuse(node.place, format!("no group has the type {}", shown(kind)));
        }
        let count = fields.list("rules", report).len();
        report.lose(
            key.place,
            format!(
                "`type: {kind}`: the {count} rules of this group are not PromQL, and are left out"
            ),
        );
        return None;
    }
    let interval = fields.duration("interval", report);
    let delay = fields
        .duration("query_offset", report)
        .or_else(|| fields.duration("eval_delay", report));
    let limit = fields.integer("limit", report).unwrap_or(0);
    if limit < 0 {
        report.refuse(fields.place, "`limit` is negative");
    }
    extras_of_group(fields, interval, report);
    let labels = labels(fields, report);
    let mut rules = Vec::new();
    for node in fields.list("rules", report) {
        if let Some(fields) = Fields::of(node, "a rule", report) {
            rules.extend(rule(&fields, file, report));
        }
    }
    // What is said of the group stands above the first of its rules.
    if let Some(first) = rules.first_mut() {
        let above = file.comments_above(fields.place.line);
        if first.comments != above {
            first.comments.splice(..0, above);
        }
    }
    Some(Group {
        name,
        interval: interval.filter(|i| i.0 > 0),
        delay: delay.filter(|d| d.0 > 0),
        limit: limit.max(0) as usize,
        labels,
        rules,
    })
}

/// What Thanos and vmalert add to a group.
fn extras_of_group(fields: &Fields<'_>, interval: Option<DurationMs>, report: &mut Reporter<'_>) {
    if let Some(node) = fields.get("eval_offset")
        && let Some(offset) = fields.duration("eval_offset", report)
    {
        // vmalert's own default is a minute.
        let interval = interval
            .filter(|i| i.0 > 0)
            .unwrap_or(DurationMs::from_mins(1));
        if offset > interval {
            report.refuse(
                node.place,
                format!("`eval_offset: {offset}` is larger than the interval, {interval}"),
            );
        }
    }
    for (name, meaning) in [
        (
            "partial_response_strategy",
            "what Thanos does when a store does not answer; there is one store here",
        ),
        (
            "concurrency",
            "how many rules of a group run at a time; all rules due at a tick run together here",
        ),
        (
            "params",
            "parameters of each request to the data source; there is none here",
        ),
        (
            "headers",
            "headers of each request to the data source; there is none here",
        ),
        (
            "notifier_headers",
            "headers of each request to Alertmanager; write a `channel`",
        ),
        (
            "eval_offset",
            "where in the interval the group is evaluated; ticks are spread by themselves here",
        ),
        (
            "eval_alignment",
            "whether evaluations stand at multiples of the interval; they always do here",
        ),
        (
            "extra_filter_labels",
            "matchers added to every selector of the group: write them into the expressions",
        ),
        ("tenant", "whose data is read; there is one tenant here"),
        ("debug", "a log of what the group does"),
        (
            "update_entries_limit",
            "how many states of a rule are remembered; history is kept by time here",
        ),
        ("file", "where vmalert found the group"),
    ] {
        if let Some((key, _)) = fields.entry(name) {
            report.lose(key.place, format!("`{name}`: {meaning}"));
        }
    }
}

fn rule<'a>(fields: &Fields<'a>, file: &'a Read, report: &mut Reporter<'_>) -> Option<Rule<'a>> {
    fields.only(RULE_FIELDS, "a rule", report);
    let kind = kind(fields, report);
    let name = match kind {
        Some(RuleKind::Record) => fields.text("record", report),
        _ => fields.text("alert", report),
    };
    let name = name.unwrap_or("");
    let hold_for = fields.duration("for", report).unwrap_or_default();
    let keep = fields
        .duration("keep_firing_for", report)
        .unwrap_or_default();
    let labels = labels(fields, report);
    let annotations = annotations(fields, report);
    match kind {
        Some(RuleKind::Record) => check_record(fields, name, report),
        Some(RuleKind::Alert) => {
            for pair in labels.iter().chain(&annotations) {
                check_template(pair, report);
            }
        }
        // Told; the rest of the rule is read for its own mistakes.
        None => {}
    }
    for (name, meaning) in [
        ("debug", "a log of what the rule does"),
        (
            "update_entries_limit",
            "how many states of the rule are remembered; history is kept by time here",
        ),
        ("id", "a number of vmalert's own"),
    ] {
        if let Some((key, _)) = fields.entry(name) {
            report.lose(key.place, format!("`{name}`: {meaning}"));
        }
    }
    let (written, expr) = expr(fields, name, report)?;
    Some(Rule {
        place: fields.place,
        kind: kind?,
        name,
        written,
        expr,
        hold_for,
        keep,
        labels,
        annotations,
        comments: file.comments_above(fields.place.line),
    })
}

/// Whether a rule records or alerts; what is neither or both is refused.
fn kind(fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<RuleKind> {
    // A name that is no text is one all the same, and is told as what it is.
    let named = |name: &str| fields.get(name).is_some_and(|node| node.text() != Some(""));
    let found = match (named("record"), named("alert")) {
        (false, true) => return Some(RuleKind::Alert),
        (true, false) => return Some(RuleKind::Record),
        (false, false) => "neither",
        (true, true) => "both",
    };
    let why = format!("a rule has `record` or `alert`, this one has {found}");
    report.refuse(fields.place, why);
    None
}

fn check_record(fields: &Fields<'_>, name: &str, report: &mut Reporter<'_>) {
    for field in ["for", "keep_firing_for", "annotations"] {
        if let Some((key, _)) = fields.entry(field) {
            report.refuse(key.place, format!("a recording rule has no `{field}`"));
        }
    }
    let place = fields.get("record").map_or(fields.place, |node| node.place);
    if name.contains(['{', '}']) {
        report.refuse(
            place,
            format!("{} is an expression: it belongs into `expr`", shown(name)),
        );
    }
}

/// The expression; `None` after a mistake, or when it is one of MetricsQL, which is told as lost.
fn expr<'a>(fields: &Fields<'a>, name: &str, report: &mut Reporter<'_>) -> Option<(&'a str, Expr)> {
    let called = match name {
        "" => "the rule".to_owned(),
        name => shown(name),
    };
    let Some(node) = fields.get("expr") else {
        report.refuse(fields.place, format!("{called} has no `expr`"));
        return None;
    };
    let written = fields.text("expr", report)?;
    if written.trim().is_empty() {
        report.refuse(node.place, format!("{called} has an empty `expr`"));
        return None;
    }
    match promql::parse(written) {
        Ok(expr) => Some((written, expr)),
        Err(error) => {
            let place = node.place_of(error.span.start);
            match super::metricsql::only_there(written) {
                Some(what) => report.lose(
                    place,
                    format!("{called} is left out: only MetricsQL has {what}"),
                ),
                None => report.refuse(place, format!("could not parse `expr`: {}", error.message)),
            }
            None
        }
    }
}

fn labels<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Vec<Pair<'a>> {
    pairs(
        fields,
        "labels",
        |name| !name.is_empty() && name != METRIC_NAME,
        report,
    )
}

fn annotations<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Vec<Pair<'a>> {
    pairs(fields, "annotations", |name| !name.is_empty(), report)
}

fn pairs<'a>(
    fields: &Fields<'a>,
    field: &str,
    legal: fn(&str) -> bool,
    report: &mut Reporter<'_>,
) -> Vec<Pair<'a>> {
    let pairs = fields.pairs(field, report);
    let mut found = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let name = key.text().unwrap_or("");
        if !legal(name) {
            report.refuse(
                key.place,
                format!("{} is no name for `{field}`", shown(name)),
            );
        }
        found.push(Pair {
            name,
            text: value.text().unwrap_or(""),
            key,
            value,
        });
    }
    found
}

fn check_template(pair: &Pair<'_>, report: &mut Reporter<'_>) {
    if let Err(wrong) = Template::parse(pair.text) {
        let place = pair.value.place_of(wrong.at);
        report.refuse(
            place,
            format!("the template of `{}`: {}", pair.name, wrong.message),
        );
    }
}

/// True when a metric of this name can be recorded here.
pub(super) fn is_recordable(name: &str) -> bool {
    is_legacy_metric_name(name)
}
