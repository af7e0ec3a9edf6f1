//! The rule language: `*.rules` files, from text to checked rules.
//!
//! [`check`] takes the files of a folder and answers with the rules that are right and with every mistake, each
//! with its place, a caret and a proposal. A mistake spoils its own item only; the order of files and of items
//! never matters.
//!
//! The way of a text through these files:
//!
//! - `source`: the text, its lines, places in it.
//! - `lex`: physical lines to items and clauses; comments.
//! - `table`: every item and clause the language has, also those of later versions.
//! - `scan`: the words of a clause: names, numbers with units, durations, texts.
//! - `clauses`: one parser for each clause.
//! - `lets`: `$name`, resolved over the folder.
//! - `build`: clauses to items, with the `defaults` of their file.
//! - `labels`: which labels an expression can produce.
//! - `levels`, `alerts`, `folder`: the checks, within one alert and across the folder.
//! - [`types`](RuleSet): the result; `print`: the result as text again.
//! - [`message`](render): mistakes for people and for machines.
//!
//! Not here: what a rule does in time (`engine`), reading files (`disk`), whether a metric exists (`store`).

mod diagnostic;
mod format;
mod source;
mod text;
mod types;

pub use diagnostic::{Diagnostic, Severity};
pub use source::SourceFile;
pub use text::{Text, TextContext};
pub use types::{
    Alert, Channel, ChannelKind, Condition, Level, LevelLine, LevelRule, Missing, Place, Record,
    Route, RuleSet,
};
