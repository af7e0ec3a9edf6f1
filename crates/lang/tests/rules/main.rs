//! The rule language through its public face: files in, listings and messages out.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the cases are files")]

mod design;
mod docs;
mod formatting;
mod lint;
mod properties;
mod shipped;
mod snapshots;

use std::path::{Path, PathBuf};

use bellwether_lang::rules::SourceFile;

/// A folder below `tests/rules`.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/rules")
        .join(name)
}

/// The `*.rules` files of a folder, sorted.
fn rule_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rules"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {}", folder.display());
    paths
}

/// A case: one file, or several behind lines `#-- file NAME`.
fn read_case(path: &Path) -> Vec<SourceFile> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut parts = text.split("#-- file ");
    let mut files = vec![SourceFile {
        path: name.to_owned(),
        text: parts.next().unwrap_or_default().to_owned(),
    }];
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap();
        files.push(SourceFile {
            path: name.to_owned(),
            text: text.to_owned(),
        });
    }
    files
}
