//! Makes a failing case small: fewer nodes, fewer series, fewer samples.

use bellwether_lang::promql::ast::ExprKind;
use bellwether_lang::promql::{self, Expr};

use crate::data::Data;

/// Tries smaller expressions and less data for as long as `fails` says they still fail.
pub(crate) fn shrink(
    mut expr: Expr,
    mut data: Data,
    fails: impl Fn(&Expr, &Data) -> bool,
) -> (Expr, Data) {
    while let Some(smaller) = smaller(&expr).into_iter().find(|e| fails(e, &data)) {
        expr = smaller;
    }
    let mut at = 0;
    while at < data.series.len() {
        let mut less = data.clone();
        less.series.remove(at);
        if fails(&expr, &less) {
            data = less;
        } else {
            at += 1;
        }
    }
    for series in 0..data.series.len() {
        let mut size = data.series[series].points.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < data.series[series].points.len() {
                let mut less = data.clone();
                let points = &mut less.series[series].points;
                points.drain(from..(from + size).min(points.len()));
                if fails(&expr, &less) {
                    data = less;
                } else {
                    from += size;
                }
            }
            size /= 2;
        }
    }
    (expr, data)
}

/// Every expression that is `expr` with one node replaced by something smaller of the same type.
fn smaller(expr: &Expr) -> Vec<Expr> {
    let mut out: Vec<Expr> = Vec::new();
    inner(expr, &mut |e| {
        if e.value_type() == expr.value_type() {
            out.push(e.clone());
        }
    });
    for index in 0..expr.children().len() {
        for child in smaller(expr.children()[index]) {
            let mut whole = expr.clone();
            if let Some(slot) = child_mut(&mut whole, index) {
                *slot = child;
                out.push(whole);
            }
        }
    }
    out.extend(plainer(expr));
    // Through the text: only what can be written is worth reporting.
    out.into_iter()
        .filter_map(|e| promql::parse(&e.to_string()).ok())
        .collect()
}

fn inner(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    for child in expr.children() {
        visit(child);
        inner(child, visit);
    }
}

/// The node itself with less said about it.
fn plainer(expr: &Expr) -> Vec<Expr> {
    let mut out = Vec::new();
    let mut plain = expr.clone();
    let selector = match &mut plain.kind {
        ExprKind::Selector(selector) => selector,
        ExprKind::Range(range) => &mut range.selector,
        _ => return out,
    };
    if selector.at.offset.is_some() || selector.at.at.is_some() {
        selector.at = promql::ast::Modifiers::default();
        out.push(plain);
    }
    out
}

/// The child at `index` of `Expr::children`.
fn child_mut(expr: &mut Expr, index: usize) -> Option<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Subquery(s) => Some(&mut s.expr),
        ExprKind::Unary(_, e) | ExprKind::Paren(e) => Some(e),
        ExprKind::Binary(b) => Some(if index == 0 { &mut b.lhs } else { &mut b.rhs }),
        ExprKind::Aggregate(a) => match (&mut a.param, index) {
            (Some(param), 0) => Some(param),
            _ => Some(&mut a.expr),
        },
        ExprKind::Call(c) => c.args.get_mut(index),
        _ => None,
    }
}
