//! `info()`: adds the labels of info metrics, such as `target_info`, to series of the same target.
//!
//! A target is what `instance` and `job` name. Which info series is current may change from step to step, so a
//! series may become several rows. Of two info series of one metric, the newest sample wins.

use bellwether_lang::promql::ast::Span;
use bellwether_model::{HashMap, Labels, LabelsBuilder, METRIC_NAME, Matcher};

use crate::budget::Pace;
use crate::error::QueryError;
use crate::mask;
use crate::vector::{RowName, Vector};

/// The labels that identify a target.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// What the second argument of `info` asks for.
pub(crate) struct Wanted<'a> {
    /// Conditions on the name: which metrics are info metrics.
    pub(crate) names: &'a [Matcher],
    /// Conditions on other labels: only these labels are added, when there are any.
    pub(crate) data: &'a [Matcher],
}

/// Joins `base` with `info`, whose values are the times of the info samples.
pub(crate) fn join(
    base: &Vector,
    info: &Vector,
    wanted: &Wanted<'_>,
    span: Span,
) -> Result<Vector, QueryError> {
    let mut targets: HashMap<Labels, Vec<usize>> = HashMap::default();
    for row in 0..info.len() {
        let target = info.name(row).labels.only(&IDENTIFYING);
        targets.entry(target).or_default().push(row);
    }
    let mut out = Out {
        rows: HashMap::default(),
        vector: base.like(),
    };
    let pace = Pace::new(base.budget());
    for row in 0..base.len() {
        let name = base.name(row);
        let is_info = wanted.names.iter().all(|m| m.matches_labels(&name.labels));
        let target = name.labels.only(&IDENTIFYING);
        // What names no target has none, though info series may name none either.
        let candidates = match targets.get(&target) {
            Some(rows) if !target.is_empty() => rows.as_slice(),
            _ => &[],
        };
        for step in mask::ones(base.mask(row)) {
            pace.spend(1 + candidates.len())?;
            let value = base.values(row)[step];
            let current = if is_info {
                Vec::new()
            } else {
                newest_of_each_metric(info, candidates, step, span)?
            };
            let Some(labels) = enriched(&name.labels, info, &current, wanted, is_info, span)?
            else {
                continue;
            };
            out.put(labels, name.drop_name, step, value)?;
        }
    }
    out.vector.join_same(span)
}

struct Out {
    rows: HashMap<(Labels, bool), usize>,
    vector: Vector,
}

impl Out {
    fn put(
        &mut self,
        labels: Labels,
        drop_name: bool,
        step: usize,
        value: f64,
    ) -> Result<(), QueryError> {
        let at = if let Some(at) = self.rows.get(&(labels.clone(), drop_name)) {
            *at
        } else {
            let name = RowName {
                labels: labels.clone(),
                drop_name,
            };
            let at = self.vector.push_made(name)?;
            self.rows.insert((labels, drop_name), at);
            at
        };
        self.vector.put(at, step, value);
        Ok(())
    }
}

/// For each info metric, its series with the newest sample at `step`.
fn newest_of_each_metric(
    info: &Vector,
    candidates: &[usize],
    step: usize,
    span: Span,
) -> Result<Vec<usize>, QueryError> {
    let mut current: Vec<usize> = Vec::new();
    for row in candidates {
        let Some(time) = info.get(*row, step) else {
            continue;
        };
        let metric = info.name(*row).labels.metric();
        let same = current
            .iter()
            .position(|other| info.name(*other).labels.metric() == metric);
        match same {
            None => current.push(*row),
            Some(at) => {
                let other = info.get(current[at], step).unwrap_or(f64::NEG_INFINITY);
                if other == time {
                    let message = format!(
                        "found duplicate series for info metric: existing {}, new {}",
                        info.name(current[at]).labels,
                        info.name(*row).labels
                    );
                    return Err(QueryError::eval(span, message));
                }
                if other < time {
                    current[at] = *row;
                }
            }
        }
    }
    Ok(current)
}

/// The labels of a series with those of its info series added; `None` when a condition asks for a label that is not there.
fn enriched(
    base: &Labels,
    info: &Vector,
    current: &[usize],
    wanted: &Wanted<'_>,
    is_info: bool,
    span: Span,
) -> Result<Option<Labels>, QueryError> {
    if is_info {
        return Ok(Some(base.clone()));
    }
    let mut added = LabelsBuilder::new();
    for row in current {
        for (name, value) in &info.name(*row).labels {
            let asked = wanted.data.is_empty() || wanted.data.iter().any(|m| m.name() == name);
            if name == METRIC_NAME || !asked || base.get(name).is_some() {
                continue;
            }
            if added.get(name).is_some_and(|other| other != value) {
                let message = format!("conflicting label: {name}");
                return Err(QueryError::eval(span, message));
            }
            added.set(name, value);
        }
    }
    if current.is_empty() && wanted.data.iter().any(|m| !m.matches_empty()) {
        return Ok(None);
    }
    let mut labels = LabelsBuilder::from_labels(base);
    for (name, value) in &added.build() {
        labels.set(name, value);
    }
    Ok(Some(labels.build()))
}
