//! What the log thread, appenders, views and the maintaining thread have in common.
//!
//! Lock order: `upkeep` (in `store`), then `visible`, then the index, then a page of the head. The others are
//! held for a few instructions and nothing is locked under them.

use crate::config::Config;
use crate::error::{Health, ReadOnly, StoreError};
use crate::head::{Decided, Rules};
use crate::index::Index;
use crate::visible::Visible;
use crate::wal::file::LogFile;
use bellwether_disk::Disk;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) wal_folder: PathBuf,
    pub(crate) store_id: u128,
    pub(crate) index: Arc<Index>,
    pub(crate) visible: Arc<Visible>,
    /// The log file after the current one, when it is ready. Held while one is being prepared.
    pub(crate) spare: Mutex<Option<LogFile>>,
    /// The highest number that was given to a log file.
    pub(crate) log_number: AtomicU64,
    /// How far the current log file is filled, bytes.
    pub(crate) log_at: AtomicU64,
    /// Series below this id are in the catalogue.
    pub(crate) catalogued: AtomicU32,
    pub(crate) totals: Totals,
    health: Mutex<Condition>,
}

/// Counts since the store was opened, except for the bytes and the newest time.
pub(crate) struct Totals {
    pub(crate) accepted: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) syncs: AtomicU64,
    /// Bytes in log files that are still needed.
    pub(crate) wal_bytes: AtomicU64,
    /// The newest time of any sample; `i64::MIN` when there is none.
    pub(crate) newest: AtomicI64,
}

/// Why the store does not write; both may hold.
#[derive(Default)]
struct Condition {
    closed: bool,
    disk_full: bool,
    /// What the disk said when the log failed.
    log_failed: Option<String>,
}

/// What a store begins with.
pub(crate) struct Begin {
    pub(crate) config: Config,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) store_id: u128,
    pub(crate) index: Arc<Index>,
    pub(crate) visible: Arc<Visible>,
    pub(crate) catalogued: u32,
    pub(crate) log_number: u64,
    pub(crate) wal_bytes: u64,
    pub(crate) newest: i64,
    pub(crate) disk_full: bool,
}

impl Shared {
    pub(crate) fn new(begin: Begin) -> Shared {
        let totals = Totals {
            accepted: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            wal_bytes: AtomicU64::new(begin.wal_bytes),
            newest: AtomicI64::new(begin.newest),
        };
        let condition = Condition {
            disk_full: begin.disk_full,
            ..Condition::default()
        };
        Shared {
            wal_folder: begin.folder.join("wal"),
            config: begin.config,
            disk: begin.disk,
            folder: begin.folder,
            store_id: begin.store_id,
            index: begin.index,
            visible: begin.visible,
            spare: Mutex::new(None),
            log_number: AtomicU64::new(begin.log_number),
            log_at: AtomicU64::new(0),
            catalogued: AtomicU32::new(begin.catalogued),
            totals,
            health: Mutex::new(condition),
        }
    }

    pub(crate) fn health(&self) -> Health {
        let condition = self.health.lock();
        let reason = if condition.closed {
            ReadOnly::Closed
        } else if condition.log_failed.is_some() {
            ReadOnly::LogFailed
        } else if condition.disk_full {
            ReadOnly::DiskFull
        } else {
            return Health::Ok;
        };
        Health::ReadOnly { reason }
    }

    /// Errors unless the store takes samples.
    pub(crate) fn writable(&self) -> Result<(), StoreError> {
        match self.health() {
            Health::Ok => Ok(()),
            Health::ReadOnly { reason } => Err(StoreError::ReadOnly { reason }),
        }
    }

    pub(crate) fn set_disk_full(&self, full: bool) {
        self.health.lock().disk_full = full;
    }

    pub(crate) fn set_closed(&self) {
        self.health.lock().closed = true;
    }

    pub(crate) fn log_failed(&self, error: &StoreError) {
        self.health
            .lock()
            .log_failed
            .get_or_insert_with(|| error.to_string());
    }

    /// What the disk said when the log failed.
    pub(crate) fn log_failure(&self) -> Option<String> {
        self.health.lock().log_failed.clone()
    }

    /// Passes an error on; a full disk makes the store read-only, and becomes that error.
    pub(crate) fn note_full(&self, error: StoreError) -> StoreError {
        if !error.is_disk_full() {
            return error;
        }
        self.set_disk_full(true);
        StoreError::ReadOnly {
            reason: ReadOnly::DiskFull,
        }
    }
}

impl Totals {
    pub(crate) fn count(&self, decided: &Decided) {
        self.accepted.fetch_add(decided.accepted, Ordering::Relaxed);
        self.duplicates
            .fetch_add(decided.duplicates, Ordering::Relaxed);
        self.rejected
            .fetch_add(decided.rejected.len() as u64, Ordering::Relaxed);
    }
}

impl Config {
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            ooo_window: self.ooo_window.0,
            duplicates: self.duplicates,
        }
    }
}
