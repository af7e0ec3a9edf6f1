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

impl<'a> Cut<'a> {
    pub(super) fn of(ok: &'a Expr, width: DurationMs, missing: Slice) -> Cut<'a> {
        Cut { ok, width, missing }
    }

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
    /// Slices that end up to here are judged for good.
    foreseen: Option<TimestampMs>,
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
        let settled = to.minus(pace.settled_after);
        let settled = settled.max(self.foreseen.unwrap_or(settled));
        self.trim(first / width, settled.0.div_euclid(width) + 1);
        self.judge(events, cut, last / width)
    }

    /// Judges slices up to `until` whose samples are all there already, once and for all.
    pub(super) fn foresee(
        &mut self,
        events: &Events<'_>,
        cut: &Cut<'_>,
        begin: TimestampMs,
        until: TimestampMs,
    ) -> Result<(), SlaError> {
        let width = cut.width();
        let (first, last) = ends(width, begin, until);
        self.trim(first / width, last / width + 1);
        self.judge(events, cut, last / width)?;
        self.foreseen = Some(until);
        Ok(())
    }

    /// Whether the slices that end at a time are judged for good.
    pub(super) fn has_foreseen(&self, end: TimestampMs) -> bool {
        self.foreseen.is_some_and(|until| end <= until)
    }

    fn judge(&mut self, events: &Events<'_>, cut: &Cut<'_>, last: i64) -> Result<(), SlaError> {
        let width = cut.width();
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

    /// What happened from each of `begins` on, up to `to`.
    pub(super) fn sums(
        &self,
        cut: &Cut<'_>,
        excluded: &Excluded,
        begins: &[TimestampMs],
        to: TimestampMs,
    ) -> Sums {
        let width = cut.width();
        // The first slice that ends behind a time.
        let behind = |t: TimestampMs| t.0.div_euclid(width) + 1;
        let end = self.end.min(behind(to));
        let one = |words: &Words, known: i64| {
            let sum = |begin: &TimestampMs| {
                let from = behind(*begin).max(known);
                let (mut bad, mut all) = words.count(from, end.max(from), cut.missing);
                for (begin, until) in excluded.spans() {
                    let (left, right) = (behind(*begin).max(from), behind(*until).min(end));
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
        let groups = self.groups.iter().filter_map(|(group, words)| {
            // What only slices to come have is not there yet.
            let known = words.known_from(self.begin).filter(|known| *known < end)?;
            Some((group.clone(), one(words, known)))
        });
        groups.collect()
    }

    /// Of each group the newest slice that ends at `to` or before and is not excluded: whether it is bad, and the end of all of
    /// them. Groups whose slice does not count are left out.
    pub(super) fn newest(
        &self,
        cut: &Cut<'_>,
        excluded: &Excluded,
        to: TimestampMs,
    ) -> Option<(TimestampMs, BTreeMap<Labels, bool>)> {
        let width = cut.width();
        let end = self.end.min(to.0.div_euclid(width) + 1);
        let mut numbers = (self.begin..end).rev();
        let n = numbers.find(|n| !excluded.has(n * width))?;
        let newest = self.groups.iter().filter_map(|(group, words)| {
            let is_known = words.known_from(self.begin).is_some_and(|known| known <= n);
            let kind = words.kind(n, cut.missing).filter(|_| is_known)?;
            Some((group.clone(), kind == Slice::Bad))
        });
        Some((TimestampMs(n * width), newest.collect()))
    }
}
