//! Queries over the samples of another server: the answers are those of its store, and whatever goes wrong is said.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use bellwether_disk::RealDisk;
use bellwether_lang::promql;
use bellwether_model::{DurationMs, Labels, STALE_NAN, TimestampMs};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options, QueryError, Source, Steps, When, evaluate};
use bellwether_server::client::envelope;
use bellwether_server::remote::{Patience, RemoteOptions, RemoteSource};
use bellwether_store::{Config, Store};
use bellwether_wire::remote_read::ReadResponse;

use crate::harness::{NOW, Server};

/// Counters, gauges with gaps, series that end with a marker, buckets: every 15 s for an hour up to now.
fn fill(store: &Store) {
    let mut appender = store.appender();
    let mut push = |metric: &str, pairs: &[(&str, &str)], value: &dyn Fn(i64) -> Option<f64>| {
        let name = [("__name__", metric)];
        let labels = Labels::from_pairs(name.iter().chain(pairs).copied());
        let series = appender.series(&labels).unwrap();
        for i in 0..240 {
            let t = TimestampMs(NOW.0 - 15_000 * (240 - i));
            if let Some(value) = value(i) {
                appender.push(series, t, value);
            }
        }
    };
    for (host, by) in [("a", 1.0), ("b", 2.5), ("ü\"\n", 1e-9)] {
        push("requests_total", &[("host", host)], &|i| {
            Some(i as f64 * by)
        });
    }
    push("load", &[("host", "a")], &|i| {
        (i % 7 != 3).then_some((i % 11) as f64 - 5.0)
    });
    push("load", &[("host", "b")], &|i| match i {
        ..=100 => Some(0.0),
        101 => Some(STALE_NAN),
        150..=160 => Some(f64::NEG_INFINITY),
        161 => Some(f64::NAN),
        _ => None,
    });
    for (le, share) in [("0.1", 0.5), ("1", 0.9), ("+Inf", 1.0)] {
        push("lat_bucket", &[("le", le)], &|i| {
            Some((i as f64 * share).floor())
        });
    }
    let commit = appender.commit(NOW).unwrap();
    assert!(commit.rejected.is_empty(), "{:?}", commit.rejected);
}

/// A store on the disk under `folder`, filled; what comes out of it; and then a server over it.
fn compared(folder: &Path, questions: &[(&str, When)]) -> (Vec<String>, Server) {
    let opened = Store::open(
        RealDisk::shared(),
        &folder.join("data"),
        Config::default(),
        NOW,
    );
    let (store, _) = opened.unwrap();
    fill(&store);
    let view = store.view();
    let source = ViewSource(&view);
    let answers = questions
        .iter()
        .map(|(expr, when)| ask(&source, expr, *when));
    let answers = answers.collect();
    drop(view);
    store.close(NOW).unwrap();
    (answers, Server::start(folder))
}

fn ask(source: &dyn Source, expr: &str, when: When) -> String {
    match try_ask(source, expr, when) {
        Ok(answer) => answer,
        Err(error) => error.to_string(),
    }
}

fn try_ask(source: &dyn Source, expr: &str, when: When) -> Result<String, QueryError> {
    let expr = promql::parse(expr).unwrap();
    let (options, control) = (Options::default(), Control::new());
    let answer = evaluate(&expr, source, when, &options, &control)?;
    envelope(answer, usize::MAX)
}

fn remote(address: SocketAddr, options: RemoteOptions) -> RemoteSource {
    let address = format!("http://{address}").parse().unwrap();
    RemoteSource::new(&address, options).unwrap()
}

fn patient() -> RemoteOptions {
    RemoteOptions::new(Patience::Each(Duration::from_mins(1)))
}

#[test]
fn answers_are_those_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let ago = |minutes| NOW.minus(DurationMs::from_mins(minutes));
    let over = When::Over(Steps {
        start: ago(70),
        end: NOW,
        step: DurationMs(40_000),
    });
    let at = format!("load @ {}", ago(30).as_seconds());
    let mut questions = Vec::new();
    for expr in [
        "load",
        "load > 0",
        "nothing",
        "nothing or load",
        "{host=~\"a|b\", __name__!~\"lat.*\"}",
        "rate(requests_total[5m])",
        "sum by (host) (rate(requests_total[2m] offset 10m))",
        "requests_total offset -5m",
        "load @ end() - load offset 1m",
        &at,
        "max_over_time(avg_over_time(load[3m])[20m:1m])",
        "max_over_time(load[20m:])",
        "count_over_time(load[1h])",
        "changes(load{host=\"b\"}[40m])",
        "absent(load{host=\"c\"})",
        "histogram_quantile(0.9, rate(lat_bucket[5m]))",
        "topk(1, load) or bottomk(1, requests_total)",
        "load + on (host) group_right requests_total",
        "avg_over_time(load[10m]) / stddev_over_time(load[10m])",
        "label_replace(load, \"h\", \"$1\", \"host\", \"(.*)\")",
        "timestamp(load)",
        "load + on () requests_total",
        "1 + 1",
    ] {
        questions.extend([
            (expr, over),
            (expr, When::At(NOW)),
            (expr, When::At(ago(25))),
        ]);
    }
    questions.push(("load[10m]", When::At(ago(30))));
    let (want, server) = compared(folder.path(), &questions);
    let source = remote(server.address, patient());
    for ((expr, when), want) in questions.iter().zip(want) {
        assert_eq!(ask(&source, expr, *when), want, "{expr} {when:?}");
    }
    assert_eq!(source.failure(), None);
}

#[test]
fn limits_of_both_sides_are_said_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (_, server) = compared(folder.path(), &[]);
    let little = RemoteOptions {
        memory_max: 1000,
        ..patient()
    };
    let source = remote(server.address, little);
    let error = try_ask(&source, "count_over_time(load[1h])", When::At(NOW)).unwrap_err();
    assert_eq!(error.limit(), Some("remote.memory"), "{error}");
    let said = format!(
        "http://{}/api/v1/read: its answer is larger than the 1000 bytes",
        server.address
    );
    assert!(error.to_string().starts_with(&said), "{error}");
    assert_eq!(source.refusal(), Some(error.to_string().as_str()));
    // What was held for the refused answer has been given back.
    assert_eq!(
        source.failure(),
        None,
        "nothing of this is the server's failure"
    );
    let ok = try_ask(
        &source,
        "load{host=\"a\"}",
        When::At(NOW.minus(DurationMs(15_000))),
    );
    assert!(ok.unwrap().contains("\"host\":\"a\""));
    let options = Options {
        series_max: 1,
        ..Options::default()
    };
    let source = remote(server.address, patient());
    let expr = promql::parse("load").unwrap();
    let error = evaluate(
        &expr,
        &source,
        When::At(NOW.minus(DurationMs::from_mins(40))),
        &options,
        &Control::new(),
    );
    assert_eq!(error.unwrap_err().limit(), Some("query.max_series"));
    assert_eq!(
        source.failure(),
        None,
        "nothing of this is the server's failure"
    );
}

/// A server that answers its only request with `answer`, and stays silent when that is empty.
fn canned(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(&answer);
        if answer.is_empty() {
            let _ = stream.read(&mut request); // Until the other side gives up.
        }
    });
    address
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn what_is_no_answer_is_told_from_one() {
    let ok = "200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy";
    let block = |message: &[u8]| snap::raw::Encoder::new().compress_vec(message).unwrap();
    let mut whole = ReadResponse::new();
    whole.push_series(&Labels::from_pairs([("__name__", "x")]), &[NOW.0], &[1.0]);
    whole.end_query();
    let whole = whole.finish().unwrap();
    let long = [&b"no\n"[..], &vec![b'x'; 100_000]].concat();
    let cut = http(ok, &whole);
    let cut = cut[..cut.len() - 3].to_vec();
    for (answer, said) in [
        (
            http(ok, b""),
            "that is no answer to a remote read: the body is no snappy block: snappy: corrupt input (empty)",
        ),
        (
            http(ok, b"<html>hello</html>"),
            "that is no answer to a remote read: the body is no snappy block",
        ),
        (
            http(ok, &whole[..whole.len() - 1]),
            "that is no answer to a remote read: the body is no snappy block",
        ),
        (
            http(ok, &block(b"hello")),
            "that is no answer to a remote read: the decoded body is no ReadResponse",
        ),
        (
            http(ok, &block(b"")),
            "that is no answer to a remote read: 0 questions are answered, and one was asked",
        ),
        (
            http(ok, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
            "its answer is larger than the 268435456 bytes that may be held (remote.memory)",
        ),
        (
            http(
                "200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: gzip",
                b"x",
            ),
            "that is no answer to a remote read: content-encoding is gzip, not snappy",
        ),
        (
            http(
                "200 OK\r\nContent-Type: text/html; charset=utf-8",
                b"<html>",
            ),
            "that is no answer to a remote read: content-type is text/html; charset=utf-8, not application/x-protobuf",
        ),
        (
            http("400 Bad Request", b"exceeded sample limit (50000000)\n"),
            "it answered 400 Bad Request: exceeded sample limit (50000000)",
        ),
        (
            http("404 Not Found", b"{\"error\":\"there is no such path\"}"),
            "it answered 404 Not Found: there is no such path",
        ),
        (
            http("500 Internal Server Error", &long),
            "it answered 500 Internal Server Error: no",
        ),
        (
            http("503 Service Unavailable", b""),
            "it answered 503 Service Unavailable: without a reason",
        ),
        (
            http("302 Found\r\nLocation: /login", b""),
            "it answered 302 Found: go to /login",
        ),
        (
            http("204 No Content", b""),
            "it answered 204 No Content: without a reason",
        ),
        (cut, "no connection: "),
        (
            b"SSH-2.0-OpenSSH\r\n".to_vec(),
            "no connection: invalid HTTP version parsed",
        ),
    ] {
        let address = canned(answer);
        let source = remote(address, patient());
        let error = try_ask(&source, "x", When::At(NOW))
            .unwrap_err()
            .to_string();
        let said = format!("http://{address}/api/v1/read: {said}");
        assert!(error.starts_with(&said), "{said}\n{error}");
        assert!(error.len() < 300, "{error}");
    }
}

#[test]
fn a_server_that_stays_silent_is_not_waited_for() {
    for patience in [
        Patience::Each(Duration::from_millis(20)),
        Patience::Together(Duration::from_millis(20)),
    ] {
        let address = canned(Vec::new());
        let stopped = Control::new();
        let options = RemoteOptions {
            stopped_by_failure: stopped.clone(),
            ..RemoteOptions::new(patience)
        };
        let source = remote(address, options);
        let error = try_ask(&source, "x", When::At(NOW))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("http://{address}/api/v1/read: no answer within 20ms")
        );
        assert_eq!(source.failure(), Some(error.as_str()));
        assert!(stopped.check().is_err(), "who waits for more hears of it");
    }
}

#[test]
fn where_nobody_listens_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let source = remote(address, patient());
    let error = try_ask(&source, "x", When::At(NOW))
        .unwrap_err()
        .to_string();
    let said = format!("http://{address}/api/v1/read: no connection: Connection refused");
    assert!(error.starts_with(&said), "{error}");
}

/// How many requests the server has answered well.
fn answered(server: &Server) -> u64 {
    let metrics = server.get("/metrics").body;
    let ok = r#"bellwether_http_requests_total{code="200"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(ok));
    count.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn windows_that_slide_are_read_ahead_and_have_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut questions = Vec::new();
    for tick in 0..120 {
        let at = When::At(NOW.minus(DurationMs(30_000 * (120 - tick))));
        questions.push(("load", at));
        questions.push(("sum by (host) (rate(requests_total[2m] offset 10m))", at));
        questions.push(("avg_over_time(load[10m]) - max_over_time(load[1m])", at));
    }
    let (want, server) = compared(folder.path(), &questions);
    let asked = |memory_max, ahead_until| {
        let source = remote(
            server.address,
            RemoteOptions {
                memory_max,
                ahead_until,
                ..patient()
            },
        );
        let before = answered(&server);
        for ((expr, when), want) in questions.iter().zip(&want) {
            assert_eq!(ask(&source, expr, *when), *want, "{expr} {when:?}");
        }
        assert_eq!((source.failure(), source.refusal()), (None, None));
        answered(&server) - before
    };
    let memory = 256 << 20;
    assert!(asked(memory, None) >= 360);
    assert!(asked(memory, Some(NOW)) < 20);
    // Enough for what one of them wants.
    assert!(asked(3200, Some(NOW)) > 300);
}

#[test]
fn a_password_in_the_address_is_sent_and_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream
            .write_all(&http("401 Unauthorized", b"who are you?"))
            .unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let with_password = format!("http://me:s%3Ccret@{address}/prom")
        .parse()
        .unwrap();
    let source = RemoteSource::new(&with_password, patient()).unwrap();
    let refused = try_ask(&source, "x", When::At(NOW))
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        format!("http://{address}/prom/api/v1/read: it answered 401 Unauthorized: who are you?")
    );
    let request = server.join().unwrap();
    assert!(
        request.starts_with("POST /prom/api/v1/read HTTP/1.1\r\n"),
        "{request}"
    );
    // me:s<cret
    assert!(
        request.contains("authorization: Basic bWU6czxjcmV0\r\n"),
        "{request}"
    );
    let gone = try_ask(&source, "x", When::At(NOW))
        .unwrap_err()
        .to_string();
    assert!(
        gone.contains("no connection") && !gone.contains("cret"),
        "{gone}"
    );
}
