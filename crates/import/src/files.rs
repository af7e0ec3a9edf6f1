//! Names of the files that are written.

use crate::write;

/// Names of files, each given out once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: write::Names,
}

impl Names {
    /// `NAME.rules` for a file that was imported: its own name without folder and ending.
    pub(crate) fn take(&mut self, path: &str) -> String {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let stem = [".yaml", ".yml", ".rules", ".json"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        let legal = write::legal_name(stem).unwrap_or_else(|| stem.to_owned());
        format!("{}.rules", self.taken.take(&legal))
    }
}
