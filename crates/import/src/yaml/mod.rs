//! YAML as a tree in which everything knows its place.
//!
//! Built from the events of `granit-parser`: values and keys with line and column, scalars as they were written
//! (`0x10`, `1e3` and `yes` stay texts until a field says what it wants), anchors, merge keys, several documents.
//!
//! Hostile input ends early: `import.file`, `import.nodes` (aliases count as what they stand for) and `import.depth`
//! are looked at before anything grows. A key that stands twice is a mistake, as it is for the systems that wrote
//! these files.
//!
//! - `read`: events to [`Node`]s. `fields`: what a mapping holds, read by those who know the format.

mod fields;
mod read;

pub(crate) use fields::{Fields, is_near};
pub(crate) use read::{Read, read};

/// Where something begins, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A text, a number, a word: as it was written, quotes and folding resolved.
    Scalar {
        text: String,
        /// Not in quotes and not a block: `null` is nothing, `1` may be a number.
        plain: bool,
        /// Where line `n` of the text stands in the file, for a `|` block: the line of its first line and its
        /// indentation.
        block: Option<Place>,
    },
    Sequence(Vec<Node>),
    /// Keys are unique.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// True for `null`, `~` and nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true, .. }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The scalar's text; `None` for lists, mappings, and null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|(name, _)| name.text() == Some(key))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Where byte `at` of the scalar's text stands in the file; exact in blocks and one-line scalars without
    /// escapes, the scalar's own place otherwise.
    pub(crate) fn place_of(&self, at: usize) -> Place {
        let Value::Scalar { text, plain, block } = &self.value else {
            return self.place;
        };
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() as u32;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32;
        match block {
            Some(first) => Place {
                line: first.line + line,
                column: first.column + column,
            },
            // A text in quotes begins behind the quote; several lines of it were folded into one.
            None if line == 0 && !text.contains('\n') => Place {
                line: self.place.line,
                column: self.place.column + column + u32::from(!plain),
            },
            None => self.place,
        }
    }
}
