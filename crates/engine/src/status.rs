//! What the engine knows about its rules and alerts, for `/api/v1/rules`, `/api/v1/alerts` and the page.
//!
//! A copy: whoever holds it holds no lock. Texts are rendered when it is made. A group is a rule file, as the
//! API has groups; the engine's own alerts stand in a group of their own.
//!
//! Not here: JSON, and how long evaluations took (`server` measures).

use std::collections::BTreeMap;
use std::path::Path;

use bellwether_lang::rules::{Alert, Level, LevelRule, Text, TextContext};
use bellwether_model::{DurationMs, Labels, TimestampMs};

use crate::alerts::{render_all, threshold};
#[cfg(doc)]
use crate::engine::Evaluating;
use crate::engine::{Engine, RuleState};
use crate::instance::{Instance, Phase, Policy};
use crate::order::Node;
use crate::own::{self, OwnAlert};
use crate::plan::{Step, sets_severity};
use crate::tell::shown_labels;

/// The group of the engine's own alerts.
pub const OWN_GROUP: &str = "bellwether";

/// Everything, sorted by group, then as the rules stand in their file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The groups, sorted by file; the engine's own group comes last.
    pub groups: Vec<GroupStatus>,
}

impl Status {
    /// Every alert that is pending or firing.
    pub fn alerts(&self) -> impl Iterator<Item = &AlertStatus> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        rules.flat_map(|rule| match &rule.kind {
            RuleKind::Alerting { alerts, .. } => alerts.as_slice(),
            RuleKind::Recording => &[],
        })
    }
}

/// The rules of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStatus {
    /// The file's name without its ending.
    pub name: String,
    /// The file's path as it was given; empty for the engine's own group.
    pub file: String,
    /// The shortest interval among the rules.
    pub interval: DurationMs,
    /// The newest evaluation among the rules.
    pub last_evaluation: Option<TimestampMs>,
    /// The rules.
    pub rules: Vec<RuleStatus>,
}

/// How a rule's evaluation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not evaluated yet.
    Unknown,
    /// The last evaluation succeeded.
    Ok,
    /// The last evaluation failed.
    Err,
}

impl Health {
    /// As the API writes it.
    pub fn text(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Ok => "ok",
            Health::Err => "err",
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleStatus {
    /// The alert's name, the metric recorded, or the objective's name.
    pub name: String,
    /// Tells it apart from all others, as [`Evaluating::rule`] does.
    pub key: String,
    /// The expression.
    pub query: String,
    /// The labels that the rule sets, as written, sorted by name.
    pub labels: Vec<(String, String)>,
    /// How its evaluation goes.
    pub health: Health,
    /// Why the last evaluation failed.
    pub last_error: Option<String>,
    /// The last evaluation, whatever came of it.
    pub last_evaluation: Option<TimestampMs>,
    /// The last evaluation that succeeded; older than `last_evaluation` while the state is frozen.
    pub last_success: Option<TimestampMs>,
    /// Slots that passed without an evaluation.
    pub skipped: u64,
    /// Results that the rule's `max` keeps from becoming alerts.
    pub withheld: u64,
    /// What kind of rule, and what only this kind has.
    pub kind: RuleKind,
}

/// The kinds of rule.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// A recording rule, or an objective, which records its series.
    Recording,
    /// An alert.
    Alerting {
        /// The shortest `for` among its levels: the soonest it can fire.
        hold_for: DurationMs,
        /// The longest `keep` among its levels.
        keep: DurationMs,
        /// Its texts as written, by name.
        annotations: Vec<(String, String)>,
        /// The worst state among its alerts.
        state: AlertState,
        /// Its pending and firing instances, sorted by labels.
        alerts: Vec<AlertStatus>,
    },
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Nothing is wrong.
    Inactive,
    /// A condition is true, but not yet for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl AlertState {
    /// As the API writes it.
    pub fn text(self) -> &'static str {
        match self {
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// One alert that is pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertStatus {
    /// Identity and severity.
    pub labels: Labels,
    /// Rendered texts by name.
    pub annotations: Vec<(String, String)>,
    /// Pending or firing.
    pub state: AlertState,
    /// The level it fires at, or is on its way to.
    pub level: Level,
    /// Since when a condition has been true.
    pub active_at: TimestampMs,
    /// Since when it fires.
    pub fired_at: Option<TimestampMs>,
    /// Since when what raised it to its level has been true, once it has fired.
    pub level_since: Option<TimestampMs>,
    /// Since when its clearing has been true, while `keep` runs.
    pub clearing_since: Option<TimestampMs>,
    /// Since when its series has been missing.
    pub missing_since: Option<TimestampMs>,
    /// The last value seen.
    pub value: f64,
    /// The last evaluation that succeeded, when later ones failed: the state is that old.
    pub stale_since: Option<TimestampMs>,
}

impl Engine {
    /// What the engine knows. `now` is the time for which texts are rendered.
    pub fn status(&self, now: TimestampMs) -> Status {
        let rules = &self.plan.rules;
        let mut groups: BTreeMap<&str, Vec<(_, &Step)>> = BTreeMap::new();
        for step in &self.plan.steps {
            let place = match step.node {
                Node::Record(i) => &rules.records[i].place,
                Node::Sla(i) => &rules.slas[i].place,
                Node::Alert(i) => &rules.alerts[i].place,
            };
            let order = (place.line, place.column);
            groups.entry(&place.file).or_default().push((order, step));
        }
        let mut status = Status::default();
        for (file, mut steps) in groups {
            steps.sort_by_key(|(order, _)| *order);
            let steps: Vec<&Step> = steps.into_iter().map(|(_, step)| step).collect();
            status.groups.push(self.group(file, &steps, now));
        }
        status.groups.push(self.own_group());
        status
    }

    fn group(&self, file: &str, steps: &[&Step], now: TimestampMs) -> GroupStatus {
        let rules: Vec<RuleStatus> = steps.iter().map(|step| self.rule(step, now)).collect();
        let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
        GroupStatus {
            name: stem.unwrap_or(file).to_owned(),
            file: file.to_owned(),
            interval: steps.iter().map(|s| s.every).min().unwrap_or_default(),
            last_evaluation: rules.iter().filter_map(|r| r.last_evaluation).max(),
            rules,
        }
    }

    fn rule(&self, step: &Step, now: TimestampMs) -> RuleStatus {
        let blank = RuleState::default();
        let state = self.states.get(&step.key).unwrap_or(&blank);
        let evaluation = &state.evaluation;
        let rules = &self.plan.rules;
        let (labels, kind) = match step.node {
            Node::Record(i) => (&rules.records[i].labels, RuleKind::Recording),
            Node::Sla(i) => (&rules.slas[i].labels, RuleKind::Recording),
            Node::Alert(i) => {
                let alert = &rules.alerts[i];
                (&alert.labels, alerting(alert, state, now))
            }
        };
        let mut labels: Vec<(String, String)> = labels
            .iter()
            .map(|(name, text)| (name.clone(), text.source()))
            .collect();
        labels.sort();
        RuleStatus {
            name: step.node.name(rules).to_owned(),
            key: step.key.clone(),
            query: step.query.clone(),
            labels,
            health: match (&evaluation.error, evaluation.attempted) {
                (Some(_), _) => Health::Err,
                (None, Some(_)) => Health::Ok,
                (None, None) => Health::Unknown,
            },
            last_error: evaluation.error.clone(),
            last_evaluation: evaluation.attempted,
            last_success: evaluation.succeeded,
            skipped: evaluation.skipped,
            withheld: evaluation.withheld,
            kind,
        }
    }

    /// The engine's own alerts, one rule for each name that fires.
    fn own_group(&self) -> GroupStatus {
        let mut by_name: BTreeMap<&str, Vec<AlertStatus>> = BTreeMap::new();
        for (identity, alert) in &self.own.alerts {
            let name = identity.get("alertname").unwrap_or_default();
            let alerts = by_name.entry(name).or_default();
            alerts.push(own_status(identity, alert));
        }
        let rules = by_name.into_iter().map(|(name, alerts)| RuleStatus {
            name: name.to_owned(),
            key: String::new(),
            query: String::new(),
            labels: Vec::new(),
            health: Health::Ok,
            last_error: None,
            last_evaluation: None,
            last_success: None,
            skipped: 0,
            withheld: 0,
            kind: RuleKind::Alerting {
                hold_for: DurationMs::ZERO,
                keep: DurationMs::ZERO,
                annotations: Vec::new(),
                state: AlertState::Firing,
                alerts,
            },
        });
        GroupStatus {
            name: OWN_GROUP.to_owned(),
            file: String::new(),
            interval: own::EVERY,
            last_evaluation: None,
            rules: rules.collect(),
        }
    }
}

fn alerting(alert: &Alert, state: &RuleState, now: TimestampMs) -> RuleKind {
    let times = |pick: fn(&LevelRule) -> Option<DurationMs>| {
        alert.levels.iter().filter_map(move |line| pick(&line.rule))
    };
    let hold_for = times(|rule| match rule {
        LevelRule::When { hold_for, .. } => Some(*hold_for),
        LevelRule::Never => None,
    });
    let keep = times(|rule| match rule {
        LevelRule::When { keep, .. } => Some(*keep),
        LevelRule::Never => None,
    });
    let named = |name: &str, text: Option<String>| Some((name.to_owned(), text?));
    let annotations = named("summary", alert.summary.as_ref().map(Text::source))
        .into_iter()
        .chain(named(
            "description",
            alert.description.as_ref().map(Text::source),
        ))
        .chain(named("runbook_url", alert.runbook.clone()))
        .chain(alert.notes.iter().map(|(n, t)| (n.clone(), t.source())));
    let mut alerts: Vec<AlertStatus> = state
        .instances
        .iter()
        .filter_map(|(result, instance)| alert_status(alert, state, result, instance, now))
        .collect();
    alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
    RuleKind::Alerting {
        hold_for: hold_for.min().unwrap_or_default(),
        keep: keep.max().unwrap_or_default(),
        annotations: annotations.collect(),
        state: alerts
            .iter()
            .map(|a| a.state)
            .max()
            .unwrap_or(AlertState::Inactive),
        alerts,
    }
}

fn alert_status(
    alert: &Alert,
    state: &RuleState,
    result: &Labels,
    instance: &Instance,
    now: TimestampMs,
) -> Option<AlertStatus> {
    let level = instance.level()?;
    let (alert_state, active_at, episode) = match &instance.phase {
        Phase::Inactive => return None,
        Phase::Pending { active_at, .. } => (AlertState::Pending, *active_at, None),
        Phase::Firing(episode) => (AlertState::Firing, episode.active_at, Some(episode)),
    };
    let labels = shown_labels(&instance.identity, level, sets_severity(alert));
    let words = instance.words.as_ref();
    let context = TextContext {
        labels: &labels,
        value: instance.value,
        threshold: threshold(&Policy::of(alert, result), level, words),
        level: Some(level),
        since: Some(now.since(active_at).max(DurationMs::ZERO)),
    };
    let annotations = render_all(alert, words, &context);
    let evaluation = &state.evaluation;
    Some(AlertStatus {
        annotations,
        labels,
        state: alert_state,
        level,
        active_at,
        fired_at: episode.map(|episode| episode.fired_at),
        level_since: episode.map(|episode| episode.level_since),
        clearing_since: instance.clearing_since(),
        missing_since: instance.missing_since(),
        value: instance.value,
        stale_since: evaluation.succeeded.filter(|_| evaluation.failures > 0),
    })
}

fn own_status(identity: &Labels, alert: &OwnAlert) -> AlertStatus {
    AlertStatus {
        labels: shown_labels(identity, alert.episode.level, false),
        annotations: alert.annotations(),
        state: AlertState::Firing,
        level: alert.episode.level,
        active_at: alert.episode.active_at,
        fired_at: Some(alert.episode.fired_at),
        level_since: Some(alert.episode.level_since),
        clearing_since: None,
        missing_since: None,
        value: 1.0,
        stale_since: None,
    }
}
