//! Random expressions, asked of the evaluator and of a Prometheus: whatever differs is explained by the list in
//! `differences.rs`, or printed.
//!
//! ```text
//! cargo run --release -p bellwether-query --example promdiff [-- [--prometheus URL] [--cases N] [--seed N]]
//! ```
//!
//! Without `--prometheus` it starts the one on the `PATH`, in a folder of its own; without one there, it says so and ends well. The
//! samples go to it by remote write, so one that is given has to accept that, and should be empty.
//!
//! Not here: the expressions, the data and the naive evaluator: they are those of `tests/oracle`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a tool beside the tests: it starts a process, waits for it, and prints what it found"
)]

#[path = "../../tests/oracle/compare.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod compare;
#[path = "../../tests/oracle/data.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod data;
mod differences;
#[path = "../../tests/oracle/naive/mod.rs"]
mod naive;
mod prometheus;
#[path = "../../tests/oracle/random.rs"]
mod random;
#[path = "../../tests/oracle/writing/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod writing;

use std::collections::BTreeMap;
use std::process::ExitCode;

use compare::{Rows, Said, When, ours, parse, same};
use data::{Data, SPAN, Shape};
use differences::{Case, explanation};
use naive::Times;
use prometheus::{Prometheus, Server};
use random::Random;
use writing::Scope;

/// Expressions asked of one set of data.
const CASES_PER_DATA: u64 = 100;

/// Sets of data lie this far apart in time, milliseconds: further than any expression looks.
const APART: i64 = 7_200_000;

/// A multiple of a minute, so that steps and the multiples of subqueries' steps fall together.
const EPOCH: i64 = 1_700_000_040_000;

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// How many answers differ without an explanation.
fn run() -> Result<u64, String> {
    let mut arguments: BTreeMap<String, String> = BTreeMap::new();
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        arguments.insert(name, value);
    }
    let number = |name: &str, default: u64| -> u64 {
        arguments
            .get(name)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let (cases, seed) = (number("--cases", 2000), number("--seed", 0));
    let started;
    let url = if let Some(url) = arguments.get("--prometheus") {
        url.clone()
    } else {
        let Some(server) = Server::start()? else {
            println!("SKIP: there is no prometheus on the PATH");
            return Ok(0);
        };
        started = server;
        started.url()
    };
    let prometheus = Prometheus::new(&url)?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for set in 0..cases.div_ceil(CASES_PER_DATA) {
        let start = EPOCH + set as i64 * APART;
        // Never exactly on the edge of a window: there Prometheus 2 and 3 differ.
        let data = Data::random(seed + set, Shape { start, shift: 1 });
        prometheus.write(&data)?;
        let count = CASES_PER_DATA.min(cases - set * CASES_PER_DATA);
        compare_set(
            &prometheus,
            &data,
            start,
            seed + set * CASES_PER_DATA,
            count,
            &mut counts,
        )?;
    }
    for (name, count) in &counts {
        println!("{count:6} {name}");
    }
    Ok(counts.get(DIFFERENT).copied().unwrap_or(0))
}

const DIFFERENT: &str = "DIFFERENT";

fn compare_set(
    prometheus: &Prometheus,
    data: &Data,
    epoch: i64,
    seed: u64,
    count: u64,
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), String> {
    let source = data.source();
    let scope = Scope {
        stable: true,
        query_times: true,
        epoch,
    };
    for seed in seed..seed + count {
        let mut rng = Random::new(seed);
        let text = writing::expression(&mut rng, scope);
        let expr = parse(&text);
        let start = epoch + rng.below(SPAN as u64 / 5_000 + 60) as i64 * 5_000;
        let step = rng.pick(&[15_000, 30_000, 60_000, 65_000]);
        let end = start + rng.below(8) as i64 * step;
        for when in [When::instant(start), When(Times { start, end, step })] {
            let theirs = prometheus.ask(&text, when)?;
            let ours = ours(&expr, &source, when, 1);
            let Err(difference) = same(&theirs, &ours, 1e-10) else {
                *counts.entry("same".into()).or_default() += 1;
                continue;
            };
            let case = Case {
                expr: &expr,
                data,
                when,
                theirs: &theirs,
                ours: &ours,
            };
            let name = match explanation(&case) {
                Some(reason) => reason,
                None if is_its_instants(prometheus, &text, when, &ours)? => {
                    "a range of 2.42 that differs from its own instants, which agree with us".into()
                }
                None => {
                    println!("seed {seed}: {when} {text}\n{difference}\n");
                    DIFFERENT.into()
                }
            };
            *counts.entry(name).or_default() += 1;
        }
    }
    Ok(())
}

/// True when Prometheus, asked at each step by itself, says what we said of the range.
fn is_its_instants(
    prometheus: &Prometheus,
    text: &str,
    when: When,
    ours: &Said,
) -> Result<bool, String> {
    if when.is_instant() {
        return Ok(false);
    }
    let mut rows = Rows::new();
    let mut t = when.0.start;
    while t <= when.0.end {
        if let Said::Rows(at) = prometheus.ask(text, When::instant(t))? {
            for (labels, points) in at {
                rows.entry(labels)
                    .or_default()
                    .extend(points.iter().map(|p| (t, p.1)));
            }
        }
        t += when.0.step;
    }
    Ok(same(&Said::Rows(rows), ours, 1e-10).is_ok())
}
