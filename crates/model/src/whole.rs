//! Whole numbers among floats: their sums are exact while they are small enough, in whatever order they are added.
//!
//! What is told here of values is what lets a sum be put together from parts, or be taken without compensation, and still have
//! the same bits. NaN and -0.0, which would not survive an addition, are no whole numbers here.

/// Adding and taking away this rounds a float below 2^51 to a whole number.
const ROUNDING: f64 = (3_u64 << 51) as f64;

/// Whole numbers add up exactly while their magnitudes add up to less than this.
const EXACT_BELOW: f64 = (1_u64 << 53) as f64;

/// No [`small`] number is further from zero.
const SMALL_MAX: f64 = (1_u64 << 31) as f64;

/// What is known of some values before anyone has looked at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// Nothing.
    #[default]
    Any,
    /// Each of them is [`small`]: so none of them is NaN, or a staleness marker.
    Small,
}

/// Whether whole numbers whose magnitudes add up to this add up exactly. False of NaN, too.
#[inline]
pub fn is_exact(magnitude: f64) -> bool {
    magnitude < EXACT_BELOW
}

/// Whether so many [`small`] numbers add up exactly.
#[inline]
pub fn is_exact_of_small(count: usize) -> bool {
    is_exact(count as f64 * SMALL_MAX)
}

/// No bit set for whole numbers, at least for those below 2^51, and for infinities, whose magnitude [`is_exact`] refuses. Masks and
/// no bool, so that loops look at several values at a time.
#[inline(always)]
pub fn not_whole(value: f64) -> u64 {
    let mask = |is_so: bool| if is_so { u64::MAX } else { 0 };
    let is_rounded = mask(value + ROUNDING - ROUNDING != value); // True of NaN.
    let bits_of_zero = mask(value == 0.0) & value.to_bits();
    is_rounded | bits_of_zero
}

/// The value, if it is a whole number that an `i32` holds.
#[inline(always)]
pub fn small(value: f64) -> Option<i32> {
    let whole = value as i32;
    // Tells fractions, large numbers, NaN and -0.0 apart.
    (f64::from(whole).to_bits() == value.to_bits()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_and_what_is_small() {
        let limit = f64::from(i32::MAX);
        for whole in [0.0, 1.0, -7.0, limit, -limit - 1.0] {
            assert_eq!(not_whole(whole), 0, "{whole}");
            assert_eq!(small(whole).map(f64::from), Some(whole));
        }
        assert_eq!((not_whole(limit + 1.0), small(limit + 1.0)), (0, None));
        for other in [-0.0, 0.5, -1e-300, f64::NAN] {
            assert_ne!(not_whole(other), 0, "{other}");
            assert_eq!(small(other), None);
        }
        for infinite in [f64::INFINITY, f64::NEG_INFINITY] {
            assert!(small(infinite).is_none() && !is_exact(infinite.abs()));
        }
    }

    #[test]
    fn sums_are_exact_up_to_the_last_whole_number_that_has_neighbours() {
        assert!(is_exact(EXACT_BELOW - 1.0) && !is_exact(EXACT_BELOW) && !is_exact(f64::NAN));
        assert!(is_exact_of_small((1 << 22) - 1) && !is_exact_of_small(1 << 22));
    }
}
