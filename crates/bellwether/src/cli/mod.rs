//! One file a command; here the dispatch and what they share: exit codes and how errors are said.

mod alerts;
mod args;
mod asking;
mod backtest;
mod bench;
mod check;
mod data;
mod explain;
mod facts;
mod fmt;
mod import;
mod loaded;
mod output;
mod plot;
mod print;
mod query;
mod secrets;
mod serve;
mod sla;
mod test;
mod verify;
mod windows;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, Import, Sla};
use bellwether_import::Format;

/// Something was found: mistakes in rules, a damaged store.
const FINDINGS: u8 = 1;
/// The command could not be carried out: usage, or the environment.
const TROUBLE: u8 = 2;

/// Runs the command of this process' arguments.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse(); // Ends the process with 2 on a usage error, as documented.
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Sla(Sla::Report(args)) => sla::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Windows(args) => windows::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Import(Import::Lp(args)) => import::run(&args),
        Command::Import(Import::Prometheus(args)) => import::prometheus(&args),
        Command::Import(Import::Alertmanager(args)) => import::rules(Format::Alertmanager, &args),
        Command::Import(Import::Sloth(args) | Import::Pyrra(args) | Import::Openslo(args)) => {
            import::rules(Format::Objectives, &args)
        }
        Command::Bench(args) => bench::run(&args),
        Command::Verify(args) => verify::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        print::note(&format!("bellwether: {}", chain(&error)));
        ExitCode::from(TROUBLE)
    })
}

/// The error and its causes in one line. A cause that its parent has said already is not said again: some errors of
/// libraries repeat theirs.
fn chain(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if said.is_empty() {
            said = text;
        } else if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
    }
    said
}

/// The present, for what is asked or appended from the command line.
#[expect(clippy::disallowed_methods, reason = "the binary is where time enters")]
fn now() -> bellwether_model::TimestampMs {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    bellwether_model::TimestampMs(since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("no room");
        let error = anyhow::Error::new(cause).context("writing a: no room");
        assert_eq!(chain(&error), "writing a: no room");
        assert_eq!(
            chain(&error.context("closing")),
            "closing: writing a: no room"
        );
    }
}
