//! A rule file as its author wrote it: items, clauses, lines, comments, empty lines.
//!
//! Here nothing has a meaning yet: `$name` is not expanded, `5%` is not 0.05. So the formatter ([`format`]) and the
//! JSON form ([`to_rules_json`], [`from_rules_json`]) change the look of a file and nothing else.
//!
//! - `read`: a text becomes a sheet; comments find what they belong to.
//! - `layout`: a sheet becomes text, in the one canonical form; `words`: the inside of a line.
//! - `json`: a sheet becomes JSON, and back.
//!
//! A file that the lexer refuses (a text that is not UTF-8, a control character, clauses that don't line up) has no
//! sheet. Tabs in the indentation are forgiven: the canonical form has none.

mod json;
mod layout;
mod read;
mod words;

use super::diagnostic::{Diagnostic, Mistake, Severity};
use super::source::{Lines, RawFile, SourceFile};

pub use json::JsonError;

/// A file as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sheet {
    items: Vec<Item>,
    /// Comments behind the last item.
    end: Vec<Comment>,
}

/// An item: its first line, and what is indented below.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    /// `alert`, `let`, ...; may be a word that the language does not have.
    head: Clause,
    clauses: Vec<Clause>,
    /// Indented comments behind the last clause.
    end: Vec<Comment>,
}

/// A clause, or the first line of an item: a word and the lines behind it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Clause {
    word: String,
    /// The first is what stands behind the word, maybe nothing.
    lines: Vec<Line>,
}

/// A line of a clause.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    /// Comments on lines of their own above it.
    above: Vec<Comment>,
    /// An empty line stands between it and what is above.
    gap: bool,
    /// Columns before the text.
    indent: usize,
    /// Without blanks at its ends; as it is when it goes on with a text between backticks.
    text: String,
    /// Goes on with a text between backticks.
    inside_text: bool,
    /// A comment behind the text, with its `#`.
    comment: Option<String>,
}

/// A comment on a line of its own, with its `#`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Comment {
    /// An empty line stands above it.
    gap: bool,
    text: String,
}

/// The text of a file, as far as it is one, and why nothing in it can be read.
pub fn decode(file: &RawFile) -> (SourceFile, Option<Diagnostic>) {
    let (file, refusal) = file.decode();
    let reason = refusal.map(|mistake| Lines::new(&file.text).diagnostic(&file.path, mistake));
    (file, reason)
}

/// The file in the canonical form, or why it cannot be read. Formatting what was formatted changes nothing.
pub fn format(file: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    Ok(layout::text(&sheet(file)?))
}

/// The file as JSON: the same in another notation, comments and all. [`from_rules_json`] turns it into the canonical form.
pub fn to_rules_json(file: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    Ok(json::write(&layout::canonical(&sheet(file)?)))
}

/// A rule file in the canonical form from its JSON form. What it says is not checked.
pub fn from_rules_json(text: &str) -> Result<String, JsonError> {
    Ok(layout::text(&json::read(text)?))
}

/// The items and clauses of a JSON form that the language does not have, each with its path. The form carries them all
/// the same, so that a file with a slip survives the way there and back.
pub fn unknown_in_json(text: &str) -> Result<Vec<String>, JsonError> {
    json::unknown(text)
}

fn sheet(file: &SourceFile) -> Result<Sheet, Vec<Diagnostic>> {
    let refuse = |mistakes: Vec<Mistake>| {
        let lines = Lines::new(&file.text);
        let errors = mistakes
            .into_iter()
            .filter(|m| m.severity == Severity::Error);
        errors
            .map(|mistake| lines.diagnostic(&file.path, mistake))
            .collect()
    };
    match file.refusal() {
        Some(mistake) => Err(refuse(vec![mistake])),
        None => read::read(&file.text).map_err(refuse),
    }
}

#[cfg(test)]
mod tests;
