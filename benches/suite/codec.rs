//! The codecs of chunks: nanoseconds a value, encoding and decoding, by the kind of data.

use bellwether_store::codec::{timestamps, values};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Values of one chunk, as a flush writes them.
const CHUNK: usize = 4096;

/// The kinds of series that people have.
fn kinds() -> Vec<(&'static str, Vec<f64>)> {
    let mut random = 42_u64;
    let mut unit = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut walk = |scale: f64| -> Vec<f64> {
        let mut at = 50.0;
        (0..CHUNK)
            .map(|_| {
                at = f64::clamp(at + unit() * 4.0 - 2.0, 0.0, 100.0);
                (at * scale).trunc() / scale
            })
            .collect()
    };
    let integer_walk = walk(1.0);
    let two_decimals = walk(100.0);
    let raw_doubles = walk(f64::from(1 << 30));
    let mut total = 0.0;
    let counter = integer_walk.iter().map(|v| {
        total += v;
        total
    });
    vec![
        ("counter", counter.collect()),
        ("integer-walk", integer_walk),
        ("two-decimals", two_decimals),
        ("raw-doubles", raw_doubles),
        ("constant", vec![17.25; CHUNK]),
    ]
}

fn codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(CHUNK as u64));
    for (kind, data) in kinds() {
        group.bench_function(format!("encode/{kind}"), |b| {
            let mut hint = values::Hint::default();
            b.iter_batched_ref(
                Vec::new,
                |out| values::encode(&data, &mut hint, out),
                BatchSize::SmallInput,
            );
        });
        let mut bytes = Vec::new();
        values::encode(&data, &mut values::Hint::default(), &mut bytes);
        group.bench_function(format!("decode/{kind}"), |b| {
            let mut out = Vec::with_capacity(CHUNK);
            b.iter(|| {
                out.clear();
                values::decode(&bytes, CHUNK, &mut out).expect("just encoded");
            });
        });
    }
    let jittered: Vec<i64> = (0..CHUNK as i64)
        .map(|i| 1_793_491_200_000 + i * 10_000 + i * 7 % 3)
        .collect();
    group.bench_function("encode/timestamps", |b| {
        let mut hint = timestamps::Hint::default();
        b.iter_batched_ref(
            Vec::new,
            |out| timestamps::encode(&jittered, &mut hint, out),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
