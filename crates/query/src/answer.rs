//! The two questions, and their answers.

use std::sync::Arc;

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::ValueType;
use bellwether_model::{DurationMs, Labels, Sample, TimestampMs, limits};

use crate::control::Control;
use crate::error::QueryError;
use crate::eval::{Evaluator, RangeVector};
use crate::mask;
use crate::notes::Notes;
use crate::plan::{Node, plan};
use crate::source::{Columns, Source};
use crate::steps::{Grid, Steps};
use crate::vector::Vector;

/// How a query is evaluated, and what it may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// How old the newest sample of a series may be, left-open.
    pub lookback: DurationMs,
    /// The step of a subquery that names none.
    pub subquery_step: DurationMs,
    /// The most series one selector may match.
    pub series_max: usize,
    /// The most samples the query may read.
    pub samples_max: u64,
    /// The most steps of a range query: it has one point more.
    pub points_max: usize,
    /// The most bytes of columns held at a time.
    pub memory_max: usize,
    /// Threads that share the work, the caller's among them. Results do not depend on it.
    pub threads: usize,
    /// Let what the source knows of stretches of samples stand for them. Results do not depend on it.
    pub zones: bool,
    /// The text the expression was parsed from, to place notes by line and column.
    pub text: Option<Arc<str>>,
}

impl Default for Options {
    /// The limits of the table, two threads.
    fn default() -> Options {
        Options {
            lookback: DurationMs(limits::QUERY_LOOKBACK.millis()),
            subquery_step: DurationMs(limits::QUERY_SUBQUERY_STEP.millis()),
            series_max: limits::QUERY_SERIES_MAX.usize(),
            samples_max: limits::QUERY_SAMPLES_MAX.value,
            points_max: limits::QUERY_POINTS_MAX.usize(),
            memory_max: limits::QUERY_MEMORY_MAX.usize(),
            threads: 2,
            zones: true,
            text: None,
        }
    }
}

/// What came out.
#[derive(Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Notes about what is probably wrong or missing.
    pub warnings: Vec<String>,
    /// Notes worth knowing.
    pub infos: Vec<String>,
    /// What it took.
    pub stats: Stats,
}

/// What a query took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series selected.
    pub series: usize,
    /// Samples read.
    pub samples: u64,
    /// The most samples held at a time: the most memory, counted in samples of a time and a value.
    pub peak_samples: u64,
}

/// What a sample takes in memory: its time and its value.
const SAMPLE_BYTES: usize = 16;

/// The value of an expression.
#[derive(Debug)]
pub enum Value {
    /// One number, at the time of the query.
    Scalar(Sample),
    /// A text, at the time of the query.
    String(TimestampMs, String),
    /// One sample a series. Ordered when the expression asks for an order.
    Vector(Vec<(Labels, Sample)>),
    /// Samples of several times a series, sorted by labels.
    Matrix(Matrix),
}

/// Series with samples of several times, sorted by labels.
#[derive(Debug)]
pub struct Matrix(Rows);

#[derive(Debug)]
enum Rows {
    /// The answer to a range query: rows in this order.
    Steps {
        grid: Grid,
        vector: Vector,
        order: Vec<usize>,
    },
    /// A range vector: samples as they are stored. Names are those shown.
    Samples(RangeVector),
}

impl Matrix {
    /// Number of series.
    pub fn len(&self) -> usize {
        match &self.0 {
            Rows::Steps { order, .. } => order.len(),
            Rows::Samples(vector) => vector.rows.len(),
        }
    }

    /// True without any series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of a series; `index` is below [`Matrix::len`].
    pub fn labels(&self, index: usize) -> &Labels {
        match &self.0 {
            Rows::Steps { vector, order, .. } => &vector.name(order[index]).labels,
            Rows::Samples(vector) => &vector.rows[index].0.labels,
        }
    }

    /// Calls `visit` with the samples of a series in order of time; `index` is below [`Matrix::len`].
    pub fn for_each(&self, index: usize, mut visit: impl FnMut(TimestampMs, f64)) {
        match &self.0 {
            Rows::Steps {
                grid,
                vector,
                order,
            } => {
                let values = vector.values(order[index]);
                for step in mask::ones(vector.mask(order[index])) {
                    visit(TimestampMs(grid.time(step)), values[step]);
                }
            }
            Rows::Samples(vector) => {
                let Columns { times, values } = &vector.rows[index].1;
                for (t, v) in times.iter().zip(values) {
                    visit(TimestampMs(*t), *v);
                }
            }
        }
    }

    /// The times that samples can have, when they are the same for all series.
    pub(crate) fn times(&self) -> Option<impl Iterator<Item = TimestampMs>> {
        match &self.0 {
            Rows::Steps { grid, .. } => {
                let grid = *grid;
                Some((0..grid.count).map(move |step| TimestampMs(grid.time(step))))
            }
            Rows::Samples(_) => None,
        }
    }

    /// Number of points of all series.
    pub(crate) fn points(&self) -> usize {
        match &self.0 {
            Rows::Steps { vector, order, .. } => {
                order.iter().map(|row| mask::count(vector.mask(*row))).sum()
            }
            Rows::Samples(vector) => vector.rows.iter().map(|(_, c)| c.times.len()).sum(),
        }
    }

    /// As [`Matrix::for_each`], with the index into [`Matrix::times`] instead of the time.
    pub(crate) fn for_each_step(&self, index: usize, mut visit: impl FnMut(usize, f64)) {
        if let Rows::Steps { vector, order, .. } = &self.0 {
            let values = vector.values(order[index]);
            mask::ones(vector.mask(order[index])).for_each(|step| visit(step, values[step]));
        }
    }

    /// The samples of a series as columns; `index` is below [`Matrix::len`].
    pub fn columns(&self, index: usize) -> Columns {
        let mut columns = Columns::default();
        self.for_each(index, |t, v| {
            columns.times.push(t.0);
            columns.values.push(v);
        });
        columns
    }
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At one time.
    At(TimestampMs),
    /// At every step. The value is a [`Value::Matrix`].
    Over(Steps),
}

impl When {
    /// Its steps; one, when it is a time.
    pub(crate) fn grid(self, options: &Options) -> Result<Grid, QueryError> {
        match self {
            When::At(at) => Ok(Grid::instant(at.0)),
            When::Over(steps) => Grid::range(steps, options.points_max),
        }
    }

    /// The end as it was asked for: the last step may lie before it.
    pub(crate) fn end(self) -> i64 {
        match self {
            When::At(at) => at.0,
            When::Over(steps) => steps.end.0,
        }
    }
}

/// Evaluates `expr` at one time.
///
/// Errors when a limit is hit, the query is stopped, the source fails, or the expression has no value
/// (a match that is not unique, two series that become the same).
pub fn instant(
    expr: &Expr,
    source: &dyn Source,
    at: TimestampMs,
    options: &Options,
    control: &Control,
) -> Result<Answer, QueryError> {
    evaluate(expr, source, When::At(at), options, control)
}

/// Evaluates `expr` at every step. The value is a [`Value::Matrix`].
///
/// Errors as [`instant`], and when `steps` is not a range or `expr` is neither scalar nor instant vector.
pub fn range(
    expr: &Expr,
    source: &dyn Source,
    steps: Steps,
    options: &Options,
    control: &Control,
) -> Result<Answer, QueryError> {
    evaluate(expr, source, When::Over(steps), options, control)
}

/// [`instant`] or [`range`], as `when` says.
pub fn evaluate(
    expr: &Expr,
    source: &dyn Source,
    when: When,
    options: &Options,
    control: &Control,
) -> Result<Answer, QueryError> {
    let grid = when.grid(options)?;
    let plan = plan(expr, grid, when.end(), options)?;
    let eval = Evaluator::new(&plan, source, options, control);
    let value = value(expr.value_type(), &plan.root, when, grid, &eval)?;
    Ok(finish(value, eval, options))
}

/// The value of the whole plan.
pub(crate) fn value(
    of: ValueType,
    root: &Node,
    when: When,
    grid: Grid,
    eval: &Evaluator<'_>,
) -> Result<Value, QueryError> {
    match when {
        When::At(at) => value_at(of, root, at, grid, eval),
        When::Over(_) => value_over(of, root, grid, eval),
    }
}

fn value_at(
    of: ValueType,
    root: &Node,
    at: TimestampMs,
    grid: Grid,
    eval: &Evaluator<'_>,
) -> Result<Value, QueryError> {
    Ok(match of {
        ValueType::Scalar => Value::Scalar(Sample {
            t: at,
            v: eval.scalar(root, grid)?.at(0),
        }),
        ValueType::String => Value::String(at, eval.text(root)?),
        ValueType::Vector => {
            let vector = eval.vector(root, grid)?.finish_names(root.span)?;
            Value::Vector(samples(&vector, at))
        }
        ValueType::Matrix => {
            let mut vector = eval.matrix(root, at.0)?;
            for (name, _) in &mut vector.rows {
                name.labels = name.shown();
            }
            vector.rows.sort_by(|a, b| a.0.labels.cmp(&b.0.labels));
            Value::Matrix(Matrix(Rows::Samples(vector)))
        }
    })
}

fn value_over(
    of: ValueType,
    root: &Node,
    grid: Grid,
    eval: &Evaluator<'_>,
) -> Result<Value, QueryError> {
    let vector = match of {
        ValueType::Scalar => eval.scalar_as_vector(root, grid)?,
        ValueType::Vector => eval.vector(root, grid)?.finish_names(root.span)?,
        other => {
            let what = if other == ValueType::String {
                "string"
            } else {
                "range vector"
            };
            let message = format!(
                "invalid expression type \"{what}\" for range query, must be Scalar or instant Vector"
            );
            return Err(QueryError::eval(root.span, message));
        }
    };
    let order = vector.order_by_labels();
    Ok(Value::Matrix(Matrix(Rows::Steps {
        grid,
        vector,
        order,
    })))
}

fn samples(vector: &Vector, t: TimestampMs) -> Vec<(Labels, Sample)> {
    let sample = |row| {
        let v = vector.get(row, 0)?;
        Some((vector.name(row).labels.clone(), Sample { t, v }))
    };
    (0..vector.len()).filter_map(sample).collect()
}

/// What the evaluation took so far.
pub(crate) fn stats(eval: &Evaluator<'_>) -> Stats {
    Stats {
        series: eval.budget().series(),
        samples: eval.budget().samples(),
        peak_samples: eval.budget().memory_peak().div_ceil(SAMPLE_BYTES) as u64,
    }
}

fn finish(value: Value, eval: Evaluator<'_>, options: &Options) -> Answer {
    let stats = stats(&eval);
    let notes: Notes = eval.into_notes();
    let (warnings, infos) = notes.into_texts(options.text.as_deref());
    Answer {
        value,
        warnings,
        infos,
        stats,
    }
}
