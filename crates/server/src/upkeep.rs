//! The thread that lets the store do what is due: flush, retention, looking at the disk's space.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use bellwether_store::Store;
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use crate::ServeError;
use crate::clock::Clock;

/// How often the store is asked. With [`Durability::Write`](crate::Durability::Write) this is also how
/// often the log is synced.
const EVERY: Duration = Duration::from_secs(1);

/// The running thread.
pub(crate) struct Upkeep {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    pub(crate) fn start(store: Store, clock: Clock) -> Result<Upkeep, ServeError> {
        let (stop, stopped) = bounded::<()>(0);
        let run = move || {
            let mut last_error = None;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let error = store.maintain(clock.now()).err().map(|e| e.to_string());
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
        tracing::error!(%error, "the store's upkeep failed; it is tried again every second");
    } else {
        tracing::info!("the store's upkeep works again");
    }
}
