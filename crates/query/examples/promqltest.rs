//! Runs scripts of Prometheus' test language and counts what passes.
//!
//!     cargo run --release -p bellwether-query --example promqltest -- [--no-recheck] DIR_OR_FILE...

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bellwether_query::promqltest;

fn main() -> ExitCode {
    let mut recheck = true;
    let mut files = Vec::new();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--no-recheck" => recheck = false,
            path => find(Path::new(path), &mut files),
        }
    }
    files.sort();
    let (mut passed, mut total) = (0, 0);
    for file in &files {
        let Some(text) = read(file) else {
            eprintln!("cannot read {}", file.display());
            return ExitCode::FAILURE;
        };
        let report = promqltest::run(&text, recheck);
        println!("{}: {}/{}", file.display(), report.passed, report.total);
        for failure in &report.failures {
            let (line, expr, why) = (failure.line, &failure.expr, &failure.why);
            println!("  {}:{line}: {expr}: {why}", file.display());
        }
        passed += report.passed;
        total += report.total;
    }
    println!("promql: {passed} of {total} evals passed");
    ExitCode::SUCCESS
}

/// Adds `path`, or every `*.test` file below it.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool of developers, not of the server"
)]
fn find(path: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(path) else {
        files.push(path.into());
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() || path.extension().is_some_and(|e| e == "test") {
            find(&path, files);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool of developers, not of the server"
)]
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
