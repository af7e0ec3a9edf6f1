//! What an import says: why a file is refused, and what of it is not carried over as it was.
//!
//! A file that its own system would refuse is refused here too, and then nothing is written. What the rule language
//! cannot say is [`Kind::Lost`]: it was left out, and the finding says what that means. What is there in another form
//! that someone should look at is [`Kind::Changed`]. Nothing is dropped without one of the two.

use std::fmt;

use crate::yaml::Place;

/// Most characters of a foreign text that a message repeats.
const SHOWN_MAX: usize = 60;

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file is not what it claims to be: nothing is written.
    Refused,
    /// Left out of what is written.
    Lost,
    /// Written in another form, with another name, or as plain text.
    Changed,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Refused => "refused",
            Kind::Lost => "lost",
            Kind::Changed => "changed",
        })
    }
}

/// One thing to know, at its place in the file that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub kind: Kind,
    /// The file's path, as it was given.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// One line, lower case, no full stop.
    pub message: String,
}

/// `file:line:column: lost: message`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            kind,
            file,
            line,
            column,
            message,
        } = self;
        write!(f, "{file}:{line}:{column}: {kind}: {message}")
    }
}

/// Collects the findings of one file.
pub(crate) struct Reporter<'r> {
    file: &'r str,
    findings: &'r mut Vec<Finding>,
}

impl<'r> Reporter<'r> {
    pub(crate) fn new(file: &'r str, findings: &'r mut Vec<Finding>) -> Reporter<'r> {
        Reporter { file, findings }
    }

    pub(crate) fn refuse(&mut self, place: Place, message: impl Into<String>) {
        self.push(Kind::Refused, place, message.into());
    }

    pub(crate) fn lose(&mut self, place: Place, message: impl Into<String>) {
        self.push(Kind::Lost, place, message.into());
    }

    pub(crate) fn change(&mut self, place: Place, message: impl Into<String>) {
        self.push(Kind::Changed, place, message.into());
    }

    fn push(&mut self, kind: Kind, place: Place, message: String) {
        self.findings.push(Finding {
            kind,
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            message: message.replace('\n', " "),
        });
    }
}

/// A foreign text as a message repeats it: one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(SHOWN_MAX) {
        line.truncate(at);
        line.push_str("...");
    }
    format!("`{line}`")
}
