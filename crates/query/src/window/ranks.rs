//! The `k`-th smallest value of a sliding window, O(log n) each.
//!
//! All samples of the row are known, so they are ranked once; a binary indexed tree over the ranks counts which of them are
//! inside. Equal values are ranked in order of time.
//!
//! Source: P. Fenwick, *A new data structure for cumulative frequency tables*, 1994.

use super::Samples;
use super::order::nan_first;
use crate::budget::Pace;
use crate::error::QueryError;

/// The samples of one row by rank, and which of them are inside the window.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    /// Values, ascending, NaN first.
    sorted: Vec<f64>,
    /// The rank of each sample.
    rank_of: Vec<u32>,
    /// Node `i`, from 1, counts the ranks in `i - lowest_bit(i)..i`.
    tree: Vec<u32>,
    /// The samples inside, `from..to`.
    from: usize,
    to: usize,
}

/// Bytes that [`Ranks`] takes for each sample, those of sorting included.
pub(super) const BYTES_PER_SAMPLE: usize = 8 + 4 * 4;

/// So many samples are sorted between two looks at the control: a few milliseconds.
const SORTED_AT_ONCE: usize = 1 << 14;

impl Ranks {
    /// Ranks `samples`; none of them is inside.
    pub(crate) fn reset(&mut self, samples: Samples<'_>, pace: &Pace) -> Result<(), QueryError> {
        let values = samples.values;
        // A row has fewer samples than fit into memory at 16 bytes each, and far fewer than 2^32.
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        let value = |index: u32| values[index as usize];
        let by_value = |a: &u32, b: &u32| nan_first(&value(*a), &value(*b)).then_with(|| a.cmp(b));
        // In parts, so that a long row can be stopped; the stable sort then merges what is in order already.
        for part in order.chunks_mut(SORTED_AT_ONCE) {
            pace.spend(part.len())?;
            part.sort_unstable_by(by_value);
        }
        if order.len() > SORTED_AT_ONCE {
            order.sort_by(by_value);
        }
        self.sorted.clear();
        self.sorted.extend(order.iter().map(|index| value(*index)));
        self.rank_of.clear();
        self.rank_of.resize(values.len(), 0);
        for (rank, index) in order.iter().enumerate() {
            self.rank_of[*index as usize] = rank as u32;
        }
        self.tree.clear();
        self.tree.resize(values.len() + 1, 0);
        (self.from, self.to) = (0, 0);
        Ok(())
    }

    /// Memory for the values of one window, for whoever needs no ranks.
    pub(crate) fn unranked(&mut self) -> &mut Vec<f64> {
        &mut self.sorted
    }

    /// Makes `lo..hi` the samples inside; neither end ever moves back.
    pub(crate) fn slide(&mut self, lo: usize, hi: usize) {
        for index in self.from..lo.min(self.to) {
            self.update(index, |count| *count -= 1);
        }
        for index in self.to.max(lo)..hi {
            self.update(index, |count| *count += 1);
        }
        (self.from, self.to) = (lo, hi);
    }

    fn update(&mut self, index: usize, change: impl Fn(&mut u32)) {
        let mut node = self.rank_of[index] as usize + 1;
        while let Some(count) = self.tree.get_mut(node) {
            change(count);
            node += node & node.wrapping_neg();
        }
    }

    /// How many samples are inside.
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    /// The `k`-th smallest value inside, from 0; `k` is below [`Ranks::len`].
    pub(crate) fn nth(&self, k: usize) -> f64 {
        let (mut at, mut before) = (0, k as u32);
        let mut width = self.sorted.len().next_power_of_two();
        while width > 0 {
            // As long as everything up to there is not more than `k`, the answer lies beyond.
            if let Some(count) = self.tree.get(at + width)
                && *count <= before
            {
                at += width;
                before -= count;
            }
            width /= 2;
        }
        self.sorted[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::control::Control;
    use crate::source::Values;

    #[test]
    fn every_rank_of_every_window_is_found() {
        let values: Vec<f64> = (0..60)
            .map(|i| match i * i % 11 {
                0 => f64::NAN,
                1 => f64::INFINITY,
                v => f64::from(v) / 2.0,
            })
            .collect();
        let times: Vec<i64> = (0..60).collect();
        let samples = Samples {
            times: &times,
            values: &values,
            known: Values::Any,
        };
        let mut ranks = Ranks::default();
        let pace = Pace::new(&Budget::new(&Control::new(), 0, 0));
        for (len, step) in [(1_usize, 1), (7, 1), (7, 3), (7, 20), (60, 1)] {
            ranks.reset(samples, &pace).unwrap();
            for hi in (0..=60_usize).step_by(step) {
                let lo = hi.saturating_sub(len);
                ranks.slide(lo, hi);
                let mut sorted = values[lo..hi].to_vec();
                sorted.sort_by(nan_first);
                assert_eq!(ranks.len(), sorted.len());
                let got: Vec<u64> = (0..sorted.len()).map(|k| ranks.nth(k).to_bits()).collect();
                let want: Vec<u64> = sorted.iter().map(|v| v.to_bits()).collect();
                assert_eq!(got, want, "{lo}..{hi}");
            }
        }
    }
}
