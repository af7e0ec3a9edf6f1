//! Aggregations that look at all values of a group at once: `quantile`, `count_values`.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{Grouping, Span};
use bellwether_model::{Labels, LabelsBuilder, value::format_value};

use super::Groups;
use crate::budget::Pace;
use crate::error::QueryError;
use crate::functions::labels::is_label_name;
use crate::notes::Notes;
use crate::scalar::Scalar;
use crate::vector::{RowName, Vector};
use crate::window::order;

/// The quantile of each group and step.
pub(crate) fn quantile(
    q: &Scalar,
    vector: &Vector,
    groups: &Groups,
    notes: &Notes,
    param_span: Span,
) -> Result<Vector, QueryError> {
    // Of many that are none, the farthest off are named.
    let [low, high, nan] = extremes(q);
    let (low, high) = (low.filter(|q| *q < 0.0), high.filter(|q| *q > 1.0));
    for q in [low, high, nan].into_iter().flatten() {
        notes.warn_quantile(q, param_span);
    }
    let mut out = vector.like();
    let mut values = Vec::new();
    let pace = Pace::new(vector.budget());
    for (group, rows) in groups.rows().iter().enumerate() {
        let dropped = rows.iter().any(|row| vector.name(*row).drop_name);
        let at = out.push_empty(groups.name(group, dropped))?;
        for step in 0..vector.steps() {
            pace.spend(1 + rows.len())?;
            values.clear();
            values.extend(rows.iter().filter_map(|row| vector.get(*row, step)));
            if !values.is_empty() {
                out.put(at, step, order::quantile_of(q.at(step), &mut values));
            }
        }
    }
    Ok(out)
}

/// The least and the greatest number among the parameters of all steps, and NaN, each if there is one.
pub(super) fn extremes(param: &Scalar) -> [Option<f64>; 3] {
    let numbers = || param.values().iter().copied().filter(|v| !v.is_nan());
    let nan = param.values().iter().copied().find(|v| v.is_nan());
    [numbers().reduce(f64::min), numbers().reduce(f64::max), nan]
}

/// How many series of each group have each value; the value becomes the label `label`, unless `grouping` takes that away.
pub(crate) fn count_values(
    label: &str,
    grouping: &Grouping,
    vector: &Vector,
    groups: &Groups,
    span: Span,
) -> Result<Vector, QueryError> {
    if !is_label_name(label) {
        let message = format!("invalid label name \"{label}\"");
        return Err(QueryError::eval(span, message));
    }
    let is_taken_away =
        matches!(grouping, Grouping::Without(names) if names.iter().any(|n| n == label));
    // Sorted, so that the order of the rows does not depend on a hash.
    // By labels alone: the value may stand in a label that told groups apart, and then they are one.
    let mut row_of: BTreeMap<Labels, usize> = BTreeMap::new();
    let mut out = vector.like();
    let pace = Pace::new(vector.budget());
    for row in 0..vector.len() {
        let group = groups.of[row];
        for step in 0..vector.steps() {
            let Some(value) = vector.get(row, step) else {
                continue;
            };
            pace.spend(1)?;
            let mut labels = groups.labels[group].clone();
            if !is_taken_away {
                labels = LabelsBuilder::from_labels(&labels)
                    .set(label, &plain(value))
                    .build();
            }
            let name = RowName {
                drop_name: groups.name(group, vector.name(row).drop_name).drop_name,
                labels: labels.clone(),
            };
            let at = if let Some(at) = row_of.get(&labels) {
                *at
            } else {
                let at = out.push_made(name)?;
                row_of.insert(labels, at);
                at
            };
            let count = out.get(at, step).unwrap_or(0.0);
            out.put(at, step, count + 1.0);
        }
    }
    Ok(out)
}

/// A number without an exponent.
pub(crate) fn plain(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        format_value(value)
    }
}
