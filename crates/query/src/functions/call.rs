//! Calls of functions that see a whole vector.

use bellwether_lang::promql::ast::Span;
use bellwether_model::{HashMap, LabelsBuilder};

use super::{Func, buckets, labels, sort};
use crate::error::QueryError;
use crate::eval::Evaluator;
use crate::notes::number;
use crate::plan::{Kind, Node};
use crate::steps::Grid;
use crate::vector::{RowName, Vector};

/// Evaluates a call at the steps of `grid`.
pub(crate) fn call(
    eval: &Evaluator<'_>,
    func: Func,
    args: &[Node],
    span: Span,
    grid: Grid,
) -> Result<Vector, QueryError> {
    match (func, args) {
        (Func::Vector, [scalar]) => eval.scalar_as_vector(scalar, grid),
        (Func::LabelReplace, [v, target, replacement, source, pattern]) => {
            let v = eval.vector(v, grid)?;
            let [target, replacement, source, pattern] =
                [target, replacement, source, pattern].map(text);
            labels::replace(v, target, replacement, source, pattern, span)
        }
        (Func::LabelJoin, [v, target, separator, sources @ ..]) => {
            let v = eval.vector(v, grid)?;
            let sources: Vec<&str> = sources.iter().map(text).collect();
            labels::join(v, text(target), text(separator), &sources, span)
        }
        (Func::Sort | Func::SortDesc | Func::SortByLabel | Func::SortByLabelDesc, [v, by @ ..]) => {
            let v = eval.vector(v, grid)?;
            if grid.count > 1 {
                let message = "sort is ineffective for range queries since results are always ordered by labels";
                eval.notes().warn(span, message);
                return Ok(v);
            }
            let by: Vec<&str> = by.iter().map(text).collect();
            sort::sort(func, &v, &by)
        }
        (Func::HistogramQuantile, [q, v]) => histogram_quantile(eval, q, v, grid),
        (Func::HistogramQuantiles, [v, label, quantiles @ ..]) => {
            histogram_quantiles(eval, v, text(label), quantiles, grid)
        }
        (Func::HistogramFraction, [lower, upper, v]) => {
            histogram_fraction(eval, lower, upper, v, grid)
        }
        _ => Err(QueryError::eval(span, "wrong number of arguments")),
    }
}

fn histogram_quantile(
    eval: &Evaluator<'_>,
    q: &Node,
    v: &Node,
    grid: Grid,
) -> Result<Vector, QueryError> {
    let (vector, q_span) = (eval.vector(v, grid)?, q.span);
    let q = eval.scalar(q, grid)?;
    eval.notes().warn_quantiles(&q, q_span);
    each_histogram(eval, &vector, v.span, |step, buckets| {
        buckets::lifted_quantile(q.at(step), buckets, grid.time(step))
    })
}

fn histogram_fraction(
    eval: &Evaluator<'_>,
    lower: &Node,
    upper: &Node,
    v: &Node,
    grid: Grid,
) -> Result<Vector, QueryError> {
    let (lower, upper) = (eval.scalar(lower, grid)?, eval.scalar(upper, grid)?);
    let vector = eval.vector(v, grid)?;
    each_histogram(eval, &vector, v.span, |step, buckets| buckets::Answer {
        value: buckets::fraction(lower.at(step), upper.at(step), buckets),
        lifted: None,
    })
}

/// One row a histogram, named as its series without their bounds.
fn each_histogram(
    eval: &Evaluator<'_>,
    vector: &Vector,
    span: Span,
    f: impl Fn(usize, &mut [buckets::Bucket]) -> buckets::Answer,
) -> Result<Vector, QueryError> {
    let histograms = buckets::histograms(vector, eval.notes(), span);
    let mut out = vector.like();
    let mut rows = vec![None; histograms.len()];
    let row = |out: &mut Vector, index: usize, _: usize| {
        if let Some(row) = rows[index] {
            return Ok(row);
        }
        let row = out.push_made(histograms[index].name.clone())?;
        rows[index] = Some(row);
        Ok(row)
    };
    buckets::evaluate(vector, &histograms, eval.notes(), span, &mut out, row, f)?;
    Ok(out)
}

/// One row a histogram and quantile, the quantile in `label`.
fn histogram_quantiles(
    eval: &Evaluator<'_>,
    v: &Node,
    label: &str,
    quantiles: &[Node],
    grid: Grid,
) -> Result<Vector, QueryError> {
    if !labels::is_label_name(label) {
        let message = format!("invalid label name \"{label}\"");
        return Err(QueryError::eval(v.span, message));
    }
    let vector = eval.vector(v, grid)?;
    let histograms = buckets::histograms(&vector, eval.notes(), v.span);
    let mut out = vector.like();
    for node in quantiles {
        let q = eval.scalar(node, grid)?;
        eval.notes().warn_quantiles(&q, node.span);
        // A quantile that changes from step to step changes the label, too.
        let mut rows: HashMap<(usize, u64), usize> = HashMap::default();
        let row = |out: &mut Vector, index: usize, step: usize| {
            let value = q.at(step);
            if let Some(row) = rows.get(&(index, value.to_bits())) {
                return Ok(*row);
            }
            let labels = LabelsBuilder::from_labels(&histograms[index].name.labels)
                .set(label, &open_metrics(value))
                .build();
            let drop_name = true;
            let row = out.push_made(RowName { labels, drop_name })?;
            rows.insert((index, value.to_bits()), row);
            Ok(row)
        };
        buckets::evaluate(
            &vector,
            &histograms,
            eval.notes(),
            v.span,
            &mut out,
            row,
            |step, buckets| buckets::lifted_quantile(q.at(step), buckets, grid.time(step)),
        )?;
    }
    Ok(out)
}

/// A number as OpenMetrics writes it in labels: `1.0`, not `1`.
fn open_metrics(value: f64) -> String {
    let text = number(value + 0.0); // Zero has no sign there.
    if value.is_finite() && !text.contains(['.', 'e']) {
        return format!("{text}.0");
    }
    text
}

/// A text argument; the parser has checked that it is one.
fn text(node: &Node) -> &str {
    match &node.kind {
        Kind::Text(text) => text,
        _ => "",
    }
}
