//! Reading the samples of selected series: out of segments, the frozen head and the active one, as one
//! ascending column.
//!
//! Sources are taken in the order in which they were written. Where two have a sample at the same
//! time, the duplicate policy says which one is read; equal times within one source are settled already.

use crate::config::DuplicatePolicy;
use crate::digest::{Digests, Need};
use crate::error::StoreError;
use crate::head::{Captured, Reader};
use crate::view::View;
use bellwether_model::whole::Values;
use bellwether_model::{Labels, TimeRange};

/// Series chosen by [`View::select`], to be read one by one, by several threads if wanted.
pub struct Selection {
    /// The series, sorted, each once.
    pub labels: Vec<Labels>,
    /// What the answer lacks, worded for users: damaged parts that are left out. Usually empty.
    pub warnings: Vec<String>,
    view: View,
    /// The frozen head, if there is one, and the active one.
    heads: Vec<Reader>,
    /// Beside `labels`.
    ids: Vec<u32>,
}

impl Selection {
    pub(crate) fn new(
        view: View,
        ids: Vec<u32>,
        labels: Vec<Labels>,
        warnings: Vec<String>,
    ) -> Selection {
        let published = &view.pin.published;
        let generations = published.frozen.iter().chain([&published.active]);
        Selection {
            labels,
            warnings,
            heads: generations.map(|generation| generation.reader()).collect(),
            view,
            ids,
        }
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True when nothing matched.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Replaces `times` and `values` with the samples of series `index` inside `range`, times strictly
    /// ascending. An `index` beyond the series has no samples.
    ///
    /// A damaged chunk is [`StoreError::Corrupt`] the first time it is met: from then on it is left out,
    /// and selections made later carry a warning about it instead.
    pub fn read(
        &self,
        index: usize,
        range: TimeRange,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<(), StoreError> {
        self.read_within(index, range, usize::MAX, times, values)
    }

    /// As [`Selection::read`], for a caller that has room for `room` samples: where more would have to be put into the
    /// columns, be it for a moment, the answer is [`StoreError::NoRoom`] before they are.
    pub fn read_within(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<(), StoreError> {
        self.read_known(index, range, room, times, values)
            .map(|_| ())
    }

    /// As [`Selection::read_within`], and tells what is known of the values.
    pub fn read_known(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<Values, StoreError> {
        times.clear();
        values.clear();
        let Some(&id) = self.ids.get(index) else {
            return Ok(Values::Any);
        };
        let published = &self.view.pin.published;
        let mut merge = Merge {
            policy: self.view.duplicates,
            room,
            times,
            values,
        };
        published.segments.read(id, range, &mut merge)?;
        // Only the head's blocks say it.
        let mut are_small = merge.times.is_empty();
        for captured in self.captured(id, range) {
            are_small = are_small && captured.values() == Values::Small;
            merge.add_captured(captured)?;
        }
        Ok(if are_small {
            Values::Small
        } else {
            Values::Any
        })
    }

    /// What the view knows of a series in memory, oldest first.
    fn captured(&self, id: u32, range: TimeRange) -> impl Iterator<Item = Captured> {
        let group = self.view.pin.group;
        let heads = self.heads.iter();
        heads.filter_map(move |head| head.capture(id, group, range))
    }

    /// As [`Selection::read_within`], of the samples inside `range` only the newest: at most one, and no more of a
    /// segment's or the head's samples is decoded than it takes to find it.
    pub fn read_newest(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<(), StoreError> {
        let found = match self.newest(index, range, room, times, values) {
            // Reading all of it remembers the damage, and the next reading leaves it out.
            Err(StoreError::Corrupt { .. }) => {
                self.read_within(index, range, room, times, values)?;
                times.last().copied().zip(values.last().copied())
            }
            found => found?.map(|(t, bits)| (t, f64::from_bits(bits))),
        };
        times.clear();
        values.clear();
        times.extend(found.map(|(t, _)| t));
        values.extend(found.map(|(_, value)| value));
        Ok(())
    }

    /// Uses `times` and `values` for what it decodes.
    fn newest(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<Option<(i64, u64)>, StoreError> {
        let Some(&id) = self.ids.get(index) else {
            return Ok(None);
        };
        let published = &self.view.pin.published;
        let last_wins = self.view.duplicates == DuplicatePolicy::LastWins;
        let mut newest: Option<(i64, u64)> = None;
        let mut offer = |found: (i64, u64)| {
            if newest.is_none_or(|best| found.0 > best.0 || last_wins && found.0 == best.0) {
                newest = Some(found);
            }
        };
        published.segments.each_holding(id, range, |segment, ix| {
            segment.newest(ix, range)?.into_iter().for_each(&mut offer);
            Ok(())
        })?;
        for captured in self.captured(id, range) {
            times.clear();
            values.clear();
            let policy = self.view.duplicates;
            Merge {
                policy,
                room,
                times: &mut *times,
                values: &mut *values,
            }
            .add_captured(captured)?;
            if let (Some(&t), Some(value)) = (times.last(), values.last()) {
                offer((t, value.to_bits()));
            }
        }
        Ok(newest)
    }

    /// As [`Selection::read_known`], but stretches of samples of which all that is needed is known go to `digests` instead of the
    /// columns, the oldest first. Those found before are replaced, too.
    pub fn read_digested(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
        digests: &mut Digests,
    ) -> Result<Values, StoreError> {
        digests.found.clear();
        times.clear();
        values.clear();
        let Some(&id) = self.ids.get(index) else {
            return Ok(Values::Any);
        };
        match self.digested(id, range, room, times, values, digests) {
            Ok(true) => Ok(Values::Any),
            // Damage is for the usual reading to find and to remember.
            Ok(false) | Err(StoreError::Corrupt { .. }) => {
                digests.found.clear();
                self.read_known(index, range, room, times, values)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether [`Selection::read_digested`] may find any stretch inside `range` of which so much is known.
    pub fn has_digests(&self, need: Need, range: TimeRange) -> bool {
        let segments = &self.view.pin.published.segments;
        !need.is_of_chunks() || segments.have_chunks_within(range)
    }

    /// False, with whatever in the columns, when parts overlap: which of two samples counts is then known from the samples only.
    fn digested(
        &self,
        id: u32,
        range: TimeRange,
        room: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
        digests: &mut Digests,
    ) -> Result<bool, StoreError> {
        let published = &self.view.pin.published;
        let (mut is_disjoint, mut until) = (true, i64::MIN);
        published.segments.each_holding(id, range, |segment, ix| {
            if let Some((first, last)) = segment.times_within(ix, range)? {
                is_disjoint &= until == i64::MIN || first > until;
                until = last;
            }
            Ok(())
        })?;
        let captured: Vec<Captured> = self.captured(id, range).collect();
        let end = captured
            .iter()
            .try_fold(until, |until, part| part.follows(until));
        if !is_disjoint || end.is_none() {
            return Ok(false);
        }
        published.segments.each_holding(id, range, |segment, ix| {
            segment.read_digested(ix, range, room, times, values, digests)
        })?;
        let policy = self.view.duplicates;
        let mut merge = Merge {
            policy,
            room,
            times,
            values,
        };
        for mut part in captured {
            part.digest(digests);
            merge.add_captured(part)?;
        }
        Ok(true)
    }
}

/// A column that grows by sources, in the order in which they were written.
pub(crate) struct Merge<'a> {
    pub(crate) policy: DuplicatePolicy,
    /// No more samples than this at any moment.
    pub(crate) room: usize,
    pub(crate) times: &'a mut Vec<i64>,
    pub(crate) values: &'a mut Vec<f64>,
}

impl Merge<'_> {
    /// Adds what `append` appends: samples in strictly ascending order.
    pub(crate) fn add<E>(
        &mut self,
        append: impl FnOnce(&mut Vec<i64>, &mut Vec<f64>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.times.len();
        append(self.times, self.values)?;
        self.settle(before);
        Ok(())
    }

    /// Adds one generation's part.
    pub(crate) fn add_captured(&mut self, mut captured: Captured) -> Result<(), StoreError> {
        let needed = self.times.len().saturating_add(captured.len());
        if needed > self.room {
            return Err(StoreError::NoRoom { needed });
        }
        let memory =
            |e: crate::head::Corrupted| StoreError::corrupt("memory".as_ref(), 0, e.to_string());
        self.add(|times, values| captured.in_order(times, values))
            .map_err(memory)?;
        let before = self.times.len();
        for &(t, bits) in captured.late() {
            let value = f64::from_bits(bits);
            if self.times.len() > before && self.times.last() == Some(&t) {
                // Late samples of one time, in the order of arrival.
                if self.policy == DuplicatePolicy::LastWins
                    && let Some(last) = self.values.last_mut()
                {
                    *last = value;
                }
            } else {
                self.times.push(t);
                self.values.push(value);
            }
        }
        self.settle(before);
        Ok(())
    }

    /// The columns are ascending up to `middle` and from there on; makes them ascending altogether.
    fn settle(&mut self, middle: usize) {
        let in_order = middle == 0
            || middle == self.times.len()
            || self.times[middle - 1] < self.times[middle];
        if in_order {
            return;
        }
        // Only what the later part reaches back over moves.
        let start = self.times[..middle].partition_point(|&t| t < self.times[middle]);
        let (old_times, old_values) = (self.times.split_off(start), self.values.split_off(start));
        let split = middle - start;
        let (mut old, mut new) = (0, split);
        self.times.reserve(old_times.len());
        self.values.reserve(old_times.len());
        while old < split || new < old_times.len() {
            let from_old = new == old_times.len() || old < split && old_times[old] < old_times[new];
            let same = old < split && new < old_times.len() && old_times[old] == old_times[new];
            let taken = if from_old || same && self.policy != DuplicatePolicy::LastWins {
                old
            } else {
                new
            };
            self.times.push(old_times[taken]);
            self.values.push(old_values[taken]);
            old += usize::from(from_old || same);
            new += usize::from(!from_old);
        }
    }
}

/// The whole of one series in one generation, for a flush: ascending, settled.
pub(crate) fn settle_captured(
    captured: Captured,
    policy: DuplicatePolicy,
    times: &mut Vec<i64>,
    values: &mut Vec<f64>,
) -> Result<(), StoreError> {
    times.clear();
    values.clear();
    Merge {
        policy,
        room: usize::MAX,
        times,
        values,
    }
    .add_captured(captured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: DuplicatePolicy, sources: &[&[(i64, f64)]], expected: &[(i64, f64)]) {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let mut merge = Merge {
            policy,
            room: usize::MAX,
            times: &mut times,
            values: &mut values,
        };
        for source in sources {
            let add = merge.add(|times, values| {
                times.extend(source.iter().map(|s| s.0));
                values.extend(source.iter().map(|s| s.1));
                Ok::<(), StoreError>(())
            });
            add.unwrap();
        }
        assert_eq!(times.into_iter().zip(values).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn sources_are_merged_and_the_policy_settles_equal_times() {
        use DuplicatePolicy::{FirstWins, LastWins};
        check(
            LastWins,
            &[&[(1, 1.0), (2, 2.0)], &[(3, 3.0)]],
            &[(1, 1.0), (2, 2.0), (3, 3.0)],
        );
        check(
            LastWins,
            &[&[(3, 3.0)], &[(1, 1.0), (2, 2.0)]],
            &[(1, 1.0), (2, 2.0), (3, 3.0)],
        );
        check(
            LastWins,
            &[&[(1, 1.0), (3, 3.0)], &[(2, 2.0), (3, 9.0)]],
            &[(1, 1.0), (2, 2.0), (3, 9.0)],
        );
        check(
            FirstWins,
            &[&[(1, 1.0), (3, 3.0)], &[(2, 2.0), (3, 9.0)]],
            &[(1, 1.0), (2, 2.0), (3, 3.0)],
        );
        check(LastWins, &[&[], &[(1, 1.0)], &[]], &[(1, 1.0)]);
        check(
            LastWins,
            &[&[(1, 1.0), (5, 5.0)], &[(5, 6.0), (9, 9.0)]],
            &[(1, 1.0), (5, 6.0), (9, 9.0)],
        );
    }
}
