//! Which labels the metrics have that the imported rules record: what texts may name follows from it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bellwether_lang::promql::Expr;
use bellwether_lang::rules::{Produced, produced};
use bellwether_model::limits;

use super::RuleFile;
use super::read::{Group, Rule, RuleKind};

/// Every record of an import, by metric.
pub(super) struct Metrics<'r> {
    by_name: BTreeMap<&'r str, Vec<(&'r Group<'r>, &'r Rule<'r>)>>,
    /// `None`: being worked out, or in a circle.
    known: RefCell<BTreeMap<&'r str, Option<Produced>>>,
}

impl<'r> Metrics<'r> {
    pub(super) fn new(files: &'r [RuleFile<'r>]) -> Metrics<'r> {
        let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for group in files.iter().flat_map(|file| &file.groups) {
            for rule in group.rules.iter().filter(|r| r.kind == RuleKind::Record) {
                by_name.entry(rule.name).or_default().push((group, rule));
            }
        }
        Metrics {
            by_name,
            known: RefCell::default(),
        }
    }

    /// The labels that a result of `expr` can have.
    pub(super) fn labels(&self, expr: &Expr) -> Produced {
        produced(expr, &|metric| self.recorded(metric))
    }

    fn recorded(&self, metric: &str) -> Option<Produced> {
        let (name, rules) = self.by_name.get_key_value(metric)?;
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        // Each metric on the way has an entry without an answer; a long way is not worth a deep stack.
        let open = self.known.borrow().values().filter(|k| k.is_none()).count();
        if open > limits::QUERY_DEPTH_MAX.usize() {
            return None;
        }
        self.known.borrow_mut().insert(name, None);
        let mut all = Produced::none();
        for (group, rule) in rules {
            let mut labels = self.labels(&rule.expr);
            for pair in group.labels.iter().chain(&rule.labels) {
                labels = labels.with(pair.name);
            }
            all = all.union(labels);
        }
        self.known.borrow_mut().insert(name, Some(all.clone()));
        Some(all)
    }
}
