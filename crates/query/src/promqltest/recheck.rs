//! Instant queries once more, in other ways that must give the same: as the middle of a range, and
//! pinned with `@` while the evaluation moves.

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{At, DurationExpr, ExprKind, Modifiers};
use bellwether_model::{DurationMs, TimestampMs};

use super::script::When;
use super::{ask, check, time};
use crate::Answer;
use crate::source::memory::MemorySource;

/// Functions whose value depends on the time of the evaluation, whatever their argument is pinned to.
const TIMED: [&str; 12] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "time_to",
    "timestamp",
    "year",
];

/// The middle of a range of three steps equals the instant answer.
pub(super) fn as_range(
    expr: &Expr,
    at: TimestampMs,
    answer: &Answer,
    source: &MemorySource,
) -> Result<(), String> {
    if any(expr, &is_relative) {
        return Ok(());
    }
    let minute = DurationMs::from_mins(1);
    let when = When::Range {
        start: at.minus(minute),
        end: at.plus(minute),
        step: minute,
    };
    let fail = |e: String| format!("as a range: {e}");
    let ranged = ask(expr, when, source, "").map_err(fail)?;
    let rows = check::rows(&ranged.value, at.minus(minute), at.plus(minute), minute.0);
    let middle: Vec<_> = rows
        .map_err(fail)?
        .into_iter()
        .filter_map(|(labels, values)| Some((labels, vec![Some(values[1]?)])))
        .collect();
    let want = check::rows(&answer.value, at, at, 1)?;
    check::same(&want, &middle, false).map_err(fail)
}

/// With every selector pinned to `at`, the answer is the same at any time.
pub(super) fn pinned(
    expr: &Expr,
    at: TimestampMs,
    answer: &Answer,
    source: &MemorySource,
) -> Result<(), String> {
    let is_timed = |e: &Expr| match &e.kind {
        ExprKind::Call(call) => TIMED.contains(&call.function.name),
        _ => is_relative(e),
    };
    if any(expr, &is_timed) {
        return Ok(());
    }
    let mut pinned = expr.clone();
    pin(&mut pinned, at);
    let want = check::rows(&answer.value, at, at, 1)?;
    for other in [-10 * at.0, 0, at.0 / 5, at.0, 10 * at.0] {
        let fail = |e: String| format!("with @ {} at {other}: {e}", at.0);
        let got = ask(&pinned, When::Instant(time(other)), source, "").map_err(fail)?;
        let got = check::rows(&got.value, time(other), time(other), 1).map_err(fail)?;
        check::same(&want, &got, false).map_err(fail)?;
    }
    Ok(())
}

fn any(expr: &Expr, is: &dyn Fn(&Expr) -> bool) -> bool {
    is(expr) || expr.children().into_iter().any(|child| any(child, is))
}

/// True for what depends on the first, last or distance of the steps.
fn is_relative(expr: &Expr) -> bool {
    let modifiers = |m: &Modifiers| {
        matches!(m.at, Some(At::Start | At::End)) || m.offset.as_ref().is_some_and(is_dynamic)
    };
    match &expr.kind {
        ExprKind::StepValue(_) => true,
        ExprKind::Selector(s) => modifiers(&s.at),
        ExprKind::Range(r) => modifiers(&r.selector.at) || is_dynamic(&r.range),
        ExprKind::Subquery(s) => {
            modifiers(&s.at) || is_dynamic(&s.range) || s.step.as_ref().is_some_and(is_dynamic)
        }
        _ => false,
    }
}

fn is_dynamic(duration: &DurationExpr) -> bool {
    match duration {
        DurationExpr::Const(_) => false,
        DurationExpr::Dynamic(expr) => any(expr, &|e| matches!(e.kind, ExprKind::StepValue(_))),
    }
}

/// Pins every selector and subquery that is not; inside a pinned subquery nothing needs it.
fn pin(expr: &mut Expr, t: TimestampMs) {
    let at = |modifiers: &mut Modifiers| {
        modifiers.at.get_or_insert(At::Time(t));
    };
    match &mut expr.kind {
        ExprKind::Selector(s) => at(&mut s.at),
        ExprKind::Range(r) => at(&mut r.selector.at),
        ExprKind::Subquery(s) => at(&mut s.at),
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => pin(inner, t),
        ExprKind::Binary(b) => {
            pin(&mut b.lhs, t);
            pin(&mut b.rhs, t);
        }
        ExprKind::Aggregate(a) => {
            pin(&mut a.expr, t);
            a.param.iter_mut().for_each(|p| pin(p, t));
        }
        ExprKind::Call(c) => c.args.iter_mut().for_each(|arg| pin(arg, t)),
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::StepValue(_) => {}
    }
}
