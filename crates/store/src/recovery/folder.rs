//! A store's folder: whether there is one, who may have it open, and what a crash left lying in it.

use super::manifest::Manifest;
use crate::error::StoreError;
use crate::flush;
use crate::wal::file;
use bellwether_disk::{Disk, Lock};
use std::path::{Path, PathBuf};

/// The folders inside a store's folder.
const FOLDERS: [&str; 3] = ["wal", "seg", "tmp"];

/// Where the catalogue is.
pub(super) fn catalog_path(folder: &Path) -> PathBuf {
    folder.join("catalog.redb")
}

/// Takes the folder's lock and makes what is missing in it.
///
/// - `create`: when there is no store, one begins here; else that is an error, and nothing is written.
pub(super) fn prepare(
    disk: &dyn Disk,
    folder: &Path,
    create: bool,
) -> Result<Box<dyn Lock>, StoreError> {
    if !create && !is_store(disk, folder)? {
        return Err(StoreError::NotAStore {
            path: folder.to_owned(),
        });
    }
    disk.create_dir_all(folder)
        .map_err(StoreError::io("create", folder))?;
    let lock_path = folder.join("lock");
    let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => StoreError::Locked {
            path: folder.to_owned(),
            reason: error.to_string(),
        },
        _ => StoreError::io("lock", &lock_path)(error),
    })?;
    for name in FOLDERS {
        let path = folder.join(name);
        disk.create_dir_all(&path)
            .map_err(StoreError::io("create", &path))?;
    }
    Ok(lock)
}

/// Whether the folder holds a catalogue, or what one can be rebuilt from.
fn is_store(disk: &dyn Disk, folder: &Path) -> Result<bool, StoreError> {
    let catalog = catalog_path(folder);
    if disk
        .exists(&catalog)
        .map_err(StoreError::io("look for", &catalog))?
    {
        return Ok(true);
    }
    let is_ours =
        |path: &PathBuf| file::number_of(path).is_some() || flush::segment_id_of(path).is_some();
    for name in ["wal", "seg"] {
        let path = folder.join(name);
        let there = disk
            .is_dir(&path)
            .map_err(StoreError::io("look for", &path))?;
        if there && list(disk, &path)?.iter().any(is_ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Files that nobody needs: what was being made when a crash came, and what is older than the manifest.
pub(super) fn orphans(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
) -> Result<Vec<PathBuf>, StoreError> {
    let mut unwanted = Vec::new();
    for name in FOLDERS {
        let entries = list(disk, &folder.join(name))?;
        unwanted.extend(entries.into_iter().filter(|entry| match name {
            "wal" => {
                let unfinished = entry.extension().is_some_and(|e| e == "new");
                unfinished
                    || file::number_of(entry).is_some_and(|n| n < manifest.progress.wal_first)
            }
            "seg" => {
                flush::segment_id_of(entry).is_none_or(|id| !manifest.segments.contains_key(&id))
            }
            _ => true,
        }));
    }
    Ok(unwanted)
}

/// Removes files, and makes that durable. All are tried; the first error is told.
pub(crate) fn remove(
    disk: &dyn Disk,
    paths: &[PathBuf],
    mut removed: impl FnMut(&Path),
) -> Result<(), StoreError> {
    let mut result = Ok(());
    let mut folders: Vec<&Path> = Vec::new();
    for path in paths {
        match disk.remove_file(path) {
            Ok(()) => removed(path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => result = result.and(Err(StoreError::io("remove", path)(e))),
        }
        folders.extend(path.parent());
    }
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        let synced = disk.sync_dir(folder);
        result = result.and(synced.map_err(StoreError::io("sync", folder)));
    }
    result
}

fn list(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    disk.read_dir(path).map_err(StoreError::io("list", path))
}
