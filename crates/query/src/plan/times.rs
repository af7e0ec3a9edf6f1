//! Times and durations of a plan: `offset`, `@`, ranges, and arithmetic in durations, all as numbers.

use bellwether_lang::promql::ast::{
    At, BinaryOp, DurationExpr, Expr, ExprKind, Modifiers, Span, StepValue, UnaryOp,
};

use super::Planner;
use crate::binary::arith;
use crate::error::QueryError;
use crate::functions::{self, Entry};
use crate::window::Shift;

impl Planner<'_> {
    pub(super) fn step_value(&self, value: StepValue) -> f64 {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        match value {
            StepValue::Step if self.grid.count == 1 && self.grid.step == 1 => 0.0,
            StepValue::Step => seconds(self.grid.step),
            StepValue::Range => seconds(self.end.saturating_sub(self.grid.start)),
            StepValue::Start => seconds(self.grid.start),
            StepValue::End => seconds(self.end),
        }
    }

    pub(super) fn shift(&self, modifiers: &Modifiers, span: Span) -> Result<Shift, QueryError> {
        let offset = match &modifiers.offset {
            Some(offset) => self.duration(offset, span)?,
            None => 0,
        };
        let at = modifiers.at.map(|at| match at {
            At::Time(t) => t.0,
            At::Start => self.grid.start,
            At::End => self.end,
        });
        Ok(Shift { offset, at })
    }

    pub(super) fn positive_duration(
        &self,
        duration: &DurationExpr,
        span: Span,
    ) -> Result<i64, QueryError> {
        let ms = self.duration(duration, span)?;
        if ms <= 0 {
            return Err(QueryError::eval(span, "duration must be greater than 0"));
        }
        Ok(ms)
    }

    fn duration(&self, duration: &DurationExpr, span: Span) -> Result<i64, QueryError> {
        let seconds = match duration {
            DurationExpr::Const(duration) => return Ok(duration.0),
            DurationExpr::Dynamic(expr) => self.constant(expr)?,
        };
        let ms = (seconds * 1000.0).round();
        // About 292 million years either way; NaN fails the comparison too.
        if ms.abs() < i64::MAX as f64 / 4.0 {
            Ok(ms as i64)
        } else {
            Err(QueryError::eval(span, "duration out of range"))
        }
    }

    /// The number a duration's arithmetic comes to.
    fn constant(&self, expr: &Expr) -> Result<f64, QueryError> {
        Ok(match &expr.kind {
            ExprKind::Number(number) => number.value,
            ExprKind::StepValue(value) => self.step_value(*value),
            ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Pos, inner) => {
                self.constant(inner)?
            }
            ExprKind::Unary(UnaryOp::Neg, inner) => -self.constant(inner)?,
            ExprKind::Binary(b) => {
                let (lhs, rhs) = (self.constant(&b.lhs)?, self.constant(&b.rhs)?);
                if rhs == 0.0 && matches!(b.op, BinaryOp::Div | BinaryOp::Mod) {
                    let what = if b.op == BinaryOp::Div {
                        "division"
                    } else {
                        "modulo"
                    };
                    return Err(QueryError::eval(expr.span, format!("{what} by zero")));
                }
                arith::scalar(b.op, lhs, rhs)
            }
            ExprKind::Call(call) => match (functions::entry(call.function.name), &*call.args) {
                (Some(Entry::Pick(pick)), [lhs, rhs]) => {
                    pick(self.constant(lhs)?, self.constant(rhs)?)
                }
                _ => return Err(not_constant(expr.span)),
            },
            _ => return Err(not_constant(expr.span)),
        })
    }
}

fn not_constant(span: Span) -> QueryError {
    QueryError::eval(span, "a duration can only be made of numbers")
}
