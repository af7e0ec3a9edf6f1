//! redb on our disk, so that a simulated crash covers the catalogue and the ledger too.
//!
//! [`open_database`] is the way in: an existing file is opened and never initialised over, a missing one
//! is created whole under a temporary name, so that a crash in the middle leaves no half database.
//! redb's own file lock is not used: whoever opens a database holds the folder's [`Disk::lock`].
//!
//! redb rewrites the first page of its file in place at every commit, and trusts the medium not to
//! damage the bytes around the one that changes. A write torn inside a sector does just that, so the
//! page's beginning is kept in two slots here, written in turns: the slot that holds the last synced
//! one is never written. Everything else redb writes to fresh pages, with checksums.
//!
//! ```text
//! file = slot 0, to 4096 | slot 1, to 8192 | redb's file, whose first 512 bytes are unused
//! slot = magic: "bwell\0DB" | version: u32 LE = 1 | sequence: u64 LE
//!      | redb's first 512 bytes | crc32c of all before: u32 LE
//! ```
//!
//! The valid slot with the greater sequence number counts. Not here: tables, and what a transaction
//! promises beyond "synced when it returns".

use crate::whole_file::parent;
use crate::{Disk, DiskFile, OpenMode, temp_path};
use parking_lot::Mutex;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much of redb's file is kept in slots: its header and both of its commit records (320 bytes).
const HEAD_BYTES: usize = 512;
/// Apart by what the largest devices write at a time, or one torn write could take both slots.
const SLOT_STRIDE: u64 = 4096;
/// Where redb's file begins.
const BODY: u64 = 2 * SLOT_STRIDE;
const MAGIC: &[u8; 8] = b"bwell\0DB";
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 8 + 4 + 8 + HEAD_BYTES + 4;

/// Opens the database `path` with the settings of `builder`, creating it when nothing is there.
///
/// A file that is damaged, empty, or no database at all is [`StorageError::Corrupted`]: opening it as a
/// new one would turn damage into lost state.
pub fn open_database(
    disk: &dyn Disk,
    path: &Path,
    builder: &Builder,
) -> Result<Database, DatabaseError> {
    let temp = temp_path(path);
    if disk.exists(&temp)? {
        disk.remove_file(&temp)?; // Left by a crash during the first start, maybe as a second name.
    }
    if !disk.exists(path)? {
        write_database(disk, path, builder, |_| Ok::<(), DatabaseError>(()))?;
    }
    let file = disk.open(path, OpenMode::ReadWrite)?;
    builder.create_with_backend(RedbFile::open(file)?)
}

/// Makes a new database, has `fill` write to it, and puts it in place of whatever stands at `path`.
///
/// A crash leaves what was there before, or all of the new one. Nobody may have the old one open.
pub fn write_database<E: From<DatabaseError>>(
    disk: &dyn Disk,
    path: &Path,
    builder: &Builder,
    fill: impl FnOnce(&Database) -> Result<(), E>,
) -> Result<(), E> {
    let io = |error: io::Error| E::from(DatabaseError::from(error));
    let temp = temp_path(path);
    if disk.exists(&temp).map_err(io)? {
        disk.remove_file(&temp).map_err(io)?; // Left by a crash.
    }
    let made = make_database(disk, &temp, builder, fill)
        .and_then(|()| disk.rename(&temp, path).map_err(io));
    if let Err(error) = made {
        // Best effort: the first error is the one to tell, and the next attempt removes it too.
        let _ = disk.remove_file(&temp);
        return Err(error);
    }
    disk.sync_dir(parent(path)).map_err(io)
}

fn make_database<E: From<DatabaseError>>(
    disk: &dyn Disk,
    temp: &Path,
    builder: &Builder,
    fill: impl FnOnce(&Database) -> Result<(), E>,
) -> Result<(), E> {
    let io = |error: io::Error| E::from(DatabaseError::from(error));
    let file = disk.open(temp, OpenMode::CreateNew).map_err(io)?;
    let storage = RedbFile::create(file.clone()).map_err(io)?;
    let database = builder.create_with_backend(storage)?;
    fill(&database)?;
    drop(database);
    // Closing the database wrote to it, and could not report an error.
    file.sync_all().map_err(io)
}

/// A file as redb's storage.
#[derive(Debug)]
pub struct RedbFile {
    file: Arc<dyn DiskFile>,
    head: Mutex<Head>,
    /// Set by a failed sync. From then on the file is neither written nor synced: the kernel may have
    /// dropped the unwritten pages and would report the next sync as a success.
    sync_failed: AtomicBool,
}

/// The first bytes of redb's file, and where they go next.
#[derive(Debug)]
struct Head {
    bytes: [u8; HEAD_BYTES],
    sequence: u64,
    /// The slot that was written last.
    slot: u64,
    /// Whether that slot is unsynced. The other one is not touched while it is.
    unsynced: bool,
}

impl RedbFile {
    /// Storage in the empty `file`, which must be open for writing and belong to nobody else.
    pub fn create(file: Arc<dyn DiskFile>) -> io::Result<RedbFile> {
        file.set_len(BODY)?;
        Ok(RedbFile::new(
            file,
            Head {
                bytes: [0; HEAD_BYTES],
                sequence: 0,
                slot: 1,
                unsynced: false,
            },
        ))
    }

    /// Storage in `file`, which [`RedbFile::create`] made.
    pub fn open(file: Arc<dyn DiskFile>) -> Result<RedbFile, StorageError> {
        if file.len()? <= BODY {
            // redb would take it for a new one.
            return Err(StorageError::Corrupted(
                "the database file is cut short".to_owned(),
            ));
        }
        let slots = [read_slot(&*file, 0)?, read_slot(&*file, 1)?];
        let newest = slots.into_iter().flatten().max_by_key(|head| head.sequence);
        let head = newest.ok_or_else(|| {
            StorageError::Corrupted("neither copy of the database header can be read".to_owned())
        })?;
        Ok(RedbFile::new(file, head))
    }

    fn new(file: Arc<dyn DiskFile>, head: Head) -> RedbFile {
        RedbFile {
            file,
            head: Mutex::new(head),
            sync_failed: AtomicBool::new(false),
        }
    }

    fn write_head(&self, offset: usize, data: &[u8]) -> io::Result<()> {
        let mut head = self.head.lock();
        if !head.unsynced {
            head.slot = 1 - head.slot;
            head.unsynced = true;
        }
        head.bytes[offset..offset + data.len()].copy_from_slice(data);
        head.sequence = head.sequence.saturating_add(1);
        self.file
            .write_all_at(&head.encode(), head.slot * SLOT_STRIDE)
    }

    fn refuse_after_failed_sync(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        Ok(())
    }
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(MAGIC);
        slot.extend_from_slice(&VERSION.to_le_bytes());
        slot.extend_from_slice(&self.sequence.to_le_bytes());
        slot.extend_from_slice(&self.bytes);
        slot.extend_from_slice(&crc32c::crc32c(&slot).to_le_bytes());
        slot
    }
}

/// The head in a slot; `None` when it was never written, torn or damaged.
fn read_slot(file: &dyn DiskFile, slot: u64) -> Result<Option<Head>, StorageError> {
    let mut raw = [0; SLOT_BYTES];
    match file.read_exact_at(&mut raw, slot * SLOT_STRIDE) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (checked, crc) = raw.split_at(SLOT_BYTES - 4);
    if crc32c::crc32c(checked).to_le_bytes() != crc || &checked[..8] != MAGIC {
        return Ok(None);
    }
    let mut version = [0; 4];
    version.copy_from_slice(&checked[8..12]);
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&checked[12..20]);
    let mut bytes = [0; HEAD_BYTES];
    bytes.copy_from_slice(&checked[20..]);
    match u32::from_le_bytes(version) {
        VERSION => {}
        newer => {
            let message =
                format!("the database file has version {newer}, this program reads {VERSION}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, message).into());
        }
    }
    Ok(Some(Head {
        bytes,
        sequence: u64::from_le_bytes(sequence),
        slot,
        unsynced: false,
    }))
}

impl StorageBackend for RedbFile {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.file.len()?.saturating_sub(BODY))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read_exact_at(out, body_offset(offset)?)?;
        if let Some(part) = in_head(offset, out.len()) {
            out[..part.len()].copy_from_slice(&self.head.lock().bytes[part]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.refuse_after_failed_sync()?;
        self.file.set_len(body_offset(len)?)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.refuse_after_failed_sync()?;
        // Held over the sync, so that no write slips in between the sync and the note of it.
        let mut head = self.head.lock();
        if let Err(e) = self.file.sync_data() {
            self.sync_failed.store(true, Ordering::Release);
            // Wrapped: a sync that ran into a full disk is not the full disk that a retry gets over.
            return Err(io::Error::other(e));
        }
        head.unsynced = false;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.refuse_after_failed_sync()?;
        let Some(part) = in_head(offset, data.len()) else {
            return self.file.write_all_at(data, body_offset(offset)?);
        };
        let (head, rest) = data.split_at(part.len());
        self.write_head(part.start, head)?;
        if rest.is_empty() {
            Ok(())
        } else {
            self.file.write_all_at(rest, BODY + part.end as u64)
        }
    }
}

/// The part of the head that `len` bytes at `offset` begin with.
fn in_head(offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset)
        .ok()
        .filter(|start| *start < HEAD_BYTES)?;
    Some(start..HEAD_BYTES.min(start.saturating_add(len)))
}

fn body_offset(offset: u64) -> io::Result<u64> {
    offset
        .checked_add(BODY)
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}
