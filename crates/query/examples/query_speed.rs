//! Milliseconds of typical queries over samples in memory: 4,000 counters, 15 s apart.
//!
//!     cargo run --release -p bellwether-query --example query_speed [QUERY...]

use std::time::Instant;

use bellwether_lang::promql::parse;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options, Steps, instant, range, write_json};

const SERIES: usize = 4000;
const STEP_MS: i64 = 15_000;
const SAMPLES: i64 = 4 * 90; // An hour and a half.

const QUERIES: [&str; 10] = [
    "requests_total",
    "rate(requests_total[5m])",
    "sum by (service) (rate(requests_total[5m]))",
    "sum(rate(requests_total[5m]))",
    "topk(5, rate(requests_total[5m]))",
    "quantile by (service) (0.9, requests_total)",
    "rate(requests_total[5m]) / on (instance, service, status) requests_total",
    "sum by (service) (requests_total) / on (service) group_left sum by (service) (rate(requests_total[5m]))",
    "max_over_time(requests_total[1h])",
    "avg_over_time(requests_total[1h])",
];

fn main() {
    let mut source = MemorySource::new();
    for series in 0..SERIES {
        let labels = Labels::from_pairs([
            ("__name__", "requests_total".to_string()),
            ("instance", format!("host-{:04}", series / 4)),
            ("job", "api".to_string()),
            ("service", format!("service-{:02}", series % 40)),
            ("status", format!("{}", 200 + series % 4 * 100)),
        ]);
        for i in 0..SAMPLES {
            let value = (i * (1 + series as i64 % 7)) as f64;
            source.push(&labels, i * STEP_MS, value);
        }
    }
    let end = SAMPLES * STEP_MS;
    let given: Vec<String> = std::env::args().skip(1).collect();
    let queries: Vec<&str> = if given.is_empty() {
        QUERIES.to_vec()
    } else {
        given.iter().map(String::as_str).collect()
    };
    for query in queries {
        let at = measure(query, &source, None, end);
        let hour = Steps {
            start: TimestampMs(end - 3_600_000),
            end: TimestampMs(end),
            step: DurationMs::from_secs(60),
        };
        let over = measure(query, &source, Some(hour), end);
        println!("{at:9.3} ms instant  {over:9.3} ms for 61 steps  {query}");
    }
}

/// The fastest of 51 runs, answer written as JSON included.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn measure(query: &str, source: &MemorySource, steps: Option<Steps>, at: i64) -> f64 {
    let Ok(expr) = parse(query) else {
        return f64::NAN;
    };
    let (options, control) = (Options::default(), Control::new());
    let mut best = f64::INFINITY;
    for _ in 0..51 {
        let began = Instant::now();
        let answer = match steps {
            None => instant(&expr, source, TimestampMs(at), &options, &control),
            Some(steps) => range(&expr, source, steps, &options, &control),
        };
        let mut json = String::new();
        let written =
            answer.and_then(|answer| write_json(&answer, usize::MAX, &control, &mut json));
        if let Err(error) = written {
            println!("{query}: {error}");
        }
        std::hint::black_box(&json);
        best = best.min(began.elapsed().as_secs_f64() * 1000.0);
    }
    best
}
