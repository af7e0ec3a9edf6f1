//! A tree as text over several lines, the way Prometheus' `format_query` lays it out: reading the text gives the same tree again.
//!
//! What fits into a line stays in one, as `print.rs` writes it. Of what does not, each part gets lines of its own, two blanks
//! further in: the arguments of calls and aggregations, what stands in parentheses, the two sides of an operator, which
//! stands between them. Selectors are never parted.

use super::ast::{Aggregate, Binary, Call, Expr, ExprKind, Subquery, UnaryOp};
use super::print::{AggregateHead, Operator, SubqueryTail};

/// What takes more bytes than this is parted.
const LINE_BYTES_MAX: usize = 100;

const INDENT: &str = "  ";

impl Expr {
    /// The expression in lines of about 100 characters, without a line end behind the last.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        push(&mut out, self, 0);
        out
    }
}

/// Appends an expression whose lines begin `level` steps further in.
fn push(out: &mut String, expr: &Expr, level: usize) {
    push_indent(out, level);
    push_rest(out, expr, level);
}

/// As [`push`], where the indent of the first line is there already.
fn push_rest(out: &mut String, expr: &Expr, level: usize) {
    // Printed at each level anew, which the limits to depth and length bound.
    let line = expr.to_string();
    if line.len() <= LINE_BYTES_MAX {
        out.push_str(&line);
        return;
    }
    match &expr.kind {
        ExprKind::Unary(op, inner) => {
            out.push(match op {
                UnaryOp::Neg => '-',
                UnaryOp::Pos => '+',
            });
            let mut operand = String::new();
            push_rest(&mut operand, inner, level);
            out.push_str(operand.trim_start()); // The sign stands at its first character.
        }
        ExprKind::Binary(binary) => push_binary(out, binary, level),
        ExprKind::Aggregate(aggregate) => push_aggregate(out, aggregate, level),
        ExprKind::Call(call) => push_call(out, call, level),
        ExprKind::Paren(inner) => push_inside(out, [&**inner], level),
        ExprKind::Subquery(subquery) => push_subquery(out, subquery, level),
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Selector(_)
        | ExprKind::Range(_)
        | ExprKind::StepValue(_) => out.push_str(&line),
    }
}

/// The left side on the line that has begun, its first indent one step deeper; then the operator, then the right side.
fn push_binary(out: &mut String, binary: &Binary, level: usize) {
    out.push_str(INDENT);
    push_rest(out, &binary.lhs, level + 1);
    out.push('\n');
    push_indent(out, level);
    out.push_str(&Operator(binary).to_string());
    out.push('\n');
    push(out, &binary.rhs, level + 1);
}

fn push_aggregate(out: &mut String, aggregate: &Aggregate, level: usize) {
    out.push_str(&AggregateHead(aggregate).to_string());
    let parts = aggregate.param.iter().chain([&aggregate.expr]);
    push_inside(out, parts.map(|part| &**part), level);
}

fn push_call(out: &mut String, call: &Call, level: usize) {
    out.push_str(call.function.name);
    push_inside(out, &call.args, level);
}

fn push_subquery(out: &mut String, subquery: &Subquery, level: usize) {
    push_rest(out, &subquery.expr, level);
    out.push_str(&SubqueryTail(subquery).to_string());
}

/// Parentheses with each part on lines of its own.
fn push_inside<'a>(out: &mut String, parts: impl IntoIterator<Item = &'a Expr>, level: usize) {
    out.push('(');
    for (i, part) in parts.into_iter().enumerate() {
        out.push_str(if i > 0 { ",\n" } else { "\n" });
        push(out, part, level + 1);
    }
    out.push('\n');
    push_indent(out, level);
    out.push(')');
}

fn push_indent(out: &mut String, level: usize) {
    for _ in 0..level {
        out.push_str(INDENT);
    }
}
