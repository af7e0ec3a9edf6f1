//! Setting a damaged ledger aside, so that a new one can begin: nothing is deleted, and a report beside it says what
//! was found.
//!
//! ```text
//! DATA/ledger.redb -> DATA/quarantine/ledger.redb, or ledger.redb.2 and so on when that name is taken
//!                     DATA/quarantine/ledger.redb.json = {"file": "..", "error": ".."}
//! ```

use std::io;
use std::path::{Path, PathBuf};

use bellwether_disk::{Disk, write_file_atomically};

/// The folder for damaged files, beside the ledger.
const FOLDER: &str = "quarantine";

/// Moves the ledger `path`, which must not be open, into quarantine with the reason `why`. Returns its new path.
///
/// The report is durable before the file moves, and the move before this returns. After an error or a crash the
/// ledger is where it was, or in quarantine; the call can be repeated.
pub fn set_aside(disk: &dyn Disk, path: &Path, why: &str) -> io::Result<PathBuf> {
    let home = path.parent().unwrap_or(Path::new("."));
    let folder = home.join(FOLDER);
    disk.create_dir_all(&folder)?;
    let target = free_name(disk, &folder, path)?;
    let report = format!(
        "{{\n  \"file\": {},\n  \"error\": {}\n}}\n",
        json(&path.to_string_lossy()),
        json(why)
    );
    write_file_atomically(disk, &report_of(&target), report.as_bytes())?;
    disk.rename(path, &target)?;
    disk.sync_dir(&folder)?;
    disk.sync_dir(home)?;
    Ok(target)
}

/// A name that no file in quarantine has. A report alone is left from a try that did not end: it is written again.
fn free_name(disk: &dyn Disk, folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut target = folder.join(&*name);
    let mut number = 1;
    while disk.exists(&target)? {
        number += 1;
        target = folder.join(format!("{name}.{number}"));
    }
    Ok(target)
}

fn report_of(target: &Path) -> PathBuf {
    PathBuf::from(format!("{}.json", target.display()))
}

/// The text as JSON.
fn json(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if (c as u32) < 0x20 => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
