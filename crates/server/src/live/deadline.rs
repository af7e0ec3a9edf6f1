//! Stops an evaluation of the rules' thread that takes too long.
//!
//! The thread evaluates one expression at a time, so one watcher thread with one deadline is enough. The
//! deadline of an evaluation begins when its control is made, just before it runs.

use std::time::Duration;

use bellwether_query::{Control, Stop};
use crossbeam::channel::{RecvTimeoutError, Sender, unbounded};

/// Sets the deadline of the evaluation that runs.
pub(crate) struct Deadlines(Sender<Option<(Control, Duration)>>);

impl Deadlines {
    /// Starts the watcher; it ends when this is dropped.
    pub(crate) fn start() -> std::io::Result<Deadlines> {
        let (sender, next) = unbounded::<Option<(Control, Duration)>>();
        let watch = move || {
            let mut current = None;
            loop {
                current = match current.take() {
                    None => match next.recv() {
                        Ok(deadline) => deadline,
                        Err(_) => return,
                    },
                    Some((control, limit)) => match next.recv_timeout(limit) {
                        Ok(deadline) => deadline,
                        Err(RecvTimeoutError::Timeout) => {
                            Control::cancel(&control, Stop::Timeout);
                            None
                        }
                        Err(RecvTimeoutError::Disconnected) => return,
                    },
                };
            }
        };
        std::thread::Builder::new()
            .name("rule-deadline".into())
            .spawn(watch)?;
        Ok(Deadlines(sender))
    }

    /// From now on `control` is cancelled after `limit`; earlier deadlines are forgotten.
    pub(crate) fn set(&self, control: &Control, limit: Duration) {
        let _ = self.0.send(Some((control.clone(), limit))); // The watcher lives as long as `self`.
    }

    /// Nothing runs.
    pub(crate) fn clear(&self) {
        let _ = self.0.send(None);
    }
}
