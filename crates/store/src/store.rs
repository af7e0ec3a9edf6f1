//! The store as its users hold it: opening, closing, and the work that has to be done now and then.
//!
//! The log thread is the only thread here. Flushes, retention and checks run on the thread that calls
//! [`Store::maintain`]; one at a time.

use crate::appender::Appender;
use crate::config::Config;
use crate::error::{Health, ReadOnly, StoreError};
use crate::recovery::{self, RecoveryReport};
use crate::shared::Shared;
use crate::stats::{FlushReport, Maintenance, Stats, VerifyReport};
use crate::upkeep::Upkeep;
use crate::view::View;
use crate::wal::log::Message;
use bellwether_disk::{Disk, Lock};
use bellwether_model::TimestampMs;
use crossbeam::channel::{Sender, bounded};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

/// Commits that may wait for the log thread; one more blocks its caller.
const QUEUE: usize = 256;

/// A time-series store in one folder. Cheap to clone; clones share it.
///
/// It is closed by [`Store::close`], or without a flush when the last clone and appender is dropped:
/// nothing acknowledged is lost that way, but the next open has the log to read.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What clones and appenders share. The log thread does not hold it, and ends when it is dropped.
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    upkeep: Mutex<Upkeep>,
    /// Dropped first, so that the log thread ends; then it is waited for; then the lock goes.
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    _lock: Box<dyn Lock>,
}

impl Store {
    /// Opens the store in `dir`, making the folder when there is none, and recovers whatever a crash left.
    ///
    /// `now` is the present; it decides nothing about what is kept of the past.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: Config,
        now: TimestampMs,
    ) -> Result<(Store, RecoveryReport), StoreError> {
        let opened = recovery::open(disk, dir, config, now)?;
        let (sender, messages) = bounded(QUEUE);
        let log = opened.log;
        let thread = thread::Builder::new()
            .name("store-log".to_owned())
            .spawn(move || log.run(&messages));
        let thread = thread.map_err(StoreError::io("start the log thread of", dir))?;
        let inner = Inner {
            shared: opened.shared,
            upkeep: Mutex::new(Upkeep::new(opened.catalog, opened.manifest)),
            sender: Some(sender),
            thread: Some(thread),
            _lock: opened.lock,
        };
        Ok((
            Store {
                inner: Arc::new(inner),
            },
            opened.report,
        ))
    }

    /// A new way in. Each producer takes its own.
    pub fn appender(&self) -> Appender {
        Appender::new(Arc::clone(&self.inner))
    }

    /// What the store holds now.
    pub fn view(&self) -> View {
        let shared = &self.inner.shared;
        View::new(&shared.visible, &shared.index, shared.config.duplicates)
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        let shared = &self.inner.shared;
        let totals = &shared.totals;
        let published = shared.visible.published();
        let generations = || published.frozen.iter().chain([&published.active]);
        let segments = || published.segments.iter();
        let newest = totals.newest.load(Ordering::Relaxed);
        Stats {
            series: shared.index.len() as u64,
            label_bytes: shared.index.label_bytes() as u64,
            head_samples: generations().map(|g| g.samples()).sum(),
            head_bytes: generations().map(|g| g.memory()).sum(),
            wal_bytes: totals.wal_bytes.load(Ordering::Relaxed),
            segments: segments().count() as u64,
            segment_bytes: segments().map(|s| s.segment.file_bytes()).sum(),
            segment_samples: segments().map(|s| s.segment.sample_count()).sum(),
            quarantined: published.segments.missing() as u64,
            accepted: totals.accepted.load(Ordering::Relaxed),
            duplicates: totals.duplicates.load(Ordering::Relaxed),
            rejected: totals.rejected.load(Ordering::Relaxed),
            syncs: totals.syncs.load(Ordering::Relaxed),
            newest: (newest > i64::MIN).then_some(TimestampMs(newest)),
        }
    }

    /// Whether the store takes samples.
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// What the disk said when the log failed; `None` while it works.
    pub fn log_failure(&self) -> Option<String> {
        self.inner.shared.log_failure()
    }

    /// Writes the head to a segment and lets go of the log behind it. Commits go on meanwhile.
    pub fn flush(&self, now: TimestampMs) -> Result<FlushReport, StoreError> {
        self.inner.upkeep.lock().flush(&self.inner, now)
    }

    /// What has to be done now and then: call it about once a second. Drops what is too old, looks at the disk's
    /// free space, flushes when that is due, prepares the next log file. All of it is tried; the first error is told.
    ///
    /// Retention believes the time that passes between two calls less than an hour apart, and no step of the clock:
    /// a store that is maintained once a day keeps everything.
    pub fn maintain(&self, now: TimestampMs) -> Result<Maintenance, StoreError> {
        self.inner.upkeep.lock().maintain(&self.inner, now)
    }

    /// Reads everything on disk and compares every checksum. Takes as long as reading takes; commits go on.
    pub fn verify(&self) -> VerifyReport {
        self.inner.upkeep.lock().verify(&self.inner.shared)
    }

    /// Flushes, makes the folder as small as it can be, and refuses further samples. Other clones and views may
    /// go on reading; the folder's lock is let go with the last clone and appender.
    pub fn close(self, now: TimestampMs) -> Result<(), StoreError> {
        self.inner.upkeep.lock().close(&self.inner, now)
    }
}

#[cfg(test)]
impl Store {
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl Inner {
    /// Hands a message to the log thread; waits while its queue is full.
    pub(crate) fn send(&self, message: Message) -> Result<(), StoreError> {
        let sent = self.sender.as_ref().map(|sender| sender.send(message));
        if let Some(Ok(())) = sent {
            Ok(())
        } else {
            Err(self.log_is_gone())
        }
    }

    /// The log thread ended although we live: it panicked, which is a fault of ours.
    pub(crate) fn log_is_gone(&self) -> StoreError {
        let reason = ReadOnly::LogFailed;
        let error = StoreError::ReadOnly { reason };
        self.shared.log_failed(&error);
        error
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by `log_is_gone`, or concerns nobody any more.
            let _ = thread.join();
        }
    }
}
