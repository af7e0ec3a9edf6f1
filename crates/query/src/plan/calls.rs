//! Plans of function calls.

use std::collections::BTreeMap;

use bellwether_lang::promql::FUNCTIONS;
use bellwether_lang::promql::ast::{
    Call, Expr, ExprKind, Extended, RangeSelector, Span, ValueType,
};
use bellwether_model::{Labels, METRIC_NAME, MatchOp};

use super::{Extent, Kernel, Kind, Node, Planner, Series};
use crate::error::QueryError;
use crate::functions::{self, Entry, Func, MapKind};
use crate::window::WindowFn;
use crate::window::newest::Wanted;

impl Planner<'_> {
    pub(super) fn call(
        &mut self,
        call: &Call,
        span: Span,
        extent: Extent,
    ) -> Result<Node, QueryError> {
        let node = self.called(call, span, extent)?;
        Ok(Node {
            function: Some(call.function.name),
            ..node
        })
    }

    fn called(&mut self, call: &Call, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let name = call.function.name;
        let Some(entry) = functions::entry(name) else {
            return Err(QueryError::eval(
                span,
                format!("function {name} is not supported"),
            ));
        };
        let (kind, invariant) = match entry {
            Entry::Window(func) => return self.window_call(func, call, span, extent),
            Entry::Timestamp => return self.timestamp(call, span, extent),
            Entry::Info => return self.info(call, span, extent),
            Entry::Time => (Kind::Time, false),
            Entry::Pi => (Kind::Number(std::f64::consts::PI), true),
            Entry::Pick(pick) => self.pick(pick, call, span, extent)?,
            Entry::ToScalar => {
                let (args, invariant) = self.args(&call.args, extent)?;
                let [arg] = fixed(args, span)?;
                (Kind::ToScalar(Box::new(arg)), invariant)
            }
            Entry::Absent => {
                let (args, invariant) = self.args(&call.args, extent)?;
                let [arg] = fixed(args, span)?;
                (absent(call, arg), invariant)
            }
            Entry::AbsentOverTime => {
                let arg = self.window_call(functions::PRESENCE, call, span, extent)?;
                let invariant = arg.invariant;
                (absent(call, arg), invariant)
            }
            Entry::Map(map) => self.map(map, call, span, extent)?,
            Entry::Date(part) => {
                let (mut args, invariant) = self.args(&call.args, extent)?;
                let is_now = args.is_empty();
                let arg = args.pop().unwrap_or_else(|| now_vector(span));
                let kind = mapped(MapKind::Math(part), arg, Vec::new());
                (kind, invariant && !is_now)
            }
            Entry::Call(func) => {
                let (args, invariant) = self.args(&call.args, extent)?;
                (Kind::Call { func, args }, invariant)
            }
        };
        Ok(Node::new(kind, span, invariant))
    }

    /// `min_of`, `max_of`; folded when both sides are numbers.
    fn pick(
        &mut self,
        pick: fn(f64, f64) -> f64,
        call: &Call,
        span: Span,
        extent: Extent,
    ) -> Result<(Kind, bool), QueryError> {
        let (args, invariant) = self.args(&call.args, extent)?;
        let [lhs, rhs] = fixed(args, span)?;
        if let (Kind::Number(l), Kind::Number(r)) = (&lhs.kind, &rhs.kind) {
            return Ok((Kind::Number(pick(*l, *r)), true));
        }
        let (lhs, rhs) = (Box::new(lhs), Box::new(rhs));
        Ok((Kind::ScalarPick { pick, lhs, rhs }, invariant))
    }

    /// A function of each value, which is the first argument.
    fn map(
        &mut self,
        map: MapKind,
        call: &Call,
        span: Span,
        extent: Extent,
    ) -> Result<(Kind, bool), QueryError> {
        let (mut args, invariant) = self.args(&call.args, extent)?;
        if args.is_empty() {
            return Err(QueryError::eval(span, "missing argument"));
        }
        let arg = args.remove(0);
        Ok((mapped(map, arg, args), invariant))
    }

    /// The arguments, and whether all of them are invariant.
    fn args(&mut self, args: &[Expr], extent: Extent) -> Result<(Vec<Node>, bool), QueryError> {
        let nodes = args
            .iter()
            .map(|arg| self.node(arg, extent))
            .collect::<Result<Vec<_>, _>>()?;
        let invariant = nodes.iter().all(|n| n.invariant);
        Ok((nodes, invariant))
    }

    fn window_call(
        &mut self,
        func: WindowFn,
        call: &Call,
        span: Span,
        extent: Extent,
    ) -> Result<Node, QueryError> {
        let is_matrix = |e: &&Expr| e.value_type() == ValueType::Matrix;
        let Some(matrix) = call.args.iter().find(is_matrix) else {
            return Err(QueryError::eval(span, "expected a range vector"));
        };
        let scalars: Vec<Expr> = call
            .args
            .iter()
            .filter(|e| !is_matrix(e))
            .cloned()
            .collect();
        let (params, params_invariant) = self.args(&scalars, extent)?;
        let matrix = matrix.unparenthesized();
        let (kind, invariant) = match &matrix.kind {
            ExprKind::Range(range) => {
                check_extended(&func, range.selector.extended, call.function.name, span)?;
                let (series, invariant) =
                    self.window_series(func, params, range, matrix.span, extent)?;
                (Kind::Series(series), invariant)
            }
            ExprKind::Subquery(subquery) => {
                let (input, invariant) = self.subquery(subquery, matrix.span, extent)?;
                let kind = Kind::OverSubquery {
                    func,
                    params,
                    input,
                };
                (kind, invariant)
            }
            _ => return Err(QueryError::eval(span, "expected a range vector")),
        };
        let invariant = invariant && params_invariant && !func.looks_at_now;
        Ok(Node::new(kind, span, invariant))
    }

    /// A window function straight over stored series.
    fn window_series(
        &mut self,
        func: WindowFn,
        params: Vec<Node>,
        range: &RangeSelector,
        span: Span,
        extent: Extent,
    ) -> Result<(Series, bool), QueryError> {
        let extended = range.selector.extended;
        let lookback = self.options.lookback.0.max(1);
        let (before, after) = match extended {
            None => (0, 0),
            Some(Extended::Anchored) => (lookback, 0),
            Some(Extended::Smoothed) => (lookback, lookback),
        };
        let (read, window, invariant) = self.range(range, before, after, span, extent)?;
        let kernel = Kernel::Window {
            func,
            extended,
            lookback,
            range: window.range,
            params,
        };
        let series = Series {
            span,
            read,
            shift: window.shift,
            kernel,
        };
        Ok((series, invariant))
    }

    /// `timestamp(x)` of a plain selector is the time of its sample, of anything else the step's.
    fn timestamp(&mut self, call: &Call, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let arg = call.args.first().map(Expr::unparenthesized);
        if let Some(arg) = arg
            && let ExprKind::Selector(selector) = &arg.kind
            && selector.extended.is_none()
        {
            let arg = self.selector(selector, Wanted::Time, arg.span, extent)?;
            let invariant = arg.invariant;
            let kind = mapped(MapKind::Math(|v| v), arg, Vec::new());
            return Ok(Node::new(kind, span, invariant));
        }
        let (mut args, _) = self.args(&call.args, extent)?;
        args.push(Node::new(Kind::Time, span, false));
        let [arg, time] = fixed(args, span)?;
        let kind = mapped(MapKind::Replace, arg, vec![time]);
        Ok(Node::new(kind, span, false))
    }
}

/// Exactly `N` arguments; the parser has checked their number.
fn fixed<const N: usize>(args: Vec<Node>, span: Span) -> Result<[Node; N], QueryError> {
    args.try_into()
        .map_err(|_| QueryError::eval(span, "wrong number of arguments"))
}

/// A function of each value makes a new metric.
fn mapped(map: MapKind, arg: Node, params: Vec<Node>) -> Kind {
    Kind::Map {
        map,
        arg: Box::new(arg),
        params,
        drops_name: true,
    }
}

fn absent(call: &Call, arg: Node) -> Kind {
    Kind::Absent {
        arg: Box::new(arg),
        labels: call.args.first().map(absent_labels).unwrap_or_default(),
    }
}

/// `vector(time())`
fn now_vector(span: Span) -> Node {
    let time = Node::new(Kind::Time, span, false);
    let kind = Kind::Call {
        func: Func::Vector,
        args: vec![time],
    };
    Node {
        function: Some("vector"),
        ..Node::new(kind, span, false)
    }
}

/// The labels of `absent(selector)`: those that the selector fixes to one value.
fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match &expr.unparenthesized().kind {
        ExprKind::Selector(selector) => &selector.matchers,
        ExprKind::Range(range) => &range.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut fixed: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: Vec<&str> = Vec::new();
    // The first `=` of a label fixes it, and any condition on it after that frees it again: upstream's order.
    for m in matchers.iter().filter(|m| m.name() != METRIC_NAME) {
        if m.op() == MatchOp::Equal && !seen.contains(&m.name()) {
            seen.push(m.name());
            fixed.insert(m.name(), m.value());
        } else {
            fixed.remove(m.name());
        }
    }
    Labels::from_pairs(fixed)
}

/// `anchored` and `smoothed` change only functions that look at the edges of their window.
fn check_extended(
    func: &WindowFn,
    extended: Option<Extended>,
    function: &str,
    span: Span,
) -> Result<(), QueryError> {
    let Some(by) = extended.filter(|by| func.extended(*by).is_none()) else {
        return Ok(());
    };
    let modifier = match by {
        Extended::Anchored => "anchored",
        Extended::Smoothed => "smoothed",
    };
    let is_allowed = |name: &&str| matches!(functions::entry(name), Some(Entry::Window(f)) if f.extended(by).is_some());
    let names = FUNCTIONS.iter().map(|function| function.name);
    let mut allowed: Vec<&str> = names.filter(is_allowed).collect();
    allowed.sort_unstable();
    let allowed = allowed.join(", ");
    Err(QueryError::eval(
        span,
        format!("{modifier} modifier can only be used with: {allowed} - not with {function}"),
    ))
}
