//! Data of other projects, which is not in this repository.

use std::path::{Path, PathBuf};

/// The folder `conformance/NAME`; `None`, said aloud, when it is not there.
pub(crate) fn conformance(name: &str) -> Option<PathBuf> {
    let root = std::env::var("BELLWETHER_SHARED").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = root.join("conformance").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// The rows of a file `EXPECT.tsv`, cells by position, without the head.
pub(crate) fn rows(folder: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("EXPECT.tsv")).expect("the table is there");
    let rows = text.lines().skip(1);
    rows.map(|row| row.split('\t').map(str::to_owned).collect())
        .collect()
}
