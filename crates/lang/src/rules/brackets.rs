//! Brackets that do not match, found where they were opened.
//!
//! The parser of expressions meets the mistake where it can go no further, people made it where the bracket
//! stands. So when an expression cannot be read, its brackets are looked at first.

use super::diagnostic::Mistake;
use crate::promql::ast::Span;

/// The first bracket of `text` that is not closed, or closes nothing; `text` begins at byte `at` of its file and
/// is called `what`. Texts in quotes are skipped; one that is not closed is not this one's mistake.
pub(super) fn unbalanced(text: &str, at: usize, what: &str) -> Option<Mistake> {
    let bytes = text.as_bytes();
    let mut open: Vec<usize> = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            quote @ (b'"' | b'\'' | b'`') => i = end_of_quoted(bytes, i, quote)?,
            b'(' | b'[' | b'{' => open.push(i),
            close @ (b')' | b']' | b'}') => match open.pop() {
                None => {
                    let message = format!("`{}` closes nothing in {what}", char::from(close));
                    return Some(
                        Mistake::error(one(at + i), message).label("no bracket is open here"),
                    );
                }
                Some(from) if closing(bytes[from]) != close => {
                    let label = format!("opened here, `{}` found", char::from(close));
                    return Some(
                        unclosed(bytes[from], at + from, what)
                            .label(label)
                            .also(at + i),
                    );
                }
                Some(_) => {}
            },
            _ => {}
        }
        i += 1;
    }
    let from = open.pop()?;
    Some(unclosed(bytes[from], at + from, what).label("opened here, never closed"))
}

/// The length of the part in brackets that `text` begins with; `None` when they are not closed.
pub(super) fn closed(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            quote @ (b'"' | b'\'' | b'`') => i = end_of_quoted(bytes, i, quote)?,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
        i += 1;
    }
    None
}

fn unclosed(bracket: u8, at: usize, what: &str) -> Mistake {
    Mistake::error(
        one(at),
        format!("unclosed `{}` in {what}", char::from(bracket)),
    )
}

fn one(at: usize) -> Span {
    Span {
        start: at,
        end: at + 1,
    }
}

fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

/// The last byte of the quoted text that begins at `from`.
fn end_of_quoted(bytes: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut i = from + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if quote != b'`' => i += 2,
            b if b == quote => return Some(i),
            _ => i += 1,
        }
    }
    None
}
