//! Which series carry which label: a set of ids per (name, value), and what matchers make of them.
//!
//! Names and values are stored once each, sorted, so that a pattern is run over the distinct values of its label
//! only, and over those with its literal prefix where it has one.

use bellwether_model::{Labels, MatchOp, Matcher};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Sets of ids by label.
#[derive(Default)]
pub(super) struct Postings {
    all: RoaringBitmap,
    names: BTreeMap<Box<str>, Name>,
}

/// One label name.
#[derive(Default)]
struct Name {
    /// Series that have the label at all.
    all: RoaringBitmap,
    values: BTreeMap<Box<str>, Ids>,
}

/// A set of ids. Values such as a host's address belong to one or few series: no bitmap for one.
enum Ids {
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl Postings {
    /// Adds a series.
    pub(super) fn insert(&mut self, id: u32, labels: &Labels) {
        self.all.insert(id);
        for (name, value) in labels {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), Name::default());
            }
            let Some(entry) = self.names.get_mut(name) else {
                continue;
            };
            entry.all.insert(id);
            match entry.values.get_mut(value) {
                Some(ids) => ids.insert(id),
                None => {
                    entry.values.insert(value.into(), Ids::One(id));
                }
            }
        }
    }

    /// The ids that satisfy every matcher; all of them without one.
    pub(super) fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        // Those that name what must be there come first: they make the set small.
        let (needed, rest): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| !m.matches_empty());
        let mut found: Option<RoaringBitmap> = None;
        for matcher in needed {
            let with = self.with_value(matcher, true);
            match &mut found {
                None => found = Some(with),
                Some(found) => *found &= with,
            }
            if found.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return RoaringBitmap::new();
            }
        }
        let mut found = found.unwrap_or_else(|| self.all.clone());
        for matcher in rest {
            // Series without the label match: only those whose value does not are taken out.
            found -= self.with_value(matcher, false);
        }
        found
    }

    /// The series that have the label with a value for which the matcher says `wanted`.
    fn with_value(&self, matcher: &Matcher, wanted: bool) -> RoaringBitmap {
        let Some(name) = self.names.get(matcher.name()) else {
            return RoaringBitmap::new();
        };
        let literals = match (matcher.op(), wanted) {
            (MatchOp::Equal | MatchOp::Regex, true) => matcher.literals(),
            (MatchOp::NotEqual, false) => Some(vec![matcher.value()]),
            _ => None,
        };
        let mut found = RoaringBitmap::new();
        if let Some(literals) = literals {
            for value in literals {
                if let Some(ids) = name.values.get(value) {
                    ids.add_to(&mut found);
                }
            }
            return found;
        }
        if wanted && matcher.op() == MatchOp::NotEqual && matcher.value().is_empty() {
            return name.all.clone(); // `name!=""`: has the label.
        }
        let prefix = if wanted { matcher.prefix() } else { "" };
        let from = (Bound::Included(prefix), Bound::Unbounded);
        for (value, ids) in name
            .values
            .range::<str, _>(from)
            .take_while(|(v, _)| v.starts_with(prefix))
        {
            if matcher.matches(value) == wanted {
                ids.add_to(&mut found);
            }
        }
        found
    }

    /// Names of labels, sorted, with the series that have them.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &RoaringBitmap)> {
        self.names.iter().map(|(name, entry)| (&**name, &entry.all))
    }

    /// The values of a label, sorted, that some series of `among` has.
    pub(super) fn values<'a>(
        &'a self,
        name: &str,
        among: &'a RoaringBitmap,
    ) -> impl Iterator<Item = &'a str> {
        let values = self
            .names
            .get(name)
            .into_iter()
            .flat_map(|entry| &entry.values);
        values
            .filter(|(_, ids)| ids.meets(among))
            .map(|(value, _)| &**value)
    }
}

impl Ids {
    fn insert(&mut self, id: u32) {
        match self {
            Ids::One(one) if *one == id => {}
            Ids::One(one) => *self = Ids::Many(Box::new(RoaringBitmap::from_iter([*one, id]))),
            Ids::Many(many) => {
                many.insert(id);
            }
        }
    }

    fn add_to(&self, set: &mut RoaringBitmap) {
        match self {
            Ids::One(one) => {
                set.insert(*one);
            }
            Ids::Many(many) => *set |= &**many,
        }
    }

    fn meets(&self, set: &RoaringBitmap) -> bool {
        match self {
            Ids::One(one) => set.contains(*one),
            Ids::Many(many) => !many.is_disjoint(set),
        }
    }
}
