//! The queries of objectives: ratios of counters, seen through the functions around them.

use bellwether_lang::promql::ast::{
    AggregateOp, Binary, BinaryOp, DurationExpr, Expr, ExprKind, Grouping, Modifiers, UnaryOp,
    VectorMatching, VectorSelector,
};
use bellwether_lang::promql::{self, ParseError};
use bellwether_model::DurationMs;

/// Counters joined with `+` and `-`, and the labels that are kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counters {
    /// True when it is added.
    parts: Vec<(bool, VectorSelector)>,
    pub(super) by: Vec<String>,
}

/// Reads a query in which `{{.window}}` stands for the window.
pub(super) fn parse(query: &str) -> Result<Expr, ParseError> {
    promql::parse(&with_window(query, "5m"))
}

/// The query with a window put in.
pub(super) fn with_window(query: &str, window: &str) -> String {
    let mut out = String::new();
    let mut rest = query;
    while let Some(at) = rest.find("{{") {
        let inside = rest[at..].find("}}").map(|end| &rest[at + 2..at + end]);
        match inside {
            Some(code) if code.trim().trim_matches('-').trim() == ".window" => {
                out.push_str(&rest[..at]);
                out.push_str(window);
                rest = &rest[at + code.len() + 4..];
            }
            _ => {
                out.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
            }
        }
    }
    out + rest
}

/// True when the query names the window.
pub(super) fn names_window(query: &str) -> bool {
    with_window(query, "5m") != with_window(query, "6m")
}

/// The counters of `sum(rate(a[w])) - sum(rate(b[w]))`; `None` when it is anything else. With `bare`, `sum(a)` and `a`
/// are the counter `a`, which is how some write a counter's height.
pub(super) fn counters(expr: &Expr, bare: bool) -> Option<Counters> {
    let mut found = Counters {
        parts: Vec::new(),
        by: Vec::new(),
    };
    let mut by = None;
    flatten(expr, true, bare, &mut by, &mut found.parts)?;
    found.by = by.unwrap_or_default();
    Some(found)
}

fn flatten(
    expr: &Expr,
    plus: bool,
    bare: bool,
    by: &mut Option<Vec<String>>,
    into: &mut Vec<(bool, VectorSelector)>,
) -> Option<()> {
    match &expr.unparenthesized().kind {
        ExprKind::Unary(UnaryOp::Pos, inner) => flatten(inner, plus, bare, by, into),
        ExprKind::Binary(Binary {
            op: op @ (BinaryOp::Add | BinaryOp::Sub),
            lhs,
            rhs,
            matching: Some(matching),
            ..
        }) if *matching == VectorMatching::default() => {
            flatten(lhs, plus, bare, by, into)?;
            let sign = if *op == BinaryOp::Add { plus } else { !plus };
            flatten(rhs, sign, bare, by, into)
        }
        ExprKind::Aggregate(aggregate) if aggregate.op == AggregateOp::Sum => {
            let Grouping::By(labels) = &aggregate.grouping else {
                return None;
            };
            // Each part keeps the same labels, or the ratio would be another one.
            if by.get_or_insert_with(|| labels.clone()) != labels {
                return None;
            }
            into.push((plus, counter(&aggregate.expr, bare)?));
            Some(())
        }
        ExprKind::Selector(_) if bare && by.get_or_insert_default().is_empty() => {
            into.push((plus, counter(expr, bare)?));
            Some(())
        }
        _ => None,
    }
}

/// True when a series is read as it stands, not over a window: of counters, such heights say nothing about now.
pub(super) fn reads_heights(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Selector(_) => true,
        ExprKind::Range(_) | ExprKind::Subquery(_) => false,
        _ => expr.children().into_iter().any(reads_heights),
    }
}

/// The counter under `rate(x[w])` or `increase(x[w])`.
fn counter(expr: &Expr, bare: bool) -> Option<VectorSelector> {
    let plain = |selector: &VectorSelector| {
        selector.at == Modifiers::default() && selector.extended.is_none()
    };
    match &expr.unparenthesized().kind {
        ExprKind::Call(call) if matches!(call.function.name, "rate" | "increase") => {
            match &call.args.first()?.kind {
                ExprKind::Range(range)
                    if plain(&range.selector) && matches!(range.range, DurationExpr::Const(_)) =>
                {
                    Some(range.selector.clone())
                }
                _ => None,
            }
        }
        ExprKind::Selector(selector) if bare && plain(selector) => Some(selector.clone()),
        _ => None,
    }
}

impl Counters {
    /// A selector alone, as Pyrra and slo-generator write it.
    pub(super) fn of_selector(expr: &Expr) -> Option<Counters> {
        Some(Counters {
            parts: vec![(true, counter(expr, true)?)],
            by: Vec::new(),
        })
    }

    /// As [`Counters::of_selector`], for one that may be shifted into the past; and by how much.
    pub(super) fn of_shifted(expr: &Expr) -> Option<(Counters, DurationMs)> {
        let mut expr = expr.clone();
        let mut shift = DurationMs::ZERO;
        if let ExprKind::Selector(selector) = &mut expr.kind
            && let Some(DurationExpr::Const(offset)) = selector.at.offset
            && offset.0 >= 0
        {
            shift = offset;
            selector.at.offset = None;
        }
        Some((Counters::of_selector(&expr)?, shift))
    }

    /// As `good`, `bad` and `total` take them. The first part has no sign, so one that is added comes first.
    pub(super) fn text(&self) -> Option<String> {
        let first = self.parts.iter().position(|(plus, _)| *plus)?;
        let mut out = selector_text(&self.parts[first].1);
        for (at, (plus, selector)) in self.parts.iter().enumerate() {
            if at != first {
                let sign = if *plus { "+" } else { "-" };
                out = format!("{out}\n    {sign} {}", selector_text(selector));
            }
        }
        Some(out)
    }

    /// What is left of these counters without others.
    pub(super) fn without(mut self, other: &Counters) -> Counters {
        self.parts
            .extend(other.parts.iter().map(|(plus, s)| (!plus, s.clone())));
        self.cancel();
        self
    }

    /// These counters and others.
    pub(super) fn and(mut self, other: &Counters) -> Counters {
        self.parts.extend(other.parts.iter().cloned());
        self.cancel();
        self
    }

    /// Takes out what is added and taken away again.
    fn cancel(&mut self) {
        let mut at = 0;
        while at < self.parts.len() {
            let (plus, selector) = self.parts[at].clone();
            let other = self
                .parts
                .iter()
                .position(|(p, s)| *p != plus && *s == selector);
            match other {
                Some(other) => {
                    self.parts.remove(at.max(other));
                    self.parts.remove(at.min(other));
                    at = 0;
                }
                None => at += 1,
            }
        }
    }

    /// The sum of the counters' growth over a window, as PromQL.
    pub(super) fn increase(&self, window: &str) -> String {
        let mut out = String::new();
        for (plus, selector) in &self.parts {
            let sign = match (out.is_empty(), plus) {
                (true, true) => "",
                (true, false) => "-",
                (false, true) => " + ",
                (false, false) => " - ",
            };
            let by = match self.by.join(", ") {
                none if none.is_empty() => none,
                labels => format!(" by ({labels}) "),
            };
            out = format!(
                "{out}{sign}sum{by}(increase({}[{window}]))",
                selector_text(selector)
            );
        }
        if self.parts.len() > 1 {
            format!("({out})")
        } else {
            out
        }
    }
}

fn selector_text(selector: &VectorSelector) -> String {
    let span = promql::ast::Span::default();
    let kind = ExprKind::Selector(selector.clone());
    Expr { kind, span }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, want: &str) {
        let found = counters(&parse(query).unwrap(), false);
        let got = found.and_then(|c| Some(format!("{} by {:?}", c.text()?, c.by)));
        assert_eq!(got.as_deref().unwrap_or("none"), want, "{query}");
    }

    #[test]
    fn ratios_of_counters_are_seen_through() {
        check("sum(rate(a{x=\"1\"}[{{.window}}]))", "a{x=\"1\"} by []");
        check(
            "(sum by (j) (increase(a[{{ .window }}])) - sum by (j) (rate(b[5m])))",
            "a\n    - b by [\"j\"]",
        );
        check("sum(rate(a[5m])) / sum(rate(b[5m]))", "none");
        check("sum by (a) (rate(a[5m])) + sum(rate(b[5m]))", "none");
        check("rate(a[5m])", "none");
    }

    #[test]
    fn a_bare_counter_is_one_where_that_is_said() {
        let check = |query: &str, want: Option<&str>| {
            let expr = parse(query).unwrap();
            assert!(reads_heights(&expr), "{query}");
            assert_eq!(counters(&expr, false), None, "{query}");
            let found = counters(&expr, true).and_then(|c| c.text());
            assert_eq!(found.as_deref(), want, "{query}");
        };
        check("a{x=\"1\"}", Some("a{x=\"1\"}"));
        check("a - sum(b)", Some("a\n    - b"));
        check("a - sum by (x) (b)", None);
        check("sum by (x) (b) - a", None);
        check("a offset 5m", None);
        check("a / 2", None);
        assert!(!reads_heights(&parse("sum(rate(a[5m]))").unwrap()));
    }

    #[test]
    fn what_is_added_and_taken_away_is_gone() {
        let read = |q: &str| counters(&parse(q).unwrap(), false).unwrap();
        let all = read("sum(rate(all[5m]))");
        let bad = read("sum(rate(all[5m])) - sum(rate(good[5m]))");
        assert_eq!(all.clone().without(&bad).text().as_deref(), Some("good"));
        assert_eq!(
            bad.increase("5m"),
            "(sum(increase(all[5m])) - sum(increase(good[5m])))"
        );
    }
}
