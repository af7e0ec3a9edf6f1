//! A scalar over all steps: one number, or one a step.

use std::sync::Arc;

use crate::budget::{Budget, Charge};
use crate::error::QueryError;

/// One number at every step.
#[derive(Debug)]
pub(crate) enum Scalar {
    /// The same at every step.
    Const(f64),
    /// One for each step.
    Steps(Column),
}

/// A number for each step, charged to the query.
#[derive(Debug)]
pub(crate) struct Column {
    values: Vec<f64>,
    _charge: Charge,
}

impl Scalar {
    /// `value(step)` for each of `steps`; a single one is a constant.
    pub(crate) fn of_steps(
        steps: usize,
        budget: &Arc<Budget>,
        value: impl Fn(usize) -> f64,
    ) -> Result<Scalar, QueryError> {
        if steps == 1 {
            return Ok(Scalar::Const(value(0)));
        }
        let mut charge = Charge::new(budget);
        charge.grow(steps.saturating_mul(8))?;
        Ok(Scalar::Steps(Column {
            values: (0..steps).map(value).collect(),
            _charge: charge,
        }))
    }

    #[inline]
    pub(crate) fn at(&self, step: usize) -> f64 {
        match self {
            Scalar::Const(v) => *v,
            Scalar::Steps(column) => column.values[step],
        }
    }

    /// The numbers in order of the steps: one for a constant.
    pub(crate) fn values(&self) -> &[f64] {
        match self {
            Scalar::Const(v) => std::slice::from_ref(v),
            Scalar::Steps(column) => &column.values,
        }
    }

    /// Applies `f` at every step.
    fn map(self, f: impl Fn(f64) -> f64) -> Scalar {
        match self {
            Scalar::Const(v) => Scalar::Const(f(v)),
            Scalar::Steps(mut column) => {
                for v in &mut column.values {
                    *v = f(*v);
                }
                Scalar::Steps(column)
            }
        }
    }

    /// Combines two scalars step by step.
    pub(crate) fn zip(self, other: Scalar, f: impl Fn(f64, f64) -> f64) -> Scalar {
        match (self, other) {
            (Scalar::Const(a), Scalar::Const(b)) => Scalar::Const(f(a, b)),
            (Scalar::Const(a), b) => b.map(|b| f(a, b)),
            (a, Scalar::Const(b)) => a.map(|a| f(a, b)),
            (Scalar::Steps(mut a), Scalar::Steps(b)) => {
                for (a, b) in a.values.iter_mut().zip(&b.values) {
                    *a = f(*a, *b);
                }
                Scalar::Steps(a)
            }
        }
    }
}
