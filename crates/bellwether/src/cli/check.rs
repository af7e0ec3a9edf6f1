//! `bellwether check`: every mistake of the rule files at once, each at its place.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use bellwether_lang::rules::{self, Severity};
use bellwether_model::text::counted;

use super::args::{self, CheckFormat};
use super::{FINDINGS, files};

pub(crate) fn run(args: &args::Check) -> Result<ExitCode> {
    let files = files::read_rules(&args.paths)?;
    let checked = rules::check(&files);
    let findings = &checked.diagnostics;
    match args.format {
        CheckFormat::Json => println!("{}", rules::to_json(findings)),
        CheckFormat::Github => print!("{}", rules::to_github(findings)),
        CheckFormat::Human => {
            let color = std::io::stdout().is_terminal() && !no_color();
            print!("{}", rules::render(findings, &files, color));
            let errors = findings
                .iter()
                .filter(|d| d.severity == Severity::Error)
                .count();
            let set = &checked.rules;
            if errors == 0 {
                println!(
                    "{}: {}, {}, {}, {}; {}",
                    counted(files.len(), "file"),
                    counted(set.alerts.len(), "alert"),
                    counted(set.records.len(), "recording rule"),
                    counted(set.channels.len(), "channel"),
                    counted(set.routes.len(), "route"),
                    counted(findings.len(), "warning")
                );
            } else {
                println!(
                    "{}, {} in {}",
                    counted(errors, "error"),
                    counted(findings.len() - errors, "warning"),
                    counted(files.len(), "file")
                );
            }
        }
    }
    Ok(if checked.has_errors() {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR is an agreement about the environment"
)]
fn no_color() -> bool {
    std::env::var("NO_COLOR").is_ok_and(|v| !v.is_empty())
}
