//! The slices of an objective that its windows reach: each is judged until it can get no more samples, and then kept.
//!
//! A pure cache, as the sums of counters are (`hours.rs`).

use std::collections::BTreeMap;

use bellwether_lang::promql::Expr;
use bellwether_lang::rules::Slice;
use bellwether_model::{DurationMs, Labels, TimestampMs};

use super::bits::Bits;
use super::hours::{Pace, Sums};
use crate::sla::events::{Events, Excluded, SlaError};
use crate::sla::exact::{Exact, Sum};
use crate::sla::slices::{Judged, SLICES_MAX, ends};

/// How slices are made.
pub(super) struct Cut<'a> {
    pub(super) ok: &'a Expr,
    pub(super) width: DurationMs,
    pub(super) missing: Slice,
}

impl Cut<'_> {
    fn width(&self) -> i64 {
        self.width.0.max(1)
    }
}

/// The slices that are kept, by their numbers: their ends as multiples of the slices' length.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The first slice that is kept.
    begin: i64,
    /// The first one that is not judged yet.
    end: i64,
    groups: BTreeMap<Labels, Words>,
}

/// What the expression said about the slices of a group; nothing about those that are neither.
#[derive(Debug, Default)]
struct Words {
    good: Bits,
    bad: Bits,
}

impl Words {
    /// The first slice from `begin` on that has data: a group's slices count from there on.
    fn known_from(&self, begin: i64) -> Option<i64> {
        let (good, bad) = (self.good.first_from(begin), self.bad.first_from(begin));
        good.into_iter().chain(bad).min()
    }

    /// What a slice is; `None` when it does not count.
    fn kind(&self, n: i64, missing: Slice) -> Option<Slice> {
        match (self.good.has(n), self.bad.has(n), missing) {
            (true, ..) => Some(Slice::Ok),
            (_, true, _) => Some(Slice::Bad),
            (_, _, Slice::Skip) => None,
            (_, _, of_missing) => Some(of_missing),
        }
    }

    /// The bad slices and all that count, from `from` on and before `to`.
    fn count(&self, from: i64, to: i64, missing: Slice) -> (u64, u64) {
        let (good, bad) = (self.good.count(from, to), self.bad.count(from, to));
        let all = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        match missing {
            Slice::Skip => (bad, good + bad),
            Slice::Ok => (bad, all),
            Slice::Bad => (all - good, all),
        }
    }
}

impl Course {
    /// Judges what is missing: slices that end in `(begin, to]`.
    pub(super) fn follow(
        &mut self,
        events: &Events<'_>,
        cut: &Cut<'_>,
        begin: TimestampMs,
        to: TimestampMs,
        pace: Pace,
    ) -> Result<(), SlaError> {
        let width = cut.width();
        let (first, last) = ends(width, begin, to);
        let (first, last) = (first / width, last / width);
        let settled = to.minus(pace.settled_after).0.div_euclid(width);
        self.trim(first, settled.min(last) + 1);
        while self.end <= last {
            let end = last.min(self.end + SLICES_MAX - 1);
            let mut judged = Judged::new();
            events.judge(cut.ok, width, self.end * width, end * width, &mut judged)?;
            for (group, slices) in judged {
                let words = self.groups.entry(group).or_default();
                for (at, is_good) in slices {
                    let bits = if is_good {
                        &mut words.good
                    } else {
                        &mut words.bad
                    };
                    bits.set(at / width);
                }
            }
            self.end = end + 1;
        }
        Ok(())
    }

    /// Keeps slices from `first` on and before `end`.
    fn trim(&mut self, first: i64, end: i64) {
        if first < self.begin || self.end < first {
            // Nothing of it, or a hole: begin anew.
            *self = Course {
                begin: first,
                end: first,
                ..Course::default()
            };
            return;
        }
        self.begin = first;
        self.end = self.end.min(end).max(first);
        for words in self.groups.values_mut() {
            words.good.keep(first, self.end);
            words.bad.keep(first, self.end);
        }
        self.groups
            .retain(|_, words| !(words.good.is_empty() && words.bad.is_empty()));
    }

    /// What happened from each of `begins` on.
    pub(super) fn sums(&self, cut: &Cut<'_>, excluded: &Excluded, begins: &[TimestampMs]) -> Sums {
        let width = cut.width();
        // The first slice that ends behind a time.
        let behind = |t: TimestampMs| t.0.div_euclid(width) + 1;
        let one = |words: &Words| {
            let known = words.known_from(self.begin).unwrap_or(self.end);
            let sum = |begin: &TimestampMs| {
                let from = behind(*begin).max(known);
                let (mut bad, mut all) = words.count(from, self.end.max(from), cut.missing);
                for (begin, end) in excluded.spans() {
                    let (left, right) = (behind(*begin).max(from), behind(*end).min(self.end));
                    let (bad_there, all_there) = words.count(left, right.max(left), cut.missing);
                    (bad, all) = (bad - bad_there, all - all_there);
                }
                Sum {
                    counted: Exact::of(bad as f64),
                    total: Exact::of(all as f64),
                }
            };
            begins.iter().map(sum).collect()
        };
        let groups = self.groups.iter();
        groups
            .map(|(group, words)| (group.clone(), one(words)))
            .collect()
    }

    /// Of each group the newest slice that is not excluded: its end, and whether it is bad. Groups whose slice does not count are
    /// left out.
    pub(super) fn newest(
        &self,
        cut: &Cut<'_>,
        excluded: &Excluded,
    ) -> BTreeMap<Labels, (TimestampMs, bool)> {
        let width = cut.width();
        let mut numbers = (self.begin..self.end).rev();
        let Some(n) = numbers.find(|n| !excluded.has(n * width)) else {
            return BTreeMap::new();
        };
        let newest = self.groups.iter().filter_map(|(group, words)| {
            let is_known = words.known_from(self.begin).is_some_and(|known| known <= n);
            let kind = words.kind(n, cut.missing).filter(|_| is_known)?;
            Some((group.clone(), (TimestampMs(n * width), kind == Slice::Bad)))
        });
        newest.collect()
    }
}
