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

    /// Makes room in `list` for `more` elements, which are charged already. It will hold `len_max` at most.
    pub(crate) fn make_room<T>(&self, list: &mut Vec<T>, more: usize, len_max: usize) {
        let needed = list.len() + more;
        if needed <= list.capacity() || needed * size_of::<T>() < MOVED_BYTES_MAX {
            return;
        }
        let charged = self.memory.load(Ordering::Relaxed);
        let left = self.memory_max.saturating_sub(charged);
        let spare = left.min(RESERVED_BYTES_MAX) / size_of::<T>().max(1);
        let spare = spare.min(len_max.saturating_sub(needed));
        // Where there is no such space it grows as others do.
        let _ = list.try_reserve_exact(more + spare);
    }

    /// True when `bytes` more would leave most of the memory free: for caches, which may do without.
    pub(crate) fn has_room_for_cache(&self, bytes: usize) -> bool {
        self.memory.load(Ordering::Relaxed).saturating_add(bytes) < self.memory_max / 2
    }
}

/// A list of this size gets address space for all that its query may hold: if it grew by being copied, it would take twice what is
/// charged for it meanwhile.
pub(crate) const MOVED_BYTES_MAX: usize = 8 << 20;
/// The most address space.
const RESERVED_BYTES_MAX: usize = 1 << 30;

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
    fn large_lists_have_room_for_all_that_may_come_and_no_more() {
        let budget = Budget::new(&Control::new(), 64 << 20, 0);
        let room = |len: usize, len_max| {
            let mut list: Vec<u64> = vec![0; len];
            budget.make_room(&mut list, 1000, len_max);
            list.capacity()
        };
        let large = MOVED_BYTES_MAX / 8;
        assert!(room(large, usize::MAX) >= large + (64 << 20) / 8);
        assert_eq!(room(large, large + 1500), large + 1500);
        assert_eq!(room(large, 0), large + 1000);
        assert_eq!(room(1000, usize::MAX), 1000);
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
