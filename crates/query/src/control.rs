//! Stopping a running query from outside: deadline or disconnect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::error::QueryError;

/// Why a query is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `query.timeout` passed.
    Timeout,
    /// Nobody waits for the answer.
    Disconnected,
}

/// A flag that a running query looks at before each series it reads, and every few thousand samples inside one. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Flag>);

#[derive(Debug)]
struct Flag {
    state: AtomicU8,
    /// How often it may still be looked at before it sets itself; [`u64::MAX`] for ever.
    looks: AtomicU64,
}

impl Default for Flag {
    fn default() -> Flag {
        Flag {
            state: AtomicU8::new(RUNNING),
            looks: AtomicU64::new(u64::MAX),
        }
    }
}

const RUNNING: u8 = 0;
const TIMEOUT: u8 = 1;
const DISCONNECTED: u8 = 2;

impl Control {
    /// A flag that is not set.
    pub fn new() -> Control {
        Control::default()
    }

    /// A flag that is set by being looked at `looks` times: a limit to the work of a query, at the same place each time. There is
    /// a look before each series and part of the expression, and one for every few thousand samples or steps.
    pub fn stopping_after(looks: u64) -> Control {
        let control = Control::new();
        control.0.looks.store(looks, Ordering::Relaxed);
        control
    }

    /// Stops the query; the first reason stays.
    pub fn cancel(&self, stop: Stop) {
        let flag = match stop {
            Stop::Timeout => TIMEOUT,
            Stop::Disconnected => DISCONNECTED,
        };
        // Losing the race means that a reason is already there.
        let _ = self
            .0
            .state
            .compare_exchange(RUNNING, flag, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Errors once the query has been stopped.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.0.looks.load(Ordering::Relaxed) != u64::MAX {
            self.count_look();
        }
        match self.0.state.load(Ordering::Relaxed) {
            RUNNING => Ok(()),
            TIMEOUT => Err(QueryError::Timeout),
            _ => Err(QueryError::Cancelled),
        }
    }

    fn count_look(&self) {
        let less = |looks: u64| looks.checked_sub(1);
        let before = self
            .0
            .looks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if before.is_err() {
            self.cancel(Stop::Disconnected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let control = Control::new();
        assert!(control.check().is_ok());
        control.clone().cancel(Stop::Timeout);
        control.cancel(Stop::Disconnected);
        assert!(matches!(control.check(), Err(QueryError::Timeout)));
    }

    #[test]
    fn looking_can_stop_it() {
        let control = Control::stopping_after(2);
        assert!(control.check().is_ok() && control.check().is_ok());
        assert!(matches!(control.check(), Err(QueryError::Cancelled)));
    }
}
