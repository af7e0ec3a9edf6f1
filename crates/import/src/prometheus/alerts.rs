//! One alerting rule, made into an alert of ours: the value, its level line, texts, labels.

use std::collections::BTreeMap;

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::BinaryOp;
use bellwether_lang::rules::{Level, Produced};
use bellwether_model::DurationMs;

use super::read::{Group, Pair, Rule};
use super::split::split;
use crate::report::{Reporter, shown};
use crate::severity;
use crate::template::{Converted, Template};
use crate::write::{self, Item};
use crate::yaml::Place;

/// Pieces of one text that are told one by one.
const KEPT_SHOWN: usize = 20;

/// An alert to be written.
#[derive(Clone)]
pub(super) struct Made {
    /// As it is called here.
    pub(super) name: String,
    /// As its own file calls it.
    pub(super) origin: String,
    pub(super) place: Place,
    pub(super) value: Expr,
    /// `expr` as it is written.
    pub(super) expr: String,
    /// Lowest level first.
    pub(super) lines: Vec<Line>,
    /// `label severity`: when the word is not the level's own, or there is none.
    pub(super) severity: Option<String>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) texts: Texts,
    pub(super) timing: Timing,
    /// `missing keep DUR`; without it the file's default, `clear`.
    pub(super) missing_keep: Option<DurationMs>,
    pub(super) comments: Vec<String>,
}

/// A level line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) condition: Option<(BinaryOp, f64, String)>,
    pub(super) hold_for: DurationMs,
    pub(super) keep: DurationMs,
}

/// What people are told: texts with places, not yet in quotes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts {
    pub(super) summary: Option<String>,
    pub(super) description: Option<String>,
    pub(super) runbook: Option<String>,
    pub(super) notes: Vec<(String, String)>,
}

/// When a rule is evaluated, and how much may come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) every: DurationMs,
    pub(super) delay: DurationMs,
    /// 0 is the language's own limit.
    pub(super) max: usize,
}

/// What an alert is made with.
pub(super) struct Making<'m> {
    pub(super) levels: &'m [(String, Level)],
    pub(super) timing: Timing,
    /// Labels the result of its expression can have.
    pub(super) produced: Produced,
}

/// The alert of a rule.
pub(super) fn alert(
    group: &Group<'_>,
    rule: &Rule<'_>,
    making: &Making<'_>,
    report: &mut Reporter<'_>,
) -> Made {
    let can = |name: &str| making.produced.can(name);
    let pairs = with_group(&group.labels, &rule.labels);
    let (level, severity) = level(&pairs, making.levels, &can, rule.place, report);
    let split = split(&rule.expr, rule.written);
    let condition = split.as_ref().map(|s| (s.op, s.number, s.text.clone()));
    let (value, expr) = match &split {
        Some(split) => {
            let span = split.value.span;
            let written = rule.written.get(span.start..span.end).unwrap_or("");
            let value = split.value.unparenthesized();
            let inner = written
                .get(value.span.start - span.start..)
                .and_then(|w| w.get(..value.span.end - value.span.start));
            let written = inner.unwrap_or(written);
            (value.clone(), write::expression(written, value))
        }
        None => (
            rule.expr.clone(),
            write::expression(rule.written, &rule.expr),
        ),
    };
    let keeps = rule.keep.0 > 0 && condition.is_some();
    Made {
        name: name(group, rule),
        origin: rule.name.to_owned(),
        place: rule.place,
        value,
        expr,
        lines: vec![Line {
            level,
            condition,
            hold_for: rule.hold_for,
            keep: rule.keep,
        }],
        severity,
        labels: labels(&pairs, &can, report),
        texts: texts(&rule.annotations, &can, report),
        timing: making.timing,
        missing_keep: keeps.then_some(rule.keep),
        comments: Vec::new(),
    }
}

/// A rule's name; where nothing of it can be in a name here, its group and its number there.
fn name(group: &Group<'_>, rule: &Rule<'_>) -> String {
    if rule.name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return rule.name.to_owned();
    }
    let before = group.rules.iter().take_while(|r| r.place != rule.place);
    format!("{}-{}", group.name, before.count() + 1)
}

/// The labels of a rule and those of its group that it does not set itself.
pub(super) fn with_group<'a>(group: &[Pair<'a>], own: &[Pair<'a>]) -> Vec<Pair<'a>> {
    let inherited = group
        .iter()
        .filter(|pair| own.iter().all(|p| p.name != pair.name));
    inherited.chain(own).copied().collect()
}

/// The level, and the text of `label severity` when the level alone would not say what the rule said.
fn level(
    pairs: &[Pair<'_>],
    known: &[(String, Level)],
    can: &dyn Fn(&str) -> bool,
    place: Place,
    report: &mut Reporter<'_>,
) -> (Level, Option<String>) {
    let Some(pair) = pairs.iter().find(|p| p.name == "severity") else {
        // What the result has stays, and nothing is added: routes see the labels they saw before.
        let text = if can("severity") { "{severity}" } else { "" };
        report.change(
            place,
            "no label `severity`: the level is `warning`, and `label severity` keeps the label as it was",
        );
        return (severity::UNKNOWN, Some(text.to_owned()));
    };
    if pair.text.contains("{{") {
        let text = template(pair, can, report).text;
        report.change(
            pair.value.place,
            "the level is `warning`, since `severity` is a template",
        );
        return (severity::UNKNOWN, Some(text));
    }
    let found = severity::level_of(pair.text, known);
    let level = found.unwrap_or(severity::UNKNOWN);
    if found.is_none() {
        let word = shown(pair.text);
        report.change(
            pair.value.place,
            format!("{word} is no level: `{level}`, with the label `severity` as it was"),
        );
    }
    let label = (pair.text != level.word()).then(|| write::escaped_braces(pair.text));
    (level, label)
}

/// The labels but `severity`.
fn labels(
    pairs: &[Pair<'_>],
    can: &dyn Fn(&str) -> bool,
    report: &mut Reporter<'_>,
) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for pair in pairs.iter().filter(|p| p.name != "severity") {
        if !settable(pair, report) {
            continue;
        }
        let converted = template(pair, can, report);
        if converted.has_value {
            report.lose(
                pair.key.place,
                format!(
                    "the label `{}` holds the value: each change of it would begin a new alert",
                    pair.name
                ),
            );
        } else {
            labels.push((pair.name.to_owned(), converted.text));
        }
    }
    labels
}

/// True for a label that a rule may set here; told when not.
pub(super) fn settable(pair: &Pair<'_>, report: &mut Reporter<'_>) -> bool {
    let why = match pair.name {
        "alertname" => "it is always the alert's name, in Prometheus too",
        name if name.starts_with("__") => "names that begin with `__` are the server's own",
        name if write::legal_label(name).is_some() => {
            "names of labels have letters, digits and `_`"
        }
        _ => return true,
    };
    report.lose(
        pair.key.place,
        format!("the label {}: {why}", shown(pair.name)),
    );
    false
}

/// Annotations: `summary`, `description`, `runbook` and notes.
fn texts(annotations: &[Pair<'_>], can: &dyn Fn(&str) -> bool, report: &mut Reporter<'_>) -> Texts {
    let mut texts = Texts::default();
    let has = |name: &str| annotations.iter().any(|pair| pair.name == name);
    for pair in annotations {
        let text = template(pair, can, report).text;
        match pair.name {
            "summary" => texts.summary = Some(text),
            "description" => texts.description = Some(text),
            "message" if !has("description") => texts.description = Some(text),
            "runbook_url" | "runbook" if texts.runbook.is_none() && is_link(pair.text) => {
                texts.runbook = Some(pair.text.to_owned());
            }
            name => texts
                .notes
                .push((note_name(name, pair, &texts.notes, report), text)),
        }
    }
    texts
}

fn note_name(
    name: &str,
    pair: &Pair<'_>,
    notes: &[(String, String)],
    report: &mut Reporter<'_>,
) -> String {
    let legal = write::legal_label(name).unwrap_or_else(|| name.to_owned());
    // What has a clause of its own is no note; the clause takes an address without places only.
    let mut legal = match legal.as_str() {
        "runbook" | "runbook_url" | "summary" | "description" => format!("{legal}_text"),
        _ => legal,
    };
    while notes.iter().any(|(other, _)| *other == legal) {
        legal.push('_');
    }
    if legal != name {
        report.change(
            pair.key.place,
            format!("the annotation {} is called `{legal}` here", shown(name)),
        );
    }
    legal
}

/// True for an address that `runbook` takes.
fn is_link(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    host.is_some_and(|host| {
        host.starts_with(|c: char| c.is_ascii_alphanumeric()) && host.chars().all(legal)
    }) && text
        .chars()
        .all(|c| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '"' | '`'))
}

/// A text with its Go template made into ours; what could not be is told.
fn template(pair: &Pair<'_>, can: &dyn Fn(&str) -> bool, report: &mut Reporter<'_>) -> Converted {
    let Ok(parsed) = Template::parse(pair.text) else {
        // Refused when the file was read.
        return Converted::default();
    };
    let converted = parsed.convert(can);
    if write::has_mistaken_brace(pair.text) {
        let name = pair.name;
        report.change(
            pair.value.place,
            format!("a brace before a variable is `(` in `{name}`"),
        );
    }
    for (at, raw) in converted.kept.iter().take(KEPT_SHOWN) {
        report.change(
            pair.value.place_of(*at),
            format!("{} stays in `{}` as it is written", shown(raw), pair.name),
        );
    }
    if let Some((at, _)) = converted.kept.get(KEPT_SHOWN) {
        let more = converted.kept.len() - KEPT_SHOWN;
        report.change(
            pair.value.place_of(*at),
            format!("and {more} more stay in `{}`", pair.name),
        );
    }
    for (at, name) in converted.empty.iter().take(KEPT_SHOWN) {
        report.change(
            pair.value.place_of(*at),
            format!("the result has no label `{name}`: nothing is printed for it, as before"),
        );
    }
    converted
}

impl Made {
    /// The item, with what differs from the file's defaults.
    pub(super) fn item(&self, defaults: Timing, default_labels: &[(String, String)]) -> Item {
        let mut item = Item::new(format!("alert {}", self.name));
        item.comments.clone_from(&self.comments);
        item.clause("expr", self.expr.clone());
        for line in &self.lines {
            item.clause(line.level.word(), line.rest());
        }
        if let Some(keep) = self.missing_keep {
            item.clause("missing", format!("keep {keep}"));
        }
        self.timing.clauses(defaults, &mut item);
        let texts = [
            ("summary", &self.texts.summary),
            ("description", &self.texts.description),
        ];
        for (word, text) in texts {
            if let Some(text) = text {
                item.clause(word, write::quoted(text));
            }
        }
        if let Some(link) = &self.texts.runbook {
            item.clause("runbook", link.clone());
        }
        if let Some(severity) = &self.severity {
            item.clause("label", format!("severity = {}", write::quoted(severity)));
        }
        for (name, text) in self.labels.iter().filter(|l| !default_labels.contains(l)) {
            item.clause("label", format!("{name} = {}", write::quoted(text)));
        }
        for (name, text) in &self.texts.notes {
            item.clause("note", format!("{name} = {}", write::quoted(text)));
        }
        item
    }
}

impl Texts {
    /// The texts of these that `kept` has otherwise or not at all, and those that only `kept` has.
    pub(super) fn differing<'t>(&'t self, kept: &'t Texts) -> Vec<(&'t str, Option<&'t str>)> {
        let (own, kept) = (self.all(), kept.all());
        let others = kept.keys().filter(|name| !own.contains_key(*name));
        let changed = own
            .iter()
            .filter(|(name, text)| kept.get(*name) != Some(*text));
        changed
            .map(|(name, text)| (*name, Some(*text)))
            .chain(others.map(|name| (*name, None)))
            .collect()
    }

    fn all(&self) -> BTreeMap<&str, &str> {
        let own = [
            ("summary", &self.summary),
            ("description", &self.description),
            ("runbook", &self.runbook),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)));
        let notes = self
            .notes
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        own.chain(notes).collect()
    }
}

impl Timing {
    /// The clauses that differ from the defaults.
    pub(super) fn clauses(self, defaults: Timing, item: &mut Item) {
        if self.every != defaults.every {
            item.clause("every", self.every.to_string());
        }
        if self.delay != defaults.delay {
            item.clause("delay", self.delay.to_string());
        }
        if self.max > 0 {
            item.clause("max", self.max.to_string());
        }
    }
}

impl Line {
    /// What follows the level's word.
    fn rest(&self) -> String {
        let mut parts = Vec::new();
        if let Some((op, _, number)) = &self.condition {
            parts.push(format!("{} {number}", op.text()));
        }
        if self.hold_for.0 > 0 {
            parts.push(format!("for {}", self.hold_for));
        }
        if self.keep.0 > 0 {
            parts.push(format!("keep {}", self.keep));
        }
        parts.join(" ")
    }
}
