//! One window whose samples are partly known by their digests only.
//!
//! The answer is the one that the samples would give, to the last bit, or there is none: sums are exact or not
//! taken, and where a zero may be negative, which of two is the smaller depends on the order.

use bellwether_model::whole::is_exact;

use crate::source::Digest;

use super::Samples;
use super::totals::exact_total;

/// The value of a window that holds the samples, without staleness markers, and the stretches behind the digests, at least one. `None`
/// when all samples have to be seen.
pub(crate) type Kernel = fn(Samples<'_>, &[Digest]) -> Option<f64>;

/// `count_over_time`
pub(crate) fn count(samples: Samples<'_>, digests: &[Digest]) -> f64 {
    let digested: f64 = digests.iter().map(|d| d.count as f64).sum();
    samples.values.len() as f64 + digested
}

/// `avg_over_time`
pub(crate) fn mean(samples: Samples<'_>, digests: &[Digest]) -> Option<f64> {
    Some(sum(samples, digests)? / count(samples, digests))
}

/// `min_over_time`
pub(crate) fn minimum(samples: Samples<'_>, digests: &[Digest]) -> Option<f64> {
    extreme(samples, digests.iter().map(|d| d.min), |a, b| a < b)
}

/// `max_over_time`
pub(crate) fn maximum(samples: Samples<'_>, digests: &[Digest]) -> Option<f64> {
    extreme(samples, digests.iter().map(|d| d.max), |a, b| a > b)
}

/// `sum_over_time`
pub(crate) fn sum(samples: Samples<'_>, digests: &[Digest]) -> Option<f64> {
    let rest = exact_total(samples.values)?;
    let magnitude = digests
        .iter()
        .fold(rest.magnitude, |all, d| all + d.magnitude());
    is_exact(magnitude).then(|| digests.iter().fold(rest.total, |all, d| all + d.sum))
}

/// Numbers win over NaN, of which digests have none.
fn extreme(
    samples: Samples<'_>,
    digests: impl Iterator<Item = f64>,
    is_better: impl Fn(f64, f64) -> bool,
) -> Option<f64> {
    let is_negative_zero = |v: &f64| *v == 0.0 && v.is_sign_negative();
    if samples.values.iter().any(is_negative_zero) {
        return None;
    }
    digests
        .chain(samples.values.iter().copied())
        .reduce(|best, v| if is_better(v, best) { v } else { best })
}
