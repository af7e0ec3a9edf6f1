//! What can be wrong with a line, worded with the terms that Influx clients look for.

use bellwether_model::limits::{Limit, Unit};

/// A mistake and where it stands inside its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Byte offset from the line's start, 0-based.
    pub at: usize,
}

/// What is wrong with a line. Texts taken from it are clipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The line begins with a comma or ends before a name.
    #[error("missing measurement")]
    NoMeasurement,
    /// Nothing, or nothing but blanks, behind the tags.
    #[error("missing fields")]
    NoFields,
    /// `m,=v`.
    #[error("missing tag key")]
    NoTagKey,
    /// `m,t=` or `m,t`.
    #[error("missing tag value")]
    NoTagValue,
    /// A second `=` in a tag that is not escaped.
    #[error("invalid tag format: unescaped `=` in a tag value")]
    TagFormat,
    /// One key twice in a line.
    #[error("duplicate tags: {0}")]
    DuplicateTag(String),
    /// Two keys that become one label name.
    #[error("duplicate tags: {first} and {second} both become the label {label}")]
    TagsCollide {
        /// The earlier key.
        first: String,
        /// The later key.
        second: String,
        /// The label both become.
        label: String,
    },
    /// A name or value that ends with a backslash.
    #[error("a name or tag value must not end with a backslash")]
    TrailingBackslash,
    /// `=1`, or a comma with nothing behind it.
    #[error("missing field key")]
    NoFieldKey,
    /// A field without `=`, or nothing behind it.
    #[error("missing field value")]
    NoFieldValue,
    /// Neither a number nor a boolean nor a string; NaN and infinities are not legal either.
    #[error("invalid field value: {0}")]
    BadValue(String),
    /// A number that is not one, or a number with text behind it.
    #[error("invalid number: {0}")]
    BadNumber(String),
    /// An integer beyond 64 bits, or a float beyond the largest.
    #[error("number out of range: {0}")]
    NumberRange(String),
    /// A string that the line's end cuts off.
    #[error("unbalanced quotes")]
    Unterminated,
    /// Behind the fields stands something that is no integer.
    #[error("bad timestamp: {0}")]
    BadTimestamp(String),
    /// Beyond 64 bits, as written or in milliseconds.
    #[error("timestamp out of range: {0}")]
    TimestampRange(String),
    /// A name or tag value that is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// Something longer, or more of it, than is accepted.
    #[error("{what} is {got}{unit}, the limit {name} is {max}")]
    Limit {
        /// What was measured.
        what: &'static str,
        /// The limit's public name.
        name: &'static str,
        /// Its value.
        max: u64,
        /// What the line has.
        got: u64,
        /// What both count, with a blank before it; empty for things.
        unit: &'static str,
    },
}

impl FaultKind {
    pub(crate) fn limit(what: &'static str, limit: &Limit, got: usize) -> FaultKind {
        FaultKind::Limit {
            what,
            name: limit.name,
            max: limit.value,
            got: got as u64,
            unit: match limit.unit {
                Unit::Bytes => " bytes",
                Unit::Count | Unit::Millis => "",
            },
        }
    }

    /// A short code for counting: `parse`, or the name of the limit.
    pub fn code(&self) -> &'static str {
        match self {
            FaultKind::Limit { name, .. } => name,
            _ => "parse",
        }
    }
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, at: usize) -> Fault {
        Fault { kind, at }
    }

    /// A short code for counting: see [`FaultKind::code`].
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The same with the line it stands in: its number (1-based) and its text.
    pub fn at_line(self, number: usize, text: &[u8]) -> LineError {
        LineError {
            line: number,
            column: self.at + 1,
            text: shown(text),
            kind: self.kind,
        }
    }
}

/// A line that was refused, with all a person needs to find and mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse '{text}': line {line}, column {column}: {kind}")]
pub struct LineError {
    /// 1-based, comments and blank lines counted.
    pub line: usize,
    /// 1-based, in bytes.
    pub column: usize,
    /// The line, clipped, with invalid UTF-8 replaced.
    pub text: String,
    /// What is wrong.
    pub kind: FaultKind,
}

/// How much of a refused line an answer repeats, in bytes.
const LINE_SHOWN_MAX: usize = 256;
/// How much of a refused word an answer repeats, in bytes.
const WORD_SHOWN_MAX: usize = 64;

/// A refused line as messages repeat it: clipped, with invalid UTF-8 replaced.
pub fn shown(line: &[u8]) -> String {
    clip(line, LINE_SHOWN_MAX)
}

/// The word at the start of `text`, up to the next comma or blank, clipped.
pub(crate) fn word(text: &[u8]) -> String {
    let end = memchr::memchr2(b',', b' ', text).unwrap_or(text.len());
    clip(&text[..end], WORD_SHOWN_MAX)
}

/// A name or the like, clipped.
pub(crate) fn clip_word(text: &str) -> String {
    clip(text.as_bytes(), WORD_SHOWN_MAX)
}

fn clip(text: &[u8], max: usize) -> String {
    if text.len() <= max {
        return String::from_utf8_lossy(text).into_owned();
    }
    // A character cut in half must not show as a replacement character: step back to its start.
    let mut end = max;
    while end > max - 4 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    let mut shown = String::from_utf8_lossy(&text[..end]).into_owned();
    shown.push('…');
    shown
}
