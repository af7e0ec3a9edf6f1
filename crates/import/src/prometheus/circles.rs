//! Records that read their own result, directly or by way of others.
//!
//! In Prometheus such a rule sees what the evaluation before has left. Here rules run in the order in which they read
//! each other, and a circle has none.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{ExprKind, VectorSelector};
use bellwether_model::METRIC_NAME;

/// A record: its metric, and the expressions that make it.
pub(super) struct Reader<'r> {
    pub(super) metric: &'r str,
    pub(super) exprs: &'r [Expr],
}

/// The positions of those in a circle, or between two circles.
pub(super) fn circles(records: &[Reader<'_>]) -> BTreeSet<usize> {
    let mut by_metric: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        by_metric.entry(record.metric).or_default().push(at);
    }
    let mut reads: Vec<BTreeSet<usize>> = Vec::with_capacity(records.len());
    for record in records {
        let mut found = BTreeSet::new();
        for expr in record.exprs {
            collect(expr, &by_metric, &mut found);
        }
        reads.push(found);
    }
    let mut left: BTreeSet<usize> = (0..records.len()).collect();
    // Whoever reads nobody that is left, and then whoever is read by nobody, is in no circle.
    drop_free(&mut left, &reads);
    let mut readers = vec![BTreeSet::new(); records.len()];
    for (reader, read) in reads.iter().enumerate() {
        for source in read {
            readers[*source].insert(reader);
        }
    }
    drop_free(&mut left, &readers);
    left
}

/// Takes out what has no edge to anything that is left, until nothing has none.
fn drop_free(left: &mut BTreeSet<usize>, edges: &[BTreeSet<usize>]) {
    let mut back = vec![Vec::new(); edges.len()];
    let mut open = vec![0_usize; edges.len()];
    for from in left.iter() {
        for to in edges[*from].iter().filter(|to| left.contains(to)) {
            back[*to].push(*from);
            open[*from] += 1;
        }
    }
    let mut free: Vec<usize> = left.iter().copied().filter(|at| open[*at] == 0).collect();
    while let Some(at) = free.pop() {
        left.remove(&at);
        for from in &back[at] {
            open[*from] -= 1;
            if open[*from] == 0 {
                free.push(*from);
            }
        }
    }
}

/// Adds the records that an expression reads.
fn collect(expr: &Expr, recorded: &BTreeMap<&str, Vec<usize>>, into: &mut BTreeSet<usize>) {
    match &expr.kind {
        ExprKind::Selector(selector) => read(selector, recorded, into),
        ExprKind::Range(range) => read(&range.selector, recorded, into),
        _ => {}
    }
    for child in expr.children() {
        collect(child, recorded, into);
    }
}

fn read(
    selector: &VectorSelector,
    recorded: &BTreeMap<&str, Vec<usize>>,
    into: &mut BTreeSet<usize>,
) {
    let names = selector.matchers.iter().filter(|m| m.name() == METRIC_NAME);
    let names: Vec<_> = names.collect();
    if let Some(name) = &selector.name {
        into.extend(recorded.get(name.as_str()).into_iter().flatten());
    } else if !names.is_empty() {
        let fits = |metric: &str| names.iter().all(|m| m.matches(metric));
        let found = recorded.iter().filter(|(metric, _)| fits(metric));
        into.extend(found.flat_map(|(_, records)| records));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_and_their_readers_are_not() {
        let texts = [
            ("a", "b + 1"),
            ("b", "sum(a)"),
            ("c", "c offset 1m"),
            ("d", "a + x"),
            ("e", "x"),
            ("f", "{__name__=~\"f|g\"}"),
        ];
        let exprs: Vec<Vec<Expr>> = texts
            .iter()
            .map(|(_, text)| vec![bellwether_lang::promql::parse(text).unwrap()])
            .collect();
        let records: Vec<Reader<'_>> = texts
            .iter()
            .zip(&exprs)
            .map(|((metric, _), exprs)| Reader { metric, exprs })
            .collect();
        assert_eq!(circles(&records), BTreeSet::from([0, 1, 2, 5]));
    }
}
