//! The rule language: `*.rules` files, from text to checked rules.
//!
//! [`check`] takes the files of a folder and answers with the rules that are right and with every mistake, each
//! with its place, a caret and a proposal; [`check_raw`] takes their bytes. A mistake spoils its own item only; the order of files and of items
//! never matters.
//!
//! The way of a text through these files:
//!
//! - `folder`: the plan, and what only the folder as a whole can tell; `names`: names of items; `reserved`: those it may not have.
//! - `source`: the text, its lines, places in it.
//! - `lex`: physical lines to items and clauses; comments.
//! - `items`, `table`: every item and clause the language has, also those of later versions.
//! - `build`: heads and clauses of an item, read by the table.
//! - `scan`, `units`: the words of a clause: names, texts, numbers with units, durations.
//! - `brackets`: those that do not match.
//! - `clauses`: one parser for each clause, into a `clause`; `template`: the inside of a text.
//! - `lets`: `$name`, resolved over the folder; `graph`: what uses what, and circles.
//! - `alerts`, `levels`, `texts`: the checks within one rule; `labels`, `reads`, `records`, `instances`: which labels can be there.
//! - `slas`, `windows`, `channels`, `routes`, `testing`: the checks of the other items.
//! - `types`: the result; `text` and `format`: rendering of texts; `print`: the result as text again.
//! - `sheet`: a file as it is written: the formatter, and the JSON form.
//! - `lint`: warnings with names, the comments that silence them, rules against a store.
//! - `diagnostic`, `message`, `near`, `advice`: mistakes for people and for machines.
//!
//! Not here: what a rule does in time (`engine`), reading files (`disk`), whether a metric exists (`store`).

mod advice;
mod alerts;
mod brackets;
mod build;
mod channels;
mod clause;
mod clauses;
mod diagnostic;
mod folder;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod graph;
mod instances;
mod items;
mod labels;
mod lets;
mod levels;
mod lex;
mod lint;
mod message;
mod names;
mod near;
mod print;
mod reads;
mod records;
mod reserved;
mod routes;
mod scan;
mod sheet;
mod slas;
mod source;
mod table;
mod template;
mod testing;
mod text;
mod texts;
mod types;
mod units;
mod windows;

pub use diagnostic::{Diagnostic, Severity};
pub use folder::{Checked, check, check_raw, check_raw_against};
pub use labels::{Produced, Recorded, produced};
pub use lint::{Lint, MetricFacts, MetricKind, StoreFacts};
pub use message::{render, to_github, to_json};
pub use reserved::{ENGINE_SERIES, OWN_ALERTS, OwnAlert};
pub use sheet::{JsonError, decode, format, from_rules_json, to_rules_json, unknown_in_json};
pub use source::{RawFile, SourceFile, in_expression};
pub use table::overview;
pub use text::{Text, TextContext};
pub use types::{
    Alert, Breach, Burn, CalendarUnit, Cause, Channel, ChannelKind, Condition, Counted, Counter,
    Counters, DateSpan, DayTimes, Digest, Escalation, ExpectedInstance, ExpectedSample,
    ExpectedState, GroupBy, Indicator, InstanceName, Level, LevelLine, LevelRule, Load, Missing,
    MonthDay, Mute, Objective, Period, Place, Record, Route, Routes, RuleSet, Share, Sign, Sla,
    SlaObjective, SlackAddress, Slice, Step, StepKind, Test, TestSeries, Window, WindowSpan,
    Within,
};
