//! The one reader of clocks: wall time for stamps, monotonic time for timers.
//!
//! The wall clock here is anchored: it is the monotonic clock plus an offset read from the system.
//! [`Clock::now`] asks the system each time, so a step of the system's clock is seen at once; whoever
//! schedules by it must expect time to jump in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bellwether_model::TimestampMs;

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands still until it is [`set`](Clock::set). Clones share it.
    pub fn manual(now: TimestampMs) -> Clock {
        Clock(Source::Manual(Arc::new(AtomicI64::new(now.0))))
    }

    /// Sets a manual clock; the system's clock is not ours to set, and stays.
    pub fn set(&self, now: TimestampMs) {
        if let Source::Manual(at) = &self.0 {
            at.store(now.0, Ordering::SeqCst);
        }
    }

    /// The wall time. A clock before 1970 reads as 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the reader of clocks"
    )]
    pub fn now(&self) -> TimestampMs {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                TimestampMs(since.map_or(0, |d| d.as_millis() as i64))
            }
            Source::Manual(at) => TimestampMs(at.load(Ordering::SeqCst)),
        }
    }
}

/// A moment on the monotonic clock, for measuring how long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the reader of clocks"
    )]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
