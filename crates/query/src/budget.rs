//! What one query may use, and what it has used so far.
//!
//! Memory is charged before it is allocated; a [`Charge`] gives it back when it goes. Only columns that grow with the data are
//! charged, not the few bytes of plan and bookkeeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::error::QueryError;

/// The account of one query, shared by its threads.
#[derive(Debug)]
pub(crate) struct Budget {
    memory_max: usize,
    samples_max: u64,
    memory: AtomicUsize,
    samples: AtomicU64,
    series: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(memory_max: usize, samples_max: u64) -> Arc<Budget> {
        Arc::new(Budget {
            memory_max,
            samples_max,
            memory: AtomicUsize::new(0),
            samples: AtomicU64::new(0),
            series: AtomicUsize::new(0),
        })
    }

    /// Counts samples that were read.
    pub(crate) fn add_samples(&self, count: usize) -> Result<(), QueryError> {
        let before = self.samples.fetch_add(count as u64, Ordering::Relaxed);
        if before.saturating_add(count as u64) > self.samples_max {
            return Err(QueryError::SamplesLimit {
                max: self.samples_max,
            });
        }
        Ok(())
    }

    /// Counts series that were selected.
    pub(crate) fn add_series(&self, count: usize) {
        self.series.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    pub(crate) fn series(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// True when `bytes` more would leave most of the memory free: for caches, which may do without.
    pub(crate) fn has_room_for_cache(&self, bytes: usize) -> bool {
        self.memory.load(Ordering::Relaxed).saturating_add(bytes) < self.memory_max / 2
    }
}

/// Memory taken from a budget for as long as this lives.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// A charge of nothing.
    pub(crate) fn new(budget: &Arc<Budget>) -> Charge {
        Charge {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Takes `bytes` more, or errors and takes nothing.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), QueryError> {
        let budget = &*self.budget;
        let before = budget.memory.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > budget.memory_max {
            budget.memory.fetch_sub(bytes, Ordering::Relaxed);
            return Err(QueryError::MemoryLimit {
                max: budget.memory_max,
            });
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Where it is charged.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.memory.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_refused_beyond_the_limit_and_given_back() {
        let budget = Budget::new(100, 10);
        let mut charge = Charge::new(&budget);
        charge.grow(60).unwrap();
        let error = charge.grow(60).unwrap_err();
        assert_eq!(error.limit(), Some("query.memory"));
        drop(charge);
        Charge::new(&budget).grow(100).unwrap();
    }

    #[test]
    fn samples_are_refused_beyond_the_limit() {
        let budget = Budget::new(100, 10);
        budget.add_samples(10).unwrap();
        let error = budget.add_samples(1).unwrap_err();
        assert_eq!(error.limit(), Some("query.max_samples"));
    }
}
