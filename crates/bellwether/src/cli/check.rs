//! `bellwether check`: every mistake of the rule files at once, each at its place.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result, bail};
use bellwether_disk::RealDisk;
use bellwether_lang::rules::{self, Checked, Severity, SourceFile};
use bellwether_model::text::counted;
use bellwether_server::rule_files;

use super::args::{self, CheckFormat};
use super::{FINDINGS, TROUBLE, chain, facts, print};

pub(crate) fn run(args: &args::Check) -> Result<ExitCode> {
    let found = rule_files::read(&RealDisk, &args.paths);
    // What can't be read hides no mistake in what can.
    let trouble: Vec<Error> = found.unreadable.into_iter().map(Error::new).collect();
    for error in &trouble {
        print::note(&format!("bellwether: {}", chain(error)));
    }
    if found.files.is_empty() {
        return nothing_to_check(&args.paths, &trouble);
    }
    let (mut files, mut checked) = rules::check_raw(&found.files);
    if let Some(source) = &args.data {
        let facts = facts::of(source, &checked.rules.metrics_read())?;
        (files, checked) = rules::check_raw_against(&found.files, &facts);
    }
    print::out(&match args.format {
        CheckFormat::Json => rules::to_json(&checked.diagnostics) + "\n",
        CheckFormat::Github => rules::to_github(&checked.diagnostics),
        CheckFormat::Human => human(&files, &checked),
    })?;
    Ok(if !trouble.is_empty() {
        ExitCode::from(TROUBLE)
    } else if checked.has_errors() {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

fn nothing_to_check(paths: &[PathBuf], trouble: &[Error]) -> Result<ExitCode> {
    if trouble.is_empty() {
        let named: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        bail!("no *.rules files in {}", named.join(", "));
    }
    Ok(ExitCode::from(TROUBLE))
}

/// Every finding with its line and a caret, and what there is in a closing line.
fn human(files: &[SourceFile], checked: &Checked) -> String {
    let findings = &checked.diagnostics;
    let drawn = rules::render(findings, files, print::color(&std::io::stdout()));
    let errors = findings
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let warnings = counted(findings.len() - errors, "warning");
    let files = counted(files.len(), "file");
    let gap = if findings.is_empty() { "" } else { "\n" };
    if errors > 0 {
        let errors = counted(errors, "error");
        return format!("{drawn}{gap}{errors}, {warnings} in {files}\n");
    }
    let set = &checked.rules;
    let kinds = [
        (set.alerts.len(), "alert"),
        (set.records.len(), "recording rule"),
        (set.slas.len(), "objective"),
        (set.windows.len(), "window"),
        (set.mutes.len(), "mute"),
        (set.channels.len(), "channel"),
        (set.routes.len(), "route"),
        (set.tests.len(), "test"),
    ];
    let held = kinds.iter().filter(|(n, _)| *n > 0);
    let held: Vec<String> = held.map(|(n, kind)| counted(*n, kind)).collect();
    let holds = if held.is_empty() {
        "nothing in it".to_owned()
    } else {
        held.join(", ")
    };
    format!("{drawn}{gap}{files} with {holds}: no errors, {warnings}\n")
}
