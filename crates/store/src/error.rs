//! What can go wrong, one variant for each thing a caller can act on.

use bellwether_model::DurationMs;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The head or the log is full and waits for a flush. The batch was not taken; it may be sent again.
    #[error("the store is busy, try again in {retry_after}")]
    Busy {
        /// When to try again.
        retry_after: DurationMs,
    },
    /// Nothing is written any more, or for now; reading goes on.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// Why, and so whether it can pass.
        reason: ReadOnly,
    },
    /// More series match than the caller allows.
    #[error("more than {max} series match")]
    TooManySeries {
        /// The caller's limit.
        max: usize,
    },
    /// The samples of a series are more than the caller has room for. Nothing was allocated for them.
    #[error("{needed} samples do not fit into the room given for them")]
    NoRoom {
        /// With room for so many they fit.
        needed: usize,
    },
    /// A checksum does not match, or bytes are not what their checksum promised.
    #[error("{}: corrupt at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process (or another `Store` of this one) has the folder open.
    #[error("{} is in use: {reason}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who holds it, as far as known.
        reason: String,
    },
    /// There is no store, and [`crate::Config::create`] says that none shall begin.
    #[error("{} is not a bellwether data folder", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a version of this program that this one does not know.
    #[error("{}: format version {found}, this program knows up to {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it carries.
        found: u32,
        /// The highest version known here.
        known: u32,
    },
    /// The catalogue's database reported an error.
    #[error("{action} in the catalogue: {message}")]
    Catalog {
        /// What was being done.
        action: &'static str,
        /// What the database said.
        message: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: path.to_owned(),
            offset,
            what: what.into(),
        }
    }

    /// True when the disk is full, by whatever name the system calls it.
    pub(crate) fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, StoreError::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// Why the store does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// Too little free space. Passes by itself once there is space again.
    DiskFull,
    /// The log could not be written or synced. What the disk holds is unknown: only opening the store anew,
    /// which reads it back, ends this.
    LogFailed,
    /// The store was closed.
    Closed,
}

impl ReadOnly {
    /// The short name that errors and metrics carry.
    pub fn code(self) -> &'static str {
        match self {
            ReadOnly::DiskFull => "disk_full",
            ReadOnly::LogFailed => "log_failed",
            ReadOnly::Closed => "closed",
        }
    }
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadOnly::DiskFull => "the disk is full",
            ReadOnly::LogFailed => "the log could not be written or synced; restart to recover",
            ReadOnly::Closed => "it was closed",
        })
    }
}

/// Whether the store takes samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ok,
    /// It does not; reading goes on.
    ReadOnly {
        /// Why.
        reason: ReadOnly,
    },
}

/// Why a series was not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The index is full; known series go on.
    #[error("the store holds {max} series already (series.max_active)")]
    SeriesLimit {
        /// The limit.
        max: usize,
    },
    /// No label at all cannot be selected again.
    #[error("a series needs at least one label")]
    NoLabels,
    /// The label set does not fit in a log record.
    #[error("labels of {got} bytes, at most {max} are accepted")]
    LabelsTooLong {
        /// Bytes of the packed labels.
        got: usize,
        /// The limit.
        max: usize,
    },
}

/// Why one sample was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// Further ahead of the clock than `time.future_max`.
    FutureTimestamp,
    /// Further behind the newest sample of its series than `time.ooo_window`.
    TooOld,
    /// Another value stands at this time, and the policy is to refuse.
    Duplicate,
    /// Older than the store keeps samples.
    BeyondRetention,
    /// A native histogram: the store holds numbers.
    NativeHistogram,
}

impl RejectReason {
    /// The short name that answers and metrics carry.
    pub fn code(self) -> &'static str {
        match self {
            RejectReason::FutureTimestamp => "future_timestamp",
            RejectReason::TooOld => "too_old",
            RejectReason::Duplicate => "duplicate",
            RejectReason::BeyondRetention => "beyond_retention",
            RejectReason::NativeHistogram => "native_histogram",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One refused sample of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The sample was the `index`th pushed to the batch, from 0; each value of a row counts.
    pub index: usize,
    /// Why.
    pub reason: RejectReason,
}

/// What became of a batch: durable and visible, but for these exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Samples taken.
    pub accepted: u64,
    /// Samples the store held already, bit for bit (or whose value lost under `FirstWins`).
    pub duplicates: u64,
    /// Samples refused, in the order they were pushed.
    pub rejected: Vec<Rejected>,
}
