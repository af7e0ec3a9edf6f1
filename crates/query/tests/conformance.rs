//! Script files: our own, and Prometheus' where they are at hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bellwether_query::promqltest;

/// Every `*.test` file below `dir`, sorted.
#[expect(clippy::disallowed_methods, reason = "tests read their own files")]
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

/// Prometheus' data, where it is at hand; `None`, said aloud, where it isn't. Inside a folder that is there, nothing may be missing.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find their data by the environment"
)]
fn shared(path: &str) -> Option<PathBuf> {
    let shared = std::env::var("BELLWETHER_SHARED")
        .map_or_else(|_| crate_dir().join("../../../shared"), PathBuf::from);
    if !shared.join("conformance").is_dir() {
        // Past the capture of tests' output: a skipped test must not look like one that passed.
        let _ = writeln!(std::io::stderr(), "SKIP: no {path} in {}", shared.display());
        return None;
    }
    let path = shared.join("conformance").join(path);
    assert!(path.exists(), "{} is not there", path.display());
    Some(path)
}

/// Runs the part of Prometheus' scripts in `folder`: everything passes that does not contain one of `missing`, each of
/// which is in some evaluation that fails.
fn check_shared(folder: &str, missing: &[&str]) {
    let Some(dir) = shared(&format!("promql/{folder}")) else {
        return;
    };
    let (passed, total, failures) = run(&dir);
    let _ = writeln!(
        std::io::stderr(),
        "promql {folder}: {passed} of {total} evals passed"
    );
    assert!(total > 0, "no evaluations below {}", dir.display());
    let known = |failure: &&String| missing.iter().any(|part| failure.contains(part));
    let unknown: Vec<_> = failures.iter().filter(|f| !known(f)).collect();
    assert!(unknown.is_empty(), "{passed} of {total}: {unknown:#?}");
    for part in missing {
        let fails = failures.iter().any(|f| f.contains(part));
        assert!(fails, "{part} passes: it is no longer missing");
    }
    // A part that is missing must not hide the rest.
    assert!(passed * 100 >= total * 95, "{passed} of {total}");
}

#[test]
fn prometheus_core_scripts_pass() {
    check_shared("core", &[]);
}

/// Evaluations whose answer hangs on the time at which each sample's counter began. Neither the formats that we take in nor the
/// store carry it; `start_timestamp()` is refused by name, and counters are read as those without it.
const NEEDS_START_TIMESTAMPS: [&str; 7] = [
    "start_timestamps.test:11: increase(cumulative[5m])",
    "start_timestamps.test:16: rate(cumulative[5m])",
    "start_timestamps.test:52: irate(delta[5m])",
    "start_timestamps.test:113: increase(series[5m])",
    "start_timestamps.test:148: round(increase(series[1m1ms]))",
    "start_timestamps.test:168: rate(counter_total{",
    "start_timestamps.test:176: rate(counter_total[3m])",
];

#[test]
fn prometheus_experimental_scripts_pass() {
    check_shared("experimental", &NEEDS_START_TIMESTAMPS);
}

/// What the demo service of the compliance tester exposes, in small.
const DEMO: &str = r#"
load 5s
  demo_num_cpus{instance="demo.promlabs.com:10000", job="demo"} 4x800
  demo_num_cpus{instance="demo.promlabs.com:10001", job="demo"} 4x800
  demo_memory_usage_bytes{instance="demo.promlabs.com:10000", job="demo", type="free"} 1e9+1000x800
  demo_memory_usage_bytes{instance="demo.promlabs.com:10000", job="demo", type="used"} 2e9-1000x800
  demo_memory_usage_bytes{instance="demo.promlabs.com:10001", job="demo", type="free"} 3e9+500x800
  demo_cpu_usage_seconds_total{instance="demo.promlabs.com:10000", job="demo", mode="idle"} 0+3x400 0+3x400
  demo_disk_usage_bytes{instance="demo.promlabs.com:10000", job="demo"} 1e9+7x800
  demo_batch_last_success_timestamp_seconds{instance="demo.promlabs.com:10000", job="demo"} 0+60x800
  demo_intermittent_metric{job="demo"} 1 2 stale _ 3x10 stale
  demo_api_request_duration_seconds_bucket{le="0.1", job="demo"} 0+1x800
  demo_api_request_duration_seconds_bucket{le="1", job="demo"} 0+3x800
  demo_api_request_duration_seconds_bucket{le="+Inf", job="demo"} 0+4x800
  demo_api_request_duration_seconds_count{job="demo"} 0+4x800

"#;

/// One value for each placeholder of the templates; the parser's tests take them all.
const PLACEHOLDERS: [(&str, &str); 14] = [
    ("range", "5m"),
    ("offset", "5m"),
    ("simpleAggrOp", "stddev"),
    ("topBottomOp", "topk"),
    ("quantile", "0.9"),
    ("arithBinOp", "^"),
    ("compBinOp", ">="),
    ("binOp", "<"),
    ("simpleMathFunc", "sqrt"),
    ("simpleTimeAggrOp", "stdvar"),
    ("dateFunc", "month"),
    ("extrapolatedRateFunc", "increase"),
    ("instantRateFunc", "irate"),
    ("clampFunc", "clamp_max"),
];

/// The tester's queries run, those that should fail do.
#[test]
#[expect(clippy::disallowed_methods, reason = "tests read their own files")]
fn prometheus_compliance_queries_run() {
    let Some(path) = shared("promql-compliance-queries.yml") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut script = DEMO.to_string();
    let mut lines = text.lines().map(str::trim).peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(query) = line.trim_start_matches("- ").strip_prefix("query: ") else {
            continue;
        };
        let mut query = query.trim_matches(['\'', '"']).to_string();
        for (name, value) in PLACEHOLDERS {
            query = query.replace(&format!("{{{{.{name}}}}}"), value);
        }
        let fails = lines
            .peek()
            .is_some_and(|next| *next == "should_fail: true");
        let command = if fails { "eval_fail" } else { "eval" };
        script.extend([command, " range from 20m to 40m step 10m ", &query, "\n\n"]);
        count += 1;
    }
    let report = promqltest::run(&script, false);
    assert!(
        report.total == count && count > 100,
        "{} of {count}",
        report.total
    );
    // Without expected series an answer counts as unexpected; anything else is a failure.
    let failures: Vec<_> = report
        .failures
        .iter()
        .filter(|f| !f.why.starts_with("unexpected "))
        .map(|f| format!("{}: {}", f.expr, f.why))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(report.failures.len() > 60, "most queries have an answer");
}
