//! Setting damaged files aside: nothing is deleted, and a report beside each says what was found.

use crate::error::StoreError;
use bellwether_disk::{Disk, OpenMode, write_file_atomically};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Bytes copied at a time.
const COPY_STEP: usize = 1 << 20;

/// The folder for damaged files.
pub(crate) fn folder_of(store: &Path) -> PathBuf {
    store.join("quarantine")
}

/// What a report says.
pub(crate) struct Finding<'a> {
    pub(crate) file: &'a Path,
    pub(crate) what: &'a str,
    /// Byte ranges that are damaged; none when it is the whole file.
    pub(crate) ranges: &'a [std::ops::Range<u64>],
    /// First and last time of the samples concerned, milliseconds, when known.
    pub(crate) times: Option<(i64, i64)>,
}

/// Reports damage without moving anything: the file is gone, or most of it is sound.
pub(crate) fn report(
    disk: &dyn Disk,
    store: &Path,
    finding: &Finding<'_>,
) -> Result<(), StoreError> {
    let target = target(disk, store, finding.file)?;
    write_report(disk, &target, finding)
}

/// Moves a file to quarantine, with a report. Returns its new path.
pub(crate) fn take(
    disk: &dyn Disk,
    store: &Path,
    finding: &Finding<'_>,
) -> Result<PathBuf, StoreError> {
    let target = target(disk, store, finding.file)?;
    write_report(disk, &target, finding)?;
    disk.rename(finding.file, &target)
        .map_err(StoreError::io("move to quarantine", finding.file))?;
    for folder in [target.parent(), finding.file.parent()]
        .into_iter()
        .flatten()
    {
        disk.sync_dir(folder)
            .map_err(StoreError::io("sync", folder))?;
    }
    Ok(target)
}

/// Copies a file to quarantine, with a report, unless a copy of that name and length is there. Returns the
/// path of the copy.
pub(crate) fn copy(
    disk: &dyn Disk,
    store: &Path,
    finding: &Finding<'_>,
) -> Result<PathBuf, StoreError> {
    let source = disk
        .open(finding.file, OpenMode::Read)
        .map_err(StoreError::io("open", finding.file))?;
    let len = source
        .len()
        .map_err(StoreError::io("look at", finding.file))?;
    let folder = folder_of(store);
    disk.create_dir_all(&folder)
        .map_err(StoreError::io("create", &folder))?;
    let target = folder.join(finding.file.file_name().unwrap_or_default());
    if let Ok(present) = disk.open(&target, OpenMode::Read)
        && present.len().is_ok_and(|l| l == len)
    {
        return Ok(target); // By a recovery that crashed, or before a restart without a flush.
    }
    write_report(disk, &target, finding)?;
    let copy = disk
        .open(&target, OpenMode::CreateOrOpen)
        .map_err(StoreError::io("create", &target))?;
    let mut buffer = vec![0; COPY_STEP.min(len as usize)];
    let mut at = 0;
    while at < len {
        let step = (len - at).min(COPY_STEP as u64) as usize;
        source
            .read_exact_at(&mut buffer[..step], at)
            .map_err(StoreError::io("read", finding.file))?;
        copy.write_all_at(&buffer[..step], at)
            .map_err(StoreError::io("write", &target))?;
        at += step as u64;
    }
    copy.sync_all().map_err(StoreError::io("sync", &target))?;
    disk.sync_dir(&folder)
        .map_err(StoreError::io("sync", &folder))?;
    Ok(target)
}

/// A free name in quarantine for the file.
fn target(disk: &dyn Disk, store: &Path, file: &Path) -> Result<PathBuf, StoreError> {
    let folder = folder_of(store);
    disk.create_dir_all(&folder)
        .map_err(StoreError::io("create", &folder))?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let taken = |path: &Path| disk.exists(path).map_err(StoreError::io("look for", path));
    let mut target = folder.join(&name);
    let mut number = 1;
    while taken(&target)? || taken(&report_path(&target))? {
        number += 1;
        target = folder.join(format!("{name}.{number}"));
    }
    Ok(target)
}

fn report_path(target: &Path) -> PathBuf {
    PathBuf::from(format!("{}.json", target.display()))
}

fn write_report(disk: &dyn Disk, target: &Path, finding: &Finding<'_>) -> Result<(), StoreError> {
    let path = report_path(target);
    let mut json = String::from("{\n  \"file\": ");
    push_text(&mut json, &finding.file.to_string_lossy());
    json.push_str(",\n  \"error\": ");
    push_text(&mut json, finding.what);
    if let Some((first, last)) = finding.times {
        // Writing to a String cannot fail, here and below.
        let _ = write!(json, ",\n  \"first_ms\": {first},\n  \"last_ms\": {last}");
    }
    json.push_str(",\n  \"ranges\": [");
    for (i, range) in finding.ranges.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        let _ = write!(json, "{comma}[{}, {}]", range.start, range.end);
    }
    json.push_str("]\n}\n");
    write_file_atomically(disk, &path, json.as_bytes()).map_err(StoreError::io("write", &path))
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
