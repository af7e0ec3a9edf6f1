//! What is wrong with a text, where, and what to write instead.
//!
//! Places are bytes of the source until someone reads them: [`ParseError::describe`] turns them into a line
//! and a column. Not here: the caret drawings of rule files (`rules`), which start from the same span.

use std::fmt;

use super::ast::Span;

/// A mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What was expected and what was found, one line, lower case, no full stop.
    pub message: String,
    /// Where: bytes of the text, empty at its end.
    pub span: Span,
    /// What to write instead, when there is a good guess.
    pub help: Option<String>,
}

impl ParseError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> ParseError {
        ParseError {
            message: message.into(),
            span,
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> ParseError {
        self.help = Some(help.into());
        self
    }

    /// `1:8: parse error: expected ...`, with the help in parentheses; `text` is what was parsed (the whole
    /// file for a part of one).
    pub fn describe(&self, text: &str) -> String {
        let (line, column) = line_and_column(text, self.span.start);
        format!("{line}:{column}: parse error: {self}")
    }
}

/// The message and the help, without the place.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// Line and column of a byte, both from 1; columns count characters.
pub fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let line = before.split(|b| *b == b'\n').count();
    // A character begins at every byte that does not continue one.
    let column = before[line_start..]
        .iter()
        .filter(|b| **b & 0xC0 != 0x80)
        .count()
        + 1;
    (line, column)
}

/// The name nearest to `word`, when it is near enough to be a slip of the keyboard.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names longer than any of ours are no slips, and cost more to compare.
    const WORD_MAX: usize = 64;
    if word.len() > WORD_MAX {
        return None;
    }
    let word = word.to_ascii_lowercase();
    names
        .into_iter()
        .map(|name| (distance(&word, name), name))
        .filter(|(edits, name)| *edits <= 1 + name.len() / 5)
        .min()
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap neighbours) between two texts, by bytes.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut two_back: Vec<usize> = Vec::new();
    let mut back: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = back[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(back[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(two_back[j - 2] + 1);
            }
            row.push(best);
        }
        two_back = std::mem::replace(&mut back, row);
    }
    back[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "a\n  üb + \"";
        for (byte, place) in [
            (0, (1, 1)),
            (2, (2, 1)),
            (4, (2, 3)),
            (6, (2, 4)),
            (99, (2, 9)),
        ] {
            assert_eq!(line_and_column(text, byte), place, "byte {byte}");
        }
    }

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = ["rate", "irate", "increase", "histogram_quantile"];
        for (word, want) in [
            ("raet", Some("rate")),
            ("RATE", Some("rate")),
            ("histgram_quantiel", Some("histogram_quantile")),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), want, "{word}");
        }
    }
}
