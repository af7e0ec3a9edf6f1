//! What a checked rule folder means, in types that cannot be wrong.
//!
//! Everything is resolved: `$name` is expanded, `defaults` are applied, defaults of the language are
//! filled in from `model::limits`, routes have what they inherit. Whoever holds a [`RuleSet`] checks nothing again.
//!
//! One file for each kind of item: `alert`, `sla`, `window`, `mute`, `route`, `channel`, `test`; here the folder
//! and recording rules.
//!
//! Not here: how it is read (`clauses`), what is refused (`checks`), what it does in time (`engine`).

mod alert;
mod channel;
mod mute;
mod route;
mod sla;
mod test;
mod window;

use std::collections::BTreeSet;
use std::fmt;

use bellwether_model::DurationMs;

pub use alert::{Alert, Condition, Level, LevelLine, LevelRule, Missing};
pub use channel::{Channel, ChannelKind, SlackAddress};
pub use mute::{Cause, Mute};
pub use route::{Digest, Escalation, GroupBy, Route, Routes};
pub use sla::{
    Breach, Burn, CalendarUnit, Counted, Counter, Counters, Indicator, Objective, Period, Share,
    Sign, Sla, SlaObjective, Slice,
};
pub use test::{
    ExpectedInstance, ExpectedSample, ExpectedState, InstanceName, Load, Step, StepKind, Test,
    TestSeries,
};
pub use window::{DateSpan, DayTimes, MonthDay, Span as WindowSpan, Window, Within};

use super::reads;
use super::text::Text;
use crate::promql::ast::Expr;

/// Every rule of a folder, each list sorted by (file, place in it).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Recording rules; no two have the same metric and the same labels.
    pub records: Vec<Record>,
    /// Alerts; no alert or objective has the name of another.
    pub alerts: Vec<Alert>,
    /// Objectives; no alert or objective has the name of another.
    pub slas: Vec<Sla>,
    /// Windows; names are unique.
    pub windows: Vec<Window>,
    /// Mutes; names are unique, every window exists.
    pub mutes: Vec<Mute>,
    /// Channels; names are unique. The channel `log` exists also when it is not listed here.
    pub channels: Vec<Channel>,
    /// Routes, as a tree; names are unique, every target exists.
    pub routes: Routes,
    /// Tests; names are unique, every alert, channel and `$name` in them exists.
    pub tests: Vec<Test>,
}

impl RuleSet {
    /// The metrics that alerts, records and objectives name.
    pub fn metrics_read(&self) -> BTreeSet<String> {
        let alerts = self.alerts.iter().map(|alert| &alert.expr);
        let records = self.records.iter().map(|record| &record.expr);
        let slices = self.slas.iter().filter_map(|sla| match &sla.indicator {
            Indicator::Sliced { ok, .. } => Some(ok),
            Indicator::Counted { .. } => None,
        });
        let counters = self.slas.iter().flat_map(|sla| match &sla.indicator {
            Indicator::Sliced { .. } => Vec::new(),
            Indicator::Counted { events, total, .. } => vec![events, total],
        });
        let counters = counters.flat_map(|counters| &counters.0);
        let counters = counters.filter_map(|counter| reads::metric(&counter.selector));
        let exprs = alerts.chain(records).chain(slices);
        let named = exprs.flat_map(reads::metrics).chain(counters);
        named.map(str::to_owned).collect()
    }
}

/// Where a rule stands, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's path, as it was given.
    pub file: String,
    /// Line of the rule's name, from 1.
    pub line: u32,
    /// Column of the rule's name, from 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// `record METRIC`: a recording rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// A valid metric name.
    pub metric: String,
    /// A vector or a scalar.
    pub expr: Expr,
    /// Distance of two evaluations, at least one second.
    pub every: DurationMs,
    /// How far the evaluation looks back; the samples written are shifted too. Not negative.
    pub delay: DurationMs,
    /// Most series of one evaluation, at least 1.
    pub max: usize,
    /// Labels set on every result, names unique; texts use labels of the result only.
    pub labels: Vec<(String, Text)>,
    /// Where it stands.
    pub place: Place,
}
