//! A rule file's text and the places in it.
//!
//! Bytes become text here and nowhere else: what is not UTF-8, has a NUL or is larger than `rules.file` is
//! refused with a message, before anything looks at it.

use bellwether_model::limits;

use super::diagnostic::{Diagnostic, Mistake};
use super::types::Place;
use crate::promql::ast::Span;

/// A file of a rule folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As messages name it; files are read in the order of their paths.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// A file from its bytes. What is not UTF-8 is refused at its first wrong byte.
    #[expect(clippy::result_large_err, reason = "made once a file")]
    pub fn from_bytes(path: &str, bytes: &[u8]) -> Result<SourceFile, Diagnostic> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(SourceFile {
                path: path.to_owned(),
                text: text.to_owned(),
            }),
            Err(error) => {
                // The valid part is kept, so that the place can be worked out and shown.
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let at = good.len();
                let span = Span { start: at, end: at };
                let mistake = Mistake::error(span, "the file is not UTF-8")
                    .label(format!("byte 0x{:02x} begins no character", bytes[at]))
                    .help("save it as UTF-8 (an editor's \"save with encoding\"), or `iconv -f latin1 -t utf-8`");
                Err(Lines::new(&good).diagnostic(path, mistake))
            }
        }
    }

    /// What is wrong with the file as a whole; nothing in it is read then.
    pub(super) fn refusal(&self) -> Option<Mistake> {
        let max = limits::RULES_FILE_MAX;
        let start = Span::default();
        if self.text.len() > max.usize() {
            let message = format!(
                "the file has {} bytes, {} allows {}",
                self.text.len(),
                max.name,
                max.value
            );
            return Some(
                Mistake::error(start, message)
                    .help("split it: names resolve across all files of the folder"),
            );
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
