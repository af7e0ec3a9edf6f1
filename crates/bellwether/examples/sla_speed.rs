//! What objectives cost: 50 of them over 30 days and 1,000 counters, in ticks and in a report.
//!
//! `cargo run --release -p bellwether --example sla_speed [SECONDS_BETWEEN_SAMPLES]` (60 unless given)

use std::sync::Arc;

use bellwether::disk::RealDisk;
use bellwether::engine::Options;
use bellwether::engine::sla::{When, report};
use bellwether::query::source::store::ViewSource;
use bellwether::query::{Control, Options as QueryOptions};
use bellwether::rules::{self, RuleSet, SourceFile};
use bellwether::{Config, DurationMs, Engine, Labels, Store, Tick, TimestampMs};

const SERVICES: usize = 50;
const CODES: usize = 20;
const DAYS: i64 = 30;
const HOUR: i64 = 3_600_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let step = std::env::args()
        .nth(1)
        .map_or(Ok(60), |text| text.parse())?
        * 1000;
    let folder = tempfile::tempdir()?;
    let start = TimestampMs(1_800_000_000_000);
    let end = start.plus(DurationMs(DAYS * 24 * HOUR));
    let (store, _) = Store::open(RealDisk::shared(), folder.path(), Config::default(), start)?;
    time("load", || fill(&store, start, end, step))?;

    let rules = Arc::new(rules()?);
    let view = store.view();
    let source = ViewSource(&view);
    let (options, control) = (QueryOptions::default(), Control::new());
    let reports = time("report of all", || {
        report(&rules, &source, When::At(end), &options, &control)
    })?;
    println!("{} events in 30 days", reports[0].tally.total);

    let mut engine = Engine::new(Arc::clone(&rules), Options::default())?;
    let mut last = end.minus(DurationMs(2 * HOUR));
    let mut took = Vec::new();
    let (mut tick, first) = (Tick::default(), last);
    while let Some(slot) = engine.next_due(last).filter(|slot| *slot <= end) {
        tick.clear();
        let begun = clock();
        engine.tick(slot, &source, &mut tick);
        let is_first_round = slot.since(first) <= DurationMs(30_000);
        took.push((is_first_round, begun.elapsed().as_secs_f64()));
        last = slot;
    }
    // Slots are spread over the interval: a round is all objectives once.
    let sum = |first: bool| {
        took.iter()
            .filter(|t| t.0 == first)
            .map(|t| t.1)
            .sum::<f64>()
    };
    let rounds = (2 * HOUR) as f64 / 30_000.0 - 1.0;
    println!("first round after a start: {:.3} s", sum(true));
    println!("each further round: {:.2} ms", sum(false) / rounds * 1e3);
    let longest = took
        .iter()
        .filter(|t| !t.0)
        .map(|t| t.1)
        .fold(0.0, f64::max);
    println!("longest tick of those: {:.2} ms", longest * 1e3);
    store.close(end)?;
    Ok(())
}

/// Counters of 50 services with 20 codes each; one in 200 requests fails.
fn fill(store: &Store, start: TimestampMs, end: TimestampMs, step: i64) -> Outcome<()> {
    let mut appender = store.appender();
    let mut counters = Vec::new();
    for i in 0..SERVICES * CODES {
        let (job, code) = (
            format!("s{}", i / CODES),
            format!("{}", 200 + 20 * (i % CODES)),
        );
        let labels = [
            ("__name__", "requests_total"),
            ("job", &job),
            ("code", &code),
        ];
        counters.push(appender.series(&Labels::from_pairs(labels))?);
    }
    let mut hour = start;
    while hour < end {
        let next = hour.plus(DurationMs(HOUR));
        for (i, counter) in counters.iter().enumerate() {
            let mut t = hour;
            while t < next {
                // Whole numbers that grow, slower for errors.
                let n = t.since(start).0 / step;
                let each = if i % CODES >= 15 { 1 } else { 70 };
                appender.push(*counter, t, (n * each + n / 7) as f64);
                t = t.plus(DurationMs(step));
            }
        }
        appender.commit(next)?;
        store.maintain(next)?;
        hour = next;
    }
    Ok(())
}

fn rules() -> Outcome<RuleSet> {
    let one = |i: usize| {
        format!(
            "sla s{i}\n  objective 99.9% over 30d\n  bad requests_total{{job=\"s{i}\",code=~\"5..\"}}\n  \
             total requests_total{{job=\"s{i}\"}}\n"
        )
    };
    let files = [SourceFile {
        path: "slas.rules".into(),
        text: (0..SERVICES).map(one).collect(),
    }];
    let checked = rules::check(&files);
    if checked.has_errors() {
        return Err(rules::render(&checked.diagnostics, &files, false).into());
    }
    Ok(checked.rules)
}

fn time<T, E>(what: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begun = clock();
    let result = run();
    println!("{what}: {:.2} s", begun.elapsed().as_secs_f64());
    result
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}
