//! Warnings and infos that come with an answer, worded as Prometheus words them.
//!
//! A note is kept once, in the order of first appearance, and there are never more than `query.max_notes`: a query whose parameter
//! is wrong at each of a million steps needs no million notes. Its place is the span of the text it is
//! about; with the text at hand it is written as `(line:column)`.

use std::sync::{Mutex, PoisonError};

use bellwether_lang::promql::ast::Span;
use bellwether_model::value::{format_exponent, format_value};
use bellwether_model::{Labels, METRIC_NAME, limits};

/// The two kinds of note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Warning,
    Info,
}

/// Collects the notes of one query; threads may share it.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    notes: Vec<(Level, String, Option<Span>)>,
    is_cut: bool,
}

impl Notes {
    pub(crate) fn warn(&self, span: Span, message: impl Into<String>) {
        self.add(Level::Warning, message.into(), Some(span));
    }

    pub(crate) fn info(&self, span: Span, message: impl Into<String>) {
        self.add(Level::Info, message.into(), Some(span));
    }

    /// Warns about a `q` that is no quantile, unless it is one.
    pub(crate) fn warn_quantile(&self, q: f64, span: Span) {
        if !is_quantile(q) && !self.is_cut() {
            let got = number(q);
            self.warn(
                span,
                format!("quantile value should be between 0 and 1, got {got}"),
            );
        }
    }

    /// Notes a series that is treated as a counter and does not look like one.
    pub(crate) fn info_unless_counter(&self, labels: &Labels, span: Span) {
        let Some(name) = labels.get(METRIC_NAME) else {
            return;
        };
        let message = match labels.get("__type__") {
            Some("counter" | "histogram") => return,
            Some(kind) => format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {kind:?}: {name:?}"
            ),
            None if COUNTER_ENDS.iter().any(|end| name.ends_with(end)) => return,
            None => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            ),
        };
        self.info(span, message);
    }

    /// A warning of the source, about no place in the text.
    pub(crate) fn source(&self, message: &str) {
        self.add(Level::Warning, message.into(), None);
    }

    fn add(&self, level: Level, message: String, span: Option<Span>) {
        let note = (level, message, span);
        // A panic elsewhere cannot leave half a note behind: the list is usable all the same.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_cut || kept.notes.contains(&note) {
            return;
        }
        if kept.notes.len() < limits::QUERY_NOTES_MAX.usize() {
            kept.notes.push(note);
        } else {
            kept.is_cut = true;
        }
    }

    /// True when whatever is noted from here on is left out.
    pub(crate) fn is_cut(&self) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_cut
    }

    /// Warnings and infos as texts; `text` is the query, for the places.
    pub(crate) fn into_texts(self, text: Option<&str>) -> (Vec<String>, Vec<String>) {
        let Kept { notes, is_cut } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
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
        if is_cut {
            let max = limits::QUERY_NOTES_MAX.value;
            warnings.push(format!(
                "more than {max} warnings and infos (query.max_notes): the others are left out"
            ));
        }
        (warnings, infos)
    }
}

/// What names of counters end in.
const COUNTER_ENDS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// False of NaN, too.
pub(crate) fn is_quantile(q: f64) -> bool {
    (0.0..=1.0).contains(&q)
}

/// A number as Go's `%g` writes it, and so Prometheus in its messages: `0.5`, `1e+06`, `9.223372036854776e+18`.
pub(crate) fn number(v: f64) -> String {
    let is_plain = v == 0.0 || (1e-4..1e6).contains(&v.abs()) || !v.is_finite();
    if is_plain {
        format_value(v)
    } else {
        format_exponent(v)
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

    #[test]
    fn notes_beyond_the_limit_are_left_out() {
        let notes = Notes::default();
        let span = Span { start: 0, end: 1 };
        for i in 0..1000 {
            assert_eq!(notes.is_cut(), i > 100);
            notes.warn(span, i.to_string());
        }
        let (warnings, _) = notes.into_texts(None);
        assert_eq!(warnings.len(), 101);
        assert!(warnings[100].contains("query.max_notes"), "{warnings:?}");
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        let written = [0.1, -2.0, 1e6, 123_456.0, 1e-5, f64::INFINITY, f64::NAN].map(number);
        assert_eq!(
            written,
            ["0.1", "-2", "1e+06", "123456", "1e-05", "+Inf", "NaN"]
        );
    }
}
