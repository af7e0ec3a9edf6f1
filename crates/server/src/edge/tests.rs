//! Bad input over a real socket: each case gets its status, a body that names the place or the limit, and
//! leaves a server behind that answers the next request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bellwether_model::limits::{INGEST_BODY_MAX, INGEST_DECODED_MAX};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::{Method, StatusCode};
use tokio::sync::watch;

use super::answer::{Answer, Refusal, Shape};
use super::body::{Encoding, SizeLimit, encoding, gunzip};
use super::hosts::Hosts;
use super::listen::listen;
use super::route::{Call, Route, Routes, Scope, Takes};
use super::service::Edge;
use crate::clock::Clock;
use crate::config::HttpLimits;

/// A server with three routes, on a thread of its own; stops when dropped.
struct TestServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Body limits of the test server: small, so that tests can be.
const BODY_MAX: usize = 64 * 1024;
const DECODED_MAX: usize = 2 << 20;

async fn echo_length(limits: Arc<HttpLimits>, call: Call) -> Result<Answer, Refusal> {
    let unknown = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let encoding = encoding(&call.headers, unknown)?;
    let max = SizeLimit {
        bytes: BODY_MAX,
        limit: &INGEST_BODY_MAX,
    };
    let mut body = Vec::new();
    call.body.read(max, &limits, &mut body).await?;
    if encoding == Encoding::Gzip {
        let mut plain = Vec::new();
        let max = SizeLimit {
            bytes: DECODED_MAX,
            limit: &INGEST_DECODED_MAX,
        };
        gunzip(&body, max, &mut plain)?;
        body = plain;
    }
    Ok(Answer::text(format!("{} bytes", body.len())))
}

impl TestServer {
    fn start() -> TestServer {
        TestServer::with(HttpLimits {
            header_timeout: Duration::from_millis(300),
            body_timeout: Duration::from_millis(600),
            keepalive_idle: Duration::from_millis(600),
            shutdown_grace: Duration::from_secs(2),
            ..HttpLimits::default()
        })
    }

    fn with(limits: HttpLimits) -> TestServer {
        let (stop, stopped) = watch::channel(false);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let plain = (Shape::Prometheus, Takes::Nothing);
        let shared = Arc::new(limits.clone());
        let routes = Routes::new(vec![
            Route::new(&[Method::GET], "/ok", Scope::Read, plain, |_| async {
                Ok(Answer::text("fine"))
            }),
            Route::new(&[Method::GET], "/long", Scope::Read, plain, |_| async {
                Ok(Answer::text("long ".repeat(4_000_000)))
            }),
            Route::new(
                &[Method::POST],
                "/in",
                Scope::Ingest,
                (Shape::InfluxV2, Takes::Samples),
                move |call| echo_length(Arc::clone(&shared), call),
            ),
        ]);
        let edge = Arc::new(Edge::new(
            Hosts::new(address, &[]),
            limits,
            Clock::system(),
            Arc::default(),
        ));
        edge.open(routes);
        let thread = std::thread::spawn(move || block_on_listen(listener, edge, stopped));
        TestServer {
            address,
            stop,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// Sends `input` on a new connection; returns everything until the server closes it.
    fn exchange(&self, input: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may answer and close before it has taken everything.
        let _ = stream.write_all(input);
        read_all(&mut stream)
    }

    /// Sends `input`, checks the status and that the body names `place`, then that the server lives.
    fn check(&self, input: &[u8], status: u16, place: &str) -> String {
        let got = self.exchange(input);
        let shown = String::from_utf8_lossy(&input[..input.len().min(80)]).into_owned();
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown:?} got {got:?}"
        );
        let body = got.split_once("\r\n\r\n").expect("a whole head").1;
        assert!(
            body.contains(place),
            "{shown:?}: {place:?} is not in {body:?}"
        );
        serde_json::from_str::<serde_json::Value>(body).expect("every refusal is JSON");
        self.check_alive();
        got
    }

    fn check_alive(&self) {
        let got =
            self.exchange(b"GET /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(
            got.starts_with("HTTP/1.1 200 ") && got.ends_with("fine"),
            "{got:?}"
        );
    }
}

fn block_on_listen(
    listener: std::net::TcpListener,
    edge: Arc<Edge>,
    stopped: watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        listen(listener, edge, stopped).await;
    });
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    // A reset after the answer is as good as an end; without an answer the caller sees nothing.
    let _ = stream.read_to_end(&mut got);
    String::from_utf8_lossy(&got).into_owned()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST /in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
            .into_bytes();
    request.extend_from_slice(body);
    request
}

fn post_gzip(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    post(
        &format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\n"),
        body,
    )
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn row_1_not_http() {
    let server = TestServer::start();
    for input in [
        &b"garbage\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://localhost/ok HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let got = server.check(input, 400, "\"errorType\":\"bad_data\"");
        assert!(got.contains("connection: close"), "{got}");
    }
}

#[test]
fn row_2_hosts() {
    let server = TestServer::start();
    server.check(b"GET /ok HTTP/1.1\r\n\r\n", 400, "Host");
    server.check(
        b"GET /ok HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        400,
        "more than one Host",
    );
    server.check(
        b"GET /ok HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        421,
        "evil.example",
    );
}

#[test]
fn rows_3_and_4_large_heads() {
    let server = TestServer::start();
    let many = "x: y\r\n".repeat(64);
    server.check(
        format!("GET /ok HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes(),
        431,
        "\"limit\":\"http.headers\",\"max\":64",
    );
    let long = "x".repeat(17 * 1024);
    server.check(
        format!("GET /ok HTTP/1.1\r\nHost: localhost\r\nx: {long}\r\n\r\n").as_bytes(),
        431,
        "\"limit\":\"http.header_bytes\",\"max\":16384",
    );
    for length in [8 * 1024, 17 * 1024, 100 * 1024] {
        let target = "x".repeat(length);
        server.check(
            format!("GET /{target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
            414,
            "\"limit\":\"http.uri_bytes\",\"max\":8192",
        );
    }
}

#[test]
fn row_5_unknown_paths() {
    let server = TestServer::start();
    for path in [
        "/nothing",
        "//ok",
        "/./ok",
        "/%2e%2e%2fok",
        "/ok%00",
        "/ok/",
        "/%6fk",
        "/OK",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        server.check(request.as_bytes(), 404, "\"errorType\":\"not_found\"");
    }
}

#[test]
fn row_6_methods() {
    let server = TestServer::start();
    for (method, path, allow) in [
        ("POST", "/ok", "GET, HEAD, OPTIONS"),
        ("TRACE", "/ok", "GET, HEAD, OPTIONS"),
        ("GET", "/in", "POST, OPTIONS"),
        ("BREW", "/in", "POST, OPTIONS"),
    ] {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let got = server.check(request.as_bytes(), 405, method);
        assert!(got.contains(&format!("allow: {allow}\r\n")), "{got}");
    }
    let head =
        server.exchange(b"HEAD /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let options = server.exchange(
        b"OPTIONS /ok HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\nConnection: close\r\n\r\n",
    );
    assert!(options.starts_with("HTTP/1.1 204 "), "{options}");
    assert!(
        options.contains("access-control-allow-origin: http://localhost:3000\r\n"),
        "{options}"
    );
    assert!(
        options.contains("access-control-allow-methods: GET, POST, OPTIONS\r\n"),
        "{options}"
    );
}

#[test]
fn row_7_no_length() {
    let server = TestServer::start();
    server.check(&post("", b""), 411, "Content-Length");
}

#[test]
fn rows_8_and_9_large_bodies() {
    let server = TestServer::start();
    let limit = "\"limit\":\"ingest.max_body\"";
    let over = format!("Content-Length: {}\r\n", BODY_MAX + 1);
    // Nothing of the body is sent: the answer must not wait for it.
    let got = server.check(&post(&over, b""), 413, limit);
    assert!(got.contains("connection: close"));
    let got = server.check(
        &post(&format!("Expect: 100-continue\r\n{over}"), b""),
        413,
        limit,
    );
    assert!(!got.contains("100 Continue"), "{got}");
    let got = server.exchange(&post(
        "Expect: 100-continue\r\nContent-Length: 2\r\n",
        b"ab",
    ));
    assert!(
        got.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        "{got}"
    );
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let chunks = chunk.repeat(40);
    let got = server.check(
        &post("Transfer-Encoding: chunked\r\n", chunks.as_bytes()),
        413,
        limit,
    );
    assert!(got.contains("connection: close"));
    let fits = format!("{chunk}{chunk}0\r\n\r\n");
    let got = server.exchange(&post("Transfer-Encoding: chunked\r\n", fits.as_bytes()));
    assert!(got.ends_with("65536 bytes"), "{got}");
}

#[test]
fn row_10_lengths_that_disagree() {
    let server = TestServer::start();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
    ] {
        let got = server.check(&post(headers, b"hello"), 400, "Content-Length");
        assert!(got.contains("connection: close"), "{got}");
    }
}

#[test]
fn row_11_bad_chunks() {
    let server = TestServer::start();
    let extension = |len: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(len - 1));
    let trailers = format!("t: {}\r\n", "x".repeat(1000)).repeat(20);
    let too_long = "\"limit\":\"http.chunk_extension\",\"max\":1024";
    for (body, place) in [
        ("zz\r\nhello\r\n".to_owned(), "a chunk's size"),
        ("-5\r\nhello\r\n0\r\n\r\n".into(), "a chunk's size"),
        ("5\nhello\r\n0\r\n\r\n".into(), "CR and LF"),
        ("5\r\nhelloXX0\r\n\r\n".into(), "the body could not be read"),
        ("fffffffffffffffff\r\nhello".into(), "a chunk's size"),
        (extension(1025), too_long),
        (extension(2000), too_long),
        (extension(20 * 1024), too_long),
        (
            format!("5\r\nhello\r\n0\r\n{trailers}\r\n"),
            "\"limit\":\"http.header_bytes\",\"max\":16384",
        ),
    ] {
        let request = post("Transfer-Encoding: chunked\r\n", body.as_bytes());
        let got = server.check(&request, 400, place);
        assert!(got.contains("the body could not be read"), "{got}");
        assert!(got.contains("connection: close"), "{got}");
    }
    let fits = post("Transfer-Encoding: chunked\r\n", extension(1024).as_bytes());
    let got = server.exchange(&fits);
    assert!(got.ends_with("5 bytes"), "{got}");
}

#[test]
fn row_12_slow_requests() {
    let server = TestServer::start();
    let got = server.check(
        &post("Content-Length: 5\r\n", b"he"),
        408,
        "\"limit\":\"http.body_timeout\"",
    );
    assert!(got.contains("connection: close"));
    assert_eq!(
        server.exchange(b"GET /ok HTTP/1.1\r\nHos"),
        "",
        "a head that never ends"
    );
    assert_eq!(server.exchange(b""), "", "a connection that says nothing");
    server.check_alive();
    let mut idle = server.connect();
    idle.write_all(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let got = read_all(&mut idle);
    assert!(
        got.starts_with("HTTP/1.1 200 ") && got.ends_with("fine"),
        "closed when idle: {got}"
    );
}

#[test]
fn row_12_a_body_below_the_minimum_rate() {
    let server = TestServer::with(HttpLimits {
        body_rate_grace: Duration::from_millis(50),
        body_min_rate: 700,
        ..HttpLimits::default()
    });
    let got = server.check(
        &post("Content-Length: 5\r\n", b"he"),
        408,
        "\"limit\":\"http.body_min_rate\",\"max\":700",
    );
    assert!(got.contains("connection: close"));
}

#[test]
fn row_13_unknown_encodings() {
    let server = TestServer::start();
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let headers = format!("Content-Encoding: {encoding}\r\nContent-Length: 2\r\n");
        server.check(&post(&headers, b"ab"), 415, encoding);
    }
}

#[test]
fn rows_14_and_15_gzip() {
    let server = TestServer::start();
    let good = gzip(b"cpu f=1\n");
    let got = server.exchange(&post_gzip(&good));
    assert!(got.ends_with("8 bytes"), "{got}");
    server.check(&post_gzip(&good[..good.len() - 3]), 400, "truncated gzip");
    let mut wrong = good.clone();
    let at = wrong.len() - 8;
    wrong[at] ^= 1;
    server.check(&post_gzip(&wrong), 400, "corrupt gzip");
    let garbage = [&good[..], b"trailing garbage"].concat();
    server.check(&post_gzip(&garbage), 400, "corrupt gzip");
    let bomb = gzip(&vec![0; 30 << 20]);
    assert!(bomb.len() < BODY_MAX);
    server.check(&post_gzip(&bomb), 413, INGEST_DECODED_MAX.name);
    let ratio = gzip(&vec![0; (1 << 20) + 300_000]);
    server.check(&post_gzip(&ratio), 413, "ingest.max_ratio");
}

#[test]
fn row_29_pages_of_other_sites() {
    let server = TestServer::start();
    server.check(
        &post("Origin: http://evil.example\r\nContent-Length: 1\r\n", b"x"),
        403,
        "another site",
    );
    server.check(
        &post("Sec-Fetch-Site: cross-site\r\nContent-Length: 1\r\n", b"x"),
        403,
        "another site",
    );
}

#[test]
fn requests_follow_each_other_on_one_connection_until_a_bad_one() {
    let server = TestServer::start();
    let good = "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let sent = "POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
    let chunked = "POST /in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let got =
        server.exchange(format!("{good}{sent}{chunked}{good}garbage\r\n\r\n{good}").as_bytes());
    let statuses: Vec<&str> = got
        .matches("HTTP/1.1 ")
        .zip(got.split("HTTP/1.1 ").skip(1))
        .map(|(_, s)| &s[..3])
        .collect();
    assert_eq!(statuses, ["200", "200", "200", "200", "400"], "{got}");
    assert!(got.contains("3 bytes") && got.contains("2 bytes"), "{got}");
    server.check_alive();
}

#[test]
fn a_refusal_is_read_although_more_is_being_sent() {
    let server = TestServer::start();
    let mut request = post("Content-Length: 3000000\r\n", b"");
    request.extend(vec![b'x'; 3_000_000]);
    server.check(&request, 413, "ingest.max_body");
}

#[test]
fn connections_over_the_limit_are_told_so() {
    let server = TestServer::with(HttpLimits {
        connections_max: 2,
        ..HttpLimits::default()
    });
    let held = [server.connect(), server.connect()];
    // Both must have been accepted before the third one comes.
    for mut stream in &held {
        stream
            .write_all(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let got = server.exchange(b"");
    assert!(got.starts_with("HTTP/1.1 503 "), "{got}");
    assert!(
        got.contains("\"limit\":\"http.max_connections\"") && got.contains("retry-after: 1"),
        "{got}"
    );
    drop(held);
    // The places are free once the server has seen the ends.
    while !server
        .exchange(b"GET /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .starts_with("HTTP/1.1 200")
    {}
}

#[test]
fn an_answer_that_nobody_reads_ends_the_connection() {
    let server = TestServer::with(HttpLimits {
        write_timeout: Duration::from_millis(100),
        connections_max: 1,
        ..HttpLimits::default()
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    // The one place is free once the server has given up on the one who does not read.
    let request = b"GET /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    while !server.exchange(request).starts_with("HTTP/1.1 200") {}
    let got = read_all(&mut stream);
    assert!(
        got.len() < 20_000_000,
        "cut off, not sent to the end: {}",
        got.len()
    );
}

#[test]
fn long_answers_are_compressed_for_those_who_ask() {
    let server = TestServer::start();
    let got = server.exchange(
        b"GET /long HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br, gzip\r\nConnection: close\r\n\r\n",
    );
    assert!(
        got.contains("content-encoding: gzip") && got.len() < 1_000_000,
        "{}",
        got.len()
    );
    let got = server.exchange(
        b"GET /long HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip;q=0\r\nConnection: close\r\n\r\n",
    );
    assert!(
        !got.contains("content-encoding") && got.len() > 20_000_000,
        "{}",
        got.len()
    );
}

#[test]
fn row_31_before_it_is_ready_the_server_says_so() {
    let (stop, stopped) = watch::channel(false);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let hosts = Hosts::new(address, &[]);
    let edge = Edge::new(
        hosts,
        HttpLimits::default(),
        Clock::system(),
        Arc::default(),
    );
    let thread = std::thread::spawn(move || block_on_listen(listener, Arc::new(edge), stopped));
    let server = TestServer {
        address,
        stop,
        thread: Some(thread),
    };
    let get = |path: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        server.exchange(request.as_bytes())
    };
    for path in ["/write", "/api/v1/query", "/-/ready", "/nothing"] {
        let got = get(path);
        assert!(got.starts_with("HTTP/1.1 503 "), "{path}: {got}");
        assert!(
            got.contains("retry-after: 1") && got.contains("replayed"),
            "{path}: {got}"
        );
    }
    assert!(get("/-/healthy").starts_with("HTTP/1.1 200 "), "it lives");
}
