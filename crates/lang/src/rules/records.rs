//! What the folder's own recording rules tell about the labels of the metrics they write.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bellwether_model::limits;

use super::alerts::Subject;
use super::build::{Draft, Entry};
use super::labels::Produced;
use super::table::Kind;

/// What the folder's records produce, worked out when asked.
pub(super) struct Records<'d, 'f> {
    by_metric: BTreeMap<&'d str, Vec<&'d Draft>>,
    defaults_of: &'f dyn Fn(&Draft) -> &'d [Entry],
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
            known: RefCell::default(),
        }
    }

    /// The labels of a recorded metric; `None` when nothing is known: it is not recorded here, one of its records
    /// has a mistake, or records read each other in a circle or a long chain.
    pub(super) fn produced(&self, metric: &str) -> Option<Produced> {
        let drafts = self.by_metric.get(metric)?;
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
