//! Sums that do not depend on the order of what is added: the same window gives the same bits, however it was put together.

/// A sum of floats in fixed point, 64 bits before the point and 64 behind it. What a counter counts (whole numbers up to 2^63,
/// fractions of seconds) is added without rounding, or cut at 2^-64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exact(i128);

/// Bits behind the point.
const FRACTION_BITS: u32 = 64;

impl Exact {
    /// A number as a sum of one. NaN is nothing, what is too large is the largest sum.
    pub(super) fn of(value: f64) -> Exact {
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0; // 2^53: up to here every whole float is an `i64`, too.
        if value.abs() <= WHOLE_MAX && value.fract() == 0.0 {
            return Exact(i128::from(value as i64) << FRACTION_BITS);
        }
        Exact((value * scale()) as i128) // `as` saturates.
    }

    /// With another sum.
    pub(super) fn plus(self, other: Exact) -> Exact {
        Exact(self.0.saturating_add(other.0))
    }

    /// The float nearest to it.
    pub(super) fn get(self) -> f64 {
        self.0 as f64 / scale()
    }
}

fn scale() -> f64 {
    2f64.powi(FRACTION_BITS as i32)
}

/// What is counted of some events, and all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// The good or the bad ones, whichever the objective counts.
    pub(super) counted: Exact,
    /// All.
    pub(super) total: Exact,
}

impl Sum {
    pub(super) fn plus(self, other: Sum) -> Sum {
        Sum {
            counted: self.counted.plus(other.counted),
            total: self.total.plus(other.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let add = |sum: Exact, value: &f64| sum.plus(Exact::of(*value));
        values.iter().fold(Exact::default(), add).get()
    }

    #[test]
    fn the_order_does_not_matter() {
        let mut values: Vec<f64> = (1..2000).map(|i| 1.0 / f64::from(i)).collect();
        values.extend([1e15, 0.1, -1e15, 3.0]);
        let forwards = sum(&values);
        values.reverse();
        assert_eq!(sum(&values).to_bits(), forwards.to_bits());
        values.sort_by(f64::total_cmp);
        assert_eq!(sum(&values).to_bits(), forwards.to_bits());
    }

    #[test]
    fn numbers_come_back() {
        for value in [
            0.0,
            1.0,
            -3.0,
            0.1,
            1.0 / 1024.0,
            4_503_599_627_370_497.5,
            9e15,
            1e18,
        ] {
            assert_eq!(sum(&[value]), value);
        }
        assert!((sum(&[1e-9]) - 1e-9).abs() < 1e-19);
        assert_eq!(sum(&[f64::NAN]), 0.0);
        assert!(sum(&[f64::INFINITY, 1e300]) > 9e18);
    }
}
