//! Stopping a running query from outside: deadline or disconnect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::QueryError;

/// Why a query is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `query.timeout` passed.
    Timeout,
    /// Nobody waits for the answer.
    Disconnected,
}

/// A flag that a running query looks at before each series it reads. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<AtomicU8>);

const RUNNING: u8 = 0;
const TIMEOUT: u8 = 1;
const DISCONNECTED: u8 = 2;

impl Control {
    /// A flag that is not set.
    pub fn new() -> Control {
        Control::default()
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
            .compare_exchange(RUNNING, flag, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Errors once the query has been stopped.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        match self.0.load(Ordering::Relaxed) {
            RUNNING => Ok(()),
            TIMEOUT => Err(QueryError::Timeout),
            _ => Err(QueryError::Cancelled),
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
}
