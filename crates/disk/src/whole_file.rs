//! Whole files: written so that a crash leaves the old one or the new one, read with a limit.
//!
//! The protocol of [`write_file_atomically`] (rule W1): temporary name, exclusive create, write, sync, rename,
//! sync the folder. Each step is there because a crash image of the simulated disk shows what
//! happens without it.
//!
//! Not here: files that are appended to or changed in place.

use crate::{Disk, OpenMode};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Ends the name of a file that is still being written. One found at start-up is a crash's leftover
/// and may be removed.
pub const TEMP_SUFFIX: &str = ".new";

/// What one read asks for when the length is not known to be more.
const READ_STEP_BYTES: usize = 64 << 10;

/// The name under which the file `path` is written before it is renamed: `path` + [`TEMP_SUFFIX`].
pub fn temp_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(TEMP_SUFFIX);
    PathBuf::from(name)
}

/// Makes `bytes` the whole content of `path`, durably: after a crash at any point the file holds either
/// what it held before (or does not exist), or all of `bytes`.
///
/// The caller is the only writer of `path`. On an error the temporary file is removed, if possible.
pub fn write_file_atomically(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temp = temp_path(path);
    let written = write_new(disk, &temp, bytes).and_then(|()| disk.rename(&temp, path));
    if let Err(e) = written {
        // Best effort: the first error is the one to tell, and the next attempt removes it too.
        let _ = disk.remove_file(&temp);
        return Err(e);
    }
    disk.sync_dir(parent(path))
}

fn write_new(disk: &dyn Disk, temp: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = match disk.open(temp, OpenMode::CreateNew) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove_file(temp)?; // Left by a crash.
            disk.open(temp, OpenMode::CreateNew)?
        }
        opened => opened?,
    };
    file.write_all_at(bytes, 0)?;
    file.sync_all()
}

/// Reads all of `path`, at most `len_max` bytes.
///
/// A longer file is kind [`io::ErrorKind::FileTooLarge`] and names the limit; no more than the limit is
/// ever allocated, also when the file grows while it is read.
pub fn read_file(disk: &dyn Disk, path: &Path, len_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > len_max {
        return Err(too_large(len_max));
    }
    let mut bytes = Vec::new();
    loop {
        // Not trusted as the end: it may grow, and special files say 0.
        let done = bytes.len();
        let step = (len as usize).saturating_sub(done).max(READ_STEP_BYTES);
        bytes.resize(done + step, 0);
        match file.read_at(&mut bytes[done..], done as u64) {
            Ok(n) => bytes.truncate(done + n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                bytes.truncate(done);
                continue;
            }
            Err(e) => return Err(e),
        }
        if bytes.len() as u64 > len_max {
            return Err(too_large(len_max));
        }
        if bytes.len() == done {
            bytes.shrink_to_fit();
            return Ok(bytes);
        }
    }
}

/// The folder that holds the name `path`; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

fn too_large(len_max: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("longer than the limit of {len_max} bytes"),
    )
}
