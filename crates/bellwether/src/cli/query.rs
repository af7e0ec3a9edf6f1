//! `bellwether query`: one expression, asked of a server or of a data folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use bellwether_disk::RealDisk;
use bellwether_lang::promql;
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, Steps, instant, range, write_json};
use bellwether_store::{Config, Store};
use serde_json::Value;

use super::args;
use super::{now, output};

/// Steps of a range query that names none.
const STEPS_DEFAULT: i64 = 60;

/// When to evaluate.
enum When {
    At(TimestampMs),
    Range(Steps),
}

pub(crate) fn run(args: &args::Query) -> Result<ExitCode> {
    // A mistake in the expression is said before a server is looked for.
    let expr = promql::parse(&args.expr).map_err(|e| anyhow!("{}", e.describe(&args.expr)))?;
    let when = when(args)?;
    let (data, notes) = match &args.data {
        Some(folder) => ask_folder(folder, &expr, &when)?,
        None => ask_server(&args.url, &args.expr, &when)?,
    };
    for note in notes {
        eprintln!("{note}");
    }
    print!("{}", output::render(&data, args.output)?);
    Ok(ExitCode::SUCCESS)
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
        None => DurationMs((end.since(start).0 / STEPS_DEFAULT).max(1000)),
    };
    if step.0 <= 0 {
        bail!("--step must be longer than nothing");
    }
    Ok(When::Range(Steps { start, end, step }))
}

/// Reads `now`, `-1h`, RFC 3339 or Unix seconds.
fn time(text: &str) -> Result<TimestampMs> {
    if text == "now" {
        return Ok(now());
    }
    if let Some(back) = text.strip_prefix('-').and_then(DurationMs::parse) {
        return Ok(now().minus(back));
    }
    TimestampMs::parse(text)
        .with_context(|| format!("{text}: not a time (RFC 3339, Unix seconds, now, or -1h)"))
}

fn ask_folder(folder: &Path, expr: &promql::Expr, when: &When) -> Result<(Value, Vec<String>)> {
    if !bellwether_disk::Disk::exists(&RealDisk, folder)? {
        bail!("{}: no such folder", folder.display());
    }
    let (store, _) = Store::open(RealDisk::shared(), folder, Config::default(), now())
        .with_context(|| format!("opening {}", folder.display()))?;
    let view = store.view();
    let (source, options, control) = (ViewSource(&view), Options::default(), Control::new());
    let answer = match when {
        When::At(at) => instant(expr, &source, *at, &options, &control),
        When::Range(steps) => range(expr, &source, *steps, &options, &control),
    }?;
    let mut json = String::new();
    write_json(&answer, &mut json);
    let notes = answer
        .warnings
        .iter()
        .chain(&answer.infos)
        .cloned()
        .collect();
    Ok((serde_json::from_str(&json)?, notes))
}

fn ask_server(url: &str, text: &str, when: &When) -> Result<(Value, Vec<String>)> {
    let base = url.trim_end_matches('/');
    let seconds = |t: TimestampMs| format!("{}", t.as_seconds());
    let mut form = vec![("query", text.to_owned())];
    let path = match when {
        When::At(at) => {
            form.push(("time", seconds(*at)));
            "/api/v1/query"
        }
        When::Range(steps) => {
            form.push(("start", seconds(steps.start)));
            form.push(("end", seconds(steps.end)));
            form.push(("step", format!("{}", steps.step.as_seconds())));
            "/api/v1/query_range"
        }
    };
    let body = bellwether_server::client::post_form(&format!("{base}{path}"), &form)
        .with_context(|| format!("no answer from {base}; is `bellwether serve` running? A folder is asked with --data DIR"))?;
    let answer: Value = serde_json::from_slice(&body)
        .with_context(|| format!("{base} did not answer with JSON"))?;
    if answer["status"] != "success" {
        bail!(
            "{}",
            answer["error"]
                .as_str()
                .unwrap_or("the server refused without a reason")
        );
    }
    let list = |key: &str| {
        let notes = answer[key].as_array().into_iter().flatten();
        notes
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let notes = [list("warnings"), list("infos")].concat();
    Ok((answer["data"].clone(), notes))
}
