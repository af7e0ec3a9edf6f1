//! Lines to items and clauses: what stands in column 1, what is indented, what is a comment.
//!
//! A line in column 1 starts an item; an indented line starts a clause, or goes on with the clause above when it
//! is indented deeper than the item's first clause. Every clause is a span of the file; its words are read from
//! [`Lexed::masked`], the file with comments blanked out byte for byte, so a byte of the one is a byte of the other.
//!
//! The lexer never gives up: after a mistake it goes on as if it were not there, and marks the item.
//!
//! Not here: what the words mean (`table.rs`, `clauses.rs`).

use super::diagnostic::Mistake;
use crate::promql::ast::Span;

/// Width of a tab when a file has them all the same: only decides which clause a line belongs to.
pub(super) const TAB_WIDTH: usize = 4;

/// A file, cut.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    /// The file's text with comments, odd blanks and the byte order mark as spaces: the same length.
    pub(super) masked: String,
    pub(super) items: Vec<RawItem>,
    pub(super) mistakes: Vec<Mistake>,
}

/// An item and its clauses, each without blanks at its ends.
#[derive(Debug)]
pub(super) struct RawItem {
    /// The line in column 1; for an item without clauses all of its lines.
    pub(super) head: Span,
    pub(super) clauses: Vec<Span>,
    /// Something in it was refused here: the item is not used, its clauses are still checked.
    pub(super) spoiled: bool,
    tabs: Vec<Span>,
    /// Indentation of the first clause.
    indent: Option<usize>,
    /// Without clauses: indented lines belong to the head.
    whole: bool,
}

/// Cuts `text`; `is_whole` tells by its first word whether an item goes on over indented lines and has no clauses.
pub(super) fn lex(text: &str, is_whole: impl Fn(&str) -> bool) -> Lexed {
    let mut lexer = Lexer {
        out: Lexed::default(),
        item: None,
        in_raw: false,
        orphaned: false,
        is_whole,
    };
    lexer.out.masked.reserve(text.len());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        lexer.line(start, line);
        start += line.len();
    }
    lexer.close_item();
    lexer.out
}

struct Lexer<F> {
    out: Lexed,
    item: Option<RawItem>,
    /// Inside a backtick text that goes on over lines.
    in_raw: bool,
    /// The complaint about lines before the first item was made.
    orphaned: bool,
    is_whole: F,
}

/// The blanks a line begins with.
#[derive(Default)]
struct Indent {
    bytes: usize,
    width: usize,
    tab: Option<usize>,
    odd: Option<(usize, char)>,
}

impl<F: Fn(&str) -> bool> Lexer<F> {
    fn line(&mut self, start: usize, line: &str) {
        let indent = indent(line, start == 0);
        let rest = &line[indent.bytes..];
        // A text between backticks goes on over indented and empty lines, never into column 1: one that was
        // not closed costs its own item only.
        let inside_text = self.in_raw && (indent.width > 0 || rest.trim().is_empty());
        self.in_raw = inside_text;
        if inside_text {
            return self.text_line(start, line);
        }
        if rest.trim().is_empty() || rest.starts_with('#') {
            return self.blank(line);
        }
        self.out
            .masked
            .extend(std::iter::repeat_n(' ', indent.bytes));
        let odd = self.mask(start + indent.bytes, rest);
        let masked = &self.out.masked[start..];
        let content = Span {
            start: start + indent.bytes,
            end: start + masked.trim_end().len(),
        };
        if content.end <= content.start {
            return;
        }
        self.place(content, &indent);
        self.complain(start, &indent, odd);
    }

    /// Goes on with a text between backticks: nothing in it is a comment, its indentation is its own.
    fn text_line(&mut self, start: usize, line: &str) {
        let odd = self.mask(start, line);
        let end = self.out.masked.trim_end().len();
        if let Some(item) = &mut self.item {
            let last = item.clauses.last_mut().unwrap_or(&mut item.head);
            last.end = last.end.max(end);
        }
        let indent = Indent::default();
        self.complain(start, &indent, odd);
    }

    /// Copies a part of a line: comments and odd blanks become spaces, texts in quotes stay as they are.
    /// The first odd blank comes back.
    fn mask(&mut self, start: usize, part: &str) -> Option<(usize, char)> {
        let mut odd = None;
        let mut rest = part;
        let mut after_blank = true;
        while let Some(c) = rest.chars().next() {
            if self.in_raw {
                let text = rest.find('`').map_or(rest.len(), |at| at + 1);
                self.in_raw = !rest[..text].ends_with('`');
                self.out.masked.push_str(&rest[..text]);
                rest = &rest[text..];
                after_blank = false;
                continue;
            }
            let copied = match c {
                '#' if after_blank => {
                    self.blank(rest);
                    break;
                }
                '`' => {
                    self.in_raw = true;
                    1
                }
                '"' | '\'' => quoted(rest),
                ' ' | '\t' | '\n' => 1,
                '\r' => 0,
                c if c.is_whitespace() || c.is_control() || is_invisible(c) => {
                    odd = odd.or(Some((start + part.len() - rest.len(), c)));
                    0
                }
                c => c.len_utf8(),
            };
            let (copy, blank) = match copied {
                0 => ("", c.len_utf8()),
                n => (&rest[..n], 0),
            };
            self.out.masked.push_str(copy);
            self.out.masked.extend(std::iter::repeat_n(' ', blank));
            after_blank = copied == 0 || c.is_whitespace();
            rest = &rest[copy.len() + blank..];
        }
        odd
    }

    /// Copies a line as blanks, its end as it is.
    fn blank(&mut self, line: &str) {
        let ends = usize::from(line.ends_with('\n'));
        self.out
            .masked
            .extend(std::iter::repeat_n(' ', line.len() - ends));
        self.out.masked.push_str(&line[line.len() - ends..]);
    }

    /// Gives the line to the item or clause it belongs to.
    fn place(&mut self, content: Span, indent: &Indent) {
        if indent.width == 0 {
            self.close_item();
            let line = &self.out.masked[content.start..content.end];
            let word = line.split([' ', '\t', ':', '=']).next().unwrap_or(line);
            self.item = Some(RawItem {
                head: content,
                clauses: Vec::new(),
                spoiled: false,
                tabs: Vec::new(),
                indent: None,
                whole: (self.is_whole)(word),
            });
            return;
        }
        let Some(item) = &mut self.item else {
            if !self.orphaned {
                self.orphaned = true;
                let mistake = Mistake::error(content, "an indented line before the first item")
                    .label("belongs to nothing")
                    .help(
                        "an item such as `alert NAME` starts in column 1, its clauses are indented",
                    );
                self.out.mistakes.push(mistake);
            }
            return;
        };
        if item.whole {
            item.head.end = content.end;
            return;
        }
        let first = *item.indent.get_or_insert(indent.width);
        match item.clauses.last_mut() {
            Some(clause) if indent.width > first => clause.end = content.end,
            _ => {
                if indent.width < first {
                    let mistake = Mistake::error(content, "clauses of one item line up").label(
                        format!("indented by {}, the first clause by {first}", indent.width),
                    );
                    item.spoiled = true;
                    self.out.mistakes.push(mistake);
                }
                item.clauses.push(content);
            }
        }
    }

    fn complain(&mut self, start: usize, indent: &Indent, odd: Option<(usize, char)>) {
        let Some(item) = &mut self.item else { return };
        if let Some(tab) = indent.tab {
            let at = start + tab;
            item.tabs.push(Span {
                start: at,
                end: at + 1,
            });
        }
        if let Some((at, c)) = indent.odd.map(|(at, c)| (start + at, c)).or(odd) {
            let span = Span {
                start: at,
                end: at + c.len_utf8(),
            };
            item.spoiled = true;
            self.out.mistakes.push(odd_blank(span, c));
        }
    }

    fn close_item(&mut self) {
        self.in_raw = false;
        let Some(mut item) = self.item.take() else {
            return;
        };
        if let Some(first) = item.tabs.first() {
            let mut mistake = Mistake::error(*first, "a tab in the indentation")
                .label("a tab")
                .help("indent with blanks: how wide a tab is depends on who looks");
            mistake.is_tab = true;
            if item.tabs.len() > 1 {
                mistake = mistake.help(format!("{} lines of this item have one", item.tabs.len()));
            }
            self.out.mistakes.push(mistake);
            item.spoiled = true;
        }
        self.out.items.push(item);
    }
}

fn odd_blank(span: Span, c: char) -> Mistake {
    let code = format!("U+{:04X}", c as u32);
    match c.is_control() {
        true => Mistake::error(span, format!("a control character, {code}")).label("remove it"),
        false if is_invisible(c) => Mistake::error(span, format!("an invisible character, {code}"))
            .label(format!("{code}; remove it")),
        false => Mistake::error(span, format!("a blank that is no space, {code}"))
            .label(format!("{code}; write a space"))
            .help("texts copied from web pages and chats have them"),
    }
}

/// Blanks at the start of a line; a byte order mark at the start of the file counts for nothing.
fn indent(line: &str, first: bool) -> Indent {
    let mut found = Indent::default();
    for (at, c) in line.char_indices() {
        match c {
            '\u{feff}' if first && at == 0 => {}
            ' ' => found.width += 1,
            '\t' => {
                found.tab = found.tab.or(Some(at));
                found.width += TAB_WIDTH;
            }
            '\n' | '\r' => break,
            c if c.is_whitespace() || is_invisible(c) => {
                found.odd = found.odd.or(Some((at, c)));
                found.width += 1;
            }
            _ => break,
        }
        found.bytes = at + c.len_utf8();
    }
    found
}

/// Length of the quoted text at the start of `rest`, with its quotes; a quote that the line does not close is
/// an ordinary character.
pub(super) fn quoted(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'\n' {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == bytes[0] => return at + 1,
            _ => at += 1,
        }
    }
    1
}

/// Characters that take no room and are no letters: zero-width blanks, marks of direction, byte order marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let lexed = lex(text, |word| word == "let");
        assert_eq!(lexed.masked.len(), text.len());
        let slice = |span: &Span| &lexed.masked[span.start..span.end];
        let mut out = String::new();
        for item in &lexed.items {
            let mark = if item.spoiled { "!" } else { "" };
            let _ = writeln!(out, "{mark}{:?}", slice(&item.head));
            for clause in &item.clauses {
                let _ = writeln!(out, "  {:?}", slice(clause));
            }
        }
        for mistake in &lexed.mistakes {
            let _ = writeln!(out, "{:?}: {}", mistake.span, mistake.message);
        }
        expected.assert_eq(&out);
    }

    #[test]
    fn clauses_go_on_over_deeper_lines() {
        check(
            "alert A\n  expr a\n    + b\n\n      + c\n  warning > 5\nalert B\n  expr b",
            expect![[r#"
                "alert A"
                  "expr a\n    + b\n\n      + c"
                  "warning > 5"
                "alert B"
                  "expr b"
            "#]],
        );
    }

    #[test]
    fn an_item_without_clauses_takes_all_its_lines() {
        check(
            "let a = x\n / y\n   / z\nalert B\n",
            expect![[r#"
            "let a = x\n / y\n   / z"
            "alert B"
        "#]],
        );
    }

    #[test]
    fn comments_are_blanked_outside_texts() {
        check(
            "# top\nalert A # one\n  expr a{b=\"#\"} # two\n# col 1\n    + c#d\n  summary `# no\n    # neither` # yes\n",
            expect![[r##"
                "alert A"
                  "expr a{b=\"#\"}      \n       \n    + c#d"
                  "summary `# no\n    # neither`"
            "##]],
        );
    }

    #[test]
    fn line_ends_and_byte_order_mark() {
        check(
            "\u{feff}alert A\r\n  expr a\r\n   + b\r\n",
            expect![[r#"
                "alert A"
                  "expr a \n   + b"
            "#]],
        );
    }

    #[test]
    fn indentation_mistakes_are_told_and_survived() {
        check(
            "  expr x\nalert A\n\texpr a\n\twarning\nalert B\n   expr b\n  warning\n",
            expect![[r#"
                !"alert A"
                  "expr a"
                  "warning"
                !"alert B"
                  "expr b"
                  "warning"
                Span { start: 2, end: 8 }: an indented line before the first item
                Span { start: 17, end: 18 }: a tab in the indentation
                Span { start: 54, end: 61 }: clauses of one item line up
            "#]],
        );
    }

    #[test]
    fn odd_blanks_are_told_and_survived() {
        check(
            "alert A\n  expr\u{a0}a\n\u{a0} warning\n  summary \"\u{a0}\"\n",
            expect![[r#"
                !"alert A"
                  "expr  a"
                  "warning"
                  "summary \"\u{a0}\""
                Span { start: 14, end: 16 }: a blank that is no space, U+00A0
                Span { start: 18, end: 20 }: a blank that is no space, U+00A0
            "#]],
        );
    }

    #[test]
    fn a_text_that_is_not_closed_costs_its_item_only() {
        check(
            "alert A\n  summary `open\n  expr a\nalert B\n  expr \"open # not a text\n  warning",
            expect![[r#"
                "alert A"
                  "summary `open\n  expr a"
                "alert B"
                  "expr \"open"
                  "warning"
            "#]],
        );
    }
}
