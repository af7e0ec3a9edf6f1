//! Equal parts of the rules of one tick are evaluated once: what several rules hold that can be due together and look back
//! equally far is a question of its own, whose answer the others read.
//!
//! In each rule the part is replaced by a selector of a series that no store can have; the tick's overlay answers it with the
//! part's result, labels and all. So a rule that is due alone asks no more than it would, and one whose part another rule of
//! the tick has asked reads the answer.
//!
//! A part is anything that computes: an aggregation, a function, an operator. Not shared is
//!
//! - what stands in a subquery, which asks at other times, or names no metric, and so sees what has been recorded before its
//!   rule's turn;
//! - what stands below `topk` and its like, which choose by the order of what they are given, and in `info`;
//! - in a rule that mentions `__name__` outside of selectors, everything but aggregations: a name that a function takes
//!   away is gone only at the end of an expression, but of a part, at the part's end.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{
    AggregateOp, Expr, ExprKind, Grouping, Modifiers, ValueType, VectorSelector,
};
use bellwether_model::{DurationMs, METRIC_NAME, MatchOp, Matcher};

use crate::order::selectors;
use crate::slots::Slots;

/// Begins the names of shared parts; no metric's name has a NUL.
const PREFIX: &str = "\0shared ";

/// When a rule asks: its slots, and how far it looks back.
pub(crate) type When = (Slots, DurationMs);

/// The parts that are shared, and the rules made of them.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    pub(crate) parts: Vec<Part>,
    /// Of each rule the expression that reads parts, and which: in the order in which they are needed, with those that parts
    /// need themselves. `None` for a rule that shares nothing.
    pub(crate) rules: Vec<Option<(Expr, Vec<usize>)>>,
}

/// A question that several rules have.
#[derive(Debug)]
pub(crate) struct Part {
    /// What is asked; it may read other parts.
    pub(crate) expr: Expr,
    /// These, in the order in which they are needed.
    needs: Vec<usize>,
}

impl Sharing {
    pub(crate) fn of(rules: &[(Option<&Expr>, When)]) -> Sharing {
        let mut census = Census::default();
        for (expr, when) in rules {
            if let Some(expr) = expr {
                census.count(expr, *when, Kinds::of(expr));
            }
        }
        let mut sharing = Sharing::default();
        let mut known = BTreeMap::new();
        for (expr, when) in rules {
            let Some(expr) = expr else {
                sharing.rules.push(None);
                continue;
            };
            let mut rewriter = Rewriter {
                census: &census,
                delay: when.1,
                kinds: Kinds::of(expr),
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

/// Names a part: what is asked, and how far back.
type Key = (String, DurationMs);

/// Where parts stand.
#[derive(Debug, Default)]
struct Census(BTreeMap<Key, Found>);

#[derive(Debug, Default)]
struct Found {
    /// The slots of the rules that hold it, each once.
    slots: Vec<Slots>,
    is_shared: bool,
}

impl Census {
    /// Notes the parts of a rule, the outer ones first. What stands in one that is shared is asked by it alone, so it is noted
    /// once.
    fn count(&mut self, expr: &Expr, when: When, kinds: Kinds) {
        if kinds.can_share(expr) {
            let found = self.0.entry((expr.to_string(), when.1)).or_default();
            let meets = found.slots.iter().any(|slots| slots.meet(when.0));
            if !found.slots.contains(&when.0) {
                found.slots.push(when.0);
            }
            if meets {
                found.is_shared = true;
                return;
            }
        }
        for child in inside(expr) {
            self.count(child, when, kinds);
        }
    }

    fn is_shared(&self, key: &Key) -> bool {
        self.0.get(key).is_some_and(|found| found.is_shared)
    }
}

/// The expressions directly inside that are asked at the same time and may be parts.
fn inside(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Subquery(_) => Vec::new(),
        ExprKind::Aggregate(aggregate) if chooses(aggregate.op) => Vec::new(),
        // What it adds labels to, it looks at by name.
        ExprKind::Call(call) if call.function.name == "info" => Vec::new(),
        _ => expr.children(),
    }
}

/// Whether it takes some of what it is given.
fn chooses(op: AggregateOp) -> bool {
    use AggregateOp::{Bottomk, LimitRatio, Limitk, Topk};
    matches!(op, Topk | Bottomk | Limitk | LimitRatio)
}

/// Which parts a rule may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    /// Whatever computes.
    All,
    /// Their results have the labels they show, whatever is done with them.
    Aggregations,
}

impl Kinds {
    fn of(expr: &Expr) -> Kinds {
        if mentions_name(expr) {
            Kinds::Aggregations
        } else {
            Kinds::All
        }
    }

    fn can_share(self, expr: &Expr) -> bool {
        let computes = match &expr.kind {
            ExprKind::Aggregate(aggregate) => !chooses(aggregate.op),
            ExprKind::Call(_) | ExprKind::Binary(_) => self == Kinds::All && is_of_one_name(expr),
            _ => false,
        };
        computes && expr.value_type() == ValueType::Vector && asks_by_name(expr)
    }
}

/// Whether it asks the store for something, and for metrics by their names only.
fn asks_by_name(expr: &Expr) -> bool {
    let names_metric = |s: &&VectorSelector| s.matchers.iter().any(|m| m.name() == METRIC_NAME);
    let selectors = selectors(expr);
    !selectors.is_empty() && selectors.iter().all(names_metric)
}

/// Whether each selector names one metric: series of two may become one when their names go, which is a mistake at the end
/// of an expression and none inside of it.
fn is_of_one_name(expr: &Expr) -> bool {
    let names_one = |s: &VectorSelector| {
        let mut names = s.matchers.iter().filter(|m| m.name() == METRIC_NAME);
        names.any(|m| m.op() == MatchOp::Equal)
    };
    selectors(expr).into_iter().all(names_one)
}

/// Whether `__name__` is used as a label: in a grouping, a matching, an argument. The parser bounds the depth.
fn mentions_name(expr: &Expr) -> bool {
    let among = |labels: &[String]| labels.iter().any(|label| label == METRIC_NAME);
    let here = match &expr.kind {
        ExprKind::String(text) => text == METRIC_NAME,
        ExprKind::Aggregate(aggregate) => match &aggregate.grouping {
            Grouping::By(labels) | Grouping::Without(labels) => among(labels),
        },
        ExprKind::Binary(binary) => binary
            .matching
            .as_ref()
            .is_some_and(|m| among(&m.labels) || among(&m.include)),
        _ => false,
    };
    here || expr.children().into_iter().any(mentions_name)
}

struct Rewriter<'a> {
    census: &'a Census,
    delay: DurationMs,
    kinds: Kinds,
    known: &'a mut BTreeMap<Key, usize>,
    parts: &'a mut Vec<Part>,
    used: Vec<usize>,
}

impl Rewriter<'_> {
    fn rewrite(&mut self, expr: &Expr) -> Expr {
        let key = (expr.to_string(), self.delay);
        if !self.kinds.can_share(expr) || !self.census.is_shared(&key) {
            return self.rewrite_inside(expr);
        }
        let id = match self.known.get(&key) {
            Some(id) => *id,
            None => self.add(key, expr),
        };
        for need in self.parts[id].needs.iter().copied().chain([id]) {
            if !self.used.contains(&need) {
                self.used.push(need);
            }
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

    /// Makes a part; what it reads of others stands before it.
    fn add(&mut self, key: Key, expr: &Expr) -> usize {
        let outside = std::mem::take(&mut self.used);
        let expr = self.rewrite_inside(expr);
        let needs = std::mem::replace(&mut self.used, outside);
        self.parts.push(Part { expr, needs });
        self.known.insert(key, self.parts.len() - 1);
        self.parts.len() - 1
    }

    fn rewrite_inside(&mut self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        match &mut expr.kind {
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => **inner = self.rewrite(inner),
            ExprKind::Binary(binary) => {
                *binary.lhs = self.rewrite(&binary.lhs);
                *binary.rhs = self.rewrite(&binary.rhs);
            }
            ExprKind::Aggregate(aggregate) if !chooses(aggregate.op) => {
                *aggregate.expr = self.rewrite(&aggregate.expr);
            }
            ExprKind::Call(call) if call.function.name != "info" => {
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
mod tests;
