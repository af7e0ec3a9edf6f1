//! The words of a clause: names, comparisons, quoted texts, links.
//!
//! A [`Scan`] stands somewhere in one clause and takes what comes next, or says what it found instead. The tokens
//! are nom parsers over the rest of the clause; every span is one of the file.
//!
//! Not here: numbers and durations (`units.rs`), what a clause consists of (`clauses.rs`), what is inside a text
//! (`template.rs`).

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, none_of, satisfy};
use nom::combinator::recognize;
use nom::multi::many0_count;
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use super::diagnostic::Mistake;
use crate::promql::ast::{BinaryOp, Span};

/// Characters of a word that a message shows; more is cut.
const SHOWN_MAX: usize = 32;

/// Something read, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A place in a clause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    /// The clause from its first word to its end, comments blanked out.
    clause: &'a str,
    /// Where the clause begins in its file.
    base: usize,
    at: usize,
}

impl<'a> Scan<'a> {
    /// At the start of the clause at `span` of a masked file.
    pub(super) fn new(masked: &'a str, span: Span) -> Scan<'a> {
        Scan {
            clause: &masked[span.start..span.end],
            base: span.start,
            at: 0,
        }
    }

    /// The clause's first word.
    pub(super) fn head(&self) -> Placed<&'a str> {
        let len = self
            .clause
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let end = len.unwrap_or(self.clause.len());
        Placed {
            value: &self.clause[..end],
            span: Span {
                start: self.base,
                end: self.base + end,
            },
        }
    }

    /// What is left, after blanks.
    pub(super) fn rest(&self) -> &'a str {
        self.clause[self.at..].trim_start()
    }

    /// Where the next word begins, a byte of the file; the end of the clause when there is none.
    pub(super) fn offset(&self) -> usize {
        self.base + self.clause.len() - self.rest().len()
    }

    /// Where the scan stands, a byte of the file; blanks are not skipped.
    pub(super) fn position(&self) -> usize {
        self.base + self.at
    }

    /// What is left, blanks and all.
    pub(super) fn here(&self) -> &'a str {
        &self.clause[self.at..]
    }

    /// Takes the next `len` bytes, which [`Scan::here`] has.
    pub(super) fn skip(&mut self, len: usize) {
        self.at += len;
    }

    /// What is left, for a parser of its own: the text, and where it begins. Nothing is left after it.
    pub(super) fn take_rest(&mut self) -> (&'a str, usize) {
        let taken = (self.rest(), self.offset());
        self.at = self.clause.len();
        taken
    }

    /// Takes the next `len` bytes, after blanks, as a clause of their own.
    pub(super) fn part(&mut self, len: usize) -> Scan<'a> {
        let start = self.offset() - self.base;
        self.at = start + len;
        Scan {
            clause: &self.clause[start..start + len],
            base: self.base + start,
            at: 0,
        }
    }

    /// What is left, line by line: the rest of this line, and those below it that are not empty.
    pub(super) fn lines(&self) -> (Scan<'a>, Vec<Scan<'a>>) {
        let mut lines = self.clause[self.at..].split('\n');
        let mut base = self.base + self.at;
        let mut next = |line: &'a str| {
            let blanks = line.len() - line.trim_start().len();
            let clause = line.trim();
            let scan = Scan {
                clause,
                base: base + blanks,
                at: 0,
            };
            base += line.len() + 1;
            scan
        };
        let first = next(lines.next().unwrap_or_default());
        let below: Vec<_> = lines.map(next).collect();
        let below = below.into_iter().filter(|line| !line.clause.is_empty());
        (first, below.collect())
    }

    /// What stands at a span of this clause.
    pub(super) fn text_of(&self, span: Span) -> &'a str {
        let at = |byte: usize| byte.saturating_sub(self.base).min(self.clause.len());
        &self.clause[at(span.start)..at(span.end)]
    }

    /// Reads with a nom parser, after blanks.
    pub(super) fn take(
        &mut self,
        mut parser: impl FnMut(&'a str) -> IResult<&'a str, &'a str>,
    ) -> Option<Placed<&'a str>> {
        let rest = self.rest();
        let start = self.offset();
        let (_, value) = parser(rest).ok()?;
        self.at = start - self.base + value.len();
        let end = start + value.len();
        Some(Placed {
            value,
            span: Span { start, end },
        })
    }

    /// The next word as messages show it: up to a blank, or a text with its quotes.
    pub(super) fn next(&self) -> Placed<&'a str> {
        let rest = self.rest();
        let start = self.offset();
        let len = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let end = start + len;
        Placed {
            value: &rest[..len],
            span: Span { start, end },
        }
    }

    /// "expected X, found Y" at the next word.
    pub(super) fn expected(&self, message: impl Into<String>, what: &str) -> Mistake {
        let next = self.next();
        Mistake::error(next.span, message)
            .label(format!("expected {what}, found {}", shown(next.value)))
    }

    /// Takes `word` when it is the next one.
    pub(super) fn word(&mut self, word: &str) -> Option<Span> {
        let mut probe = *self;
        let found = probe.take(plain_word)?;
        if found.value != word {
            return None;
        }
        *self = probe;
        Some(found.span)
    }

    /// Takes the next word, letters only.
    pub(super) fn any_word(&mut self) -> Option<Placed<&'a str>> {
        self.take(plain_word)
    }

    /// Takes `symbol` when it comes next.
    pub(super) fn symbol(&mut self, symbol: &'static str) -> Option<Span> {
        self.take(|rest| tag(symbol)(rest)).map(|s| s.span)
    }

    /// The name of a rule: a letter, then letters, digits and `- _ . :`.
    pub(super) fn name(&mut self, of: &str) -> Result<Placed<&'a str>, Mistake> {
        let what = format!("a name such as {}", example_name(of));
        if self.rest().is_empty() {
            return Err(self.expected(format!("{of} has no name"), &what));
        }
        if self.rest().starts_with(['"', '\'', '`']) {
            return Err(self
                .expected("a name stands without quotes".to_string(), &what)
                .help("letters, digits and `- _ . :`"));
        }
        let Some(found) = self.take(name) else {
            return Err(self
                .expected(format!("{of} has no name"), &what)
                .help("a name begins with a letter; letters, digits and `- _ . :` follow"));
        };
        self.ends_word(found.span, "a name has letters, digits and `- _ . :`")?;
        Ok(found)
    }

    /// A mistake unless a blank, a comma, a bracket or the end follows what was just taken.
    fn ends_word(&self, taken: Span, rule: &str) -> Result<(), Mistake> {
        match self.clause[self.at..].chars().next() {
            None => Ok(()),
            Some(c) if c.is_whitespace() || matches!(c, ',' | ')' | '(' | '{' | '=') => Ok(()),
            Some(c) => {
                let start = self.base + self.at;
                let end = start + c.len_utf8();
                let word = &self.clause[taken.start - self.base..self.at];
                Err(
                    Mistake::error(Span { start, end }, format!("`{c}` cannot stand in a name"))
                        .label(format!("after {}", shown(word)))
                        .help(rule),
                )
            }
        }
    }

    /// The name of a label or a `let`: a letter or `_`, then letters, digits and `_`.
    pub(super) fn label_name(&mut self, of: &str) -> Result<Placed<&'a str>, Mistake> {
        let Some(found) = self.take(label_name) else {
            return Err(self.expected(format!("{of} has no name"), "letters, digits and `_`"));
        };
        self.ends_word(found.span, "this name has letters, digits and `_` only")?;
        Ok(found)
    }

    /// The comparison that comes next, if one does; other operators are explained.
    pub(super) fn comparison(&mut self) -> Result<Option<Placed<BinaryOp>>, Mistake> {
        let mut probe = *self;
        let Some(found) = probe.take(|rest| take_while1(|c| "<>=!~".contains(c))(rest)) else {
            return Ok(None);
        };
        let right = match found.value {
            ">" => BinaryOp::Gt,
            ">=" => BinaryOp::Ge,
            "<" => BinaryOp::Lt,
            "<=" => BinaryOp::Le,
            "==" => BinaryOp::Eq,
            "!=" => BinaryOp::Ne,
            other => {
                let mistake =
                    Mistake::error(found.span, format!("{} is not a comparison", shown(other)));
                return Err(match other {
                    "=" => mistake.label("did you mean `==`?"),
                    "=>" => mistake.label("did you mean `>=`?"),
                    "=<" => mistake.label("did you mean `<=`?"),
                    "<>" => mistake.label("did you mean `!=`?"),
                    _ => mistake.label("expected one of > >= < <= == !="),
                });
            }
        };
        let split = probe.rest().starts_with('=') && found.value.len() == 1;
        if split {
            let span = Span {
                start: found.span.start,
                end: probe.offset() + 1,
            };
            return Err(
                Mistake::error(span, format!("a blank inside `{}=`", found.value))
                    .label(format!("write `{}=`", found.value)),
            );
        }
        *self = probe;
        Ok(Some(Placed {
            value: right,
            span: found.span,
        }))
    }

    /// A text with its quotes, as written: `"..."` or between backticks.
    pub(super) fn quoted(&mut self, after: &str) -> Result<Placed<&'a str>, Mistake> {
        let rest = self.rest();
        let mistake = match rest.chars().next() {
            Some('"') => match double_quoted(rest) {
                Ok(_) => None,
                Err(_) => Some("the text is not closed"),
            },
            Some('`') => {
                if rest[1..].contains('`') {
                    None
                } else {
                    Some("the text is not closed")
                }
            }
            Some('\'') => Some("a text stands in double quotes"),
            Some('\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}') => {
                Some("a typographic quote")
            }
            _ => {
                let message = format!("a text is missing after `{after}`");
                return Err(self.expected(message, "a text in double quotes"));
            }
        };
        let start = self.offset();
        match mistake {
            None => self
                .take(|rest| alt((double_quoted, back_quoted)).parse(rest))
                .ok_or_else(|| self.expected("a text is missing", "a text in double quotes")),
            Some(message) => {
                let quote = rest.chars().next().map_or(0, char::len_utf8);
                let span = Span {
                    start,
                    end: start + quote,
                };
                let mistake = Mistake::error(span, message);
                Err(match message {
                    "the text is not closed" => mistake.label("opened here").help(
                        "a text ends on its line; between backticks it may go on over indented lines",
                    ),
                    _ => mistake.label("write `\"`"),
                })
            }
        }
    }

    /// Everything up to the next blank, a link for example; may be empty.
    pub(super) fn chunk(&mut self) -> Placed<&'a str> {
        let next = self.next();
        self.at = next.span.end - self.base;
        next
    }

    /// Goes on, by a word at least, to the next word that `stop` knows, or to the end.
    pub(super) fn skip_to(&mut self, stop: impl Fn(&str) -> bool) {
        self.chunk();
        while !self.rest().is_empty() && !stop(self.next().value) {
            self.chunk();
        }
    }

    /// A mistake when something is left.
    pub(super) fn finish(&self, after: &str) -> Result<(), Mistake> {
        if self.rest().is_empty() {
            return Ok(());
        }
        let next = self.next();
        Err(
            Mistake::error(next.span, format!("{} is too much here", shown(next.value)))
                .label(format!("nothing follows {after}")),
        )
    }
}

/// A word for a message: in backticks, not too long; the end of the line for an empty one.
pub(super) fn shown(word: &str) -> String {
    if word.is_empty() {
        return "the end of the line".to_owned();
    }
    match word.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("`{}...`", &word[..cut]),
        None => format!("`{word}`"),
    }
}

fn example_name(of: &str) -> &'static str {
    match of {
        "the channel" => "team-chat",
        "the route" | "the parent" => "everything",
        "the window" => "office-hours",
        "the mute" => "patching-night",
        "the objective" => "checkout-availability",
        "the `let`" => "disk_free",
        _ => "DiskFilling",
    }
}

fn plain_word(rest: &str) -> IResult<&str, &str> {
    recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ))
    .parse(rest)
}

fn name(rest: &str) -> IResult<&str, &str> {
    recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')),
    ))
    .parse(rest)
}

fn label_name(rest: &str) -> IResult<&str, &str> {
    recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ))
    .parse(rest)
}

/// `"..."` on one line, its escapes not looked at.
fn double_quoted(rest: &str) -> IResult<&str, &str> {
    let escape = preceded(char('\\'), none_of("\n"));
    let inside = many0_count(alt((escape, none_of("\"\\\n"))));
    recognize((char('"'), inside, char('"'))).parse(rest)
}

fn back_quoted(rest: &str) -> IResult<&str, &str> {
    recognize((char('`'), take_while(|c| c != '`'), char('`'))).parse(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_of_the_file() {
        let file = "xx warning  > 5%";
        let mut scan = Scan::new(
            file,
            Span {
                start: 3,
                end: file.len(),
            },
        );
        assert_eq!(scan.any_word().unwrap().span, Span { start: 3, end: 10 });
        assert_eq!(
            scan.comparison().unwrap().unwrap().span,
            Span { start: 12, end: 13 }
        );
        assert_eq!(scan.number(">").unwrap().span, Span { start: 14, end: 16 });
        assert!(scan.finish("it").is_ok());
    }
}
