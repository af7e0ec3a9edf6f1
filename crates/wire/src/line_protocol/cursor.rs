//! Takes one line apart from left to right, without copying and without allocating.
//!
//! What the measurement and the tags mean is not looked at: their bytes are the key of a cache, and a key
//! that is in it was checked when it came in. See `head.rs` for that.

use std::borrow::Cow;

use bellwether_model::TimestampMs;
use bellwether_model::limits;
use memchr::memchr;

use super::error::{Fault, FaultKind, LineError, word};
use super::head::unescape;
use super::number::number;
use super::{Precision, error};

/// The lines of a body that hold data, with their numbers: 1-based, comments and blank lines counted.
///
/// A line comes without its line end and without blanks around it.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines of `body`.
    pub fn new(body: &'a [u8]) -> Lines<'a> {
        Lines {
            rest: body,
            number: 0,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (line, rest) = match memchr(b'\n', self.rest) {
                Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
                None => (self.rest, &self.rest[self.rest.len()..]),
            };
            self.rest = rest;
            self.number += 1;
            let line = trim(line);
            if !line.is_empty() && line[0] != b'#' {
                return Some((self.number, line));
            }
        }
    }
}

/// Without blanks and the `\r` of a `\r\n` around it.
#[inline]
fn trim(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = line {
        line = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r'] = line {
        // A blank behind a backslash belongs to the name it stands in.
        if rest.last() == Some(&b'\\') {
            break;
        }
        line = rest;
    }
    line
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// `1.5`: finite.
    Float(f64),
    /// `12i`.
    Integer(i64),
    /// `12u`.
    Unsigned(u64),
    /// `t`, `false`.
    Boolean(bool),
    /// What stands between the quotes, with its escapes.
    Text(&'a [u8]),
}

impl FieldValue<'_> {
    /// The number a store keeps: booleans as 1 and 0, integers to the nearest float; none for a text.
    #[inline]
    pub fn sample(&self) -> Option<f64> {
        match *self {
            FieldValue::Float(v) => Some(v),
            FieldValue::Integer(v) => Some(v as f64),
            FieldValue::Unsigned(v) => Some(v as f64),
            FieldValue::Boolean(v) => Some(f64::from(u8::from(v))),
            FieldValue::Text(_) => None,
        }
    }
}

/// One field as it stands in the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// The key with its escapes, not empty.
    pub key: &'a [u8],
    /// The value.
    pub value: FieldValue<'a>,
}

/// Reads one line: the series key at once, then field by field, then the timestamp.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    line: &'a [u8],
    key_end: usize,
    at: usize,
    fields_done: bool,
}

impl<'a> Field<'a> {
    /// The key without its escapes; `None` when it is not UTF-8.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        Some(unescape(std::str::from_utf8(self.key).ok()?, b",= "))
    }
}

impl<'a> FieldValue<'a> {
    /// A text without its escapes; `None` for other values and for a text that is not UTF-8.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            FieldValue::Text(raw) => Some(unescape(std::str::from_utf8(raw).ok()?, b"\"\\")),
            _ => None,
        }
    }
}

impl<'a> Cursor<'a> {
    /// Begins with `line`, one that [`Lines`] gave: finds where its tags end.
    #[inline]
    pub fn new(line: &'a [u8]) -> Result<Cursor<'a>, Fault> {
        if line.len() > limits::INGEST_LINE_MAX.usize() {
            let kind = FaultKind::limit("the line", &limits::INGEST_LINE_MAX, line.len());
            return Err(Fault::new(kind, 0));
        }
        let Some(key_end) = unescaped_space(line) else {
            return Err(Fault::new(FaultKind::NoFields, line.len()));
        };
        Ok(Cursor {
            line,
            key_end,
            at: skip_spaces(line, key_end),
            fields_done: false,
        })
    }

    /// Measurement and tags as they stand in the line, escapes and all. Not checked: see [`Head`](super::Head).
    #[inline]
    pub fn series_key(&self) -> &'a [u8] {
        &self.line[..self.key_end]
    }

    /// The next field, or `None` when all have been read. There is at least one.
    ///
    /// `guess` is what its key may be, as it stands in the line: a right guess saves the search for the
    /// key's end. An empty guess is no guess.
    #[inline]
    pub fn field(&mut self, guess: &[u8]) -> Result<Option<Field<'a>>, Fault> {
        if self.fields_done {
            return Ok(None);
        }
        let rest = &self.line[self.at..];
        let guessed = !guess.is_empty()
            && rest.get(guess.len()) == Some(&b'=')
            && rest[..guess.len()] == *guess
            && rest[guess.len() - 1] != b'\\';
        let key_len = if guessed {
            guess.len()
        } else {
            self.key_len()?
        };
        let key = &self.line[self.at..self.at + key_len];
        let (value, end) = self.value(self.at + key_len + 1)?;
        match self.line.get(end) {
            Some(b',') => self.at = end + 1,
            None => (self.at, self.fields_done) = (end, true),
            Some(b' ') => (self.at, self.fields_done) = (skip_spaces(self.line, end), true),
            Some(_) => return Err(self.bad_value(self.at + key_len + 1)),
        }
        Ok(Some(Field { key, value }))
    }

    /// The timestamp in milliseconds, or `None` when the line has none. Call it once all fields are read.
    #[inline]
    pub fn timestamp(&self, precision: Precision) -> Result<Option<TimestampMs>, Fault> {
        debug_assert!(self.fields_done, "the timestamp stands behind the fields");
        let text = &self.line[self.at..];
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Fault::new(FaultKind::BadTimestamp(word(text)), self.at));
        }
        let raw = lexical_core::parse::<i64>(text).ok();
        match raw.and_then(|raw| precision.to_ms(raw)) {
            Some(time) => Ok(Some(time)),
            None => Err(Fault::new(FaultKind::TimestampRange(word(text)), self.at)),
        }
    }

    /// The length of the key at `self.at`, up to its `=`.
    fn key_len(&self) -> Result<usize, Fault> {
        let rest = &self.line[self.at..];
        let mut escaped = false;
        for (i, byte) in rest.iter().enumerate() {
            match byte {
                b'=' if !escaped && i == 0 => break,
                b'=' if !escaped => return Ok(i),
                b',' | b' ' if !escaped && i == 0 => break,
                b',' | b' ' if !escaped => {
                    return Err(Fault::new(FaultKind::NoFieldValue, self.at + i));
                }
                _ => escaped = *byte == b'\\',
            }
        }
        let kind = match rest.first() {
            None | Some(b'=' | b',' | b' ') => FaultKind::NoFieldKey,
            Some(_) => FaultKind::NoFieldValue,
        };
        Err(Fault::new(kind, self.at))
    }

    /// The value at `at` and the offset behind it.
    #[inline]
    fn value(&self, at: usize) -> Result<(FieldValue<'a>, usize), Fault> {
        match self.line.get(at) {
            Some(b'0'..=b'9' | b'-' | b'.') => number(self.line, at),
            Some(b'"') => self.text(at),
            None | Some(b',' | b' ') => Err(Fault::new(FaultKind::NoFieldValue, at)),
            Some(_) => self.boolean(at),
        }
    }

    fn boolean(&self, at: usize) -> Result<(FieldValue<'a>, usize), Fault> {
        let rest = &self.line[at..];
        let len = memchr::memchr2(b',', b' ', rest).unwrap_or(rest.len());
        let value = match &rest[..len] {
            b"t" | b"T" | b"true" | b"True" | b"TRUE" => true,
            b"f" | b"F" | b"false" | b"False" | b"FALSE" => false,
            _ => return Err(self.bad_value(at)),
        };
        Ok((FieldValue::Boolean(value), at + len))
    }

    fn text(&self, at: usize) -> Result<(FieldValue<'a>, usize), Fault> {
        let start = at + 1;
        let mut i = start;
        loop {
            match memchr::memchr2(b'"', b'\\', &self.line[i..]) {
                None => return Err(Fault::new(FaultKind::Unterminated, at)),
                Some(n) if self.line[i + n] == b'"' => {
                    return Ok((FieldValue::Text(&self.line[start..i + n]), i + n + 1));
                }
                // The byte behind a backslash never ends the text, whether it is an escape or not.
                Some(n) => i = (i + n + 2).min(self.line.len()),
            }
        }
    }

    fn bad_value(&self, at: usize) -> Fault {
        let text = word(&self.line[at..]);
        let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
        let kind = if numeric {
            FaultKind::BadNumber(text)
        } else {
            FaultKind::BadValue(text)
        };
        Fault::new(kind, at)
    }
}

/// The offset of the first space that no backslash precedes.
#[inline]
fn unescaped_space(line: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(b' ', &line[from..])?;
        if at == 0 || line[at - 1] != b'\\' {
            return Some(at);
        }
        from = at + 1;
    }
}

#[inline]
fn skip_spaces(line: &[u8], mut at: usize) -> usize {
    while line.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// One line taken apart in one go, for those who are not in a hurry: head, fields, timestamp.
///
/// `number` is the line's, for the error.
pub fn parse_line(
    number: usize,
    line: &[u8],
    precision: Precision,
) -> Result<(super::Head<'_>, Vec<Field<'_>>, Option<TimestampMs>), LineError> {
    let read = || -> Result<_, error::Fault> {
        let mut cursor = Cursor::new(line)?;
        let head = super::Head::parse(cursor.series_key())?;
        let mut fields = Vec::new();
        while let Some(field) = cursor.field(b"")? {
            fields.push(field);
        }
        let time = cursor.timestamp(precision)?;
        Ok((head, fields, time))
    };
    read().map_err(|fault| fault.at_line(number, line))
}
