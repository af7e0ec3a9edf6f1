//! The rules of the files that a command names: without mistakes, or the mistakes shown.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use bellwether_disk::RealDisk;
use bellwether_lang::rules::{self, RuleSet, SourceFile};
use bellwether_server::rule_files;

use super::print;

/// Rules without mistakes, and the files they stand in.
pub(crate) struct Loaded {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) rules: Arc<RuleSet>,
}

/// The rules of the paths; `None` when they have mistakes, which are printed.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Option<Loaded>> {
    let found = rule_files::read(&RealDisk, paths);
    if let Some(error) = found.unreadable.into_iter().next() {
        return Err(error.into());
    }
    if found.files.is_empty() {
        let named: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        bail!("no *.rules files in {}", named.join(", "));
    }
    let (files, checked) = rules::check_raw(&found.files);
    if checked.has_errors() {
        let color = print::color(&std::io::stderr());
        print::note(rules::render(&checked.diagnostics, &files, color).trim_end());
        return Ok(None);
    }
    Ok(Some(Loaded {
        files,
        rules: Arc::new(checked.rules),
    }))
}
