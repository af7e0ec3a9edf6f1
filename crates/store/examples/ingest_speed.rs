//! How fast the store takes samples, on this machine's disk: `cargo run --release -p bellwether-store --example
//! ingest_speed -- [--hosts 1000] [--hours 24] [--batch 5000] [FOLDER]`.
//!
//! The data is the cpu case of TSBS: ten gauges per host every ten seconds, walks clamped to 0..=100 and cut to
//! integers, one row per host and time, rows in batches as an HTTP client would send them. Printed are
//! samples per second, CPU per sample, bytes per sample of log and segments, memory, and what opening takes
//! after the process was cut off and after a close.

#![expect(
    clippy::disallowed_methods,
    reason = "a stopwatch is what this program is for"
)]

use bellwether_disk::RealDisk;
use bellwether_model::{Labels, TimeRange, TimestampMs};
use bellwether_store::{Config, Health, SeriesRef, Store, StoreError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const START: i64 = 1_793_491_200_000;
const FIELDS: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];

struct Options {
    hosts: usize,
    hours: i64,
    batch: usize,
    folder: Option<PathBuf>,
}

fn main() -> Result<(), StoreError> {
    let options = options();
    let scratch = tempfile::tempdir_in(".").ok();
    let folder = options
        .folder
        .clone()
        .or_else(|| scratch.as_ref().map(|dir| dir.path().to_owned()))
        .unwrap_or_else(|| PathBuf::from("ingest_speed.tmp"));
    let end = TimestampMs(START + options.hours * 3_600_000);
    let (store, _) = Store::open(RealDisk::shared(), &folder, Config::default(), end)?;
    let samples = ingest(&store, &options, end)?;
    let stats = store.stats();
    println!(
        "head      {:8.1} MiB, {:.2} bytes/sample",
        mib(stats.head_bytes),
        per(stats.head_bytes, stats.head_samples)
    );
    println!(
        "log       {:8.1} MiB, {:.2} bytes/sample",
        mib(stats.wal_bytes),
        per(stats.wal_bytes, stats.head_samples)
    );
    println!(
        "memory    {:8.1} MiB, at most {:.1}",
        mib(memory("VmRSS:")),
        mib(memory("VmHWM:"))
    );
    drop(store);

    let (opened, took) = timed(|| Store::open(RealDisk::shared(), &folder, Config::default(), end));
    let (store, report) = opened?;
    println!(
        "reopen    {} of {:.1} MiB of log",
        took.of(report.samples),
        mib(report.wal_bytes)
    );

    let (flushed, took) = timed(|| store.flush(end));
    let flushed = flushed?;
    println!("flush     {}", took.of(flushed.samples));
    store.close(end)?;
    let bytes = folder_bytes(&folder);
    println!(
        "on disk   {:8.1} MiB, {:.3} bytes/sample, everything counted",
        mib(bytes),
        per(bytes, samples)
    );

    let (opened, took) = timed(|| Store::open(RealDisk::shared(), &folder, Config::default(), end));
    let (store, report) = opened?;
    println!(
        "open      {} after a close (clean: {})",
        took.of(0),
        report.clean
    );
    let (read, took) = timed(|| read_all(&store));
    println!("read      {}", took.of(read?));
    Ok(())
}

fn ingest(store: &Store, options: &Options, now: TimestampMs) -> Result<u64, StoreError> {
    let mut appender = store.appender();
    let mut rows: Vec<Vec<SeriesRef>> = Vec::new();
    for host in 0..options.hosts {
        let refs = FIELDS
            .iter()
            .map(|field| appender.series(&labels(host, field)));
        let refs: Result<Vec<_>, _> = refs.collect();
        rows.push(
            refs.unwrap_or_else(|error| panic!("the index takes {} hosts: {error}", options.hosts)),
        );
    }
    let mut walk = Walk {
        state: 42,
        values: vec![50.0; options.hosts * FIELDS.len()],
    };
    let mut values = [0.0; FIELDS.len()];
    let (mut samples, mut generating) = (0, Duration::ZERO);
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let mut maintained = Instant::now();
    for step in 0..options.hours * 360 {
        let t = TimestampMs(START + step * 10_000);
        let began = Instant::now();
        walk.step();
        generating += began.elapsed();
        for (host, refs) in rows.iter().enumerate() {
            for (field, value) in values.iter_mut().enumerate() {
                *value = walk.values[host * FIELDS.len() + field].trunc();
            }
            appender.push_row(refs, t, &values);
            if appender.pending() >= options.batch * FIELDS.len() {
                samples += appender.commit(now)?.accepted;
            }
        }
        if maintained.elapsed() > Duration::from_secs(1) {
            let did = store.maintain(now)?;
            if let Some(flushed) = did.flushed {
                println!("          flushed {} samples", flushed.samples);
            }
            maintained = Instant::now();
        }
    }
    samples += appender.commit(now)?.accepted;
    assert_eq!(store.health(), Health::Ok);
    let wall = wall.elapsed().as_secs_f64() - generating.as_secs_f64();
    let cpu = cpu_seconds() - cpu - generating.as_secs_f64();
    println!(
        "ingested  {samples} samples of {} series",
        store.stats().series
    );
    println!(
        "speed     {:8.2} M samples/s, {:.3} µs of CPU each",
        samples as f64 / wall / 1e6,
        cpu * 1e6 / samples as f64
    );
    println!(
        "syncs     {:8}, {:.0} samples each",
        store.stats().syncs,
        per(samples, store.stats().syncs)
    );
    Ok(samples)
}

fn labels(host: usize, field: &str) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("cpu_{field}")),
        ("hostname", format!("host_{host}")),
        ("region", format!("region-{}", host % 9)),
        (
            "datacenter",
            format!("region-{}{}", host % 9, ["a", "b", "c"][host % 3]),
        ),
        ("rack", (host % 100).to_string()),
        (
            "os",
            ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"][host % 3].to_owned(),
        ),
        ("arch", ["x64", "x86"][host % 2].to_owned()),
        ("team", ["SF", "NYC", "LON", "CHI"][host % 4].to_owned()),
        ("service", (host % 20).to_string()),
        ("service_version", (host % 2).to_string()),
        (
            "service_environment",
            ["production", "staging", "test"][host % 3].to_owned(),
        ),
    ])
}

/// Random walks with steps of about N(0, 1).
struct Walk {
    state: u64,
    values: Vec<f64>,
}

impl Walk {
    fn step(&mut self) {
        for value in &mut self.values {
            let mut sum = 0.0;
            for _ in 0..4 {
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                sum += (self.state >> 40) as f64 / f64::from(1 << 24);
            }
            *value = (*value + (sum - 2.0) * 1.732).clamp(0.0, 100.0);
        }
    }
}

fn read_all(store: &Store) -> Result<u64, StoreError> {
    let selection = store.view().select(&[], TimeRange::ALL, usize::MAX)?;
    let (mut times, mut values, mut samples) = (Vec::new(), Vec::new(), 0);
    for index in 0..selection.len() {
        selection.read(index, TimeRange::ALL, &mut times, &mut values)?;
        samples += times.len() as u64;
    }
    Ok(samples)
}

fn options() -> Options {
    let mut options = Options {
        hosts: 1000,
        hours: 24,
        batch: 5000,
        folder: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let number = |text: Option<String>| {
            text.and_then(|t| t.parse().ok())
                .unwrap_or_else(|| panic!("{arg} takes a number"))
        };
        match arg.as_str() {
            "--hosts" => options.hosts = number(args.next()),
            "--hours" => options.hours = number(args.next()) as i64,
            "--batch" => options.batch = number(args.next()),
            folder => options.folder = Some(folder.into()),
        }
    }
    options
}

/// What `work` returned, and what it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let done = work();
    (
        done,
        Took {
            wall: began.elapsed(),
            cpu: cpu_seconds() - cpu,
        },
    )
}

/// Wall time, and CPU time of all threads: on a busy machine only the second tells anything.
struct Took {
    wall: Duration,
    cpu: f64,
}

impl Took {
    fn of(&self, samples: u64) -> String {
        let speed = samples as f64 / 1e6;
        let (wall, cpu) = (self.wall.as_secs_f64(), self.cpu.max(0.01));
        format!(
            "{wall:8.3} s, {cpu:.2} s of CPU, {:.1} M samples/s, {:.1} per CPU",
            speed / wall,
            speed / cpu
        )
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn per(total: u64, count: u64) -> f64 {
    total as f64 / count.max(1) as f64
}

fn proc_text(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default()
}

/// User and system time of all threads.
fn cpu_seconds() -> f64 {
    let text = proc_text("stat");
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn memory(field: &str) -> u64 {
    let text = proc_text("status");
    let line = text
        .lines()
        .find(|line| line.starts_with(field))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
