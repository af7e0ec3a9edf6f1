//! Prints bytes and nanoseconds per value of the codec on synthetic data of the usual kinds, then bytes
//! per sample of whole segments. Run: `cargo run --release -p bellwether-store --example codec_sizes`.
//!
//! Sizes are exact and the same on every run; times are the best of several passes. Writing a segment includes
//! its sync.

use bellwether_disk::{Disk, RealDisk};
use bellwether_model::{Labels, Matcher, TimeRange};
use bellwether_store::codec::{timestamps, values};
use bellwether_store::segment::{ReadBuf, Segment, SegmentMeta, SegmentSummary, SegmentWriter};
use std::path::Path;
use std::time::Duration;

const CHUNKS: usize = 64;

fn main() {
    println!(
        "{:<24} {:>6} {:>9} {:>10} {:>10}",
        "values", "chunk", "B/value", "encode ns", "decode ns"
    );
    for chunk in [128, 512, 4320, 8192] {
        for (name, make) in KINDS {
            let mut noise = Noise(1);
            report(
                name,
                &(0..CHUNKS)
                    .map(|_| make(&mut noise, chunk))
                    .collect::<Vec<_>>(),
            );
        }
    }
    println!(
        "\n{:<24} {:>6} {:>9} {:>10} {:>10}",
        "timestamps", "chunk", "B/value", "encode ns", "decode ns"
    );
    for (name, make) in CLOCKS {
        let mut noise = Noise(2);
        report_clock(
            name,
            &(0..CHUNKS)
                .map(|_| make(&mut noise, 8192))
                .collect::<Vec<_>>(),
        );
    }
    println!(
        "\n{:<32} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10} {:>9}",
        "segments",
        "B/sample",
        "write ns",
        "read ns",
        "last us",
        "open ms",
        "memory KiB",
        "select us"
    );
    segment("1,000 series x 8,640, 10 s", 1000, 8640, |_, i| 10_000 * i);
    segment("the same, 2 ms jitter a host", 1000, 8640, |host, i| {
        10_000 * i + (Noise((host as i64 * 8640 + i) as u64).normal() * 2.0).round() as i64
    });
    segment("10,000 series x 100, 10 s", 10_000, 100, |_, i| 10_000 * i);
    segment("10,000 series x 720, 10 s", 10_000, 720, |_, i| 10_000 * i);
}

/// `time` gives sample `i`'s time in a host, from the start.
fn segment(name: &str, series: usize, samples: usize, time: fn(usize, i64) -> i64) {
    let disk = RealDisk;
    let path = std::env::temp_dir().join(format!("codec_sizes-{}.seg", std::process::id()));
    let mut noise = Noise(3);
    let rows: Vec<(Labels, Vec<i64>, Vec<f64>)> = (0..series)
        .map(|i| {
            let start = 1_700_000_000_000;
            let ts = (0..samples as i64)
                .map(|t| start + time(i / 10, t))
                .collect();
            (
                devops(i),
                ts,
                walk(&mut noise, samples)
                    .into_iter()
                    .map(f64::trunc)
                    .collect(),
            )
        })
        .collect();
    let count = series * samples;
    let mut summary = None;
    let written = best(|| {
        let _ = disk.remove_file(&path);
        summary = Some(write(&disk, &path, &rows));
    });
    let mut opened = None;
    let open = best(|| opened = Segment::open(&disk, &path).ok());
    let (summary, segment) = summary.zip(opened).expect("just written");
    let (mut ts, mut vals) = (Vec::new(), Vec::new());
    let read = best(|| {
        let mut buf = ReadBuf::ahead();
        for ix in 0..segment.series_count() {
            ts.clear();
            vals.clear();
            segment
                .read_with(&mut buf, ix, TimeRange::ALL, &mut ts, &mut vals)
                .expect("just written");
            assert_eq!(ts.len(), samples);
        }
    });
    let last = best(|| {
        for ix in 0..segment.series_count() {
            segment.newest(ix, TimeRange::ALL).expect("just written");
        }
    });
    let matchers = [
        Matcher::equal("__name__", "cpu_usage_user"),
        Matcher::equal("region", "eu-west-1"),
    ];
    let select = best(|| assert!(!segment.select(&matchers).expect("just written").is_empty()));
    println!(
        "{name:<32} {:>9.4} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>10} {:>9.1}",
        summary.bytes as f64 / count as f64,
        written.as_nanos() as f64 / count as f64,
        read.as_nanos() as f64 / count as f64,
        last.as_nanos() as f64 / 1e3 / series as f64,
        open.as_secs_f64() * 1e3,
        segment.memory_bytes() / 1024,
        select.as_secs_f64() * 1e6,
    );
    let _ = disk.remove_file(&path);
}

fn write(disk: &dyn Disk, path: &Path, rows: &[(Labels, Vec<i64>, Vec<f64>)]) -> SegmentSummary {
    let meta = SegmentMeta {
        store_id: 1,
        seg_id: 1,
        level: 0,
    };
    let mut writer =
        SegmentWriter::create(disk, path, meta).expect("a writable folder for temporary files");
    for (id, (labels, ts, vals)) in rows.iter().enumerate() {
        writer
            .add_series(id as u64, labels, ts, vals)
            .expect("space for a segment");
    }
    writer.finish().expect("space for a segment")
}

/// Labels as the TSBS generator for `cpu-only` gives them, ten metrics a host.
fn devops(i: usize) -> Labels {
    const METRICS: [&str; 10] = [
        "user",
        "system",
        "idle",
        "nice",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    ];
    let host = i / 10;
    let mut noise = Noise(host as u64);
    let mut pick = |n: u64| (noise.bits() % n).to_string();
    Labels::from_pairs([
        ("__name__", format!("cpu_usage_{}", METRICS[i % 10])),
        ("hostname", format!("host_{host}")),
        (
            "region",
            ["us-east-1", "eu-west-1", "ap-southeast-1"][host % 3].to_string(),
        ),
        ("datacenter", format!("dc-{}", pick(12))),
        ("rack", pick(100)),
        ("os", format!("Ubuntu{}", pick(3))),
        ("arch", format!("x{}", pick(2))),
        ("team", format!("team-{}", pick(4))),
        ("service", pick(20)),
        ("service_version", pick(2)),
        ("service_environment", format!("env-{}", pick(3))),
    ])
}

fn report(name: &str, chunks: &[Vec<f64>]) {
    let count = chunks.iter().map(Vec::len).sum::<usize>();
    let mut encoded = Vec::new();
    let encode = best(|| {
        let mut hint = values::Hint::default();
        encoded.clear();
        for chunk in chunks {
            let mut bytes = Vec::new();
            values::encode(chunk, &mut hint, &mut bytes);
            encoded.push(bytes);
        }
    });
    let mut out = Vec::new();
    let decode = best(|| {
        for (bytes, chunk) in encoded.iter().zip(chunks) {
            out.clear();
            values::decode(bytes, chunk.len(), &mut out).expect("the encoder's own bytes");
        }
    });
    let bytes = encoded.iter().map(Vec::len).sum::<usize>();
    print(name, chunks[0].len(), bytes, count, encode, decode);
}

fn report_clock(name: &str, chunks: &[Vec<i64>]) {
    let count = chunks.iter().map(Vec::len).sum::<usize>();
    let mut encoded = Vec::new();
    let encode = best(|| {
        let mut hint = timestamps::Hint::default();
        encoded.clear();
        for chunk in chunks {
            let mut bytes = Vec::new();
            timestamps::encode(chunk, &mut hint, &mut bytes);
            encoded.push(bytes);
        }
    });
    let mut out = Vec::new();
    let decode = best(|| {
        for (bytes, chunk) in encoded.iter().zip(chunks) {
            out.clear();
            timestamps::decode(bytes, chunk.len(), &mut out).expect("the encoder's own bytes");
        }
    });
    let bytes = encoded.iter().map(Vec::len).sum::<usize>();
    print(name, chunks[0].len(), bytes, count, encode, decode);
}

fn print(name: &str, chunk: usize, bytes: usize, count: usize, encode: Duration, decode: Duration) {
    let each = |time: Duration| time.as_nanos() as f64 / count as f64;
    let size = bytes as f64 / count as f64;
    println!(
        "{name:<24} {chunk:>6} {size:>9.4} {:>10.2} {:>10.2}",
        each(encode),
        each(decode)
    );
}

#[expect(clippy::disallowed_methods, reason = "this program measures time")]
fn best(mut work: impl FnMut()) -> Duration {
    let passes = (0..9).map(|_| {
        let start = std::time::Instant::now();
        work();
        start.elapsed()
    });
    passes.min().unwrap_or_default()
}

/// A small generator with fixed seeds: the same data on every run.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 100.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut product, mut count) = (self.unit(), 0.0);
        while product > (-mean).exp() {
            product *= self.unit();
            count += 1.0;
        }
        count
    }
}

type Make<T> = fn(&mut Noise, usize) -> Vec<T>;

const KINDS: [(&str, Make<f64>); 12] = [
    ("sum of nanoseconds", |noise, n| {
        let mut sum = 0.0;
        (0..n)
            .map(|_| {
                for _ in 0..20 {
                    sum += ((noise.normal() * 0.5 - 4.0).exp() * 1e9).round() / 1e9;
                }
                sum
            })
            .collect()
    }),
    ("cpu walk, integers", |noise, n| {
        walk(noise, n).into_iter().map(f64::trunc).collect()
    }),
    ("cpu walk, 2 decimals", |noise, n| {
        walk(noise, n)
            .into_iter()
            .map(|v| (v * 100.0).round() / 100.0)
            .collect()
    }),
    ("cpu walk, raw doubles", walk),
    ("counter, Poisson 2", |noise, n| counter(noise, n, 2.0)),
    ("counter, Poisson 50", |noise, n| counter(noise, n, 50.0)),
    ("counter, Poisson 4000", |noise, n| {
        counter(noise, n, 4000.0)
    }),
    ("memory in 4 KiB steps", |noise, n| {
        let mut pages = 500_000.0;
        (0..n)
            .map(|_| {
                pages += (noise.normal() * 300.0).round();
                pages * 4096.0
            })
            .collect()
    }),
    ("constant", |_, n| vec![0.75; n]),
    ("sparse counter", |noise, n| {
        let mut count = 0.0;
        (0..n)
            .map(|_| {
                if noise.unit() < 0.02 {
                    count += 1.0;
                }
                count
            })
            .collect()
    }),
    ("nanoseconds, lognormal", |noise, n| {
        (0..n)
            .map(|_| ((noise.normal() * 0.5 - 4.0).exp() * 1e9).round() / 1e9)
            .collect()
    }),
    ("doubles, lognormal", |noise, n| {
        (0..n).map(|_| (noise.normal() * 0.5 - 4.0).exp()).collect()
    }),
];

const CLOCKS: [(&str, Make<i64>); 5] = [
    ("10 s exactly", |noise, n| clock(noise, n, 10_000, 0.0, 0.0)),
    ("15 s, N(0, 0.5 ms)", |noise, n| {
        clock(noise, n, 15_000, 0.5, 0.0)
    }),
    ("15 s, N(0, 5 ms)", |noise, n| {
        clock(noise, n, 15_000, 5.0, 0.0)
    }),
    ("15 s, 0.5 % missing", |noise, n| {
        clock(noise, n, 15_000, 0.0, 0.005)
    }),
    ("random arrivals", |noise, n| {
        let mut t = 1_700_000_000_000;
        (0..n)
            .map(|_| {
                t += 1 + (-noise.unit().ln() * 1000.0) as i64;
                t
            })
            .collect()
    }),
];

/// As the TSBS generator does it: a normal walk clamped to 0..=100.
fn walk(noise: &mut Noise, n: usize) -> Vec<f64> {
    let mut value = noise.unit() * 100.0;
    (0..n)
        .map(|_| {
            value = (value + noise.normal()).clamp(0.0, 100.0);
            value
        })
        .collect()
}

fn counter(noise: &mut Noise, n: usize, mean: f64) -> Vec<f64> {
    let mut count = 0.0;
    let step = |_| {
        count = if noise.unit() < 0.0002 {
            0.0
        } else {
            count + noise.poisson(mean)
        };
        count
    };
    (0..n).map(step).collect()
}

fn clock(noise: &mut Noise, n: usize, step: i64, jitter: f64, missing: f64) -> Vec<i64> {
    let start = 1_700_000_000_000 + (noise.unit() * 10_000.0) as i64;
    let ticks = (0..)
        .filter(|_| noise.unit() >= missing)
        .take(n)
        .collect::<Vec<i64>>();
    ticks
        .into_iter()
        .map(|i| start + i * step + (noise.normal() * jitter).round() as i64)
        .collect()
}
