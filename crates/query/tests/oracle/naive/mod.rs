//! PromQL evaluated from its definitions: one expression, one time, one value, and everything read again each time.
//!
//! Shares the parser and the tree with the evaluator it judges, and nothing else. Slow on purpose: no columns, no
//! cursors, no blocks, no cache, so that each definition stands here as the documentation and upstream's engine word it.
//!
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
mod windows;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{
    At, BinaryOp, DurationExpr, ExprKind, Extended, Modifiers, StepValue, Subquery, UnaryOp,
    VectorSelector,
};
use bellwether_model::{MatchOp, Matcher, is_stale};
use regex::Regex;

use crate::data::{Data, LabelMap, Series};
use numbers::Noise;

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

const LOOKBACK: i64 = 300_000;
const SUBQUERY_STEP: i64 = 60_000;

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

    /// The time a selector or subquery looks at when the step is at `t`.
    fn looks_at(&self, at: &Modifiers, t: i64) -> Outcome<i64> {
        let pinned = match at.at {
            None => t,
            Some(At::Time(time)) => time.0,
            Some(At::Start) => self.times.start,
            Some(At::End) => self.times.end,
        };
        let offset = at.offset.as_ref().map_or(Ok(0), constant)?;
        Ok(pinned - offset)
    }

    fn is_after(&self, t: i64, start: i64) -> bool {
        if self.rules.left_open {
            t > start
        } else {
            t >= start
        }
    }

    /// For each matching series its newest sample, unless it is stale or too old; with its time.
    fn newest(&self, selector: &VectorSelector, t: i64) -> Outcome<Vec<(&Series, i64, f64)>> {
        let now = self.looks_at(&selector.at, t)?;
        let mut out = Vec::new();
        for series in self.matching(&selector.matchers)? {
            let newest = series.points.iter().rev().find(|(at, _)| *at <= now);
            if let Some((at, v)) = newest
                && self.is_after(*at, now - LOOKBACK)
                && !is_stale(*v)
            {
                out.push((series, *at, *v));
            }
        }
        Ok(out)
    }

    fn select(&self, selector: &VectorSelector, t: i64) -> Outcome<Vec<Element>> {
        if selector.extended == Some(Extended::Smoothed) {
            return self.smoothed(selector, t);
        }
        let found = self.newest(selector, t)?.into_iter();
        let element = |(series, _, value): (&Series, i64, f64)| Element {
            labels: series.labels.clone(),
            drop_name: false,
            value,
        };
        Ok(found.map(element).collect())
    }

    /// `x smoothed`: the value between the samples on both sides; after the last one, that one.
    fn smoothed(&self, selector: &VectorSelector, t: i64) -> Outcome<Vec<Element>> {
        let now = self.looks_at(&selector.at, t)?;
        let mut out = Vec::new();
        for series in self.matching(&selector.matchers)? {
            let near = inside(series, now - LOOKBACK, now + LOOKBACK, true);
            let before = near.iter().rev().find(|(at, _)| *at <= now);
            let after = near.iter().find(|(at, _)| *at >= now);
            let value = match (before, after) {
                (Some(a), Some(b)) if a.0 < b.0 => {
                    self.noise
                        .rough(windows::on_line(*a, *b, now, windows::Drop::Falls))
                }
                (Some(a), _) => a.1,
                (None, _) => continue,
            };
            out.push(Element {
                labels: series.labels.clone(),
                drop_name: false,
                value,
            });
        }
        Ok(out)
    }

    fn select_range(&self, selector: &VectorSelector, length: i64, t: i64) -> Outcome<Vec<Window>> {
        let end = self.looks_at(&selector.at, t)?;
        let start = end - length;
        let (before, after) = match selector.extended {
            None => (0, 0),
            Some(Extended::Anchored) => (LOOKBACK, 0),
            Some(Extended::Smoothed) => (LOOKBACK, LOOKBACK),
        };
        let mut out = Vec::new();
        for series in self.matching(&selector.matchers)? {
            let window = Window {
                labels: series.labels.clone(),
                drop_name: false,
                points: inside(series, start, end, self.rules.left_open),
                around: inside(series, start - before, end + after, true),
                extended: selector.extended,
                start,
                end,
            };
            let is_empty = match selector.extended {
                None => window.points.is_empty(),
                Some(_) => window.around.is_empty(),
            };
            if !is_empty {
                out.push(window);
            }
        }
        Ok(out)
    }

    fn subquery(&self, subquery: &Subquery, t: i64) -> Outcome<Vec<Window>> {
        let end = self.looks_at(&subquery.at, t)?;
        let start = end - constant(&subquery.range)?;
        let step = subquery.step.as_ref().map_or(Ok(SUBQUERY_STEP), constant)?;
        let mut at = start.div_euclid(step) * step;
        if !(self.rules.left_open && at > start || !self.rules.left_open && at >= start) {
            at += step;
        }
        let mut rows: BTreeMap<(LabelMap, bool), Vec<(i64, f64)>> = BTreeMap::new();
        while at <= end {
            match self.eval(&subquery.expr, at)? {
                Value::Scalar(v) => rows.entry(Default::default()).or_default().push((at, v)),
                Value::Vector(elements) => {
                    for e in elements {
                        let row = rows.entry((e.labels, e.drop_name)).or_default();
                        row.push((at, e.value));
                    }
                }
                _ => return error("subquery is only allowed on an instant vector"),
            }
            at += step;
        }
        let window = |((labels, drop_name), points): (_, Vec<(i64, f64)>)| Window {
            labels,
            drop_name,
            // A staleness marker cannot come out of an expression, but a NaN with its bits is one all the same.
            points: points.into_iter().filter(|p| !is_stale(p.1)).collect(),
            around: Vec::new(),
            extended: None,
            start,
            end,
        };
        Ok(rows.into_iter().map(window).collect())
    }

    fn matching(&self, matchers: &[Matcher]) -> Outcome<Vec<&'a Series>> {
        let mut out: Vec<&Series> = self.data.series.iter().collect();
        for matcher in matchers {
            let pattern = match matcher.op() {
                MatchOp::Regex | MatchOp::NotRegex => Some(whole(matcher.value())?),
                MatchOp::Equal | MatchOp::NotEqual => None,
            };
            let wanted = matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex);
            out.retain(|series| {
                let value = series.labels.get(matcher.name()).map_or("", String::as_str);
                let holds = match &pattern {
                    Some(pattern) => pattern.is_match(value),
                    None => value == matcher.value(),
                };
                holds == wanted
            });
        }
        Ok(out)
    }
}

/// A pattern that has to match all of a text.
pub(crate) fn whole(pattern: &str) -> Outcome<Regex> {
    Regex::new(&format!("^(?s:{pattern})$")).map_err(|e| Fail::Error(e.to_string()))
}

/// The samples inside `(start, end]`, or `[start, end]`, without staleness markers.
fn inside(series: &Series, start: i64, end: i64, left_open: bool) -> Vec<(i64, f64)> {
    let is_inside = |t: i64| t <= end && (t > start || !left_open && t == start);
    let points = series.points.iter().copied();
    points
        .filter(|(t, v)| is_inside(*t) && !is_stale(*v))
        .collect()
}

fn constant(duration: &DurationExpr) -> Outcome<i64> {
    match duration {
        DurationExpr::Const(duration) => Ok(duration.0),
        DurationExpr::Dynamic(_) => Err(Fail::Open("durations with arithmetic")),
    }
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
