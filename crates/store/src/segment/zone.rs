//! What a chunk contains, in a few numbers: aggregates over whole chunks need not decode them.

use bellwether_model::is_stale;

/// Chunks shorter than this have no zone: decoding them costs about as much as unpacking one.
pub(super) const ZONE_SAMPLES_MIN: usize = 256;

/// Aggregates of one chunk. NaNs, staleness markers among them, count for `first` and `last` only.
#[derive(Debug, Clone, Copy)]
pub struct Zone {
    /// The smallest value; +Inf when all are NaN.
    pub min: f64,
    /// The largest value; -Inf when all are NaN.
    pub max: f64,
    /// The sum, compensated (Neumaier, four partial sums), so that rounding does not grow with the chunk.
    pub sum: f64,
    /// The first sample's value, whatever it is.
    pub first: f64,
    /// The last sample's value, whatever it is.
    pub last: f64,
    /// The sum of the values just before each fall: what a counter's restarts lost.
    pub reset_sum: f64,
    /// Values lower than the one before.
    pub resets: u32,
    /// Some value is a NaN that is no staleness marker.
    pub has_nan: bool,
    /// Some value is a staleness marker.
    pub has_stale: bool,
}

/// A running sum and what rounding took from it.
#[derive(Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    #[inline(always)]
    fn add(&mut self, x: f64) {
        let total = self.sum + x;
        let (large, small) = if self.sum.abs() >= x.abs() {
            (self.sum, x)
        } else {
            (x, self.sum)
        };
        self.lost += (large - total) + small;
        self.sum = total;
    }

    fn total(self) -> f64 {
        // An infinite sum has lost NaN, which says nothing.
        if self.sum.is_finite() {
            self.sum + self.lost
        } else {
            self.sum
        }
    }
}

impl Zone {
    /// The zone of a chunk's values; `None` for a chunk too short to have one.
    pub(super) fn of(values: &[f64]) -> Option<Zone> {
        if values.len() < ZONE_SAMPLES_MIN {
            return None;
        }
        let (first, last) = (*values.first()?, *values.last()?);
        let mut zone = Zone {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            first,
            last,
            reset_sum: 0.0,
            resets: 0,
            has_nan: false,
            has_stale: false,
        };
        // Four sums, since one addition waits for the one before.
        let mut sums = [Sum::default(); 4];
        let mut before = f64::NEG_INFINITY;
        for (i, &value) in values.iter().enumerate() {
            if value.is_nan() {
                zone.has_stale |= is_stale(value);
                zone.has_nan |= !is_stale(value);
                continue;
            }
            sums[i % 4].add(value);
            // Comparisons, not `f64::min`: which zero that returns of 0 and -0 is not specified.
            if value < zone.min {
                zone.min = value;
            }
            if value > zone.max {
                zone.max = value;
            }
            if value < before {
                zone.resets += 1;
                zone.reset_sum += before;
            }
            before = value;
        }
        let mut sum = Sum::default();
        for part in sums {
            sum.add(part.total());
        }
        zone.sum = sum.total();
        Some(zone)
    }

    /// How much a counter grew within the chunk, restarts allowed for. Meaningless with NaNs at the ends.
    pub fn increase(&self) -> f64 {
        self.last - self.first + self.reset_sum
    }

    pub(super) fn floats(&self) -> [f64; 6] {
        [
            self.min,
            self.max,
            self.sum,
            self.first,
            self.last,
            self.reset_sum,
        ]
    }

    pub(super) fn flags(&self) -> i64 {
        i64::from(self.has_nan) | i64::from(self.has_stale) << 1
    }

    pub(super) fn from_columns(floats: [f64; 6], resets: u32, flags: i64) -> Zone {
        let [min, max, sum, first, last, reset_sum] = floats;
        let (has_nan, has_stale) = (flags & 1 != 0, flags & 2 != 0);
        Zone {
            min,
            max,
            sum,
            first,
            last,
            reset_sum,
            resets,
            has_nan,
            has_stale,
        }
    }

    /// Equal to the bit.
    pub(super) fn same(&self, other: &Zone) -> bool {
        self.floats().map(f64::to_bits) == other.floats().map(f64::to_bits)
            && (self.resets, self.flags()) == (other.resets, other.flags())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::STALE_NAN;

    #[test]
    fn a_counter_with_a_restart_and_a_marker() {
        let mut values: Vec<f64> = (0..300).map(f64::from).collect();
        for value in &mut values[200..] {
            *value -= 200.0;
        }
        values[50] = STALE_NAN;
        let zone = Zone::of(&values).unwrap();
        assert_eq!((zone.min, zone.max), (0.0, 199.0));
        assert_eq!((zone.resets, zone.reset_sum), (1, 199.0));
        assert_eq!(zone.increase(), 199.0 + 99.0);
        assert_eq!(zone.sum, f64::from(199 * 200 / 2 - 50 + 99 * 100 / 2));
        assert!(zone.has_stale && !zone.has_nan);
    }

    #[test]
    fn small_values_beside_a_huge_one_are_not_lost() {
        let mut values = vec![1.0; 1000];
        values[0] = 1e16;
        values[996] = -1e16;
        assert_eq!(Zone::of(&values).unwrap().sum, 998.0);
    }

    #[test]
    fn a_short_chunk_has_none() {
        assert!(Zone::of(&[1.0; ZONE_SAMPLES_MIN - 1]).is_none());
    }
}
