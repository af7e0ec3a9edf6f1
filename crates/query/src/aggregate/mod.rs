//! Aggregations: many series in, one a group out, or the chosen few.

pub(crate) mod accumulate;
pub(crate) mod choose;
pub(crate) mod spread;

use std::sync::Arc;

use bellwether_lang::promql::ast::Grouping;
use bellwether_model::Labels;

use crate::budget::{Budget, Charge};
use crate::error::QueryError;
use crate::grouping::{Keys, LabelChoice};
use crate::vector::{RowName, Vector};

/// The groups of a set of series, numbered in the order of their first series.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The group of each series.
    pub(crate) of: Vec<usize>,
    /// The labels of each group.
    pub(crate) labels: Vec<Labels>,
    counts_metric: bool,
    /// For the labels.
    _charge: Charge,
}

/// Series in the order of their groups.
pub(crate) struct InOrder {
    /// By place: which series.
    pub(crate) series: Vec<usize>,
    _charge: Charge,
}

impl Groups {
    /// Groups `series`.
    pub(crate) fn new<'a>(
        grouping: &Grouping,
        series: impl ExactSizeIterator<Item = &'a Labels>,
        budget: &Arc<Budget>,
    ) -> Result<Groups, QueryError> {
        let choice = match grouping {
            Grouping::By(names) => LabelChoice::only(names),
            Grouping::Without(names) => LabelChoice::without(names),
        };
        let mut keys = Keys::default();
        let mut of = Vec::with_capacity(series.len());
        let mut labels = Vec::new();
        let mut charge = Charge::new(budget);
        charge.grow(series.len().saturating_mul(size_of::<usize>()))?;
        for series in series {
            let (group, is_new) = keys.id(&choice, series);
            if is_new {
                // Its labels, and its key, which has about as many bytes.
                charge.grow(2 * series.heap_bytes())?;
                labels.push(choice.labels(series));
            }
            of.push(group);
        }
        Ok(Groups {
            of,
            labels,
            counts_metric: choice.counts_metric(),
            _charge: charge,
        })
    }

    /// Groups the rows of `vector`.
    pub(crate) fn of_rows(grouping: &Grouping, vector: &Vector) -> Result<Groups, QueryError> {
        Groups::new(
            grouping,
            (0..vector.len()).map(|row| &vector.name(row).labels),
            vector.budget(),
        )
    }

    /// The name of a group's row; `dropped` says whether one of its series was to lose its name.
    pub(crate) fn name(&self, group: usize, dropped: bool) -> RowName {
        RowName {
            labels: self.labels[group].clone(),
            drop_name: dropped && self.counts_metric,
        }
    }

    /// The series of the first group, those of the second, and so on; ascending in each.
    pub(crate) fn series_in_order(&self, budget: &Arc<Budget>) -> Result<InOrder, QueryError> {
        let mut charge = Charge::new(budget);
        charge.grow((self.of.len() + self.labels.len()).saturating_mul(size_of::<usize>()))?;
        // Counted first: then every group's place is known.
        let mut next = vec![0; self.labels.len()];
        self.of.iter().for_each(|group| next[*group] += 1);
        let mut start = 0;
        for place in &mut next {
            start += std::mem::replace(place, start);
        }
        let mut series = vec![0; self.of.len()];
        for (index, group) in self.of.iter().enumerate() {
            series[next[*group]] = index;
            next[*group] += 1;
        }
        Ok(InOrder {
            series,
            _charge: charge,
        })
    }

    /// The rows of each group, ascending.
    pub(crate) fn rows(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.labels.len()];
        for (row, group) in self.of.iter().enumerate() {
            rows[*group].push(row);
        }
        rows
    }
}
