//! Which labels make a group or a match: `by`, `without`, `on`, `ignoring`.
//!
//! Keys are made once a series, as bytes that are equal exactly when the labels that count are.

use bellwether_model::{HashMap, Labels, METRIC_NAME};

/// A choice of labels.
#[derive(Clone, Debug)]
pub(crate) struct LabelChoice {
    /// Only these labels count; otherwise all but these.
    only: bool,
    names: Vec<String>,
}

/// Ends a name or a value inside a key; no UTF-8 text contains it.
const END: u8 = 0xff;

impl LabelChoice {
    /// `by (names)`, `on (names)`
    pub(crate) fn only(names: &[String]) -> LabelChoice {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        LabelChoice { only: true, names }
    }

    /// `without (names)`, `ignoring (names)`: the metric's name never counts.
    pub(crate) fn without(names: &[String]) -> LabelChoice {
        let mut names = names.to_vec();
        names.push(METRIC_NAME.into());
        names.sort();
        names.dedup();
        LabelChoice { only: false, names }
    }

    fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// True when the metric's name counts.
    pub(crate) fn counts_metric(&self) -> bool {
        self.only && self.contains(METRIC_NAME)
    }

    /// Writes the key of `labels` to `key`.
    pub(crate) fn key(&self, labels: &Labels, key: &mut Vec<u8>) {
        key.clear();
        if self.only && self.names.is_empty() {
            return;
        }
        for (name, value) in labels {
            if self.contains(name) == self.only {
                key.extend_from_slice(name.as_bytes());
                key.push(END);
                key.extend_from_slice(value.as_bytes());
                key.push(END);
            }
        }
    }

    /// The labels that count.
    pub(crate) fn labels(&self, labels: &Labels) -> Labels {
        if self.only {
            labels.only(&self.names)
        } else {
            labels.without(&self.names)
        }
    }
}

/// Numbers keys in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    ids: HashMap<Vec<u8>, usize>,
    buffer: Vec<u8>,
}

impl Keys {
    /// The number of the key of `labels`, and whether it is new.
    pub(crate) fn id(&mut self, choice: &LabelChoice, labels: &Labels) -> (usize, bool) {
        choice.key(labels, &mut self.buffer);
        if let Some(id) = self.ids.get(&self.buffer) {
            return (*id, false);
        }
        let id = self.ids.len();
        self.ids.insert(self.buffer.clone(), id);
        (id, true)
    }

    /// The number of the key of `labels`, if it is known.
    pub(crate) fn find(&mut self, choice: &LabelChoice, labels: &Labels) -> Option<usize> {
        choice.key(labels, &mut self.buffer);
        self.ids.get(&self.buffer).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_when_the_labels_that_count_are() {
        let a = Labels::from_pairs([("__name__", "x"), ("a", "aa"), ("b", "bb")]);
        let b = Labels::from_pairs([("__name__", "y"), ("a", "a"), ("b", "abb")]);
        let c = Labels::from_pairs([("__name__", "y"), ("a", "aa"), ("b", "bb")]);
        for choice in [
            LabelChoice::only(&["a".into(), "b".into()]),
            LabelChoice::without(&[]),
        ] {
            let mut keys = Keys::default();
            assert_eq!(keys.id(&choice, &a), (0, true));
            assert_eq!(keys.id(&choice, &b), (1, true));
            assert_eq!(keys.id(&choice, &c), (0, false));
        }
    }
}
