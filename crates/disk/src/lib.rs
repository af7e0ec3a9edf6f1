//! The disk as a trait: the one crate that opens files.
//!
//! Everything above reads and writes through [`Disk`] and [`DiskFile`]. [`RealDisk`] is the machine's
//! file system; [`SimDisk`] is a disk in memory that forgets what was not synced, tears writes, runs full and
//! fails on demand. Whatever holds on every crash image of the second holds on the first, as far as
//! a test can say.
//!
//! Promises of every implementation:
//! - Bytes are durable once [`DiskFile::sync_data`] or [`DiskFile::sync_all`] returned `Ok`. A *name* (a
//!   created, renamed or removed file) is durable once [`Disk::sync_dir`] of its folder returned `Ok`.
//! - After a failed sync nothing is known about the bytes since the last good one. The file must not be
//!   written or synced again: a second sync may return `Ok` without having written them.
//! - `EINTR` and short writes never reach the caller.
//! - One writer: [`Disk::lock`] is how a second process is kept out.
//!
//! Not here: formats, paths, retries and what to do about an error.

#![forbid(unsafe_code)]

mod real;
mod redb_backend;
pub mod sim;
mod whole_file;

#[cfg(test)]
mod tests;

pub use real::RealDisk;
pub use redb_backend::{RedbFile, open_database, write_database};
pub use sim::SimDisk;
pub use whole_file::{TEMP_SUFFIX, read_file, temp_path, write_file_atomically};

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; the file must exist. Follows symbolic links: users' rule files often are some.
    Read,
    /// For reading and writing; the file must exist.
    ReadWrite,
    /// For reading and writing; the file must not exist (`O_EXCL`) and is created with mode 0600.
    CreateNew,
    /// For reading and writing; created with mode 0600 when it does not exist, never truncated.
    CreateOrOpen,
}

/// A disk: folders, names and the files in them. Used as `Arc<dyn Disk>`.
///
/// Errors carry no path; the caller knows it and says what it was doing.
pub trait Disk: Send + Sync + Debug {
    /// Opens the file at `path`. The modes that write refuse a symbolic link as last component.
    ///
    /// A pipe or device opens without blocking. A folder opens for reading as it does on Unix, and
    /// fails when read.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes `path` and the folders above it that are missing, with mode 0700, and syncs the
    /// parent of each one made: once this returns, the folder survives a crash.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The full paths of everything in the folder, files and folders, sorted by name bytes.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// Whether something stands at `path`. An error means that it could not be found out.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Whether a folder stands at `path`, or a symbolic link to one. `false` when nothing does.
    fn is_dir(&self, path: &Path) -> io::Result<bool>;

    /// Gives `from` the name `to`, replacing a file of that name in one step. Durable after
    /// [`Disk::sync_dir`] of both folders; until then a crash may leave the old name, the new one, or both.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file. Durable after [`Disk::sync_dir`]; open handles keep reading.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes every change of names in the folder `path` durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Bytes that this process may still write on the file system that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;

    /// Bytes that the file system that holds `path` has in all, used or not.
    fn total_space(&self, path: &Path) -> io::Result<u64>;

    /// Takes the exclusive lock `path`, creating the file when missing, and writes the process id into
    /// it if there is room: the id is for people. Never waits: kind [`io::ErrorKind::WouldBlock`] when someone else holds it.
    ///
    /// The lock ends when the value is dropped or the process dies; the file stays.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// One open file. All calls are positional, so a handle can be shared between threads.
#[expect(
    clippy::len_without_is_empty,
    reason = "`len` does input and output, and nobody asks for emptiness"
)]
pub trait DiskFile: Send + Sync + Debug {
    /// Reads up to `buf.len()` bytes at `offset`; 0 means end of file. May return fewer than there are.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `buf` at `offset`, growing the file when it ends beyond. A hole reads as zeros.
    ///
    /// After an error any part of `buf` may have been written.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space so that writes below `len` do not meet a full disk, and grows the file with zeros to
    /// `len` when it is shorter. Existing bytes stay. Where the file system cannot reserve, writes zeros.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the bytes, the length and the other metadata durable (`fsync`).
    fn sync_all(&self) -> io::Result<()>;

    /// Fills `buf` from `offset`; kind [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Holds a lock taken by [`Disk::lock`] until dropped.
pub trait Lock: Send + Sync + Debug {}
