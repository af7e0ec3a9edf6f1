//! The alerts of an objective: `NAME:burn` and `NAME:breach`.
//!
//! They are ordinary alerts, added to the rule set before it is made ready to run; only where their evidence comes from differs. One
//! instance is a group and a period (of a `breach` over slices: a group), whatever line holds: an instance that first burns slowly and
//! then fast is one alert that got worse.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_lang::promql::ast::{Expr, ExprKind, Modifiers, Span, VectorSelector};
use bellwether_lang::rules::{
    Alert, Indicator, Level, LevelLine, LevelRule, Missing, RuleSet, Sla, Text,
};
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, Labels, METRIC_NAME, Matcher, limits};

use super::{
    BURN, BurnSeen, GroupSeen, PeriodSeen, RATIO, Seen, SliceSeen, burns_of, labels_of, rate,
};
use crate::instance::{LEVELS, Words, index};

/// Which alert of which objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlertOf {
    /// Of `rules.slas[i]`: the budget is spent too fast.
    Burn(usize),
    /// Of `rules.slas[i]`: what was promised is not kept.
    Breach(usize),
}

impl AlertOf {
    /// The objective's place in `rules.slas`.
    pub(crate) fn sla(self) -> usize {
        match self {
            AlertOf::Burn(i) | AlertOf::Breach(i) => i,
        }
    }
}

/// What an evaluation says about one instance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    /// The burn rate, the ratio, or what the newest slice compares.
    pub(crate) value: f64,
    /// Which levels it is bad enough for, lowest first.
    pub(crate) fires: [bool; LEVELS],
    /// What to tell people.
    pub(crate) words: Words,
}

/// The rules with the alerts of their objectives behind the others, and which alert is whose.
pub(crate) fn with_alerts(rules: Arc<RuleSet>) -> (Arc<RuleSet>, BTreeMap<usize, AlertOf>) {
    let mut of = BTreeMap::new();
    let mut alerts = Vec::new();
    for (i, sla) in rules.slas.iter().enumerate() {
        for (alert, kind) in [
            (burn_alert(sla), AlertOf::Burn(i)),
            (breach_alert(sla), AlertOf::Breach(i)),
        ] {
            if let Some(alert) = alert {
                of.insert(rules.alerts.len() + alerts.len(), kind);
                alerts.push(alert);
            }
        }
    }
    if alerts.is_empty() {
        return (rules, of);
    }
    let mut rules = Arc::unwrap_or_clone(rules);
    rules.alerts.append(&mut alerts);
    (Arc::new(rules), of)
}

fn burn_alert(sla: &Sla) -> Option<Alert> {
    let burns = sla.objectives.iter().flat_map(|of| burns_of(sla, of));
    let levels: Vec<Level> = burns.map(|burn| burn.level).collect();
    let summary = "the error budget burns faster than it may";
    let levels = levels.into_iter().map(|level| (level, DurationMs::ZERO));
    alert(sla, "burn", BURN, levels.collect(), summary)
}

fn breach_alert(sla: &Sla) -> Option<Alert> {
    let breach = sla.breach?;
    let summary = "what was promised is not kept";
    let levels = BTreeMap::from([(breach.level, breach.hold_for)]);
    alert(sla, "breach", RATIO, levels, summary)
}

fn alert(
    sla: &Sla,
    kind: &str,
    metric: &str,
    levels: BTreeMap<Level, DurationMs>,
    summary: &str,
) -> Option<Alert> {
    let line = |(level, hold_for)| LevelLine {
        level,
        rule: LevelRule::When {
            condition: None, // The evidence says which levels hold.
            hold_for,
            clear: None,
            keep: DurationMs::ZERO,
        },
        only: Vec::new(),
    };
    let levels: Vec<LevelLine> = levels.into_iter().map(line).collect();
    (!levels.is_empty()).then(|| Alert {
        name: sla.alert_name(kind),
        expr: about(metric, sla),
        levels,
        missing: Missing::Keep(DurationMs(limits::RULES_MISSING_KEEP.millis())),
        every: sla.every,
        delay: sla.delay,
        max: limits::RULES_INSTANCES_MAX.usize(),
        // Where the evidence says nothing.
        summary: Some(Text::literal(&format!("{}: {summary}", sla.name))),
        description: sla.description.clone(),
        runbook: sla.runbook.clone(),
        labels: sla.labels.clone(),
        notes: sla.notes.clone(),
        place: sla.place.clone(),
    })
}

/// The series to look at: they also make the alert run after its objective.
fn about(metric: &str, sla: &Sla) -> Expr {
    let selector = VectorSelector {
        name: Some(metric.to_owned()),
        matchers: vec![
            Matcher::equal(METRIC_NAME, metric),
            Matcher::equal("sla", &sla.name),
        ],
        at: Modifiers::default(),
        extended: None,
    };
    Expr {
        kind: ExprKind::Selector(selector),
        span: Span::default(),
    }
}

/// What people look at who look at an objective.
pub(crate) fn shown(sla: &Sla) -> Expr {
    about(RATIO, sla)
}

impl Seen {
    /// The evidence for one of the objective's alerts, by the labels of the instance.
    pub(crate) fn evidence(&self, sla: &Sla, alert: AlertOf) -> BTreeMap<Labels, Said> {
        let mut said = BTreeMap::new();
        for (group, seen) in &self.groups {
            let of_slices = matches!(sla.indicator, Indicator::Sliced { .. });
            if let (AlertOf::Breach(_), true) = (alert, of_slices) {
                let slice = seen.newest.as_ref();
                said.extend(slice.map(|slice| {
                    let labels = labels_of(sla, group, None).build();
                    (labels, bad_slice(sla, group, seen, slice))
                }));
                continue;
            }
            for period in &seen.periods {
                let labels = labels_of(sla, group, Some(period)).build();
                let evidence = match alert {
                    AlertOf::Burn(_) => burning(sla, group, period),
                    AlertOf::Breach(_) => broken(sla, group, period),
                };
                said.extend(evidence.map(|evidence| (labels, evidence)));
            }
        }
        said
    }
}

/// Whether the budget of a period is spent too fast; `None` when no line asks.
fn burning(sla: &Sla, group: &Labels, period: &PeriodSeen) -> Option<Said> {
    let mut fires = [false; LEVELS];
    // The worst line: the highest level of those that fire, of all others the nearest.
    let mut worst: Option<(bool, Level, f64, &BurnSeen)> = None;
    for burn in &period.burns {
        let factor = burn.line.factor(period.of.period);
        let slower = rate(burn.long, &period.of).min(rate(burn.short, &period.of));
        let enough = burn.long.total >= sla.events_min as f64;
        let is_on = enough && slower > factor;
        fires[index(burn.line.level)] |= is_on;
        let near = slower / factor;
        let level = if is_on { burn.line.level } else { Level::Info };
        if worst.is_none_or(|(on, highest, nearest, _)| {
            (is_on, level) > (on, highest) || (is_on, level) == (on, highest) && near > nearest
        }) {
            worst = Some((is_on, level, near, burn));
        }
    }
    let (_, _, _, burn) = worst?;
    let factor = burn.line.factor(period.of.period);
    let long = rate(burn.long, &period.of);
    let summary = format!(
        "{}: the error budget of {} burns at {}x over {} and {}x over {} (limit {}x); {}",
        name_of(sla, group),
        period.of.period,
        short(long),
        burn.line.long,
        short(rate(burn.short, &period.of)),
        burn.line.short(),
        short(factor),
        left(period),
    );
    Some(Said {
        value: long,
        fires,
        words: Words {
            summary,
            threshold: Some(factor),
        },
    })
}

/// Whether a period's ratio is below what was promised; `None` when the objective tells nobody.
fn broken(sla: &Sla, group: &Labels, period: &PeriodSeen) -> Option<Said> {
    let mut fires = [false; LEVELS];
    let promised = period.of.objective;
    fires[index(sla.breach?.level)] = !period.tally.is_met(promised);
    // Without events nothing is broken.
    let ratio = period.tally.ratio().unwrap_or(1.0);
    let summary = format!(
        "{}: {} good over {}, {} promised; {}",
        name_of(sla, group),
        percent(ratio),
        period.of.period,
        percent(promised.good()),
        left(period),
    );
    Some(Said {
        value: ratio,
        fires,
        words: Words {
            summary,
            threshold: Some(promised.good()),
        },
    })
}

/// What the newest slice says.
fn bad_slice(sla: &Sla, group: &Labels, seen: &GroupSeen, slice: &SliceSeen) -> Said {
    let mut fires = [false; LEVELS];
    if let Some(breach) = sla.breach {
        fires[index(breach.level)] = slice.is_bad;
    }
    let compared = slice.current.as_ref();
    let compared = compared.and_then(|current| Some((current.value?, current)));
    let said = match (slice.is_bad, compared) {
        (true, Some((value, current))) => format!(
            "the newest slice is bad: {}, and not {} {}",
            short(value),
            current.op,
            short(current.threshold)
        ),
        (true, None) => "the newest slice is bad".to_owned(),
        (false, _) => "the newest slice is good".to_owned(),
    };
    let budgets: Vec<String> = seen
        .periods
        .iter()
        .map(|period| format!("{} ({})", left(period), period.of.period))
        .collect();
    Said {
        value: compared.map_or(if slice.is_bad { 0.0 } else { 1.0 }, |(value, _)| value),
        fires,
        words: Words {
            summary: format!("{}: {said}; {}", name_of(sla, group), budgets.join(", ")),
            threshold: compared.map(|(_, current)| current.threshold),
        },
    }
}

fn name_of(sla: &Sla, group: &Labels) -> String {
    if group.is_empty() {
        return sla.name.clone();
    }
    format!("{}{group}", sla.name)
}

fn left(period: &PeriodSeen) -> String {
    let left = period.tally.remaining(period.of.objective);
    if left < 0.0 {
        return format!("the budget is spent {} times over", short(1.0 - left));
    }
    format!("{} of the budget left", percent(left))
}

/// For people: about four digits.
fn short(value: f64) -> String {
    let digits = if value.abs() < 1000.0 { 100.0 } else { 1.0 };
    format_value((value * digits).round() / digits)
}

/// Ratios near 1 are what this is about: 99.995 % must not read as 100 %.
fn percent(ratio: f64) -> String {
    format!("{}%", format_value((ratio * 1e6).round() / 1e4))
}
