//! redb on our disk, so that a simulated crash covers the catalogue and the ledger too.
//!
//! [`open_database`] is the way in: an existing file is opened and never initialised over, a missing one
//! is created whole under a temporary name, so that a crash in the middle leaves no half database.
//! redb's own file lock is not used: whoever opens a database holds the folder's [`Disk::lock`].
//!
//! Not here: tables, and what a transaction promises beyond "synced when it returns".

use crate::whole_file::parent;
use crate::{Disk, DiskFile, OpenMode, temp_path};
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens the database `path` with the settings of `builder`, creating it when nothing is there.
///
/// An empty file is [`StorageError::Corrupted`], since a crash cannot leave one: opening it as a new
/// database would turn damage into lost state. A file that is no database is kind
/// [`io::ErrorKind::InvalidData`].
pub fn open_database(
    disk: &dyn Disk,
    path: &Path,
    builder: &Builder,
) -> Result<Database, DatabaseError> {
    if !disk.exists(path)? {
        create_database(disk, path, builder)?;
    }
    let file = disk.open(path, OpenMode::ReadWrite)?;
    if file.len()? == 0 {
        return Err(StorageError::Corrupted("the database file is empty".to_owned()).into());
    }
    builder.create_with_backend(RedbFile::new(file))
}

fn create_database(disk: &dyn Disk, path: &Path, builder: &Builder) -> Result<(), DatabaseError> {
    let temp = temp_path(path);
    if disk.exists(&temp)? {
        disk.remove_file(&temp)?; // Left by a crash during the first start.
    }
    let file = disk.open(&temp, OpenMode::CreateNew)?;
    drop(builder.create_with_backend(RedbFile::new(file.clone()))?);
    // Closing the database wrote to it, and could not report an error.
    file.sync_all()?;
    disk.rename(&temp, path)?;
    Ok(disk.sync_dir(parent(path))?)
}

/// A file as redb's storage.
#[derive(Debug)]
pub struct RedbFile {
    file: Arc<dyn DiskFile>,
    /// Set by a failed sync. From then on the file is neither written nor synced: the kernel may have
    /// dropped the unwritten pages and would report the next sync as a success.
    sync_failed: AtomicBool,
}

impl RedbFile {
    /// Storage over `file`, which must be open for writing and belong to nobody else.
    pub fn new(file: Arc<dyn DiskFile>) -> RedbFile {
        RedbFile {
            file,
            sync_failed: AtomicBool::new(false),
        }
    }

    fn refuse_after_failed_sync(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        Ok(())
    }
}

impl StorageBackend for RedbFile {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.refuse_after_failed_sync()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.refuse_after_failed_sync()?;
        self.file
            .sync_data()
            .inspect_err(|_| self.sync_failed.store(true, Ordering::Release))
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.refuse_after_failed_sync()?;
        self.file.write_all_at(data, offset)
    }
}
