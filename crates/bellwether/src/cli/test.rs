//! `bellwether test`: the tests in rule files, on a virtual clock through the engine that runs live.

mod report;

use std::num::NonZero;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bellwether_disk::{RealDisk, write_file_atomically};
use bellwether_engine::trial::{Coverage, Trials};
use bellwether_lang::rules::Test;

use super::args::{self, ListOutput};
use super::loaded::load;
use super::{FINDINGS, TROUBLE, print, query};
use report::{Ran, Report};

pub(crate) fn run(args: &args::Test) -> Result<ExitCode> {
    let Some(loaded) = load(&args.paths)? else {
        return Ok(ExitCode::from(TROUBLE));
    };
    let begun = query::begun();
    let trials = Trials::new(loaded.rules)?;
    let wanted = |test: &&Test| {
        args.filter
            .as_ref()
            .is_none_or(|part| test.name.contains(part))
    };
    let tests: Vec<&Test> = trials.rules().tests.iter().filter(wanted).collect();
    let (tests, coverage) = run_all(&trials, &tests);
    let report = Report {
        rules: trials.rules(),
        tests,
        coverage,
        took: begun.elapsed(),
    };
    if let Some(path) = &args.junit {
        let junit = report.junit();
        write_file_atomically(&RealDisk, path, junit.as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    print::out(&match args.output {
        ListOutput::Json => report.json() + "\n",
        ListOutput::Table => report.text(args.verbose),
    })?;
    Ok(if report.failed() > 0 {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs the tests on all processors; what came of them is in their order.
fn run_all<'t>(trials: &Trials, tests: &[&'t Test]) -> (Vec<Ran<'t>>, Coverage) {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = tests.len().div_ceil(processors).max(1);
    let run_some = |tests: &[&'t Test]| {
        let mut coverage = Coverage::default();
        let run = |test: &&'t Test| {
            let begun = query::begun();
            let outcome = trials.run(test, &mut coverage);
            Ran {
                test,
                outcome,
                took: begun.elapsed(),
            }
        };
        let ran: Vec<Ran<'t>> = tests.iter().map(run).collect();
        (ran, coverage)
    };
    std::thread::scope(|scope| {
        let parts = tests
            .chunks(share)
            .map(|part| scope.spawn(move || run_some(part)));
        let parts: Vec<_> = parts.collect();
        let (mut ran, mut coverage) = (Vec::new(), Coverage::default());
        for part in parts {
            match part.join() {
                Ok((some, seen)) => {
                    ran.extend(some);
                    coverage.join(seen);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        (ran, coverage)
    })
}
