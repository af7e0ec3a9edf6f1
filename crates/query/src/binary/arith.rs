//! What an operator does to two numbers.

use bellwether_lang::promql::ast::BinaryOp;

/// `lhs op rhs`; comparisons give 1 or 0. Set operators have no meaning between numbers and give NaN.
#[inline]
pub(crate) fn scalar(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    match op {
        BinaryOp::Add => lhs + rhs,
        BinaryOp::Sub => lhs - rhs,
        BinaryOp::Mul => lhs * rhs,
        BinaryOp::Div => lhs / rhs,
        BinaryOp::Mod => lhs % rhs,
        BinaryOp::Pow => lhs.powf(rhs),
        BinaryOp::Atan2 => lhs.atan2(rhs),
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Lt | BinaryOp::Le => {
            f64::from(u8::from(holds(op, lhs, rhs)))
        }
        BinaryOp::And | BinaryOp::Unless | BinaryOp::Or => f64::NAN,
    }
}

/// True when the comparison holds; false for operators that do not compare.
#[inline]
pub(crate) fn holds(op: BinaryOp, lhs: f64, rhs: f64) -> bool {
    match op {
        BinaryOp::Eq => lhs == rhs,
        BinaryOp::Ne => lhs != rhs,
        BinaryOp::Gt => lhs > rhs,
        BinaryOp::Ge => lhs >= rhs,
        BinaryOp::Lt => lhs < rhs,
        BinaryOp::Le => lhs <= rhs,
        _ => false,
    }
}

/// Between two samples of vectors: a comparison without `bool` keeps the left value or nothing.
#[inline]
pub(crate) fn sample(op: BinaryOp, return_bool: bool, lhs: f64, rhs: f64) -> Option<f64> {
    if op.is_comparison() && !return_bool {
        return holds(op, lhs, rhs).then_some(lhs);
    }
    Some(scalar(op, lhs, rhs))
}
