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
use super::types::Sla;

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
            let of_alerts = match draft.kind {
                Kind::Alert => {
                    let labels = subject.produced(recorded);
                    let labels = labels.unwrap_or_else(Produced::anything);
                    vec![(draft.name.value.clone(), labels)]
                }
                Kind::Sla => of_sla(&subject),
                _ => continue,
            };
            for (name, labels) in of_alerts {
                let labels = COMMON.iter().fold(labels, |labels, name| labels.with(name));
                by_name.entry(name).or_insert(labels);
            }
        }
        Instances { by_name }
    }

    /// The labels of one alert; `None` when there is no such alert.
    pub(super) fn of(&self, alert: &str) -> Option<&Produced> {
        self.by_name.get(alert)
    }

    /// The alerts of an objective; empty when there is no such objective, or it has none.
    pub(super) fn of_objective(&self, sla: &str) -> Vec<String> {
        let names = Sla::ALERTS.iter().map(|kind| format!("{sla}:{kind}"));
        names
            .filter(|name| self.by_name.contains_key(name))
            .collect()
    }

    /// A warning for each label that no alert of the folder has, unless there is no alert at all.
    pub(super) fn nowhere<'a>(
        &self,
        labels: impl IntoIterator<Item = &'a Placed<String>>,
    ) -> Vec<Mistake> {
        if self.by_name.is_empty() {
            return Vec::new();
        }
        let missing = labels.into_iter().filter(|label| !self.has(&label.value));
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

    /// True when an alert of the folder, or one of the engine's own, can have this label; or there is no alert at all.
    pub(super) fn has(&self, label: &str) -> bool {
        let mut of_alerts = self.by_name.values();
        self.by_name.is_empty() || OWN.contains(&label) || of_alerts.any(|labels| labels.can(label))
    }

    /// The names of the folder's alerts, those of objectives among them.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Labels that alerts are known to have.
    pub(super) fn known(&self) -> BTreeSet<&str> {
        let listed = self.by_name.values().filter_map(|labels| match labels {
            Produced::Only(names) => Some(names),
            Produced::AllBut(_) => None,
        });
        listed.flatten().map(String::as_str).collect()
    }
}

/// The alerts of an objective. Their labels: those of `by`, those it is given, and its own.
fn of_sla(subject: &Subject<'_>) -> Vec<(String, Produced)> {
    let (mut by, mut is_sliced, mut breaches, mut burns) = (&[][..], false, false, true);
    for entry in &subject.draft.clauses {
        match &entry.clause {
            Clause::By(labels) => by = labels,
            Clause::Ok(_) => is_sliced = true,
            Clause::Breach(_) => breaches = true,
            Clause::Burn(None) => burns = false,
            _ => {}
        }
    }
    let by = by.iter().map(|label: &Placed<String>| label.value.clone());
    let given = subject.labels().into_iter().map(|(name, _)| name);
    let labels: BTreeSet<String> = by.chain(given).chain(["sla".to_owned()]).collect();
    let [burn, breach] = Sla::ALERTS.map(|kind| format!("{}:{kind}", subject.draft.name.value));
    let of_period = Produced::Only(labels.clone()).with("period");
    // A slice lies in all periods.
    let of_breach = if is_sliced {
        Produced::Only(labels)
    } else {
        of_period.clone()
    };
    let alerts = [(burns, burn, of_period), (breaches, breach, of_breach)];
    let alerts = alerts.into_iter().filter(|(is_there, ..)| *is_there);
    alerts.map(|(_, name, labels)| (name, labels)).collect()
}
