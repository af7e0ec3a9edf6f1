//! Each limit stops a query that goes beyond it, and the error names it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bellwether_lang::promql::parse;
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{
    Answer, Control, Options, QueryError, Steps, Stop, instant, range, write_json,
};

fn source() -> MemorySource {
    let mut source = MemorySource::new();
    for series in 0..300 {
        let labels = Labels::from_pairs([("__name__", "x".to_string()), ("s", series.to_string())]);
        for i in 0..10 {
            source.push(&labels, i * 1000, i as f64);
        }
    }
    source
}

fn ask(query: &str, options: &Options) -> Result<Answer, QueryError> {
    let expr = parse(query).unwrap();
    instant(
        &expr,
        &source(),
        TimestampMs(9000),
        options,
        &Control::new(),
    )
}

#[track_caller]
fn check(query: &str, options: &Options, limit: &str) {
    let error = ask(query, options).unwrap_err();
    assert_eq!(error.limit(), Some(limit), "{error}");
    if limit != "query.timeout" {
        assert!(error.to_string().contains(limit), "{error}");
    }
}

#[test]
fn series_are_limited() {
    let options = Options {
        series_max: 299,
        ..Options::default()
    };
    check("x", &options, "query.max_series");
    assert!(ask("x{s=\"1\"}", &options).is_ok());
}

#[test]
fn samples_are_limited() {
    let options = Options {
        samples_max: 1000,
        ..Options::default()
    };
    check("rate(x[10s])", &options, "query.max_samples");
    // Shared selections are read, and counted, once.
    assert!(ask("count_over_time(x[3s]) + count_over_time(x[3s])", &options).is_ok());
}

#[test]
fn memory_is_limited() {
    let options = Options {
        memory_max: 10_000,
        ..Options::default()
    };
    check("x", &options, "query.memory");
    check(
        "absent(nothing)[1000d:1ms]",
        &Options::default(),
        "query.memory",
    );
    check("vector(1)[1000d:1ms]", &Options::default(), "query.memory");
    check(
        "max_over_time(x[1000d:1ms])",
        &Options::default(),
        "query.memory",
    );
    check(
        "sum_over_time(vector(time())[1000d:1ms])",
        &Options::default(),
        "query.memory",
    );
}

#[test]
fn points_are_limited() {
    let steps = Steps {
        start: TimestampMs(0),
        end: TimestampMs(11_000_000),
        step: DurationMs(1000),
    };
    let expr = parse("x").unwrap();
    let (options, control) = (Options::default(), Control::new());
    let error = range(&expr, &source(), steps, &options, &control).unwrap_err();
    assert_eq!(error.limit(), Some("query.max_points"));
}

#[test]
fn a_stopped_query_says_why() {
    let expr = parse("sum(rate(x[10s]))").unwrap();
    let control = Control::new();
    control.cancel(Stop::Timeout);
    let error = instant(
        &expr,
        &source(),
        TimestampMs(9000),
        &Options::default(),
        &control,
    )
    .unwrap_err();
    assert_eq!(error.limit(), Some("query.timeout"));
    let control = Control::new();
    control.cancel(Stop::Disconnected);
    let error = instant(
        &expr,
        &source(),
        TimestampMs(9000),
        &Options::default(),
        &control,
    )
    .unwrap_err();
    assert!(matches!(error, QueryError::Cancelled));
}

#[test]
fn times_at_the_ends_of_the_calendar_do_no_harm() {
    for at in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
        for query in [
            "x",
            "rate(x[5m])",
            "rate(x[1y] offset -1y)",
            "max_over_time(x[5m:1m])",
            "sum_over_time(x[5m:1m] offset -5m)",
            "rate(x[5m] smoothed)",
            "x @ 9000000000000",
            "predict_linear(x[5m], 1e300)",
            "year()",
            "timestamp(x)",
        ] {
            let expr = parse(query).unwrap();
            let _ = instant(
                &expr,
                &source(),
                TimestampMs(at),
                &Options::default(),
                &Control::new(),
            );
        }
    }
}

#[test]
fn answers_are_written_as_the_api_wants_them() {
    let written = |query: &str| {
        let mut out = String::new();
        write_json(&ask(query, &Options::default()).unwrap(), &mut out);
        out
    };
    assert_eq!(
        written("1 / 3"),
        r#"{"resultType":"scalar","result":[9,"0.3333333333333333"]}"#
    );
    assert_eq!(
        written("\"a\\\"b\""),
        r#"{"resultType":"string","result":[9,"a\"b"]}"#
    );
    assert_eq!(
        written("x{s=\"7\"}"),
        r#"{"resultType":"vector","result":[{"metric":{"__name__":"x","s":"7"},"value":[9,"9"]}]}"#
    );
    assert_eq!(
        written("x{s=\"7\"}[2s]"),
        r#"{"resultType":"matrix","result":[{"metric":{"__name__":"x","s":"7"},"values":[[8,"8"],[9,"9"]]}]}"#
    );
    assert_eq!(written("x > 100"), r#"{"resultType":"vector","result":[]}"#);
}
