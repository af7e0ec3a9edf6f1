//! Aggregations that return some of the series as they are: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use std::cmp::Ordering;

use bellwether_lang::promql::ast::{AggregateOp, Span};

use super::Groups;
use super::spread::extremes;
use crate::budget::{Charge, Pace};
use crate::error::QueryError;
use crate::mask;
use crate::notes::{Notes, number};
use crate::scalar::Scalar;
use crate::vector::Vector;

/// The `k` first or last of each group and step, by value. At an instant they come ranked, group by group.
pub(crate) fn top(
    op: AggregateOp,
    k: &Scalar,
    mut vector: Vector,
    groups: &Groups,
    span: Span,
) -> Result<Vector, QueryError> {
    if is_none(k, span)? {
        return Ok(vector.like());
    }
    let rows = groups.rows();
    let mut order = Vec::with_capacity(vector.len());
    let mut ranked: Vec<(f64, usize)> = Vec::new();
    let pace = Pace::new(vector.budget());
    for rows in &rows {
        for step in 0..vector.steps() {
            pace.spend(1 + rows.len())?;
            ranked.clear();
            ranked.extend(
                rows.iter()
                    .filter_map(|r| Some((vector.get(*r, step)?, *r))),
            );
            let k = k.at(step).max(0.0) as usize;
            // Equal values keep the order of the series, so that the choice is always the same.
            let by_rank =
                |a: &(f64, usize), b: &(f64, usize)| rank(op, a.0, b.0).then_with(|| a.1.cmp(&b.1));
            if k < ranked.len() {
                if k > 0 {
                    ranked.select_nth_unstable_by(k - 1, by_rank);
                }
                ranked[k..]
                    .iter()
                    .for_each(|(_, row)| vector.unset(*row, step));
                ranked.truncate(k);
            }
            if vector.steps() == 1 {
                ranked.sort_by(by_rank);
                order.extend(ranked.iter().map(|(_, row)| *row));
            }
        }
    }
    if vector.steps() != 1 {
        order = (0..vector.len()).collect();
    }
    vector.reordered(&order)
}

/// Best first; NaN is worst either way.
fn rank(op: AggregateOp, a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if op == AggregateOp::Topk {
                ascending.reverse()
            } else {
                ascending
            }
        }
    }
}

/// Any `k` series of each group and step: the first ones.
pub(crate) fn limit(
    k: &Scalar,
    mut vector: Vector,
    groups: &Groups,
    span: Span,
) -> Result<Vector, QueryError> {
    if is_none(k, span)? {
        return Ok(vector.like());
    }
    let taken_len = groups.labels.len() * vector.steps();
    let mut charge = Charge::new(vector.budget());
    charge.grow(taken_len.saturating_mul(8))?;
    let mut taken = vec![0_usize; taken_len];
    for row in 0..vector.len() {
        vector.budget().check()?;
        for step in 0..vector.steps() {
            if vector.get(row, step).is_none() {
                continue;
            }
            let taken = &mut taken[groups.of[row] * vector.steps() + step];
            if *taken < k.at(step).max(0.0) as usize {
                *taken += 1;
            } else {
                vector.unset(row, step);
            }
        }
    }
    let order: Vec<usize> = (0..vector.len()).collect();
    vector.reordered(&order)
}

/// True when no step asks for any series, however far below one they go. Errors when some `k` is no count.
fn is_none(k: &Scalar, span: Span) -> Result<bool, QueryError> {
    if k.values().iter().all(|k| *k < 1.0) {
        return Ok(true);
    }
    for k in k.values() {
        if k.is_nan() {
            return Err(QueryError::eval(span, "Parameter value is NaN"));
        }
        let direction = match *k {
            k if k <= i64::MIN as f64 => "underflows",
            k if k >= INT64_MAX => "overflows",
            _ => continue,
        };
        let message = format!("Scalar value {} {direction} int64", number(*k));
        return Err(QueryError::eval(span, message));
    }
    Ok(false)
}

/// Upstream's largest count: a little below the largest `i64`, which is no float.
const INT64_MAX: f64 = 9_223_372_036_854_774_784.0;

/// About this share of the series: those whose labels hash low; of a negative ratio, those that its complement leaves out.
pub(crate) fn limit_ratio(
    ratio: &Scalar,
    mut vector: Vector,
    notes: &Notes,
    span: Span,
    param_span: Span,
) -> Result<Vector, QueryError> {
    let [low, high, nan] = extremes(ratio);
    if nan.is_some() {
        return Err(QueryError::eval(span, "Ratio value is NaN"));
    }
    let low = low.filter(|r| *r < -1.0).map(|r| (r, "-1"));
    let high = high.filter(|r| *r > 1.0).map(|r| (r, "1"));
    for (r, capped) in [low, high].into_iter().flatten() {
        let got = number(r);
        notes.warn(
            param_span,
            format!("ratio value should be between -1 and 1, got {got}, capping to {capped}"),
        );
    }
    for row in 0..vector.len() {
        vector.budget().check()?;
        let place = spread(vector.name(row).labels.fingerprint());
        for step in 0..vector.steps() {
            let r = ratio.at(step).clamp(-1.0, 1.0);
            let keep = if r >= 0.0 {
                place < r
            } else {
                place >= 1.0 + r
            };
            if !keep {
                vector.unset(row, step);
            }
        }
    }
    let order: Vec<usize> = (0..vector.len())
        .filter(|row| !mask::is_empty(vector.mask(*row)))
        .collect();
    vector.reordered(&order)
}

/// A hash spread evenly over `0.0..1.0`. Source of the mixing: S. Vigna, SplitMix64.
fn spread(hash: u64) -> f64 {
    let mut z = hash;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64
}
