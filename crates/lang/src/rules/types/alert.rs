//! Alerts: a value, its levels, what a gap means.

use std::fmt;

use bellwether_model::{DurationMs, Matcher};

use super::Place;
use crate::promql::ast::{BinaryOp, Expr};
use crate::rules::text::Text;

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
