//! The thread that lets the store do what is due (flush, retention, looking at the disk's space) and the ledger
//! forget what is old.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use bellwether_ledger::{Ledger, LedgerError};
use bellwether_model::TimestampMs;
use bellwether_store::Store;
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use crate::ServeError;
use crate::clock::{Clock, Stopwatch};

/// How often the store is asked. With [`Durability::Write`](crate::Durability::Write) this is also how
/// often the log is synced.
const EVERY: Duration = Duration::from_secs(1);

/// How often the ledger forgets.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// A wall clock that moved this much more or less than time passed was set: what it calls old may be young.
const CLOCK_SLACK: Duration = Duration::from_mins(1);

/// The running thread.
pub(crate) struct Upkeep {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    pub(crate) fn start(store: Store, ledger: Ledger, clock: Clock) -> Result<Upkeep, ServeError> {
        let (stop, stopped) = bounded::<()>(0);
        let run = move || {
            let mut last_error = None;
            let mut forgetting = Forgetting::new(&clock);
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = clock.now();
                let kept = store.maintain(now).err().map(|e| e.to_string());
                let forgot = forgetting.forget(&ledger, now).err().map(|e| e.to_string());
                let error = kept.or(forgot);
                // The same trouble every second is told once.
                if error != last_error {
                    tell(error.as_deref());
                    last_error = error;
                }
            }
        };
        let thread = std::thread::Builder::new().name("upkeep".into()).spawn(run);
        let thread = thread.map_err(|source: io::Error| ServeError::Start {
            what: "the store's upkeep",
            source,
        })?;
        Ok(Upkeep { stop, thread })
    }

    /// Ends the thread and waits for it: afterwards it does not use the store. Blocks.
    pub(crate) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the store's upkeep had panicked");
        }
    }
}

fn tell(error: Option<&str>) {
    if let Some(error) = error {
        tracing::error!(%error, "the upkeep failed; it is tried again every second");
    } else {
        tracing::info!("the upkeep works again");
    }
}

/// When the ledger forgets.
struct Forgetting {
    /// The wall clock when the watch started.
    since: TimestampMs,
    watch: Stopwatch,
}

impl Forgetting {
    fn new(clock: &Clock) -> Forgetting {
        Forgetting {
            since: clock.now(),
            watch: Stopwatch::start(),
        }
    }

    /// Every [`FORGET_EVERY`], unless the wall clock was set in between.
    fn forget(&mut self, ledger: &Ledger, now: TimestampMs) -> Result<(), LedgerError> {
        let passed = self.watch.elapsed();
        if passed < FORGET_EVERY {
            return Ok(());
        }
        let steady = is_steady(self.since, now, passed);
        self.since = now;
        self.watch = Stopwatch::start();
        while steady && ledger.prune(now)?.more {}
        Ok(())
    }
}

/// Whether the wall clock moved as far as time passed.
fn is_steady(since: TimestampMs, now: TimestampMs, passed: Duration) -> bool {
    let moved = now.since(since).0;
    let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
    moved.abs_diff(passed) <= CLOCK_SLACK.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let hour = Duration::from_hours(1);
        for (from, to, steady) in [
            (0, 3_600_000, true),
            (0, 3_659_000, true),
            (0, 3_541_000, true),
            (0, 3_661_000, false),
            (0, 0, false),
            (3_600_000, 0, false),
            (i64::MIN, i64::MAX, false),
        ] {
            let (from, to) = (TimestampMs(from), TimestampMs(to));
            assert_eq!(is_steady(from, to, hour), steady, "{from} to {to}");
        }
    }
}
