//! The value of a vector expression over all steps: one row a series, one column position a step.
//!
//! All rows lie in one allocation, so that kernels run over plain slices. A mask says at which steps a row has a
//! value. A row may be flagged to lose its metric's name: it keeps the name until the end of the query, where
//! [`Vector::finish_names`] drops it, so that `label_replace` and `by (__name__)` still see it.

use std::sync::Arc;

use bellwether_lang::promql::ast::Span;
use bellwether_model::{HashMap, Labels, METRIC_NAME};

use crate::budget::{Budget, Charge};
use crate::error::QueryError;
use crate::mask;

/// Labels that describe the metric and go together with its name.
pub(crate) const METADATA: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// What identifies a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowName {
    /// The labels, the name among them even if it is to go.
    pub(crate) labels: Labels,
    /// The name goes at the end of the query.
    pub(crate) drop_name: bool,
}

impl RowName {
    /// The labels as the answer shows them.
    pub(crate) fn shown(&self) -> Labels {
        if !self.drop_name || !self.labels.iter().any(|(n, _)| METADATA.contains(&n)) {
            return self.labels.clone();
        }
        self.labels.without(&METADATA)
    }
}

/// One row, to be written.
pub(crate) struct RowMut<'a> {
    pub(crate) values: &'a mut [f64],
    pub(crate) mask: &'a mut [u64],
}

/// A row that kernels write into before it is pushed to a [`Vector`] or an accumulator.
#[derive(Debug)]
pub(crate) struct RowBuffer {
    pub(crate) values: Vec<f64>,
    pub(crate) mask: Vec<u64>,
}

impl RowBuffer {
    pub(crate) fn new(steps: usize) -> RowBuffer {
        RowBuffer {
            values: vec![0.0; steps],
            mask: vec![0; mask::words(steps)],
        }
    }

    /// No step has a value.
    pub(crate) fn reset(&mut self) {
        self.mask.fill(0);
    }

    #[inline]
    pub(crate) fn put(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        mask::set(&mut self.mask, step);
    }

    pub(crate) fn as_mut(&mut self) -> RowMut<'_> {
        RowMut {
            values: &mut self.values,
            mask: &mut self.mask,
        }
    }
}

/// Rows of values over the same steps.
#[derive(Debug)]
pub(crate) struct Vector {
    steps: usize,
    words: usize,
    names: Vec<RowName>,
    values: Vec<f64>,
    masks: Vec<u64>,
    /// Charged for labels that were made for these rows.
    label_bytes: usize,
    charge: Charge,
}

impl Vector {
    pub(crate) fn new(steps: usize, budget: &Arc<Budget>) -> Vector {
        Vector {
            steps,
            words: mask::words(steps),
            names: Vec::new(),
            values: Vec::new(),
            masks: Vec::new(),
            label_bytes: 0,
            charge: Charge::new(budget),
        }
    }

    /// An empty vector over the same steps, charged to the same account.
    pub(crate) fn like(&self) -> Vector {
        Vector::new(self.steps, self.charge.budget())
    }

    /// Where it is charged.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        self.charge.budget()
    }

    /// Takes `bytes` for labels that its rows do not share with stored series.
    pub(crate) fn charge_labels(&mut self, bytes: usize) -> Result<(), QueryError> {
        self.charge.grow(bytes)?;
        self.label_bytes += bytes;
        Ok(())
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn name(&self, row: usize) -> &RowName {
        &self.names[row]
    }

    pub(crate) fn names_mut(&mut self) -> &mut [RowName] {
        &mut self.names
    }

    pub(crate) fn values(&self, row: usize) -> &[f64] {
        &self.values[row * self.steps..][..self.steps]
    }

    pub(crate) fn mask(&self, row: usize) -> &[u64] {
        &self.masks[row * self.words..][..self.words]
    }

    /// The value at a step, if there is one.
    #[inline]
    pub(crate) fn get(&self, row: usize, step: usize) -> Option<f64> {
        (self.masks[row * self.words + step / 64] >> (step % 64) & 1 == 1)
            .then(|| self.values[row * self.steps + step])
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> RowMut<'_> {
        RowMut {
            values: &mut self.values[row * self.steps..][..self.steps],
            mask: &mut self.masks[row * self.words..][..self.words],
        }
    }

    /// Adds a row without a value and returns its index.
    pub(crate) fn push_empty(&mut self, name: RowName) -> Result<usize, QueryError> {
        // Before the allocation: the row itself, its mask, its entry (the labels are shared).
        self.charge
            .grow(8 * (self.steps + self.words) + size_of::<RowName>())?;
        let budget = self.charge.budget();
        budget.make_room(&mut self.values, self.steps, usize::MAX);
        self.values.resize(self.values.len() + self.steps, 0.0);
        self.masks.resize(self.masks.len() + self.words, 0);
        self.names.push(name);
        Ok(self.names.len() - 1)
    }

    /// Adds a row without a value whose labels were made for it.
    pub(crate) fn push_made(&mut self, name: RowName) -> Result<usize, QueryError> {
        self.charge_labels(name.labels.heap_bytes())?;
        self.push_empty(name)
    }

    /// Adds a row, unless it has no value at any step.
    pub(crate) fn push(
        &mut self,
        name: RowName,
        values: &[f64],
        mask: &[u64],
    ) -> Result<(), QueryError> {
        if mask::is_empty(mask) {
            return Ok(());
        }
        self.charge
            .grow(8 * (self.steps + self.words) + size_of::<RowName>())?;
        let budget = self.charge.budget();
        budget.make_room(&mut self.values, self.steps, usize::MAX);
        self.values.extend_from_slice(values);
        self.masks.extend_from_slice(mask);
        self.names.push(name);
        Ok(())
    }

    /// Adds the rows of `other`, which has the same steps.
    pub(crate) fn append(&mut self, other: Vector) -> Result<(), QueryError> {
        if self.is_empty() {
            *self = other;
            return Ok(());
        }
        self.charge_labels(other.label_bytes)?;
        for row in 0..other.len() {
            self.push(other.names[row].clone(), other.values(row), other.mask(row))?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn put(&mut self, row: usize, step: usize, value: f64) {
        self.values[row * self.steps + step] = value;
        self.masks[row * self.words + step / 64] |= 1 << (step % 64);
    }

    /// Takes away the value at a step.
    pub(crate) fn unset(&mut self, row: usize, step: usize) {
        self.masks[row * self.words + step / 64] &= !(1 << (step % 64));
    }

    /// The rows of one step, repeated at `steps` steps: what does not depend on the step.
    pub(crate) fn broadcast(&self, steps: usize) -> Result<Vector, QueryError> {
        let mut out = Vector::new(steps, self.charge.budget());
        out.charge_labels(self.label_bytes)?;
        for row in 0..self.len() {
            let Some(value) = self.get(row, 0) else {
                continue;
            };
            let at = out.push_empty(self.names[row].clone())?;
            let row = out.row_mut(at);
            row.values.fill(value);
            mask::fill(row.mask, steps);
        }
        Ok(out)
    }

    /// The rows named by `order`, in that order; rows without any value are left out.
    pub(crate) fn reordered(&self, order: &[usize]) -> Result<Vector, QueryError> {
        let mut out = self.like();
        out.charge_labels(self.label_bytes)?;
        for row in order {
            out.push(self.names[*row].clone(), self.values(*row), self.mask(*row))?;
        }
        Ok(out)
    }

    /// Drops the names that are flagged, and joins rows that have become the same series.
    /// Errors when two of them have a value at the same step.
    pub(crate) fn finish_names(mut self, span: Span) -> Result<Vector, QueryError> {
        for name in &mut self.names {
            *name = RowName {
                labels: name.shown(),
                drop_name: false,
            };
        }
        self.join_same(span)
    }

    /// Joins rows with equal labels. Errors when two of them have a value at the same step.
    pub(crate) fn join_same(self, span: Span) -> Result<Vector, QueryError> {
        let mut first: HashMap<&Labels, usize> = HashMap::default();
        first.reserve(self.len());
        let mut same = Vec::new();
        for (row, name) in self.names.iter().enumerate() {
            match first.entry(&name.labels) {
                std::collections::hash_map::Entry::Occupied(entry) => {
                    same.push((*entry.get(), row));
                }
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(row);
                }
            }
        }
        if same.is_empty() {
            return Ok(self);
        }
        let mut joined = self;
        for (into, from) in same {
            joined.join(into, from, span)?;
        }
        let order: Vec<usize> = (0..joined.len()).collect();
        joined.reordered(&order)
    }

    fn join(&mut self, into: usize, from: usize, span: Span) -> Result<(), QueryError> {
        for step in 0..self.steps {
            let Some(value) = self.get(from, step) else {
                continue;
            };
            if self.get(into, step).is_some() {
                return Err(QueryError::eval(
                    span,
                    "vector cannot contain metrics with the same labelset",
                ));
            }
            self.put(into, step, value);
            self.unset(from, step);
        }
        let dropped = self.names[from].drop_name;
        self.names[into].drop_name |= dropped;
        Ok(())
    }

    /// Row indices in the order of their labels.
    pub(crate) fn order_by_labels(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|a, b| self.names[*a].labels.cmp(&self.names[*b].labels));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::MOVED_BYTES_MAX;
    use crate::control::Control;

    #[test]
    fn a_large_vector_is_not_copied_to_grow() {
        const STEPS: usize = 1 << 17;
        let memory_max = 64 << 20;
        let budget = Budget::new(&Control::new(), memory_max, 0);
        let mut vector = Vector::new(STEPS, &budget);
        let name = RowName {
            labels: Labels::empty(),
            drop_name: false,
        };
        let (values, mask) = (vec![1.0; STEPS], vec![u64::MAX; mask::words(STEPS)]);
        while 8 * vector.values.len() <= MOVED_BYTES_MAX {
            vector.push(name.clone(), &values, &mask).unwrap();
        }
        let place = vector.values.as_ptr();
        while vector.push(name.clone(), &values, &mask).is_ok() {}
        assert_eq!(vector.values.as_ptr(), place);
        assert!(vector.len() > 60, "{}", vector.len());
        assert!(vector.values.iter().all(|v| *v == 1.0));
    }
}
