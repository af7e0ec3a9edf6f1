//! What a mapping holds, field by field, with every mistake told at its place.

use bellwether_model::DurationMs;

use super::{Node, Place, Value};
use crate::report::Reporter;

/// A mapping whose fields are being read.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) place: Place,
    entries: &'a [(Node, Node)],
}

impl<'a> Fields<'a> {
    /// The fields of `node`; a mistake and `None` when it is no mapping. Nothing is an empty mapping.
    pub(crate) fn of(node: &'a Node, what: &str, report: &mut Reporter<'_>) -> Option<Fields<'a>> {
        match &node.value {
            Value::Mapping(entries) => Some(Fields {
                place: node.place,
                entries,
            }),
            _ if node.is_null() => Some(Fields {
                place: node.place,
                entries: &[],
            }),
            _ => {
                report.refuse(
                    node.place,
                    format!("{what} is a mapping, found {}", node.kind()),
                );
                None
            }
        }
    }

    /// Refuses every field that is not among `known`.
    pub(crate) fn only(&self, known: &[&str], what: &str, report: &mut Reporter<'_>) {
        for (key, _) in self.entries {
            let name = key.text().unwrap_or("");
            if !known.contains(&name) {
                let meant = nearest(name, known)
                    .map(|word| format!(" (did you mean `{word}`?)"))
                    .unwrap_or_default();
                report.refuse(key.place, format!("{what} has no field `{name}`{meant}"));
            }
        }
    }

    /// The value of a field; null counts as not written.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// Key and value of a field; null counts as not written.
    pub(crate) fn entry(&self, name: &str) -> Option<(&'a Node, &'a Node)> {
        self.entries
            .iter()
            .find(|(key, _)| key.text() == Some(name))
            .map(|(key, value)| (key, value))
            .filter(|(_, value)| !value.is_null())
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a Node, &'a Node)> + use<'a> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The scalar of a field, empty texts included.
    pub(crate) fn text(&self, name: &str, report: &mut Reporter<'_>) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.text();
        if text.is_none() {
            report.refuse(
                value.place,
                format!("`{name}` is a text, found {}", value.kind()),
            );
        }
        text
    }

    /// The items of a list; a mistake when it is none, an empty one when it is not written.
    pub(crate) fn list(&self, name: &str, report: &mut Reporter<'_>) -> &'a [Node] {
        let Some(value) = self.get(name) else {
            return &[];
        };
        if let Value::Sequence(items) = &value.value {
            return items;
        }
        report.refuse(
            value.place,
            format!("`{name}` is a list, found {}", value.kind()),
        );
        &[]
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, name: &str, report: &mut Reporter<'_>) -> Vec<(&'a str, Place)> {
        let items = self.list(name, report);
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.text() {
                Some(text) => texts.push((text, item.place)),
                None => report.refuse(
                    item.place,
                    format!("`{name}` is a list of texts, found {}", item.kind()),
                ),
            }
        }
        texts
    }

    /// The pairs of a mapping of texts; a null value is an empty text.
    pub(crate) fn pairs(&self, name: &str, report: &mut Reporter<'_>) -> Vec<(&'a Node, &'a Node)> {
        let Some(fields) = self
            .get(name)
            .and_then(|node| Fields::of(node, &format!("`{name}`"), report))
        else {
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (key, value) in fields.entries() {
            if matches!(value.value, Value::Scalar { .. }) {
                pairs.push((key, value));
            } else {
                let key = key.text().unwrap_or("");
                report.refuse(
                    value.place,
                    format!("`{key}` in `{name}` is a text, found {}", value.kind()),
                );
            }
        }
        pairs
    }

    /// A duration as Prometheus writes it: `5m`, `1h30m`, `0`.
    pub(crate) fn duration(&self, name: &str, report: &mut Reporter<'_>) -> Option<DurationMs> {
        let text = self.text(name, report)?;
        let found = DurationMs::parse(text);
        if found.is_none() {
            let place = self.get(name).map_or(self.place, |node| node.place);
            report.refuse(
                place,
                format!("`{name}: {text}` is not a duration such as 30s, 5m or 1h30m"),
            );
        }
        found
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str, report: &mut Reporter<'_>) -> Option<bool> {
        let text = self.text(name, report)?;
        match text {
            "true" | "True" | "TRUE" | "yes" | "on" => Some(true),
            "false" | "False" | "FALSE" | "no" | "off" => Some(false),
            _ => {
                let place = self.get(name).map_or(self.place, |node| node.place);
                report.refuse(place, format!("`{name}` is true or false, found `{text}`"));
                None
            }
        }
    }

    /// A number.
    pub(crate) fn number(&self, name: &str, report: &mut Reporter<'_>) -> Option<f64> {
        let text = self.text(name, report)?;
        let found = text.parse::<f64>().ok().filter(|n| n.is_finite());
        if found.is_none() {
            let place = self.get(name).map_or(self.place, |node| node.place);
            report.refuse(place, format!("`{name}` is a number, found `{text}`"));
        }
        found
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str, report: &mut Reporter<'_>) -> Option<i64> {
        let text = self.text(name, report)?;
        let found = text.parse::<i64>().ok();
        if found.is_none() {
            let place = self.get(name).map_or(self.place, |node| node.place);
            report.refuse(place, format!("`{name}` is a whole number, found `{text}`"));
        }
        found
    }
}

/// The word that `word` was probably meant to be.
fn nearest<'w>(word: &str, among: &[&'w str]) -> Option<&'w str> {
    among
        .iter()
        .filter(|other| is_near(word, other))
        .map(|other| (distance(word, other), *other))
        .min()
        .map(|(_, other)| other)
}

/// True when `word` may have been meant to be `other`: one letter in three may differ, one at least.
pub(crate) fn is_near(word: &str, other: &str) -> bool {
    distance(word, other) <= (word.chars().count() / 3).max(1)
}

/// Letters to insert, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
