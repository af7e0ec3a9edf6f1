//! The figures of a benchmark, as a table and as JSON.

use std::fmt::Write as _;

use bellwether_model::text::counted;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

/// What it cost to take the history in, from the first line to a closed store.
pub(super) struct IngestFigures {
    pub(super) samples: u64,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    /// Bytes of the closed folder, everything counted.
    pub(super) bytes: u64,
}

impl IngestFigures {
    fn samples_per_second(&self) -> f64 {
        self.samples as f64 / self.seconds
    }

    fn cpu_seconds_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.samples as f64
    }

    fn bytes_per_sample(&self) -> f64 {
        self.bytes as f64 / self.samples as f64
    }
}

/// One class of queries and how it went: its runs, or why it has none.
pub(super) struct ClassFigures {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) outcome: Result<Runs, String>,
}

/// The runs of one class.
pub(super) struct Runs {
    /// Milliseconds of each run, ascending, at least one.
    pub(super) times: Vec<f64>,
    /// Bytes of the last answer.
    pub(super) bytes: usize,
}

impl Runs {
    /// The time that this share of the runs did not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.times.len() as f64).ceil() as usize;
        self.times[rank.clamp(1, self.times.len()) - 1]
    }
}

/// Everything measured.
pub(super) struct Report {
    pub(super) hosts: u32,
    pub(super) hours: u32,
    pub(super) ingest: IngestFigures,
    pub(super) queries: Vec<ClassFigures>,
}

impl Report {
    /// Whether every class has its figures.
    pub(super) fn is_whole(&self) -> bool {
        self.queries.iter().all(|class| class.outcome.is_ok())
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let ingest = &self.ingest;
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} x 10 gauges over {} h at 10 s: {}\n",
            counted(self.hosts as usize, "host"),
            self.hours,
            counted(ingest.samples as usize, "sample")
        );
        let _ = writeln!(
            text,
            "ingest   {:.2} M samples/s, durable",
            ingest.samples_per_second() / 1e6
        );
        let _ = writeln!(
            text,
            "cpu      {:.3} s per million samples",
            ingest.cpu_seconds_per_million()
        );
        let _ = writeln!(
            text,
            "disk     {:.3} bytes per sample, everything counted\n",
            ingest.bytes_per_sample()
        );
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "query",
            "p50 ms",
            "p99 ms",
            "answer bytes",
            "",
        ]);
        for class in &self.queries {
            let (p50, p99, bytes) = match &class.outcome {
                Ok(runs) => (
                    format!("{:.2}", runs.quantile(0.5)),
                    format!("{:.2}", runs.quantile(0.99)),
                    runs.bytes.to_string(),
                ),
                Err(_) => ("failed".into(), "failed".into(), String::new()),
            };
            table.add_row([class.name, &p50, &p99, &bytes, class.about]);
        }
        for number in 1..=3 {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            let _ = writeln!(text, "{}", line.trim());
        }
        for class in &self.queries {
            if let Err(why) = &class.outcome {
                let _ = writeln!(text, "{} failed: {why}", class.name);
            }
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let ingest = &self.ingest;
        let queries: Vec<_> = self
            .queries
            .iter()
            .map(|class| match &class.outcome {
                Ok(runs) => json!({
                    "class": class.name,
                    "runs": runs.times.len(),
                    "p50_ms": runs.quantile(0.5),
                    "p99_ms": runs.quantile(0.99),
                    "response_bytes": runs.bytes,
                }),
                Err(why) => json!({ "class": class.name, "error": why }),
            })
            .collect();
        json!({
            "hosts": self.hosts,
            "hours": self.hours,
            "samples": ingest.samples,
            "samples_per_s": ingest.samples_per_second(),
            "cpu_s_per_msample": ingest.cpu_seconds_per_million(),
            "bytes_per_sample": ingest.bytes_per_sample(),
            "queries": queries,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn quantiles_are_runs_that_happened() {
        let runs = |times: Vec<f64>| Runs { times, bytes: 0 };
        let hundred = runs((1..=100).map(f64::from).collect());
        let quantiles = [0.5, 0.99, 1.0].map(|share| hundred.quantile(share));
        assert_eq!(quantiles, [50.0, 99.0, 100.0]);
        assert_eq!(runs(vec![3.0]).quantile(0.99), 3.0);
    }

    #[test]
    fn a_class_that_failed_stands_beside_those_that_did_not() {
        let class = |name, outcome| ClassFigures {
            name,
            about: "",
            outcome,
        };
        let report = Report {
            hosts: 1,
            hours: 1,
            ingest: IngestFigures {
                samples: 3600,
                seconds: 0.5,
                cpu_seconds: 0.25,
                bytes: 7200,
            },
            queries: vec![
                class("broken", Err("too much".into())),
                class(
                    "fine",
                    Ok(Runs {
                        times: vec![1.5],
                        bytes: 12,
                    }),
                ),
            ],
        };
        assert!(!report.is_whole());
        expect![[r"
            1 host x 10 gauges over 1 h at 10 s: 3600 samples

            ingest   0.01 M samples/s, durable
            cpu      69.444 s per million samples
            disk     2.000 bytes per sample, everything counted

            query   p50 ms  p99 ms  answer bytes
            broken  failed  failed
            fine      1.50    1.50            12
            broken failed: too much
        "]]
        .assert_eq(&report.table());
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["queries"][0]["error"], "too much");
        assert_eq!(json["queries"][1]["p99_ms"], 1.5);
    }
}
