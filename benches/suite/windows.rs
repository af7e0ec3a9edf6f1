//! Window functions and aggregation over samples in memory: what a query costs without a disk.

use bellwether_lang::promql::parse;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Options, Steps, instant, range};
use criterion::{Criterion, criterion_group, criterion_main};

const SERIES: usize = 1000;
const HOURS: i64 = 6;
const STEP_MS: i64 = 15_000;

fn counters() -> MemorySource {
    let mut source = MemorySource::default();
    for series in 0..SERIES {
        let labels = Labels::from_pairs([
            ("__name__", "requests_total"),
            ("service", &format!("s{}", series % 40)),
            ("instance", &format!("i{series}")),
        ]);
        for i in 0..HOURS * 3_600_000 / STEP_MS {
            source.push(&labels, i * STEP_MS, (i * (series as i64 % 7 + 1)) as f64);
        }
    }
    source
}

fn windows(c: &mut Criterion) {
    let source = counters();
    let end = TimestampMs(HOURS * 3_600_000 - STEP_MS);
    let mut group = c.benchmark_group("windows");
    group.sample_size(20);
    for expr in [
        "sum by (service) (rate(requests_total[5m]))",
        "max_over_time(requests_total[1h])",
        "avg_over_time(requests_total[5m])",
        "quantile_over_time(0.9, requests_total[5m])",
    ] {
        let parsed = parse(expr).expect("a good expression");
        group.bench_function(format!("instant/{expr}"), |b| {
            b.iter(|| {
                instant(&parsed, &source, end, &Options::default(), &Control::new())
                    .expect("it evaluates")
            });
        });
        let steps = Steps {
            start: TimestampMs(3_600_000),
            end,
            step: DurationMs(60_000),
        };
        group.bench_function(format!("range/{expr}"), |b| {
            b.iter(|| {
                range(
                    &parsed,
                    &source,
                    steps,
                    &Options::default(),
                    &Control::new(),
                )
                .expect("it evaluates")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, windows);
criterion_main!(benches);
