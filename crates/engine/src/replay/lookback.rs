//! Which rules may be evaluated for many ticks at once, because their answer at a time depends on nothing later.
//!
//! A range query over a block of ticks gives at each of them what a query at that tick alone gives (`query` promises it), if
//! the samples read are the same. They are not when an expression looks forward (`offset -5m`), is pinned (`@`), depends on the
//! query's own ends (`step()`), or reads what the ticks in between write: series of alerts, or a recording rule that is itself
//! evaluated tick by tick.
//!
//! Objectives keep sums from tick to tick instead; those over slices may judge them ahead under the same conditions.

use bellwether_lang::promql::ast::{DurationExpr, Expr, ExprKind, Modifiers, VectorSelector};
use bellwether_lang::rules::{Indicator, RuleSet};
use bellwether_model::{DurationMs, METRIC_NAME, limits};

use crate::order::{Node, selectors};
use crate::overlay::ALERT_METRICS;
use crate::plan::Step;
use crate::sla::live::SLA_METRICS;

/// For each step of a plan, which are in order, whether it may be evaluated ahead.
pub(crate) fn may_look_ahead(rules: &RuleSet, steps: &[Step]) -> Vec<bool> {
    let may = |step: &Step| step.node.expr(rules).is_some_and(is_closed);
    let mut ahead: Vec<bool> = steps.iter().map(may).collect();
    // What is read tick by tick has to be written tick by tick, and the other way round.
    loop {
        let before = ahead.clone();
        for (writer, step) in steps.iter().enumerate() {
            let metrics: &[&str] = match step.node {
                Node::Record(i) => &[&rules.records[i].metric],
                Node::Sla(_) => &SLA_METRICS,
                Node::Alert(_) => continue,
            };
            let reads = |reader: &usize| {
                let node = steps[*reader].node;
                // What looks back only does not mind what is there of later times.
                let minds = !looks_back_only(node, rules);
                minds && metrics.iter().any(|metric| reads(node, rules, metric))
            };
            for reader in (0..steps.len()).filter(reads) {
                let both = ahead[writer] && ahead[reader];
                (ahead[writer], ahead[reader]) = (both, both);
            }
        }
        if ahead == before {
            return ahead;
        }
    }
}

/// For each step whether it is an objective whose slices may be judged ahead; `ahead` says which steps are evaluated ahead.
pub(crate) fn may_foresee(rules: &RuleSet, steps: &[Step], ahead: &[bool]) -> Vec<bool> {
    let may = |step: &Step| {
        let is_sliced = match step.node {
            Node::Sla(i) => matches!(rules.slas[i].indicator, Indicator::Sliced { .. }),
            Node::Record(_) | Node::Alert(_) => false,
        };
        let mut others = steps.iter().zip(ahead);
        is_sliced
            && looks_back_only(step.node, rules)
            && others.all(|(other, ahead)| *ahead || !reads_what(step.node, other.node, rules))
    };
    steps.iter().map(may).collect()
}

/// True when one rule reads what the other one writes.
pub(crate) fn reads_what(reader: Node, writer: Node, rules: &RuleSet) -> bool {
    let reads = |metric: &str| reads(reader, rules, metric);
    match writer {
        Node::Record(i) => reads(&rules.records[i].metric),
        Node::Sla(_) => SLA_METRICS.into_iter().any(reads),
        Node::Alert(_) => false,
    }
}

/// True of an objective when what it sees of a time depends on samples up to that time alone, those of alerts not among them.
fn looks_back_only(node: Node, rules: &RuleSet) -> bool {
    let Node::Sla(i) = node else {
        return false;
    };
    match &rules.slas[i].indicator {
        Indicator::Sliced { ok, .. } => is_closed(ok),
        Indicator::Counted { .. } => {
            let selectors = node.selectors(rules);
            selectors.iter().all(|selector| looks_back(&selector.at))
        }
    }
}

/// True when one of the rule's selectors may select the metric.
pub(crate) fn reads(node: Node, rules: &RuleSet, metric: &str) -> bool {
    let mut selectors = node.selectors(rules).into_iter();
    selectors.any(|s| may_select(s, metric))
}

fn may_select(selector: &VectorSelector, metric: &str) -> bool {
    let mut names = selector.matchers.iter().filter(|m| m.name() == METRIC_NAME);
    names.all(|m| m.matches(metric))
}

/// True when the value at a time depends on stored samples up to that time alone.
fn is_closed(expr: &Expr) -> bool {
    if selectors(expr).into_iter().any(|selector| {
        let names_metric = selector.matchers.iter().any(|m| m.name() == METRIC_NAME);
        !names_metric
            || ALERT_METRICS
                .iter()
                .any(|alert| may_select(selector, alert))
    }) {
        return false;
    }
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        let closed = match &expr.kind {
            ExprKind::StepValue(_) => false,
            ExprKind::Selector(selector) => looks_back(&selector.at),
            ExprKind::Range(range) => looks_back(&range.selector.at) && is_constant(&range.range),
            ExprKind::Subquery(subquery) => {
                looks_back(&subquery.at)
                    && is_constant(&subquery.range)
                    && subquery.step.as_ref().is_none_or(is_constant)
            }
            _ => true,
        };
        if !closed {
            return false;
        }
        todo.extend(expr.children());
    }
    true
}

fn looks_back(at: &Modifiers) -> bool {
    let back = match &at.offset {
        None => true,
        Some(DurationExpr::Const(offset)) => *offset >= DurationMs::ZERO,
        Some(DurationExpr::Dynamic(_)) => false,
    };
    back && at.at.is_none()
}

fn is_constant(duration: &DurationExpr) -> bool {
    matches!(duration, DurationExpr::Const(_))
}

/// How far back of its time the expression may read, when all its durations are constant.
pub(crate) fn reach(expr: &Expr) -> DurationMs {
    let constant = |duration: &DurationExpr| match duration {
        DurationExpr::Const(length) => length.0.max(0),
        DurationExpr::Dynamic(_) => 0,
    };
    let offset = |at: &Modifiers| at.offset.as_ref().map_or(0, constant);
    let own = match &expr.kind {
        ExprKind::Selector(selector) => {
            offset(&selector.at).saturating_add(limits::QUERY_LOOKBACK.millis())
        }
        ExprKind::Range(range) => offset(&range.selector.at).saturating_add(constant(&range.range)),
        ExprKind::Subquery(subquery) => {
            offset(&subquery.at).saturating_add(constant(&subquery.range))
        }
        _ => 0,
    };
    let below = expr.children().into_iter().map(|child| reach(child).0);
    DurationMs(own.saturating_add(below.max().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::Plan;
    use crate::slots::Spread;
    use crate::testing::rules;

    fn ahead(text: &str) -> Vec<String> {
        let plan = Plan::new(Arc::new(rules(text)), Spread::None).unwrap();
        let ahead = may_look_ahead(&plan.rules, &plan.steps);
        let names = plan.steps.iter().map(|step| step.node.name(&plan.rules));
        let marked = names.zip(ahead).filter(|(_, ahead)| *ahead);
        marked.map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn what_looks_forward_or_at_alerts_goes_tick_by_tick() {
        let rule = |name: &str, expr: &str| format!("alert {name}\n  expr {expr}\n  info > 1\n");
        let text = [
            rule("Plain", "rate(x[5m]) / x offset 1h"),
            rule("Forward", "x offset -1m"),
            rule("Pinned", "x @ 100"),
            rule("Alerts", "count(ALERTS)"),
            rule("Any", "count({job=\"a\"})"),
            rule("Sub", "max_over_time(sum(x)[1h:1m])"),
        ];
        assert_eq!(ahead(&text.concat()), ["Plain", "Sub"]);
    }

    #[test]
    fn writers_and_readers_go_together() {
        let record = |name: &str, expr: &str| format!("record {name}\n  expr {expr}\n");
        let text = [
            record("a:x", "x"),
            record("b:x", "a:x"),
            record("c:x", "sum(x)"),
            "alert OnAll\n  expr {__name__=~\"b:.*\",job=\"a\"} or count(ALERTS)\n  info > 1\n"
                .to_owned(),
            "alert OnC\n  expr c:x\n  info > 1\n".to_owned(),
        ];
        assert_eq!(ahead(&text.concat()), ["c:x", "OnC"]);
    }

    #[test]
    fn slices_are_judged_ahead_when_all_they_read_is_there() {
        let sla = |name: &str, ok: &str| {
            format!("sla {name}\n  objective 99% over 1d\n  ok {ok}\n  slice 1m\n")
        };
        let text = [
            "record a:x\n  expr x\nrecord b:x\n  expr count(ALERTS)\n".to_owned(),
            "alert OnA\n  expr a:x\n  info > 1\n".to_owned(),
            sla("plain", "x > 1"),
            sla("recorded", "a:x > 1"),
            sla("late", "b:x > 1"),
            sla("forward", "x offset -1m > 1"),
            sla("budget", "sla:ratio{sla=\"plain\"} > 1"),
        ];
        let plan = Plan::new(Arc::new(rules(&text.concat())), Spread::None).unwrap();
        let ahead = may_look_ahead(&plan.rules, &plan.steps);
        let foresees = may_foresee(&plan.rules, &plan.steps, &ahead);
        let named = |marks: &[bool]| -> Vec<String> {
            let names = plan.steps.iter().map(|step| step.node.name(&plan.rules));
            let marked = names.zip(marks).filter(|(_, mark)| **mark);
            marked.map(|(name, _)| name.to_owned()).collect()
        };
        // That an objective reads `a:x`, too, changes nothing for the others.
        let (mut ahead, mut foresees) = (named(&ahead), named(&foresees));
        ahead.sort();
        foresees.sort();
        assert_eq!(ahead, ["OnA", "a:x"]);
        assert_eq!(foresees, ["plain", "recorded"]);
    }

    #[test]
    fn reach_adds_up_along_the_tree() {
        let reach_of = |expr: &str| {
            let rules = rules(&format!("record x:y\n  expr {expr}\n"));
            reach(&rules.records[0].expr).to_string()
        };
        assert_eq!(reach_of("x"), "5m");
        assert_eq!(reach_of("rate(x[1h] offset 2h) + y"), "3h");
        assert_eq!(
            reach_of("max_over_time(sum(rate(x[5m]))[1h:] offset 1h)"),
            "2h5m"
        );
    }
}
