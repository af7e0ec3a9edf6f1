//! Rows and time of each node, told by the evaluator while it walks the plan.

use std::cell::RefCell;
use std::time::Duration;

use bellwether_model::HashMap;

use crate::error::QueryError;
use crate::plan::Node;

/// Watches one evaluation.
pub(crate) struct Watch<'a> {
    clock: &'a dyn Fn() -> Duration,
    /// By where the node stands: a plan does not move while it is evaluated.
    seen: RefCell<HashMap<usize, Seen>>,
}

/// What was seen of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Rows of its value.
    pub(super) rows: usize,
    /// From its beginning to its end.
    pub(super) time: Duration,
}

impl<'a> Watch<'a> {
    pub(super) fn new(clock: &'a dyn Fn() -> Duration) -> Watch<'a> {
        Watch {
            clock,
            seen: RefCell::default(),
        }
    }

    /// Evaluates `node` by `evaluate`. One that fails counts as not seen.
    pub(crate) fn evaluation<T>(
        &self,
        node: &Node,
        rows: impl FnOnce(&T) -> usize,
        evaluate: impl FnOnce() -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let begun = (self.clock)();
        let value = evaluate()?;
        let seen = Seen {
            rows: rows(&value),
            time: (self.clock)().saturating_sub(begun),
        };
        self.seen.borrow_mut().insert(place(node), seen);
        Ok(value)
    }

    pub(super) fn of(&self, node: &Node) -> Option<Seen> {
        self.seen.borrow().get(&place(node)).copied()
    }
}

fn place(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}
