//! `bellwether query`: one expression, asked of a server or of a data folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use bellwether_lang::promql;
use bellwether_lang::rules::{self, SourceFile};
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, Steps, instant, range};
use bellwether_server::client::{envelope, post_form};
use bellwether_store::StoreError;
use serde_json::Value;

use super::args;
use super::{TROUBLE, data, now, output, print};

/// Steps of a range query that names none.
const STEPS_DEFAULT: i64 = 60;

/// When to evaluate.
enum When {
    At(TimestampMs),
    Range(Steps),
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
    let when = when(args)?;
    let body = match &args.data {
        Some(folder) => ask_folder(folder, &expr, &when)?,
        None => ask_server(&args.url, &args.expr, &when)?,
    };
    let answer: Value = serde_json::from_str(&body).context("the answer is not JSON")?;
    for notes in ["warnings", "infos"] {
        let notes = answer[notes].as_array().into_iter().flatten();
        for note in notes.filter_map(Value::as_str) {
            print::note(note);
        }
    }
    print::out(&match args.output {
        args::Output::Json => body + "\n",
        args::Output::Csv => output::csv(&answer["data"])?,
        args::Output::Table => output::table(&answer["data"])?,
    })?;
    Ok(ExitCode::SUCCESS)
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
        None => DurationMs((end.since(start).0 / STEPS_DEFAULT).max(1000)),
    };
    if step.0 <= 0 {
        bail!("--step must be longer than nothing");
    }
    Ok(When::Range(Steps { start, end, step }))
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
fn ask_folder(folder: &Path, expr: &promql::Expr, when: &When) -> Result<String> {
    let store = data::open_existing(folder).map_err(|error| match error {
        StoreError::Locked { .. } => anyhow!("{error}; a server that runs is asked without --data"),
        other => other.into(),
    })?;
    let view = store.view();
    let (source, options, control) = (ViewSource(&view), Options::default(), Control::new());
    let answer = match when {
        When::At(at) => instant(expr, &source, *at, &options, &control),
        When::Range(steps) => range(expr, &source, *steps, &options, &control),
    }?;
    Ok(envelope(&answer))
}

/// The body of a server's answer, unless it refused.
fn ask_server(url: &str, text: &str, when: &When) -> Result<String> {
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
    let body = post_form(&format!("{base}{path}"), &form).map_err(|error| {
        let error = anyhow::Error::new(error);
        // What lies between says what was asked of whom, which stands here already.
        let cause = error.root_cause();
        anyhow!("no answer from {base}: {cause}; is `bellwether serve` running? --data DIR asks a folder")
    })?;
    let body =
        String::from_utf8(body).with_context(|| format!("{base} did not answer with text"))?;
    let answer: Value =
        serde_json::from_str(&body).with_context(|| format!("{base} did not answer with JSON"))?;
    if answer["status"] != "success" {
        bail!(
            "{}",
            answer["error"]
                .as_str()
                .unwrap_or("the server refused without a reason")
        );
    }
    Ok(body.trim_end().to_owned())
}
