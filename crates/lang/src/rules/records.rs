//! What the folder's own recording rules tell about the labels of the metrics they write.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::limits;

use super::alerts::Subject;
use super::build::{Draft, Entry};
use super::diagnostic::Mistake;
use super::graph::{circles, in_order};
use super::labels::Produced;
use super::lint::StoreFacts;
use super::reads::metrics;
use super::table::Kind;

/// The records that read each other in a circle, by their place in `drafts`; a mistake at the first of each circle, with
/// its file. Only metrics that are named count.
pub(super) fn circles_of_records(
    drafts: &[Draft],
    mistakes: &mut Vec<(usize, Mistake)>,
) -> BTreeSet<usize> {
    let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let is_record = |draft: &Draft| draft.kind == Kind::Record && !draft.spoiled;
    for (at, draft) in drafts.iter().enumerate().filter(|(_, d)| is_record(d)) {
        writers.entry(&draft.name.value).or_default().push(at);
    }
    let uses: Vec<Vec<usize>> = drafts
        .iter()
        .map(|draft| {
            let expr = Subject::new(draft, &[]).expr().filter(|_| is_record(draft));
            let read = expr.into_iter().flat_map(metrics);
            read.filter_map(|metric| writers.get(metric))
                .flatten()
                .copied()
                .collect()
        })
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
