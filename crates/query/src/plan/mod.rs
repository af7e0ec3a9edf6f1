//! From a parsed tree to a plan: which samples each selector needs, what is constant, what is read once.
//!
//! Planning knows the steps of the query, so `@ start()`, `step()` and durations with arithmetic are numbers from here on.
//! Every selector points to a [`Read`]; selectors with the same matchers over touching times share one.
//! A node is *invariant* when its value does not depend on the step: it is evaluated once.
//!
//! Not here: calls (`calls.rs`, `info.rs`), offsets and durations (`times.rs`).

mod calls;
mod info;
mod times;

use bellwether_lang::promql::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Expr, ExprKind, Extended, Grouping, RangeSelector,
    Span, Subquery, UnaryOp, ValueType, VectorMatching, VectorSelector,
};
use bellwether_model::{Labels, Matcher};

use crate::answer::Options;
use crate::binary::arith;
use crate::error::QueryError;
use crate::functions::{Func, MapKind};
use crate::steps::Grid;
use crate::window::newest::Wanted;
use crate::window::{Shift, WindowFn};

/// What a query does, and what it reads.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) root: Node,
    pub(crate) reads: Vec<Read>,
}

/// One question to the source.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) matchers: Vec<Matcher>,
    /// The first and last time any user of this read looks at.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// How many selectors share it.
    pub(crate) uses: usize,
}

/// A part of the plan.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    /// The value is the same at every step.
    pub(crate) invariant: bool,
    /// The function in the text that it stands for, for those who look at the plan.
    pub(crate) function: Option<&'static str>,
}

impl Node {
    fn new(kind: Kind, span: Span, invariant: bool) -> Node {
        Node {
            kind,
            span,
            invariant,
            function: None,
        }
    }
}

/// What a node does.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A constant scalar.
    Number(f64),
    /// A constant text.
    Text(String),
    /// `time()`: the step's time, seconds.
    Time,
    /// A scalar operator over scalars.
    ScalarOp {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
    },
    /// `min_of`, `max_of`.
    ScalarPick {
        pick: fn(f64, f64) -> f64,
        lhs: Box<Node>,
        rhs: Box<Node>,
    },
    /// `scalar(v)`.
    ToScalar(Box<Node>),
    /// Series straight from a selector through a kernel.
    Series(Series),
    /// A window function over a subquery.
    OverSubquery {
        func: WindowFn,
        params: Vec<Node>,
        input: SubqueryInput,
    },
    /// A range selector without a function: a range vector.
    RawRange { read: usize, window: WindowSpec },
    /// A subquery without a function: a range vector.
    RawSubquery(SubqueryInput),
    /// Each value by itself.
    Map {
        map: MapKind,
        arg: Box<Node>,
        params: Vec<Node>,
        drops_name: bool,
    },
    /// An aggregation.
    Aggregate {
        op: AggregateOp,
        param: Option<Box<Node>>,
        arg: Box<Node>,
        grouping: Grouping,
    },
    /// An operator between two vectors.
    Binary {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
        return_bool: bool,
        matching: VectorMatching,
    },
    /// `absent` and `absent_over_time`: these labels where the argument has no series.
    Absent { arg: Box<Node>, labels: Labels },
    /// `info(v, selector)`.
    Info(Info),
    /// Any other function.
    Call { func: Func, args: Vec<Node> },
}

/// Where a window lies relative to its step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowSpec {
    pub(crate) shift: Shift,
    /// Milliseconds, positive.
    pub(crate) range: i64,
}

/// A selector and what becomes of its samples.
#[derive(Debug)]
pub(crate) struct Series {
    /// The selector in the text, for notes.
    pub(crate) span: Span,
    pub(crate) read: usize,
    pub(crate) shift: Shift,
    pub(crate) kernel: Kernel,
}

/// What is done with the samples of one series.
#[derive(Debug)]
pub(crate) enum Kernel {
    /// The newest sample inside the lookback.
    Newest { lookback: i64, wanted: Wanted },
    /// An instant selector interpolated between its neighbours (`smoothed`).
    Smoothed { lookback: i64 },
    /// A function over a window.
    Window {
        func: WindowFn,
        extended: Option<Extended>,
        lookback: i64,
        range: i64,
        params: Vec<Node>,
    },
}

/// A subquery, evaluated over steps of its own.
#[derive(Debug)]
pub(crate) struct SubqueryInput {
    /// The subquery in the text, for notes.
    pub(crate) span: Span,
    pub(crate) inner: Box<Node>,
    pub(crate) window: WindowSpec,
    /// Milliseconds, positive.
    pub(crate) step: i64,
}

impl SubqueryInput {
    /// The steps that windows at `grid` look at.
    pub(crate) fn steps(&self, grid: Grid) -> Grid {
        let WindowSpec { shift, range } = self.window;
        let after = shift.apply(grid.start).saturating_sub(range);
        Grid::aligned(after, shift.apply(grid.last()), self.step)
    }
}

/// `info()`: the base, and the info metrics it is joined with.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) base: Box<Node>,
    /// The info series at the base's times.
    pub(crate) joined: Box<Node>,
    /// Conditions on `__name__`: which metrics are info metrics.
    pub(crate) names: Vec<Matcher>,
    /// Conditions on other labels: which labels are added.
    pub(crate) data: Vec<Matcher>,
}

/// Plans `expr` for evaluation at `grid`.
pub(crate) fn plan(
    expr: &Expr,
    grid: Grid,
    end: i64,
    options: &Options,
) -> Result<Plan, QueryError> {
    let mut planner = Planner {
        grid,
        end,
        options,
        reads: Vec::new(),
    };
    let extent = Extent {
        first: grid.start,
        last: grid.last(),
    };
    let root = planner.node(expr, extent)?;
    Ok(Plan {
        root,
        reads: planner.reads,
    })
}

/// The first and last time a node is evaluated at.
#[derive(Clone, Copy, Debug)]
struct Extent {
    first: i64,
    last: i64,
}

impl Extent {
    fn shifted(self, shift: Shift) -> Extent {
        Extent {
            first: shift.apply(self.first),
            last: shift.apply(self.last),
        }
    }
}

struct Planner<'a> {
    grid: Grid,
    /// The end of the query, which may lie after its last step.
    end: i64,
    options: &'a Options,
    reads: Vec<Read>,
}

impl Planner<'_> {
    fn node(&mut self, expr: &Expr, extent: Extent) -> Result<Node, QueryError> {
        let span = expr.span;
        let node = |kind, invariant| Node::new(kind, span, invariant);
        Ok(match &expr.kind {
            ExprKind::Number(number) => node(Kind::Number(number.value), true),
            ExprKind::String(text) => node(Kind::Text(text.clone()), true),
            ExprKind::StepValue(value) => node(Kind::Number(self.step_value(*value)), true),
            ExprKind::Paren(inner) => self.node(inner, extent)?,
            ExprKind::Selector(selector) => self.selector(selector, Wanted::Value, span, extent)?,
            ExprKind::Range(range) => {
                let (read, window, invariant) = self.range(range, 0, 0, span, extent)?;
                node(Kind::RawRange { read, window }, invariant)
            }
            ExprKind::Subquery(subquery) => {
                let (input, invariant) = self.subquery(subquery, span, extent)?;
                node(Kind::RawSubquery(input), invariant)
            }
            ExprKind::Unary(UnaryOp::Pos, inner) => self.node(inner, extent)?,
            ExprKind::Unary(UnaryOp::Neg, inner) => self.negated(inner, span, extent)?,
            ExprKind::Binary(binary) => self.binary(binary, span, extent)?,
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, span, extent)?,
            ExprKind::Call(call) => self.call(call, span, extent)?,
        })
    }

    /// Registers what a selector reads, `from..=to`, and returns the read's index.
    fn read(&mut self, matchers: &[Matcher], from: i64, to: i64) -> usize {
        let touching = self
            .reads
            .iter()
            .position(|read| read.matchers == matchers && read.from <= to && from <= read.to);
        if let Some(at) = touching {
            let read = &mut self.reads[at];
            read.from = read.from.min(from);
            read.to = read.to.max(to);
            read.uses += 1;
            return at;
        }
        self.reads.push(Read {
            matchers: matchers.to_vec(),
            from,
            to,
            uses: 1,
        });
        self.reads.len() - 1
    }

    fn selector(
        &mut self,
        selector: &VectorSelector,
        wanted: Wanted,
        span: Span,
        extent: Extent,
    ) -> Result<Node, QueryError> {
        let shift = self.shift(&selector.at, span)?;
        let lookback = self.options.lookback.0.max(1);
        let at = extent.shifted(shift);
        let from = at.first.saturating_sub(lookback).saturating_add(1);
        let (kernel, from, to) = match selector.extended {
            Some(Extended::Smoothed) => (
                Kernel::Smoothed { lookback },
                from,
                at.last.saturating_add(lookback),
            ),
            Some(Extended::Anchored) | None => (Kernel::Newest { lookback, wanted }, from, at.last),
        };
        let read = self.read(&selector.matchers, from, to);
        let series = Series {
            span,
            read,
            shift,
            kernel,
        };
        Ok(Node::new(Kind::Series(series), span, shift.at.is_some()))
    }

    /// A range selector that also reads `before` and `after` its windows.
    fn range(
        &mut self,
        range: &RangeSelector,
        before: i64,
        after: i64,
        span: Span,
        extent: Extent,
    ) -> Result<(usize, WindowSpec, bool), QueryError> {
        let shift = self.shift(&range.selector.at, span)?;
        let length = self.positive_duration(&range.range, span)?;
        let at = extent.shifted(shift);
        let from = at
            .first
            .saturating_sub(length)
            .saturating_sub(before)
            .saturating_add(1);
        let to = at.last.saturating_add(after);
        let read = self.read(&range.selector.matchers, from, to);
        let window = WindowSpec {
            shift,
            range: length,
        };
        Ok((read, window, shift.at.is_some()))
    }

    fn subquery(
        &mut self,
        subquery: &Subquery,
        span: Span,
        extent: Extent,
    ) -> Result<(SubqueryInput, bool), QueryError> {
        let shift = self.shift(&subquery.at, span)?;
        let range = self.positive_duration(&subquery.range, span)?;
        let step = match &subquery.step {
            Some(step) => self.positive_duration(step, span)?,
            None => self.options.subquery_step.0.max(1),
        };
        let at = extent.shifted(shift);
        let steps = Grid::aligned(at.first.saturating_sub(range), at.last, step);
        let inner = self.node(
            &subquery.expr,
            Extent {
                first: steps.start,
                last: steps.last(),
            },
        )?;
        let input = SubqueryInput {
            span,
            inner: Box::new(inner),
            window: WindowSpec { shift, range },
            step,
        };
        Ok((input, shift.at.is_some()))
    }

    fn negated(&mut self, inner: &Expr, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let arg = self.node(inner, extent)?;
        let invariant = arg.invariant;
        let kind = match arg.kind {
            Kind::Number(v) => Kind::Number(-v),
            _ if inner.value_type() == ValueType::Scalar => Kind::ScalarOp {
                op: BinaryOp::Mul,
                lhs: Box::new(Node::new(Kind::Number(-1.0), span, true)),
                rhs: Box::new(arg),
            },
            _ => Kind::Map {
                map: MapKind::Math(|v| -v),
                arg: Box::new(arg),
                params: Vec::new(),
                drops_name: true,
            },
        };
        Ok(Node::new(kind, span, invariant))
    }

    fn binary(&mut self, b: &Binary, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let lhs = self.node(&b.lhs, extent)?;
        let rhs = self.node(&b.rhs, extent)?;
        let invariant = lhs.invariant && rhs.invariant;
        let is_scalar = |e: &Expr| e.value_type() == ValueType::Scalar;
        let kind = match (is_scalar(&b.lhs), is_scalar(&b.rhs)) {
            (true, true) => match (&lhs.kind, &rhs.kind) {
                (Kind::Number(l), Kind::Number(r)) => Kind::Number(arith::scalar(b.op, *l, *r)),
                _ => Kind::ScalarOp {
                    op: b.op,
                    lhs: Box::new(lhs),
                    rhs: Box::new(rhs),
                },
            },
            (false, false) => Kind::Binary {
                op: b.op,
                lhs: Box::new(lhs),
                rhs: Box::new(rhs),
                return_bool: b.return_bool,
                matching: b.matching.clone().unwrap_or_default(),
            },
            (scalar_left, _) => {
                let (scalar, vector) = if scalar_left { (lhs, rhs) } else { (rhs, lhs) };
                Kind::Map {
                    map: MapKind::Arith {
                        op: b.op,
                        scalar_left,
                        return_bool: b.return_bool,
                    },
                    arg: Box::new(vector),
                    params: vec![scalar],
                    drops_name: b.return_bool || !b.op.is_comparison(),
                }
            }
        };
        Ok(Node::new(kind, span, invariant))
    }

    fn aggregate(&mut self, a: &Aggregate, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let arg = self.node(&a.expr, extent)?;
        let param = match &a.param {
            Some(param) => Some(Box::new(self.node(param, extent)?)),
            None => None,
        };
        let invariant = arg.invariant && param.as_ref().is_none_or(|p| p.invariant);
        let kind = Kind::Aggregate {
            op: a.op,
            param,
            arg: Box::new(arg),
            grouping: a.grouping.clone(),
        };
        Ok(Node::new(kind, span, invariant))
    }
}
