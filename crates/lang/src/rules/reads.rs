//! Which series an expression reads.

use bellwether_model::{METRIC_NAME, MatchOp};

use crate::promql::ast::{Expr, ExprKind, VectorSelector};

/// The selectors of an expression, in the order written. The parser bounds the depth.
pub(super) fn selectors<'e>(expr: &'e Expr, into: &mut Vec<&'e VectorSelector>) {
    match &expr.kind {
        ExprKind::Selector(selector) => into.push(selector),
        ExprKind::Range(range) => into.push(&range.selector),
        _ => {}
    }
    for child in expr.children() {
        selectors(child, into);
    }
}

/// The metric that a selector names, when it names one.
pub(super) fn metric(selector: &VectorSelector) -> Option<&str> {
    let is_name = |m: &&bellwether_model::Matcher| {
        m.name() == METRIC_NAME && m.op() == MatchOp::Equal && !m.value().is_empty()
    };
    selector
        .matchers
        .iter()
        .find(is_name)
        .map(bellwether_model::Matcher::value)
}

/// The metrics that an expression names.
pub(super) fn metrics(expr: &Expr) -> Vec<&str> {
    let mut found = Vec::new();
    selectors(expr, &mut found);
    found.into_iter().filter_map(metric).collect()
}
