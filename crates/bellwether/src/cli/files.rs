//! Finding rule files: the paths named, and the `*.rules` files of the folders named.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bellwether_disk::{Disk, RealDisk, read_file};
use bellwether_lang::rules::SourceFile;
use bellwether_model::limits;

/// Reads every rule file below `paths`, in order of their names.
pub(crate) fn read_rules(paths: &[PathBuf]) -> Result<Vec<SourceFile>> {
    let disk = RealDisk;
    let mut files = Vec::new();
    for path in paths {
        if !disk
            .exists(path)
            .with_context(|| format!("looking for {}", path.display()))?
        {
            bail!("{}: no such file or folder", path.display());
        }
        if disk.is_dir(path)? {
            for file in disk
                .read_dir(path)
                .with_context(|| format!("listing {}", path.display()))?
            {
                if file.extension().is_some_and(|e| e == "rules") {
                    files.push(read_one(disk, &file)?);
                }
            }
        } else {
            files.push(read_one(disk, path)?);
        }
    }
    if files.is_empty() {
        let named: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        bail!("no *.rules files in {}", named.join(", "));
    }
    Ok(files)
}

fn read_one(disk: RealDisk, path: &Path) -> Result<SourceFile> {
    let bytes = read_file(&disk, path, limits::RULES_FILE_MAX.value).with_context(|| {
        format!(
            "reading {} (at most {} bytes: rules.file)",
            path.display(),
            limits::RULES_FILE_MAX.value
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = String::from_utf8_lossy(before).matches('\n').count() + 1;
        anyhow::anyhow!("{}:{line}: not UTF-8", path.display())
    })?;
    let name = path
        .strip_prefix("./")
        .unwrap_or(path)
        .display()
        .to_string();
    Ok(SourceFile { path: name, text })
}
