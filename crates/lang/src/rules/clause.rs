//! What a clause says once it is read, with the places that later checks point at.
//!
//! Not here: how each is read (`clauses`), whether it makes sense beside the others (`checks` and its like).

use bellwether_model::{DurationMs, Labels, Matcher, TimestampMs};

use super::scan::Placed;
use super::template::ParsedText;
use super::types::{
    Breach, Burn, ChannelKind, Counters, DateSpan, Digest, ExpectedState, LevelLine, Load, Missing,
    SlaObjective, Slice, WindowSpan,
};
use crate::promql::ast::{Expr, Span};

/// A clause that was read.
#[derive(Clone, Debug)]
pub(super) enum Clause {
    // Alerts and records.
    Expr(Expr),
    Level(LevelClause),
    Missing(Missing),
    Every(DurationMs),
    Delay(DurationMs),
    Max(usize),
    Summary(ParsedText),
    Description(ParsedText),
    Runbook(String),
    Label(Placed<String>, ParsedText),
    Note(Placed<String>, ParsedText),
    // Objectives.
    Objective(Placed<SlaObjective>),
    Good(Counters),
    Bad(Counters),
    Total(Counters),
    Ok(Expr),
    Slice(DurationMs),
    SliceMissing(Slice),
    Breach(Breach),
    By(Vec<Placed<String>>),
    /// `None`: `burn none`.
    Burn(Option<Burn>),
    Min(u64),
    Exclude(Vec<Placed<String>>),
    // Windows.
    Span(WindowSpan),
    Except(DateSpan),
    // Mutes and routes.
    Match(Vec<Matcher>),
    During(Vec<Placed<String>>),
    Outside(Vec<Placed<String>>),
    Until(TimestampMs),
    While(Vec<Matcher>, Vec<Placed<String>>),
    Reason(String),
    To(Vec<Placed<String>>),
    Then(Placed<DurationMs>, Vec<Placed<String>>),
    Group(GroupClause),
    Wait(DurationMs),
    Batch(DurationMs),
    Repeat(DurationMs),
    Limit(Digest),
    Continue,
    // Channels.
    Sender(ChannelKind),
    Retry(DurationMs),
    Fallback(Placed<String>),
    // Tests.
    Start(TimestampMs),
    Load(Load),
    Step(DurationMs, StepClause),
}

/// A level line and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct LevelClause {
    pub(super) line: LevelLine,
    /// The level's word.
    pub(super) word: Span,
    /// The comparison and its number.
    pub(super) condition: Option<Span>,
    /// The time after `for`.
    pub(super) hold_for: Option<Span>,
    /// The comparison and its number after `clear`.
    pub(super) clear: Option<Span>,
    /// The matchers after `where`.
    pub(super) only: Option<Span>,
    /// A part of it could not be read: nothing is known of when it holds.
    pub(super) is_broken: bool,
}

/// `group by ...`
#[derive(Clone, Debug)]
pub(super) enum GroupClause {
    Labels(Vec<Placed<String>>),
    All,
}

/// A line below `eval`.
#[derive(Clone, Debug)]
pub(super) struct SampleLine {
    pub(super) labels: Labels,
    /// `__name__=""` is written: there is no metric's name.
    pub(super) is_nameless: bool,
    pub(super) value: f64,
    pub(super) span: Span,
}

/// What a test asks or does at a time.
#[derive(Clone, Debug)]
pub(super) enum StepClause {
    Eval(Expr, Vec<SampleLine>),
    At(Vec<InstanceLine>),
    Notify {
        channel: Placed<String>,
        resolved: bool,
        instance: InstanceClause,
    },
    Silent(Placed<String>),
    Ack(InstanceClause),
}

/// A line below `at`.
#[derive(Clone, Debug)]
pub(super) struct InstanceLine {
    pub(super) state: ExpectedState,
    pub(super) instance: InstanceClause,
    pub(super) summary: Option<String>,
}

/// `ALERT{label="value", ...}`
#[derive(Clone, Debug)]
pub(super) struct InstanceClause {
    pub(super) alert: Placed<String>,
    pub(super) labels: Vec<(String, String)>,
    /// The braces, or the name where there are none.
    pub(super) labels_span: Span,
}
