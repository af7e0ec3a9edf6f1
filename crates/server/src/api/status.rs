//! The server about itself: its version, whether it is well, its figures, and the order to load the rules again.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_model::DurationMs;
use bellwether_model::json::{push_json_pairs, push_json_string};
use bellwether_model::limits::RULES_FILE_MAX;
use bellwether_model::text::counted;
use bellwether_query::Options;
use bellwether_store::{Health, Store};
use hyper::StatusCode;

use super::asked::Asked;
use super::envelope::{push_text_field, success};
use super::rules::load_errors;
use super::state::Api;
use crate::edge::answer::{Answer, Exceeded, Refusal};
use crate::edge::route::Call;
use crate::live::own::FAMILIES;
use crate::live::publish::Loaded;

/// The Prometheus whose API this is: clients choose by it what they ask for.
const API_VERSION: &str = "2.55.0";
/// Our own version, in a field that clients only show.
const REVISION: &str = concat!("bellwether-", env!("CARGO_PKG_VERSION"));

/// `GET /api/v1/status/buildinfo`. Without `features`: that would mean Mimir, and rules that can be written.
pub(super) async fn build_info(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    let fields = [
        ("version", API_VERSION),
        ("revision", REVISION),
        ("branch", ""),
        ("buildUser", ""),
        ("buildDate", ""),
        ("goVersion", ""),
    ];
    Ok(Answer::json(success(
        |out| push_json_pairs(out, fields),
        &[],
        &[],
    )))
}

/// `GET /api/v1/status/runtimeinfo`: what of it a process without Go's runtime has. The configuration is the rules.
pub(super) async fn runtime_info(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let loaded = api.published.loaded();
    let data = |out: &mut String| {
        out.push_str("{\"startTime\":");
        push_json_string(out, &api.started.to_rfc3339());
        push_text_field(out, "serverTime", &call.now.to_rfc3339());
        let last = loaded.since.unwrap_or(api.started);
        push_text_field(out, "lastConfigTime", &last.to_rfc3339());
        let (is_good, corrupt) = (!loaded.broken, api.store.stats().quarantined);
        let _ = write!(
            out,
            ",\"reloadConfigSuccess\":{is_good},\"corruptionCount\":{corrupt}"
        );
        push_text_field(out, "storageRetention", &api.retention.to_string());
        out.push('}');
    };
    Ok(Answer::json(success(data, &[], &[])))
}

/// `GET /api/v1/status/config`: there is no configuration in YAML.
pub(super) async fn config(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(Answer::json(success(
        |out| push_json_pairs(out, [("yaml", "")]),
        &[],
        &[],
    )))
}

/// `GET /api/v1/status/flags`: what Prometheus has flags for and applies here, under its names, with the values it has here.
pub(super) async fn flags(api: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    let Options {
        lookback,
        samples_max,
        ..
    } = api.options;
    let timeout = DurationMs(api.http.query_timeout.as_millis() as i64);
    let flags = [
        ("query.lookback-delta", lookback.to_string()),
        (
            "query.max-concurrency",
            api.http.query_concurrency.to_string(),
        ),
        ("query.max-samples", samples_max.to_string()),
        ("query.timeout", timeout.to_string()),
        ("storage.tsdb.retention.time", api.retention.to_string()),
        ("web.max-connections", api.http.connections_max.to_string()),
    ];
    let pairs = flags.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(Answer::json(success(
        |out| push_json_pairs(out, pairs),
        &[],
        &[],
    )))
}

/// `GET /api/v1/status/walreplay`: over before the first request is answered.
pub(super) async fn wal_replay(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    let data = |out: &mut String| out.push_str(r#"{"min":0,"max":0,"current":0}"#);
    Ok(Answer::json(success(data, &[], &[])))
}

/// `GET /api/v1/metadata`: what is known of metrics. Lines that clients write carry no types, and a guess from a
/// name is worse than none: these are the server's own metrics.
pub(super) async fn metadata(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let limit = asked.limit()?;
    asked.most("limit_per_metric")?; // There is one entry a metric, and 0 stands for all.
    let metric = asked.given("metric");
    let mut known: Vec<_> = FAMILIES
        .iter()
        .filter(|(name, ..)| metric.is_none_or(|metric| metric == *name))
        .collect();
    known.sort_by_key(|(name, ..)| name);
    known.truncate(limit);
    let data = |out: &mut String| {
        out.push('{');
        for (i, (name, kind, help)) in known.into_iter().enumerate() {
            out.push_str(if i > 0 { ",\"" } else { "\"" });
            out.push_str(name);
            out.push_str("\":[{\"type\":");
            push_json_string(out, kind.word());
            push_text_field(out, "help", help);
            push_text_field(out, "unit", "");
            out.push_str("}]");
        }
        out.push('}');
    };
    Ok(Answer::json(success(data, &[], &[])))
}

/// `GET /-/healthy`: the process answers, and rules are evaluated. Otherwise only a restart helps.
pub(super) async fn healthy(api: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(if api.published.has_ended() {
        rules_ended()
    } else {
        Answer::text("bellwether is healthy\n")
    })
}

fn rules_ended() -> Answer {
    Answer {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..Answer::text("bellwether evaluates no rules: their thread has ended; restart it\n")
    }
}

/// `GET /-/ready`: 503 while samples are not taken or rules not evaluated.
pub(super) async fn ready(api: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    if api.published.has_ended() {
        return Ok(rules_ended());
    }
    match not_well(&api.store) {
        None => Ok(Answer::text("bellwether is ready\n")),
        Some(why) => {
            let text = format!("bellwether is read-only: {why}; queries and rules go on\n");
            Ok(Answer {
                status: StatusCode::SERVICE_UNAVAILABLE,
                ..Answer::text(text)
            })
        }
    }
}

/// Why samples are not taken, if they are not.
pub(super) fn not_well(store: &Store) -> Option<String> {
    match (store.health(), store.log_failure()) {
        (Health::Ok, _) => None,
        (Health::ReadOnly { reason }, None) => Some(reason.to_string()),
        (Health::ReadOnly { reason }, Some(failure)) => Some(format!("{reason} ({failure})")),
    }
}

/// `POST /-/reload`: has the rules read again and says what runs, or every mistake and what goes on instead.
pub(super) async fn reload(api: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    let Some(loaded) = api.orders.reload().await else {
        return Err(Refusal::unavailable("the server is stopping", 1));
    };
    if loaded.broken {
        return Err(not_loaded(&loaded));
    }
    let rules = &loaded.rules;
    Ok(Answer::text(format!(
        "{}: {}, {}\n",
        counted(loaded.files, "file"),
        counted(rules.alerts.len(), "alert"),
        counted(rules.records.len(), "recording rule")
    )))
}

/// What is wrong with the folder, a line for each mistake with its place.
fn not_loaded(loaded: &Loaded) -> Refusal {
    let errors = load_errors(loaded);
    let instead = loaded.instead();
    let text = format!(
        "the rules are not loaded, {instead}:\n{}",
        errors.join("\n")
    );
    // The rule language words it; the limit's name at this place is how it is known.
    let too_large = format!("{} allows", RULES_FILE_MAX.name);
    if !errors.iter().any(|error| error.ends_with(&too_large)) {
        return Refusal::bad_request(text);
    }
    let mut refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text);
    refusal.limit = Some(Exceeded::from(&RULES_FILE_MAX));
    refusal
}

/// `GET /metrics`. The ledger and the disk are asked, so it is no work for the threads of connections.
pub(super) async fn metrics(api: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    let text = tokio::task::spawn_blocking(move || api.own.exposition()).await;
    let failed = |_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the figures could not be gathered",
        )
    };
    Ok(Answer::new(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        text.map_err(failed)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::World;
    use crate::live::rules::Order;

    #[test]
    fn limits_of_metadata_are_numbers() {
        let world = World::new();
        for (query, status) in [
            ("limit=1&limit_per_metric=1", 200),
            ("limit=&limit_per_metric=0", 200),
            ("limit_per_metric=few", 400),
            ("limit=few", 400),
        ] {
            let got = world.get(&format!("/api/v1/metadata?{query}"));
            assert_eq!(got.status, status, "{query}: {}", got.body);
        }
    }

    #[test]
    fn build_info_is_texts_only_and_no_features() {
        let got = World::new().body("/api/v1/status/buildinfo");
        let want = format!(
            r#"{{"status":"success","data":{{"version":"2.55.0","revision":"{REVISION}","branch":"","buildUser":"","buildDate":"","goVersion":""}}}}"#
        );
        assert_eq!(got, want);
    }

    #[test]
    fn small_answers() {
        let world = World::new();
        for (path, want) in [
            ("/-/healthy", "bellwether is healthy\n"),
            ("/-/ready", "bellwether is ready\n"),
            (
                "/api/v1/metadata?metric=http_requests_total",
                r#"{"status":"success","data":{}}"#,
            ),
            (
                "/api/v1/metadata?limit=1",
                r#"{"status":"success","data":{"bellwether_disk_free_bytes":[{"type":"gauge","help":"Free space where the data lies.","unit":""}]}}"#,
            ),
            (
                "/api/v1/metadata?metric=bellwether_query_seconds",
                r#"{"status":"success","data":{"bellwether_query_seconds":[{"type":"summary","help":"Queries over HTTP and the time they took.","unit":""}]}}"#,
            ),
            (
                "/api/v1/status/config",
                r#"{"status":"success","data":{"yaml":""}}"#,
            ),
            (
                "/api/v1/status/flags",
                r#"{"status":"success","data":{"query.lookback-delta":"5m","query.max-concurrency":"8","query.max-samples":"150000000","query.timeout":"30s","storage.tsdb.retention.time":"90d","web.max-connections":"4096"}}"#,
            ),
            (
                "/api/v1/status/walreplay",
                r#"{"status":"success","data":{"min":0,"max":0,"current":0}}"#,
            ),
            (
                "/api/v1/targets?state=active",
                r#"{"status":"success","data":{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}}"#,
            ),
            (
                "/prometheus/api/v1/targets/metadata?limit=1",
                r#"{"status":"success","data":[]}"#,
            ),
            (
                "/api/v1/scrape_pools",
                r#"{"status":"success","data":{"scrapePools":[]}}"#,
            ),
            (
                "/api/v1/alertmanagers",
                r#"{"status":"success","data":{"activeAlertmanagers":[],"droppedAlertmanagers":[]}}"#,
            ),
            (
                "/api/v1/status/runtimeinfo",
                r#"{"status":"success","data":{"startTime":"1970-01-01T00:02:00.000Z","serverTime":"1970-01-01T00:02:00.000Z","lastConfigTime":"1970-01-01T00:02:00.000Z","reloadConfigSuccess":true,"corruptionCount":0,"storageRetention":"90d"}}"#,
            ),
        ] {
            assert_eq!(world.body(path), want, "{path}");
        }
    }

    #[test]
    fn a_store_that_takes_nothing_is_not_ready() {
        let world = World::filled();
        let store = world.api.store.clone();
        store.close(bellwether_model::TimestampMs(120_000)).unwrap();
        let got = world.get("/-/ready");
        assert_eq!(
            (got.status, got.body.as_str()),
            (
                503,
                "bellwether is read-only: it was closed; queries and rules go on\n"
            )
        );
        assert_eq!(world.get("/-/healthy").status, 200);
        assert_eq!(world.get("/api/v1/query?query=up&time=60").status, 200);
    }

    #[test]
    fn a_dead_rules_thread_is_neither_ready_nor_healthy() {
        let world = World::new();
        world.api.published.set_ended();
        for path in ["/-/ready", "/-/healthy"] {
            let got = world.get(path);
            assert_eq!(got.status, 503, "{path}");
            assert!(got.body.contains("thread has ended"), "{}", got.body);
        }
    }

    #[test]
    fn reload_says_what_came_of_it() {
        let broken = |text: &str| Loaded {
            broken: true,
            text: text.into(),
            ..Loaded::default()
        };
        let world = World::new();
        for (loaded, want) in [
            (
                Loaded::default(),
                (200, "0 files: 0 alerts, 0 recording rules\n"),
            ),
            (
                broken("a record needs itself\n"),
                (
                    400,
                    r#"{"status":"error","errorType":"bad_data","error":"the rules are not loaded, no rule runs:\na record needs itself"}"#,
                ),
            ),
            (
                Loaded {
                    since: Some(bellwether_model::TimestampMs(0)),
                    ..broken("x.rules:1:1: larger than rules.file allows")
                },
                (
                    413,
                    r#"{"status":"error","errorType":"bad_data","error":"the rules are not loaded, the last rules that loaded, of 1970-01-01T00:00:00.000Z, go on:\nx.rules:1:1: larger than rules.file allows","limit":"rules.file","max":1048576}"#,
                ),
            ),
        ] {
            let orders = world.orders.clone();
            let answers = std::thread::spawn(move || match orders.recv() {
                Ok(Order::Reload { done }) => drop(done.send(Arc::new(loaded))),
                _ => panic!("not the order to reload"),
            });
            let got = world.post("/-/reload", "", "");
            assert_eq!((got.status, got.body.as_str()), want);
            answers.join().unwrap();
        }
    }

    #[test]
    fn metrics_are_an_exposition_with_what_the_queries_counted() {
        let world = World::filled();
        world.get("/api/v1/query?query=up&time=60");
        let got = world.get("/metrics");
        assert_eq!(got.content_type, "text/plain; version=0.0.4; charset=utf-8");
        assert!(
            got.body
                .contains("# TYPE bellwether_series gauge\nbellwether_series 4\n"),
            "{}",
            got.body
        );
        assert!(
            got.body.contains("bellwether_query_seconds_count 1\n"),
            "{}",
            got.body
        );
    }
}
