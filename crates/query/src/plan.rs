//! From a parsed tree to a plan: which samples each selector needs, what is constant, what is read once.
//!
//! Planning knows the steps of the query, so `@ start()`, `step()` and durations with arithmetic are numbers from here on.
//! Every selector points to a [`Read`]; selectors with the same matchers over touching times share one.
//! A node is *invariant* when its value does not depend on the step: it is evaluated once.

use bellwether_lang::promql::ast::{Aggregate, AggregateOp, Grouping, VectorMatching};
use bellwether_lang::promql::ast::{
    At, Binary, BinaryOp, Call, DurationExpr, Expr, ExprKind, Extended, Modifiers, RangeSelector,
    Span, StepValue, Subquery, UnaryOp, ValueType, VectorSelector,
};
use bellwether_model::{Labels, METRIC_NAME, MatchOp, Matcher};

use crate::answer::Options;
use crate::binary::arith;
use crate::error::QueryError;
use crate::functions::{self, Entry, Func, MapKind};
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
    pub(crate) inner: Box<Node>,
    pub(crate) window: WindowSpec,
    /// Milliseconds, positive.
    pub(crate) step: i64,
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
pub(crate) fn plan(expr: &Expr, grid: Grid, options: &Options) -> Result<Plan, QueryError> {
    let mut planner = Planner {
        grid,
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
    options: &'a Options,
    reads: Vec<Read>,
}

impl Planner<'_> {
    fn node(&mut self, expr: &Expr, extent: Extent) -> Result<Node, QueryError> {
        let span = expr.span;
        let node = |kind, invariant| Node {
            kind,
            span,
            invariant,
        };
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

    fn step_value(&self, value: StepValue) -> f64 {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        match value {
            StepValue::Step if self.grid.count == 1 && self.grid.step == 1 => 0.0,
            StepValue::Step => seconds(self.grid.step),
            StepValue::Range => seconds(self.grid.last().saturating_sub(self.grid.start)),
            StepValue::Start => seconds(self.grid.start),
            StepValue::End => seconds(self.grid.last()),
        }
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

    fn shift(&self, modifiers: &Modifiers, span: Span) -> Result<Shift, QueryError> {
        let offset = match &modifiers.offset {
            Some(offset) => self.duration(offset, span)?,
            None => 0,
        };
        let at = modifiers.at.map(|at| match at {
            At::Time(t) => t.0,
            At::Start => self.grid.start,
            At::End => self.grid.last(),
        });
        Ok(Shift { offset, at })
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
        Ok(Node {
            kind: Kind::Series(Series {
                span,
                read,
                shift,
                kernel,
            }),
            span,
            invariant: shift.at.is_some(),
        })
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
                lhs: Box::new(Node {
                    kind: Kind::Number(-1.0),
                    span,
                    invariant: true,
                }),
                rhs: Box::new(arg),
            },
            _ => Kind::Map {
                map: MapKind::Math(|v| -v),
                arg: Box::new(arg),
                params: Vec::new(),
                drops_name: true,
            },
        };
        Ok(Node {
            kind,
            span,
            invariant,
        })
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
        Ok(Node {
            kind,
            span,
            invariant,
        })
    }

    fn aggregate(&mut self, a: &Aggregate, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let arg = self.node(&a.expr, extent)?;
        let param = match &a.param {
            Some(param) => Some(Box::new(self.node(param, extent)?)),
            None => None,
        };
        let invariant = arg.invariant && param.as_ref().is_none_or(|p| p.invariant);
        Ok(Node {
            kind: Kind::Aggregate {
                op: a.op,
                param,
                arg: Box::new(arg),
                grouping: a.grouping.clone(),
            },
            span,
            invariant,
        })
    }

    fn call(&mut self, call: &Call, span: Span, extent: Extent) -> Result<Node, QueryError> {
        let name = call.function.name;
        let Some(entry) = functions::entry(name) else {
            return Err(QueryError::eval(
                span,
                format!("function {name} is not supported"),
            ));
        };
        let (kind, invariant) = match entry {
            Entry::Window(func) => return self.window_call(func, call, span, extent),
            Entry::Time => (Kind::Time, false),
            Entry::Pi => (Kind::Number(std::f64::consts::PI), true),
            Entry::Pick(pick) => {
                let (args, invariant) = self.args(&call.args, extent)?;
                let [lhs, rhs] = fixed(args, span)?;
                if let (Kind::Number(l), Kind::Number(r)) = (&lhs.kind, &rhs.kind) {
                    (Kind::Number(pick(*l, *r)), true)
                } else {
                    let (lhs, rhs) = (Box::new(lhs), Box::new(rhs));
                    (Kind::ScalarPick { pick, lhs, rhs }, invariant)
                }
            }
            Entry::ToScalar => {
                let (args, invariant) = self.args(&call.args, extent)?;
                let [arg] = fixed(args, span)?;
                (Kind::ToScalar(Box::new(arg)), invariant)
            }
            Entry::Timestamp => return self.timestamp(call, span, extent),
            Entry::Absent => {
                let labels = call.args.first().map(absent_labels).unwrap_or_default();
                let (args, invariant) = self.args(&call.args, extent)?;
                let [arg] = fixed(args, span)?;
                let arg = Box::new(arg);
                (Kind::Absent { arg, labels }, invariant)
            }
            Entry::AbsentOverTime => {
                let labels = call.args.first().map(absent_labels).unwrap_or_default();
                let arg = self.window_call(WindowFn::PresentOverTime, call, span, extent)?;
                let invariant = arg.invariant;
                let arg = Box::new(arg);
                (Kind::Absent { arg, labels }, invariant)
            }
            Entry::Map(map) => {
                let (mut args, invariant) = self.args(&call.args, extent)?;
                if args.is_empty() {
                    return Err(QueryError::eval(span, "missing argument"));
                }
                let arg = Box::new(args.remove(0));
                let kind = Kind::Map {
                    map,
                    arg,
                    params: args,
                    drops_name: true,
                };
                (kind, invariant)
            }
            Entry::Date(part) => {
                let (mut args, invariant) = self.args(&call.args, extent)?;
                let arg = args.pop().unwrap_or_else(|| now_vector(span));
                let invariant = invariant && !call.args.is_empty();
                let kind = Kind::Map {
                    map: MapKind::Math(part),
                    arg: Box::new(arg),
                    params: Vec::new(),
                    drops_name: true,
                };
                (kind, invariant)
            }
            Entry::Info => return self.info(call, span, extent),
            Entry::Call(func) => {
                let (args, invariant) = self.args(&call.args, extent)?;
                (Kind::Call { func, args }, invariant)
            }
        };
        Ok(Node {
            kind,
            span,
            invariant,
        })
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
                let extended = range.selector.extended;
                check_extended(extended, call.function.name, span)?;
                let lookback = self.options.lookback.0.max(1);
                let (before, after) = match extended {
                    None => (0, 0),
                    Some(Extended::Anchored) => (lookback, 0),
                    Some(Extended::Smoothed) => (lookback, lookback),
                };
                let (read, window, invariant) =
                    self.range(range, before, after, matrix.span, extent)?;
                let kernel = Kernel::Window {
                    func,
                    extended,
                    lookback,
                    range: window.range,
                    params,
                };
                let shift = window.shift;
                let series = Series {
                    span: matrix.span,
                    read,
                    shift,
                    kernel,
                };
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
        // These two look at the step's own time, whatever their window is pinned to.
        let looks_at_now = matches!(func, WindowFn::PredictLinear | WindowFn::TimeTo);
        Ok(Node {
            kind,
            span,
            invariant: invariant && params_invariant && !looks_at_now,
        })
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
            let kind = Kind::Map {
                map: MapKind::Math(|v| v),
                arg: Box::new(arg),
                params: Vec::new(),
                drops_name: true,
            };
            return Ok(Node {
                kind,
                span,
                invariant,
            });
        }
        let (mut args, _) = self.args(&call.args, extent)?;
        args.push(Node {
            kind: Kind::Time,
            span,
            invariant: false,
        });
        let [arg, time] = fixed(args, span)?;
        let kind = Kind::Map {
            map: MapKind::Replace,
            arg: Box::new(arg),
            params: vec![time],
            drops_name: true,
        };
        Ok(Node {
            kind,
            span,
            invariant: false,
        })
    }

    /// Joins the base with info series looked up where the base's first selector looks.
    fn info(&mut self, call: &Call, span: Span, extent: Extent) -> Result<Node, QueryError> {
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
        let info = Node {
            kind: Kind::Series(Series {
                span,
                read,
                shift,
                kernel,
            }),
            span,
            invariant: shift.at.is_some(),
        };
        let invariant = base.invariant && info.invariant;
        let kind = Kind::Info(Info {
            base: Box::new(base),
            joined: Box::new(info),
            names,
            data,
        });
        Ok(Node {
            kind,
            span,
            invariant,
        })
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

    fn positive_duration(&self, duration: &DurationExpr, span: Span) -> Result<i64, QueryError> {
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

/// Exactly `N` arguments; the parser has checked their number.
fn fixed<const N: usize>(args: Vec<Node>, span: Span) -> Result<[Node; N], QueryError> {
    args.try_into()
        .map_err(|_| QueryError::eval(span, "wrong number of arguments"))
}

/// `vector(time())`
fn now_vector(span: Span) -> Node {
    let time = Node {
        kind: Kind::Time,
        span,
        invariant: false,
    };
    Node {
        kind: Kind::Call {
            func: Func::Vector,
            args: vec![time],
        },
        span,
        invariant: false,
    }
}

fn has_selector(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Selector(_) | ExprKind::Range(_))
        || expr.children().into_iter().any(has_selector)
}

/// The labels of `absent(selector)`: those that the selector fixes to one value.
fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match &expr.unparenthesized().kind {
        ExprKind::Selector(selector) => &selector.matchers,
        ExprKind::Range(range) => &range.selector.matchers,
        _ => return Labels::empty(),
    };
    let fixed = matchers.iter().filter(|m| {
        let alone = matchers
            .iter()
            .filter(|other| other.name() == m.name())
            .count()
            == 1;
        m.op() == MatchOp::Equal && m.name() != METRIC_NAME && alone
    });
    Labels::from_pairs(fixed.map(|m| (m.name(), m.value())))
}

/// `anchored` and `smoothed` change only functions that look at the edges of their window.
fn check_extended(
    extended: Option<Extended>,
    function: &str,
    span: Span,
) -> Result<(), QueryError> {
    let (modifier, allowed): (_, &[&str]) = match extended {
        None => return Ok(()),
        Some(Extended::Anchored) => (
            "anchored",
            &["changes", "delta", "increase", "rate", "resets"],
        ),
        Some(Extended::Smoothed) => ("smoothed", &["delta", "increase", "rate"]),
    };
    if allowed.contains(&function) {
        return Ok(());
    }
    let allowed = allowed.join(", ");
    Err(QueryError::eval(
        span,
        format!("{modifier} modifier can only be used with: {allowed} - not with {function}"),
    ))
}
