//! The figures of a benchmark, as a table and as JSON.

use std::fmt::Write as _;

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

/// The runs of one class.
pub(super) struct QueryFigures {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Milliseconds of each run, ascending, at least one.
    pub(super) times: Vec<f64>,
    /// Bytes of the last answer.
    pub(super) bytes: usize,
}

impl QueryFigures {
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
    pub(super) queries: Vec<QueryFigures>,
}

impl Report {
    /// For people.
    pub(super) fn table(&self) -> String {
        let ingest = &self.ingest;
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} hosts x 10 gauges over {} h at 10 s: {} samples\n",
            self.hosts, self.hours, ingest.samples
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
            table.add_row([
                class.name.to_owned(),
                format!("{:.2}", class.quantile(0.5)),
                format!("{:.2}", class.quantile(0.99)),
                class.bytes.to_string(),
                class.about.to_owned(),
            ]);
        }
        for number in 1..=3 {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            let _ = writeln!(text, "{}", line.trim());
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let ingest = &self.ingest;
        let queries: Vec<_> = self
            .queries
            .iter()
            .map(|class| {
                json!({
                    "class": class.name,
                    "runs": class.times.len(),
                    "p50_ms": class.quantile(0.5),
                    "p99_ms": class.quantile(0.99),
                    "response_bytes": class.bytes,
                })
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

    #[test]
    fn quantiles_are_runs_that_happened() {
        let times = (1..=100).map(f64::from).collect();
        let class = QueryFigures {
            name: "",
            about: "",
            times,
            bytes: 0,
        };
        assert_eq!(
            (
                class.quantile(0.5),
                class.quantile(0.99),
                class.quantile(1.0)
            ),
            (50.0, 99.0, 100.0)
        );
        let one = QueryFigures {
            name: "",
            about: "",
            times: vec![3.0],
            bytes: 0,
        };
        assert_eq!(one.quantile(0.99), 3.0);
    }
}
