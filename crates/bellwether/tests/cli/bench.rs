//! `bellwether bench`, on a history of minutes.

use crate::run::World;

const SMALL: [&str; 7] = ["bench", "--hosts", "2", "--hours", "1", "--runs", "1"];

#[test]
fn every_class_of_queries_has_its_figures() {
    let world = World::new();
    let ran = world.run(&[&SMALL[..], &["-o", "json", "--data", "bench"]].concat());
    assert_eq!(ran.code, Some(0), "{ran}");
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["samples"], 2 * 10 * 360);
    for figure in ["samples_per_s", "cpu_s_per_msample", "bytes_per_sample"] {
        assert!(report[figure].is_f64(), "{figure} in {report}");
    }
    let classes = report["queries"].as_array().unwrap();
    assert_eq!(classes.len(), 10);
    for class in classes {
        assert_eq!(class["runs"], 1, "{class}");
        assert!(class["p50_ms"].as_f64() > Some(0.0), "{class}");
        assert!(class["p99_ms"].as_f64() > Some(0.0), "{class}");
        // An answer without a series would be measured too, and would say nothing.
        assert!(class["response_bytes"].as_u64() > Some(100), "{class}");
    }
    assert!(!world.path().join("bench").exists(), "the store is removed");
}

#[test]
fn the_table_has_a_line_a_class() {
    let world = World::new();
    let ran = world.run(&[&SMALL[..], &["--keep", "--data", "bench"]].concat());
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        ran.out
            .starts_with("2 hosts x 10 gauges over 1 h at 10 s: 7200 samples\n"),
        "{ran}"
    );
    let lines = ran
        .out
        .lines()
        .filter(|line| line.contains("1 h") || line.contains("instant"));
    assert!(lines.count() > 5, "{ran}");
    let verified = world.run(&["verify", "--data", "bench"]);
    assert_eq!(verified.code, Some(0), "--keep keeps it: {verified}");
    let again = world.run(&[&SMALL[..], &["--data", "bench"]].concat());
    assert_eq!(again.code, Some(2), "{again}");
    assert!(again.err.contains("bench exists"), "{again}");
}
