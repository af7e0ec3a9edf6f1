//! Which labels the result of an expression can have.
//!
//! Reasoned from the tree alone: aggregations by a list have exactly these labels, a bare selector may have any.
//! The answer errs on one side only: a label that is called impossible is impossible.
//!
//! The metric's name never counts: an alert's instance has none. Not here: labels the store has seen.

use std::collections::BTreeSet;

use bellwether_model::{METRIC_NAME, MatchOp};

use crate::promql::ast::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, ExprKind, Grouping, ValueType,
    VectorMatching, VectorSelector,
};

/// A set of label names that are possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Produced {
    /// These and no others.
    Only(BTreeSet<String>),
    /// Any but these.
    AllBut(BTreeSet<String>),
}

/// What the folder records: the labels of a metric, when one of its rules writes it.
pub type Recorded<'a> = &'a dyn Fn(&str) -> Option<Produced>;

impl Produced {
    /// No label at all.
    pub fn none() -> Produced {
        Produced::Only(BTreeSet::new())
    }

    pub(super) fn anything() -> Produced {
        Produced::AllBut(BTreeSet::from([METRIC_NAME.to_owned()]))
    }

    pub(super) fn only<S: AsRef<str>>(names: &[S]) -> Produced {
        let names = names.iter().map(|n| n.as_ref().to_owned());
        Produced::Only(names.filter(|n| n != METRIC_NAME).collect())
    }

    /// True when a label of this name is possible.
    pub fn can(&self, name: &str) -> bool {
        match self {
            Produced::Only(names) => names.contains(name),
            Produced::AllBut(names) => !names.contains(name),
        }
    }

    /// What is possible here or there.
    pub fn union(self, other: Produced) -> Produced {
        use Produced::{AllBut, Only};
        match (self, other) {
            (Only(a), Only(b)) => Only(&a | &b),
            (Only(a), AllBut(b)) | (AllBut(b), Only(a)) => AllBut(&b - &a),
            (AllBut(a), AllBut(b)) => AllBut(&a & &b),
        }
    }

    fn intersection(self, other: Produced) -> Produced {
        use Produced::{AllBut, Only};
        match (self, other) {
            (Only(a), Only(b)) => Only(&a & &b),
            (Only(a), AllBut(b)) | (AllBut(b), Only(a)) => Only(&a - &b),
            (AllBut(a), AllBut(b)) => AllBut(&a | &b),
        }
    }

    /// With one more label.
    pub fn with(self, name: &str) -> Produced {
        self.union(Produced::only(&[name]))
    }

    fn without<S: AsRef<str>>(self, names: &[S]) -> Produced {
        let names = names.iter().map(|n| n.as_ref().to_owned()).collect();
        self.intersection(Produced::AllBut(names))
    }
}

/// The labels the result of `expr` can have.
pub fn produced(expr: &Expr, recorded: Recorded<'_>) -> Produced {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::StepValue(_) => Produced::none(),
        ExprKind::Selector(selector) => of_selector(selector, recorded),
        ExprKind::Range(range) => of_selector(&range.selector, recorded),
        ExprKind::Subquery(subquery) => produced(&subquery.expr, recorded),
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => produced(inner, recorded),
        ExprKind::Aggregate(aggregate) => of_aggregate(aggregate, recorded),
        ExprKind::Binary(binary) => of_binary(binary, recorded),
        ExprKind::Call(call) => of_call(call, recorded),
    }
}

pub(super) fn of_selector(selector: &VectorSelector, recorded: Recorded<'_>) -> Produced {
    let name = selector
        .matchers
        .iter()
        .find(|m| m.name() == METRIC_NAME && m.op() == MatchOp::Equal);
    let base = name
        .and_then(|m| recorded(m.value()))
        .unwrap_or_else(Produced::anything);
    // `{a=""}` asks for series without the label.
    let absent: Vec<&str> = selector
        .matchers
        .iter()
        .filter(|m| m.op() == MatchOp::Equal && m.value().is_empty())
        .map(bellwether_model::Matcher::name)
        .collect();
    base.without(&absent)
}

fn of_aggregate(aggregate: &Aggregate, recorded: Recorded<'_>) -> Produced {
    use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Topk};
    let inner = produced(&aggregate.expr, recorded);
    // These pick series and leave their labels as they are.
    if matches!(aggregate.op, Topk | Bottomk | Limitk | LimitRatio) {
        return inner;
    }
    let grouped = match &aggregate.grouping {
        Grouping::By(names) => Produced::only(names).intersection(inner),
        Grouping::Without(names) => inner.without(names),
    };
    match (aggregate.op, aggregate.param.as_deref().map(text)) {
        (CountValues, Some(Some(name))) => grouped.with(name),
        (CountValues, _) => Produced::anything(),
        _ => grouped,
    }
}

fn of_binary(binary: &Binary, recorded: Recorded<'_>) -> Produced {
    use crate::promql::ast::BinaryOp::{And, Or, Unless};
    let lhs = produced(&binary.lhs, recorded);
    let rhs = produced(&binary.rhs, recorded);
    let Some(matching) = &binary.matching else {
        // At most one side is a vector, the other adds nothing.
        return lhs.union(rhs);
    };
    match binary.op {
        And | Unless => return lhs,
        Or => return lhs.union(rhs),
        _ => {}
    }
    let mut result = match matching.card {
        Cardinality::OneToOne | Cardinality::ManyToMany => matched(lhs.clone(), matching),
        Cardinality::ManyToOne => lhs
            .clone()
            .union(rhs.clone().intersection(Produced::only(&matching.include))),
        Cardinality::OneToMany => rhs
            .clone()
            .union(lhs.clone().intersection(Produced::only(&matching.include))),
    };
    // A side that is filled in takes the other's labels.
    if matching.fill.left.is_some() {
        result = result.union(matched(rhs, matching));
    }
    if matching.fill.right.is_some() {
        result = result.union(matched(lhs, matching));
    }
    result
}

fn matched(side: Produced, matching: &VectorMatching) -> Produced {
    if matching.on {
        side.intersection(Produced::only(&matching.labels))
    } else {
        side.without(&matching.labels)
    }
}

fn of_call(call: &Call, recorded: Recorded<'_>) -> Produced {
    let vectors = || {
        call.args
            .iter()
            .filter(|arg| matches!(arg.value_type(), ValueType::Vector | ValueType::Matrix))
            .map(|arg| produced(arg, recorded))
            .fold(Produced::none(), Produced::union)
    };
    match call.function.name {
        "absent" | "absent_over_time" => call.args.first().map_or_else(Produced::none, of_absent),
        "scalar" | "time" | "pi" | "vector" => Produced::none(),
        "histogram_quantile" | "histogram_fraction" => vectors().without(&["le"]),
        "label_replace" | "label_join" => match call.args.get(1).and_then(text) {
            Some(target) => vectors().with(target),
            None => Produced::anything(),
        },
        // These bring labels that no tree names.
        "info" | "histogram_quantiles" => Produced::anything(),
        _ => vectors(),
    }
}

/// `absent(x{a="b"})` has the labels its selector asks to be equal.
fn of_absent(arg: &Expr) -> Produced {
    let matchers = match &arg.unparenthesized().kind {
        ExprKind::Selector(selector) => &selector.matchers,
        ExprKind::Range(range) => &range.selector.matchers,
        _ => return Produced::none(),
    };
    let equal = |m: &&bellwether_model::Matcher| m.op() == MatchOp::Equal && !m.value().is_empty();
    let names: Vec<&str> = matchers
        .iter()
        .filter(equal)
        .map(bellwether_model::Matcher::name)
        .collect();
    Produced::only(&names)
}

fn text(expr: &Expr) -> Option<&str> {
    match &expr.unparenthesized().kind {
        ExprKind::String(text) => Some(text),
        _ => None,
    }
}

/// Labels that an expression names: candidates for "did you mean" where any label is possible.
pub(super) fn mentioned(expr: &Expr, into: &mut BTreeSet<String>) {
    let selector = match &expr.kind {
        ExprKind::Selector(selector) => Some(selector),
        ExprKind::Range(range) => Some(&range.selector),
        _ => None,
    };
    into.extend(
        selector
            .into_iter()
            .flat_map(|s| &s.matchers)
            .map(|m| m.name().to_owned()),
    );
    match &expr.kind {
        ExprKind::Aggregate(aggregate) => {
            let (Grouping::By(names) | Grouping::Without(names)) = &aggregate.grouping;
            into.extend(names.iter().cloned());
        }
        ExprKind::Binary(Binary {
            matching: Some(matching),
            ..
        }) => into.extend(matching.labels.iter().chain(&matching.include).cloned()),
        ExprKind::Call(call) => into.extend(call.args.get(1).and_then(text).map(str::to_owned)),
        _ => {}
    }
    for child in expr.children() {
        mentioned(child, into);
    }
    into.remove(METRIC_NAME);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expr: &str, expected: &str) {
        let expr = crate::promql::parse(expr).unwrap();
        let recorded = |metric: &str| (metric == "job:x").then(|| Produced::only(&["job"]));
        let found = match produced(&expr, &recorded) {
            Produced::Only(names) => names.into_iter().collect::<Vec<_>>().join(" "),
            Produced::AllBut(names) => {
                let names: Vec<_> = names.into_iter().filter(|n| n != METRIC_NAME).collect();
                format!("all but {}", names.join(" "))
            }
        };
        assert_eq!(found.trim_end(), expected, "{expr}");
    }

    #[test]
    fn selectors_and_functions() {
        check("up", "all but");
        check("up{a=\"\", b=\"x\"}", "all but a");
        check("rate(x[5m])", "all but");
        check("1", "");
        check("time() > vector(1)", "");
        check("hour()", "");
        check("absent(up{job=\"a\", x=~\"b\"})", "job");
        check("absent(sum(up))", "");
        check(
            "histogram_quantile(0.9, sum by (le, job) (rate(x[5m])))",
            "job",
        );
        check(
            "label_replace(sum(x), \"dst\", \"$1\", \"src\", \"(.*)\")",
            "dst",
        );
        check("job:x", "job");
        check("{__name__=\"job:x\", job=\"\"}", "");
    }

    #[test]
    fn aggregations() {
        check("sum(up)", "");
        check("sum by (a, b) (up{b=\"\"})", "a");
        check("sum without (a) (up)", "all but a");
        check("sum without (a) (sum by (a, b) (up))", "b");
        check("topk by (a) (3, sum by (b) (up))", "b");
        check("count_values(\"v\", up)", "v");
        check("max by (job, a) (job:x)", "job");
    }

    #[test]
    fn operators() {
        check("a + on (x) b", "x");
        check("a > ignoring (x) b", "all but x");
        check(
            "sum by (a, b) (x) / on (a) group_left (c) sum by (a, c) (y)",
            "a b c",
        );
        check(
            "sum by (a) (x) / on (a) group_right (c) sum by (a, b) (y)",
            "a b",
        );
        check("a and on (x) b", "all but");
        check("sum by (a) (x) and b", "a");
        check("sum by (a) (x) or sum by (b) (x)", "a b");
        check("2 * sum by (a) (x)", "a");
        check("(sum by (a) (x)) > bool 5", "a");
    }
}
