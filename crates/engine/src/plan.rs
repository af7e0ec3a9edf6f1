//! A rule set made ready to run: order, slots, keys, and what it writes.
//!
//! Made once per load, never changed. Not here: state (`engine.rs`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_lang::promql::ast::Expr;
use bellwether_lang::rules::{Alert, Record, RuleSet};
use bellwether_model::{DurationMs, TimestampMs};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::order::{self, Circle, Node};
use crate::overlay::Written;
use crate::own;
use crate::share::Sharing;
use crate::sla::live::{self, AlertOf};
use crate::slots::{Schedule, Slots, Spread, phase};

/// A rule set ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Those that were loaded, and the alerts of their objectives.
    pub(crate) rules: Arc<RuleSet>,
    /// Which alerts of `rules` are an objective's.
    pub(crate) alerts_of: BTreeMap<usize, AlertOf>,
    /// Every rule, in an order in which they may be evaluated.
    pub(crate) steps: Vec<Step>,
    /// When anything is due.
    pub(crate) schedule: Schedule,
    /// What several rules ask for: evaluated once a tick.
    pub(crate) sharing: Sharing,
    /// The series the rules write.
    pub(crate) written: Written,
    /// When the alerts about the engine write their series.
    pub(crate) own_slots: Slots,
}

/// One rule ready to run.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its place among the steps.
    place: usize,
    /// Which rule.
    pub(crate) node: Node,
    /// Names its state across reloads and restarts.
    pub(crate) key: String,
    pub(crate) slots: Slots,
    pub(crate) every: DurationMs,
    pub(crate) delay: DurationMs,
    /// True when it asks for the absence of something.
    pub(crate) about_absence: bool,
    /// The expression, as the printer writes it; of an objective the series to look at.
    pub(crate) query: String,
}

impl Plan {
    pub(crate) fn new(rules: Arc<RuleSet>, spread: Spread) -> Result<Plan, Circle> {
        let (rules, alerts_of) = live::with_alerts(rules);
        let order = order::order(&rules)?;
        let steps: Vec<Step> = order
            .into_iter()
            .enumerate()
            .map(|(i, (node, component))| Step::new(&rules, i, node, phase(&component, spread)))
            .collect();
        let own_slots = Slots::new(DurationMs::ZERO, own::EVERY);
        let schedule = Schedule::new(steps.iter().map(|step| step.slots).chain([own_slots]));
        let written = Written::by(&rules);
        let asked: Vec<_> = steps
            .iter()
            .map(|step| (step.node.expr(&rules), (step.slots, step.delay)))
            .collect();
        let sharing = Sharing::of(&asked);
        Ok(Plan {
            rules,
            alerts_of,
            steps,
            schedule,
            sharing,
            written,
            own_slots,
        })
    }
}

impl Plan {
    /// The expression of a step that reads shared parts, and which.
    pub(crate) fn shared(&self, step: &Step) -> Option<(&Expr, &[usize])> {
        let (expr, parts) = self.sharing.rules.get(step.place)?.as_ref()?;
        Some((expr, parts))
    }
}

impl Step {
    fn new(rules: &RuleSet, place: usize, node: Node, phase: DurationMs) -> Step {
        let (key, every, delay) = match node {
            Node::Record(i) => {
                let r = &rules.records[i];
                (record_key(r), r.every, r.delay)
            }
            Node::Sla(i) => {
                let s = &rules.slas[i];
                (sla_key(&s.name), s.every, s.delay)
            }
            Node::Alert(i) => {
                let a = &rules.alerts[i];
                (alert_key(&a.name), a.every, a.delay)
            }
        };
        let expr = node.expr(rules);
        Step {
            place,
            node,
            key,
            slots: Slots::new(phase, every),
            every,
            delay,
            about_absence: expr.is_some_and(order::asks_for_absence),
            query: match node {
                Node::Sla(i) => live::shown(&rules.slas[i]).to_string(),
                Node::Record(_) | Node::Alert(_) => expr.map(Expr::to_string).unwrap_or_default(),
            },
        }
    }

    /// The time whose data an evaluation at `now` sees, and at which its samples are written.
    pub(crate) fn data_time(&self, now: TimestampMs) -> TimestampMs {
        now.minus(self.delay)
    }

    /// Path and query string of the page that shows the expression.
    pub(crate) fn query_path(&self) -> String {
        let expr = utf8_percent_encode(&self.query, NON_ALPHANUMERIC);
        format!("/graph?g0.expr={expr}&g0.tab=1")
    }
}

/// The key of an alert's state: its name is unique, so that its expression may change under it.
pub(crate) fn alert_key(name: &str) -> String {
    format!("alert {name}")
}

/// The name in an alert's key; `None` for that of another rule.
pub(crate) fn alert_of_key(key: &str) -> Option<&str> {
    key.strip_prefix("alert ")
}

/// The key of an objective's state.
pub(crate) fn sla_key(name: &str) -> String {
    format!("sla {name}")
}

/// The key of a recording rule's state. Several may write one metric with different labels.
fn record_key(record: &Record) -> String {
    let mut key = format!("record {}", record.metric);
    for (name, text) in &record.labels {
        // Writing to a String cannot fail.
        let _ = write!(key, " {name}={text}");
    }
    key
}

/// True when the rule itself sets the label `severity`.
pub(crate) fn sets_severity(alert: &Alert) -> bool {
    alert.labels.iter().any(|(name, _)| name == "severity")
}
