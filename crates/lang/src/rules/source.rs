//! A rule file's text and the places in it.
//!
//! Bytes become text here and nowhere else: what is not UTF-8, has a NUL or is larger than `rules.file` is
//! refused with a message, before anything looks at it.

use bellwether_model::limits;

use super::diagnostic::{Diagnostic, Mistake};
use super::types::Place;
use crate::promql::ParseError;
use crate::promql::ast::Span;

/// A file of a rule folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As messages name it; files are read in the order of their paths.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// A file of a rule folder as a disk gives it, before anyone knows that it is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFile {
    /// As messages name it.
    pub path: String,
    /// The whole content; `None` when it is larger than `rules.file`, and was not read.
    pub bytes: Option<Vec<u8>>,
}

impl RawFile {
    /// The text, and why nothing in it is to be read. What is not UTF-8 is replaced in the text, so that the line of
    /// the first wrong byte can be drawn.
    pub(super) fn decode(&self) -> (SourceFile, Option<Mistake>) {
        let file = |text: String| SourceFile {
            path: self.path.clone(),
            text,
        };
        let Some(bytes) = &self.bytes else {
            return (file(String::new()), Some(too_large()));
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let file = file(text.to_owned());
                let refusal = file.refusal();
                (file, refusal)
            }
            Err(error) => {
                // The replaced text has the same bytes up to there.
                let at = error.valid_up_to();
                if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                    let span = Span::default();
                    let mistake = Mistake::error(span, "the file is UTF-16, not UTF-8")
                        .label("its byte order mark")
                        .help("save it as UTF-8 (an editor's \"save with encoding\"), or `iconv -f utf-16 -t utf-8`");
                    return (file(String::new()), Some(mistake));
                }
                let mistake = Mistake::error(Span { start: at, end: at }, "the file is not UTF-8")
                    .label(format!("byte 0x{:02x} begins no character", bytes[at]))
                    .help("save it as UTF-8 (an editor's \"save with encoding\"), or `iconv -f latin1 -t utf-8`");
                (
                    file(String::from_utf8_lossy(bytes).into_owned()),
                    Some(mistake),
                )
            }
        }
    }
}

impl SourceFile {
    /// What is wrong with the file as a whole; nothing in it is read then.
    pub(super) fn refusal(&self) -> Option<Mistake> {
        if self.text.len() > limits::RULES_FILE_MAX.usize() {
            return Some(too_large());
        }
        let nul = self.text.find('\0')?;
        let span = Span {
            start: nul,
            end: nul + 1,
        };
        Some(
            Mistake::error(span, "the file has a NUL byte: it is not a text file")
                .label("NUL")
                .help("if it is UTF-16, save it as UTF-8"),
        )
    }
}

fn too_large() -> Mistake {
    let max = limits::RULES_FILE_MAX;
    let message = format!(
        "the file is larger than the {} bytes that {} allows",
        max.value, max.name
    );
    Mistake::error(Span::default(), message)
        .help("split it: names resolve across all files of the folder")
}

/// A mistake in an expression that stands alone, such as one on a command line: `file` is its text and what to call it.
pub fn in_expression(error: &ParseError, file: &SourceFile) -> Diagnostic {
    Lines::new(&file.text).diagnostic(&file.path, Mistake::from(error.clone()))
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Lines<'a> {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Lines {
            text,
            starts: std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
        }
    }

    /// Line and column of a byte, both from 1; columns count characters. Bytes past the end are the end.
    pub(super) fn place(&self, byte: usize) -> (u32, u32) {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.starts.partition_point(|start| *start <= byte);
        // A byte order mark takes no column.
        let before = self.text[self.starts[line - 1]..byte].trim_start_matches('\u{feff}');
        (line as u32, before.chars().count() as u32 + 1)
    }

    /// The text of line `number` (from 1), without its end.
    pub(super) fn line(&self, number: u32) -> &'a str {
        let Some(start) = (number as usize)
            .checked_sub(1)
            .and_then(|i| self.starts.get(i))
        else {
            return "";
        };
        let rest = &self.text[*start..];
        let line = rest.split('\n').next().unwrap_or(rest);
        line.trim_end_matches('\r').trim_start_matches('\u{feff}')
    }

    /// How many characters of a span stand on its first line.
    pub(super) fn chars_on_line(&self, span: Span) -> usize {
        let end = self.text.floor_char_boundary(span.end);
        let start = self.text.floor_char_boundary(span.start).min(end);
        let text = &self.text[start..end];
        let line = text.split('\n').next().unwrap_or(text);
        line.trim_end_matches('\r').chars().count()
    }

    pub(super) fn diagnostic(&self, path: &str, mistake: Mistake) -> Diagnostic {
        let start = self.text.floor_char_boundary(mistake.span.start);
        let end = self.text.floor_char_boundary(mistake.span.end.max(start));
        let (line, column) = self.place(start);
        let mut label = mistake.label;
        if let Some(also) = mistake.also {
            label = match self.place(also) {
                (l, c) if l == line => format!("{label} at column {c}"),
                (l, c) => format!("{label} on line {l}, column {c}"),
            };
        }
        Diagnostic {
            severity: mistake.severity,
            file: path.to_owned(),
            span: Span { start, end },
            line,
            column,
            message: mistake.message,
            label,
            help: mistake.help,
            hidden: mistake.hidden,
            lint: mistake.lint,
        }
    }

    pub(super) fn place_in(&self, path: &str, byte: usize) -> Place {
        let (line, column) = self.place(byte);
        Place {
            file: path.to_owned(),
            line,
            column,
        }
    }
}
