//! Conditions that no value of their expression can meet.
//!
//! An expression's values are followed as an interval: functions that bound what they yield (`count` is at least 1, `bool`
//! is 0 or 1), arithmetic, and metrics, of which the interval is what a store has seen of them widened to what such a
//! metric can be. A healthy system never reaches its thresholds, so that alone says nothing: a metric seen between 0.2 and
//! 0.7 is taken for a share of one, whose values lie in 0..=1; one that was never negative, for one that never is. Nothing is
//! bounded by 1 whose name has a unit, or that has never moved.
//!
//! Not here: how the facts are gathered (the command line), what a level hides of another (`levels.rs`).

use super::Lint;
use super::store::StoreFacts;
use crate::promql::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, ExprKind, Fill, Span, UnaryOp, ValueType,
    VectorSelector,
};
use crate::rules::clause::LevelClause;
use crate::rules::diagnostic::Mistake;
use crate::rules::reads;
use crate::rules::types::{Condition, LevelRule};
use bellwether_model::value::format_value;

/// Metrics that are 0 or 1 wherever they come from.
const FLAGS: [&str; 2] = ["up", "probe_success"];

/// Parts of the names of metrics whose values have a unit, and so no bound at 1.
const UNITS: [&str; 19] = [
    "seconds",
    "milliseconds",
    "ms",
    "bytes",
    "celsius",
    "volts",
    "amperes",
    "watts",
    "joules",
    "meters",
    "hertz",
    "total",
    "count",
    "sum",
    "depth",
    "length",
    "size",
    "load1",
    "load5",
];

/// The values something can have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::rules) struct Interval {
    low: f64,
    high: f64,
}

impl Interval {
    const ANY: Interval = Interval::new(f64::NEG_INFINITY, f64::INFINITY);
    const NOT_NEGATIVE: Interval = Interval::new(0.0, f64::INFINITY);
    const SHARE: Interval = Interval::new(0.0, 1.0);

    const fn new(low: f64, high: f64) -> Interval {
        Interval { low, high }
    }

    /// Of two ends in any order; what arithmetic could not tell (`inf - inf`) is everything.
    fn spanning(ends: &[f64]) -> Interval {
        if ends.iter().any(|end| end.is_nan()) {
            return Interval::ANY;
        }
        Interval {
            low: ends.iter().copied().fold(f64::INFINITY, f64::min),
            high: ends.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// Through a function that never falls.
    fn rising(self, f: impl Fn(f64) -> f64) -> Interval {
        Interval::spanning(&[f(self.low), f(self.high)])
    }

    /// Of one or more such values.
    fn summed(self) -> Interval {
        let low = if self.low >= 0.0 {
            self.low
        } else {
            f64::NEG_INFINITY
        };
        let high = if self.high <= 0.0 {
            self.high
        } else {
            f64::INFINITY
        };
        Interval::new(low, high)
    }

    fn hull(self, other: Interval) -> Interval {
        Interval::new(self.low.min(other.low), self.high.max(other.high))
    }

    fn holds(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether some value in it satisfies the condition.
    fn meets(self, condition: Condition) -> bool {
        let number = condition.number;
        match condition.op {
            BinaryOp::Eq => self.holds(number),
            BinaryOp::Ne => self.low != number || self.high != number,
            _ => condition.holds(self.low) || condition.holds(self.high),
        }
    }

    /// What is left of it after a filter; `None` when nothing is.
    fn filtered(self, condition: Condition) -> Option<Interval> {
        if !self.meets(condition) {
            return None;
        }
        let number = condition.number;
        Some(match condition.op {
            BinaryOp::Eq => Interval::new(number, number),
            BinaryOp::Gt | BinaryOp::Ge => Interval::new(self.low.max(number), self.high),
            BinaryOp::Lt | BinaryOp::Le => Interval::new(self.low, self.high.min(number)),
            _ => self,
        })
    }

    fn text(self) -> String {
        let (low, high) = (format_value(self.low), format_value(self.high));
        match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) if self.low == self.high => format!("are always {low}"),
            (true, true) => format!("lie between {low} and {high}"),
            (true, false) => format!("are never below {low}"),
            (false, true) => format!("are never above {high}"),
            (false, false) => "can be anything".to_owned(),
        }
    }
}

/// Says of every level line whether the expression can reach it, and of its `clear`, whether it can end, by what the
/// expression itself bounds.
pub(in crate::rules) fn judge(
    expr: &Expr,
    lines: &[&LevelClause],
    expr_word: Span,
) -> Vec<Mistake> {
    judge_by(expr, lines, expr_word, None)
}

/// What only a store's facts tell beyond that.
pub(in crate::rules) fn judge_against(
    expr: &Expr,
    lines: &[&LevelClause],
    expr_word: Span,
    facts: &StoreFacts,
) -> Vec<Mistake> {
    let known = judge(expr, lines, expr_word);
    let mut found = judge_by(expr, lines, expr_word, Some(facts));
    found.retain(|mistake| !known.iter().any(|known| known.span == mistake.span));
    found
}

fn judge_by(
    expr: &Expr,
    lines: &[&LevelClause],
    expr_word: Span,
    facts: Option<&StoreFacts>,
) -> Vec<Mistake> {
    let mut reader = Reader {
        facts,
        seen: Vec::new(),
        closed: None,
    };
    let Some(interval) = reader.interval(expr) else {
        let Some((condition, values)) = reader.closed else {
            return Vec::new();
        };
        let message = format!("`{}` in the expression is out of reach", text(condition));
        let found = out_of_reach(expr_word, message, reader.basis(values), condition, values);
        return vec![found.help("the result is always empty")];
    };
    let basis = reader.basis(interval);
    // A state that has a number of its own may be one that has not happened yet.
    let reaches = |condition: Condition| {
        condition.op == BinaryOp::Eq && !reader.seen.is_empty() || interval.meets(condition)
    };
    let judge = |line: &&LevelClause| {
        let LevelRule::When {
            condition: Some(condition),
            clear,
            ..
        } = line.line.rule
        else {
            return None;
        };
        let (message, span, condition) = if reaches(condition) {
            let clear = clear.filter(|clear| !reaches(*clear))?;
            let message = format!(
                "`clear {}` is out of reach: what fires never ends",
                text(clear)
            );
            (message, line.clear, clear)
        } else {
            let message = format!("`{} {}` is out of reach", line.line.level, text(condition));
            (message, line.condition, condition)
        };
        let span = span.unwrap_or(line.word);
        Some(out_of_reach(
            span,
            message,
            basis.clone(),
            condition,
            interval,
        ))
    };
    lines.iter().filter_map(judge).collect()
}

fn text(condition: Condition) -> String {
    format!("{} {}", condition.op.text(), format_value(condition.number))
}

fn out_of_reach(
    span: Span,
    message: String,
    basis: String,
    condition: Condition,
    values: Interval,
) -> Mistake {
    let mistake = Mistake::warning(Lint::UnreachableLevel, span, message).label(basis);
    let number = condition.number;
    if values.low == 1.0 && number < 1.0 {
        return mistake
            .help("nothing is counted as nothing, not as 0: `... or vector(0)`, or `absent(...)`");
    }
    if values.high == 1.0 && number > 1.0 && number <= 100.0 {
        let number = format_value(number);
        return mistake.help(format!(
            "in a share of one, {number} of a hundred is `{number}%`"
        ));
    }
    mistake
}

/// Follows values through an expression.
struct Reader<'a> {
    facts: Option<&'a StoreFacts>,
    /// The metrics whose values the store bounds, with the values it has seen.
    seen: Vec<(String, Interval)>,
    /// The first filter that lets nothing through, and what it is asked of.
    closed: Option<(Condition, Interval)>,
}

impl Reader<'_> {
    /// What the bounds come from, for people.
    fn basis(&self, values: Interval) -> String {
        let number = format_value;
        match self.seen.as_slice() {
            [] => format!("the values of this expression {}", values.text()),
            [(metric, seen)] => format!(
                "all values of `{metric}` in the store lie between {} and {}",
                number(seen.low),
                number(seen.high)
            ),
            _ => format!(
                "by what the store has seen, the values of this expression {}",
                values.text()
            ),
        }
    }

    /// The values that can come out; `None` when nothing can. The parser bounds the depth.
    fn interval(&mut self, expr: &Expr) -> Option<Interval> {
        Some(match &expr.kind {
            ExprKind::Number(number) => Interval::spanning(&[number.value]),
            ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Pos, inner) => {
                return self.interval(inner);
            }
            ExprKind::Unary(UnaryOp::Neg, inner) => {
                let of = self.interval(inner)?;
                Interval::new(-of.high, -of.low)
            }
            ExprKind::Selector(selector) => self.metric(selector),
            ExprKind::Range(range) => self.metric(&range.selector),
            ExprKind::Subquery(subquery) => return self.interval(&subquery.expr),
            ExprKind::Binary(binary) => return self.binary(binary),
            ExprKind::Aggregate(aggregate) => {
                let seen = self.seen.len();
                let of = self.interval(&aggregate.expr)?;
                if matches!(aggregate.op, AggregateOp::Count | AggregateOp::Group) {
                    self.seen.truncate(seen); // It counts series, whatever their values.
                }
                aggregated(aggregate, of)
            }
            ExprKind::Call(call) => return self.call(call),
            ExprKind::String(_) | ExprKind::StepValue(_) => Interval::ANY,
        })
    }

    /// What a metric can be: what was seen of it, widened.
    fn metric(&mut self, selector: &VectorSelector) -> Interval {
        let Some(name) = reads::metric(selector) else {
            return Interval::ANY;
        };
        if FLAGS.contains(&name) {
            return Interval::SHARE;
        }
        let known = self.facts.and_then(|facts| facts.metrics.get(name));
        let Some((low, high)) = known.and_then(|known| known.values) else {
            return Interval::ANY;
        };
        let bounds = bounds(name, Interval::new(low, high));
        if bounds != Interval::ANY && !self.seen.iter().any(|(seen, _)| seen == name) {
            self.seen.push((name.to_owned(), Interval::new(low, high)));
        }
        bounds
    }

    fn binary(&mut self, binary: &Binary) -> Option<Interval> {
        let (left, right) = (self.interval(&binary.lhs), self.interval(&binary.rhs));
        let Binary { op, .. } = binary;
        match op {
            BinaryOp::Or => {
                return match (left, right) {
                    (Some(left), Some(right)) => Some(left.hull(right)),
                    (left, right) => left.or(right),
                };
            }
            // Of an empty right side nothing is taken away.
            BinaryOp::Unless => return left,
            BinaryOp::And => return right.and(left),
            _ => {}
        }
        if binary
            .matching
            .as_ref()
            .is_some_and(|m| m.fill != Fill::default())
        {
            return Some(Interval::ANY);
        }
        let (left, right) = (left?, right?);
        if op.is_comparison() {
            if binary.return_bool {
                return Some(Interval::SHARE);
            }
            return self.filter(binary, left, right);
        }
        Some(arithmetic(*op, left, right))
    }

    /// Of a comparison without `bool` the vector's values come out, those that are in it.
    fn filter(&mut self, binary: &Binary, left: Interval, right: Interval) -> Option<Interval> {
        let is_scalar = |side: &Expr| side.value_type() == ValueType::Scalar;
        let (values, number, op) = match (is_scalar(&binary.lhs), is_scalar(&binary.rhs)) {
            (false, true) => (left, right, binary.op),
            (true, false) => (right, left, turned(binary.op)),
            _ => return Some(left),
        };
        if number.low != number.high {
            return Some(values);
        }
        let condition = Condition {
            op,
            number: number.low,
        };
        let left = values.filtered(condition);
        if op == BinaryOp::Eq && !self.seen.is_empty() {
            return Some(left.unwrap_or(Interval::new(number.low, number.low)));
        }
        if left.is_none() {
            self.closed.get_or_insert((condition, values));
        }
        left
    }

    fn call(&mut self, call: &Call) -> Option<Interval> {
        let Call { function, args } = call;
        let number = |at: usize| match args.get(at).map(|arg| &arg.unparenthesized().kind) {
            Some(ExprKind::Number(number)) => Some(number.value),
            _ => None,
        };
        Some(match function.name {
            "absent" | "absent_over_time" | "present_over_time" => Interval::spanning(&[1.0]),
            "avg_over_time" | "min_over_time" | "max_over_time" | "last_over_time"
            | "first_over_time" | "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc"
            | "label_replace" | "label_join" | "info" | "vector" => self.interval(args.first()?)?,
            "quantile_over_time" => match number(0) {
                Some(q) if Interval::SHARE.holds(q) => self.interval(args.get(1)?)?,
                _ => Interval::ANY,
            },
            "sum_over_time" => self.interval(args.first()?)?.summed(),
            "count_over_time" => Interval::new(1.0, f64::INFINITY),
            "rate" | "irate" | "increase" | "changes" | "resets" | "stddev_over_time"
            | "stdvar_over_time" | "mad_over_time" | "histogram_count" | "timestamp" | "time" => {
                Interval::NOT_NEGATIVE
            }
            "histogram_fraction" => Interval::SHARE,
            "abs" => {
                let of = self.interval(args.first()?)?;
                if of.holds(0.0) {
                    Interval::new(0.0, of.high.max(-of.low))
                } else {
                    Interval::spanning(&[of.low.abs(), of.high.abs()])
                }
            }
            "ceil" => self.interval(args.first()?)?.rising(f64::ceil),
            "floor" => self.interval(args.first()?)?.rising(f64::floor),
            "exp" => self.interval(args.first()?)?.rising(f64::exp),
            "sgn" => Interval::new(-1.0, 1.0),
            "sqrt" => Interval::NOT_NEGATIVE,
            "clamp" => self.clamped(args, number(1), number(2))?,
            "clamp_min" => self.clamped(args, number(1), Some(f64::INFINITY))?,
            "clamp_max" => self.clamped(args, Some(f64::NEG_INFINITY), number(1))?,
            "hour" => Interval::new(0.0, 23.0),
            "minute" => Interval::new(0.0, 59.0),
            "day_of_week" => Interval::new(0.0, 6.0),
            "day_of_month" => Interval::new(1.0, 31.0),
            "day_of_year" => Interval::new(1.0, 366.0),
            "days_in_month" => Interval::new(28.0, 31.0),
            "month" => Interval::new(1.0, 12.0),
            _ => Interval::ANY,
        })
    }

    fn clamped(&mut self, args: &[Expr], low: Option<f64>, high: Option<f64>) -> Option<Interval> {
        let of = self.interval(args.first()?)?;
        Some(match (low, high) {
            (Some(low), Some(high)) => of.rising(|value| value.max(low).min(high)),
            _ => Interval::ANY,
        })
    }
}

fn aggregated(aggregate: &Aggregate, of: Interval) -> Interval {
    use AggregateOp::{
        Avg, Bottomk, Count, CountValues, Group, LimitRatio, Limitk, Max, Min, Quantile, Stddev,
        Stdvar, Sum, Topk,
    };
    match aggregate.op {
        Avg | Min | Max | Topk | Bottomk | Limitk | LimitRatio => of,
        // Outside of 0..=1 it is infinite.
        Quantile => match aggregate.param.as_deref().map(|param| &param.kind) {
            Some(ExprKind::Number(q)) if Interval::SHARE.holds(q.value) => of,
            _ => Interval::ANY,
        },
        Group => Interval::spanning(&[1.0]),
        Count | CountValues => Interval::new(1.0, f64::INFINITY),
        Sum => of.summed(),
        Stddev | Stdvar => Interval::NOT_NEGATIVE,
    }
}

/// What a metric of these values can be.
fn bounds(name: &str, seen: Interval) -> Interval {
    if seen.low < 0.0 || seen.low == seen.high {
        return Interval::ANY;
    }
    let words: Vec<&str> = name.split(['_', ':', '.']).collect();
    let has_unit = words.iter().any(|word| UNITS.contains(word));
    let is_percentage = words
        .iter()
        .any(|word| matches!(*word, "percent" | "percentage" | "pct"));
    let high = match seen.high {
        high if high <= 1.0 && !has_unit && !is_percentage => 1.0,
        high if high <= 100.0 && is_percentage => 100.0,
        _ => f64::INFINITY,
    };
    Interval::new(0.0, high)
}

/// `5 < x` as `x > 5`.
fn turned(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        other => other,
    }
}

fn arithmetic(op: BinaryOp, left: Interval, right: Interval) -> Interval {
    let ends = |f: fn(f64, f64) -> f64| {
        Interval::spanning(&[
            f(left.low, right.low),
            f(left.low, right.high),
            f(left.high, right.low),
            f(left.high, right.high),
        ])
    };
    match op {
        BinaryOp::Add => Interval::spanning(&[left.low + right.low, left.high + right.high]),
        BinaryOp::Sub => Interval::spanning(&[left.low - right.high, left.high - right.low]),
        // Zero times anything, however large, is zero.
        BinaryOp::Mul => ends(|a, b| if a == 0.0 || b == 0.0 { 0.0 } else { a * b }),
        BinaryOp::Div if !right.holds(0.0) => ends(|a, b| a / b),
        // Of two that are never negative: 0/0 is no value, and x/0 is infinite.
        BinaryOp::Div if left.low >= 0.0 && right.low >= 0.0 => Interval::NOT_NEGATIVE,
        _ => Interval::ANY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    fn values(expr: &str) -> Option<(f64, f64)> {
        let known = |low, high| super::super::MetricFacts {
            values: Some((low, high)),
            ..Default::default()
        };
        let facts = StoreFacts {
            metrics: [
                ("usage_ratio", known(0.25, 0.75)),
                ("latency_seconds", known(0.01, 0.5)),
                ("cpu_percent", known(3.0, 40.0)),
                ("balance", known(-5.0, 3.0)),
                ("constant", known(1.0, 1.0)),
            ]
            .map(|(name, facts)| (name.to_owned(), facts))
            .into(),
            now: None,
        };
        let mut reader = Reader {
            facts: Some(&facts),
            seen: Vec::new(),
            closed: None,
        };
        let interval = reader.interval(&parse(expr).unwrap())?;
        Some((interval.low, interval.high))
    }

    #[test]
    fn values_are_followed_through_expressions() {
        const INF: f64 = f64::INFINITY;
        for (expr, expected) in [
            ("usage_ratio", (0.0, 1.0)),
            ("latency_seconds", (0.0, INF)),
            ("cpu_percent{a=\"b\"}", (0.0, 100.0)),
            ("balance", (-INF, INF)),
            ("constant", (-INF, INF)),
            ("other", (-INF, INF)),
            ("100 * (1 - avg by (a) (usage_ratio))", (0.0, 100.0)),
            ("-usage_ratio + 2", (1.0, 2.0)),
            ("max_over_time(usage_ratio[1h]) / 2", (0.0, 0.5)),
            ("sum(usage_ratio)", (0.0, INF)),
            ("rate(x[5m]) / rate(y[5m])", (0.0, INF)),
            ("rate(x[5m]) - rate(y[5m])", (-INF, INF)),
            ("usage_ratio > bool 0.5", (0.0, 1.0)),
            ("usage_ratio > 0.5 and up", (0.5, 1.0)),
            ("0.5 > usage_ratio or vector(3)", (0.0, 3.0)),
            ("count(x) or up", (0.0, INF)),
            ("clamp_max(latency_seconds, 5)", (0.0, 5.0)),
            ("abs(usage_ratio - 3)", (2.0, 3.0)),
            ("quantile(0.9, usage_ratio)", (0.0, 1.0)),
            ("quantile(90, usage_ratio)", (-INF, INF)),
            ("0 * x", (0.0, 0.0)),
            ("x / 0", (-INF, INF)),
            ("x - x", (-INF, INF)),
            ("hour() > 20", (20.0, 23.0)),
        ] {
            assert_eq!(values(expr), Some(expected), "{expr}");
        }
        for empty in [
            "count(x) == 0",
            "sum(up > 1)",
            "usage_ratio > 5 or up < 0",
            "x and up < 0",
        ] {
            assert_eq!(values(empty), None, "{empty}");
        }
        assert_eq!(values("x unless up < 0"), Some((-INF, INF)));
        assert_eq!(values("absent(up > 1)"), Some((1.0, 1.0)));
    }
}
