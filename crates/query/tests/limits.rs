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
    let ask = |steps: i64| {
        let steps = Steps {
            start: TimestampMs(0),
            end: TimestampMs(1000 * steps),
            step: DurationMs(1000),
        };
        let (options, control) = (Options::default(), Control::new());
        let answer = range(&parse("1").unwrap(), &source(), steps, &options, &control);
        answer.err().map(|error| error.limit())
    };
    assert_eq!(ask(11_000), None);
    assert_eq!(ask(11_001), Some(Some("query.max_points")));
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
            "predict_linear(x[5m] @ 9, 1)",
            "deriv(x[290y])",
            "rate(x[290y])",
            "increase(x[5m] anchored)",
            "timestamp(x offset -290y)",
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

/// Of a series as of many: the writer looks at the control all along.
#[test]
fn nothing_is_written_once_nobody_waits() {
    let mut long = MemorySource::new();
    let labels = Labels::from_pairs([("__name__", "long")]);
    (0..100_000).for_each(|i| long.push(&labels, i, 0.5));
    for (source, query) in [(source(), "x"), (source(), "x[5s]"), (long, "long[100s]")] {
        let expr = parse(query).unwrap();
        let at = TimestampMs(99_999);
        let at = if query == "long[100s]" {
            at
        } else {
            TimestampMs(9000)
        };
        let answer = instant(&expr, &source, at, &Options::default(), &Control::new()).unwrap();
        let write = |looks| {
            let control = Control::stopping_after(looks);
            write_json(&answer, usize::MAX, &control, &mut String::new())
        };
        assert!(matches!(write(20), Err(QueryError::Cancelled)), "{query}");
        write(1000).unwrap();
    }
}

#[test]
fn answers_are_written_as_the_api_wants_them() {
    let written = |query: &str| {
        let mut out = String::new();
        let answer = ask(query, &Options::default()).unwrap();
        write_json(&answer, usize::MAX, &Control::new(), &mut out).unwrap();
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

/// A chain of window functions over subqueries of one second, `depth` deep, without a selector.
fn nested(function: &str, depth: usize) -> String {
    (0..depth).fold("vector(time())".into(), |inner, _| {
        format!("{function}({inner}[1d:1s])")
    })
}

#[test]
fn hostile_nested_subqueries_end_by_a_limit() {
    let options = Options {
        samples_max: 400_000,
        ..Options::default()
    };
    for function in [
        "stddev_over_time",
        "quantile_over_time(0.5, ",
        "mad_over_time",
    ] {
        let query = |depth| {
            let query = nested(function, depth);
            // The opening parenthesis of a function with a parameter is already there.
            query.replace(", (", ", ")
        };
        assert!(ask(&query(1), &options).is_ok());
        check(&query(4), &options, "query.max_samples");
    }
}

#[test]
fn a_query_is_stopped_inside_a_row() {
    let queries = [
        "stddev_over_time(vector(time())[7d:1s])",
        "double_exponential_smoothing(vector(time())[1d:1s], 0.5, 0.5)",
        "quantile_over_time(0.5, vector(time())[7d:1s])",
        "sum_over_time(vector(time() + time())[7d:1s])",
        "sum_over_time((vector(time()) > 5)[7d:1s])",
        "sum_over_time(sin(vector(time()))[7d:1s])",
        "absent_over_time(count_values(\"v\", vector(time()))[30m:1s])",
        "max_over_time(topk(1, vector(time()))[7d:1s])",
        "max_over_time(histogram_quantile(0.5, label_replace(vector(time()), \"le\", \"1\", \"\", \"\"))[7d:1s])",
    ];
    for query in queries {
        let expr = parse(query).unwrap();
        // Each row has 1,800 samples or more, and there is one row: it is looked at inside of it.
        for looks in [12, 20] {
            let control = Control::stopping_after(looks);
            let at = TimestampMs(9000);
            let error = instant(&expr, &source(), at, &Options::default(), &control);
            assert!(matches!(error, Err(QueryError::Cancelled)), "{query}");
        }
    }
}

#[test]
fn labels_that_functions_make_are_limited() {
    let long = "a".repeat(200);
    let check_long = |query: String| {
        let error = ask(&query, &Options::default()).unwrap_err();
        assert_eq!(error.limit(), Some("label.max_value"), "{error}");
    };
    let inner = format!("label_replace(x{{s=\"1\"}}, \"l\", \"{long}\", \"\", \"\")");
    assert!(ask(&inner, &Options::default()).is_ok());
    let times = "$1".repeat(21);
    check_long(format!(
        "label_replace({inner}, \"l\", \"{times}\", \"l\", \"(.*)\")"
    ));
    let sources = ", \"l\"".repeat(21);
    check_long(format!("label_join({inner}, \"l\", \"\"{sources})"));
}

#[test]
fn labels_that_functions_make_are_charged() {
    let long = "a".repeat(4000);
    let query = |rows: usize| {
        format!("label_replace(x{{s=~\"[0-9]{{1,{rows}}}\"}}, \"l\", \"{long}\", \"\", \"\")")
    };
    let options = Options {
        memory_max: 500_000,
        ..Options::default()
    };
    assert!(ask(&query(1), &options).is_ok());
    check(&query(3), &options, "query.memory");
}

#[test]
fn a_range_vector_is_charged() {
    let options = Options {
        memory_max: 80_000,
        ..Options::default()
    };
    assert!(ask("x{s=~\"..\"}[10s]", &options).is_ok());
    check("x[10s]", &options, "query.memory");
}

#[test]
fn samples_that_are_not_kept_count_once_a_use() {
    // Room for the rows, none for keeping decoded samples.
    let tight = Options {
        memory_max: 140_000,
        threads: 1,
        ..Options::default()
    };
    let samples = |query: &str, options: &Options| ask(query, options).unwrap().stats.samples;
    let query = "avg(sum_over_time(x[10s])) / max(sum_over_time(x[10s]))";
    let once = samples("avg(sum_over_time(x[10s]))", &tight);
    assert_eq!(samples(query, &Options::default()), once);
    let used = samples(query, &tight);
    assert!(once < used && used <= 2 * once, "{used} of {once}");
}
