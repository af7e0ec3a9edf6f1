//! `/federate`: the newest sample of each chosen series as a page that another Prometheus can scrape.
//!
//! Names that the text format lacks are bent as upstream bends them for scrapers that do not ask for UTF-8.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_model::limits::{QUERY_MEMORY_MAX, QUERY_SERIES_MAX};
use bellwether_model::value::{Sample, is_stale};
use bellwether_model::{DurationMs, Labels, METRIC_NAME, Matcher, TimeRange, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Columns, Control, QueryError, Select, Source};
use bellwether_store::View;
use bellwether_wire::exposition::{CONTENT_TYPE, Exposition, legacy_name};
use hyper::StatusCode;

use super::asked::Asked;
use super::run;
use super::state::Api;
use crate::edge::answer::{Answer, Exceeded, Refusal};
use crate::edge::route::Call;

/// What a series without it gets, so that a scraper with `honor_labels` does not put its own there.
const INSTANCE: &str = "instance";

/// `GET /federate`: the series that any of the selectors matches, those that have ended left out.
pub(super) async fn federate(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let selectors = asked.selectors()?;
    let patience = asked.patience(api.http.query_timeout)?;
    let (store, lookback, now) = (api.store.clone(), api.options.lookback, asked.now);
    let body = run::run(&api, patience, move |control| {
        let newest = newest(&store.view(), &selectors, recent(now, lookback), control)
            .map_err(|e| run::refusal(&e))?;
        page(&newest, QUERY_MEMORY_MAX.usize())
    });
    Ok(Answer::new(StatusCode::OK, CONTENT_TYPE, body.await?))
}

/// The window in which a sample is still its series' value: open on the left.
fn recent(now: TimestampMs, lookback: DurationMs) -> TimeRange {
    let from = now.minus(lookback).plus(DurationMs(1));
    TimeRange { from, to: now }
}

/// By the name as the page has it, then by labels.
type Newest = BTreeMap<(String, Labels), Sample>;

fn newest(
    view: &View,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    control: &Control,
) -> Result<Newest, QueryError> {
    let series_max = QUERY_SERIES_MAX.usize();
    let (mut found, mut columns) = (Newest::new(), Columns::default());
    for matchers in selectors {
        let select = Select {
            matchers,
            range,
            series_max,
        };
        let source = ViewSource(view);
        let series = source.select(&select).map_err(QueryError::Source)?;
        for (index, labels) in series.labels.iter().enumerate() {
            control.check()?;
            // A page has no place for a series without a name.
            let Some(name) = labels.metric() else {
                continue;
            };
            let room = QUERY_MEMORY_MAX.usize() / size_of::<Sample>();
            let read = series.reader.read(index, range, room, &mut columns);
            read.map_err(QueryError::Source)?;
            if let (Some(&t), Some(&v)) = (columns.times.last(), columns.values.last())
                && !is_stale(v)
            {
                let t = TimestampMs(t);
                let name = legacy_name(name).into_owned();
                found.insert((name, labels.clone()), Sample { t, v });
            }
        }
        if found.len() > series_max {
            let too_many = bellwether_query::SourceError::TooManySeries { max: series_max };
            return Err(QueryError::Source(too_many));
        }
    }
    Ok(found)
}

/// The page, of at most `max` bytes.
fn page(newest: &Newest, max: usize) -> Result<String, Refusal> {
    let mut page = Exposition::new();
    let mut family = None;
    for ((name, labels), sample) in newest {
        if family != Some(name) {
            page.untyped(name);
            family = Some(name);
        }
        push_series(&mut page, name, labels, *sample);
        if page.len() > max {
            return Err(Refusal::limited(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the page grows too large",
                Exceeded::from(&QUERY_MEMORY_MAX),
            ));
        }
    }
    Ok(page.finish())
}

fn push_series(page: &mut Exposition, name: &str, labels: &Labels, sample: Sample) {
    // Two names may be bent into one, and a label that comes twice would cost the scraper the whole page.
    let mut legal = BTreeMap::new();
    for (label, value) in labels.iter().filter(|(label, _)| *label != METRIC_NAME) {
        // Labels have no colons, metrics do.
        let label = legacy_name(label).replace(':', "_");
        legal.entry(label).or_insert(value);
    }
    let mut pairs: Vec<(&str, &str)> = legal.iter().map(|(l, v)| (l.as_str(), *v)).collect();
    if !legal.contains_key(INSTANCE) {
        pairs.push((INSTANCE, ""));
    }
    page.sample_at(name, &pairs, sample);
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::api::testing::World;

    #[test]
    fn a_page_that_grows_too_large_is_refused_with_its_limit() {
        let world = World::filled();
        let selectors = [vec![Matcher::equal("__name__", "up")]];
        let range = recent(TimestampMs(120_000), DurationMs::from_mins(5));
        let (view, control) = (world.api.store.view(), Control::new());
        let newest = newest(&view, &selectors, range, &control).unwrap();
        let whole = page(&newest, usize::MAX).unwrap();
        assert_eq!(page(&newest, whole.len()).unwrap(), whole);
        let refusal = page(&newest, whole.len() - 1).unwrap_err();
        let limit = refusal.limit.map(|e| e.limit.name);
        assert_eq!(
            (refusal.status.as_u16(), limit),
            (422, Some("query.memory"))
        );
    }

    /// As Prometheus: a scraper that would rather have another format takes this one, too.
    #[test]
    fn the_format_is_the_one_whatever_is_accepted() {
        let world = World::filled();
        for accept in [
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            "image/png",
        ] {
            let got = world.get_with("/federate?match[]=odd", &format!("Accept: {accept}\r\n"));
            assert_eq!((got.status, got.content_type.as_str()), (200, CONTENT_TYPE));
            assert!(got.body.starts_with("# TYPE odd untyped\n"), "{}", got.body);
            assert!(!got.body.contains("# EOF"), "{}", got.body);
        }
    }

    #[test]
    fn newest_samples_by_name_with_their_times() {
        let world = World::filled();
        let got = world.get("/federate?match[]=up&match[]={__name__=~%22odd|up|requests%22}");
        assert_eq!(
            (got.status, got.content_type.as_str()),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        expect![[r#"
            # TYPE odd untyped
            odd{instance=""} 1.5 90000
            # TYPE requests untyped
            requests{http_code="200\"<b>",instance=""} 7 120000
            # TYPE up untyped
            up{job="api",instance=""} 1 120000
            up{job="db",instance=""} 0 120000
        "#]]
        .assert_eq(&got.body);
        assert_eq!(world.body("/prometheus/federate?match[]=up"), {
            let up = got.body.find("# TYPE up").unwrap();
            &got.body[up..]
        });
    }

    #[test]
    fn ended_and_old_series_are_left_out() {
        let world = World::filled();
        let up = Labels::from_pairs([("__name__", "up"), ("job", "db")]);
        let old = Labels::from_pairs([("__name__", "up"), ("job", "old")]);
        let now = TimestampMs(120_000);
        let mut appender = world.api.store.appender();
        let up = appender.series(&up).unwrap();
        let ended = TimestampMs(119_000);
        appender.push(up, ended, 1.0);
        appender.push(up, now, bellwether_model::value::STALE_NAN);
        let old = appender.series(&old).unwrap();
        // Exactly the lookback ago: no longer a value.
        appender.push(old, TimestampMs(-180_000), 1.0);
        appender.commit(now).unwrap();
        assert_eq!(
            world.body("/federate?match[]=up"),
            "# TYPE up untyped\nup{job=\"api\",instance=\"\"} 1 120000\n"
        );
    }

    #[test]
    fn nothing_asked_is_nothing_told_and_a_bad_selector_is_refused() {
        let world = World::filled();
        assert_eq!(world.body("/federate"), "");
        assert_eq!(world.body("/federate?match[]=nothing"), "");
        for selector in ["{}", "up%5B5m%5D", "{a=~%22(%22}", "1%2B1"] {
            let got = world.get(&format!("/federate?match[]={selector}"));
            assert_eq!(got.status, 400, "{selector}: {}", got.body);
            assert!(
                got.body.starts_with("invalid parameter \"match[]\": "),
                "{}",
                got.body
            );
            assert_eq!(got.content_type, "text/plain; charset=utf-8");
        }
        let got = world.post("/federate", "", "");
        assert_eq!(got.status, 405, "{}", got.body);
    }
}
