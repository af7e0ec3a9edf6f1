//! What one query may use, and what it has used so far.
//!
//! Memory is charged before it is allocated; a [`Charge`] gives it back when it goes. Only columns and labels that grow with the
//! data are charged, not the few bytes of plan and bookkeeping. Time is up when the [`Control`] says so: whoever
//! works through many values asks through a [`Pace`].

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::control::Control;
use crate::error::QueryError;

/// The account of one query, shared by its threads.
#[derive(Debug)]
pub(crate) struct Budget {
    control: Control,
    memory_max: usize,
    samples_max: u64,
    memory: AtomicUsize,
    memory_peak: AtomicUsize,
    samples: AtomicU64,
    series: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(control: &Control, memory_max: usize, samples_max: u64) -> Arc<Budget> {
        Arc::new(Budget {
            control: control.clone(),
            memory_max,
            samples_max,
            memory: AtomicUsize::new(0),
            memory_peak: AtomicUsize::new(0),
            samples: AtomicU64::new(0),
            series: AtomicUsize::new(0),
        })
    }

    /// Errors once the query has been stopped.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        self.control.check()
    }

    /// Counts samples that were read, or made by a subquery.
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

    /// The most bytes charged at a time so far.
    pub(crate) fn memory_peak(&self) -> usize {
        self.memory_peak.load(Ordering::Relaxed)
    }

    /// What is not charged yet.
    pub(crate) fn memory_left(&self) -> usize {
        self.memory_max
            .saturating_sub(self.memory.load(Ordering::Relaxed))
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

    /// Takes `bytes` more, or errors and takes nothing. Errors too once the query has been stopped: what is about to be
    /// filled would be in vain.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), QueryError> {
        let budget = &*self.budget;
        budget.check()?;
        let before = budget.memory.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > budget.memory_max {
            budget.memory.fetch_sub(bytes, Ordering::Relaxed);
            return Err(QueryError::MemoryLimit {
                max: budget.memory_max,
            });
        }
        budget
            .memory_peak
            .fetch_max(before + bytes, Ordering::Relaxed);
        self.bytes += bytes;
        Ok(())
    }

    /// Takes what is missing to `bytes` in all.
    pub(crate) fn cover(&mut self, bytes: usize) -> Result<(), QueryError> {
        self.grow(bytes.saturating_sub(self.bytes))
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

/// Work between two looks at the control, in values handled: some 10 microseconds.
pub(crate) const LOOK_EVERY: usize = 4096;

/// Asks whether to go on, once for so many values: an atomic load for each of them would cost more than the work.
///
/// Loops that do no more than a few additions a value may run over a whole column without asking: that is over in a fraction of a
/// second, however much memory a query has.
#[derive(Debug)]
pub(crate) struct Pace {
    budget: Arc<Budget>,
    left: Cell<usize>,
}

impl Pace {
    pub(crate) fn new(budget: &Arc<Budget>) -> Pace {
        Pace {
            budget: Arc::clone(budget),
            left: Cell::new(LOOK_EVERY),
        }
    }

    /// Counts `values` as handled; errors once the query has been stopped.
    #[inline]
    pub(crate) fn spend(&self, values: usize) -> Result<(), QueryError> {
        self.owe(values);
        if self.left.get() > 0 {
            return Ok(());
        }
        self.left.set(LOOK_EVERY);
        self.budget.check()
    }

    /// True when the next [`Pace::spend`] asks, whatever it spends.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.left.get() == 0
    }

    /// Counts `values` as handled where nothing can be returned; the next [`Pace::spend`] asks.
    #[inline]
    pub(crate) fn owe(&self, values: usize) {
        self.left.set(self.left.get().saturating_sub(values));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_refused_beyond_the_limit_and_given_back() {
        let budget = Budget::new(&Control::new(), 100, 10);
        let mut charge = Charge::new(&budget);
        charge.grow(60).unwrap();
        let error = charge.grow(60).unwrap_err();
        assert_eq!(error.limit(), Some("query.memory"));
        drop(charge);
        Charge::new(&budget).grow(100).unwrap();
    }

    #[test]
    fn samples_are_refused_beyond_the_limit() {
        let budget = Budget::new(&Control::new(), 100, 10);
        budget.add_samples(10).unwrap();
        let error = budget.add_samples(1).unwrap_err();
        assert_eq!(error.limit(), Some("query.max_samples"));
    }

    #[test]
    fn a_stop_is_noticed_after_so_much_work() {
        let control = Control::new();
        let pace = Pace::new(&Budget::new(&control, 0, 0));
        control.cancel(crate::Stop::Timeout);
        let spent = (1..=LOOK_EVERY).find(|_| pace.spend(1).is_err());
        assert_eq!(spent, Some(LOOK_EVERY));
        pace.owe(LOOK_EVERY);
        assert!(pace.spend(0).is_err());
    }
}
