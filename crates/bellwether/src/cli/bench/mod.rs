//! `bellwether bench`: builds a long history the way a server would, and measures what it costs.
//!
//! Everything runs in this process, on the code that serves: line protocol through the ingest path into a
//! durable store, queries through parser, evaluator and JSON writer. What HTTP adds is not in the figures.

mod history;
mod queries;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bellwether_disk::{Disk, RealDisk, read_file};
use bellwether_lang::promql;
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, Steps, instant, range, write_json};
use bellwether_server::ingest::{IngestError, LineIngest, LineOptions};
use bellwether_store::{Config, Store, StoreError};
use bellwether_wire::line_protocol::{Mapping, Precision};

use super::args;
use super::{FINDINGS, chain, now, print};
use history::{History, Random};
use queries::{CLASSES, Class};
use report::{ClassFigures, IngestFigures, Report, Runs};

/// Lines in one body, as a collecting agent sends them.
const BODY_LINES: usize = 5000;

pub(crate) fn run(args: &args::Bench) -> Result<ExitCode> {
    let folder = folder(args);
    if RealDisk.exists(&folder)? {
        return Err(anyhow!(
            "{} exists; the benchmark builds a new store",
            folder.display()
        ));
    }
    let outcome = measure(args, &folder);
    if !args.keep {
        remove(&folder);
    }
    let report = outcome?;
    print::out(&match args.output {
        args::BenchOutput::Table => report.table(),
        args::BenchOutput::Json => report.json() + "\n",
    })?;
    Ok(if report.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDINGS)
    })
}

fn folder(args: &args::Bench) -> PathBuf {
    let name = format!("bellwether-bench-{}", std::process::id());
    args.data
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(name))
}

#[expect(
    clippy::disallowed_methods,
    reason = "`Disk` removes single files; this folder is the benchmark's own"
)]
fn remove(folder: &Path) {
    // What can't be removed stays in the temporary folder.
    let _ = std::fs::remove_dir_all(folder);
}

fn measure(args: &args::Bench, folder: &Path) -> Result<Report> {
    let mut history = History::new(args.hosts, args.hours, now().0);
    let bounds = history.bounds();
    // Old samples would be refused by a clock: the history ends now, and retention reaches beyond its start.
    let config = Config {
        retention: DurationMs((bounds.1 - bounds.0) * 2),
        ..Config::default()
    };
    let ingest = ingest(&mut history, folder, &config)?;
    let (store, _) = Store::open(RealDisk::shared(), folder, config, now())
        .context("opening the store again")?;
    let mut random = Random(7);
    // A class that fails is a figure too: the others are measured, and the report says why this one is not.
    let queries = CLASSES.iter().map(|class| ClassFigures {
        name: class.name,
        about: class.about,
        outcome: time_class(class, args, &store, &mut random, bounds)
            .map_err(|error| chain(&error)),
    });
    Ok(Report {
        hosts: args.hosts,
        hours: args.hours,
        ingest,
        queries: queries.collect(),
    })
}

fn ingest(history: &mut History, folder: &Path, config: &Config) -> Result<IngestFigures> {
    let (store, _) = Store::open(RealDisk::shared(), folder, config.clone(), now())
        .context("making the store")?;
    let lines = LineIngest::new(store.clone());
    let options = LineOptions {
        precision: Precision::Milliseconds,
        mapping: Mapping::default(),
        all_or_nothing: false,
    };
    let (mut body, mut wall, mut cpu) = (String::new(), Duration::ZERO, 0.0);
    let mut stored = 0;
    while history.fill(BODY_LINES, &mut body) {
        // Only storing is measured: making the text is the sender's work.
        let (begun, cpu_before) = (clock(), cpu_seconds());
        let written = match lines.write(body.as_bytes(), &options, now()) {
            Err(IngestError::Store(StoreError::Busy { .. })) => {
                store.flush(now())?;
                lines.write(body.as_bytes(), &options, now())?
            }
            other => other?,
        };
        store.maintain(now())?;
        wall += begun.elapsed();
        cpu += cpu_seconds() - cpu_before;
        stored += written.samples;
    }
    anyhow::ensure!(
        stored == history.samples(),
        "{stored} of {} samples were stored",
        history.samples()
    );
    let (begun, cpu_before) = (clock(), cpu_seconds());
    drop(lines);
    store.close(now()).context("closing the store")?;
    wall += begun.elapsed();
    cpu += cpu_seconds() - cpu_before;
    let bytes = folder_bytes(folder)?;
    Ok(IngestFigures {
        samples: stored,
        seconds: wall.as_secs_f64(),
        cpu_seconds: cpu,
        bytes,
    })
}

fn time_class(
    class: &Class,
    args: &args::Bench,
    store: &Store,
    random: &mut Random,
    bounds: (i64, i64),
) -> Result<Runs> {
    let mut times = Vec::new();
    let mut json = String::new();
    for _ in 0..args.runs {
        let question = class.draw(random, args.hosts, bounds);
        let begun = clock();
        let expr =
            promql::parse(&question.expr).map_err(|e| anyhow!("{}", e.describe(&question.expr)))?;
        let view = store.view();
        let (source, options, control) = (ViewSource(&view), Options::default(), Control::new());
        let end = TimestampMs(question.end);
        let answer = match question.step {
            None => instant(&expr, &source, end, &options, &control),
            Some(step) => {
                let steps = Steps {
                    start: TimestampMs(question.start),
                    end,
                    step: DurationMs(step),
                };
                range(&expr, &source, steps, &options, &control)
            }
        };
        json.clear();
        answer
            .and_then(|answer| write_json(&answer, usize::MAX, &control, &mut json))
            .with_context(|| question.expr.clone())?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(Runs {
        times,
        bytes: json.len(),
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

/// Processor time of this process, user and system together. 0 where `/proc` does not tell.
fn cpu_seconds() -> f64 {
    /// `USER_HZ`, fixed at 100 on every Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let Ok(bytes) = read_file(&RealDisk, Path::new("/proc/self/stat"), 4096) else {
        return 0.0;
    };
    let text = String::from_utf8_lossy(&bytes);
    // The second field is a name in parentheses that may hold blanks.
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Bytes of all files below a folder.
fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for path in RealDisk.read_dir(folder)? {
        bytes += if RealDisk.is_dir(&path)? {
            folder_bytes(&path)?
        } else {
            RealDisk
                .open(&path, bellwether_disk::OpenMode::Read)?
                .len()?
        };
    }
    Ok(bytes)
}
