//! Rule files from the disk: the files named, and the `*.rules` files of the folders named.
//!
//! One reader for the server and for `check`, so that both see the same files under the same names. What the disk
//! refuses is told beside what could be read; what the bytes say is for `lang`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bellwether_disk::{Disk, read_file};
use bellwether_lang::rules::RawFile;
use bellwether_model::limits;

/// What the ends of the names of rule files are.
const EXTENSION: &str = "rules";

/// What a look at the disk gave.
#[derive(Debug, Default)]
pub struct Found {
    /// The files, each once, those of a folder in order of their names.
    pub files: Vec<RawFile>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A file or folder that the disk did not give.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct Unreadable {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Reads `paths`, each a rule file or a folder of rule files.
pub fn read(disk: &dyn Disk, paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut names = BTreeSet::new();
    for path in paths {
        let listed = match list(disk, path) {
            Ok(listed) => listed,
            Err(source) => {
                found.refuse(path, source);
                continue;
            }
        };
        for file in listed {
            let name = file
                .strip_prefix("./")
                .unwrap_or(&file)
                .display()
                .to_string();
            // `check rules rules/disk.rules` names one file twice.
            if names.insert(name.clone()) {
                found.take(disk, &file, name, path);
            }
        }
    }
    found
}

/// The files that `path` stands for.
fn list(disk: &dyn Disk, path: &Path) -> io::Result<Vec<PathBuf>> {
    if !disk.is_dir(path)? {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = disk.read_dir(path)?;
    files.retain(|file| file.extension().is_some_and(|e| e == EXTENSION));
    Ok(files)
}

impl Found {
    fn take(&mut self, disk: &dyn Disk, file: &Path, name: String, named: &Path) {
        let bytes = match read_file(disk, file, limits::RULES_FILE_MAX.value) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => None,
            // Listed and then removed, as editors do.
            Err(e) if e.kind() == io::ErrorKind::NotFound && file != named => return,
            Err(e) => return self.refuse(file, e),
        };
        self.files.push(RawFile { path: name, bytes });
    }

    fn refuse(&mut self, path: &Path, source: io::Error) {
        self.unreadable.push(Unreadable {
            path: path.to_owned(),
            source,
        });
    }
}
