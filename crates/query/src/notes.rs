//! Warnings and infos that come with an answer, worded as Prometheus words them.
//!
//! A note is kept once, in the order of first appearance. Its place is the span of the text it is
//! about; with the text at hand it is written as `(line:column)`.

use std::sync::{Mutex, PoisonError};

use bellwether_lang::promql::ast::Span;

/// The two kinds of note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Warning,
    Info,
}

/// Collects the notes of one query; threads may share it.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<(Level, String, Option<Span>)>>);

impl Notes {
    pub(crate) fn warn(&self, span: Span, message: impl Into<String>) {
        self.add(Level::Warning, message.into(), Some(span));
    }

    pub(crate) fn info(&self, span: Span, message: impl Into<String>) {
        self.add(Level::Info, message.into(), Some(span));
    }

    /// A warning of the source, about no place in the text.
    pub(crate) fn source(&self, message: &str) {
        self.add(Level::Warning, message.into(), None);
    }

    fn add(&self, level: Level, message: String, span: Option<Span>) {
        let note = (level, message, span);
        // A panic elsewhere cannot leave half a note behind: the list is usable all the same.
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Warnings and infos as texts; `text` is the query, for the places.
    pub(crate) fn into_texts(self, text: Option<&str>) -> (Vec<String>, Vec<String>) {
        let notes = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (level, message, span) in notes {
            let place = span.map_or(String::new(), |s| place(text, s));
            match (level, span) {
                (Level::Warning, None) => warnings.push(message),
                (Level::Warning, Some(_)) => {
                    warnings.push(format!("PromQL warning: {message}{place}"));
                }
                (Level::Info, _) => infos.push(format!("PromQL info: {message}{place}")),
            }
        }
        (warnings, infos)
    }
}

/// ` (line:column)`, both from 1, the column in bytes. Without the text everything is line 1.
fn place(text: Option<&str>, span: Span) -> String {
    let before = text.and_then(|t| t.get(..span.start)).unwrap_or("");
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    format!(" ({line}:{})", span.start - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_once_and_placed() {
        let notes = Notes::default();
        let span = Span { start: 6, end: 7 };
        notes.warn(span, "w");
        notes.warn(span, "w");
        notes.info(span, "i");
        let (warnings, infos) = notes.into_texts(Some("sum(\nx)"));
        assert_eq!(warnings, ["PromQL warning: w (2:2)"]);
        assert_eq!(infos, ["PromQL info: i (2:2)"]);
    }
}
