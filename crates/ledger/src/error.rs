//! What can go wrong with the ledger, told apart by what a caller can do about it.

use crate::codec::CodecError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the ledger. The ledger is as it was before the call.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file is not what was written. Never guessed around: restore it, or move it away and start anew.
    #[error("{}: the ledger is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The file was written by another version of the program.
    #[error("{}: the ledger has format {got}, this program reads {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        got: u32,
        /// The format this program reads.
        known: u32,
    },
    /// The disk's error. After one that is not about room, further writes fail until the program is restarted.
    #[error("{action} {}", path.display())]
    Storage {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: Box<redb::Error>,
    },
    /// An outcome for an intent that is not open: unknown, or ended already.
    #[error("no notice with the key {key:?} waits for an outcome")]
    NotOpen {
        /// The key.
        key: String,
    },
    /// A row is too large to be kept.
    #[error("a row of the {table} table is refused: {source}")]
    Refused {
        /// The table.
        table: &'static str,
        /// Why.
        source: CodecError,
    },
}

impl LedgerError {
    /// Whether the disk is full: the same call may succeed once there is room.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, LedgerError::Storage { source, .. } if is_full(source))
    }
}

/// An error inside a transaction, before it is known what the caller was doing.
#[derive(Debug)]
pub(crate) enum Failure {
    Redb(Box<redb::Error>),
    Damaged(String),
    Version(u32),
    NotOpen(String),
    Refused(&'static str, CodecError),
}

macro_rules! redb_failures {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::Redb(Box::new(error.into()))
            }
        }
    )*};
}

redb_failures!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

impl Failure {
    /// A value that was read and does not decode.
    pub(crate) fn unreadable(table: &'static str, error: CodecError) -> Failure {
        match error {
            // Its checksum holds: not damage, but written by a later program.
            CodecError::Schema { got, known } if got > known => Failure::Version(u32::from(got)),
            error => Failure::Damaged(format!("table {table}: {error}")),
        }
    }

    pub(crate) fn into_error(self, action: &'static str, path: &Path) -> LedgerError {
        let path = path.to_owned();
        match self {
            Failure::Redb(source) => match *source {
                redb::Error::Corrupted(what) => LedgerError::Damaged { path, what },
                redb::Error::UpgradeRequired(_) => LedgerError::Damaged {
                    path,
                    what: "not a database of this program".to_owned(),
                },
                redb::Error::TableTypeMismatch { table, .. } => LedgerError::Damaged {
                    path,
                    what: format!("table {table} has other types"),
                },
                redb::Error::TableDoesNotExist(table) => LedgerError::Damaged {
                    path,
                    what: format!("table {table} is missing"),
                },
                // redb's way of saying that the file is no database.
                redb::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
                    LedgerError::Damaged {
                        path,
                        what: e.to_string(),
                    }
                }
                source => LedgerError::Storage {
                    action,
                    path,
                    source: Box::new(source),
                },
            },
            Failure::Damaged(what) => LedgerError::Damaged { path, what },
            Failure::Version(got) => LedgerError::Version {
                path,
                got,
                known: crate::tables::FORMAT,
            },
            Failure::NotOpen(key) => LedgerError::NotOpen { key },
            Failure::Refused(table, source) => LedgerError::Refused { table, source },
        }
    }

    /// Whether the file can be opened again to get over this: a write did not find room, and no sync has failed.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Failure::Redb(error) if is_full(error))
    }
}

fn is_full(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(e)
        if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}
