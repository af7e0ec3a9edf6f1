//! Script files: our own, and Prometheus' where they are at hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use bellwether_query::promqltest;

/// Every `*.test` file below `dir`, sorted.
fn scripts(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|e| e == "test") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs the scripts below `dir`; returns how many evaluations passed, how many there are, and the failures.
#[expect(clippy::disallowed_methods, reason = "tests read their own files")]
fn run(dir: &Path) -> (usize, usize, Vec<String>) {
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for file in scripts(dir) {
        let report = promqltest::run(&std::fs::read_to_string(&file).unwrap(), true);
        passed += report.passed;
        total += report.total;
        for f in report.failures {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            failures.push(format!("{name}:{}: {}: {}", f.line, f.expr, f.why));
        }
    }
    (passed, total, failures)
}

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn our_scripts_pass() {
    let (passed, total, failures) = run(&crate_dir().join("tests/scripts"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed == total && total > 90, "{passed} of {total}");
}

/// The part of Prometheus' scripts in `folder`, and how many of its evaluations have to pass.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find their data by the environment"
)]
fn check_shared(folder: &str, passed_min: usize) {
    let shared = std::env::var("BELLWETHER_SHARED")
        .map_or_else(|_| crate_dir().join("../../../shared"), PathBuf::from);
    let dir = shared.join("conformance/promql").join(folder);
    if !dir.is_dir() {
        println!("SKIP: {} is not there", dir.display());
        return;
    }
    let (passed, total, failures) = run(&dir);
    println!("promql {folder}: {passed} of {total} evals passed");
    assert!(
        passed >= passed_min,
        "{passed} of {total}:\n{}",
        failures.join("\n")
    );
}

#[test]
fn prometheus_core_scripts_pass() {
    check_shared("core", 460);
}

/// Missing: start timestamps of samples, which the store does not keep.
#[test]
fn prometheus_experimental_scripts_pass() {
    check_shared("experimental", 235);
}
