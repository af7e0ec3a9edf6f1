//! Milliseconds of windows over a month in a store that was flushed every two hours, as a running one is: read whole, and with what
//! segments know of their chunks.
//!
//!     cargo run --release -p bellwether-query --example zones_speed
#![expect(clippy::unwrap_used, reason = "there is nobody to handle it")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bellwether_disk::RealDisk;
use bellwether_lang::promql::parse;
use bellwether_model::{Labels, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, When, evaluate};
use bellwether_store::{Config, Durability, Store};

const SERIES: u64 = 200;
const STEP_MS: i64 = 15_000;
const FLUSH_SAMPLES: i64 = 2 * 240;
const FLUSHES: i64 = 30 * 12;
const RUNS: i64 = 7;

const QUERIES: [&str; 4] = [
    "sum(increase(requests_total[29d]))",
    "sum(increase(requests_total[1d]))",
    "sum(rate(requests_total[5m]))",
    "avg(avg_over_time(requests_total[29d]))",
];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    println!("read whole, with zones, in ms");
    for query in QUERIES {
        let (whole, with_zones) = (
            median_ms(&store, query, false),
            median_ms(&store, query, true),
        );
        println!("{whole:9.2} {with_zones:9.2}  {query}");
    }
}

/// Counters over a month, the newest hours of them in no segment yet.
fn filled(folder: &Path) -> Store {
    let config = Config {
        durability: Durability::Buffer { bytes: 1 << 20 },
        ..Config::default()
    };
    let now = end();
    let (store, _) = Store::open(Arc::new(RealDisk), folder, config, now).unwrap();
    let mut appender = store.appender();
    let labels =
        |i: u64| Labels::from_pairs([("__name__", "requests_total"), ("n", &i.to_string())]);
    let labels: Vec<Labels> = (0..SERIES).map(labels).collect();
    for i in 0..FLUSHES * FLUSH_SAMPLES + FLUSH_SAMPLES / 2 {
        for (n, labels) in labels.iter().enumerate() {
            let series = appender.series(labels).unwrap();
            let value = i as u64 * (1 + n as u64 % 13) + (i as u64).wrapping_mul(0x9e37_79b9) % 5;
            appender.push(series, TimestampMs(i * STEP_MS), value as f64);
        }
        if i % 32 == 0 {
            appender.commit(now).unwrap();
        }
        if i > 0 && i % FLUSH_SAMPLES == 0 {
            appender.commit(now).unwrap();
            store.flush(now).unwrap();
        }
    }
    appender.commit(now).unwrap();
    store
}

fn end() -> TimestampMs {
    TimestampMs((FLUSHES * FLUSH_SAMPLES + FLUSH_SAMPLES / 2) * STEP_MS)
}

fn median_ms(store: &Store, query: &str, zones: bool) -> f64 {
    let (view, expr) = (store.view(), parse(query).unwrap());
    let options = Options {
        zones,
        ..Options::default()
    };
    let mut took: Vec<f64> = (0..RUNS)
        .map(|run| {
            let when = When::At(TimestampMs(end().0 - run * 61_000));
            #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
            let begin = Instant::now();
            evaluate(&expr, &ViewSource(&view), when, &options, &Control::new()).unwrap();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}
