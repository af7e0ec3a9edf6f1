//! The order of rules inside a tick: who reads what others record runs after them.
//!
//! A rule reads a recorded series when one of its selectors has a matcher on the metric's name and all
//! such matchers accept the recorded name. A selector that names no metric makes no dependency, or every
//! `{job="api"}` would depend on everything; it sees what has been recorded before its turn.
//! The series that the engine writes about alerts (`ALERTS` and its like) make no dependency either:
//! they can be read from the next tick on.
//!
//! Promises: the order is a function of the rule set alone; a circle is an error that names its members.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::ast::{Expr, ExprKind, VectorSelector};
use bellwether_lang::rules::{Indicator, RuleSet};
use bellwether_model::{METRIC_NAME, Matcher};

use crate::sla::live::SLA_METRICS;

/// Rules that read each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rules read each other in a circle: {}", members.join(" -> "))]
pub struct Circle {
    /// The members in reading order: each is read by the next, the first one stands at the end again.
    pub members: Vec<String>,
}

/// A rule by its place in the rule set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    /// `rules.records[i]`
    Record(usize),
    /// `rules.slas[i]`
    Sla(usize),
    /// `rules.alerts[i]`
    Alert(usize),
}

impl Node {
    pub(crate) fn name(self, rules: &RuleSet) -> &str {
        match self {
            Node::Record(i) => &rules.records[i].metric,
            Node::Sla(i) => &rules.slas[i].name,
            Node::Alert(i) => &rules.alerts[i].name,
        }
    }

    /// What it asks; `None` for an objective, which asks for windows of its own.
    pub(crate) fn expr(self, rules: &RuleSet) -> Option<&Expr> {
        match self {
            Node::Record(i) => Some(&rules.records[i].expr),
            Node::Sla(_) => None,
            Node::Alert(i) => Some(&rules.alerts[i].expr),
        }
    }

    /// Every selector of what it reads.
    pub(crate) fn selectors(self, rules: &RuleSet) -> Vec<&VectorSelector> {
        match self {
            Node::Record(i) => selectors(&rules.records[i].expr),
            Node::Alert(i) => selectors(&rules.alerts[i].expr),
            Node::Sla(i) => match &rules.slas[i].indicator {
                Indicator::Sliced { ok, .. } => selectors(ok),
                Indicator::Counted { events, total, .. } => {
                    let counters = events.0.iter().chain(&total.0);
                    counters.map(|counter| &counter.selector).collect()
                }
            },
        }
    }
}

/// Every rule in an order in which it may be evaluated, each with the name of its component: the
/// least name among the rules it is connected with.
pub(crate) fn order(rules: &RuleSet) -> Result<Vec<(Node, String)>, Circle> {
    let graph = Graph::of(rules);
    let sequence = graph.sequence().map_err(|members| Circle {
        members: members
            .into_iter()
            .map(|i| graph.nodes[i].name(rules).to_owned())
            .collect(),
    })?;
    let components = graph.components(rules);
    Ok(sequence
        .into_iter()
        .map(|i| (graph.nodes[i], components[i].clone()))
        .collect())
}

/// Checks that no rules read each other in a circle.
pub fn check(rules: &RuleSet) -> Result<(), Circle> {
    order(rules).map(|_| ())
}

struct Graph {
    nodes: Vec<Node>,
    /// Of each node those that read it.
    readers: Vec<BTreeSet<usize>>,
}

impl Graph {
    fn of(rules: &RuleSet) -> Graph {
        let records = (0..rules.records.len()).map(Node::Record);
        let alerts = (0..rules.alerts.len()).map(Node::Alert);
        let slas = (0..rules.slas.len()).map(Node::Sla);
        let nodes: Vec<Node> = records.chain(slas).chain(alerts).collect();
        let mut recorded: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, node) in nodes.iter().enumerate() {
            match node {
                Node::Record(record) => recorded
                    .entry(&rules.records[*record].metric)
                    .or_default()
                    .push(i),
                Node::Sla(_) => SLA_METRICS
                    .iter()
                    .for_each(|metric| recorded.entry(metric).or_default().push(i)),
                Node::Alert(_) => {}
            }
        }
        // A selector that names an objective reads no other one.
        let is_read = |selector: &VectorSelector, writer: usize| match nodes[writer] {
            Node::Sla(i) => {
                let mut names = selector.matchers.iter().filter(|m| m.name() == "sla");
                names.all(|m| m.matches(&rules.slas[i].name))
            }
            Node::Record(_) | Node::Alert(_) => true,
        };
        let mut readers = vec![BTreeSet::new(); nodes.len()];
        for (reader, node) in nodes.iter().enumerate() {
            for selector in node.selectors(rules) {
                let sources = read_by(selector, &recorded).into_iter();
                for source in sources.filter(|source| is_read(selector, *source)) {
                    readers[source].insert(reader);
                }
            }
        }
        Graph { nodes, readers }
    }

    /// Kahn's algorithm, the earliest node first; an error is a circle of nodes.
    fn sequence(&self) -> Result<Vec<usize>, Vec<usize>> {
        let mut waits_for = vec![0usize; self.nodes.len()];
        self.readers
            .iter()
            .flatten()
            .for_each(|&r| waits_for[r] += 1);
        let mut ready: BTreeSet<usize> = (0..self.nodes.len())
            .filter(|&i| waits_for[i] == 0)
            .collect();
        let mut sequence = Vec::with_capacity(self.nodes.len());
        while let Some(node) = ready.pop_first() {
            sequence.push(node);
            for &reader in &self.readers[node] {
                waits_for[reader] -= 1;
                if waits_for[reader] == 0 {
                    ready.insert(reader);
                }
            }
        }
        if sequence.len() == self.nodes.len() {
            return Ok(sequence);
        }
        let left = (0..self.nodes.len()).filter(|&i| waits_for[i] > 0);
        Err(self.circle(left.collect()))
    }

    /// One circle among nodes of which each waits for another one of them.
    fn circle(&self, left: BTreeSet<usize>) -> Vec<usize> {
        // Going against the reading direction never leaves `left`, so it must come round.
        let source_of = |node: usize| {
            left.iter()
                .copied()
                .find(|&source| self.readers[source].contains(&node))
        };
        let mut path: Vec<usize> = left.first().copied().into_iter().collect();
        while let Some(source) = path.last().copied().and_then(source_of) {
            if let Some(start) = path.iter().position(|&n| n == source) {
                path.drain(..start);
                path.push(source);
                path.reverse();
                return path;
            }
            path.push(source);
        }
        path
    }

    /// Of each node the least name in its component.
    fn components(&self, rules: &RuleSet) -> Vec<String> {
        let mut neighbours = self.readers.clone();
        for (source, readers) in self.readers.iter().enumerate() {
            for &reader in readers {
                neighbours[reader].insert(source);
            }
        }
        let mut names: Vec<Option<String>> = vec![None; self.nodes.len()];
        for start in 0..self.nodes.len() {
            if names[start].is_some() {
                continue;
            }
            let mut members = BTreeSet::from([start]);
            let mut todo = vec![start];
            while let Some(node) = todo.pop() {
                for &next in &neighbours[node] {
                    if members.insert(next) {
                        todo.push(next);
                    }
                }
            }
            let least = members.iter().map(|&i| self.nodes[i].name(rules)).min();
            let least = least.unwrap_or_default().to_owned();
            for member in members {
                names[member] = Some(least.clone());
            }
        }
        names.into_iter().map(Option::unwrap_or_default).collect()
    }
}

/// Every selector of an expression.
pub(crate) fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    let mut found = Vec::new();
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        match &expr.kind {
            ExprKind::Selector(selector) => found.push(selector),
            ExprKind::Range(range) => found.push(&range.selector),
            _ => todo.extend(expr.children()),
        }
    }
    found
}

/// The rules whose metric the selector asks for by name.
fn read_by(selector: &VectorSelector, recorded: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
    let names: Vec<&Matcher> = selector
        .matchers
        .iter()
        .filter(|m| m.name() == METRIC_NAME)
        .collect();
    let asks_for = |metric: &str| names.iter().all(|m| m.matches(metric));
    match names.iter().find_map(|m| m.literals()) {
        _ if names.is_empty() => Vec::new(),
        Some(literals) => literals
            .into_iter()
            .filter(|metric| asks_for(metric))
            .filter_map(|metric| recorded.get(metric))
            .flatten()
            .copied()
            .collect(),
        None => recorded
            .iter()
            .filter(|(metric, _)| asks_for(metric))
            .flat_map(|(_, records)| records)
            .copied()
            .collect(),
    }
}

/// True when the expression asks for the absence of something.
pub(crate) fn asks_for_absence(expr: &Expr) -> bool {
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        if let ExprKind::Call(call) = &expr.kind
            && matches!(call.function.name, "absent" | "absent_over_time")
        {
            return true;
        }
        todo.extend(expr.children());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rules;

    fn names(text: &str) -> Vec<(String, String)> {
        let rules = rules(text);
        let order = order(&rules).unwrap();
        order
            .into_iter()
            .map(|(node, component)| (node.name(&rules).to_owned(), component))
            .collect()
    }

    #[test]
    fn readers_run_after_what_they_read() {
        let order = names(
            "record c:z\n  expr sum(b:y)\nrecord b:y\n  expr sum(rate(a:x[5m]))\n\
             record a:x\n  expr up\nrecord lone:x\n  expr up\n\
             alert Reads\n  expr {__name__=~\"c:.*\"}\n  info > 1\n",
        );
        let order: Vec<(&str, &str)> = order.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        assert_eq!(
            order,
            [
                ("a:x", "Reads"),
                ("b:y", "Reads"),
                ("c:z", "Reads"),
                ("lone:x", "lone:x"),
                ("Reads", "Reads"),
            ]
        );
    }

    #[test]
    fn a_circle_is_an_error_that_names_its_members() {
        // The check of the language refuses circles, so this one is made behind its back.
        let names = ["x:a", "x:b", "x:c", "x:after"];
        let text = names.map(|name| format!("record {name}\n  expr up\n"));
        let mut rules = rules(&text.concat());
        for (record, expr) in rules
            .records
            .iter_mut()
            .zip(["x:c", "x:a", "x:b + up", "x:c"])
        {
            record.expr = bellwether_lang::promql::parse(expr).unwrap();
        }
        let circle = check(&rules).unwrap_err();
        assert_eq!(
            circle.to_string(),
            "rules read each other in a circle: x:a -> x:b -> x:c -> x:a"
        );
    }

    #[test]
    fn a_circle_through_an_objective_is_one() {
        let mut rules = rules(
            "record api:errors\n  expr up\nsla api\n  objective 99% over 30d\n  bad api:errors\n  total requests_total\n",
        );
        for (expr, is_circle) in [
            ("sla:ratio{sla=\"api\"}", true),
            ("sum(sla:burn:ratio)", true),
            ("sla:ratio{sla=\"other\"}", false),
        ] {
            rules.records[0].expr = bellwether_lang::promql::parse(expr).unwrap();
            let said = check(&rules).map_err(|circle| circle.to_string());
            let circle = "rules read each other in a circle: api:errors -> api -> api:errors";
            let want = if is_circle {
                Err(circle.to_owned())
            } else {
                Ok(())
            };
            assert_eq!(said, want, "{expr}");
        }
    }

    #[test]
    fn a_selector_without_a_name_depends_on_nothing() {
        let rules = rules("record x:count\n  expr count({job=\"a\"})\n");
        assert_eq!(check(&rules), Ok(()));
    }

    #[test]
    fn absence_is_found_anywhere_in_the_expression() {
        let asks = |expr: &str| {
            let rules = rules(&format!("record x:y\n  expr {expr}\n"));
            asks_for_absence(&rules.records[0].expr)
        };
        assert!(asks("absent(up)"));
        assert!(asks("sum(1 + (absent_over_time(up[5m])))"));
        assert!(!asks("sum(up)"));
    }
}
