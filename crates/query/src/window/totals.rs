//! Sums, means, deviations and counts over windows.
//!
//! Long windows that overlap share work: samples are summed once in blocks that lie at multiples of a sixteenth of the
//! range, and a window adds the blocks inside it and the samples at its edges. The blocks depend on
//! time and range only, so a window gives the same bits in every query. Short windows, and those where a sum overflows, are
//! summed sample by sample.

use super::Samples;
use crate::sum::{Deviation, Mean, Sum};

/// Below this many samples a window is summed directly.
const DIRECT_MAX: usize = 64;

/// Fills `counts` so that `counts[j] - counts[i]` is how many neighbours in `i..=j` satisfy `counted`.
pub(crate) fn prefix_counts(
    values: &[f64],
    counted: impl Fn(f64, f64) -> bool,
    counts: &mut Vec<u32>,
) {
    counts.clear();
    let mut total = 0;
    counts.push(0);
    for pair in values.windows(2) {
        total += u32::from(counted(pair[0], pair[1]));
        counts.push(total);
    }
}

/// True when the value changed; NaN after NaN is no change.
pub(crate) fn is_change(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}

/// Population variance.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let mut deviation = Deviation::default();
    for v in values {
        deviation.add(*v);
    }
    deviation.variance()
}

/// Sums of the samples of one series in blocks of time.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// Index of each block's first sample, and the number of samples at the end.
    starts: Vec<usize>,
    sums: Vec<Sum>,
}

impl Blocks {
    /// Cuts `samples` into blocks fit for windows of `range` milliseconds.
    pub(crate) fn build(&mut self, samples: Samples<'_>, range: i64) {
        self.starts.clear();
        self.sums.clear();
        if samples.times.len() < DIRECT_MAX {
            return;
        }
        let length = (range / 16).max(1);
        let mut block_end = i64::MIN;
        for (i, (t, v)) in samples.times.iter().zip(samples.values).enumerate() {
            if *t >= block_end {
                block_end = t
                    .div_euclid(length)
                    .saturating_add(1)
                    .saturating_mul(length);
                self.starts.push(i);
                self.sums.push(Sum::default());
            }
            if let Some(sum) = self.sums.last_mut() {
                sum.add(*v);
            }
        }
        self.starts.push(samples.times.len());
    }

    /// The blocks that lie inside `lo..hi` as a range of blocks, when it is worth it.
    fn inside(&self, lo: usize, hi: usize) -> Option<(usize, usize)> {
        if hi - lo < DIRECT_MAX {
            return None;
        }
        let first = self.starts.partition_point(|start| *start < lo);
        let last = self.starts.partition_point(|start| *start <= hi) - 1;
        (first < last).then_some((first, last))
    }

    fn blocked(&self, values: &[f64], lo: usize, hi: usize) -> Option<Sum> {
        let (first, last) = self.inside(lo, hi)?;
        let mut sum = Sum::default();
        values[lo..self.starts[first]]
            .iter()
            .for_each(|v| sum.add(*v));
        self.sums[first..last].iter().for_each(|s| sum.merge(*s));
        values[self.starts[last]..hi]
            .iter()
            .for_each(|v| sum.add(*v));
        sum.sum.is_finite().then_some(sum)
    }

    /// Sum of `values[lo..hi]`.
    pub(crate) fn sum(&self, values: &[f64], lo: usize, hi: usize) -> f64 {
        let sum = self.blocked(values, lo, hi).unwrap_or_else(|| {
            let mut sum = Sum::default();
            values[lo..hi].iter().for_each(|v| sum.add(*v));
            sum
        });
        sum.total()
    }

    /// Mean of `values[lo..hi]`, which is not empty.
    pub(crate) fn mean(&self, values: &[f64], lo: usize, hi: usize) -> f64 {
        if let Some(sum) = self.blocked(values, lo, hi) {
            let count = (hi - lo) as f64;
            return sum.sum / count + sum.error / count;
        }
        let mut mean = Mean::default();
        values[lo..hi].iter().for_each(|v| mean.add(*v));
        mean.mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_sum_what_the_samples_sum() {
        let times: Vec<i64> = (0..1000).map(|i| i * 7).collect();
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i % 13) - 3.5).collect();
        let mut blocks = Blocks::default();
        for range in [1, 500, 3000, 100_000] {
            blocks.build(
                Samples {
                    times: &times,
                    values: &values,
                },
                range,
            );
            for (lo, hi) in [(0, 1), (0, 1000), (3, 70), (10, 90), (499, 731)] {
                let want: f64 = values[lo..hi].iter().sum();
                assert_eq!(blocks.sum(&values, lo, hi), want);
                let mean = want / (hi - lo) as f64;
                assert!((blocks.mean(&values, lo, hi) - mean).abs() < 1e-12);
            }
        }
    }
}
