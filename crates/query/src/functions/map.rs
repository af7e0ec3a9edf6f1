//! Functions that treat each value by itself, applied to whole rows.

use super::MapKind;
use crate::binary::arith;
use crate::budget::{LOOK_EVERY, Pace};
use crate::error::QueryError;
use crate::mask;
use crate::scalar::Scalar;
use crate::vector::RowMut;

/// Stands in for an argument that is not there; the parser lets no such call through.
static MISSING: Scalar = Scalar::Const(f64::NAN);

/// A map with its scalar arguments at hand.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) kind: MapKind,
    pub(crate) params: Vec<Scalar>,
}

impl Map {
    /// Applies the map to every value of the row; some maps take values away.
    pub(crate) fn apply(&self, row: &mut RowMut<'_>, pace: &Pace) -> Result<(), QueryError> {
        let param = |index| self.params.get(index).unwrap_or(&MISSING);
        match self.kind {
            // Values without presence are computed too: cheaper than asking for each.
            MapKind::Math(f) => each(row, pace, |_, v| f(v)),
            MapKind::Clamp => {
                let (low, high) = (param(0), param(1));
                filter_map(row, pace, |step, v| {
                    let (low, high) = (low.at(step), high.at(step));
                    // An empty interval has no values; a NaN bound makes none of them empty.
                    let is_empty = high < low;
                    (!is_empty).then(|| max(low, min(high, v)))
                })
            }
            MapKind::ClampMin => {
                let low = param(0);
                each(row, pace, |step, v| max(low.at(step), v))
            }
            MapKind::ClampMax => {
                let high = param(0);
                each(row, pace, |step, v| min(high.at(step), v))
            }
            MapKind::Round => {
                let nearest = self.params.first().unwrap_or(&Scalar::Const(1.0));
                each(row, pace, |step, v| {
                    // Multiplying by the inverse, as upstream: 0.1 has no exact float.
                    let inverse = 1.0 / nearest.at(step);
                    (v * inverse + 0.5).floor() / inverse
                })
            }
            MapKind::Replace => {
                let with = param(0);
                each(row, pace, |step, _| with.at(step))
            }
            MapKind::Nothing => {
                row.mask.fill(0);
                Ok(())
            }
            MapKind::Arith {
                op,
                scalar_left,
                return_bool,
            } => {
                let scalar = param(0);
                let sides = |step: usize, v: f64| {
                    let s = scalar.at(step);
                    if scalar_left { (s, v) } else { (v, s) }
                };
                if op.is_comparison() && !return_bool {
                    filter_map(row, pace, |step, v| {
                        let (lhs, rhs) = sides(step, v);
                        arith::holds(op, lhs, rhs).then_some(v)
                    })
                } else {
                    each(row, pace, |step, v| {
                        let (lhs, rhs) = sides(step, v);
                        arith::scalar(op, lhs, rhs)
                    })
                }
            }
        }
    }
}

fn each(
    row: &mut RowMut<'_>,
    pace: &Pace,
    f: impl Fn(usize, f64) -> f64,
) -> Result<(), QueryError> {
    for (part, values) in row.values.chunks_mut(LOOK_EVERY).enumerate() {
        pace.spend(values.len())?;
        for (i, v) in values.iter_mut().enumerate() {
            *v = f(part * LOOK_EVERY + i, *v);
        }
    }
    Ok(())
}

fn filter_map(
    row: &mut RowMut<'_>,
    pace: &Pace,
    f: impl Fn(usize, f64) -> Option<f64>,
) -> Result<(), QueryError> {
    for step in 0..row.values.len() {
        if step % LOOK_EVERY == 0 {
            pace.spend(LOOK_EVERY.min(row.values.len() - step))?;
        }
        if !mask::get(row.mask, step) {
            continue;
        }
        match f(step, row.values[step]) {
            Some(v) => row.values[step] = v,
            None => mask::clear(row.mask, step),
        }
    }
    Ok(())
}

/// The larger one; NaN when either is, unless the other is +Inf (as Go's `math.Max`).
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller one; NaN when either is, unless the other is -Inf (as Go's `math.Min`).
pub(crate) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// -1, 0, 1 or NaN.
pub(crate) fn sign(v: f64) -> f64 {
    if v < 0.0 {
        -1.0
    } else if v > 0.0 {
        1.0
    } else {
        v
    }
}
