//! A tree as text, the way Prometheus prints it: reading the text gives the same tree again.
//!
//! Trees that the parser makes come out so; a tree put together otherwise may lack the parentheses it needs.
//! Names that are not plain words are printed inside the braces, in quotes.

use std::fmt::{self, Display, Formatter};

use bellwether_model::labels::{Quoted, is_legacy_label_name, is_legacy_metric_name};
use bellwether_model::value::push_value;
use bellwether_model::{DurationMs, METRIC_NAME, MatchOp, Matcher};

use super::ast::{
    Aggregate, At, Binary, Call, Cardinality, DurationExpr, Expr, ExprKind, Extended, Fill,
    Grouping, Modifiers, NumberLiteral, RangeSelector, StepValue, Subquery, UnaryOp,
    VectorMatching, VectorSelector,
};
use super::parse::RESERVED;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => Display::fmt(number, f),
            ExprKind::String(text) => Display::fmt(&Quoted(text), f),
            ExprKind::Selector(selector) => Display::fmt(selector, f),
            ExprKind::Range(range) => Display::fmt(range, f),
            ExprKind::Subquery(subquery) => Display::fmt(subquery, f),
            ExprKind::Unary(UnaryOp::Neg, e) => write!(f, "-{e}"),
            ExprKind::Unary(UnaryOp::Pos, e) => write!(f, "+{e}"),
            ExprKind::Binary(binary) => Display::fmt(binary, f),
            ExprKind::Aggregate(aggregate) => Display::fmt(aggregate, f),
            ExprKind::Call(call) => Display::fmt(call, f),
            ExprKind::Paren(e) => write!(f, "({e})"),
            ExprKind::StepValue(value) => f.write_str(match value {
                StepValue::Step => "step()",
                StepValue::Range => "range()",
                StepValue::Start => "start()",
                StepValue::End => "end()",
            }),
        }
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ms = (self.value * 1000.0).round();
        // Beyond the range of a duration, or between two milliseconds, only a number says it exactly.
        if self.is_duration && ms.abs() < i64::MAX as f64 && ms / 1000.0 == self.value {
            return Display::fmt(&DurationMs(ms as i64), f);
        }
        if self.value == f64::INFINITY {
            // Not `+Inf`: a sign would bind weaker than a `^` after it.
            return f.write_str("Inf");
        }
        write_number(f, self.value)
    }
}

fn write_number(f: &mut Formatter<'_>, value: f64) -> fmt::Result {
    let mut text = String::new();
    push_value(&mut text, value);
    f.write_str(&text)
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(self, f)?;
        write_modifiers(self.extended, &self.at, f)
    }
}

/// Name and braces, without what follows.
fn write_series(selector: &VectorSelector, f: &mut Formatter<'_>) -> fmt::Result {
    let is_name = |m: &Matcher| {
        m.name() == METRIC_NAME
            && m.op() == MatchOp::Equal
            && selector.name.as_deref() == Some(m.value())
    };
    let bare = selector.name.as_deref().filter(|name| is_plain_name(name));
    let mut first = true;
    if let Some(name) = bare {
        f.write_str(name)?;
    }
    for matcher in &selector.matchers {
        let named = is_name(matcher);
        if named && bare.is_some() {
            continue;
        }
        f.write_str(if first { "{" } else { "," })?;
        first = false;
        if named {
            Display::fmt(&Quoted(matcher.value()), f)?;
        } else {
            Display::fmt(matcher, f)?;
        }
    }
    match (first, bare) {
        (false, _) => f.write_str("}"),
        (true, None) => f.write_str("{}"),
        (true, Some(_)) => Ok(()),
    }
}

/// True when the name can stand before the braces.
fn is_plain_name(name: &str) -> bool {
    is_legacy_metric_name(name) && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name))
}

impl Display for RangeSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(&self.selector, f)?;
        write!(f, "[{}]", self.range)?;
        write_modifiers(self.selector.extended, &self.selector.at, f)
    }
}

impl Display for Subquery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.expr, SubqueryTail(self))
    }
}

/// What stands behind the expression of a subquery.
pub(super) struct SubqueryTail<'a>(pub(super) &'a Subquery);

impl Display for SubqueryTail<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[{}:", self.0.range)?;
        if let Some(step) = &self.0.step {
            Display::fmt(step, f)?;
        }
        f.write_str("]")?;
        write_modifiers(None, &self.0.at, f)
    }
}

fn write_modifiers(
    extended: Option<Extended>,
    modifiers: &Modifiers,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    match extended {
        Some(Extended::Anchored) => f.write_str(" anchored")?,
        Some(Extended::Smoothed) => f.write_str(" smoothed")?,
        None => {}
    }
    match modifiers.at {
        Some(At::Time(t)) => {
            let sign = if t.0 < 0 { "-" } else { "" };
            let ms = t.0.unsigned_abs();
            write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)?;
        }
        Some(At::Start) => f.write_str(" @ start()")?,
        Some(At::End) => f.write_str(" @ end()")?,
        None => {}
    }
    match &modifiers.offset {
        Some(offset) => write!(f, " offset {offset}"),
        None => Ok(()),
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DurationExpr::Const(duration) => Display::fmt(duration, f),
            DurationExpr::Dynamic(expr) => Display::fmt(expr, f),
        }
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.lhs, Operator(self), self.rhs)
    }
}

/// What stands between the two sides.
pub(super) struct Operator<'a>(pub(super) &'a Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.text())?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        match &self.0.matching {
            Some(matching) => Display::fmt(matching, f),
            None => Ok(()),
        }
    }
}

/// With a blank before each part, so that it follows the operator.
impl Display for VectorMatching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let group = match self.card {
            Cardinality::ManyToOne => Some("group_left"),
            Cardinality::OneToMany => Some("group_right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if self.on {
            write!(f, " on {}", LabelList(&self.labels))?;
        } else if !self.labels.is_empty() || group.is_some() {
            write!(f, " ignoring {}", LabelList(&self.labels))?;
        }
        if let Some(group) = group {
            // The parentheses stand even when empty: those of the right side must not be taken for them.
            write!(f, " {group} {}", LabelList(&self.include))?;
        }
        Display::fmt(&self.fill, f)
    }
}

impl Display for Fill {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut write = |name: &str, value: f64| {
            write!(f, " {name} (")?;
            write_number(f, value)?;
            f.write_str(")")
        };
        match (self.left, self.right) {
            (Some(l), Some(r)) if l == r || l.is_nan() && r.is_nan() => write("fill", l),
            (left, right) => {
                left.map_or(Ok(()), |v| write("fill_left", v))?;
                right.map_or(Ok(()), |v| write("fill_right", v))
            }
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", AggregateHead(self))?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

/// What stands before the parentheses.
pub(super) struct AggregateHead<'a>(pub(super) &'a Aggregate);

impl Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Aggregate { op, grouping, .. } = self.0;
        write!(f, "{}{grouping}", op.text())?;
        match grouping {
            Grouping::By(labels) if labels.is_empty() => Ok(()),
            Grouping::By(_) | Grouping::Without(_) => f.write_str(" "),
        }
    }
}

/// With a blank before it, so that it follows the operator; nothing for all in one group.
impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Grouping::By(labels) if labels.is_empty() => Ok(()),
            Grouping::By(labels) => write!(f, " by {}", LabelList(labels)),
            Grouping::Without(labels) => write!(f, " without {}", LabelList(labels)),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name)?;
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            Display::fmt(arg, f)?;
        }
        f.write_str(")")
    }
}

/// `(a, "b.c")`.
struct LabelList<'a>(&'a [String]);

impl Display for LabelList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, label) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(label) {
                f.write_str(label)?;
            } else {
                Display::fmt(&Quoted(label), f)?;
            }
        }
        f.write_str(")")
    }
}
