//! The rule folder: reading it, and noticing that it changed.
//!
//! A folder that cannot be read, or holds a mistake, keeps what runs. One that is not there is as good as empty where no
//! rule file has ever been seen; else it has vanished (a mount that is gone), and cannot be read. Change is noticed by
//! content, so that a touched file reloads nothing.
//!
//! Not here: what a rule means (`lang`), what a reload does to state (`engine`).

use std::io;
use std::path::{Path, PathBuf};

use bellwether_disk::RealDisk;
use bellwether_lang::rules::{self, Checked, RawFile, SourceFile};

use crate::rule_files::{self, Unreadable};

/// Watches one folder of `*.rules` files.
pub(crate) struct RuleFolder {
    path: PathBuf,
    /// What the files held when they were last handed out.
    seen: Option<Vec<RawFile>>,
    /// The trouble that was last handed out, so that it is told once.
    trouble: Option<String>,
    /// Whether there were rule files when it could last be read.
    has_files: bool,
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
            has_files: false,
        }
    }

    /// Says that rules were loaded from here before the start: a folder that is not there has vanished.
    pub(crate) fn expect_files(&mut self) {
        self.has_files = true;
    }

    /// Looks, and checks what is new. With `again`, what is not new is handed out as well.
    pub(crate) fn look(&mut self, again: bool) -> Look {
        let raw = match self.read() {
            Ok(raw) => raw,
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
        if !again && self.seen.as_ref() == Some(&raw) {
            return Look::Same;
        }
        let (files, checked) = rules::check_raw(&raw);
        self.has_files = !raw.is_empty();
        self.seen = Some(raw);
        Look::Changed {
            files,
            checked: Box::new(checked),
        }
    }

    fn read(&self) -> Result<Vec<RawFile>, String> {
        let found = rule_files::read(&RealDisk, std::slice::from_ref(&self.path));
        match found.unreadable.first() {
            None => Ok(found.files),
            Some(Unreadable { path, source }) if is_missing(source) && *path == self.path => {
                if self.has_files {
                    let path = path.display();
                    return Err(format!(
                        "{path} is not there any more; an empty folder would mean that there are no rules"
                    ));
                }
                Ok(Vec::new())
            }
            Some(Unreadable { path, source }) => Err(format!("{}: {source}", path.display())),
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_disk::Disk;

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
    fn a_file_that_is_not_text_is_a_mistake_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = RuleFolder::new(folder.path());
        write(&folder.path().join("b.rules"), b"# fine\n\xff\n");
        let Look::Changed { checked, .. } = watch.look(false) else {
            panic!("it was not there before");
        };
        let told = checked.diagnostics[0].to_string();
        assert!(
            told.ends_with("b.rules:2:1: the file is not UTF-8"),
            "{told}"
        );
        assert!(matches!(watch.look(false), Look::Same));
    }

    #[test]
    fn trouble_names_the_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.rules");
        RealDisk.create_dir_all(&file).unwrap();
        let mut watch = RuleFolder::new(folder.path());
        assert!(matches!(watch.look(false), Look::Unreadable(why) if why.contains("a.rules: ")));
        assert!(matches!(watch.look(false), Look::Same));
        assert!(matches!(watch.look(true), Look::Unreadable(_)));
    }

    #[test]
    fn a_folder_that_was_never_there_holds_nothing() {
        let mut watch = RuleFolder::new(Path::new("no/such/folder"));
        assert!(matches!(watch.look(false), Look::Changed { files, .. } if files.is_empty()));
        let mut watch = RuleFolder::new(Path::new("no/such/folder"));
        watch.expect_files();
        assert!(matches!(watch.look(true), Look::Unreadable(_)));
    }

    #[test]
    fn a_folder_that_vanishes_is_trouble_and_an_empty_one_is_none() {
        let place = tempfile::tempdir().unwrap();
        let (folder, away) = (place.path().join("rules"), place.path().join("away"));
        RealDisk.create_dir_all(&folder).unwrap();
        write(
            &folder.join("a.rules"),
            "alert Up\n  expr  up\n  error  == 0\n",
        );
        let mut watch = RuleFolder::new(&folder);
        assert!(matches!(watch.look(false), Look::Changed { files, .. } if files.len() == 1));
        RealDisk.rename(&folder, &away).unwrap();
        assert!(
            matches!(watch.look(false), Look::Unreadable(why) if why.contains("is not there any more"))
        );
        assert!(matches!(watch.look(false), Look::Same));
        // It is back with what it held.
        RealDisk.rename(&away, &folder).unwrap();
        assert!(matches!(watch.look(false), Look::Changed { files, .. } if files.len() == 1));
        RealDisk.remove_file(&folder.join("a.rules")).unwrap();
        assert!(matches!(watch.look(false), Look::Changed { files, .. } if files.is_empty()));
        // Without rules there is nothing left to lose.
        RealDisk.rename(&folder, &away).unwrap();
        assert!(matches!(watch.look(false), Look::Same));
    }
}
