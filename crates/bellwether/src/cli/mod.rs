//! One file a command; here the dispatch and what they share: exit codes and how errors are said.

mod args;
mod bench;
mod check;
mod files;
mod import;
mod output;
mod query;
mod secrets;
mod serve;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, Import};

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
        Command::Query(args) => query::run(&args),
        Command::Import(Import::Lp(args)) => import::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Verify(args) => verify::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bellwether: {error:#}");
        ExitCode::from(TROUBLE)
    })
}

/// The present, for what is asked or appended from the command line.
#[expect(clippy::disallowed_methods, reason = "the binary is where time enters")]
fn now() -> bellwether_model::TimestampMs {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    bellwether_model::TimestampMs(since.as_millis() as i64)
}
