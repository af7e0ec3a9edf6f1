//! Labels, alerts and times that a rule names, against what a store has seen.
//!
//! Which labels a result can have is reasoned as everywhere else (`labels`), from the labels that the store has seen on
//! each metric instead of from any label. What the folder records itself, and what the engine writes, may come with
//! labels that the store does not have yet: only what their rules make impossible is told.
//!
//! Not here: metrics and matchers of selectors (`store`).

use std::collections::BTreeSet;

use bellwether_model::{METRIC_NAME, MatchOp, Matcher};

use super::Lint;
use super::store::{Judged, StoreFacts, word_in};
use crate::promql::ast::{Binary, Expr, ExprKind, Grouping, Span};
use crate::rules::alerts::Subject;
use crate::rules::build::Entry;
use crate::rules::clause::{Clause, GroupClause};
use crate::rules::diagnostic::Mistake;
use crate::rules::instances::Instances;
use crate::rules::labels::{self, Produced, Recorded};
use crate::rules::near::nearest;
use crate::rules::reserved::OWN_ALERTS;
use crate::rules::scan::Placed;
use crate::rules::template::ParsedText;
use crate::rules::text::Part;

/// What the labels of one item are held against.
pub(in crate::rules) struct Seen<'a> {
    /// What a metric's series can have by the rules alone.
    pub(in crate::rules) possible: Recorded<'a>,
    /// What they have by the store.
    pub(in crate::rules) known: Recorded<'a>,
    /// The alerts of the folder, their labels by the rules alone.
    pub(in crate::rules) instances: &'a Instances,
    /// The alerts of the folder, their labels by the store.
    pub(in crate::rules) known_instances: &'a Instances,
    /// The text of the item's file.
    pub(in crate::rules) text: &'a str,
}

/// Labels in `by`, `on` and `group_left` that nothing below them has had. The parser bounds the depth.
pub(in crate::rules) fn grouped(
    judged: &Judged<'_>,
    expr: &Expr,
    seen: &Seen<'_>,
    found: &mut Vec<Mistake>,
) {
    for child in expr.children() {
        grouped(judged, child, seen, found);
    }
    let (names, below, word, whose) = match &expr.kind {
        ExprKind::Aggregate(aggregate) => match &aggregate.grouping {
            Grouping::By(names) => (names, vec![&*aggregate.expr], "by", "what `by` groups"),
            Grouping::Without(_) => return,
        },
        ExprKind::Binary(Binary {
            lhs,
            rhs,
            matching: Some(matching),
            ..
        }) if matching.on => (
            &matching.labels,
            vec![&**lhs, &**rhs],
            "on",
            "what `on` matches",
        ),
        _ => return,
    };
    let known = either(&below, seen.known);
    for name in names.iter().filter(|name| *name != METRIC_NAME) {
        if !known.can(name) {
            let place = judged.place_behind(name, word, expr.span);
            found.push(never_had(name, place, whose, &known));
        }
    }
}

/// What one of some expressions can have.
fn either(exprs: &[&Expr], recorded: Recorded<'_>) -> Produced {
    let each = exprs.iter().map(|expr| labels::produced(expr, recorded));
    each.fold(Produced::none(), Produced::union)
}

impl Seen<'_> {
    /// Labels of an alert's or a record's texts and `where` that its expression has never had.
    pub(in crate::rules) fn of_rule(&self, subject: &Subject<'_>) -> Vec<Mistake> {
        let Some(expr) = subject.expr() else {
            return Vec::new();
        };
        let possible = labels::produced(expr, self.possible);
        let known = labels::produced(expr, self.known);
        let own = own_labels(subject);
        let result = Told {
            possible: &possible,
            known: &known,
            extra: &BTreeSet::new(),
            whose: "the expression",
        };
        let instance = Told {
            extra: &own,
            ..result
        };
        let mut found = Vec::new();
        for Entry { clause, .. } in &subject.draft.clauses {
            match clause {
                Clause::Label(_, text) => found.extend(result.texts(text)),
                Clause::Summary(text) | Clause::Description(text) | Clause::Note(_, text) => {
                    found.extend(instance.texts(text));
                }
                Clause::Level(line) => {
                    let Some(span) = line.only else { continue };
                    for name in asked(&line.line.only) {
                        let place = word_in(self.text, name, span).unwrap_or(span);
                        found.extend(result.label(name, place));
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Labels of an objective's `by` that what is measured has never had.
    pub(in crate::rules) fn of_sla(&self, subject: &Subject<'_>) -> Vec<Mistake> {
        let clauses = || subject.draft.clauses.iter().map(|entry| &entry.clause);
        let measured = |recorded: Recorded<'_>| {
            let of = |clause: &Clause| match clause {
                Clause::Good(counters) | Clause::Bad(counters) | Clause::Total(counters) => {
                    let each = counters.0.iter();
                    let each = each.map(|counter| labels::of_selector(&counter.selector, recorded));
                    Some(each.fold(Produced::none(), Produced::union))
                }
                Clause::Ok(expr) => Some(labels::produced(expr, recorded)),
                _ => None,
            };
            clauses()
                .filter_map(of)
                .fold(Produced::none(), Produced::union)
        };
        let (possible, known) = (measured(self.possible), measured(self.known));
        let told = Told {
            possible: &possible,
            known: &known,
            extra: &BTreeSet::new(),
            whose: "what is measured",
        };
        let by = clauses().filter_map(|clause| match clause {
            Clause::By(labels) => Some(labels),
            _ => None,
        });
        by.flatten()
            .filter_map(|label| told.label(&label.value, label.span))
            .collect()
    }

    /// Labels and alerts that a route or a mute picks instances by, and the end of a mute.
    pub(in crate::rules) fn of_picking(&self, entry: &Entry, facts: &StoreFacts) -> Vec<Mistake> {
        let behind = Span {
            start: entry.word.end,
            end: self.text.len(),
        };
        let place = |name: &str| word_in(self.text, name, behind).unwrap_or(entry.word);
        let matched = |matchers: &[Matcher]| {
            let mut found: Vec<Mistake> = self.unknown_alerts(matchers, place).collect();
            let names = asked(matchers).filter(|name| !self.known_instances.has(name));
            found.extend(names.map(|name| self.on_no_alert(name, place(name))));
            found
        };
        let listed = |labels: &[Placed<String>]| -> Vec<Mistake> {
            // What no rule makes possible is told without a store.
            let labels = labels.iter().filter(|label| {
                self.instances.has(&label.value) && !self.known_instances.has(&label.value)
            });
            labels
                .map(|label| self.on_no_alert(&label.value, label.span))
                .collect()
        };
        match &entry.clause {
            Clause::Match(matchers) => matched(matchers),
            Clause::While(matchers, same) => {
                let mut found = matched(matchers);
                found.extend(listed(same));
                found
            }
            Clause::Group(GroupClause::Labels(labels)) => listed(labels),
            Clause::Until(until) => {
                let over = facts.now.filter(|now| until <= now).map(|_| {
                    Mistake::warning(Lint::MuteOver, entry.word, "this mute is over")
                        .label("its time is past: it mutes nothing")
                        .help("delete it, or give it a later end")
                });
                over.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn on_no_alert(&self, name: &str, place: Span) -> Mistake {
        let message = format!("no alert of this folder has had the label `{name}`");
        let mistake = Mistake::warning(Lint::UnknownLabel, place, message);
        let known = self.known_instances.known();
        match nearest(name, known.iter().copied()) {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None => mistake.label("no series that its alerts look at has had it"),
        }
    }

    /// Matchers that ask for the name of an alert that is none.
    fn unknown_alerts<'m>(
        &self,
        matchers: &'m [Matcher],
        place: impl Fn(&str) -> Span,
    ) -> impl Iterator<Item = Mistake> {
        let names: Vec<&str> = self.instances.alerts().collect();
        let own = OWN_ALERTS.map(|alert| alert.name);
        let asks = |m: &&'m Matcher| {
            m.name() == "alertname"
                && matches!(m.op(), MatchOp::Equal | MatchOp::Regex)
                && !m.matches("")
        };
        let is_there =
            |m: &Matcher| names.is_empty() || names.iter().chain(&own).any(|name| m.matches(name));
        let unknown = matchers.iter().filter(asks).filter(|m| !is_there(m));
        let mistakes = unknown.map(|m| {
            let message = format!("no alert is named `{}`", m.value());
            let mistake = Mistake::warning(Lint::UnknownAlert, place("alertname"), message);
            match nearest(m.value(), names.iter().chain(&own).copied()) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label("neither in this folder nor of the engine's own"),
            }
        });
        mistakes.collect::<Vec<_>>().into_iter()
    }
}

/// Labels that every instance of an alert has, and those that it is given.
fn own_labels(subject: &Subject<'_>) -> BTreeSet<String> {
    let given = subject.labels().into_iter().map(|(name, _)| name);
    let common = ["alertname", "severity"].into_iter().map(str::to_owned);
    given.chain(common).collect()
}

/// The labels that some matchers ask to be there.
fn asked(matchers: &[Matcher]) -> impl Iterator<Item = &str> {
    let there = matchers.iter().filter(|m| !m.matches(""));
    let names = there.map(Matcher::name);
    names.filter(|name| *name != METRIC_NAME && *name != "alertname")
}

/// What may be named, and what of it is there.
#[derive(Clone, Copy)]
struct Told<'a> {
    possible: &'a Produced,
    known: &'a Produced,
    extra: &'a BTreeSet<String>,
    whose: &'a str,
}

impl Told<'_> {
    fn label(&self, name: &str, place: Span) -> Option<Mistake> {
        let is_new = self.possible.can(name) && !self.known.can(name);
        (is_new && !self.extra.contains(name))
            .then(|| never_had(name, place, self.whose, self.known))
    }

    fn texts(&self, text: &ParsedText) -> Vec<Mistake> {
        let labels = text.places.iter().filter_map(|place| match &place.value {
            Part::Label(name) => self.label(name, place.span),
            _ => None,
        });
        labels.collect()
    }
}

fn never_had(name: &str, place: Span, whose: &str, known: &Produced) -> Mistake {
    let message = format!("{whose} has never had the label `{name}`");
    let mistake = Mistake::warning(Lint::UnknownLabel, place, message);
    let names: Vec<&str> = match known {
        Produced::Only(names) => names.iter().map(String::as_str).collect(),
        Produced::AllBut(_) => Vec::new(),
    };
    match (nearest(name, names.iter().copied()), names.is_empty()) {
        (Some(near), _) => mistake.label(format!("did you mean `{near}`?")),
        (None, true) => mistake.label("its series have no labels"),
        (None, false) => mistake.label(format!("it has {}", names.join(", "))),
    }
}
