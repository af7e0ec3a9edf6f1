//! A scalar over all steps: one number, or one a step.

use std::sync::Arc;

use crate::budget::{Budget, Charge, LOOK_EVERY};
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
    charge: Charge,
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
        let mut values = Vec::with_capacity(steps);
        for step in 0..steps {
            if step % LOOK_EVERY == 0 {
                budget.check()?;
            }
            values.push(value(step));
        }
        Ok(Scalar::Steps(Column { values, charge }))
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
    fn map(self, f: impl Fn(f64) -> f64) -> Result<Scalar, QueryError> {
        match self {
            Scalar::Const(v) => Ok(Scalar::Const(f(v))),
            Scalar::Steps(mut column) => {
                for part in column.values.chunks_mut(LOOK_EVERY) {
                    column.charge.budget().check()?;
                    for v in part {
                        *v = f(*v);
                    }
                }
                Ok(Scalar::Steps(column))
            }
        }
    }

    /// Combines two scalars step by step.
    pub(crate) fn zip(
        self,
        other: Scalar,
        f: impl Fn(f64, f64) -> f64,
    ) -> Result<Scalar, QueryError> {
        match (self, other) {
            (Scalar::Const(a), b) => b.map(|b| f(a, b)),
            (a, Scalar::Const(b)) => a.map(|a| f(a, b)),
            (Scalar::Steps(mut a), Scalar::Steps(b)) => {
                let parts = a.values.chunks_mut(LOOK_EVERY);
                for (part, b) in parts.zip(b.values.chunks(LOOK_EVERY)) {
                    a.charge.budget().check()?;
                    part.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b));
                }
                Ok(Scalar::Steps(a))
            }
        }
    }
}
