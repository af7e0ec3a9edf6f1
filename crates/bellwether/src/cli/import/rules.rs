//! `bellwether import prometheus` and its like: files of other systems, made into rule files.
//!
//! Nothing is written when a file is refused, or when a file of the folder would be replaced that nobody allowed to be.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bellwether_disk::{Disk, RealDisk, read_file, write_file_atomically};
use bellwether_import::{Format, Imported, Kind, Options, Source, import};
use bellwether_model::limits;
use bellwether_model::text::counted;

use crate::cli::{FINDINGS, args, print};

/// Rule files of Prometheus, which leave more open than the others.
pub(crate) fn prometheus(args: &args::ImportRules) -> Result<ExitCode> {
    let options = Options {
        levels: args.levels.clone(),
        every: args.every,
    };
    carry_out(Format::Prometheus, &args.files, &options)
}

pub(crate) fn run(format: Format, args: &args::ImportFiles) -> Result<ExitCode> {
    carry_out(format, args, &Options::default())
}

fn carry_out(format: Format, args: &args::ImportFiles, options: &Options) -> Result<ExitCode> {
    let sources = read(&args.files)?;
    let imported = import(format, &sources, options);
    for finding in &imported.findings {
        print::note(&finding.to_string());
    }
    if imported.refused() {
        let count = count(&imported, Kind::Refused);
        print::note(&format!(
            "{}: nothing is written",
            counted(count, "mistake")
        ));
        return Ok(ExitCode::from(FINDINGS));
    }
    if let Some(folder) = &args.out {
        write(folder, &imported, args.force)?;
    }
    print::note(&sentence(&imported, args.out.as_deref()));
    Ok(ExitCode::SUCCESS)
}

fn read(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.display().to_string();
        let bytes = read_file(&RealDisk, path, limits::IMPORT_FILE_MAX.value)
            .with_context(|| format!("reading {name}"))?;
        sources.push(Source { path: name, bytes });
    }
    Ok(sources)
}

fn write(folder: &Path, imported: &Imported, force: bool) -> Result<()> {
    let path = |name: &str| folder.join(name);
    for file in &imported.files {
        let path = path(&file.path);
        let taken = RealDisk.exists(&path);
        if taken.with_context(|| format!("looking at {}", path.display()))? && !force {
            bail!("{} is there already; --force replaces it", path.display());
        }
    }
    RealDisk
        .create_dir_all(folder)
        .with_context(|| format!("making {}", folder.display()))?;
    for file in &imported.files {
        let path = path(&file.path);
        write_file_atomically(&RealDisk, &path, file.text.as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn count(imported: &Imported, kind: Kind) -> usize {
    imported.findings.iter().filter(|f| f.kind == kind).count()
}

/// What came of it, in one line.
fn sentence(imported: &Imported, folder: Option<&Path>) -> String {
    let files = counted(imported.files.len(), "file");
    let place = match folder {
        Some(folder) => format!("{files} written to {}", folder.display()),
        None => format!("{files} to write; --out DIR writes"),
    };
    let (lost, changed) = (count(imported, Kind::Lost), count(imported, Kind::Changed));
    format!("{place}; {lost} lost, {changed} changed")
}
