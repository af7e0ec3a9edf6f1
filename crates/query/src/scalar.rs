//! A scalar over all steps: one number, or one a step.

/// One number at every step.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    /// The same at every step.
    Const(f64),
    /// One for each step.
    Steps(Vec<f64>),
}

impl Scalar {
    #[inline]
    pub(crate) fn at(&self, step: usize) -> f64 {
        match self {
            Scalar::Const(v) => *v,
            Scalar::Steps(values) => values[step],
        }
    }

    /// The distinct numbers in order of appearance: one for a constant.
    pub(crate) fn values(&self) -> &[f64] {
        match self {
            Scalar::Const(v) => std::slice::from_ref(v),
            Scalar::Steps(values) => values,
        }
    }

    /// Applies `f` at every step.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Scalar {
        match self {
            Scalar::Const(v) => Scalar::Const(f(v)),
            Scalar::Steps(mut values) => {
                for v in &mut values {
                    *v = f(*v);
                }
                Scalar::Steps(values)
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
                a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, b));
                Scalar::Steps(a)
            }
        }
    }
}
