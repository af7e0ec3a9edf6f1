//! Log files as files: their names, and how the next one is made ready before it is needed.
//!
//! A file gets its name only when its header and its space are synced, and is synced whole before the next is
//! written to. So a file that recovery finds is either ready, or not there. One that is no longer needed
//! is turned into the next by writing a new header and renaming it: its blocks are allocated already,
//! and syncing them needs no journal.

use super::frame::{FILE_HEADER_BYTES, FileHeader};
use crate::error::StoreError;
use bellwether_disk::{Disk, DiskFile, OpenMode, temp_path};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Zeros written at a time.
const ZERO_STEP: usize = 1 << 20;

/// A file ready to take frames.
pub(crate) struct LogFile {
    pub(crate) header: FileHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes allocated. Writing beyond works, but may meet a full disk.
    pub(crate) allocated: u64,
}

/// How much work goes into a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Space is reserved. Quick.
    Reserve,
    /// Zeros are written, so that syncs need no journal later. For when there is time.
    Zeros,
}

/// The path of the file numbered `number`.
pub(crate) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.log"))
}

/// The number in a file's name, if it is named like a log file.
pub(crate) fn number_of(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".log")?;
    (stem.len() >= 10).then(|| stem.parse().ok())?
}

/// Makes the file `header.number` ready: durable, with `bytes` allocated and no frames.
pub(crate) fn prepare(
    disk: &dyn Disk,
    folder: &Path,
    header: FileHeader,
    bytes: u64,
    fill: Fill,
) -> Result<LogFile, StoreError> {
    let path = path_of(folder, header.number);
    let temp = temp_path(&path);
    let file = create(disk, &temp, header, bytes, fill).inspect_err(|_| {
        let _ = disk.remove_file(&temp); // Best effort; the next start removes it, too.
    })?;
    disk.rename(&temp, &path)
        .map_err(StoreError::io("rename", &temp))?;
    disk.sync_dir(folder)
        .map_err(StoreError::io("sync", folder))?;
    Ok(LogFile {
        header,
        path,
        file,
        allocated: bytes,
    })
}

fn create(
    disk: &dyn Disk,
    temp: &Path,
    header: FileHeader,
    bytes: u64,
    fill: Fill,
) -> Result<Arc<dyn DiskFile>, StoreError> {
    if disk
        .exists(temp)
        .map_err(StoreError::io("look for", temp))?
    {
        disk.remove_file(temp)
            .map_err(StoreError::io("remove", temp))?;
    }
    let file = disk
        .open(temp, OpenMode::CreateNew)
        .map_err(StoreError::io("create", temp))?;
    file.allocate(bytes)
        .map_err(StoreError::io("allocate space for", temp))?;
    file.write_all_at(&header.encode(), 0)
        .map_err(StoreError::io("write", temp))?;
    if fill == Fill::Zeros {
        let zeros = vec![0; ZERO_STEP.min(bytes as usize)];
        let mut at = FILE_HEADER_BYTES as u64;
        while at < bytes {
            let step = (bytes - at).min(zeros.len() as u64);
            file.write_all_at(&zeros[..step as usize], at)
                .map_err(StoreError::io("write", temp))?;
            at += step;
        }
    }
    file.sync_all().map_err(StoreError::io("sync", temp))?;
    Ok(file)
}

/// Makes the file `header.number` ready out of `old`, which nothing needs any more.
pub(crate) fn recycle(
    disk: &dyn Disk,
    folder: &Path,
    old: &Path,
    header: FileHeader,
    bytes: u64,
) -> Result<LogFile, StoreError> {
    let path = path_of(folder, header.number);
    let file = disk
        .open(old, OpenMode::ReadWrite)
        .map_err(StoreError::io("open", old))?;
    // Under the old name the new header makes it unreadable: its numbers differ.
    file.write_all_at(&header.encode(), 0)
        .map_err(StoreError::io("write", old))?;
    let len = file.len().map_err(StoreError::io("look at", old))?;
    if len > bytes {
        file.set_len(bytes)
            .map_err(StoreError::io("shorten", old))?;
    } else {
        file.allocate(bytes)
            .map_err(StoreError::io("allocate space for", old))?;
    }
    file.sync_all().map_err(StoreError::io("sync", old))?;
    disk.rename(old, &path)
        .map_err(StoreError::io("rename", old))?;
    disk.sync_dir(folder)
        .map_err(StoreError::io("sync", folder))?;
    Ok(LogFile {
        header,
        path,
        file,
        allocated: bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        let folder = Path::new("wal");
        for number in [1, 42, 9_999_999_999, 12_345_678_901] {
            assert_eq!(number_of(&path_of(folder, number)), Some(number));
        }
        for other in ["wal/1.log", "wal/0000000001.log.new", "wal/000000000x.log"] {
            assert_eq!(number_of(Path::new(other)), None);
        }
    }
}
