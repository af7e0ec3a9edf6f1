//! `bellwether backtest`: what rules would have done over the samples of a data folder, or of a server, ours or another.

mod table;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bellwether_engine::replay::{Backtest, ReplayOptions};
use bellwether_lang::rules::RuleSet;
use bellwether_model::{DurationMs, TimestampMs, limits};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, Source};
use bellwether_server::folder;
use bellwether_server::remote::{Patience, ReadAddress, RemoteOptions, RemoteSource};
use bellwether_store::StoreError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::args::{self, ListOutput, SERVER_URL};
use super::loaded::{Loaded, load};
use super::query::time;
use super::{FINDINGS, TROUBLE, asking, data, print};

/// How long a server may take over the samples of one selector.
const REMOTE_TIMEOUT: Duration = Duration::from_millis(limits::QUERY_TIMEOUT.value);

pub(crate) fn run(args: &args::Backtest) -> Result<ExitCode> {
    let Some(rules) = load(&args.paths)? else {
        return Ok(ExitCode::from(TROUBLE));
    };
    let against = match &args.against {
        None => None,
        Some(path) => match load(std::slice::from_ref(path))? {
            None => return Ok(ExitCode::from(TROUBLE)),
            rules => rules,
        },
    };
    let until = time(&args.until)?;
    let from = match DurationMs::parse(&args.since) {
        Some(back) => until.minus(back),
        None => time(&args.since)?,
    };
    if until < from {
        bail!("--until lies before --since");
    }
    let tested = Tested { from, until };
    let body = if let Some(url) = &args.url {
        ask_server(url.trim_end_matches('/'), &rules, against.as_ref(), tested)?
    } else if let Some(address) = &args.remote_read {
        replay_remote(address, rules, against, tested)?
    } else {
        replay_folder(&args.data, rules, against, tested)?
    };
    let answer: Value = serde_json::from_str(&body).context("the answer is not JSON")?;
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        print::note(warning.as_str().unwrap_or_default());
    }
    print::out(&match args.output {
        ListOutput::Json => body.trim_end().to_owned() + "\n",
        ListOutput::Table => table::table(&answer["data"], print::line_width())?,
    })?;
    let difference = answer["data"]["difference"].as_array();
    Ok(if difference.is_some_and(|differ| !differ.is_empty()) {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

/// The time that is tested.
#[derive(Clone, Copy)]
struct Tested {
    from: TimestampMs,
    until: TimestampMs,
}

/// The answer of a data folder, in the envelope of the API.
fn replay_folder(
    folder: &Path,
    rules: Loaded,
    against: Option<Loaded>,
    tested: Tested,
) -> Result<String> {
    let store = data::open_existing(folder).map_err(|error| match error {
        StoreError::Locked { .. } => anyhow!(
            "{error}; a server that runs is asked with --url, such as --url {SERVER_URL}, or, for a test that takes long, a copy of the folder"
        ),
        other => other.into(),
    })?;
    let view = store.view();
    replay_source(&ViewSource(&view), rules, against, tested, &Control::new())
}

/// The answer over the samples of a server that knows nothing of our rules.
fn replay_remote(
    address: &ReadAddress,
    rules: Loaded,
    against: Option<Loaded>,
    tested: Tested,
) -> Result<String> {
    let options = RemoteOptions {
        ahead_until: Some(tested.until),
        ..RemoteOptions::new(Patience::Each(REMOTE_TIMEOUT))
    };
    let control = options.stopped_by_failure.clone();
    let source = RemoteSource::new(address, options)?;
    let answer = replay_source(&source, rules, against, tested, &control);
    // Live, an evaluation that fails freezes its alerts; here it would leave a hole that nobody sees.
    if let Some(failure) = source.failure() {
        bail!("{failure}");
    }
    if let Some(refusal) = source.refusal() {
        let then =
            "less time was asked for at once, and evaluations that need more than that have failed";
        print::note(&format!("{refusal}; {then}"));
    }
    answer
}

/// The answer over the samples of a source, until `control` is set.
fn replay_source(
    source: &dyn Source,
    rules: Loaded,
    against: Option<Loaded>,
    tested: Tested,
    control: &Control,
) -> Result<String> {
    let old = against
        .map(|old| replay(source, old.rules, tested, control, "compared with"))
        .transpose()?;
    let new = replay(source, rules.rules, tested, control, "backtest")?;
    Ok(folder::backtest(&new, old.as_ref()))
}

/// The body of a server's answer, unless it refused.
fn ask_server(
    base: &str,
    rules: &Loaded,
    against: Option<&Loaded>,
    tested: Tested,
) -> Result<String> {
    let mut form = vec![
        ("since", tested.from.to_rfc3339()),
        ("until", tested.until.to_rfc3339()),
    ];
    let texts = |loaded: &Loaded| -> Vec<String> {
        loaded.files.iter().map(|file| file.text.clone()).collect()
    };
    form.extend(texts(rules).into_iter().map(|text| ("rules", text)));
    let against = against.map(texts).unwrap_or_default();
    form.extend(against.into_iter().map(|text| ("against", text)));
    asking::post(base, "/api/bw/v1/backtest", &form)
}

fn replay(
    source: &dyn Source,
    rules: Arc<RuleSet>,
    Tested { from, until }: Tested,
    control: &Control,
    what: &'static str,
) -> Result<Backtest> {
    let options = ReplayOptions {
        from,
        until,
        query: Options::default(),
        keep_samples: false,
        control: control.clone(),
    };
    let bar = bar(until.since(from), what);
    let mut shown = from;
    let mut progress = |at: TimestampMs| {
        // A bar that is told of every tick costs more than the ticks.
        if at.since(shown) >= DurationMs::from_mins(60) {
            shown = at;
            bar.set_position(at.since(from).0.max(0) as u64 / 1000);
        }
    };
    let tested = Backtest::run(rules, source, options, &mut progress);
    bar.finish_and_clear();
    Ok(tested?)
}

fn bar(length: DurationMs, what: &'static str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let seconds = length.0.max(0) as u64 / 1000;
    let bar = ProgressBar::with_draw_target(Some(seconds), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent}%  {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
