//! A series' identity: its name and labels, sorted, in one shared allocation.
//!
//! Millions of these live in memory at once, so the pairs are packed into a single string:
//!
//! ```text
//! pair    = length name-bytes length value-bytes
//! length  = one byte below 0x40, or four bytes 0x40|hi, 7 bits, 7 bits, 7 bits
//! ```
//!
//! Every length byte is below 0x80, so the packed form is itself valid UTF-8 and needs no check when
//! it is taken apart. Pairs are sorted by name, names are unique, no value is empty (an empty value
//! means that the label is absent, as in Prometheus).
//!
//! Not here: which names and lengths are acceptable from outside (`wire` and `store` check those).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

/// The longest name or value that can be packed, in bytes. Far above what ingest accepts; longer
/// texts can only come out of `label_replace` and `label_join`, and are cut there by [`LabelsBuilder`].
const TEXT_BYTES_MAX: usize = (1 << 27) - 1;

/// A sorted set of label pairs, the metric's name among them as `__name__`. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The empty label set, `{}`.
    pub fn empty() -> Labels {
        Labels(Arc::from(""))
    }

    /// From pairs in any order. Empty values are left out; of a repeated name the last pair stays.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Labels {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// From pairs that are already sorted by name, unique and without empty values.
    /// Returns `None` when they are not.
    pub fn from_sorted(pairs: &[(&str, &str)]) -> Option<Labels> {
        let ordered = pairs.windows(2).all(|w| w[0].0 < w[1].0);
        let fits = pairs
            .iter()
            .all(|(n, v)| !v.is_empty() && n.len() <= TEXT_BYTES_MAX && v.len() <= TEXT_BYTES_MAX);
        if !ordered || !fits {
            return None;
        }
        let bytes = pairs.iter().map(|(n, v)| n.len() + v.len() + 8).sum();
        let mut packed = String::with_capacity(bytes);
        for (name, value) in pairs {
            pack(&mut packed, name);
            pack(&mut packed, value);
        }
        Some(Labels(packed.into()))
    }

    /// The pairs, sorted by name.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// The value of `name`, if the label is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        for (n, v) in self {
            match n.cmp(name) {
                Ordering::Equal => return Some(v),
                Ordering::Greater => return None,
                Ordering::Less => {}
            }
        }
        None
    }

    /// The metric's name, if there is one.
    pub fn metric(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// Number of pairs, the name counted.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True for `{}`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same without the metric's name.
    pub fn without_metric(&self) -> Labels {
        if self.metric().is_none() {
            return self.clone();
        }
        self.without(&[METRIC_NAME])
    }

    /// The same without these names.
    pub fn without<S: AsRef<str>>(&self, names: &[S]) -> Labels {
        self.filtered(|n| !names.iter().any(|x| x.as_ref() == n))
    }

    /// Only these names.
    pub fn only<S: AsRef<str>>(&self, names: &[S]) -> Labels {
        self.filtered(|n| names.iter().any(|x| x.as_ref() == n))
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Labels {
        let mut packed = String::with_capacity(self.0.len());
        for (name, value) in self.iter().filter(|(n, _)| keep(n)) {
            pack(&mut packed, name);
            pack(&mut packed, value);
        }
        Labels(packed.into())
    }

    /// The packed form: equal labels have equal bytes. Its order is not the order of the labels.
    pub fn as_packed(&self) -> &str {
        &self.0
    }

    /// Takes a packed form back, checking all of it. `None` when it isn't one.
    pub fn from_packed(packed: &str) -> Option<Labels> {
        let mut rest = packed;
        let mut before: Option<&str> = None;
        while !rest.is_empty() {
            let (name, after) = unpack(rest)?;
            let (value, after) = unpack(after)?;
            if value.is_empty() || before.is_some_and(|b| b >= name) {
                return None;
            }
            before = Some(name);
            rest = after;
        }
        Some(Labels(packed.into()))
    }

    /// Bytes of the one allocation behind this label set.
    pub fn heap_bytes(&self) -> usize {
        self.0.len() + 16 // The two counters of `Arc`.
    }

    /// Alertmanager's fingerprint: FNV-1a 64 over `name 0xff value 0xff` of every pair.
    pub fn fingerprint(&self) -> u64 {
        const PRIME: u64 = 1_099_511_628_211;
        let mut hash: u64 = 14_695_981_039_346_656_037;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        for (name, value) in self {
            name.bytes().for_each(&mut add);
            add(0xff);
            value.bytes().for_each(&mut add);
            add(0xff);
        }
        hash
    }
}

impl Default for Labels {
    fn default() -> Labels {
        Labels::empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Labels) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Pair by pair, name before value; a shorter set that is a prefix comes first, as in Prometheus.
impl Ord for Labels {
    fn cmp(&self, other: &Labels) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// As PromQL writes it: `name{a="b"}`; a name that needs quotes goes inside the braces.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric();
        let bare = metric.is_some_and(is_legacy_metric_name);
        let mut first = true;
        if let (Some(name), true) = (metric, bare) {
            f.write_str(name)?;
            if self.len() == 1 {
                return Ok(());
            }
        }
        f.write_str("{")?;
        if let (Some(name), false) = (metric, bare) {
            write!(f, "{}", Quoted(name))?;
            first = false;
        }
        for (name, value) in self.iter().filter(|(n, _)| *n != METRIC_NAME) {
            if !std::mem::take(&mut first) {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(name) {
                f.write_str(name)?;
            } else {
                write!(f, "{}", Quoted(name))?;
            }
            write!(f, "={}", Quoted(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text in double quotes, escaped as PromQL and Go do it.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if (c as u32) < 0x20 || c == '\u{7f}' => write!(f, "\\x{:02x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// True for `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// True for `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The pairs of a label set, sorted by name.
#[derive(Clone)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        if self.rest.is_empty() {
            return None;
        }
        // Packed by this file alone, or checked by `from_packed`.
        let (name, after) = unpack(self.rest)?;
        let (value, after) = unpack(after)?;
        self.rest = after;
        Some((name, value))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

fn pack(out: &mut String, text: &str) {
    let len = text.len();
    if len < 0x40 {
        out.push(char::from(len as u8));
    } else {
        out.push(char::from(0x40 | (len >> 21) as u8));
        for shift in [14, 7, 0] {
            out.push(char::from((len >> shift & 0x7f) as u8));
        }
    }
    out.push_str(text);
}

fn unpack(packed: &str) -> Option<(&str, &str)> {
    let bytes = packed.as_bytes();
    let first = *bytes.first()? as usize;
    let (len, at) = if first < 0x40 {
        (first, 1)
    } else {
        let [b, c, d] = *bytes.get(1..4)? else {
            return None;
        };
        if first >= 0x80 || (b | c | d) >= 0x80 {
            return None;
        }
        (
            (first & 0x3f) << 21 | (b as usize) << 14 | (c as usize) << 7 | d as usize,
            4,
        )
    };
    let rest = packed.get(at..)?;
    Some((rest.get(..len)?, rest.get(len..)?))
}

/// Collects pairs in any order and packs them.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    /// Sorted by name, values may be empty until `build`.
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Starts with no label.
    pub fn new() -> LabelsBuilder {
        LabelsBuilder::default()
    }

    /// Starts with the pairs of `labels`.
    pub fn from_labels(labels: &Labels) -> LabelsBuilder {
        LabelsBuilder {
            pairs: labels.iter().map(|(n, v)| (n.into(), v.into())).collect(),
        }
    }

    /// Sets `name` to `value`, replacing what was there. An empty value removes the label.
    /// Texts beyond 128 MiB are cut at a character.
    pub fn set(&mut self, name: &str, value: &str) -> &mut LabelsBuilder {
        let (name, value) = (cut(name), cut(value));
        match self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(at) => value.clone_into(&mut self.pairs[at].1),
            Err(at) => self.pairs.insert(at, (name.into(), value.into())),
        }
        self
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) -> &mut LabelsBuilder {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// The value set for `name` so far.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self
            .pairs
            .binary_search_by(|(n, _)| n.as_str().cmp(name))
            .ok()?;
        Some(self.pairs[at].1.as_str()).filter(|v| !v.is_empty())
    }

    /// The label set.
    pub fn build(&self) -> Labels {
        let bytes = self.pairs.iter().map(|(n, v)| n.len() + v.len() + 8).sum();
        let mut packed = String::with_capacity(bytes);
        for (name, value) in self.pairs.iter().filter(|(_, v)| !v.is_empty()) {
            pack(&mut packed, name);
            pack(&mut packed, value);
        }
        Labels(packed.into())
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_unique_and_never_empty() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "0"), ("c", ""), ("a", "1")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(labels.get("c"), None);
        assert_eq!(labels.len(), 2);
    }

    #[test]
    fn texts_of_any_length_come_back() {
        for len in [0, 1, 63, 64, 127, 128, 16_383, 16_384, 300_000] {
            let (name, value) = ("n".repeat(len.max(1)), "ü".repeat(len.max(1)));
            let labels = Labels::from_pairs([(&name, &value)]);
            assert_eq!(labels.get(&name), Some(value.as_str()));
            assert_eq!(Labels::from_packed(labels.as_packed()), Some(labels));
        }
    }

    #[test]
    fn a_damaged_packed_form_is_refused() {
        for packed in [
            "\u{1}",
            "\u{1}a",
            "\u{1}a\u{0}",
            "\u{40}",
            "\u{1}b\u{1}x\u{1}a\u{1}x",
            "\u{5}ab",
        ] {
            assert_eq!(Labels::from_packed(packed), None, "{packed:?}");
        }
    }

    #[test]
    fn order_is_by_pairs_and_not_by_packed_bytes() {
        let short = Labels::from_pairs([("a", "zz")]);
        let long = Labels::from_pairs([("a", "b".repeat(70))]);
        assert!(long < short);
        assert!(Labels::empty() < long);
    }

    #[test]
    fn text_is_what_promql_writes() {
        let check = |pairs: &[(&str, &str)], want: &str| {
            assert_eq!(Labels::from_pairs(pairs.iter().copied()).to_string(), want);
        };
        check(&[], "{}");
        check(&[("__name__", "up")], "up");
        check(&[("__name__", "up"), ("job", "a\"b")], r#"up{job="a\"b"}"#);
        check(
            &[("__name__", "http.requests"), ("a b", "c")],
            r#"{"http.requests", "a b"="c"}"#,
        );
    }

    #[test]
    fn fingerprint_is_alertmanagers() {
        let labels = Labels::from_pairs([("alertname", "A"), ("env", "p")]);
        assert_eq!(labels.fingerprint(), 0xf38e_5ce3_cac0_84d6);
    }
}
