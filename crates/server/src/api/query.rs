//! `/api/v1/query` and `/api/v1/query_range`, and their small companions.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::ValueType;
use bellwether_model::Labels;
use bellwether_model::json::push_json_string;
use bellwether_model::value::push_value;
use bellwether_query::source::store::ViewSource;
use bellwether_query::{self as query, Control, Explanation, Options, QueryError, Value, When};
use bellwether_store::Store;
use bellwether_wire::export::CSV_TYPE;
use hyper::StatusCode;

use super::asked::{Asked, bad};
use super::envelope::{TRUNCATED, success};
use super::quick;
use super::run::{self, Patience};
use super::sheet::csv;
use super::state::Api;
use super::tree::tree;
use crate::clock::Stopwatch;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// `GET|POST /api/v1/query`.
pub(super) async fn instant(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let at = asked.time("time")?.unwrap_or(asked.now);
    answer(&api, &asked, When::At(at)).await
}

/// `GET|POST /api/v1/query_range`.
pub(super) async fn range(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let steps = asked.steps(&api.options)?;
    answer(&api, &asked, When::Over(steps)).await
}

/// `GET|POST /api/v1/query_exemplars`: no exemplars are kept, so none are found.
pub(super) async fn exemplars(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    asked.query()?;
    asked.time_range()?;
    Ok(Answer::json(success(|out| out.push_str("[]"), &[], &[])))
}

/// `GET|POST /api/v1/format_query`: the expression as it is understood, in lines that can be read.
pub(super) async fn format(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let (expr, _) = asked.query()?;
    Ok(Answer::json(success(
        |out| push_json_string(out, &expr.pretty()),
        &[],
        &[],
    )))
}

/// `GET|POST /api/v1/parse_query`: the expression as a tree.
pub(super) async fn parse(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let (expr, _) = asked.query()?;
    let data = |out: &mut String| out.push_str(&tree(&expr).to_string());
    Ok(Answer::json(success(data, &[], &[])))
}

/// A question, ready to be evaluated.
pub(super) struct Question {
    pub(super) expr: Expr,
    pub(super) when: When,
    pub(super) options: Options,
}

impl Question {
    /// `text` is what `expr` was parsed from.
    pub(super) fn new(api: &Api, expr: Expr, text: &str, when: When) -> Question {
        let options = Options {
            text: Some(text.into()),
            ..api.options.clone()
        };
        Question {
            expr,
            when,
            options,
        }
    }

    /// Evaluates it over what the store holds now.
    pub(super) fn evaluate(
        &self,
        store: &Store,
        control: &Control,
    ) -> Result<query::Answer, QueryError> {
        self.evaluate_with(&self.options, store, control)
    }

    /// As [`Question::evaluate`], with other options.
    pub(super) fn evaluate_with(
        &self,
        options: &Options,
        store: &Store,
        control: &Control,
    ) -> Result<query::Answer, QueryError> {
        let view = store.view();
        let source = ViewSource(&view);
        query::evaluate(&self.expr, &source, self.when, options, control)
    }

    /// Evaluates it so as well, to tell what that took.
    pub(super) fn explain(
        &self,
        store: &Store,
        control: &Control,
    ) -> Result<Explanation, QueryError> {
        let view = store.view();
        let source = ViewSource(&view);
        let begun = Stopwatch::start();
        let clock = || begun.elapsed();
        query::explain(
            &self.expr,
            &source,
            self.when,
            &self.options,
            control,
            &clock,
        )
    }
}

/// The question of a request.
pub(super) fn question(api: &Api, asked: &Asked, when: When) -> Result<Question, Refusal> {
    let (expr, text) = asked.query()?;
    check_type(&expr, when)?;
    let mut question = Question::new(api, expr, text, when);
    if let Some(lookback) = asked.lookback()? {
        question.options.lookback = lookback;
    }
    Ok(question)
}

async fn answer(api: &Api, asked: &Asked, when: When) -> Result<Answer, Refusal> {
    let question = question(api, asked, when)?;
    let limit = asked.limit()?;
    let format = Format::of(asked)?;
    let shows_stats = asked.params.get("stats").is_some();
    let patience: Patience = asked.patience(api.http.query_timeout)?;
    let write = move |answer: query::Answer, begun: Stopwatch, control: &Control| match format {
        Format::Json => {
            let stats = shows_stats.then(|| begun.elapsed().as_secs_f64());
            body(answer, limit, stats, control)
        }
        Format::Csv => csv(&answer.value, limit, control),
    };
    let begun = Stopwatch::start();
    if let Some(answer) = quick::answer(api, &question) {
        let body = write(answer, begun, &Control::new());
        return Ok(format.answer(body.map_err(|e| run::refusal(&e))?));
    }
    let store = api.store.clone();
    let body = run::run(api, patience, move |control| {
        let begun = Stopwatch::start();
        let answer = question.evaluate(&store, control);
        let body = answer.and_then(|answer| write(answer, begun, control));
        body.map_err(|e| run::refusal(&e))
    });
    Ok(format.answer(body.await?))
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Format {
    Json,
    Csv,
}

impl Format {
    fn of(asked: &Asked) -> Result<Format, Refusal> {
        match asked.given("format") {
            None | Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            Some(text) => Err(bad(
                "format",
                format_args!("{text:?} is not one of json, csv"),
            )),
        }
    }

    fn answer(self, body: String) -> Answer {
        match self {
            Format::Json => Answer::json(body),
            Format::Csv => Answer::new(StatusCode::OK, CSV_TYPE, body),
        }
    }
}

/// A range of times needs a value at each of them, which only numbers and instant vectors have.
fn check_type(expr: &Expr, when: When) -> Result<(), Refusal> {
    let found = match (when, expr.value_type()) {
        (When::Over(_), ValueType::Matrix) => "range vector",
        (When::Over(_), ValueType::String) => "string",
        _ => return Ok(()),
    };
    Err(bad(
        "query",
        format_args!(
            "invalid expression type \"{found}\" for range query, must be Scalar or instant Vector"
        ),
    ))
}

/// The whole body; `limit` cuts rows off, `stats` is how long the evaluation took if that is to be told.
pub(crate) fn body(
    mut answer: query::Answer,
    limit: usize,
    stats: Option<f64>,
    control: &Control,
) -> Result<String, QueryError> {
    let rows = match &answer.value {
        Value::Vector(rows) => rows.len(),
        Value::Matrix(matrix) => matrix.len(),
        Value::Scalar(_) | Value::String(..) => 0,
    };
    if rows > limit {
        answer.warnings.insert(0, TRUNCATED.to_owned());
    }
    let mut written = Ok(());
    let data = |out: &mut String| {
        written = query::write_json(&answer, limit, control, out);
        if let Some(seconds) = stats {
            // Inside `data`, which ends with the brace.
            out.pop();
            out.push_str(",\"stats\":{\"timings\":{\"evalTotalTime\":");
            push_value(out, seconds);
            let (samples, peak) = (answer.stats.samples, answer.stats.peak_samples);
            let _ = write!(
                out,
                "}},\"samples\":{{\"totalQueryableSamples\":{samples},\"samplesRead\":{samples},\"peakSamples\":{peak}}}}}}}"
            );
        }
    };
    let body = success(data, &answer.warnings, &answer.infos);
    written.map(|()| body)
}

/// Rows of an instant answer for a table: labels and value. Samples of a range vector come as its newest.
pub(super) fn rows(value: Value) -> Vec<(Labels, f64)> {
    match value {
        Value::Scalar(sample) => vec![(Labels::empty(), sample.v)],
        Value::String(..) => Vec::new(),
        Value::Vector(rows) => rows
            .into_iter()
            .map(|(labels, sample)| (labels, sample.v))
            .collect(),
        Value::Matrix(matrix) => {
            let newest = |i| Some((matrix.labels(i).clone(), *matrix.columns(i).values.last()?));
            (0..matrix.len()).filter_map(newest).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::api::testing::World;

    fn check(world: &World, path: &str, want: Expect) {
        want.assert_eq(&world.body(path));
    }

    #[test]
    fn the_question_that_grafana_tests_a_data_source_with() {
        let world = World::new();
        let got = world.get("/api/v1/query?query=1%2B1&time=4");
        assert_eq!(
            got.body,
            r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
        );
        assert_eq!(
            (got.status, got.content_type.as_str()),
            (200, "application/json")
        );
    }

    #[test]
    fn every_type_of_answer() {
        let world = World::filled();
        check(
            &world,
            "/api/v1/query?query=%22a%5C%22b%22&time=4.5",
            expect![[
                r#"{"status":"success","data":{"resultType":"string","result":[4.5,"a\"b"]}}"#
            ]],
        );
        check(
            &world,
            "/api/v1/query?query=up&time=60",
            expect![[
                r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[60,"1"]},{"metric":{"__name__":"up","job":"db"},"value":[60,"0"]}]}}"#
            ]],
        );
        check(
            &world,
            "/api/v1/query?query=up%5B1m%5D&time=1970-01-01T00:01:00Z",
            expect![[
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"api"},"values":[[30,"1"],[60,"1"]]},{"metric":{"__name__":"up","job":"db"},"values":[[30,"0"],[60,"0"]]}]}}"#
            ]],
        );
        check(
            &world,
            "/api/v1/query_range?query=odd&start=0&end=90&step=30s",
            expect![[
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"odd"},"values":[[0,"NaN"],[30,"+Inf"],[60,"-Inf"],[90,"1.5"]]}]}}"#
            ]],
        );
        check(
            &world,
            "/api/v1/query?query=nothing&time=60",
            expect![[r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#]],
        );
        check(
            &world,
            "/api/v1/query_range?query=nothing&start=0&end=90&step=30",
            expect![[r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#]],
        );
    }

    #[test]
    fn the_present_is_when_the_request_came() {
        let world = World::filled();
        check(
            &world,
            "/api/v1/query?query=time()",
            expect![[
                r#"{"status":"success","data":{"resultType":"scalar","result":[120,"120"]}}"#
            ]],
        );
    }

    #[test]
    fn a_form_is_as_good_as_a_query_and_wins_over_it() {
        let world = World::filled();
        let want = r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#;
        let got = world.post(
            "/api/v1/query?query=3&time=4",
            "application/x-www-form-urlencoded",
            "query=1%2B1",
        );
        assert_eq!(got.body, want);
        let got = world.post("/api/v1/query", "application/json", "{}");
        assert_eq!(got.status, 415, "{}", got.body);
        let long = format!("query={}", "1".repeat(70_000));
        let got = world.post("/api/v1/query", "application/x-www-form-urlencoded", &long);
        assert_eq!(got.status, 413, "{}", got.body);
        assert!(
            got.body
                .contains("\"limit\":\"http.max_form\",\"max\":65536"),
            "{}",
            got.body
        );
    }

    #[test]
    fn a_limit_cuts_rows_and_says_so() {
        let world = World::filled();
        check(
            &world,
            "/api/v1/query?query=up&time=60&limit=1",
            expect![[
                r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[60,"1"]}]},"warnings":["results truncated due to limit"]}"#
            ]],
        );
        check(
            &world,
            "/api/v1/query_range?query=up&start=0.5&end=60.5&step=30&limit=1",
            expect![[
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"api"},"values":[[0.5,"1"],[30.5,"1"],[60.5,"1"]]}]},"warnings":["results truncated due to limit"]}"#
            ]],
        );
        for limit in ["2", "0"] {
            let got = world.body(&format!("/api/v1/query?query=up&time=60&limit={limit}"));
            assert!(got.ends_with("]}}"), "{got}");
        }
    }

    #[test]
    fn a_parameter_without_a_value_is_not_given() {
        let world = World::filled();
        let got = world.body("/api/v1/query?query=time()&time=&timeout=&limit=&lookback_delta=");
        assert!(got.contains("[120,\"120\"]"), "{got}");
    }

    #[test]
    fn a_timeout_that_is_over_before_it_begins_is_one() {
        let world = World::filled();
        for path in ["query?", "query_range?start=0&end=1&step=1&"] {
            for timeout in ["0", "0s", "-1"] {
                let got = world.get(&format!("/api/v1/{path}query=1&timeout={timeout}"));
                assert_eq!(got.status, 503, "{path}{timeout}: {}", got.body);
                let kind = r#""errorType":"timeout""#;
                assert!(got.body.contains(kind), "{path}{timeout}: {}", got.body);
            }
        }
    }

    #[test]
    fn the_ends_of_time_are_taken_as_clients_write_them() {
        let world = World::filled();
        let ever = "start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z";
        for path in [
            "series?match%5B%5D=up&",
            "labels?",
            "label/job/values?",
            "query_exemplars?query=up&",
        ] {
            let got = world.get(&format!("/api/v1/{path}{ever}"));
            assert_eq!(got.status, 200, "{path}: {}", got.body);
            assert_eq!(
                got.body.contains("job") || got.body.contains("api"),
                !path.contains("exemplars"),
                "{}",
                got.body
            );
        }
        for time in [
            "-292273086-05-16T16:47:06Z",
            "292277025-08-18T07:12:54.999999999Z",
            "-9223309901257974",
        ] {
            let got = world.get(&format!("/api/v1/query?query=up&time={time}"));
            assert_eq!(got.status, 200, "{time}: {}", got.body);
        }
        let got = world.get(&format!("/api/v1/query_range?query=up&step=1d&{ever}"));
        assert_eq!(got.status, 400, "{}", got.body);
        assert!(
            got.body.contains("exceeded maximum resolution"),
            "{}",
            got.body
        );
    }

    #[test]
    fn lookback_can_be_chosen() {
        let world = World::filled();
        let near = world.body("/api/v1/query?query=up&time=200&lookback_delta=30s");
        assert!(near.contains("\"result\":[]"), "{near}");
        let far = world.body("/api/v1/query?query=up&time=200&lookback_delta=0");
        assert!(far.contains("api"), "{far}");
    }

    #[test]
    fn stats_are_told_to_those_who_ask() {
        let world = World::filled();
        let got: serde_json::Value =
            serde_json::from_str(&world.body("/api/v1/query?query=up&time=60&stats=all")).unwrap();
        let stats = &got["data"]["stats"];
        let samples = &stats["samples"];
        assert_eq!(samples["samplesRead"], samples["totalQueryableSamples"]);
        assert!(samples["samplesRead"].as_u64() >= Some(2), "{stats}");
        assert!(samples["peakSamples"].as_u64() >= Some(2), "{stats}");
        let names = |object: &serde_json::Value| {
            let mut names: Vec<&String> = object.as_object().unwrap().keys().collect();
            names.sort();
            names
                .into_iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(stats), "samples timings");
        assert_eq!(
            names(samples),
            "peakSamples samplesRead totalQueryableSamples"
        );
        assert!(
            stats["timings"]["evalTotalTime"].as_f64() >= Some(0.0),
            "{stats}"
        );
    }

    #[test]
    fn notes_of_the_evaluation_come_with_their_place() {
        let world = World::filled();
        let got = world.body("/api/v1/query?query=rate(up%5B1m%5D)&time=60");
        assert!(
            got.contains("\"infos\":[\"PromQL info: metric might not be a counter"),
            "{got}"
        );
        assert!(got.contains("(1:6)"), "{got}");
    }

    #[test]
    fn wrong_questions_are_refused_with_their_place() {
        let world = World::filled();
        let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
        let long = "1%2B".repeat(9000);
        let matchers: Vec<String> = (0..33).map(|i| format!("l{i}=~%22a.*b%22")).collect();
        let regexes = format!("x{{{}}}", matchers.join(","));
        let large = format!("x{{a=~%22{}%22}}", "(a%7Cb.*)".repeat(2000));
        let bomb = "x{a=~%22(a%3F){1000}a{1000}{100}%22}".to_owned();
        for (query, place) in [
            ("", "1:1: parse error"),
            ("sum(", "1:5: parse error"),
            ("up%0A%20%20%29", "2:3: parse error"),
            (deep.as_str(), "query.max_depth"),
            (long.as_str(), "query.max_len"),
            (regexes.as_str(), "regex.per_query"),
            (large.as_str(), "regex.max_len"),
            (bomb.as_str(), "regex."),
        ] {
            // As a form: some are too long for a URI.
            let got = world.post(
                "/api/v1/query?time=1",
                "application/x-www-form-urlencoded",
                &format!("query={query}"),
            );
            assert_eq!(got.status, 400, "{query}: {}", got.body);
            assert!(
                got.body.contains("\"errorType\":\"bad_data\""),
                "{}",
                got.body
            );
            assert!(got.body.contains(place), "{query}: {}", got.body);
        }
        let invalid = world.get("/api/v1/query?query=%ff");
        assert_eq!(invalid.status, 400);
        assert!(invalid.body.contains("UTF-8"), "{}", invalid.body);
    }

    #[test]
    fn wrong_ranges_are_refused_as_prometheus_words_it() {
        let world = World::new();
        for (range, error) in [
            (
                "end=1&step=1",
                r#"invalid parameter \"start\": cannot parse \"\" to a valid timestamp"#,
            ),
            (
                "start=x&end=1&step=1",
                r#"invalid parameter \"start\": cannot parse \"x\" to a valid timestamp"#,
            ),
            (
                "start=2&end=1&step=1",
                r#"invalid parameter \"end\": end timestamp must not be before start time"#,
            ),
            (
                "start=0&end=1",
                r#"invalid parameter \"step\": cannot parse \"\" to a valid duration"#,
            ),
            (
                "start=0&end=1&step=NaN",
                r#"invalid parameter \"step\": cannot parse \"NaN\" to a valid duration"#,
            ),
            (
                "start=0&end=1&step=0",
                r#"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"#,
            ),
            (
                "start=0&end=1&step=0.0001",
                r#"invalid parameter \"step\": 0.0001 s is less than a millisecond"#,
            ),
            (
                "start=0&end=1&step=-1",
                r#"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"#,
            ),
            (
                "start=0&end=11001&step=1",
                r#"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)","limit":"query.max_points","max":11000,"got":11001"#,
            ),
            (
                "start=0&end=1&step=1&timeout=soon",
                r#"invalid parameter \"timeout\": cannot parse \"soon\" to a valid duration"#,
            ),
            (
                "start=0&end=1&step=1&limit=-1",
                r#"invalid parameter \"limit\": cannot parse \"-1\" to a number that is not negative"#,
            ),
            (
                "start=0&end=1&step=1&lookback_delta=-1",
                r#"invalid parameter \"lookback_delta\": it must not be negative"#,
            ),
        ] {
            let got = world.get(&format!("/api/v1/query_range?query=1&{range}"));
            assert_eq!(got.status, 400, "{range}: {}", got.body);
            assert!(got.body.contains(error), "{range}: {}", got.body);
        }
        let most = world.get("/api/v1/query_range?query=1&start=0&end=11000&step=1");
        assert_eq!(
            most.status, 200,
            "as many steps as the limit: {}",
            most.body
        );
        let cut = world.get("/api/v1/query_range?query=1&start=0&end=0.002&step=0.0015");
        assert!(
            cut.body.contains("[[0,\"1\"],[0.001,\"1\"],[0.002,\"1\"]]"),
            "{}",
            cut.body
        );
        let missing = world.get("/api/v1/query_range?start=0&end=1&step=1");
        assert_eq!(missing.status, 400);
        assert!(missing.body.contains("parse error"), "{}", missing.body);
    }

    #[test]
    fn budgets_of_the_evaluation_are_named_and_counted() {
        for (limit, set) in [
            (
                "query.max_series",
                (|o| o.series_max = 1) as fn(&mut bellwether_query::Options),
            ),
            ("query.max_samples", |o| o.samples_max = 1),
            ("query.memory", |o| o.memory_max = 1),
        ] {
            let world = World::filled_with(set);
            let got = world.get("/api/v1/query_range?query=up&start=0&end=100&step=1");
            assert_eq!(got.status, 422, "{limit}: {}", got.body);
            assert!(
                got.body.contains("\"errorType\":\"execution\""),
                "{}",
                got.body
            );
            assert!(
                got.body.contains(&format!("\"limit\":\"{limit}\"")),
                "{}",
                got.body
            );
            assert_eq!(world.api.counters.hits_by_limit()[limit], 1);
        }
    }

    #[test]
    fn expressions_without_a_value_are_execution_errors() {
        let world = World::filled();
        let got = world
            .get("/api/v1/query?query=label_replace(up,%22job%22,%22x%22,%22%22,%22%22)&time=60");
        assert_eq!(got.status, 422, "{}", got.body);
    }

    #[test]
    fn ranges_are_of_numbers_and_instant_vectors() {
        let world = World::filled();
        for (query, found) in [("up%5B1m%5D", "range vector"), ("%22x%22", "string")] {
            let got = world.get(&format!(
                "/api/v1/query_range?query={query}&start=0&end=1&step=1"
            ));
            assert_eq!(got.status, 400, "{}", got.body);
            let error = format!(
                r#"invalid parameter \"query\": invalid expression type \"{found}\" for range query"#
            );
            assert!(got.body.contains(&error), "{}", got.body);
        }
    }

    #[test]
    fn companions() {
        let world = World::new();
        check(
            &world,
            "/api/v1/query_exemplars?query=up&start=0&end=1",
            expect![[r#"{"status":"success","data":[]}"#]],
        );
        check(
            &world,
            "/api/v1/format_query?query=sum(up)by(job)",
            expect![[r#"{"status":"success","data":"sum by (job) (up)"}"#]],
        );
    }
}
