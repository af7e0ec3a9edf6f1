//! The machine's file system, as thinly as it can be had.
//!
//! Files are created with mode 0600 and folders with 0700: what a team measures is nobody else's business.
//! Not here: the promises, which stand with the trait, and anything that decides.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the file through which everyone else opens files"
)]

use crate::whole_file::parent;
use crate::{Disk, DiskFile, Lock, OpenMode};
use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Zeros written at a time where the file system cannot reserve space.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The machine's file system. Has no state; all values are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl RealDisk {
    /// The disk, in the form that everything above takes.
    pub fn shared() -> Arc<dyn Disk> {
        Arc::new(RealDisk)
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(options(mode).open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
            .collect();
        for folder in missing.into_iter().rev() {
            match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                made => made?,
            }
            self.sync_dir(parent(folder))?;
        }
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = fs::read_dir(path)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable();
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let flags = (OFlags::DIRECTORY | OFlags::NONBLOCK).bits() as i32;
        OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)?
            .sync_all()
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn total_space(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = options(OpenMode::CreateOrOpen).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held_by(&file)),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        // A full disk must not keep anyone out of the data on it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0));
        Ok(Box::new(RealLock(file)))
    }
}

fn options(mode: OpenMode) -> OpenOptions {
    let mut options = OpenOptions::new();
    // Opening a pipe must not wait for its other end.
    let mut flags = OFlags::NONBLOCK;
    options.read(true).mode(FILE_MODE);
    if mode != OpenMode::Read {
        options.write(true);
        flags |= OFlags::NOFOLLOW; // A link planted in the data folder would send writes elsewhere.
    }
    options
        .create_new(mode == OpenMode::CreateNew)
        .create(mode == OpenMode::CreateOrOpen);
    options.custom_flags(flags.bits() as i32);
    options
}

/// The error of a lock that another process holds; names it as far as its file tells.
fn held_by(file: &File) -> io::Error {
    let mut text = [0; 20];
    let read = file.read_at(&mut text, 0).unwrap_or(0);
    let owner = str::from_utf8(&text[..read])
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    let message = match owner {
        Some(pid) => format!("held by process {pid}"),
        None => "held by another process".to_owned(),
    };
    io::Error::new(io::ErrorKind::WouldBlock, message)
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buf, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(()); // `fallocate` refuses an empty range.
        }
        loop {
            match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return self.fill_with_zeros(len),
                done => return Ok(done?),
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl RealFile {
    fn fill_with_zeros(&self, len: u64) -> io::Result<()> {
        let mut end = self.len()?;
        while end < len {
            let step = (len - end).min(ZEROS.len() as u64);
            self.0.write_all_at(&ZEROS[..step as usize], end)?;
            end += step;
        }
        Ok(())
    }
}

/// The kernel drops the lock with the descriptor, also when the process is killed.
#[derive(Debug)]
#[expect(
    dead_code,
    reason = "held, never read: closing the file is what ends the lock"
)]
struct RealLock(File);

impl Lock for RealLock {}
