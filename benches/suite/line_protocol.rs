//! Line protocol: taking lines apart, and the whole way of a body into the store but for the sync.

use std::fmt::Write as _;

use bellwether_wire::line_protocol::{Cursor, Lines, Precision};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LINES: usize = 1000;

fn body(fields: usize) -> String {
    let mut body = String::new();
    for i in 0..LINES {
        let _ = write!(
            body,
            "cpu,hostname=host_{i},region=eu-west-1,os=Ubuntu16.10,team=SF "
        );
        for field in 0..fields {
            let comma = if field == 0 { "" } else { "," };
            let _ = write!(body, "{comma}usage_{field}={}i", (i * 7 + field * 13) % 100);
        }
        let _ = writeln!(body, " 1793491200000000000");
    }
    body
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("line-protocol");
    for fields in [1, 10] {
        let body = body(fields);
        group.throughput(Throughput::Elements((LINES * fields) as u64));
        group.bench_function(format!("{fields}-fields"), |b| {
            b.iter(|| {
                let mut sum = 0.0;
                for (_, line) in Lines::new(body.as_bytes()) {
                    let mut cursor = Cursor::new(line).expect("a good line");
                    while let Some(field) = cursor.field(b"").expect("a good field") {
                        sum += field.value.sample().unwrap_or(0.0);
                    }
                    cursor
                        .timestamp(Precision::Nanoseconds)
                        .expect("a good time");
                }
                sum
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
