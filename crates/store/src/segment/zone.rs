//! What a chunk contains, in a few numbers: aggregates over whole chunks need not decode them.

use bellwether_model::is_stale;
use bellwether_model::whole::{is_exact, not_whole};

/// Chunks shorter than this have no zone: decoding them costs about as much as unpacking one.
pub(super) const ZONE_SAMPLES_MIN: usize = 256;

/// Aggregates of one chunk. NaNs, staleness markers among them, count for `first` and `last` only.
#[derive(Debug, Clone, Copy)]
pub struct Zone {
    /// The smallest value; +Inf when all are NaN.
    pub min: f64,
    /// The largest value; -Inf when all are NaN.
    pub max: f64,
    /// The sum, compensated (two-sum, four partial sums), so that rounding does not grow with the chunk.
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
    /// All values are whole numbers, none of them -0.0, and small enough for every sum of some of them to be exact: it does not
    /// matter in which order they are added.
    pub is_exact: bool,
}

/// A running sum and what rounding took from it.
#[derive(Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// Knuth's two-sum, which needs no comparison.
    #[inline(always)]
    fn plus(self, x: f64) -> Sum {
        let sum = self.sum + x;
        let taken = sum - self.sum;
        let lost = self.lost + ((self.sum - (sum - taken)) + (x - taken));
        Sum { sum, lost }
    }

    fn total(self) -> f64 {
        // After an infinity or an overflow, `lost` is NaN and says nothing.
        if self.sum.is_finite() {
            self.sum + self.lost
        } else {
            self.sum
        }
    }
}

/// Partial aggregates of the values whose index has the same remainder by four, so that one addition need
/// not wait for the one before, and vector units take several at once.
#[derive(Clone, Copy)]
struct Lanes {
    min: [f64; 4],
    max: [f64; 4],
    sum: [f64; 4],
    lost: [f64; 4],
    reset_sum: [f64; 4],
    resets: [u64; 4],
}

impl Lanes {
    /// Adds four values, each with the one before it. Comparisons, not `f64::min`: which zero that returns
    /// is not specified.
    #[inline(always)]
    fn add(mut self, before: [f64; 4], values: [f64; 4]) -> Lanes {
        for lane in 0..4 {
            let (value, before) = (values[lane], before[lane]);
            self.min[lane] = if value < self.min[lane] {
                value
            } else {
                self.min[lane]
            };
            self.max[lane] = if value > self.max[lane] {
                value
            } else {
                self.max[lane]
            };
            let fell = if value < before { u64::MAX } else { 0 };
            self.resets[lane] = self.resets[lane].wrapping_sub(fell);
            self.reset_sum[lane] += f64::from_bits(before.to_bits() & fell);
            let sum = Sum {
                sum: self.sum[lane],
                lost: self.lost[lane],
            }
            .plus(value);
            self.sum[lane] = sum.sum;
            self.lost[lane] = sum.lost;
        }
        self
    }

    /// Over values without NaN.
    fn of(values: &[f64]) -> Lanes {
        let mut lanes = Lanes {
            min: [f64::INFINITY; 4],
            max: [f64::NEG_INFINITY; 4],
            sum: [0.0; 4],
            lost: [0.0; 4],
            reset_sum: [0.0; 4],
            resets: [0; 4],
        };
        let Some((&first, rest)) = values.split_first() else {
            return lanes;
        };
        let (quads, tail) = rest.as_chunks::<4>();
        for (quad, before) in quads.iter().zip(values.as_chunks::<4>().0) {
            lanes = lanes.add(*before, *quad);
        }
        // The first value and the last few, in the first lane.
        let befores = std::iter::once(&first).chain(&values[4 * quads.len()..]);
        for (&before, &value) in befores.zip(std::iter::once(&first).chain(tail)) {
            lanes = lanes.one(before, value);
        }
        lanes
    }

    fn one(mut self, before: f64, value: f64) -> Lanes {
        let four = self.add([before; 4], [value; 4]);
        self.min[0] = four.min[0];
        self.max[0] = four.max[0];
        self.sum[0] = four.sum[0];
        self.lost[0] = four.lost[0];
        self.reset_sum[0] = four.reset_sum[0];
        self.resets[0] = four.resets[0];
        self
    }
}

impl Zone {
    /// The zone of a chunk's values; `None` for a chunk too short to have one.
    pub(super) fn of(values: &[f64]) -> Option<Zone> {
        if values.len() < ZONE_SAMPLES_MIN {
            return None;
        }
        let (first, last) = (*values.first()?, *values.last()?);
        let (mut has_nan, mut has_stale) = (false, false);
        let lanes = if values.iter().fold(false, |any, value| any | value.is_nan()) {
            has_stale = values.iter().any(|&value| is_stale(value));
            has_nan = values
                .iter()
                .any(|&value| value.is_nan() && !is_stale(value));
            let numbers: Vec<f64> = values
                .iter()
                .copied()
                .filter(|value| !value.is_nan())
                .collect();
            Lanes::of(&numbers)
        } else {
            Lanes::of(values)
        };
        let (min, max) = (
            lanes
                .min
                .into_iter()
                .fold(f64::INFINITY, |a, b| if b < a { b } else { a }),
            lanes
                .max
                .into_iter()
                .fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a }),
        );
        let largest = min.abs().max(max.abs());
        let mut sum = Sum::default();
        for (part, lost) in lanes.sum.into_iter().zip(lanes.lost) {
            sum = sum.plus(Sum { sum: part, lost }.total());
        }
        Some(Zone {
            min,
            max,
            sum: sum.total(),
            first,
            last,
            reset_sum: lanes.reset_sum.iter().sum(),
            resets: lanes.resets.iter().sum::<u64>() as u32,
            has_nan,
            has_stale,
            is_exact: is_exact(largest * values.len() as f64)
                && values
                    .iter()
                    .fold(0, |others, value| others | not_whole(*value))
                    == 0,
        })
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
        i64::from(self.has_nan) | i64::from(self.has_stale) << 1 | i64::from(self.is_exact) << 2
    }

    pub(super) fn from_columns(floats: [f64; 6], resets: u32, flags: i64) -> Zone {
        let [min, max, sum, first, last, reset_sum] = floats;
        let (has_nan, has_stale, is_exact) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
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
            is_exact,
        }
    }

    /// True when this zone, read from a file, is `found`, to the bit. Files of version 1.0 never say that sums are exact.
    pub(super) fn agrees_with(&self, found: &Zone) -> bool {
        let found = Zone {
            is_exact: self.is_exact && found.is_exact,
            ..*found
        };
        self.floats().map(f64::to_bits) == found.floats().map(f64::to_bits)
            && (self.resets, self.flags()) == (found.resets, found.flags())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::STALE_NAN;
    use proptest::prelude::*;

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
        assert_eq!((zone.first, zone.last), (0.0, 99.0));
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
    fn infinities_and_nothing_but_nans() {
        let mut values = vec![1.0; 300];
        values[17] = f64::INFINITY;
        let zone = Zone::of(&values).unwrap();
        assert_eq!(
            (zone.min, zone.max, zone.sum),
            (1.0, f64::INFINITY, f64::INFINITY)
        );
        let zone = Zone::of(&[f64::NAN; 300]).unwrap();
        assert_eq!(
            (zone.min, zone.max, zone.sum),
            (f64::INFINITY, f64::NEG_INFINITY, 0.0)
        );
        assert!(zone.first.is_nan() && zone.has_nan && !zone.has_stale);
    }

    proptest! {
        #[test]
        fn lanes_agree_with_going_one_by_one(
            values in prop::collection::vec(prop_oneof![-50_i32..50, Just(i32::MIN)], 256..600),
        ) {
            // Integers, so that sums are exact in any order; one of them stands for NaN.
            let value = |&x: &i32| if x == i32::MIN { f64::NAN } else { f64::from(x) };
            let zone = Zone::of(&values.iter().map(value).collect::<Vec<_>>()).unwrap();
            let numbers: Vec<i32> = values.iter().copied().filter(|&x| x != i32::MIN).collect();
            let falls = || numbers.windows(2).filter(|pair| pair[1] < pair[0]);
            prop_assert_eq!(zone.sum, f64::from(numbers.iter().sum::<i32>()));
            prop_assert_eq!(zone.min, numbers.iter().min().map_or(f64::INFINITY, |&x| x.into()));
            prop_assert_eq!(zone.max, numbers.iter().max().map_or(f64::NEG_INFINITY, |&x| x.into()));
            prop_assert_eq!(zone.resets as usize, falls().count());
            prop_assert_eq!(zone.reset_sum, f64::from(falls().map(|pair| pair[0]).sum::<i32>()));
            prop_assert_eq!(zone.has_nan, numbers.len() < values.len());
        }
    }

    #[test]
    fn which_sums_are_exact() {
        let is_exact = |value: f64| {
            let mut values = [1.0; 300];
            values[123] = value;
            Zone::of(&values).unwrap().is_exact
        };
        assert!(is_exact(7.0) && is_exact(-7.0) && is_exact(0.0) && is_exact(2e13));
        for value in [0.5, -0.0, f64::NAN, STALE_NAN, f64::INFINITY, 4e13, 1e300] {
            assert!(!is_exact(value), "{value}");
        }
    }

    #[test]
    fn a_short_chunk_has_none() {
        assert!(Zone::of(&[1.0; ZONE_SAMPLES_MIN - 1]).is_none());
    }
}
