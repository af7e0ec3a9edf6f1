//! What the folder's own recording rules tell about the labels of the metrics they write.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::{METRIC_NAME, Matcher, limits};

use super::alerts::Subject;
use super::build::{Draft, Entry};
use super::clause::Clause;
use super::diagnostic::Mistake;
use super::graph::{circles, in_order};
use super::labels::Produced;
use super::lint::StoreFacts;
use super::reads::{metric, selectors};
use super::reserved::SLA_SERIES;
use super::table::Kind;

/// The records and objectives that read each other in a circle, by their place in `drafts`; a mistake at the first of
/// each circle, with its file. Read is what a matcher on the metric's name takes, as the engine orders rules.
pub(super) fn circles_of_rules(
    drafts: &[Draft],
    mistakes: &mut Vec<(usize, Mistake)>,
) -> BTreeSet<usize> {
    let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate().filter(|(_, d)| !d.spoiled) {
        match draft.kind {
            Kind::Record => writers.entry(&draft.name.value).or_default().push(at),
            Kind::Sla => {
                for metric in SLA_SERIES {
                    writers.entry(metric).or_default().push(at);
                }
            }
            _ => {}
        }
    }
    let uses: Vec<Vec<usize>> = drafts
        .iter()
        .map(|d| read_from(d, drafts, &writers))
        .collect();
    let mut members = BTreeSet::new();
    for circle in circles(&uses, &in_order(&uses)) {
        let name = |at: &usize| drafts[*at].name.value.as_str();
        let names: Vec<&str> = circle.iter().chain(circle.first()).map(name).collect();
        let first = &drafts[circle[0]];
        let mistake = Mistake::error(
            first.name.span,
            format!("`{}` reads itself", first.name.value),
        );
        let mistake = mistake.label(names.join(" -> ")).help(
            "rules that read what others record run after them; in a circle there is no such order",
        );
        mistakes.push((first.file, mistake));
        members.extend(circle);
    }
    members
}

/// Which of the writers a draft reads, by their place; nothing when nobody reads it.
fn read_from(draft: &Draft, drafts: &[Draft], writers: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
    if draft.spoiled || !matches!(draft.kind, Kind::Record | Kind::Sla) {
        return Vec::new();
    }
    let mut read = Vec::new();
    for Entry { clause, .. } in &draft.clauses {
        match clause {
            Clause::Expr(expr) | Clause::Ok(expr) => selectors(expr, &mut read),
            Clause::Good(counters) | Clause::Bad(counters) | Clause::Total(counters) => {
                read.extend(counters.0.iter().map(|counter| &counter.selector));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for selector in read {
        let of_name = |m: &&Matcher| m.name() == METRIC_NAME;
        if !selector.matchers.iter().any(|m| of_name(&m)) {
            continue;
        }
        let takes = |name: &str| {
            selector
                .matchers
                .iter()
                .filter(of_name)
                .all(|m| m.matches(name))
        };
        let written = match metric(selector) {
            Some(name) if !takes(name) => Vec::new(),
            Some(name) => writers.get(name).into_iter().flatten().collect(),
            None => {
                let taken = writers.iter().filter(|(name, _)| takes(name));
                taken.flat_map(|(_, writers)| writers).collect()
            }
        };
        // A selector that names an objective reads no other one.
        let is_read = |at: &usize| {
            let mut of_sla = selector.matchers.iter().filter(|m| m.name() == "sla");
            drafts[*at].kind == Kind::Record || of_sla.all(|m| m.matches(&drafts[*at].name.value))
        };
        found.extend(written.into_iter().filter(|at| is_read(at)).copied());
    }
    found
}

/// What the folder's records produce, worked out when asked.
pub(super) struct Records<'d, 'f> {
    by_metric: BTreeMap<&'d str, Vec<&'d Draft>>,
    defaults_of: &'f dyn Fn(&Draft) -> &'d [Entry],
    /// What a store has seen of the metrics that the folder does not record.
    facts: Option<&'f StoreFacts>,
    /// `None`: being worked out.
    known: RefCell<BTreeMap<String, Option<Produced>>>,
}

impl<'d, 'f> Records<'d, 'f> {
    pub(super) fn new(
        drafts: &'d [Draft],
        defaults_of: &'f dyn Fn(&Draft) -> &'d [Entry],
    ) -> Records<'d, 'f> {
        let mut by_metric: BTreeMap<&str, Vec<&Draft>> = BTreeMap::new();
        for draft in drafts.iter().filter(|d| d.kind == Kind::Record) {
            by_metric.entry(&draft.name.value).or_default().push(draft);
        }
        Records {
            by_metric,
            defaults_of,
            facts: None,
            known: RefCell::default(),
        }
    }

    /// The same, and of the metrics that the folder does not record it is known what a store has seen.
    pub(super) fn over(self, facts: &'f StoreFacts) -> Records<'d, 'f> {
        Records {
            facts: Some(facts),
            ..self
        }
    }

    /// The labels of a recorded metric; `None` when nothing is known: it is not recorded here, one of its records
    /// has a mistake, or records read each other in a circle or a long chain.
    pub(super) fn produced(&self, metric: &str) -> Option<Produced> {
        let Some(drafts) = self.by_metric.get(metric) else {
            return self.facts?.labels(metric);
        };
        if let Some(known) = self.known.borrow().get(metric) {
            return known.clone();
        }
        // Each record on the way has an entry without an answer; a long way is not worth a deep stack.
        let deep = self.known.borrow().values().filter(|k| k.is_none()).count()
            > limits::QUERY_DEPTH_MAX.usize();
        if deep {
            return None;
        }
        self.known.borrow_mut().insert(metric.to_owned(), None);
        let mut all: Option<Produced> = Some(Produced::none());
        for draft in drafts {
            let subject = Subject::new(draft, (self.defaults_of)(draft));
            let found = if draft.spoiled {
                None
            } else {
                subject.produced(&|name| self.produced(name))
            };
            all = all.zip(found).map(|(all, found)| all.union(found));
        }
        self.known
            .borrow_mut()
            .insert(metric.to_owned(), all.clone());
        all
    }
}
