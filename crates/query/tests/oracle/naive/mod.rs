//! PromQL evaluated from its definitions: one expression, one time, one value, and everything read again each time.
//!
//! Shares the parser and the tree with the evaluator it judges, and nothing else. Slow on purpose: no columns, no
//! cursors, no blocks, no cache, so that each definition stands here as the documentation and upstream's engine word it.
//!
//! - `selecting`: which samples are looked at.
//! - `windows`: functions over the samples of a window; `calls`: functions of vectors; `buckets`: histograms; `dates`.
//! - `matching`: operators between vectors; `groups`: aggregations; `numbers`: sums and quantiles.
//!
//! Where a definition leaves the answer open (which of two equal series `topk` takes), or upstream's depends on the kind of query,
//! the answer is [`Fail::Open`].

mod buckets;
mod calls;
mod dates;
mod groups;
mod matching;
mod numbers;
mod selecting;
mod windows;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{BinaryOp, ExprKind, Extended, StepValue, UnaryOp};
use regex::Regex;

use crate::data::{Data, LabelMap};
use numbers::Noise;
use selecting::constant;

/// The metric's name, as a label.
pub(crate) const NAME: &str = "__name__";

/// Why there is no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fail {
    /// The expression has no value over these samples.
    Error(String),
    /// The definition leaves it open.
    Open(&'static str),
}

pub(crate) type Outcome<T> = Result<T, Fail>;

pub(crate) fn error<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Fail::Error(message.into()))
}

/// One series of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Element {
    pub(crate) labels: LabelMap,
    /// The name is still there for `by (__name__)` and `label_replace`, and goes at the end of the query.
    pub(crate) drop_name: bool,
    pub(crate) value: f64,
}

/// One series of a range vector.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) labels: LabelMap,
    pub(crate) drop_name: bool,
    /// Inside `(start, end]`, without staleness markers; never empty.
    pub(crate) points: Vec<(i64, f64)>,
    /// For `anchored` and `smoothed`: what lies around the window within the lookback.
    pub(crate) around: Vec<(i64, f64)>,
    pub(crate) extended: Option<Extended>,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The value of an expression at one time.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(f64),
    String(String),
    Vector(Vec<Element>),
    Matrix(Vec<Window>),
}

/// What a query asks of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// 0 at an instant.
    pub(crate) step: i64,
}

/// Where versions of Prometheus differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    /// Windows and the lookback leave out a sample exactly on their start.
    pub(crate) left_open: bool,
    /// Names are dropped at the end of the query, not by each function.
    pub(crate) late_names: bool,
    /// How far `rate` extends to the start is decided before a counter's zero is looked at.
    pub(crate) zero_last: bool,
}

impl Rules {
    pub(crate) const PROMETHEUS_3: Rules = Rules {
        left_open: true,
        late_names: true,
        zero_last: true,
    };
}

/// One query.
pub(crate) struct Naive<'a> {
    data: &'a Data,
    times: Times,
    rules: Rules,
    noise: Noise,
    /// Whether a series of a node drops its name; upstream keeps that once a series, not once a step.
    dropped: RefCell<BTreeMap<(usize, LabelMap), bool>>,
}

impl<'a> Naive<'a> {
    pub(crate) fn new(data: &'a Data, times: Times, rules: Rules) -> Naive<'a> {
        Naive {
            data,
            times,
            rules,
            noise: Noise::none(),
            dropped: RefCell::default(),
        }
    }

    /// The same, with a small error in every operation that rounds.
    pub(crate) fn noisy(self, seed: u64) -> Naive<'a> {
        Naive {
            noise: Noise::new(seed),
            ..self
        }
    }

    /// The value at `t`, names dropped.
    pub(crate) fn at(&self, expr: &Expr, t: i64) -> Outcome<Value> {
        Ok(match self.eval(expr, t)? {
            Value::Vector(elements) => {
                self.flag(0, &elements)?;
                Value::Vector(finish(elements)?)
            }
            Value::Matrix(mut windows) => {
                let mut seen = BTreeSet::new();
                for window in &mut windows {
                    if window.drop_name {
                        window.labels.remove(NAME);
                    }
                    if !seen.insert(window.labels.clone()) {
                        return Err(Fail::Open("two windows of one series"));
                    }
                }
                Value::Matrix(windows)
            }
            other => other,
        })
    }

    /// The value at every step, as series of points.
    pub(crate) fn over(&self, expr: &Expr) -> Outcome<BTreeMap<LabelMap, Vec<(i64, f64)>>> {
        let mut rows: BTreeMap<LabelMap, Vec<(i64, f64)>> = BTreeMap::new();
        let mut t = self.times.start;
        while t <= self.times.end {
            match self.at(expr, t)? {
                Value::Scalar(v) => rows.entry(LabelMap::new()).or_default().push((t, v)),
                Value::Vector(elements) => {
                    for e in elements {
                        rows.entry(e.labels).or_default().push((t, e.value));
                    }
                }
                _ => return error("invalid expression type for range query"),
            }
            t += self.times.step;
        }
        Ok(rows)
    }

    fn eval(&self, expr: &Expr, t: i64) -> Outcome<Value> {
        let value = match &expr.kind {
            ExprKind::Number(n) => Value::Scalar(n.value),
            ExprKind::String(text) => Value::String(text.clone()),
            ExprKind::StepValue(value) => Value::Scalar(self.step_value(*value)),
            ExprKind::Selector(selector) => Value::Vector(self.select(selector, t)?),
            ExprKind::Range(range) => {
                let length = constant(&range.range)?;
                Value::Matrix(self.select_range(&range.selector, length, t)?)
            }
            ExprKind::Subquery(subquery) => Value::Matrix(self.subquery(subquery, t)?),
            ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Pos, inner) => self.eval(inner, t)?,
            ExprKind::Unary(UnaryOp::Neg, inner) => match self.eval(inner, t)? {
                Value::Scalar(v) => Value::Scalar(-v),
                Value::Vector(elements) => Value::Vector(map(elements, |v| -v)),
                _ => return error("a sign needs a number or a vector"),
            },
            ExprKind::Binary(binary) => self.binary(binary, t)?,
            ExprKind::Aggregate(aggregate) => Value::Vector(self.aggregate(aggregate, t)?),
            ExprKind::Call(call) => self.call(call, t)?,
        };
        match value {
            Value::Vector(elements) => Ok(Value::Vector(self.settle(expr, elements)?)),
            other => Ok(other),
        }
    }

    /// What every node does with its vector: names dropped early, if that is the rule, and no series twice.
    fn settle(&self, expr: &Expr, elements: Vec<Element>) -> Outcome<Vec<Element>> {
        if !self.rules.late_names {
            return finish(elements);
        }
        let mut seen = BTreeSet::new();
        if !elements.iter().all(|e| seen.insert(&e.labels)) {
            return Err(Fail::Open("a series twice inside the query"));
        }
        self.flag(std::ptr::from_ref(expr) as usize, &elements)?;
        Ok(elements)
    }

    /// Notes which series of `node` drop their names.
    fn flag(&self, node: usize, elements: &[Element]) -> Outcome<()> {
        let mut dropped = self.dropped.borrow_mut();
        for e in elements.iter().filter(|e| e.labels.contains_key(NAME)) {
            let was = *dropped
                .entry((node, e.labels.clone()))
                .or_insert(e.drop_name);
            if was != e.drop_name {
                return Err(Fail::Open(
                    "a series that drops its name at some steps only",
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn scalar(&self, expr: &Expr, t: i64) -> Outcome<f64> {
        match self.eval(expr, t)? {
            Value::Scalar(v) => Ok(v),
            _ => error("expected a scalar"),
        }
    }

    pub(crate) fn vector(&self, expr: &Expr, t: i64) -> Outcome<Vec<Element>> {
        match self.eval(expr, t)? {
            Value::Vector(elements) => Ok(elements),
            _ => error("expected an instant vector"),
        }
    }

    fn binary(&self, b: &bellwether_lang::promql::ast::Binary, t: i64) -> Outcome<Value> {
        let (lhs, rhs) = (self.eval(&b.lhs, t)?, self.eval(&b.rhs, t)?);
        Ok(match (lhs, rhs) {
            (Value::Scalar(l), Value::Scalar(r)) => Value::Scalar(self.number(b.op, l, r)),
            (Value::Vector(v), Value::Scalar(s)) => {
                Value::Vector(self.with_scalar(b, v, |v| (v, s)))
            }
            (Value::Scalar(s), Value::Vector(v)) => {
                Value::Vector(self.with_scalar(b, v, |v| (s, v)))
            }
            (Value::Vector(l), Value::Vector(r)) => Value::Vector(self.vectors(b, l, r)?),
            _ => return error("an operator needs numbers or vectors"),
        })
    }

    fn step_value(&self, value: StepValue) -> f64 {
        let ms = match value {
            StepValue::Step => self.times.step,
            StepValue::Range => self.times.end - self.times.start,
            StepValue::Start => self.times.start,
            StepValue::End => self.times.end,
        };
        ms as f64 / 1000.0
    }
}

/// A pattern that has to match all of a text.
pub(crate) fn whole(pattern: &str) -> Outcome<Regex> {
    Regex::new(&format!("^(?s:{pattern})$")).map_err(|e| Fail::Error(e.to_string()))
}

/// Each value by itself; what comes out is no longer that metric.
pub(crate) fn map(mut elements: Vec<Element>, f: impl Fn(f64) -> f64) -> Vec<Element> {
    for e in &mut elements {
        e.value = f(e.value);
        e.drop_name = true;
    }
    elements
}

/// Drops the names that are flagged. Two series that become the same are an error.
fn finish(mut elements: Vec<Element>) -> Outcome<Vec<Element>> {
    let mut seen = BTreeSet::new();
    for e in &mut elements {
        if e.drop_name {
            e.labels.remove(NAME);
        }
        e.labels.retain(|_, value| !value.is_empty());
        e.drop_name = false;
        if !seen.insert(e.labels.clone()) {
            return error("vector cannot contain metrics with the same labelset");
        }
    }
    Ok(elements)
}

/// The value of a label; a missing one is empty.
pub(crate) fn label<'l>(labels: &'l LabelMap, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}

/// `and`, `or`, `unless`.
pub(crate) fn is_set(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
}
