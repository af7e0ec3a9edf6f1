//! `bellwether query`: one expression, asked of a server or of a data folder.

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bellwether_lang::promql;
use bellwether_lang::rules::{self, SourceFile};
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{
    self as query, Control, Options, QueryError, Source, Steps, Stop, When, evaluate,
};
use bellwether_server::client::{envelope, explanation};
use bellwether_server::remote::{Patience, RemoteOptions, RemoteSource};
use bellwether_store::StoreError;
use serde_json::Value;

use super::args::{self, Output};
use super::{TROUBLE, asking, data, explain, now, output, plot, print};

/// Steps of a range query that names none, and is printed as numbers.
const STEPS_DEFAULT: i64 = 60;

/// What is asked of an expression.
#[derive(Clone, Copy)]
struct Asked {
    when: When,
    /// Not its value, but what it takes.
    explain: bool,
    lookback: Option<DurationMs>,
    rows_max: Option<u32>,
    timeout: DurationMs,
}

pub(crate) fn run(args: &args::Query) -> Result<ExitCode> {
    // A mistake in the expression is said before a server is looked for.
    let expr = match promql::parse(&args.expr) {
        Ok(expr) => expr,
        Err(mistake) => {
            print::note(draw(&mistake, &args.expr).trim_end());
            return Ok(ExitCode::from(TROUBLE));
        }
    };
    if args.explain && !matches!(args.output, Output::Table | Output::Json) {
        bail!("--explain prints a tree, or JSON with -o json");
    }
    let asked = Asked {
        when: when(args)?,
        explain: args.explain,
        lookback: args.lookback,
        rows_max: args.limit,
        timeout: args.timeout,
    };
    let body = if let Some(folder) = &args.data {
        ask_folder(folder, &expr, &args.expr, asked)?
    } else if let Some(address) = &args.remote_read {
        let patience = Patience::Together(span(args.timeout));
        let source = RemoteSource::new(address, RemoteOptions::new(patience))?;
        ask_source(&source, &expr, &args.expr, asked)?
    } else {
        ask_server(&args.url, &args.expr, asked)?
    };
    let answer: Value = serde_json::from_str(&body).context("the answer is not JSON")?;
    for notes in ["warnings", "infos"] {
        let notes = answer[notes].as_array().into_iter().flatten();
        for note in notes.filter_map(Value::as_str) {
            print::note(note);
        }
    }
    let data = &answer["data"];
    if args.output == Output::Csv && data["result"].as_array().is_some_and(Vec::is_empty) {
        // A header alone leaves open whether something went wrong.
        print::note("no series");
    }
    print::out(&match args.output {
        Output::Json => body + "\n",
        Output::Table if args.explain => explain::text(data)?,
        Output::Table => output::table(data)?,
        Output::Csv => output::csv(data)?,
        Output::Plot => plot::plot(data, drawn_range(asked.when), style(args))?,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn drawn_range(when: When) -> Option<plot::Range> {
    let When::Over(steps) = when else {
        return None;
    };
    Some(plot::Range {
        from: steps.start.0,
        to: steps.end.0,
        step: steps.step.0,
    })
}

fn style(args: &args::Query) -> plot::Style {
    plot::Style {
        width: print::width(args.width),
        color: print::color(&std::io::stdout()),
        zone: if args.local {
            plot::Zone::Local
        } else {
            plot::Zone::Utc
        },
    }
}

/// The mistake as `check` draws those of rule files: place, line, caret.
fn draw(mistake: &promql::ParseError, text: &str) -> String {
    let file = SourceFile {
        path: "query".into(),
        text: text.into(),
    };
    let diagnostic = rules::in_expression(mistake, &file);
    rules::render(&[diagnostic], &[file], print::color(&std::io::stderr()))
}

fn when(args: &args::Query) -> Result<When> {
    let Some(start) = &args.start else {
        return Ok(When::At(time(&args.time)?));
    };
    let start = time(start)?;
    let end = time(args.end.as_deref().unwrap_or("now"))?;
    if end < start {
        bail!("--end lies before --start");
    }
    let step = match &args.step {
        Some(text) => DurationMs::parse_or_seconds(text)
            .with_context(|| format!("--step {text}: not a duration such as 1m"))?,
        None => DurationMs((end.since(start).0 / steps(args)).max(1000)),
    };
    if step.0 <= 0 {
        bail!("--step must be a millisecond or more");
    }
    Ok(When::Over(Steps { start, end, step }))
}

/// Steps of a range query whose step is not given: of a plot, one a column.
fn steps(args: &args::Query) -> i64 {
    match args.output {
        Output::Plot => print::width(args.width) as i64,
        Output::Table | Output::Csv | Output::Json => STEPS_DEFAULT,
    }
}

/// Reads `now`, `-1h`, RFC 3339 or Unix seconds.
pub(super) fn time(text: &str) -> Result<TimestampMs> {
    if text == "now" {
        return Ok(now());
    }
    if let Some(back) = text.strip_prefix('-').and_then(DurationMs::parse) {
        return Ok(now().minus(back));
    }
    TimestampMs::parse(text)
        .with_context(|| format!("{text}: not a time (RFC 3339, Unix seconds, now, or -1h)"))
}

/// The answer of a data folder, in the envelope of the API.
fn ask_folder(folder: &Path, expr: &promql::Expr, text: &str, asked: Asked) -> Result<String> {
    let store = data::open_existing(folder).map_err(|error| match error {
        StoreError::Locked { .. } => anyhow!("{error}; a server that runs is asked without --data"),
        other => other.into(),
    })?;
    let view = store.view();
    ask_source(&ViewSource(&view), expr, text, asked)
}

/// The answer over the samples of a source, in the envelope of the API.
fn ask_source(
    source: &dyn Source,
    expr: &promql::Expr,
    text: &str,
    asked: Asked,
) -> Result<String> {
    let control = Control::new();
    let _deadline = Deadline::of(&control, asked.timeout);
    let mut options = Options {
        text: Some(text.into()),
        ..Options::default()
    };
    if let Some(lookback) = asked.lookback {
        options.lookback = lookback;
    }
    let late = |error| match error {
        QueryError::Timeout => anyhow!("the query took longer than {} (--timeout)", asked.timeout),
        other => other.into(),
    };
    if !asked.explain {
        let rows_max = asked.rows_max.map_or(usize::MAX, |rows| rows as usize);
        let answer = evaluate(expr, source, asked.when, &options, &control).map_err(late)?;
        return Ok(envelope(answer, rows_max)?);
    }
    let begun = begun();
    let clock = || begun.elapsed();
    let explained = query::explain(expr, source, asked.when, &options, &control, &clock);
    Ok(explanation(&explained.map_err(late)?))
}

/// Stops a query when its time is over, unless it is dropped before.
struct Deadline(#[expect(dead_code, reason = "its end is what is waited for")] Sender<()>);

impl Deadline {
    fn of(control: &Control, timeout: DurationMs) -> Deadline {
        let (alive, ended) = mpsc::channel();
        let control = control.clone();
        std::thread::spawn(move || {
            if ended.recv_timeout(span(timeout)) == Err(RecvTimeoutError::Timeout) {
                control.cancel(Stop::Timeout);
            }
        });
        Deadline(alive)
    }
}

fn span(duration: DurationMs) -> Duration {
    Duration::from_millis(duration.0.max(0) as u64)
}

/// Now, to measure from.
#[expect(clippy::disallowed_methods, reason = "the binary is where time enters")]
pub(super) fn begun() -> std::time::Instant {
    std::time::Instant::now()
}

/// The body of a server's answer, unless it refused.
fn ask_server(url: &str, text: &str, asked: Asked) -> Result<String> {
    let base = url.trim_end_matches('/');
    let seconds = |t: TimestampMs| format!("{}", t.as_seconds());
    let mut form = vec![("query", text.to_owned())];
    let path = match asked.when {
        When::At(at) => {
            form.push(("time", seconds(at)));
            "/api/v1/query"
        }
        When::Over(steps) => {
            form.push(("start", seconds(steps.start)));
            form.push(("end", seconds(steps.end)));
            form.push(("step", format!("{}", steps.step.as_seconds())));
            "/api/v1/query_range"
        }
    };
    form.extend(asked.lookback.map(|l| ("lookback_delta", l.to_string())));
    form.extend(asked.rows_max.map(|rows| ("limit", rows.to_string())));
    form.push(("timeout", asked.timeout.to_string()));
    let path = if asked.explain {
        "/api/bw/v1/explain"
    } else {
        path
    };
    asking::post(base, path, &form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_stops_the_query_of_its_control() {
        let control = Control::new();
        let _deadline = Deadline::of(&control, DurationMs(1));
        let stopped = loop {
            match control.check() {
                Ok(()) => std::thread::yield_now(),
                Err(stopped) => break stopped,
            }
        };
        assert!(matches!(stopped, QueryError::Timeout), "{stopped}");
    }
}
