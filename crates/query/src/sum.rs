//! Compensated sums: adding `1e100, 1, -1e100` gives 1.
//!
//! Sources: A. Neumaier, *Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen*, 1974; the error of one addition:
//! D. E. Knuth, *The Art of Computer Programming* 2, 4.2.2. Prometheus compensates the same error, so that both
//! agree on badly conditioned data.

/// A sum and the rounding error it has left behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    pub(crate) sum: f64,
    pub(crate) error: f64,
}

/// See [`Sum::EMPTY`].
impl Default for Sum {
    fn default() -> Sum {
        Sum::EMPTY
    }
}

impl Sum {
    /// The sum of nothing. Negative zero, because it leaves every first term as it is.
    pub(crate) const EMPTY: Sum = Sum {
        sum: -0.0,
        error: 0.0,
    };

    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        // The exact rounding error of the addition, whichever term is the larger: no branch to mispredict.
        let rounded = total - self.sum;
        let error = (self.sum - (total - rounded)) + (value - rounded);
        self.error = if total.is_infinite() {
            0.0
        } else {
            self.error + error
        };
        self.sum = total;
    }

    /// Adds another sum with its error.
    #[inline]
    pub(crate) fn merge(&mut self, other: Sum) {
        self.add(other.sum);
        if self.sum.is_finite() {
            self.error += other.error;
        }
    }

    /// The sum, corrected by the error unless it is infinite.
    #[inline]
    pub(crate) fn total(self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.error
        }
    }
}

/// A mean that survives sums beyond the range of floats: it sums as long as that works and then goes on with the mean itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    /// The sum, or the mean when `direct` is false.
    acc: Sum,
    count: f64,
    incremental: bool,
}

impl Mean {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut next = self.acc;
            next.add(value);
            if self.count == 1.0 || !next.sum.is_infinite() {
                self.acc = next;
                return;
            }
            self.count -= 1.0;
            self.go_incremental();
            self.count += 1.0;
        }
        if self.acc.sum.is_infinite() && (value.is_finite() || value == self.acc.sum) {
            return; // An infinite mean stays what it is.
        }
        let keep = (self.count - 1.0) / self.count;
        self.acc.sum *= keep;
        self.acc.error *= keep;
        self.acc.add(value / self.count);
    }

    fn go_incremental(&mut self) {
        if !self.incremental {
            self.incremental = true;
            self.acc.sum /= self.count;
            self.acc.error /= self.count;
        }
    }

    /// Adds the values of another mean.
    pub(crate) fn merge(&mut self, mut other: Mean) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = other;
            return;
        }
        if !self.incremental && !other.incremental {
            let mut next = self.acc;
            next.merge(other.acc);
            if !next.sum.is_infinite() {
                self.acc = next;
                self.count += other.count;
                return;
            }
        }
        self.go_incremental();
        other.go_incremental();
        let count = self.count + other.count;
        let (own, others) = (self.count / count, other.count / count);
        self.acc.sum *= own;
        self.acc.error *= own;
        self.acc.merge(Sum {
            sum: other.acc.sum * others,
            error: other.acc.error * others,
        });
        self.count = count;
    }

    #[inline]
    pub(crate) fn mean(self) -> f64 {
        if self.incremental {
            self.acc.sum + self.acc.error
        } else {
            self.acc.sum / self.count + self.acc.error / self.count
        }
    }
}

/// Mean and squared deviations in one pass.
///
/// Sources: B. P. Welford, 1962; merging: T. F. Chan, G. H. Golub, R. J. LeVeque, 1979.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deviation {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Deviation {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - (self.mean.sum + self.mean.error);
        self.mean.add(delta / self.count);
        self.squares
            .add(delta * (value - (self.mean.sum + self.mean.error)));
    }

    pub(crate) fn merge(&mut self, other: Deviation) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = other;
            return;
        }
        let count = self.count + other.count;
        let delta = (other.mean.sum + other.mean.error) - (self.mean.sum + self.mean.error);
        self.mean.add(delta * (other.count / count));
        self.squares.merge(other.squares);
        self.squares
            .add(delta * delta * (self.count * other.count / count));
        self.count = count;
    }

    /// The population variance. NaN as soon as a value was not finite.
    #[inline]
    pub(crate) fn variance(self) -> f64 {
        (self.squares.sum + self.squares.error) / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_survive_large_ones() {
        let mut sum = Sum::default();
        for v in [1e100, 1.0, -1e100] {
            sum.add(v);
        }
        assert_eq!(sum.total(), 1.0);
    }

    #[test]
    fn a_mean_of_huge_values_does_not_overflow() {
        let mut mean = Mean::default();
        (0..4).for_each(|_| mean.add(f64::MAX / 2.0));
        let close = |mean: Mean| (mean.mean() / (f64::MAX / 2.0) - 1.0).abs() < 1e-15;
        assert!(close(mean));
        let mut other = mean;
        other.merge(mean);
        assert!(close(other));
    }

    #[test]
    fn infinite_values_make_an_infinite_mean_or_none() {
        let of = |values: &[f64]| {
            let mut mean = Mean::default();
            for v in values {
                mean.add(*v);
            }
            mean.mean()
        };
        assert_eq!(of(&[f64::INFINITY, 0.0, f64::INFINITY]), f64::INFINITY);
        assert_eq!(of(&[1.0, f64::NEG_INFINITY]), f64::NEG_INFINITY);
        assert!(of(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn deviations_merge_to_the_same_variance() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * i % 37)).collect();
        let mut whole = Deviation::default();
        for v in &values {
            whole.add(*v);
        }
        let (mut left, mut right) = (Deviation::default(), Deviation::default());
        values[..41].iter().for_each(|v| left.add(*v));
        values[41..].iter().for_each(|v| right.add(*v));
        left.merge(right);
        assert!((left.variance() - whole.variance()).abs() < 1e-9);
    }
}
