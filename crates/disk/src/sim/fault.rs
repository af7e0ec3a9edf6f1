//! What can go wrong with one call, and the record of calls by which tests choose it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What happens to one call of the disk. On a call that it does not fit, [`Fault::LyingSync`] and
/// [`Fault::ShortRead`] do nothing, and every other fault fails the call and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this error number and changes nothing.
    Errno(i32),
    /// A write puts its first `bytes` bytes down, then fails with this error number.
    ShortWrite {
        /// How many bytes are written.
        bytes: usize,
        /// The error number returned.
        errno: i32,
    },
    /// A read returns at most this many bytes, and no error.
    ShortRead {
        /// How many bytes are returned at most.
        bytes: usize,
    },
    /// The sync fails with `EIO` and every open handle hears of it once. The pages are marked clean: readers see the
    /// new bytes until a crash, and the next sync returns `Ok` without writing them. (Linux, ext4.)
    SyncKeepsCache,
    /// As before, but readers see the old bytes again at once. (btrfs, xfs in some cases.)
    SyncRevertsCache,
    /// As [`Fault::SyncKeepsCache`], but only the handle that synced hears of it: another handle's sync
    /// returns `Ok`. (Linux before 4.13.)
    SyncToldOnce,
    /// The sync returns `Ok` and makes nothing durable; the next one does.
    LyingSync,
}

/// What kind of call an [`Operation`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the trait's call of that name")]
pub enum OpKind {
    Open,
    /// An open that made the file.
    Create,
    Read,
    Write,
    Len,
    SetLen,
    Allocate,
    /// `sync_data` or `sync_all`: the model does not tell them apart.
    Sync,
    /// One folder made; its parent's sync is an operation of its own.
    MakeDir,
    ReadDir,
    /// `exists` or `is_dir`.
    Stat,
    Rename,
    Remove,
    SyncDir,
    /// `free_space` or `total_space`.
    FreeSpace,
    Lock,
}

impl OpKind {
    /// Whether such a call can change what a crash leaves.
    pub fn changes_disk(self) -> bool {
        use OpKind::{Allocate, Create, MakeDir, Remove, Rename, SetLen, Sync, SyncDir, Write};
        matches!(
            self,
            Create | Write | SetLen | Allocate | Sync | MakeDir | Rename | Remove | SyncDir
        )
    }
}

/// One call that the disk has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What was called.
    pub kind: OpKind,
    /// The file or folder; the old name of a rename.
    pub path: PathBuf,
}

/// Whether `error` comes from a disk stopped by [`super::SimDisk::crash_after`]: the process is dead, and what
/// it would do about the error does not matter.
pub fn is_crash(error: &io::Error) -> bool {
    match error.get_ref() {
        Some(inner) if inner.is::<Crashed>() => true,
        // Wrapped once more on the way up.
        Some(inner) => inner.downcast_ref::<io::Error>().is_some_and(is_crash),
        None => false,
    }
}

pub(super) fn crashed() -> io::Error {
    io::Error::other(Crashed)
}

#[derive(Debug)]
struct Crashed;

impl fmt::Display for Crashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated machine has crashed")
    }
}

impl std::error::Error for Crashed {}
