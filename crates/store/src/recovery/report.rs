//! What opening a store found, for the log, the start-up lines and the store's own alerts.

use crate::error::StoreError;
use std::ops::Range;
use std::path::PathBuf;

/// What [`crate::Store::open`] found and did. A default one says: nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The store was closed in order, or is new: there was nothing to recover.
    pub clean: bool,
    /// Log files read, and the bytes of them that hold frames.
    pub wal_files: usize,
    /// Bytes of the log that were read.
    pub wal_bytes: u64,
    /// Samples taken back from the log.
    pub samples: u64,
    /// The crash tore the last write, which nobody had been told was durable: cut off.
    pub torn: bool,
    /// Damage in the log. Each is also copied to `quarantine/`, with a report.
    pub damaged_logs: Vec<DamagedLog>,
    /// Samples dropped because the definition of their series was lost to damage, both times.
    pub undefined_samples: u64,
    /// Why the catalogue was set aside and rebuilt from segments and log, if it was.
    pub catalog_rebuilt: Option<String>,
    /// Segments that could not be read, now in `quarantine/`.
    pub quarantined_segments: Vec<QuarantinedSegment>,
    /// Series of which segments hold samples and nobody knows the labels: they cannot be selected.
    pub unnamed_series: u64,
    /// Files that no one needs, removed: leftovers of a crash during a flush, mostly.
    pub removed: Vec<PathBuf>,
    /// What could not be done, on a full disk mostly, and is no reason not to open: the next flush or the next
    /// open does it.
    pub put_off: Vec<String>,
    /// One of those failed because the disk is full.
    pub disk_full: bool,
}

/// Damage in one log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedLog {
    /// The file.
    pub path: PathBuf,
    /// The copy in `quarantine/`; `None` when it could not be made.
    pub copy: Option<PathBuf>,
    /// The bytes lost: whole frames each.
    pub lost: Vec<Range<u64>>,
    /// Frames lost, as far as their numbers tell.
    pub frames_lost: u64,
    /// Batches of which a part was lost.
    pub batches_partial: u64,
}

/// A segment that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedSegment {
    /// Where it was.
    pub path: PathBuf,
    /// Where it is now; `None` when it is gone.
    pub moved: Option<PathBuf>,
    /// What is wrong with it.
    pub reason: String,
}

impl RecoveryReport {
    /// True when data may be missing that was once acknowledged.
    pub fn has_damage(&self) -> bool {
        !self.damaged_logs.is_empty()
            || !self.quarantined_segments.is_empty()
            || self.undefined_samples > 0
            || self.unnamed_series > 0
    }

    /// Notes an error that must not keep the store from opening. Returns whether there was none.
    pub(crate) fn carry_on(&mut self, result: Result<(), StoreError>) -> bool {
        let Err(error) = result else {
            return true;
        };
        self.disk_full |= error.is_disk_full();
        self.put_off.push(error.to_string());
        false
    }
}
