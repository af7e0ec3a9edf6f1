//! Text to sheet: which line belongs to which clause, and which comment to which line.
//!
//! A comment on a line of its own belongs to the line of code below it. One exception: an indented comment behind
//! an item's last clause stays with that item, when the next item begins below.

use super::{Clause, Comment, Item, Line, Sheet};
use crate::promql::ast::Span;
use crate::rules::diagnostic::Mistake;
use crate::rules::lex::{self, TAB_WIDTH};
use crate::rules::table;

/// A comment, and whether it is indented.
type Indented = (Comment, bool);

/// The sheet of a text, or what the lexer refuses in it.
pub(super) fn read(text: &str) -> Result<Sheet, Vec<Mistake>> {
    let text = text.trim_start_matches('\u{feff}');
    let lexed = lex::lex(text, table::is_whole);
    let refused: Vec<Mistake> = lexed.mistakes.into_iter().filter(|m| !m.is_tab).collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut reader = Reader::default();
    // The starts of heads and clauses, in order.
    let mut starts = lexed
        .items
        .iter()
        .flat_map(|item| {
            let clauses = item.clauses.iter().map(|clause| (clause.start, false));
            std::iter::once((item.head.start, true)).chain(clauses)
        })
        .peekable();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let masked = &lexed.masked[start..start + line.len()];
        let begins = starts.next_if(|(at, _)| (start..start + line.len()).contains(at));
        let kind = match begins {
            Some((_, true)) => Begins::Item,
            Some((_, false)) => Begins::Clause,
            None => Begins::Nothing,
        };
        if reader.is_cut_off(line, masked) {
            return Err(vec![not_closed(reader.opened)]);
        }
        reader.line(line, masked, kind);
        if reader.inside_text && !masked.trim().is_empty() && masked.contains('`') {
            reader.opened = start + masked.rfind('`').unwrap_or(0);
        }
        start += line.len();
    }
    if reader.inside_text {
        return Err(vec![not_closed(reader.opened)]);
    }
    Ok(reader.finish())
}

/// Where a text ends that nobody closed is anyone's guess, so its lines have no canonical form.
fn not_closed(at: usize) -> Mistake {
    let span = Span {
        start: at,
        end: at + 1,
    };
    Mistake::error(span, "the text is not closed")
        .label("opened here")
        .help("between backticks a text goes on over indented lines until the next backtick")
}

/// What begins with a line of code.
enum Begins {
    Item,
    Clause,
    Nothing,
}

#[derive(Default)]
struct Reader {
    sheet: Sheet,
    /// Comments that wait for the line they belong to.
    waiting: Vec<Indented>,
    /// An empty line was just seen.
    gap: bool,
    /// Inside a text between backticks.
    inside_text: bool,
    /// Where the newest such text begins.
    opened: usize,
}

impl Reader {
    /// True when a text between backticks is open and the line is in column 1: there the lexer ends the text.
    fn is_cut_off(&self, line: &str, masked: &str) -> bool {
        let goes_on = line.trim().is_empty() || masked.starts_with([' ', '\t']);
        // A comment in column 1 is masked, and is no part of a text either.
        self.inside_text && (!goes_on || line.starts_with('#'))
    }

    fn line(&mut self, line: &str, masked: &str, begins: Begins) {
        let code = masked.trim();
        let inside_text = self.inside_text;
        let ends_inside = ends_inside_text(masked, inside_text);
        self.inside_text = ends_inside;
        let comment = comment(line, masked);
        if code.is_empty() && !inside_text {
            match comment {
                None => self.gap = true,
                Some(text) => {
                    let indented = line.starts_with([' ', '\t']);
                    let gap = std::mem::take(&mut self.gap);
                    self.waiting.push((Comment { gap, text }, indented));
                }
            }
            return;
        }
        let mut read = Line {
            above: Vec::new(),
            gap: std::mem::take(&mut self.gap) && !inside_text,
            indent: width(masked),
            text: code.to_owned(),
            inside_text,
            comment,
        };
        if inside_text {
            // Its blanks are the text's own.
            masked
                .trim_end_matches(['\n', '\r'])
                .clone_into(&mut read.text);
            if !ends_inside {
                read.text.truncate(read.text.trim_end().len());
            }
        }
        match begins {
            Begins::Item => {
                self.end_item();
                read.above = self.take_waiting();
                self.sheet.items.push(Item {
                    head: clause(read),
                    clauses: Vec::new(),
                    end: Vec::new(),
                });
            }
            Begins::Clause => {
                read.above = self.take_waiting();
                if let Some(item) = self.sheet.items.last_mut() {
                    item.clauses.push(clause(read));
                }
            }
            Begins::Nothing => {
                read.above = self.take_waiting();
                if let Some(item) = self.sheet.items.last_mut() {
                    let last = item.clauses.last_mut().unwrap_or(&mut item.head);
                    last.lines.push(read);
                }
            }
        }
    }

    /// Gives the item that ends its indented comments, up to the first that is not.
    fn end_item(&mut self) {
        let indented = self
            .waiting
            .iter()
            .take_while(|(_, indented)| *indented)
            .count();
        if let Some(item) = self.sheet.items.last_mut() {
            item.end = self
                .waiting
                .drain(..indented)
                .map(|(comment, _)| comment)
                .collect();
        }
    }

    fn take_waiting(&mut self) -> Vec<Comment> {
        self.waiting.drain(..).map(|(comment, _)| comment).collect()
    }

    fn finish(mut self) -> Sheet {
        self.end_item();
        self.sheet.end = self.take_waiting();
        self.sheet
    }
}

/// Splits the first line of a clause behind its word.
fn clause(mut first: Line) -> Clause {
    let len = first
        .text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(first.text.len());
    let word = first.text[..len].to_owned();
    let rest = first.text[len..].trim_start();
    // Where the value begins decides how lines below it are moved.
    first.indent += first.text[..first.text.len() - rest.len()].chars().count();
    first.text.drain(..first.text.len() - rest.len());
    Clause {
        word,
        lines: vec![first],
    }
}

/// The comment of a line: what is blank in the masked line and begins with `#` in the file.
fn comment(line: &str, masked: &str) -> Option<String> {
    let bytes = line.bytes().zip(masked.bytes());
    let at = bytes
        .enumerate()
        .find(|(_, (byte, mask))| *byte == b'#' && *mask == b' ')?
        .0;
    Some(line[at..].trim_end().to_owned())
}

/// Columns of the blanks a line begins with.
fn width(masked: &str) -> usize {
    let blanks = masked.chars().take_while(|c| c.is_whitespace());
    blanks.map(|c| if c == '\t' { TAB_WIDTH } else { 1 }).sum()
}

/// Whether a text between backticks goes on behind a line.
pub(super) fn ends_inside_text(masked: &str, mut inside: bool) -> bool {
    let mut rest = masked;
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '`' => {
                inside = !inside;
                1
            }
            '"' | '\'' if !inside => lex::quoted(rest),
            c => c.len_utf8(),
        };
        rest = &rest[len..];
    }
    inside
}
