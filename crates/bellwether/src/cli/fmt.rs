//! `bellwether fmt`: rule files in their canonical form, and their JSON form.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Error, Result, bail};
use bellwether_disk::{RealDisk, read_file, write_file_atomically};
use bellwether_lang::rules::{self, Diagnostic, SourceFile};
use bellwether_model::limits;
use bellwether_model::text::counted;
use bellwether_server::rule_files;

use super::args;
use super::{FINDINGS, TROUBLE, chain, print};

/// What names standard input.
const STDIN: &str = "-";

pub(crate) fn run(args: &args::Fmt) -> Result<ExitCode> {
    if let Some(path) = &args.from_json {
        return from_json(path);
    }
    let found = rule_files::read(&RealDisk, &args.paths);
    let mut trouble: Vec<Error> = found.unreadable.into_iter().map(Error::new).collect();
    if found.files.is_empty() && trouble.is_empty() {
        let named: Vec<String> = args.paths.iter().map(|p| p.display().to_string()).collect();
        bail!("no *.rules files in {}", named.join(", "));
    }
    if args.json && found.files.len() > 1 {
        bail!("--json prints one file; {} are named", found.files.len());
    }
    let mut changed = Vec::new();
    let mut refused = 0;
    for raw in &found.files {
        let (file, form) = one(raw, args.json);
        match form {
            Err(diagnostics) => {
                refused += 1;
                let color = print::color(&std::io::stderr());
                print::note(rules::render(&diagnostics, &[file], color).trim_end());
            }
            Ok(json) if args.json => print::out(&json)?,
            Ok(form) if form == file.text => {}
            Ok(form) => {
                if !args.check
                    && let Err(e) = write(&file.path, &form)
                {
                    trouble.push(e);
                    continue;
                }
                changed.push(file.path);
            }
        }
    }
    for error in &trouble {
        print::note(&format!("bellwether: {}", chain(error)));
    }
    if !args.json {
        report(args.check, &changed, found.files.len())?;
    }
    Ok(if !trouble.is_empty() {
        ExitCode::from(TROUBLE)
    } else if refused > 0 || args.check && !changed.is_empty() {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

/// A file, and its canonical or its JSON form, or why it has none.
fn one(raw: &rules::RawFile, json: bool) -> (SourceFile, Result<String, Vec<Diagnostic>>) {
    let (file, reason) = rules::decode(raw);
    let form = match reason {
        Some(reason) => Err(vec![reason]),
        None if json => rules::to_rules_json(&file),
        None => rules::format(&file),
    };
    (file, form)
}

fn write(path: &str, text: &str) -> Result<()> {
    // Whole or not at all: rules may be picked up at any moment.
    write_file_atomically(&RealDisk, Path::new(path), text.as_bytes())
        .with_context(|| format!("writing {path}"))
}

fn report(check: bool, changed: &[String], files: usize) -> Result<()> {
    let what = if check { "to format" } else { "formatted" };
    let sum = format!("{} {what}, of {}", changed.len(), counted(files, "file"));
    let lines: Vec<&str> = changed
        .iter()
        .map(String::as_str)
        .chain([sum.as_str()])
        .collect();
    print::out(&(lines.join("\n") + "\n"))
}

fn from_json(path: &PathBuf) -> Result<ExitCode> {
    let max = limits::RULES_JSON_MAX.value;
    let name = path.display();
    let bytes = if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        let mut input = std::io::stdin().lock().take(max + 1);
        input
            .read_to_end(&mut bytes)
            .context("reading standard input")?;
        if bytes.len() as u64 > max {
            bail!(
                "the input is larger than the {max} bytes of {}",
                limits::RULES_JSON_MAX.name
            );
        }
        bytes
    } else {
        read_file(&RealDisk, path, max).with_context(|| format!("reading {name}"))?
    };
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    let unknown = rules::unknown_in_json(&text).unwrap_or_default();
    for word in &unknown {
        print::note(&format!("{name}: {word}"));
    }
    match rules::from_rules_json(&text) {
        Ok(_) if !unknown.is_empty() => Ok(ExitCode::from(FINDINGS)),
        Ok(rules) => {
            print::out(&rules)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            print::note(&format!("{name}: {error}"));
            Ok(ExitCode::from(FINDINGS))
        }
    }
}
