//! What a query does and what it costs: its plan as a tree, with what each node made, read and took.
//!
//! The query runs as it always does, watched: the source is wrapped by one that counts (`counted`), and the evaluator tells
//! a [`Watch`] when it begins and ends a node. A query that nobody watches pays for neither. A query that hits a
//! limit is explained up to there.
//!
//! - `watch`: rows and time of each node. `counted`: series and samples of each read.
//! - `tree`: the plan and these figures as nodes to show; `label`: what a node is called.
//! - `json`: all of it as the API answers it.
//!
//! Not here: a clock. Whoever asks brings one, or does without times.

mod counted;
mod json;
mod label;
mod tree;
pub(crate) mod watch;

use std::time::Duration;

use bellwether_lang::promql::Expr;
use bellwether_model::TimeRange;

use crate::answer::{Options, Stats, When, stats, value};
use crate::control::Control;
use crate::error::QueryError;
use crate::eval::Evaluator;
use crate::plan::plan;
use crate::source::Source;
use counted::Counted;
use watch::Watch;

/// A query explained.
#[derive(Debug)]
pub struct Explanation {
    /// The whole expression.
    pub plan: PlanNode,
    /// What the selectors ask the source for. Selectors of the same matchers over touching times share one.
    pub reads: Vec<PlanRead>,
    /// What the query took altogether.
    pub stats: Stats,
    /// How long the evaluation took.
    pub time: Duration,
    /// Why there would be no answer: a limit that was hit, say. Nodes that were not reached are [`Fate::NotRun`].
    pub error: Option<QueryError>,
    /// The warnings of the answer.
    pub warnings: Vec<String>,
    /// The infos of the answer.
    pub infos: Vec<String>,
}

/// A part of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanNode {
    /// What it does, close to how it is written: `sum by (job)`, `rate [5m]`, `up{job="x"}`.
    pub label: String,
    /// How many times it is evaluated at. One, where the value is the same at all steps.
    pub steps: usize,
    /// The time between two steps, milliseconds. Of no meaning for one step.
    pub step: i64,
    /// What became of it.
    pub fate: Fate,
    /// Which of [`Explanation::reads`] a selector takes its samples from.
    pub read: Option<usize>,
    /// What it is made of.
    pub inputs: Vec<PlanNode>,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Evaluated as a whole.
    Done {
        /// Series of its value; 1 for a scalar.
        series: usize,
        /// How long it took, with what it is made of.
        time: Duration,
    },
    /// Evaluated row by row inside the node above: its value was never there as a whole.
    Streamed,
    /// Not reached, or not finished: the query ended before.
    NotRun,
}

/// What is asked of the source, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRead {
    /// The series asked for, as a selector.
    pub selector: String,
    /// The times that samples are needed of, ends included.
    pub range: TimeRange,
    /// How many selectors share it.
    pub selectors: usize,
    /// How many series match by their labels, whenever they have samples; `None` for a source that cannot tell beforehand.
    pub estimated: Option<usize>,
    /// How many series came.
    pub series: usize,
    /// Samples read of them.
    pub samples: u64,
    /// Samples that stood for themselves as figures kept beside them (minimum, sum, count), and so were not read.
    pub samples_from_zones: u64,
}

/// Evaluates `expr` and tells what that took. `clock` is the time since any moment; a clock that stands still costs the times only.
///
/// Errors when the query makes no sense at all, or was stopped; what an answer lacks otherwise is [`Explanation::error`].
pub fn explain(
    expr: &Expr,
    source: &dyn Source,
    when: When,
    options: &Options,
    control: &Control,
    clock: &dyn Fn() -> Duration,
) -> Result<Explanation, QueryError> {
    let begun = clock();
    let grid = when.grid(options)?;
    let plan = plan(expr, grid, when.end(), options)?;
    let (counted, watch) = (Counted::new(source, &plan.reads), Watch::new(clock));
    let eval = Evaluator::new(&plan, &counted, options, control).watched(&watch);
    let error = value(expr.value_type(), &plan.root, when, grid, &eval).err();
    let time = clock().saturating_sub(begun);
    if let Some(stopped @ (QueryError::Timeout | QueryError::Cancelled)) = error {
        return Err(stopped);
    }
    let stats = stats(&eval);
    let (warnings, infos) = eval.into_notes().into_texts(options.text.as_deref());
    Ok(Explanation {
        plan: tree::tree(&plan, grid, &watch),
        reads: counted.reads(),
        stats,
        time,
        error,
        warnings,
        infos,
    })
}

pub use json::write_explanation;
