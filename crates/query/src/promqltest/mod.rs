//! Runs Prometheus' test language: samples to load, queries to evaluate, results to expect.
//!
//! - `script`: text to commands.
//! - `check`: an answer against an expectation.
//! - `recheck`: instant queries once more as ranges, and pinned with `@`.
//!
//! A line that cannot be loaded (native histograms, start timestamps) is left out: evaluations that need it fail and are reported.
//! Not here: reading files.

mod check;
mod recheck;
mod script;

use std::sync::Arc;

use bellwether_lang::promql::{self, Expr};
use bellwether_model::{DurationMs, TimestampMs};

use crate::source::memory::MemorySource;
use crate::{Answer, Control, Options, QueryError, Steps, instant, range};
use script::{Command, Eval, When};

/// What came of a script.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Evaluations that gave what was expected.
    pub passed: usize,
    /// Evaluations in the script.
    pub total: usize,
    /// The others.
    pub failures: Vec<Failure>,
}

/// An evaluation that did not give what was expected, or a command that could not be read.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Line of the script, from 1.
    pub line: usize,
    /// The query, or the command.
    pub expr: String,
    /// What was wrong.
    pub why: String,
}

/// Runs a script from top to bottom. With `recheck`, instant queries are also run as ranges and with `@`.
pub fn run(text: &str, recheck: bool) -> Report {
    let mut report = Report::default();
    let mut source = MemorySource::new();
    for (line, command) in script::parse(text) {
        match command {
            Command::Clear => source = MemorySource::new(),
            Command::Load { step, lines } => lines.iter().for_each(|l| load(&mut source, step, l)),
            Command::Eval(eval) => {
                report.total += 1;
                match evaluate(&eval, &source, recheck) {
                    Ok(()) => report.passed += 1,
                    Err(why) => report.failures.push(Failure {
                        line,
                        expr: eval.expr,
                        why,
                    }),
                }
            }
            Command::Unknown(text) => report.failures.push(Failure {
                line,
                expr: text,
                why: "cannot be read".into(),
            }),
        }
    }
    report
}

fn load(source: &mut MemorySource, step: DurationMs, line: &str) {
    let Ok(series) = promql::parse_series_line(line) else {
        return;
    };
    for (i, value) in series.values.iter().enumerate() {
        if let Some(value) = value {
            source.push(&series.labels, step.0.saturating_mul(i as i64), *value);
        }
    }
}

/// How an evaluation failed: worded as the language or the evaluator words it.
type Failed = String;

fn evaluate(eval: &Eval, source: &MemorySource, recheck: bool) -> Result<(), String> {
    let outcome = parse(&eval.expr).and_then(|expr| {
        let answer = ask(&expr, eval.when, source, &eval.expr)?;
        Ok((expr, answer))
    });
    check::outcome(eval, outcome.as_ref().map(|(_, answer)| answer))?;
    if recheck
        && eval.is_plain_instant()
        && let (Ok((expr, answer)), When::Instant(at)) = (&outcome, eval.when)
    {
        recheck::as_range(expr, at, answer, source)?;
        recheck::pinned(expr, at, answer, source)?;
    }
    Ok(())
}

fn parse(text: &str) -> Result<Expr, Failed> {
    promql::parse(text).map_err(|e| e.message)
}

fn ask(expr: &Expr, when: When, source: &MemorySource, text: &str) -> Result<Answer, Failed> {
    let options = Options {
        text: Some(Arc::from(text)),
        ..Options::default()
    };
    evaluate_at(expr, when, source, &options).map_err(|e| e.to_string())
}

fn evaluate_at(
    expr: &Expr,
    when: When,
    source: &MemorySource,
    options: &Options,
) -> Result<Answer, QueryError> {
    let control = Control::new();
    match when {
        When::Instant(at) => instant(expr, source, at, options, &control),
        When::Range { start, end, step } => {
            let steps = Steps { start, end, step };
            range(expr, source, steps, options, &control)
        }
    }
}

/// Milliseconds since the epoch, as a time.
fn time(ms: i64) -> TimestampMs {
    TimestampMs(ms)
}
