//! What a checked rule folder means, in types that cannot be wrong.
//!
//! Everything is resolved: `$name` is expanded, `defaults` are applied, defaults of the language are
//! filled in from `model::limits`. Whoever holds a [`RuleSet`] checks nothing again.
//!
//! Not here: how it is read (`lex.rs`, `clauses.rs`), what is refused (`check.rs`), what it does in time (`engine`).

use std::fmt;

use bellwether_model::{DurationMs, Matcher};

use super::text::Text;
use crate::promql::ast::{BinaryOp, Expr};

/// Every rule of a folder, each list sorted by (file, place in it).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Recording rules; no two have the same metric and the same labels.
    pub records: Vec<Record>,
    /// Alerts; names are unique.
    pub alerts: Vec<Alert>,
    /// Channels; names are unique. The channel `log` exists also when it is not listed here.
    pub channels: Vec<Channel>,
    /// Routes; names are unique, every target exists.
    pub routes: Vec<Route>,
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

/// `alert NAME`: a value, its levels, what a gap means, what to tell people.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Unique in the folder; the label `alertname`.
    pub name: String,
    /// A vector or a scalar.
    pub expr: Expr,
    /// The level lines in the order written, at least one.
    pub levels: Vec<LevelLine>,
    /// What a vanished series means; the default is resolved.
    pub missing: Missing,
    /// Distance of two evaluations, at least one second.
    pub every: DurationMs,
    /// How far the evaluation looks back, so that late data can arrive; not negative.
    pub delay: DurationMs,
    /// Most instances at a time, at least 1.
    pub max: usize,
    /// One line for people.
    pub summary: Option<Text>,
    /// What it means and what to do.
    pub description: Option<Text>,
    /// Where the instructions are.
    pub runbook: Option<String>,
    /// Labels added to the instance's, names unique, those of `defaults` first. Their texts use labels of the
    /// result only, never its value, so that they do not change an instance's identity from tick to tick.
    /// Never `alertname` or `__name__`; `severity` replaces the level's word.
    pub labels: Vec<(String, Text)>,
    /// Annotations beside summary, description and runbook, names unique.
    pub notes: Vec<(String, Text)>,
    /// Where it stands.
    pub place: Place,
}

/// One level line of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelLine {
    /// The level it raises to.
    pub level: Level,
    /// When it holds.
    pub rule: LevelRule,
    /// `where {..}`: the series this line is for, by the labels of the result (before the alert's own labels are
    /// added). Empty: all. The first line of a level whose matchers match is the one that counts.
    pub only: Vec<Matcher>,
}

/// When a level holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LevelRule {
    /// `never`: switched off for the series of this line.
    Never,
    /// A condition, and how long it takes in and out.
    When {
        /// The firing condition on the value; `None`: being in the result is the condition.
        condition: Option<Condition>,
        /// True at every evaluation for this long before the level is reached; 0 is at once.
        hold_for: DurationMs,
        /// Once reached, stay until this holds; `None`: until the firing condition is false.
        /// Never true together with `condition`.
        clear: Option<Condition>,
        /// The clearing must hold this long; 0 is at once.
        keep: DurationMs,
    },
}

/// A comparison of the value with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// A comparison: `== != > >= < <=`.
    pub op: BinaryOp,
    /// Finite, units applied.
    pub number: f64,
}

impl Condition {
    /// True when `value op number`. NaN satisfies only `!=`, as in PromQL; callers treat NaN as missing before.
    pub fn holds(&self, value: f64) -> bool {
        match self.op {
            BinaryOp::Eq => value == self.number,
            BinaryOp::Ne => value != self.number,
            BinaryOp::Gt => value > self.number,
            BinaryOp::Ge => value >= self.number,
            BinaryOp::Lt => value < self.number,
            BinaryOp::Le => value <= self.number,
            // The parser makes conditions of comparisons only.
            _ => false,
        }
    }
}

/// How bad it is. Ordered; the numbers are those of the series `alert:level` (0 is "no level").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Good to know.
    Info = 1,
    /// Look at it today.
    Warning,
    /// Something is broken.
    Error,
    /// Someone has to act now.
    Critical,
    /// Everyone has to act now.
    Emergency,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Level; 5] = [
        Level::Info,
        Level::Warning,
        Level::Error,
        Level::Critical,
        Level::Emergency,
    ];

    /// The word of the rule language, also the label `severity`.
    pub fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Emergency => "emergency",
        }
    }

    /// The level of a word, lower case only.
    pub fn from_word(word: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.word() == word)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a vanished series means for its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The instance ends, told as "gone".
    Clear,
    /// The level is held this long, then the instance ends.
    Keep(DurationMs),
    /// The absence is the alert.
    Raise {
        /// The level it raises to.
        level: Level,
        /// After being away this long.
        after: DurationMs,
    },
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

/// `channel NAME`: where a message goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Unique in the folder.
    pub name: String,
    /// How it is sent.
    pub kind: ChannelKind,
    /// How long a notice is tried before the fallback; `None`: `notify.max_age`.
    pub retry: Option<DurationMs>,
    /// The channel that takes over; exists, and no chain of fallbacks is a circle.
    pub fallback: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// The kinds of channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// The server's own log.
    Log,
    /// HTTP POST of Alertmanager's JSON.
    Webhook {
        /// `http` or `https`, with a host, without user and password.
        url: String,
        /// The name of the secret sent as `Authorization: Bearer`.
        bearer: Option<String>,
    },
}

/// `route NAME`: who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Unique in the folder.
    pub name: String,
    /// On the labels of the instance; empty: every instance.
    pub matchers: Vec<Matcher>,
    /// Names of channels, at least one, no name twice; each exists or is the built-in `log`.
    pub to: Vec<String>,
    /// Where it stands.
    pub place: Place,
}
