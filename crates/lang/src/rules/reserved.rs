//! Names that the engine uses itself. A rule with one of them would write into the engine's series, or its alerts would
//! be taken for the engine's.
//!
//! The one list of them. Not here: what these alerts mean and when they fire (`engine`, whose tests hold its own list
//! against this one).

use super::build::Draft;
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::labels::Produced;
use super::table::Kind;

/// An alert that the engine raises about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAlert {
    /// Its `alertname`.
    pub name: &'static str,
    /// The label that tells several of one name apart.
    pub subject: Option<&'static str>,
}

/// All alerts that the engine raises about itself.
pub const OWN_ALERTS: [OwnAlert; 7] = [
    own("RuleFailing", Some("rule")),
    own("RulesNotLoaded", None),
    own("AlertsWithheld", Some("rule")),
    own("EvaluationGap", None),
    own("StateLost", None),
    own("NotifyDeadLetter", Some("channel")),
    own("NotificationFailing", Some("channel")),
];

/// Metrics that the engine writes; a store may not have them yet.
pub const ENGINE_SERIES: [&str; 6] = [
    "ALERTS",
    "ALERTS_FOR_STATE",
    "alert:level",
    "sla:ratio",
    "sla:budget_remaining:ratio",
    "sla:burn:ratio",
];

/// Those of them that objectives write.
pub(super) const SLA_SERIES: [&str; 3] =
    ["sla:ratio", "sla:budget_remaining:ratio", "sla:burn:ratio"];

const fn own(name: &'static str, subject: Option<&'static str>) -> OwnAlert {
    OwnAlert { name, subject }
}

impl OwnAlert {
    /// The one of this name.
    pub fn named(name: &str) -> Option<OwnAlert> {
        OWN_ALERTS.into_iter().find(|alert| alert.name == name)
    }

    /// Its labels.
    pub(super) fn labels(self) -> Produced {
        let names = ["alertname", "severity"].into_iter().chain(self.subject);
        Produced::Only(names.map(str::to_owned).collect())
    }
}

impl Folder<'_> {
    /// Spoils every item that has a name of the engine's.
    pub(super) fn reserved(&mut self, drafts: &mut [Draft]) {
        for draft in drafts {
            if let Some(mistake) = reserved(draft) {
                self.mistakes.push((draft.file, mistake));
                draft.spoiled = true;
            }
        }
    }
}

fn reserved(draft: &Draft) -> Option<Mistake> {
    let name = draft.name.value.as_str();
    let (whose, help) = match draft.kind {
        Kind::Alert | Kind::Sla if OwnAlert::named(name).is_some() => (
            "an alert of the engine itself",
            "it needs no rule; a route picks it by its name: `match {alertname=\"...\"}`",
        ),
        Kind::Record if ENGINE_SERIES.contains(&name) => (
            "written by the engine itself",
            "under another name, such as `job:errors:rate5m`, both can be read",
        ),
        _ => return None,
    };
    let mistake = Mistake::error(draft.name.span, format!("`{name}` is {whose}"));
    Some(mistake.label("choose another name").help(help))
}
