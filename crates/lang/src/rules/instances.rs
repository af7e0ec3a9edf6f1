//! Which labels the instances of each alert and objective of the folder can have.
//!
//! For items that pick instances by their labels: routes, mutes, tests. Like `labels`, it errs on one side only.

use std::collections::{BTreeMap, BTreeSet};

use super::alerts::Subject;
use super::build::{Draft, Entry};
use super::clause::Clause;
use super::diagnostic::Mistake;
use super::labels::{Produced, Recorded};
use super::lint::Lint;
use super::near::nearest;
use super::scan::Placed;
use super::table::Kind;

/// Labels that every instance has.
const COMMON: [&str; 2] = ["alertname", "severity"];
/// Labels of what the server says about itself.
const OWN: [&str; 4] = ["rule", "channel", "instance", "job"];

/// The labels of each alert and objective by its name.
pub(super) struct Instances {
    by_name: BTreeMap<String, Produced>,
}

impl Instances {
    pub(super) fn new<'d>(
        drafts: &'d [Draft],
        defaults_of: &dyn Fn(&Draft) -> &'d [Entry],
        recorded: Recorded<'_>,
    ) -> Instances {
        let mut by_name = BTreeMap::new();
        for draft in drafts {
            let subject = Subject::new(draft, defaults_of(draft));
            let labels = match draft.kind {
                Kind::Alert => subject
                    .produced(recorded)
                    .unwrap_or_else(Produced::anything),
                Kind::Sla => of_sla(&subject),
                _ => continue,
            };
            let labels = COMMON.iter().fold(labels, |labels, name| labels.with(name));
            by_name.entry(draft.name.value.clone()).or_insert(labels);
        }
        Instances { by_name }
    }

    /// The labels of one alert; `None` when there is no such alert.
    pub(super) fn of(&self, alert: &str) -> Option<&Produced> {
        self.by_name.get(alert)
    }

    /// A warning for each label that no alert of the folder has, unless there is no alert at all.
    pub(super) fn nowhere<'a>(
        &self,
        labels: impl IntoIterator<Item = &'a Placed<String>>,
    ) -> Vec<Mistake> {
        if self.by_name.is_empty() {
            return Vec::new();
        }
        let has = |name: &str| OWN.contains(&name) || self.by_name.values().any(|l| l.can(name));
        let missing = labels.into_iter().filter(|label| !has(&label.value));
        missing
            .map(|label| {
                let message = format!("no alert of this folder has the label `{}`", label.value);
                let mistake = Mistake::warning(Lint::LabelNowhere, label.span, message);
                let known = self.known();
                match nearest(&label.value, known.iter().copied()) {
                    Some(near) => mistake.label(format!("did you mean `{near}`?")),
                    None => mistake.label(format!(
                        "labels here: {}",
                        known.into_iter().take(8).collect::<Vec<_>>().join(", ")
                    )),
                }
            })
            .collect()
    }

    fn known(&self) -> BTreeSet<&str> {
        let listed = self.by_name.values().filter_map(|labels| match labels {
            Produced::Only(names) => Some(names),
            Produced::AllBut(_) => None,
        });
        listed.flatten().map(String::as_str).collect()
    }
}

/// Those of `by`, those it is given, and its own.
fn of_sla(subject: &Subject<'_>) -> Produced {
    let by = subject
        .draft
        .clauses
        .iter()
        .find_map(|entry| match &entry.clause {
            Clause::By(labels) => Some(labels.as_slice()),
            _ => None,
        });
    let by = by
        .unwrap_or_default()
        .iter()
        .map(|label| label.value.clone());
    let given = subject.labels().into_iter().map(|(name, _)| name);
    let own = ["sla", "period"].map(str::to_owned);
    Produced::Only(by.chain(given).chain(own).collect())
}
