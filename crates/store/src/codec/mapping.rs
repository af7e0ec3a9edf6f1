//! Floats to integers and back, exactly: the step that decides how small a chunk gets.
//!
//! - [`Mapping::Decimal`]`(e)`: the float nearest to `d / 10^e`, for an integer `|d| < 2^51` and
//!   `e <= 15`. Both `d` and `10^e` are exact floats, so one correctly rounded division gives the float
//!   that the decimal text would parse to. Most measurements are short decimals.
//! - [`Mapping::Noisy`]`(e)`: the same, plus how many floats away from that the value is. For sums of short
//!   decimals, 1.9680000000000002 and the like: digits and noise are both small, together they are not.
//! - [`Mapping::Ordered`]: the float's bits, flipped so that they sort as the floats do. Neighbouring
//!   floats are neighbouring integers; every bit pattern has one.
//!
//! Floats that a mapping cannot hold ("misfits") stand for their predecessor here, and are kept beside
//! by `values.rs`. NaNs, infinities and -0.0 always are ([`is_special`]): no mapping does them better.
//!
//! Loops are written for vector units: `d` is rounded by adding and subtracting `MAGIC`, which needs
//! no conversion instruction, and blocks are checked by OR-ing what must be zero.

/// 1.5 * 2^52: adding it to `|x| < 2^51` leaves `x`, rounded to an integer, in the low mantissa bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;
const EXPONENT: u64 = 0xfff0_0000_0000_0000;

const POWERS: [f64; DECIMALS_MAX as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Most decimals that [`Mapping::Decimal`] takes.
pub const DECIMALS_MAX: u8 = 15;
/// The code of [`Mapping::Ordered`].
const ORDERED: u8 = 16;
/// The code of [`Mapping::Noisy`] with no decimals.
const NOISY: u8 = 17;
/// Most decimals of [`Mapping::Noisy`]: with more, digits alone are as long as the float.
const NOISY_MAX: u8 = 11;
/// Bits a value that [`Mapping::Noisy`] must save to be worth a second sequence.
const NOISY_GAIN: u32 = 3;

/// Values looked at to guess the number of decimals.
const SAMPLE: usize = 48;
/// A mapping may miss one value in this many.
const MISFIT_ONE_IN: usize = 24;

/// How floats became integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// Integer over a power of ten, at most 15.
    Decimal(u8),
    /// As `Decimal`, at most 11, and the distance to the value in floats.
    Noisy(u8),
    /// Bits in the order of the floats.
    Ordered,
}

impl Mapping {
    /// The mapping's number on disk.
    pub fn code(self) -> u8 {
        match self {
            Mapping::Decimal(decimals) => decimals,
            Mapping::Noisy(decimals) => NOISY + decimals,
            Mapping::Ordered => ORDERED,
        }
    }

    /// The mapping with that number, if this version knows it.
    pub fn from_code(code: u8) -> Option<Mapping> {
        match code {
            0..=DECIMALS_MAX => Some(Mapping::Decimal(code)),
            ORDERED => Some(Mapping::Ordered),
            NOISY.. if code - NOISY <= NOISY_MAX => Some(Mapping::Noisy(code - NOISY)),
            _ => None,
        }
    }

    /// The floats that these integers stand for, appended; for `Noisy`, without the noise ([`nudge`]).
    #[inline]
    pub fn floats(self, ints: &[i64], out: &mut Vec<f64>) {
        match self {
            Mapping::Decimal(0) | Mapping::Noisy(0) => out.extend(ints.iter().map(|&d| whole(d))),
            Mapping::Decimal(decimals) | Mapping::Noisy(decimals) => {
                let power = POWERS[usize::from(decimals.min(DECIMALS_MAX))];
                out.extend(ints.iter().map(|&d| whole(d) / power));
            }
            Mapping::Ordered => out.extend(ints.iter().map(|&x| f64::from_bits(flip(x) as u64))),
        }
    }
}

/// Values as integers, and the indices of those that are not.
#[derive(Debug, Default)]
pub struct Mapped {
    /// One for each value; a misfit repeats its predecessor (leading ones: their successor).
    pub ints: Vec<i64>,
    /// For `Noisy`, how many floats each value is above its decimal; else empty.
    pub noise: Vec<i64>,
    /// Ascending.
    pub misfits: Vec<u16>,
}

/// The float of an integer `|d| < 2^51`; some float otherwise.
fn whole(d: i64) -> f64 {
    f64::from_bits((d as u64).wrapping_add(MAGIC.to_bits())) - MAGIC
}

/// Between a float's bits and their rank, both ways.
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// The float that is `noise` floats above `value`.
pub fn nudge(value: f64, noise: i64) -> f64 {
    f64::from_bits(flip(flip(value.to_bits() as i64).wrapping_add(noise)) as u64)
}

/// NaN, infinite or -0.0: kept beside whatever the mapping.
pub fn is_special(value: f64) -> bool {
    !value.is_finite() || value.to_bits() == (-0.0_f64).to_bits()
}

/// Maps all of `values`, preferring `hint` if it still does. Total: `Ordered` takes what nothing else does.
pub fn map(values: &[f64], hint: Mapping) -> (Mapping, Mapped) {
    let mut mapped = Mapped::default();
    let sample = sample(values);
    if let Mapping::Decimal(decimals) = hint
        && fits(&sample, decimals)
        && decimal(values, decimals, &mut mapped)
    {
        return (hint, mapped);
    }
    for decimals in 0..=DECIMALS_MAX {
        if fits(&sample, decimals) && decimal(values, decimals, &mut mapped) {
            return (Mapping::Decimal(decimals), mapped);
        }
    }
    if let Some(decimals) = quietest(values)
        && noisy(values, decimals, &mut mapped)
    {
        return (Mapping::Noisy(decimals), mapped);
    }
    mapped.noise.clear();
    ordered(values, &mut mapped);
    (Mapping::Ordered, mapped)
}

/// The decimals at which digits and noise together change least from value to value, if that is clearly less
/// than the whole floats do.
fn quietest(values: &[f64]) -> Option<u8> {
    let stride = (values.len() / SAMPLE).max(16);
    let pairs = values.array_windows::<2>().skip(stride / 2).step_by(stride);
    let pairs: Vec<[f64; 2]> = pairs
        .copied()
        .filter(|pair| !pair.iter().any(|&value| is_special(value)))
        .collect();
    let bits = |x: i64| 64 - x.unsigned_abs().leading_zeros();
    let floats: u32 = pairs
        .iter()
        .map(|pair| bits(rank(pair[1]).wrapping_sub(rank(pair[0]))))
        .sum();
    let cost = |decimals: u8| -> Option<u32> {
        let mut cost = 0;
        for pair in &pairs {
            let (a, _) = noise_at(pair[0], decimals)?;
            let (b, noise) = noise_at(pair[1], decimals)?;
            cost += bits(b - a) + bits(noise) + 1;
        }
        Some(cost)
    };
    let best = (0..=NOISY_MAX)
        .filter_map(|decimals| Some((cost(decimals)?, decimals)))
        .min()?;
    (best.0 + NOISY_GAIN * (pairs.len() as u32) < floats).then_some(best.1)
}

/// The nearest integer over that power of ten, and the noise; `None` beyond the exact range.
fn noise_at(value: f64, decimals: u8) -> Option<(i64, i64)> {
    let power = POWERS[usize::from(decimals)];
    let shifted = value * power + MAGIC;
    let d = shifted.to_bits().wrapping_sub(MAGIC.to_bits()) as i64;
    let inside = (shifted.to_bits() ^ MAGIC.to_bits()) & EXPONENT == 0;
    inside.then(|| (d, rank(value).wrapping_sub(rank(whole(d) / power))))
}

/// The number of the float among all floats.
fn rank(value: f64) -> i64 {
    flip(value.to_bits() as i64)
}

/// False, with `mapped` unspecified, when there are too many misfits besides the special ones.
fn noisy(values: &[f64], decimals: u8, mapped: &mut Mapped) -> bool {
    let mut allowed = values.len() / MISFIT_ONE_IN;
    mapped.misfits.clear();
    mapped.ints.clear();
    mapped.noise.clear();
    for (i, &value) in values.iter().enumerate() {
        let found = if is_special(value) {
            None
        } else {
            noise_at(value, decimals)
        };
        if found.is_none() {
            mapped.misfits.push(i as u16);
            if !is_special(value) {
                let Some(left) = allowed.checked_sub(1) else {
                    return false;
                };
                allowed = left;
            }
        }
        let (d, noise) = found.unwrap_or_default();
        mapped.ints.push(d);
        mapped.noise.push(noise);
    }
    mapped.bridge();
    true
}

/// The integer of a single value at the fewest decimals that hold it.
pub fn shortest_decimal(value: f64) -> Option<(Mapping, i64)> {
    let tries =
        (0..=DECIMALS_MAX).map(|e| (Mapping::Decimal(e), scale(value, POWERS[usize::from(e)])));
    tries
        .into_iter()
        .find(|(_, (_, wrong))| *wrong == 0)
        .map(|(mapping, (d, _))| (mapping, d))
}

fn sample(values: &[f64]) -> Vec<f64> {
    let stride = values.len().div_ceil(SAMPLE).max(1);
    // Towards the end of each stretch, so that a one-off at the start does not decide.
    let picks = values.iter().skip(stride / 2).step_by(stride);
    picks.copied().filter(|&value| !is_special(value)).collect()
}

fn fits(sample: &[f64], decimals: u8) -> bool {
    let power = POWERS[usize::from(decimals)];
    let allowed = sample.len() / MISFIT_ONE_IN;
    let misfits = sample.iter().filter(|&&value| scale(value, power).1 != 0);
    // Not counted to the end: most tries fail at once.
    misfits.take(allowed + 1).count() <= allowed
}

/// `value * power` rounded, and zero if dividing again gives back `value` to the bit.
#[inline(always)]
fn scale(value: f64, power: f64) -> (i64, u64) {
    // Below 2^51 the product is within 1/4 of the true one, so it rounds to the right integer.
    let shifted = value * power + MAGIC;
    let back = (shifted - MAGIC) / power;
    let outside = (shifted.to_bits() ^ MAGIC.to_bits()) & EXPONENT;
    let wrong = (back.to_bits() ^ value.to_bits()) | outside;
    (
        shifted.to_bits().wrapping_sub(MAGIC.to_bits()) as i64,
        wrong,
    )
}

/// False, with `mapped` unspecified, when there are too many misfits besides the special ones.
fn decimal(values: &[f64], decimals: u8, mapped: &mut Mapped) -> bool {
    let power = POWERS[usize::from(decimals)];
    let mut allowed = values.len() / MISFIT_ONE_IN;
    mapped.misfits.clear();
    mapped.ints.clear();
    mapped.ints.resize(values.len(), 0);
    for (lot, (ints, values)) in mapped
        .ints
        .chunks_mut(64)
        .zip(values.chunks(64))
        .enumerate()
    {
        let mut wrong = 0;
        for (int, &value) in ints.iter_mut().zip(values) {
            let (d, bits) = scale(value, power);
            *int = d;
            wrong |= bits;
        }
        if wrong == 0 {
            continue;
        }
        for (i, &value) in values.iter().enumerate() {
            if scale(value, power).1 != 0 {
                mapped.misfits.push((lot * 64 + i) as u16);
                if !is_special(value) {
                    let Some(left) = allowed.checked_sub(1) else {
                        return false;
                    };
                    allowed = left;
                }
            }
        }
    }
    mapped.bridge();
    true
}

fn ordered(values: &[f64], mapped: &mut Mapped) {
    mapped.ints.clear();
    mapped
        .ints
        .extend(values.iter().map(|value| flip(value.to_bits() as i64)));
    let special = values
        .iter()
        .enumerate()
        .filter(|&(_, &value)| is_special(value));
    mapped.misfits = special.map(|(i, _)| i as u16).collect();
    mapped.bridge();
}

impl Mapped {
    fn bridge(&mut self) {
        for &at in &self.misfits {
            if let Some(left) = usize::from(at).checked_sub(1) {
                self.ints[usize::from(at)] = self.ints[left];
            }
        }
        // Leading misfits copied garbage from each other: take the first good one instead.
        let leading = self
            .misfits
            .iter()
            .enumerate()
            .take_while(|&(i, &at)| i == usize::from(at))
            .count();
        let good = self.ints.get(leading).copied().unwrap_or(0);
        self.ints[..leading].fill(good);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[f64], hint: Mapping) -> (Mapping, usize) {
        let (mapping, mapped) = map(values, hint);
        let mut back = Vec::new();
        mapping.floats(&mapped.ints, &mut back);
        for (value, noise) in back.iter_mut().zip(&mapped.noise) {
            *value = nudge(*value, *noise);
        }
        assert_eq!(
            mapped.noise.is_empty(),
            !matches!(mapping, Mapping::Noisy(_))
        );
        assert_eq!(back.len(), values.len());
        for (i, (got, want)) in back.iter().zip(values).enumerate() {
            if !mapped.misfits.contains(&(i as u16)) {
                assert_eq!(
                    got.to_bits(),
                    want.to_bits(),
                    "{want} at {i} by {mapping:?}"
                );
            }
        }
        assert_eq!(Mapping::from_code(mapping.code()), Some(mapping));
        (mapping, mapped.misfits.len())
    }

    #[test]
    fn decimals_are_found() {
        let hint = Mapping::Decimal(0);
        assert_eq!(check(&[1.0, 2.0, -3.0], hint), (Mapping::Decimal(0), 0));
        assert_eq!(check(&[0.1, 0.25, 99.99], hint), (Mapping::Decimal(2), 0));
        assert_eq!(check(&[1e-9, 123.456_789], hint), (Mapping::Decimal(9), 0));
        assert_eq!(check(&[0.1 + 0.2, 1.0 / 3.0], hint), (Mapping::Ordered, 0));
        // Fewer decimals than the hint: kept, since the common factor goes away later.
        assert_eq!(
            check(&[1.0, 2.0], Mapping::Decimal(3)),
            (Mapping::Decimal(3), 0)
        );
    }

    #[test]
    fn sums_of_decimals_are_decimals_with_noise() {
        let mut sum = 0.0;
        let mut step = || {
            sum += 0.1;
            sum
        };
        let values: Vec<f64> = (0..500).map(|_| step()).collect();
        assert_eq!(check(&values, Mapping::Ordered), (Mapping::Noisy(1), 0));
        let random: Vec<f64> = (1..500).map(|i| f64::from(i).sqrt()).collect();
        assert_eq!(check(&random, Mapping::Ordered), (Mapping::Ordered, 0));
    }

    #[test]
    fn the_edge_of_the_exact_range() {
        let edge = 2_251_799_813_685_248.0; // 2^51
        assert_eq!(
            check(&[edge - 1.0, 1.0 - edge], Mapping::Ordered).0,
            Mapping::Decimal(0)
        );
        assert_eq!(
            check(&[edge * 2.0, 1.0], Mapping::Ordered).0,
            Mapping::Ordered
        );
    }

    #[test]
    fn special_values_stand_apart_from_any_mapping() {
        let values = [
            f64::NAN,
            -0.0,
            1.5,
            f64::INFINITY,
            2.5,
            f64::from_bits(0x7ff0_0000_0000_0002),
        ];
        assert_eq!(
            check(&values, Mapping::Decimal(0)),
            (Mapping::Decimal(1), 4)
        );
        assert_eq!(check(&[f64::NAN; 3], Mapping::Decimal(0)).1, 3);
    }

    #[test]
    fn order_of_floats_is_kept() {
        let values = [
            f64::MIN,
            -1.0,
            -f64::MIN_POSITIVE,
            0.0,
            5e-324,
            1.0,
            f64::MAX,
        ];
        let ranks = values.map(|value| flip(value.to_bits() as i64));
        assert!(ranks.is_sorted());
    }

    proptest! {
        #[test]
        fn any_bits_map(bits in prop::collection::vec(any::<u64>(), 0..200), hint in 0_u8..=28) {
            let values: Vec<f64> = bits.into_iter().map(f64::from_bits).collect();
            let hint = Mapping::from_code(hint).unwrap();
            check(&values, hint);
        }

        #[test]
        fn short_decimals_map(digits in prop::collection::vec(-1_000_000_000_i64..1_000_000_000, 1..200), e in 0_i32..12) {
            let values: Vec<f64> = digits.iter().map(|d| format!("{d}e-{e}").parse().unwrap()).collect();
            let (mapping, _) = check(&values, Mapping::Ordered);
            prop_assert_ne!(mapping, Mapping::Ordered);
        }
    }
}
