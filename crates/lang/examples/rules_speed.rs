//! How long it takes to read and check a folder with as many rules as `rules.max` allows.
//!
//! `cargo run --release -p bellwether-lang --example rules_speed`
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "measuring is what this program is for"
)]

use std::fmt::Write as _;
use std::time::Instant;

use bellwether_lang::rules::{SourceFile, check, render};
use bellwether_model::limits;

/// Rules of one file; ten files are a folder.
const PER_FILE: usize = limits::RULES_MAX.usize() / 10;

fn main() {
    let files: Vec<SourceFile> = (0..10).map(file).collect();
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let checked = check(&files);
        best = best.min(start.elapsed().as_secs_f64());
        print!("{}", render(&checked.diagnostics, &files, false));
        assert_eq!(
            checked.rules.alerts.len() + checked.rules.records.len(),
            limits::RULES_MAX.usize()
        );
    }
    println!(
        "{} rules, {} KiB: {:.0} ms, the best of 5",
        limits::RULES_MAX.usize(),
        bytes / 1024,
        best * 1e3
    );
}

/// Alerts with levels and texts, every tenth rule a record.
fn file(number: usize) -> SourceFile {
    let mut text = format!(
        "defaults\n  every 1m\n  label team = \"team{number}\"\n\nlet busy{number} = instance:cpu:ratio{{team=\"{number}\"}}\n\n"
    );
    for i in 0..PER_FILE {
        // Writing to a String cannot fail.
        let _ = match i % 10 {
            0 => writeln!(
                text,
                "record job:requests{number}_{i}:rate5m\n  expr sum by (job) (rate(requests_total{{shard=\"{i}\"}}[5m]))\n"
            ),
            _ => writeln!(
                text,
                "alert Busy{number}_{i}\n  expr      $busy{number}\n            and on (job) sum by (job) (rate(requests_total[5m])) > {i}\n  \
                 warning   > 80% for 10m  clear < 70%  where {{instance=~\"batch.*\"}}\n  warning   > 90% for 5m   clear < 80%\n  \
                 critical  > 95% for 5m   clear < 80%\n  missing   clear\n  summary   \"{{instance}} of {{job}}: {{value|percent}} busy\"\n  \
                 runbook   https://runbooks.example.com/busy\n"
            ),
        };
    }
    SourceFile {
        path: format!("{number}.rules"),
        text,
    }
}
