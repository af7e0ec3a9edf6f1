//! Measurement and tags: taken apart, checked, and turned into labels.
//!
//! Runs once for a series that is new to the server; what it accepts goes into a cache under the line's
//! own bytes. That is why the checks of names stand here and not in the cursor.
//!
//! Not here: other ways to map (`_` joins measurement and field, and replaces what a legacy name may not hold).

use std::borrow::Cow;

use bellwether_model::labels::{is_legacy_label_name, is_legacy_metric_name};
use bellwether_model::limits::{
    LABEL_NAME_MAX, LABEL_VALUE_MAX, LABELS_MAX, Limit, METRIC_NAME_MAX,
};
use bellwether_model::{HashSet, Labels, LabelsBuilder, METRIC_NAME};

use super::error::{Fault, FaultKind, clip_word};

/// A line's measurement and tags, escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Not empty.
    pub measurement: Cow<'a, str>,
    /// In the order of the line. Keys are unique, neither keys nor values are empty.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What it was taken from, to find places in.
    key: &'a [u8],
}

impl<'a> Head<'a> {
    /// Takes a [series key](super::Cursor::series_key) apart.
    pub fn parse(key: &'a [u8]) -> Result<Head<'a>, Fault> {
        let mut parts = Parts { key, at: 0 };
        let (at, measurement) = parts.next().unwrap_or((0, &key[..0]));
        if measurement.is_empty() {
            return Err(Fault::new(FaultKind::NoMeasurement, 0));
        }
        let measurement = text(measurement, at, b", ")?;
        let mut tags: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        let mut seen: HashSet<Cow<'a, str>> = HashSet::default();
        while let Some((at, tag)) = parts.next() {
            let (name, value) = pair(tag, at)?;
            if !seen.insert(name.clone()) {
                return Err(Fault::new(FaultKind::DuplicateTag(clip_word(&name)), at));
            }
            tags.push((name, value));
        }
        Ok(Head {
            measurement,
            tags,
            key,
        })
    }

    /// Where the tag of this index stands in the line, and where its value does. Only errors ask.
    fn places(&self, index: usize) -> (usize, usize) {
        let mut parts = Parts {
            key: self.key,
            at: 0,
        };
        for _ in 0..=index {
            parts.next(); // The measurement, and the tags before it.
        }
        let (at, tag) = parts.next().unwrap_or((0, &self.key[..0]));
        (at, at + unescaped(tag, b'=').map_or(0, |equals| equals + 1))
    }
}

/// The pieces of a key between unescaped commas.
struct Parts<'a> {
    key: &'a [u8],
    /// Where the next piece begins; beyond the end when there is none.
    at: usize,
}

impl<'a> Parts<'a> {
    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let rest = self.key.get(self.at..)?;
        let len = unescaped(rest, b',').unwrap_or(rest.len());
        let at = self.at;
        self.at += len + 1;
        Some((at, &rest[..len]))
    }
}

/// The offset of the first `stop` that no backslash precedes.
fn unescaped(text: &[u8], stop: u8) -> Option<usize> {
    let found = |i: &usize| text[*i] == stop && (*i == 0 || text[i - 1] != b'\\');
    (0..text.len()).find(found)
}

fn pair(tag: &[u8], at: usize) -> Result<(Cow<'_, str>, Cow<'_, str>), Fault> {
    let Some(equals) = unescaped(tag, b'=') else {
        let kind = if tag.is_empty() {
            FaultKind::NoTagKey
        } else {
            FaultKind::NoTagValue
        };
        return Err(Fault::new(kind, at));
    };
    let (name, value) = (&tag[..equals], &tag[equals + 1..]);
    let value_at = at + equals + 1;
    if name.is_empty() {
        return Err(Fault::new(FaultKind::NoTagKey, at));
    }
    if value.is_empty() {
        return Err(Fault::new(FaultKind::NoTagValue, value_at));
    }
    if let Some(second) = unescaped(value, b'=') {
        return Err(Fault::new(FaultKind::TagFormat, value_at + second));
    }
    Ok((text(name, at, b",= ")?, text(value, value_at, b",= ")?))
}

/// The text without its escapes: a backslash before one of `special`.
fn text<'a>(raw: &'a [u8], at: usize, special: &[u8]) -> Result<Cow<'a, str>, Fault> {
    if raw.last() == Some(&b'\\') {
        return Err(Fault::new(FaultKind::TrailingBackslash, at + raw.len() - 1));
    }
    let checked =
        std::str::from_utf8(raw).map_err(|e| Fault::new(FaultKind::Utf8, at + e.valid_up_to()))?;
    Ok(unescape(checked, special))
}

/// `text` without the backslashes that stand before one of `special`, all ASCII.
pub(super) fn unescape<'a>(text: &'a str, special: &[u8]) -> Cow<'a, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        match rest.as_bytes().get(1) {
            // What is escaped stands for itself, even when it is a backslash.
            Some(next) if special.contains(next) => plain.push(char::from(*next)),
            _ => {
                plain.push('\\');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[2..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// How a request's lines become series: `measurement_field{tags}`, with what the request adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The database or bucket of the request: becomes the label `db` of lines without that tag.
    pub db: Option<String>,
    /// Labels of the request: they win over a line's tags.
    pub extra: Vec<(String, String)>,
}

impl Mapping {
    /// The labels that all fields of a line share; the metric's name is still missing.
    ///
    /// Characters that a legacy label name may not hold become `_`. Tags whose name begins with `__` are
    /// left out: such labels are the server's own.
    pub fn shared_labels(&self, head: &Head<'_>) -> Result<LabelsBuilder, Fault> {
        let mut labels = LabelsBuilder::new();
        let mut count = 1; // The metric's name.
        for (i, (tag, value)) in head.tags.iter().enumerate() {
            let name = label_name(tag);
            if name.starts_with("__") {
                continue;
            }
            within("a tag's name", name.len(), &LABEL_NAME_MAX, || {
                head.places(i).0
            })?;
            within("a tag's value", value.len(), &LABEL_VALUE_MAX, || {
                head.places(i).1
            })?;
            if labels.get(&name).is_some() {
                let other = head.tags[..i].iter().find(|(t, _)| label_name(t) == name);
                let first = other.map_or("", |(t, _)| t);
                return Err(Fault::new(collision(first, tag, &name), head.places(i).0));
            }
            labels.set(&name, value);
            count += 1;
        }
        if let Some(db) = self.db.as_deref()
            && labels.get("db").is_none()
        {
            labels.set("db", db);
            count += 1;
        }
        for (name, value) in &self.extra {
            count += usize::from(labels.get(name).is_none());
            labels.set(name, value);
        }
        within("the number of labels", count, &LABELS_MAX, || 0)?;
        Ok(labels)
    }

    /// The labels of one field's series. `field` is its key as it stands in the line; `shared` is changed
    /// in nothing but the metric's name.
    pub fn series(
        &self,
        shared: &mut LabelsBuilder,
        head: &Head<'_>,
        field: &[u8],
    ) -> Result<Labels, Fault> {
        let field = text(field, 0, b",= ")?;
        let name = metric_name(&head.measurement, &field);
        within("the metric's name", name.len(), &METRIC_NAME_MAX, || 0)?;
        Ok(shared.set(METRIC_NAME, &name).build())
    }
}

fn collision(first: &str, second: &str, label: &str) -> FaultKind {
    FaultKind::TagsCollide {
        first: clip_word(first),
        second: clip_word(second),
        label: clip_word(label),
    }
}

/// `at` is asked for the place only when it is needed.
fn within(
    what: &'static str,
    got: usize,
    limit: &Limit,
    at: impl FnOnce() -> usize,
) -> Result<(), Fault> {
    if got <= limit.usize() {
        return Ok(());
    }
    Err(Fault::new(FaultKind::limit(what, limit, got), at()))
}

/// The tag's key as a legacy label name.
fn label_name(tag: &str) -> Cow<'_, str> {
    if is_legacy_label_name(tag) {
        return Cow::Borrowed(tag);
    }
    Cow::Owned(underscored(tag, |c| c.is_ascii_alphanumeric()))
}

/// `measurement_field` as a legacy metric name.
fn metric_name(measurement: &str, field: &str) -> String {
    let name = format!("{measurement}_{field}");
    if is_legacy_metric_name(&name) {
        return name;
    }
    underscored(&name, |c| c.is_ascii_alphanumeric() || c == ':')
}

/// Every character that is not legal becomes `_`; one more stands before a leading digit.
fn underscored(name: &str, legal: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(name.chars().map(|c| if legal(c) { c } else { '_' }));
    out
}
