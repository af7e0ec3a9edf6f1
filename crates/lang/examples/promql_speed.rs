//! How long reading a query takes: ordinary ones, and those made to take long.
//!
//!     cargo run --release -p bellwether-lang --example promql_speed

use std::hint::black_box;
use std::time::{Duration, Instant};

use bellwether_lang::promql::parse;

const ORDINARY: [&str; 6] = [
    "up",
    "sum by (job) (rate(http_requests_total{code=~\"5..\", job=\"api\"}[5m]))",
    "histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket{job=\"api\"}[5m])))",
    "sum(rate(a{x=\"1\"}[5m])) / on (instance) group_left (job) sum(rate(b[5m])) > bool 0.5",
    "max_over_time((time() - max(demo_batch_last_success_timestamp_seconds) < 1000)[5m:10s] offset 5m)",
    "topk(5, avg_over_time(node_cpu{mode!=\"idle\"}[1h] @ end())) or vector(0)",
];

const HOSTILE: [&str; 12] = [
    "(",
    "-",
    "+",
    "abs(",
    "+a",
    "a+",
    "^a",
    "a^",
    "a[1m:",
    "a[1m:]",
    "{a=~\"b\"}or",
    "\"\\",
];

fn main() {
    for query in ORDINARY {
        let rounds = 20_000;
        let took = time(|| (0..rounds).for_each(|_| drop(black_box(parse(black_box(query))))));
        let ns = took.as_nanos() / rounds;
        println!("{ns:>8} ns  {query}");
    }
    for bomb in HOSTILE {
        for (label, times) in [("16 KiB", 16_384 / bomb.len()), ("10^6", 1_000_000)] {
            let text = bomb.repeat(times);
            let took = time(|| drop(black_box(parse(black_box(&text)))));
            println!("{:>8} ns  {label} of {bomb}", took.as_nanos());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
