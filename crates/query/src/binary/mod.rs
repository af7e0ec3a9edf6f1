//! Operators between two values: arithmetic, comparisons, and how the series of two vectors find each other.

pub(crate) mod arith;
pub(crate) mod matching;
pub(crate) mod sets;
