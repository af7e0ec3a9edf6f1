//! Classic histograms: quantiles and fractions of buckets with `le`.

use std::collections::BTreeMap;

use super::{Element, Fail, Outcome, label};
use crate::data::LabelMap;

/// Upper bound and cumulative count, sorted by bound.
pub(crate) type Buckets = Vec<(f64, f64)>;

/// The histograms of a vector by their labels without `le`. A series without a bound belongs to none.
pub(crate) fn histograms(elements: &[Element]) -> BTreeMap<LabelMap, Buckets> {
    let mut out: BTreeMap<LabelMap, Buckets> = BTreeMap::new();
    for e in elements {
        let Some(upper) = bound(label(&e.labels, "le")) else {
            continue;
        };
        let mut labels = e.labels.clone();
        labels.remove("le");
        out.entry(labels).or_default().push((upper, e.value));
    }
    for buckets in out.values_mut() {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Two texts may name one bound, `10` and `1e1`.
        buckets.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
    }
    out
}

fn bound(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        _ => text.parse().ok().filter(|v: &f64| !v.is_nan()),
    }
}

pub(crate) fn quantile(q: f64, buckets: &[(f64, f64)]) -> Outcome<f64> {
    if q.is_nan() {
        return Ok(f64::NAN);
    }
    if q < 0.0 {
        return Ok(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return Ok(f64::INFINITY);
    }
    if buckets[buckets.len() - 1].0 != f64::INFINITY {
        return Ok(f64::NAN);
    }
    if buckets.iter().any(|b| b.1.is_nan()) {
        return Err(Fail::Open("buckets with NaN"));
    }
    let buckets = rising(buckets);
    let all = buckets[buckets.len() - 1].1;
    if buckets.len() < 2 || all == 0.0 {
        return Ok(f64::NAN);
    }
    let rank = q * all;
    let last = buckets.len() - 1;
    let at = buckets[..last]
        .iter()
        .position(|b| b.1 >= rank)
        .unwrap_or(last);
    if at == last {
        return Ok(buckets[last - 1].0);
    }
    if at == 0 && buckets[0].0 <= 0.0 {
        return Ok(buckets[0].0);
    }
    let (start, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (end, upto) = buckets[at];
    Ok(start + (end - start) * ((rank - below) / (upto - below)))
}

/// Counts that fall are lifted to the count before; differences as rounding leaves them are ignored.
fn rising(buckets: &[(f64, f64)]) -> Buckets {
    let mut out = buckets.to_vec();
    let mut before = out[0].1;
    for bucket in &mut out[1..] {
        let apart = (bucket.1 - before).abs() / (bucket.1.abs() + before.abs());
        if bucket.1 < before || apart < 1e-12 {
            bucket.1 = before;
        }
        before = bucket.1;
    }
    out
}

pub(crate) fn fraction(lower: f64, upper: f64, buckets: &[(f64, f64)]) -> Outcome<f64> {
    if buckets[buckets.len() - 1].0 != f64::INFINITY {
        return Ok(f64::NAN);
    }
    if buckets.iter().any(|b| b.1.is_nan()) {
        return Err(Fail::Open("buckets with NaN"));
    }
    let all = buckets[buckets.len() - 1].1;
    if all == 0.0 || lower.is_nan() || upper.is_nan() {
        return Ok(f64::NAN);
    }
    if lower >= upper {
        return Ok(0.0);
    }
    Ok((rank(upper, buckets).min(all) - rank(lower, buckets).min(all)) / all)
}

/// How many observations are not above `v`, in proportion inside a bucket. Nothing is known inside an infinite bucket.
fn rank(v: f64, buckets: &[(f64, f64)]) -> f64 {
    let mut start = if buckets[0].0 > 0.0 {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let mut below = 0.0;
    for (end, upto) in buckets {
        if start >= v {
            return below;
        }
        if *end > v {
            return if start == f64::NEG_INFINITY {
                *upto
            } else {
                below + (upto - below) * (v - start) / (end - start)
            };
        }
        (start, below) = (*end, *upto);
    }
    buckets[buckets.len() - 1].1
}
