//! Which rules, levels and `missing` policies tests made use of.

use std::collections::BTreeSet;

use bellwether_lang::rules::{Level, LevelRule, RuleSet, Sla};

use crate::effects::Tick;
use crate::replay::Replay;

/// What was in use, over any number of tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Names of alerts that were pending or fired, and of records that recorded.
    rules: BTreeSet<String>,
    /// Alerts and the levels they fired at.
    levels: BTreeSet<(String, Level)>,
    /// Alerts with an instance whose series vanished.
    missing: BTreeSet<String>,
}

/// How much of what there is was in use, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many were.
    pub covered: usize,
    /// How many there are.
    pub of: usize,
    /// Those that were not, by name.
    pub open: Vec<String>,
}

impl Coverage {
    /// Adds what another one has seen.
    pub fn join(&mut self, other: Coverage) {
        self.rules.extend(other.rules);
        self.levels.extend(other.levels);
        self.missing.extend(other.missing);
    }

    pub(super) fn take(&mut self, tick: &Tick) {
        for transition in &tick.transitions {
            if let Some(level) = transition.to {
                self.levels.insert((transition.rule.clone(), level));
            }
            if transition.kind == bellwether_model::notice::NoticeKind::Gone {
                self.missing.insert(transition.rule.clone());
            }
        }
    }

    pub(super) fn look_at(&mut self, replay: &Replay<'_>) {
        for (rule, is_missing) in replay.in_use() {
            if !self.rules.contains(rule) {
                self.rules.insert(rule.to_owned());
            }
            if is_missing && !self.missing.contains(rule) {
                self.missing.insert(rule.to_owned());
            }
        }
    }

    /// Rules that had something to say.
    pub fn rules(&self, set: &RuleSet) -> Share {
        let alerts = set.alerts.iter().map(|alert| alert.name.as_str());
        let records = set.records.iter().map(|record| record.metric.as_str());
        share(
            alerts.chain(records),
            |name| self.rules.contains(*name),
            str::to_owned,
        )
    }

    /// Levels that fired, of those that can.
    pub fn levels(&self, set: &RuleSet) -> Share {
        let mut all: Vec<(String, Level)> = Vec::new();
        for alert in &set.alerts {
            for line in &alert.levels {
                let key = (alert.name.clone(), line.level);
                if matches!(line.rule, LevelRule::When { .. }) && !all.contains(&key) {
                    all.push(key);
                }
            }
        }
        share(
            all.iter(),
            |key| self.levels.contains(key),
            |(name, level)| format!("{name} {level}"),
        )
    }

    /// Alerts whose series vanished at some time, so that their `missing` was in use. Those of objectives have none to be
    /// written.
    pub fn missing(&self, set: &RuleSet) -> Share {
        let names = |sla: &Sla| Sla::ALERTS.map(|kind| sla.alert_name(kind));
        let of_slas: BTreeSet<String> = set.slas.iter().flat_map(names).collect();
        let alerts = set.alerts.iter().map(|alert| alert.name.as_str());
        let alerts = alerts.filter(|name| !of_slas.contains(*name));
        share(alerts, |name| self.missing.contains(*name), str::to_owned)
    }
}

fn share<T>(
    all: impl Iterator<Item = T>,
    is_covered: impl Fn(&T) -> bool,
    name: impl Fn(T) -> String,
) -> Share {
    let mut share = Share::default();
    for one in all {
        share.of += 1;
        if is_covered(&one) {
            share.covered += 1;
        } else {
            share.open.push(name(one));
        }
    }
    share
}
