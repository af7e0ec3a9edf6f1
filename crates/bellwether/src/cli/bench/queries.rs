//! The ten classes of query that `bench` times: what dashboards and rules ask of such a history.
//!
//! They are plain PromQL: functions over a range drop the metric's name, so each selector names one metric, and series
//! of several metrics are told apart by a label before they meet.

use super::history::{GAUGES, Random};

const HOUR: i64 = 3_600_000;

/// One query to time.
pub(super) struct Question {
    pub(super) expr: String,
    pub(super) start: i64,
    pub(super) end: i64,
    /// Distance of the steps, milliseconds; `None` asks for `end` alone.
    pub(super) step: Option<i64>,
}

/// A class of queries: its name, what it stands for, and how to draw one.
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    draw: fn(&mut Draw<'_>) -> Question,
}

impl Class {
    /// A question of this class.
    pub(super) fn draw(&self, random: &mut Random, hosts: u32, bounds: (i64, i64)) -> Question {
        (self.draw)(&mut Draw {
            random,
            hosts,
            bounds,
        })
    }
}

/// What a question is drawn from.
struct Draw<'a> {
    random: &'a mut Random,
    hosts: u32,
    bounds: (i64, i64),
}

impl Draw<'_> {
    fn host(&mut self) -> String {
        format!("host_{}", self.random.below(u64::from(self.hosts)))
    }

    fn some_hosts(&mut self, count: usize) -> String {
        let hosts: Vec<String> = (0..count).map(|_| self.host()).collect();
        hosts.join("|")
    }

    /// A window of this length inside the history, or all of it when it is shorter.
    fn window(&mut self, length: i64) -> (i64, i64) {
        let (start, end) = (self.bounds.0, self.bounds.1 - 1);
        let room = (end - start - length).max(0);
        let from = start + self.random.below(room as u64 + 1) as i64;
        (from, (from + length).min(end))
    }

    fn over(&mut self, expr: String, length: i64, step: i64) -> Question {
        let (start, end) = self.window(length);
        Question {
            expr,
            start,
            end,
            step: Some(step),
        }
    }

    fn at_end(&self, expr: String) -> Question {
        let end = self.bounds.1 - 1;
        Question {
            expr,
            start: end,
            end,
            step: None,
        }
    }
}

/// The classes, cheap ones first.
pub(super) const CLASSES: [Class; 10] = [
    Class {
        name: "single-host-1h",
        about: "one gauge of one host over 1 h, step 1 m",
        draw: |d| {
            let expr = format!(
                "max_over_time(cpu_usage_user{{hostname=\"{}\"}}[1m])",
                d.host()
            );
            d.over(expr, HOUR, 60_000)
        },
    },
    Class {
        name: "eight-hosts-1h",
        about: "one gauge of 8 hosts over 1 h, step 1 m",
        draw: |d| {
            let expr = format!(
                "max_over_time(cpu_usage_user{{hostname=~\"{}\"}}[1m])",
                d.some_hosts(8)
            );
            d.over(expr, HOUR, 60_000)
        },
    },
    Class {
        name: "five-gauges-1h",
        about: "5 gauges of one host over 1 h, step 1 m",
        draw: |d| {
            let host = d.host();
            let one = |gauge: &&str| {
                format!(
                    "label_replace(max_over_time(cpu_{gauge}{{hostname=\"{host}\"}}[1m]), \"gauge\", \"{gauge}\", \"\", \"\")"
                )
            };
            let gauges: Vec<String> = GAUGES[..5].iter().map(one).collect();
            d.over(gauges.join(" or "), HOUR, 60_000)
        },
    },
    Class {
        name: "lastpoint",
        about: "newest value of every series",
        draw: |d| d.at_end("{__name__=~\"cpu_.*\"}".into()),
    },
    Class {
        name: "sum-by-service",
        about: "one gauge summed by service, instant",
        draw: |d| d.at_end("sum by (service) (rate(cpu_usage_user[5m]))".into()),
    },
    Class {
        name: "topk",
        about: "5 busiest hosts, instant",
        draw: |d| d.at_end("topk(5, avg_over_time(cpu_usage_user[5m]))".into()),
    },
    Class {
        name: "avg-over-24h",
        about: "daily mean of one gauge of every host, instant",
        draw: |d| d.at_end("avg_over_time(cpu_usage_user[24h])".into()),
    },
    Class {
        name: "high-cpu",
        about: "values over 90 of one gauge of every host, 12 h, step 1 m",
        draw: |d| {
            d.over(
                "max_over_time(cpu_usage_user[1m]) > 90".into(),
                12 * HOUR,
                60_000,
            )
        },
    },
    Class {
        name: "double-groupby",
        about: "hourly means of one gauge by host, 12 h",
        draw: |d| {
            d.over(
                "avg by (hostname) (avg_over_time(cpu_usage_user[1h]))".into(),
                12 * HOUR,
                HOUR,
            )
        },
    },
    Class {
        name: "range-24h-all",
        about: "every series over 24 h, step 1 m, one line out",
        draw: |d| {
            let means: Vec<String> = GAUGES
                .iter()
                .map(|gauge| format!("avg(avg_over_time(cpu_{gauge}[1m]))"))
                .collect();
            let expr = format!("({}) / {}", means.join(" + "), GAUGES.len());
            d.over(expr, 24 * HOUR, 60_000)
        },
    },
];
