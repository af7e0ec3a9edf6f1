//! The thread that writes the machine's figures and the server's own into the store, every `host.every`.

use std::time::Duration;

use bellwether_model::limits;
use bellwether_store::Store;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use tracing::warn;

use super::host::{Figures, HostWatch};
use super::own::OwnFigures;
use crate::clock::Clock;

/// What the thread works with.
pub(crate) struct WatchThread {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) own: OwnFigures,
    /// Whether the machine is watched, too.
    pub(crate) host: bool,
}

impl WatchThread {
    /// Runs until the other end of `stop` is dropped.
    pub(crate) fn run(self, stop: &Receiver<()>) {
        let every = Duration::from_millis(limits::HOST_METRICS_EVERY.value);
        let mut host = self.host.then(HostWatch::new);
        let mut appender = self.store.appender();
        loop {
            let mut figures = self.own.look();
            if let Some(host) = &mut host {
                figures.append(&mut host.look());
            }
            append(&mut appender, figures, &self.clock);
            match stop.recv_timeout(every) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn append(appender: &mut bellwether_store::Appender, figures: Figures, clock: &Clock) {
    let now = clock.now();
    for (labels, value) in figures {
        match appender.series(&labels) {
            Ok(series) => appender.push(series, now, value),
            Err(e) => warn!("{labels} is not recorded: {e}"),
        }
    }
    if let Err(e) = appender.commit(now) {
        warn!("figures of {now} are not recorded: {e}");
    }
}
