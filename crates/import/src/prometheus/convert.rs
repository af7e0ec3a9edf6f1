//! All rules of an import, made into files of ours.
//!
//! Names are unique in a folder here: the same rule twice is one, the same alert at two severities is one with two
//! levels, the same metric recorded twice is one record joined by `or`, and any other alert of a name that is taken gets
//! another one. Each of these is told.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{BinaryOp, ValueType};
use bellwether_lang::rules::{self, Level, SourceFile};
use bellwether_model::{DurationMs, limits};

use super::RuleFile;
use super::alerts::{self, Made, Making, Timing};
use super::circles::{Reader, circles};
use super::metrics::Metrics;
use super::read::{Group, Rule, RuleKind, is_recordable};
use super::unit_tests::Alert;
use crate::report::{Finding, Reporter, shown};
use crate::write::{self, Item, Names};
use crate::yaml::Place;
use crate::{Options, files};

/// A rule as it will be written, in the order of the input.
enum Entry {
    Alert(Box<Made>),
    Record(Record),
}

/// A record to be written.
struct Record {
    metric: String,
    /// One expression for each rule that records it.
    exprs: Vec<String>,
    /// The same as trees.
    trees: Vec<Expr>,
    place: Place,
    labels: Vec<(String, String)>,
    timing: Timing,
    comments: Vec<String>,
}

/// The files of an import.
pub(super) fn convert(
    rule_files: &[RuleFile<'_>],
    options: &Options,
    findings: &mut Vec<Finding>,
) -> Vec<SourceFile> {
    let metrics = Metrics::new(rule_files);
    let mut made: Vec<(usize, Entry)> = Vec::new();
    for (number, file) in rule_files.iter().enumerate() {
        let mut report = Reporter::new(file.path, findings);
        for group in &file.groups {
            let timing = timing(group, options, &mut report);
            for rule in &group.rules {
                if rule.kind == RuleKind::Record && rules::ENGINE_SERIES.contains(&rule.name) {
                    let name = shown(rule.name);
                    let message = format!("{name} is left out: the engine writes it itself");
                    report.lose(rule.place, message);
                    continue;
                }
                let Some(mut entry) = entry(group, rule, timing, &metrics, options, &mut report)
                else {
                    continue;
                };
                entry.comments(from(file, group, rule));
                join(number, entry, rule, &mut made, &mut report);
            }
        }
    }
    let made = without_circles(made, rule_files, findings);
    let alerts: Vec<Alert<'_>> = made
        .iter()
        .filter_map(|(_, entry)| entry.as_alert())
        .collect();
    let mut names = files::Names::default();
    let mut test_names = Names::default();
    let mut out = Vec::new();
    for (number, file) in rule_files.iter().enumerate() {
        let entries: Vec<&Entry> = made
            .iter()
            .filter(|(of, _)| *of == number)
            .map(|(_, entry)| entry)
            .collect();
        let tests = file.tests.iter();
        let tests: Vec<Item> = tests
            .flat_map(|tests| tests.items(file.path, &alerts, &mut test_names))
            .collect();
        out.push(SourceFile {
            path: names.take(file.path),
            text: text(file, &entries, tests),
        });
    }
    out
}

/// What is left without the records that read themselves, which are told.
fn without_circles(
    made: Vec<(usize, Entry)>,
    rule_files: &[RuleFile<'_>],
    findings: &mut Vec<Finding>,
) -> Vec<(usize, Entry)> {
    let records = made
        .iter()
        .enumerate()
        .filter_map(|(at, (_, entry))| match entry {
            Entry::Record(record) => Some((at, record)),
            Entry::Alert(_) => None,
        });
    let (places, readers): (Vec<usize>, Vec<Reader<'_>>) = records
        .map(|(at, record)| {
            let reader = Reader {
                metric: &record.metric,
                exprs: &record.trees,
            };
            (at, reader)
        })
        .unzip();
    let circles: BTreeSet<usize> = circles(&readers).iter().map(|at| places[*at]).collect();
    let mut left = Vec::with_capacity(made.len());
    for (at, (file, entry)) in made.into_iter().enumerate() {
        match entry {
            Entry::Record(record) if circles.contains(&at) => {
                let mut report = Reporter::new(rule_files[file].path, findings);
                let name = shown(&record.metric);
                report.lose(
                    record.place,
                    format!("{name} is left out: it reads what it records, by itself or by way of others"),
                );
            }
            entry => left.push((file, entry)),
        }
    }
    left
}

/// Where a rule came from, and what stood above it and in its expression.
fn from(file: &RuleFile<'_>, group: &Group<'_>, rule: &Rule<'_>) -> Vec<String> {
    let name = file.path.rsplit('/').next().unwrap_or(file.path);
    let place = format!("{name}:{}, group {}", rule.place.line, group.name);
    let above = rule.comments.iter().map(|line| (*line).to_owned());
    let inside = write::comments(rule.written);
    above.chain(inside).chain([place]).collect()
}

fn timing(group: &Group<'_>, options: &Options, report: &mut Reporter<'_>) -> Timing {
    let wanted = group.interval.unwrap_or(options.every);
    let every = wanted.max(DurationMs::from_secs(1));
    if wanted != every
        && let Some(rule) = group.rules.first()
    {
        report.change(
            rule.place,
            format!("the interval is {every} here, the shortest there is"),
        );
    }
    Timing {
        every,
        delay: group.delay.unwrap_or_default(),
        max: group.limit,
    }
}

/// What a rule becomes; `None` when it is left out, which is told.
fn entry(
    group: &Group<'_>,
    rule: &Rule<'_>,
    timing: Timing,
    metrics: &Metrics<'_>,
    options: &Options,
    report: &mut Reporter<'_>,
) -> Option<Entry> {
    let kind = rule.expr.value_type();
    if matches!(kind, ValueType::Matrix | ValueType::String) {
        report.lose(
            rule.place,
            format!(
                "{} is left out: its value is a {kind}, so each evaluation fails",
                shown(rule.name)
            ),
        );
        return None;
    }
    match rule.kind {
        RuleKind::Alert => {
            let making = Making {
                levels: &options.levels,
                timing,
                produced: metrics.labels(&rule.expr),
            };
            let made = alerts::alert(group, rule, &making, report);
            Some(Entry::Alert(Box::new(made)))
        }
        RuleKind::Record if !is_recordable(rule.name) => {
            report.lose(
                rule.place,
                format!(
                    "{} is left out: a metric's name has letters, digits, `_` and `:`",
                    shown(rule.name)
                ),
            );
            None
        }
        RuleKind::Record => {
            let pairs = alerts::with_group(&group.labels, &rule.labels);
            let labels = pairs
                .iter()
                .filter(|pair| alerts::settable(pair, report))
                .map(|pair| (pair.name.to_owned(), write::escaped_braces(pair.text)))
                .collect();
            let expr = write::expression(rule.written, &rule.expr);
            // Several expressions are joined by `or`, which takes vectors.
            Some(Entry::Record(Record {
                metric: rule.name.to_owned(),
                exprs: vec![expr],
                trees: vec![rule.expr.clone()],
                place: rule.place,
                labels,
                timing,
                comments: Vec::new(),
            }))
        }
    }
}

impl Entry {
    /// As tests see it.
    fn as_alert(&self) -> Option<Alert<'_>> {
        let Entry::Alert(alert) = self else {
            return None;
        };
        let levels = alert.lines.iter().map(|line| line.level.word());
        Some(Alert {
            origin: &alert.origin,
            name: &alert.name,
            levels: levels.filter(|_| alert.lines.len() > 1).collect(),
        })
    }

    fn comments(&mut self, comments: Vec<String>) {
        match self {
            Entry::Alert(alert) => alert.comments = comments,
            Entry::Record(record) => record.comments = comments,
        }
    }
}

/// Adds an entry to what is there: as a part of another one, or by itself under a free name.
fn join(
    file: usize,
    entry: Entry,
    rule: &Rule<'_>,
    made: &mut Vec<(usize, Entry)>,
    report: &mut Reporter<'_>,
) {
    match entry {
        Entry::Record(record) => {
            let same = made.iter_mut().find_map(|(_, other)| match other {
                Entry::Record(other) if other.same_series(&record) => Some(other),
                _ => None,
            });
            match same {
                Some(first) => first.add(record, rule, report),
                None => made.push((file, Entry::Record(record))),
            }
        }
        Entry::Alert(alert) => {
            let mut alerts: Vec<&mut Made> = made
                .iter_mut()
                .filter_map(|(_, other)| match other {
                    Entry::Alert(other) => Some(&mut **other),
                    Entry::Record(_) => None,
                })
                .collect();
            if let Some(alert) = join_alert(*alert, &mut alerts, report) {
                made.push((file, Entry::Alert(Box::new(alert))));
            }
        }
    }
}

/// Adds an alert to one that it is a level of, or gives it a name of its own.
fn join_alert(
    mut alert: Made,
    others: &mut [&mut Made],
    report: &mut Reporter<'_>,
) -> Option<Made> {
    for other in others
        .iter_mut()
        .filter(|other| other.origin == alert.origin)
    {
        if !other.same_shape(&alert) {
            continue;
        }
        if other.texts == alert.texts
            && other.lines.contains(&alert.lines[0])
            && other.severity == alert.severity
        {
            report.change(
                alert.place,
                format!(
                    "{} is left out: the same rule stands above",
                    shown(&alert.origin)
                ),
            );
            return None;
        }
        if other.takes_level(&alert) {
            other.take_texts(&mut alert, report);
            other.lines.append(&mut alert.lines);
            other.lines.sort_by_key(|line| line.level);
            other.comments.append(&mut alert.comments);
            return None;
        }
    }
    let is_own = |name: &str| rules::OWN_ALERTS.iter().any(|own| own.name == name);
    let is_taken = |name: &str| is_own(name) || others.iter().any(|other| other.name == name);
    let legal = write::legal_name(&alert.name).unwrap_or_else(|| alert.name.clone());
    let mut name = legal.clone();
    if is_taken(&name) {
        name = format!("{legal}-{}", alert.lines[0].level);
    }
    let mut n = 2;
    while is_taken(&name) {
        name = format!("{legal}-{n}");
        n += 1;
    }
    if name != alert.origin {
        let why = if is_own(&legal) {
            "the engine has an alert of this name itself"
        } else if name == legal {
            "a name has letters, digits and `- _ . :`"
        } else {
            "names are unique"
        };
        report.change(
            alert.place,
            format!(
                "{} is called `{name}` here, its label `alertname` too: {why}",
                shown(&alert.origin)
            ),
        );
    }
    alert.name = name;
    Some(alert)
}

impl Made {
    /// True when the two differ in their levels and texts only.
    fn same_shape(&self, other: &Made) -> bool {
        self.value == other.value
            && self.labels == other.labels
            && self.timing == other.timing
            && self.missing_keep == other.missing_keep
    }

    /// An alert has one text at all levels: that of the highest, told where the other one had another.
    fn take_texts(&mut self, other: &mut Made, report: &mut Reporter<'_>) {
        if self.texts == other.texts {
            return;
        }
        let highest = |made: &Made| made.lines.iter().map(|line| line.level).max();
        let (level, line) = if highest(other) > highest(self) {
            std::mem::swap(&mut self.texts, &mut other.texts);
            (highest(other), other.place.line)
        } else {
            (highest(self), self.place.line)
        };
        // Now `other` has what is left out.
        let named = other.texts.differing(&self.texts);
        let level = level.map_or("", Level::word);
        report.change(
            other.place,
            format!(
                "{} is one alert with the levels of both rules; {} differ, and are those of `{level}` (line {line}) at each level: left out {}",
                shown(&self.origin),
                named.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                named.iter().map(|(_, text)| text.map_or("nothing".to_owned(), shown)).collect::<Vec<_>>().join(", "),
            ),
        );
    }

    /// True when the line of `other` can be one of this alert's: another level, reached by the same comparison, the
    /// higher one harder.
    fn takes_level(&self, other: &Made) -> bool {
        let new = &other.lines[0];
        let harder =
            |low: &alerts::Line, high: &alerts::Line| match (&low.condition, &high.condition) {
                (Some((low_op, low_number, _)), Some((op, number, _))) => {
                    let (same, further) = match op {
                        BinaryOp::Gt | BinaryOp::Ge => (low_op == op, number > low_number),
                        BinaryOp::Lt | BinaryOp::Le => (low_op == op, number < low_number),
                        _ => return false,
                    };
                    same && (further || number == low_number && high.hold_for > low.hold_for)
                }
                (None, None) => high.hold_for > low.hold_for,
                _ => false,
            };
        self.severity.is_none()
            && other.severity.is_none()
            && self.lines.iter().all(|line| {
                line.level != new.level
                    && line.keep == new.keep
                    && if line.level < new.level {
                        harder(line, new)
                    } else {
                        harder(new, line)
                    }
            })
    }
}

impl Record {
    fn same_series(&self, other: &Record) -> bool {
        let sorted = |record: &Record| {
            let map: BTreeMap<String, String> = record.labels.iter().cloned().collect();
            map
        };
        self.metric == other.metric && sorted(self) == sorted(other)
    }

    /// Takes in another rule that records the same.
    fn add(&mut self, other: Record, rule: &Rule<'_>, report: &mut Reporter<'_>) {
        let name = shown(rule.name);
        if self.exprs == other.exprs {
            report.change(
                rule.place,
                format!("{name} is left out: the same rule stands above"),
            );
            return;
        }
        report.change(
            rule.place,
            format!("{name} is recorded above already: the two expressions are joined by `or`"),
        );
        self.exprs.extend(other.exprs);
        self.trees.extend(other.trees);
        self.comments.extend(other.comments);
    }

    fn item(&self, defaults: Timing, default_labels: &[(String, String)]) -> Item {
        let mut item = Item::new(format!("record {}", self.metric));
        item.comments.clone_from(&self.comments);
        item.clause("expr", joined(&self.exprs));
        self.timing.clauses(defaults, &mut item);
        for (name, text) in self.labels.iter().filter(|l| !default_labels.contains(l)) {
            item.clause("label", format!("{name} = {}", write::quoted(text)));
        }
        item
    }
}

/// Expressions joined by `or`; each in brackets, numbers as vectors.
fn joined(exprs: &[String]) -> String {
    if let [one] = exprs {
        return one.clone();
    }
    let parts: Vec<String> = exprs
        .iter()
        .map(|expr| {
            let scalar = bellwether_lang::promql::parse(expr)
                .is_ok_and(|e| e.value_type() == ValueType::Scalar);
            let word = if scalar { "vector" } else { "" };
            format!("{word}({expr})")
        })
        .collect();
    parts.join("\n    or ")
}

/// A file: where it came from, the defaults, the rules.
fn text(file: &RuleFile<'_>, entries: &[&Entry], tests: Vec<Item>) -> String {
    let mut comments = file.comments.clone();
    comments.push(format!("imported from {}", file.path));
    let timings: Vec<Timing> = entries.iter().map(|entry| entry.timing()).collect();
    let language = Timing {
        every: DurationMs(limits::RULES_EVERY.millis()),
        delay: DurationMs::ZERO,
        max: 0,
    };
    let defaults = Timing {
        every: most_common(timings.iter().map(|t| t.every)).unwrap_or(language.every),
        delay: match timings.first() {
            Some(first) if timings.iter().all(|t| t.delay == first.delay) => first.delay,
            _ => DurationMs::ZERO,
        },
        max: 0,
    };
    let labels = match file.groups.as_slice() {
        [group] => default_labels(group, entries),
        _ => Vec::new(),
    };
    let mut items = Vec::new();
    let mut head = Item::new("defaults");
    defaults.clauses(language, &mut head);
    let has_alerts = entries.iter().any(|entry| matches!(entry, Entry::Alert(_)));
    if has_alerts {
        // In Prometheus a series that is gone ends its alert, whatever its condition was.
        head.clause("missing", "clear");
    }
    for (name, text) in &labels {
        head.clause("label", format!("{name} = {}", write::quoted(text)));
    }
    if !head.clauses.is_empty() && !entries.is_empty() {
        items.push(head);
    }
    items.extend(entries.iter().map(|entry| match entry {
        Entry::Alert(alert) => alert.item(defaults, &labels),
        Entry::Record(record) => record.item(defaults, &labels),
    }));
    items.extend(tests);
    write::file(&comments, &items)
}

/// Labels of the only group that every rule of the file has.
fn default_labels(group: &Group<'_>, entries: &[&Entry]) -> Vec<(String, String)> {
    let candidates = group
        .labels
        .iter()
        .map(|pair| (pair.name.to_owned(), pair.text.to_owned()))
        .filter(|(name, text)| name != "severity" && !text.contains('{'));
    candidates
        .filter(|label| {
            entries.iter().all(|entry| match entry {
                Entry::Alert(alert) => alert.labels.contains(label),
                Entry::Record(record) => record.labels.contains(label),
            })
        })
        .collect()
}

impl Entry {
    fn timing(&self) -> Timing {
        match self {
            Entry::Alert(alert) => alert.timing,
            Entry::Record(record) => record.timing,
        }
    }
}

/// The value that is there most often; of several the smallest.
fn most_common(values: impl Iterator<Item = DurationMs>) -> Option<DurationMs> {
    let mut counts: BTreeMap<DurationMs, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = counts.values().max().copied()?;
    counts
        .into_iter()
        .find(|(_, n)| *n == most)
        .map(|(value, _)| value)
}
