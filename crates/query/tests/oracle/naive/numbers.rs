//! Sums, means, deviations, quantiles; and noise, to tell a wrong answer from one that hangs by a rounding error.

use std::cell::Cell;

/// Small errors put into operations that round.
///
/// When two evaluators add in a different order, their answers differ in the last digits, and `floor` or `==` make much of
/// it. An answer that moves as far under noise is not held against anyone.
pub(crate) struct Noise(Option<Cell<u64>>);

impl Noise {
    pub(crate) fn none() -> Noise {
        Noise(None)
    }

    pub(crate) fn new(seed: u64) -> Noise {
        Noise(Some(Cell::new(seed)))
    }

    /// `v`, which has been rounded.
    pub(crate) fn rough(&self, v: f64) -> f64 {
        self.rough_by(v, v)
    }

    /// `v`, in which terms as large as `scale` have been rounded.
    pub(crate) fn rough_by(&self, v: f64, scale: f64) -> f64 {
        let Some(state) = &self.0 else {
            return v;
        };
        let next = state
            .get()
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.set(next);
        let error = ((next >> 33) as f64 / f64::from(u32::MAX) - 0.25) * 4e-14;
        v + error * scale
    }

    /// `v`, which has been rounded unless `exact`.
    pub(crate) fn unless(&self, exact: bool, v: f64) -> f64 {
        if exact { v } else { self.rough(v) }
    }
}

/// A compensated sum and whether every addition was exact.
///
/// Sources: A. Neumaier, *Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen*, 1974. An infinite sum stays infinite.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> (f64, bool) {
    let (mut sum, mut lost, mut exact) = (0.0_f64, 0.0_f64, true);
    for v in values {
        let next = sum + v;
        if next.is_infinite() {
            lost = 0.0;
        } else if sum.abs() >= v.abs() {
            lost += (sum - next) + v;
        } else {
            lost += (v - next) + sum;
        }
        exact &= lost == 0.0;
        sum = next;
    }
    (if sum.is_infinite() { sum } else { sum + lost }, exact)
}

/// The arithmetic mean, and whether it is exact. Of finite values it is finite.
pub(crate) fn mean(values: &[f64]) -> (f64, bool) {
    let n = values.len() as f64;
    let (total, exact) = sum(values.iter().copied());
    if total.is_infinite() && values.iter().all(|v| v.is_finite()) {
        return (sum(values.iter().map(|v| v / n)).0, false);
    }
    let mean = total / n;
    (mean, exact && mean * n == total)
}

/// The mean of the squared distances from the mean; NaN when a value is not finite.
pub(crate) fn variance(values: &[f64]) -> f64 {
    if !values.iter().all(|v| v.is_finite()) {
        return f64::NAN;
    }
    let (mean, _) = mean(values);
    let squares = values.iter().map(|v| (v - mean) * (v - mean));
    sum(squares).0 / values.len() as f64
}

/// The value below which a share `q` of the values lies, between neighbours in proportion. NaN sorts first.
pub(crate) fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).expect("neither is NaN"),
        (a, b) => b.cmp(&a),
    });
    let rank = q * (values.len() - 1) as f64;
    let below = rank.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[below] * (1.0 - weight) + values[above] * weight
}
