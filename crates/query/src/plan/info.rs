//! The plan of `info()`: the base, and the info series looked up where the base's first selector looks.

use bellwether_lang::promql::ast::{Call, Expr, ExprKind, Span};
use bellwether_model::{METRIC_NAME, MatchOp, Matcher};

use super::{Extent, Info, Kernel, Kind, Node, Planner, Series};
use crate::error::QueryError;
use crate::window::Shift;
use crate::window::newest::Wanted;

impl Planner<'_> {
    /// Joins the base with info series looked up where the base's first selector looks.
    pub(super) fn info(
        &mut self,
        call: &Call,
        span: Span,
        extent: Extent,
    ) -> Result<Node, QueryError> {
        let Some(base_expr) = call.args.first() else {
            return Err(QueryError::eval(span, "missing argument"));
        };
        let base = self.node(base_expr, extent)?;
        let given = match call.args.get(1).map(|e| &e.unparenthesized().kind) {
            Some(ExprKind::Selector(selector)) => selector.matchers.as_slice(),
            Some(_) => return Err(QueryError::eval(span, "expected a selector")),
            None => &[],
        };
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) =
            given.iter().cloned().partition(|m| m.name() == METRIC_NAME);
        let is_positive = |m: &Matcher| matches!(m.op(), MatchOp::Equal | MatchOp::Regex);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if !names.iter().any(is_positive) {
            // Only told what it is not: anything else that is called an info metric.
            let any_info = Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info");
            names.push(any_info.map_err(|e| QueryError::eval(span, e.to_string()))?);
        }
        let shift = self.reference_shift(base_expr, span)?;
        let lookback = self.options.lookback.0.max(1);
        let at = extent.shifted(shift);
        let from = at.first.saturating_sub(lookback).saturating_add(1);
        let mut matchers = names.clone();
        matchers.extend(data.iter().cloned());
        let read = self.read(&matchers, from, at.last);
        let kernel = Kernel::Newest {
            lookback,
            wanted: Wanted::Time,
        };
        let series = Series {
            span,
            read,
            shift,
            kernel,
        };
        let info = Node::new(Kind::Series(series), span, shift.at.is_some());
        let invariant = base.invariant && info.invariant;
        let kind = Kind::Info(Info {
            base: Box::new(base),
            joined: Box::new(info),
            names,
            data,
        });
        Ok(Node::new(kind, span, invariant))
    }

    /// Where the first selector inside `expr` looks, subqueries around it included.
    fn reference_shift(&self, expr: &Expr, span: Span) -> Result<Shift, QueryError> {
        let (own, inner) = match &expr.kind {
            ExprKind::Selector(s) => (self.shift(&s.at, span)?, None),
            ExprKind::Range(r) => (self.shift(&r.selector.at, span)?, None),
            ExprKind::Subquery(s) => (self.shift(&s.at, span)?, Some(&*s.expr)),
            _ => match expr.children().into_iter().find(|c| has_selector(c)) {
                Some(child) => return self.reference_shift(child, span),
                None => (Shift::default(), None),
            },
        };
        let Some(inner) = inner else {
            return Ok(own);
        };
        let inner = self.reference_shift(inner, span)?;
        if inner.at.is_some() {
            return Ok(inner);
        }
        Ok(Shift {
            offset: own.offset.saturating_add(inner.offset),
            at: own.at,
        })
    }
}

fn has_selector(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Selector(_) | ExprKind::Range(_))
        || expr.children().into_iter().any(has_selector)
}
