//! The plan with what was seen of it, as nodes to show.

use super::watch::Watch;
use super::{Fate, PlanNode, label};
use crate::plan::{Kernel, Kind, Node, Plan, Series, SubqueryInput};
use crate::steps::Grid;

/// The whole plan, evaluated at `grid`.
pub(super) fn tree(plan: &Plan, grid: Grid, watch: &Watch<'_>) -> PlanNode {
    // Only what is inside a node that was done can have been streamed.
    Drawer { plan, watch }.node(&plan.root, grid, Fate::NotRun)
}

struct Drawer<'a> {
    plan: &'a Plan,
    watch: &'a Watch<'a>,
}

impl Drawer<'_> {
    /// A node at the steps of `grid`, inside one with the fate `above`.
    fn node(&self, node: &Node, grid: Grid, above: Fate) -> PlanNode {
        let grid = if node.invariant {
            grid.first_only()
        } else {
            grid
        };
        let fate = match self.watch.of(node) {
            Some(seen) => Fate::Done {
                series: seen.rows,
                time: seen.time,
            },
            None => inside(above),
        };
        let below = |inner: &Node| self.node(inner, grid, fate);
        let drawn = leaf(label::node(node, &self.plan.reads), grid, fate);
        let (read, inputs) = match &node.kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Time => (None, Vec::new()),
            Kind::ScalarOp { lhs, rhs, .. }
            | Kind::ScalarPick { lhs, rhs, .. }
            | Kind::Binary { lhs, rhs, .. } => (None, vec![below(lhs), below(rhs)]),
            Kind::ToScalar(arg) | Kind::Absent { arg, .. } => (None, vec![below(arg)]),
            Kind::Series(series) => self.series(series, grid, fate),
            Kind::RawRange { read, .. } => (Some(*read), Vec::new()),
            Kind::OverSubquery { params, input, .. } => {
                let mut subquery = leaf(label::subquery(input), input.steps(grid), inside(fate));
                subquery.inputs = vec![self.inner(input, grid, fate)];
                let params = label::varying(params).map(below);
                (None, std::iter::once(subquery).chain(params).collect())
            }
            Kind::RawSubquery(input) => (None, vec![self.inner(input, grid, fate)]),
            Kind::Map { arg, params, .. } => {
                let params = label::varying(params).map(below);
                (None, std::iter::once(below(arg)).chain(params).collect())
            }
            Kind::Aggregate { param, arg, .. } => {
                let param = label::varying(param.as_deref()).map(below);
                (None, std::iter::once(below(arg)).chain(param).collect())
            }
            Kind::Info(info) => (None, vec![below(&info.base), below(&info.joined)]),
            Kind::Call { args, .. } => (None, label::varying(args).map(below).collect()),
        };
        PlanNode {
            read,
            inputs,
            ..drawn
        }
    }

    /// What a selector reads; with a function over it, the selector is an input of its own.
    fn series(&self, series: &Series, grid: Grid, fate: Fate) -> (Option<usize>, Vec<PlanNode>) {
        let Kernel::Window { params, .. } = &series.kernel else {
            return (Some(series.read), Vec::new());
        };
        let label = label::selector(&self.plan.reads[series.read], series.shift);
        let selector = PlanNode {
            read: Some(series.read),
            ..leaf(label, grid, inside(fate))
        };
        let params = label::varying(params).map(|param| self.node(param, grid, fate));
        (None, std::iter::once(selector).chain(params).collect())
    }

    fn inner(&self, input: &SubqueryInput, grid: Grid, fate: Fate) -> PlanNode {
        self.node(&input.inner, input.steps(grid), fate)
    }
}

/// What became of a part that is never evaluated by itself.
fn inside(above: Fate) -> Fate {
    match above {
        Fate::Done { .. } | Fate::Streamed => Fate::Streamed,
        Fate::NotRun => Fate::NotRun,
    }
}

fn leaf(label: String, grid: Grid, fate: Fate) -> PlanNode {
    PlanNode {
        label,
        steps: grid.count,
        step: grid.step,
        fate,
        read: None,
        inputs: Vec::new(),
    }
}
