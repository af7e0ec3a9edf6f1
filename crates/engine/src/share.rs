//! Equal parts of the rules of one tick are evaluated once: an aggregation that several rules with the same slots and the same
//! delay hold is a question of its own, whose answer the others read.
//!
//! In each rule the part is replaced by a selector of a series that no store can have; the tick's overlay answers it with the
//! part's result, labels and all. Only aggregations are shared: their results have the labels they show, whatever is done
//! with them, and they are what costs. Not inside subqueries, which ask at other times, and not where a selector names no
//! metric: such a one sees what has been recorded before its rule's turn.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{AggregateOp, Expr, ExprKind, Modifiers, VectorSelector};
use bellwether_model::{DurationMs, METRIC_NAME, Matcher};

use crate::order::selectors;
use crate::slots::Slots;

/// Begins the names of shared parts; no metric's name has a NUL.
const PREFIX: &str = "\0shared ";

/// When a part is evaluated: rules that differ in this share nothing.
pub(crate) type When = (Slots, DurationMs);

/// The parts that are shared, and the rules made of them.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// The expression of each part; others in it stand before it.
    pub(crate) parts: Vec<Expr>,
    /// Of each rule the expression that reads parts, and which: in the order in which they are needed. `None` for a rule
    /// that shares nothing.
    pub(crate) rules: Vec<Option<(Expr, Vec<usize>)>>,
}

impl Sharing {
    pub(crate) fn of(rules: &[(&Expr, When)]) -> Sharing {
        let mut counts: BTreeMap<(String, When), usize> = BTreeMap::new();
        for (expr, when) in rules {
            for part in candidates(expr) {
                *counts.entry((part.to_string(), *when)).or_default() += 1;
            }
        }
        let mut sharing = Sharing::default();
        let mut known = BTreeMap::new();
        for (expr, when) in rules {
            let mut rewriter = Rewriter {
                counts: &counts,
                when: *when,
                known: &mut known,
                parts: &mut sharing.parts,
                used: Vec::new(),
            };
            let rewritten = rewriter.rewrite(expr);
            let used = rewriter.used;
            sharing
                .rules
                .push((!used.is_empty()).then_some((rewritten, used)));
        }
        sharing
    }
}

/// The number of the part that a selector stands for.
pub(crate) fn part_of(matchers: &[Matcher]) -> Option<usize> {
    let [name] = matchers else {
        return None;
    };
    let literals = (name.name() == METRIC_NAME).then(|| name.literals())??;
    literals.first()?.strip_prefix(PREFIX)?.parse().ok()
}

/// The aggregations of an expression that could be shared.
fn candidates(expr: &Expr) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        if can_be_shared(expr) {
            found.push(expr);
        }
        if !matches!(expr.kind, ExprKind::Subquery(_)) {
            todo.extend(expr.children());
        }
    }
    found
}

fn can_be_shared(expr: &Expr) -> bool {
    use AggregateOp::{Bottomk, LimitRatio, Limitk, Topk};
    let ExprKind::Aggregate(aggregate) = &expr.kind else {
        return false;
    };
    let names_metric = |s: &&VectorSelector| s.matchers.iter().any(|m| m.name() == METRIC_NAME);
    !matches!(aggregate.op, Topk | Bottomk | Limitk | LimitRatio)
        && selectors(expr).iter().all(names_metric)
}

struct Rewriter<'a> {
    counts: &'a BTreeMap<(String, When), usize>,
    when: When,
    known: &'a mut BTreeMap<(String, When), usize>,
    parts: &'a mut Vec<Expr>,
    used: Vec<usize>,
}

impl Rewriter<'_> {
    fn rewrite(&mut self, expr: &Expr) -> Expr {
        let key = (expr.to_string(), self.when);
        if !can_be_shared(expr) || self.counts.get(&key).is_none_or(|count| *count < 2) {
            return self.rewrite_inside(expr);
        }
        let inside = self.rewrite_inside(expr);
        let id = *self.known.entry(key).or_insert_with(|| {
            self.parts.push(inside);
            self.parts.len() - 1
        });
        if !self.used.contains(&id) {
            self.used.push(id);
        }
        let name = format!("{PREFIX}{id}");
        let selector = VectorSelector {
            matchers: vec![Matcher::equal(METRIC_NAME, &name)],
            name: Some(name),
            at: Modifiers::default(),
            extended: None,
        };
        Expr {
            kind: ExprKind::Selector(selector),
            span: expr.span,
        }
    }

    fn rewrite_inside(&mut self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        match &mut expr.kind {
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => **inner = self.rewrite(inner),
            ExprKind::Binary(binary) => {
                *binary.lhs = self.rewrite(&binary.lhs);
                *binary.rhs = self.rewrite(&binary.rhs);
            }
            ExprKind::Aggregate(aggregate) => *aggregate.expr = self.rewrite(&aggregate.expr),
            ExprKind::Call(call) => {
                for arg in &mut call.args {
                    *arg = self.rewrite(arg);
                }
            }
            _ => {}
        }
        expr
    }
}

#[cfg(test)]
mod tests {
    use bellwether_lang::promql::parse;

    use super::*;

    fn shared(exprs: &[&str]) -> (Vec<String>, Vec<String>) {
        let when = (
            Slots::new(DurationMs::ZERO, DurationMs(1000)),
            DurationMs::ZERO,
        );
        let parsed: Vec<Expr> = exprs.iter().map(|text| parse(text).unwrap()).collect();
        let rules: Vec<(&Expr, When)> = parsed.iter().map(|expr| (expr, when)).collect();
        let sharing = Sharing::of(&rules);
        let text = |expr: &Expr| {
            expr.to_string()
                .replace(PREFIX, "#")
                .replace("\\x00shared ", "#")
        };
        let rules = sharing.rules.iter().map(|rule| match rule {
            Some((expr, used)) => format!("{} {used:?}", text(expr)),
            None => String::new(),
        });
        (sharing.parts.iter().map(text).collect(), rules.collect())
    }

    #[test]
    fn equal_aggregations_are_one_question_the_inner_ones_first() {
        let (parts, rules) = shared(&[
            "sum(rate(x[5m])) / max(sum(rate(x[5m])) + y)",
            "max(sum(rate(x[5m])) + y) > 5",
            "sum(z)",
        ]);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], "sum(rate(x[5m]))");
        assert!(parts[1].starts_with("max("), "{parts:?}");
        assert!(
            rules[0].ends_with("[0, 1]") && rules[1].ends_with("[0, 1]"),
            "{rules:?}"
        );
        assert_eq!(rules[2], "");
    }

    #[test]
    fn what_keeps_names_asks_elsewhere_or_sees_the_tick_is_not_shared() {
        let twice = |expr: &'static str| shared(&[expr, expr]).0.len();
        assert_eq!(twice("sum by (job) (x)"), 1);
        assert_eq!(twice("topk(3, x)"), 0);
        assert_eq!(twice("rate(x[5m])"), 0);
        assert_eq!(twice("max_over_time(sum(x)[5m:])"), 0);
        assert_eq!(twice("count({job=\"a\"})"), 0);
    }
}
