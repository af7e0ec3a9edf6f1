//! The slices of an objective that its windows reach: each is judged until it can get no more samples, and then kept.
//!
//! A pure cache, as the sums of counters are (`hours.rs`).

use std::collections::{BTreeMap, VecDeque};

use bellwether_lang::promql::Expr;
use bellwether_lang::rules::Slice;
use bellwether_model::{DurationMs, Labels, TimestampMs};

use super::hours::{Pace, Sums};
use crate::sla::events::{Events, Excluded, SlaError};
use crate::sla::exact::{Exact, Sum};
use crate::sla::slices::{Judged, SLICES_MAX, ends};

/// What an expression said about a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    /// Nothing.
    #[default]
    None,
    Good,
    Bad,
}

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

    /// What a slice is; `None` when it does not count.
    fn kind(&self, word: Word) -> Option<Slice> {
        match (word, self.missing) {
            (Word::Good, _) | (Word::None, Slice::Ok) => Some(Slice::Ok),
            (Word::Bad, _) | (Word::None, Slice::Bad) => Some(Slice::Bad),
            (Word::None, Slice::Skip) => None,
        }
    }
}

/// The slices that are kept, as words, one for each slice from `begin` on.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The number of the first slice: its end as a multiple of the slices' length.
    begin: i64,
    /// How many were judged.
    judged: usize,
    groups: BTreeMap<Labels, VecDeque<Word>>,
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
        let mut next = self.begin + self.judged as i64;
        while next <= last {
            let end = last.min(next + SLICES_MAX - 1);
            let mut judged = Judged::new();
            events.judge(cut.ok, width, next * width, end * width, &mut judged)?;
            let known = self.judged;
            self.judged += usize::try_from(end - next + 1).unwrap_or(0);
            for group in judged.keys() {
                self.groups.entry(group.clone()).or_default();
            }
            for (group, words) in &mut self.groups {
                words.resize(known, Word::None);
                let said = judged.get(group);
                words.extend((next..=end).map(
                    |n| match said.and_then(|said| said.get(&(n * width))) {
                        Some(true) => Word::Good,
                        Some(false) => Word::Bad,
                        None => Word::None,
                    },
                ));
            }
            next = end + 1;
        }
        Ok(())
    }

    /// Keeps slices from `first` on and before `end`.
    fn trim(&mut self, first: i64, end: i64) {
        let known = self.begin + self.judged as i64;
        if first < self.begin || known < first {
            // Nothing of it, or a hole: begin anew.
            *self = Course {
                begin: first,
                ..Course::default()
            };
            return;
        }
        let old = (first - self.begin) as usize;
        self.judged = usize::try_from(known.min(end) - first).unwrap_or(0);
        self.begin = first;
        for words in self.groups.values_mut() {
            words.drain(..old.min(words.len()));
            words.truncate(self.judged);
        }
        self.groups
            .retain(|_, words| words.iter().any(|word| *word != Word::None));
    }

    /// What happened from each of `begins` on. A group's slices count from its first one with data on.
    pub(super) fn sums(&self, cut: &Cut<'_>, excluded: &Excluded, begins: &[TimestampMs]) -> Sums {
        let width = cut.width();
        let one = |words: &VecDeque<Word>| {
            let mut sums = vec![Sum::default(); begins.len()];
            let known = words.iter().position(|word| *word != Word::None);
            let slices = words
                .iter()
                .zip(self.begin..)
                .skip(known.unwrap_or(words.len()));
            // As with counters: to the last window that has it.
            let mut last = 0;
            for (word, n) in slices {
                let end = n * width;
                while begins.get(last).is_some_and(|begin| begin.0 < end) {
                    last += 1;
                }
                let Some(kind) = cut.kind(*word).filter(|_| !excluded.has(end)) else {
                    continue;
                };
                if let Some(sum) = last.checked_sub(1).map(|last| &mut sums[last]) {
                    let bad = if kind == Slice::Bad { 1.0 } else { 0.0 };
                    *sum = sum.plus(Sum {
                        counted: Exact::of(bad),
                        total: Exact::of(1.0),
                    });
                }
            }
            for window in (1..sums.len()).rev() {
                sums[window - 1] = sums[window - 1].plus(sums[window]);
            }
            sums
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
        let mut numbers = (self.begin..self.begin + self.judged as i64).rev();
        let Some(n) = numbers.find(|n| !excluded.has(n * width)) else {
            return BTreeMap::new();
        };
        let at = usize::try_from(n - self.begin).unwrap_or(0);
        let newest = self.groups.iter().filter_map(|(group, words)| {
            let known = words.iter().take(at + 1).any(|word| *word != Word::None);
            let kind = cut.kind(*words.get(at)?).filter(|_| known)?;
            Some((group.clone(), (TimestampMs(n * width), kind == Slice::Bad)))
        });
        newest.collect()
    }
}
