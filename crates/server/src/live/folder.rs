//! The rule folder: reading it, and noticing that it changed.
//!
//! A folder that is not there holds no rules; one that cannot be read, or holds a mistake, keeps what
//! runs. Change is noticed by content, so that a touched file reloads nothing.
//!
//! Not here: what a rule means (`lang`), what a reload does to state (`engine`).

use std::io;
use std::path::{Path, PathBuf};

use bellwether_disk::{Disk, RealDisk, read_file};
use bellwether_lang::rules::{self, Checked, SourceFile};
use bellwether_model::limits;

/// Watches one folder of `*.rules` files.
pub(crate) struct RuleFolder {
    path: PathBuf,
    /// What the files held when they were last handed out.
    seen: Option<Vec<SourceFile>>,
    /// The trouble that was last handed out, so that it is told once.
    trouble: Option<String>,
}

/// What a look at the folder gave.
pub(crate) enum Look {
    /// As before.
    Same,
    /// Read and checked; there may be mistakes in it.
    Changed {
        files: Vec<SourceFile>,
        checked: Box<Checked>,
    },
    /// It could not be read: why, with the file.
    Unreadable(String),
}

impl RuleFolder {
    /// Reads nothing yet.
    pub(crate) fn new(path: &Path) -> RuleFolder {
        RuleFolder {
            path: path.to_owned(),
            seen: None,
            trouble: None,
        }
    }

    /// Looks, and checks what is new. With `again`, what is not new is handed out as well.
    pub(crate) fn look(&mut self, again: bool) -> Look {
        let files = match self.read() {
            Ok(files) => files,
            Err(trouble) => {
                if !again && self.trouble.as_ref() == Some(&trouble) {
                    return Look::Same;
                }
                self.trouble = Some(trouble.clone());
                self.seen = None;
                return Look::Unreadable(trouble);
            }
        };
        self.trouble = None;
        if !again && self.seen.as_ref() == Some(&files) {
            return Look::Same;
        }
        let checked = Box::new(rules::check(&files));
        self.seen = Some(files.clone());
        Look::Changed { files, checked }
    }

    fn read(&self) -> Result<Vec<SourceFile>, String> {
        let place = |path: &Path, e: &io::Error| format!("{}: {e}", path.display());
        if !RealDisk
            .exists(&self.path)
            .map_err(|e| place(&self.path, &e))?
        {
            return Ok(Vec::new());
        }
        let names = RealDisk
            .read_dir(&self.path)
            .map_err(|e| place(&self.path, &e))?;
        let mut files = Vec::new();
        for path in names
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "rules"))
        {
            let bytes = match read_file(&RealDisk, &path, limits::RULES_FILE_MAX.value) {
                Ok(bytes) => bytes,
                // Removed between the two calls, as editors do: the next look tells.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(place(&path, &e)),
            };
            let text = String::from_utf8(bytes).map_err(|e| {
                let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
                let line = memchr::memchr_iter(b'\n', before).count() + 1;
                format!("{}:{line}: not UTF-8", path.display())
            })?;
            let name = path
                .strip_prefix("./")
                .unwrap_or(&path)
                .display()
                .to_string();
            files.push(SourceFile { path: name, text });
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the test plays the editor")]
    fn write(path: &Path, content: impl AsRef<[u8]>) {
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn a_change_is_seen_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = RuleFolder::new(folder.path());
        assert!(matches!(watch.look(false), Look::Changed { files, .. } if files.is_empty()));
        assert!(matches!(watch.look(false), Look::Same));
        write(
            &folder.path().join("a.rules"),
            "alert Up\n  expr  up\n  error  == 0\n",
        );
        write(&folder.path().join("notes.txt"), "not a rule");
        assert!(
            matches!(watch.look(false), Look::Changed { files, checked } if files.len() == 1 && !checked.has_errors())
        );
        assert!(matches!(watch.look(false), Look::Same));
        assert!(matches!(watch.look(true), Look::Changed { .. }));
    }

    #[test]
    fn trouble_names_the_file_and_line_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = RuleFolder::new(folder.path());
        write(&folder.path().join("b.rules"), b"# fine\n\xff\n");
        assert!(
            matches!(watch.look(false), Look::Unreadable(why) if why.contains("b.rules:2: not UTF-8"))
        );
        assert!(matches!(watch.look(false), Look::Same));
        assert!(matches!(watch.look(true), Look::Unreadable(_)));
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let mut watch = RuleFolder::new(Path::new("no/such/folder"));
        assert!(matches!(watch.look(false), Look::Changed { files, .. } if files.is_empty()));
    }
}
