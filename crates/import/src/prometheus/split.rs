//! An expression that ends in a comparison with a number, cut into the value and the threshold.

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{Binary, BinaryOp, ExprKind, NumberLiteral, UnaryOp, ValueType};

use crate::write;

/// `value op number`.
#[derive(Debug)]
pub(super) struct Split<'e> {
    pub(super) value: &'e Expr,
    pub(super) op: BinaryOp,
    pub(super) number: f64,
    /// The number as the rule language takes it.
    pub(super) text: String,
}

/// The two parts of `expr`; `None` when it does not end in a comparison of a vector with a number, or when the value
/// is itself a comparison. `!=` stays where it is: it holds for NaN, which is no value for a level. `written` is the text that the spans of `expr` are places in.
pub(super) fn split<'e>(expr: &'e Expr, written: &str) -> Option<Split<'e>> {
    let ExprKind::Binary(binary) = &expr.unparenthesized().kind else {
        return None;
    };
    if !binary.op.is_comparison() || binary.op == BinaryOp::Ne || binary.return_bool {
        return None;
    }
    let (value, op, number) = match (constant(&binary.lhs), constant(&binary.rhs)) {
        (None, Some(_)) => (&binary.lhs, binary.op, &binary.rhs),
        (Some(_), None) => (&binary.rhs, turned(binary.op), &binary.lhs),
        _ => return None,
    };
    let compares = matches!(&value.unparenthesized().kind,
        ExprKind::Binary(Binary { op, return_bool: false, .. }) if op.is_comparison());
    if value.value_type() != ValueType::Vector || compares {
        return None;
    }
    let threshold = constant(number).filter(|n| n.is_finite())?;
    let text = written
        .get(number.span.start..number.span.end)
        .map(str::trim)
        .filter(|text| is_plain(text, number))
        .map_or_else(|| write::number(threshold), str::to_owned);
    Some(Split {
        value,
        op,
        number: threshold,
        text,
    })
}

/// `5 < x` is `x > 5`.
fn turned(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}

/// The value of an expression of numbers only.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number(NumberLiteral { value, .. }) => Some(*value),
        ExprKind::Paren(inner) => constant(inner),
        ExprKind::Unary(UnaryOp::Neg, inner) => Some(-constant(inner)?),
        ExprKind::Unary(UnaryOp::Pos, inner) => constant(inner),
        ExprKind::Binary(binary) => {
            let (a, b) = (constant(&binary.lhs)?, constant(&binary.rhs)?);
            match binary.op {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Sub => Some(a - b),
                BinaryOp::Mul => Some(a * b),
                BinaryOp::Div => Some(a / b),
                BinaryOp::Mod => Some(a % b),
                BinaryOp::Pow => Some(a.powf(b)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// True for a number that the rule language reads as PromQL does: `0.5`, `1e6`, `5m`.
fn is_plain(text: &str, number: &Expr) -> bool {
    let ExprKind::Number(literal) = &number.kind else {
        return false;
    };
    if literal.is_duration {
        return bellwether_model::DurationMs::parse(text).is_some();
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        // `010` would be read by some as eight.
        None => digits(text) && (text == "0" || !text.starts_with('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, want: &str) {
        let expr = bellwether_lang::promql::parse(written).unwrap();
        let got = split(&expr, written).map_or("whole".to_owned(), |s| {
            format!("{} | {} {}", s.value, s.op.text(), s.text)
        });
        assert_eq!(got, want, "{written}");
    }

    #[test]
    fn a_final_comparison_with_a_number_is_cut_off() {
        check("up == 0", "up | == 0");
        check("(rate(x[5m]) > 0.5)", "rate(x[5m]) | > 0.5");
        check("5 < x", "x | > 5");
        check("x < -.5", "x | < -0.5");
        check("x >= 60 * 60 * 24", "x | >= 86400");
        check("time() - x > 1h30m", "time() - x | > 1h30m");
        check("x > 0x10", "x | > 16");
        check("a / b > 5", "a / b | > 5");
    }

    #[test]
    fn everything_else_stays_whole() {
        for written in [
            "up",
            "x > bool 1",
            "x > y",
            "x > 1 and y > 2",
            "(x > 1) < 5",
            "x < +Inf",
            "x != 5",
            "5 != x",
            "1",
            "1 > bool 0",
        ] {
            check(written, "whole");
        }
    }
}
