//! What a data folder or a server knows about its metrics, for the lints of `check --data`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bellwether_lang::promql;
use bellwether_lang::rules::{MetricFacts, StoreFacts};
use bellwether_model::labels::Quoted;
use bellwether_model::{DurationMs, METRIC_NAME, Matcher, TimeRange, limits};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{self as query, Control, Options};
use bellwether_server::client::{get, post_form};
use bellwether_server::own_metrics;
use bellwether_store::View;
use serde_json::Value;

use super::data;

/// How far back from its newest sample a series is looked at: how often it comes, and how it moves.
const LOOK_BACK: DurationMs = DurationMs::from_mins(60);

/// The facts of a data folder, or of the server at an `http` address. Of metrics that are not `wanted` the names
/// suffice.
pub(crate) fn of(source: &str, wanted: &BTreeSet<String>) -> Result<StoreFacts> {
    let facts = if source.starts_with("http://") || source.starts_with("https://") {
        of_server(source.trim_end_matches('/'), wanted)
    } else {
        of_folder(Path::new(source), wanted)
    };
    let mut facts = facts?;
    facts.now = Some(super::now());
    for name in own_metrics() {
        // Some of them have no series before something goes wrong.
        facts.metrics.entry(name.to_owned()).or_default();
    }
    Ok(facts)
}

fn of_folder(folder: &Path, wanted: &BTreeSet<String>) -> Result<StoreFacts> {
    let store =
        data::open_existing(folder).with_context(|| format!("opening {}", folder.display()))?;
    let view = store.view();
    let mut facts = StoreFacts::default();
    let Some(range) = view.time_bounds() else {
        return Ok(facts);
    };
    for name in view.label_values(METRIC_NAME, &[], range)? {
        let metric = if wanted.contains(&name) {
            of_metric(&view, &name, range)?
        } else {
            MetricFacts::default()
        };
        facts.metrics.insert(name, metric);
    }
    Ok(facts)
}

fn of_metric(view: &View, name: &str, range: TimeRange) -> Result<MetricFacts> {
    let matchers = [Matcher::equal(METRIC_NAME, name)];
    let labels = view.label_names(&matchers, range)?;
    let labels = labels.into_iter().filter(|label| label != METRIC_NAME);
    let series = view.count(&matchers);
    let (mut times, mut values) = (Vec::new(), Vec::new());
    // Of one series: the others are sampled as it is.
    let selection = view.select(&matchers, range, usize::MAX)?;
    selection.read_newest(0, range, 1, &mut times, &mut values)?;
    if let Some(newest) = times.first().copied() {
        let hour = TimeRange::new(newest - LOOK_BACK.0, newest);
        selection.read(0, hour, &mut times, &mut values)?;
    }
    let mut facts = MetricFacts::new(name, labels.collect(), series, &times, &values);
    facts.values = extremes(name, |query| {
        // What is too much to look through leaves the question open.
        let expr = promql::parse(query).ok()?;
        let (source, options) = (ViewSource(view), Options::default());
        let answer = query::instant(&expr, &source, range.to, &options, &Control::new());
        match answer.ok()?.value {
            query::Value::Vector(series) => Some(series.first()?.1.v),
            _ => None,
        }
    });
    Ok(facts)
}

/// The least and the greatest of all values of a metric, by the answers to two questions.
fn extremes(name: &str, ask: impl Fn(&str) -> Option<f64>) -> Option<(f64, f64)> {
    let history = DurationMs(limits::RETENTION_RAW.millis());
    let of = |end: &str| {
        let name = Quoted(name);
        ask(&format!(
            "{end}({end}_over_time({{__name__={name}}}[{history}]))"
        ))
    };
    Some((of("min")?, of("max")?))
}

fn of_server(base: &str, wanted: &BTreeSet<String>) -> Result<StoreFacts> {
    let names = answer(&get(&format!("{base}/api/v1/label/__name__/values"))?)?;
    let mut facts = StoreFacts::default();
    for name in list(&names).filter_map(Value::as_str) {
        let metric = if wanted.contains(name) {
            of_asked(base, name).with_context(|| format!("asking for {name}"))?
        } else {
            MetricFacts::default()
        };
        facts.metrics.insert(name.to_owned(), metric);
    }
    Ok(facts)
}

fn of_asked(base: &str, name: &str) -> Result<MetricFacts> {
    let selector = format!("{{__name__={}}}", Quoted(name));
    let series = answer(&post_form(
        &format!("{base}/api/v1/series"),
        &[("match[]", selector)],
    )?)?;
    let mut labels = BTreeSet::new();
    let mut first = String::new();
    for one in list(&series).filter_map(Value::as_object) {
        labels.extend(one.keys().filter(|label| *label != METRIC_NAME).cloned());
        if first.is_empty() {
            let pairs = one
                .iter()
                .filter_map(|(label, value)| Some((label, value.as_str()?)));
            let pairs: Vec<String> = pairs
                .map(|(label, value)| format!("{}={}", Quoted(label), Quoted(value)))
                .collect();
            first = format!("{{{}}}[{LOOK_BACK}]", pairs.join(","));
        }
    }
    let (mut times, mut values) = (Vec::new(), Vec::new());
    if !first.is_empty() {
        let url = format!("{base}/api/v1/query");
        let found = answer(&post_form(&url, &[("query", first)])?)?;
        for sample in list(&found["result"][0]["values"]) {
            let time = sample[0].as_f64();
            let value = sample[1].as_str().and_then(|text| text.parse::<f64>().ok());
            if let (Some(time), Some(value)) = (time, value) {
                times.push((time * 1000.0).round() as i64);
                values.push(value);
            }
        }
    }
    let count = list(&series).count();
    let mut facts = MetricFacts::new(name, labels, count, &times, &values);
    facts.values = extremes(name, |query| {
        let form = [("query", query.to_owned())];
        let body = post_form(&format!("{base}/api/v1/query"), &form).ok()?;
        let found = answer(&body).ok()?;
        found["result"][0]["value"][1].as_str()?.parse().ok()
    });
    Ok(facts)
}

/// The data of an answer of the API.
fn answer(body: &[u8]) -> Result<Value> {
    let mut body: Value = serde_json::from_slice(body).context("the answer is not JSON")?;
    match body["error"].as_str() {
        Some(error) => bail!("the server says: {error}"),
        None => Ok(body["data"].take()),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
