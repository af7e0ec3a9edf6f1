//! The engine's alerts about itself: what nobody wrote a rule for, and everybody must hear of.
//!
//! | alert | level | it fires while |
//! | --- | --- | --- |
//! | `RuleFailing{rule}` | error | two evaluations in a row have failed, until one succeeds |
//! | `RulesNotLoaded` | error | the rule folder has a mistake, so that older rules run, or none |
//! | `AlertsWithheld{rule}` | warning | the rule has more instances than its `max` |
//! | `EvaluationGap` | warning | for 15 minutes after a hole in evaluation too long to catch up on |
//! | `StateLost` | error | for 15 minutes after a start whose ledger was damaged: alerts began anew |
//! | `NotifyDeadLetter{channel}` | error | a notice could not be delivered, until the next one is |
//! | `NotificationFailing{channel}` | warning | a notice failed five times, until one is delivered |
//!
//! Their names are reserved: [`OWN_ALERTS`](bellwether_lang::rules::OWN_ALERTS) is the list that rules are checked by.
//! They are told like other alerts; those about a channel go to its fallback instead of to it.
//! Not here: when the conditions are true. Whoever knows calls [`Own::raise`] and [`Own::settle`].

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::rules::{Level, RuleSet};
use bellwether_model::notice::NoticeKind;
use bellwether_model::{DurationMs, Labels, TimestampMs};

use crate::effects::Tick;
use crate::instance::Episode;
use crate::series::{self, Shown};
use crate::state::{self, RowKey};
use crate::tell::{Telling, shown_labels, tell};

/// How often the series of these alerts are written.
pub(crate) const EVERY: DurationMs = DurationMs::from_secs(30);

/// How long an alert is shown that is about a moment, and so has nothing that could end it.
const MOMENT_SHOWN: DurationMs = DurationMs::from_mins(15);

/// The kinds of alert that the engine raises by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnKind {
    RuleFailing,
    RulesNotLoaded,
    AlertsWithheld,
    EvaluationGap,
    StateLost,
    NotifyDeadLetter,
    NotificationFailing,
}

impl OwnKind {
    const ALL: [OwnKind; 7] = [
        OwnKind::RuleFailing,
        OwnKind::RulesNotLoaded,
        OwnKind::AlertsWithheld,
        OwnKind::EvaluationGap,
        OwnKind::StateLost,
        OwnKind::NotifyDeadLetter,
        OwnKind::NotificationFailing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            OwnKind::RuleFailing => "RuleFailing",
            OwnKind::RulesNotLoaded => "RulesNotLoaded",
            OwnKind::AlertsWithheld => "AlertsWithheld",
            OwnKind::EvaluationGap => "EvaluationGap",
            OwnKind::StateLost => "StateLost",
            OwnKind::NotifyDeadLetter => "NotifyDeadLetter",
            OwnKind::NotificationFailing => "NotificationFailing",
        }
    }

    fn level(self) -> Level {
        match self {
            OwnKind::RuleFailing
            | OwnKind::RulesNotLoaded
            | OwnKind::StateLost
            | OwnKind::NotifyDeadLetter => Level::Error,
            OwnKind::AlertsWithheld | OwnKind::EvaluationGap | OwnKind::NotificationFailing => {
                Level::Warning
            }
        }
    }

    /// The label that tells several of one kind apart.
    fn subject(self) -> Option<&'static str> {
        match self {
            OwnKind::RuleFailing | OwnKind::AlertsWithheld => Some("rule"),
            OwnKind::NotifyDeadLetter | OwnKind::NotificationFailing => Some("channel"),
            OwnKind::RulesNotLoaded | OwnKind::EvaluationGap | OwnKind::StateLost => None,
        }
    }

    /// True when it is about a moment.
    fn passes(self) -> bool {
        matches!(self, OwnKind::EvaluationGap | OwnKind::StateLost)
    }

    fn identity(self, subject: &str) -> Labels {
        let mut pairs = vec![("alertname", self.name())];
        pairs.extend(self.subject().map(|name| (name, subject)));
        Labels::from_pairs(pairs)
    }

    fn of(identity: &Labels) -> Option<OwnKind> {
        let name = identity.get("alertname")?;
        OwnKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One alert about the engine that fires.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OwnAlert {
    pub(crate) episode: Episode,
    /// What is wrong, in a sentence.
    pub(crate) summary: String,
}

impl OwnAlert {
    pub(crate) fn annotations(&self) -> Vec<(String, String)> {
        vec![("summary".to_owned(), self.summary.clone())]
    }
}

/// All alerts about the engine that fire, by identity.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) alerts: BTreeMap<Labels, OwnAlert>,
    /// How many have ever begun.
    pub(crate) begun: u64,
}

impl Own {
    /// Makes the alert fire; when it fires already, only its text follows.
    pub(crate) fn raise(
        &mut self,
        kind: OwnKind,
        subject: &str,
        summary: String,
        now: TimestampMs,
        rules: &RuleSet,
        out: &mut Tick,
    ) {
        let identity = kind.identity(subject);
        if let Some(alert) = self.alerts.get_mut(&identity) {
            if alert.summary != summary {
                alert.summary = summary;
                out.instances
                    .push(state::own_change(&identity, Some(alert)));
            }
            return;
        }
        self.begun += 1;
        let begun = state::encode_counter(self.begun);
        out.instances.push(RowKey::OwnBegun.change(Some(begun)));
        let mut alert = OwnAlert {
            episode: Episode {
                active_at: now,
                fired_at: now,
                number: self.begun,
                level: kind.level(),
                level_since: now,
                told: BTreeSet::new(),
                sequence: 0,
            },
            summary,
        };
        announce(
            &identity,
            &mut alert,
            NoticeKind::Fire,
            now,
            None,
            rules,
            out,
        );
        out.instances
            .push(state::own_change(&identity, Some(&alert)));
        self.alerts.insert(identity, alert);
    }

    /// Ends the alert, if it fires.
    pub(crate) fn settle(
        &mut self,
        kind: OwnKind,
        subject: &str,
        reason: Option<&str>,
        now: TimestampMs,
        rules: &RuleSet,
        out: &mut Tick,
    ) {
        if self.alerts.is_empty() {
            return; // Most of the time, and asked at every evaluation.
        }
        self.end(&kind.identity(subject), reason, now, rules, out);
    }

    fn end(
        &mut self,
        identity: &Labels,
        reason: Option<&str>,
        now: TimestampMs,
        rules: &RuleSet,
        out: &mut Tick,
    ) {
        let Some(mut alert) = self.alerts.remove(identity) else {
            return;
        };
        let before = shown(&alert);
        announce(
            identity,
            &mut alert,
            NoticeKind::Resolve,
            now,
            reason,
            rules,
            out,
        );
        out.instances.push(state::own_change(identity, None));
        series::write(identity, false, before, Shown::Inactive, now, out);
    }

    /// Writes the series of all that fire, and ends what has been shown long enough.
    pub(crate) fn tick(&mut self, now: TimestampMs, rules: &RuleSet, out: &mut Tick) {
        let over: Vec<Labels> = self
            .alerts
            .iter()
            .filter(|(identity, alert)| {
                OwnKind::of(identity).is_some_and(OwnKind::passes)
                    && now.since(alert.episode.fired_at) >= MOMENT_SHOWN
            })
            .map(|(identity, _)| identity.clone())
            .collect();
        for identity in over {
            self.end(&identity, None, now, rules, out);
        }
        // Missed ticks that are being caught up on lie before what is only known now.
        let begun = self.alerts.iter();
        for (identity, alert) in begun.filter(|(_, alert)| alert.episode.fired_at <= now) {
            series::write(identity, false, Shown::Inactive, shown(alert), now, out);
        }
    }

    /// What lies in the future of a clock that was set back began now.
    pub(crate) fn set_clock_back(&mut self, now: TimestampMs, out: &mut Tick) {
        for (identity, alert) in &mut self.alerts {
            let episode = &mut alert.episode;
            if episode.fired_at > now {
                episode.active_at = now;
                episode.fired_at = now;
                episode.level_since = now;
                out.instances.push(state::own_change(identity, Some(alert)));
            }
        }
    }

    /// Ends what is about rules and channels that are no longer there.
    pub(crate) fn forget_absent(&mut self, now: TimestampMs, rules: &RuleSet, out: &mut Tick) {
        let is_there = |identity: &Labels| match OwnKind::of(identity) {
            Some(OwnKind::RuleFailing | OwnKind::AlertsWithheld) => {
                let rule = identity.get("rule").unwrap_or_default();
                rules.alerts.iter().any(|a| a.name == rule)
                    || rules.records.iter().any(|r| r.metric == rule)
                    || rules.slas.iter().any(|s| s.name == rule)
            }
            Some(OwnKind::NotifyDeadLetter | OwnKind::NotificationFailing) => {
                let channel = identity.get("channel").unwrap_or_default();
                channel == crate::tell::LOG || rules.channels.iter().any(|c| c.name == channel)
            }
            Some(OwnKind::RulesNotLoaded | OwnKind::EvaluationGap | OwnKind::StateLost) => true,
            None => false,
        };
        let absent: Vec<Labels> = self
            .alerts
            .keys()
            .filter(|i| !is_there(i))
            .cloned()
            .collect();
        for identity in absent {
            self.end(&identity, Some("removed from the rules"), now, rules, out);
        }
    }
}

fn shown(alert: &OwnAlert) -> Shown {
    Shown::Firing {
        level: alert.episode.level,
        active_at: alert.episode.active_at,
    }
}

fn announce(
    identity: &Labels,
    alert: &mut OwnAlert,
    kind: NoticeKind,
    now: TimestampMs,
    reason: Option<&str>,
    rules: &RuleSet,
    out: &mut Tick,
) {
    let telling = Telling {
        rule: identity.get("alertname").unwrap_or_default(),
        identity,
        labels: shown_labels(identity, alert.episode.level, false),
        kind,
        from: kind.ends().then_some(alert.episode.level),
        at: now,
        value: 1.0,
        threshold: None,
        annotations: alert.annotations(),
        reason,
        query_path: String::new(),
        broken: identity.get("channel"),
    };
    tell(rules, &telling, &mut alert.episode, out);
}

#[cfg(test)]
mod tests {
    use bellwether_lang::rules::OWN_ALERTS;

    use super::*;

    #[test]
    fn the_names_that_rules_may_not_take_are_the_engines() {
        let here = OwnKind::ALL.map(|kind| (kind.name(), kind.subject()));
        assert_eq!(here, OWN_ALERTS.map(|own| (own.name, own.subject)));
    }
}
