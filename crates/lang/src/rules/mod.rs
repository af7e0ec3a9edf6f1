//! The rule language: `*.rules` files, from text to checked rules.
//!
//! [`check`] takes the files of a folder and answers with the rules that are right and with every mistake, each
//! with its place, a caret and a proposal; [`check_raw`] takes their bytes. A mistake spoils its own item only; the order of files and of items
//! never matters.
//!
//! The way of a text through these files:
//!
//! - `folder`: the plan, and what only the folder as a whole can tell.
//! - `source`: the text, its lines, places in it.
//! - `lex`: physical lines to items and clauses; comments.
//! - `table`: every item and clause the language has, also those of later versions.
//! - `build`: heads and clauses of an item, read by the table.
//! - `scan`, `units`: the words of a clause: names, texts, numbers with units, durations.
//! - `brackets`: those that do not match.
//! - `clauses`, `level_line`, `address`: one parser for each clause; `template`: the inside of a text.
//! - `lets`: `$name`, resolved over the folder.
//! - `alerts`, `levels`, `texts`: the checks within one rule; `labels`, `records`: which labels can be there.
//! - `channels`: channels and routes.
//! - `types`: the result; `text` and `format`: rendering of texts; `print`: the result as text again.
//! - `diagnostic`, `message`, `near`: mistakes for people and for machines.
//!
//! Not here: what a rule does in time (`engine`), reading files (`disk`), whether a metric exists (`store`).

mod address;
mod alerts;
mod brackets;
mod build;
mod channels;
mod clauses;
mod diagnostic;
mod folder;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod labels;
mod lets;
mod level_line;
mod levels;
mod lex;
mod message;
mod near;
mod print;
mod records;
mod scan;
mod source;
mod table;
mod template;
mod text;
mod texts;
mod types;
mod units;

pub use diagnostic::{Diagnostic, Severity};
pub use folder::{Checked, check, check_raw};
pub use message::{render, to_github, to_json};
pub use source::{RawFile, SourceFile, in_expression};
pub use table::overview;
pub use text::{Text, TextContext};
pub use types::{
    Alert, Channel, ChannelKind, Condition, Level, LevelLine, LevelRule, Missing, Place, Record,
    Route, RuleSet,
};
