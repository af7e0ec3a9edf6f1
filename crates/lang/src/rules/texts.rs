//! Which labels the texts and `where` clauses of a rule may name.

use std::collections::BTreeSet;

use bellwether_model::Matcher;

use super::alerts::{Subject, has_condition};
use super::clause::{Clause, LevelClause};
use super::diagnostic::{Mistake, Severity};
use super::labels::{self, Produced, Recorded};
use super::lint::Lint;
use super::near::nearest;
use super::template::ParsedText;
use super::text::Part;
use crate::promql::ast::{Expr, Span};

/// What a text may name beside labels.
const PLACES: [&str; 4] = ["value", "threshold", "level", "since"];

/// Every label that texts and `where` name has to be possible.
pub(super) fn check_texts(
    subject: &Subject<'_>,
    expr: &Expr,
    recorded: Recorded<'_>,
    lines: &[&LevelClause],
    mistakes: &mut Vec<Mistake>,
) {
    let result = labels::produced(expr, recorded);
    let own: BTreeSet<String> = subject.labels().into_iter().map(|(name, _)| name).collect();
    let of_result = Texts::new(expr, result.clone(), BTreeSet::new());
    let mut of_instance = Texts::new(expr, result, own);
    of_instance
        .extra
        .extend(["alertname".to_owned(), "severity".to_owned()]);
    let has_threshold = lines.iter().any(|line| has_condition(line));
    for entry in &subject.draft.clauses {
        match &entry.clause {
            Clause::Label(_, text) => mistakes.extend(of_result.impossible(text, "alert")),
            Clause::Summary(text) | Clause::Description(text) | Clause::Note(_, text) => {
                mistakes.extend(of_instance.impossible(text, "alert"));
                if !has_threshold && !subject.draft.spoiled {
                    mistakes.extend(no_threshold(text));
                }
            }
            Clause::Level(line) => {
                mistakes.extend(of_result.impossible_matchers(&line.line.only, line.only));
            }
            _ => {}
        }
    }
}

fn no_threshold(text: &ParsedText) -> Option<Mistake> {
    let place = text
        .places
        .iter()
        .find(|p| matches!(p.value, Part::Threshold(_)))?;
    Some(
        Mistake::error(place.span, "`{threshold}` is always empty")
            .label("no level of this alert has a number"),
    )
}

/// What texts may name.
pub(super) struct Texts {
    produced: Produced,
    /// Labels beside those of the result.
    extra: BTreeSet<String>,
    /// Labels for proposals.
    known: BTreeSet<String>,
}

impl Texts {
    pub(super) fn new(expr: &Expr, produced: Produced, extra: BTreeSet<String>) -> Texts {
        let mut known = BTreeSet::new();
        match &produced {
            Produced::Only(names) => known.extend(names.iter().cloned()),
            Produced::AllBut(_) => {
                labels::mentioned(expr, &mut known);
                known.retain(|name| produced.can(name));
                known.extend(
                    ["instance", "job"]
                        .into_iter()
                        .filter(|n| produced.can(n))
                        .map(str::to_owned),
                );
            }
        }
        Texts::knowing(produced, extra, known)
    }

    /// For instances whose labels are these and no others.
    pub(super) fn only(names: &BTreeSet<String>, extra: BTreeSet<String>) -> Texts {
        Texts::knowing(Produced::Only(names.clone()), extra, names.clone())
    }

    fn knowing(produced: Produced, extra: BTreeSet<String>, mut known: BTreeSet<String>) -> Texts {
        known.extend(extra.iter().cloned());
        Texts {
            produced,
            extra,
            known,
        }
    }

    /// The labels of a text that cannot be there.
    pub(super) fn impossible(&self, text: &ParsedText, kind: &str) -> Vec<Mistake> {
        let labels = text.places.iter().filter_map(|place| match &place.value {
            Part::Label(name) => self.check(name, place.span, &format!("`{{{name}}}`"), kind),
            _ => None,
        });
        labels.collect()
    }

    fn impossible_matchers(&self, matchers: &[Matcher], span: Option<Span>) -> Vec<Mistake> {
        let names = matchers
            .iter()
            .map(Matcher::name)
            .filter(|name| *name != "__name__");
        let Some(span) = span else { return Vec::new() };
        names
            .filter_map(|name| self.check(name, span, &format!("`{name}`"), "alert"))
            .filter(|mistake| mistake.severity == Severity::Error)
            .collect()
    }

    fn check(&self, name: &str, span: Span, shown: &str, kind: &str) -> Option<Mistake> {
        if self.extra.contains(name) {
            return None;
        }
        let near = nearest(name, self.known.iter().map(String::as_str));
        if self.produced.can(name) {
            // Any label is possible here; still, a slip of a long name that the expression has is worth a word.
            let near = near.filter(|near| {
                name.len() >= 6
                    && near.chars().next() == name.chars().next()
                    && !self.known.contains(name)
            })?;
            return Some(
                Mistake::warning(Lint::Slip, span, format!("{shown} may be a slip"))
                    .label(format!("did you mean `{near}`?")),
            );
        }
        let names: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let mut label = match (&self.produced, names.is_empty()) {
            (Produced::Only(_), true) => format!("the result of this {kind} has no labels"),
            (Produced::Only(_), false) => format!("labels here: {}", names.join(", ")),
            (Produced::AllBut(_), _) => "the expression takes this label away".to_owned(),
        };
        let near = near.or_else(|| nearest(name, PLACES).filter(|_| shown.starts_with("`{")));
        if let Some(near) = near {
            label = format!("{label}   (did you mean `{near}`?)");
        }
        Some(Mistake::error(span, format!("{shown} is not a label of this {kind}")).label(label))
    }
}
