//! Bad requests to a whole server: each gets its status, a JSON body that names the place or the limit, and leaves
//! a server behind that answers the next connection. What a bad line of a good request gets: see `writes.rs`.

use std::path::Path;
use std::time::Duration;

use crate::harness::{Server, gzip};

/// A server with limits that a test reaches soon.
fn server(folder: &Path) -> Server {
    Server::with(folder, |config| {
        config.http.header_timeout = Duration::from_millis(300);
        config.http.body_timeout = Duration::from_millis(600);
        config.http.body_max = 64 * 1024;
        config.http.decoded_max = 2 << 20;
    })
}

/// Bytes, the status they get, and what the body names.
type Case = (Vec<u8>, u16, &'static str);

fn check(server: &Server, cases: Vec<Case>) {
    for (request, status, place) in cases {
        let shown = String::from_utf8_lossy(&request[..request.len().min(120)]).into_owned();
        let got = server.exchange(&request);
        assert_eq!(got.status, status, "{shown}: {}", got.body);
        assert!(
            got.body.contains(place),
            "{shown}: {place:?} is not in {}",
            got.body
        );
        serde_json::from_str::<serde_json::Value>(&got.body).expect("every refusal is JSON");
        assert_eq!(server.get("/-/healthy").status, 200, "behind {shown}");
    }
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").into()
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn chunked(body: &str) -> Vec<u8> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    post("/write", chunked, body.as_bytes())
}

#[test]
fn rows_1_to_4_heads() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let garbage = "does not begin with an HTTP request";
    let many = "x: y\r\n".repeat(64);
    let long = "x".repeat(17 * 1024);
    check(
        &server,
        vec![
            (b"garbage\r\n\r\n".into(), 400, "METHOD TARGET VERSION"),
            (
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".into(),
                400,
                garbage,
            ),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400, "HTTP/1.1"),
            (b"GET /-/healthy HTTP/1.1\r\n\r\n".into(), 400, "Host"),
            (
                get("/-/healthy", "Host: localhost\r\n"),
                400,
                "more than one Host",
            ),
            (
                b"GET /-/healthy HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
                421,
                "evil.example",
            ),
            (
                get("/-/healthy", &many),
                431,
                r#""limit":"http.headers","max":64"#,
            ),
            (
                get("/-/healthy", &format!("x: {long}\r\n")),
                431,
                r#""limit":"http.header_bytes","max":16384"#,
            ),
            (
                get(&format!("/{}", &long[..8192]), ""),
                414,
                r#""limit":"http.uri_bytes","max":8192,"got":8193"#,
            ),
        ],
    );
}

#[test]
fn rows_5_to_7_paths_and_methods() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for path in [
        "/nothing",
        "//api//v1/query?query=1",
        "/./api/v1/query?query=1",
        "/%2e%2e%2fapi/v1/query?query=1",
        "/api/v1/query%00?query=1",
        "/api/v1/query/?query=1",
        "/-/../api/v1/query?query=1",
    ] {
        check(
            &server,
            vec![(get(path, ""), 404, r#""errorType":"not_found""#)],
        );
    }
    for (method, path, allow) in [
        ("DELETE", "/api/v1/query", "GET, POST, HEAD, OPTIONS"),
        ("POST", "/api/v1/rules", "GET, HEAD, OPTIONS"),
        ("TRACE", "/", "GET, HEAD, OPTIONS"),
        ("GET", "/-/reload", "POST, PUT, OPTIONS"),
        ("GET", "/write", "POST, OPTIONS"),
    ] {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let got = server.exchange(request.as_bytes());
        assert_eq!(got.status, 405, "{method} {path}: {}", got.body);
        assert!(
            got.head.contains(&format!("allow: {allow}\r\n")),
            "{}",
            got.head
        );
        assert!(got.body.contains(method), "{}", got.body);
    }
    for path in ["/write", "/api/v2/write"] {
        check(&server, vec![(post(path, "", b""), 411, "Content-Length")]);
    }
    // Without a length a body is empty, and what is asked stands in the target.
    for target in ["/api/v1/query?query=1", "/prometheus/api/v1/query?query=1"] {
        check(&server, vec![(post(target, "", b""), 200, r#""success""#)]);
    }
}

#[test]
fn a_target_written_as_people_write_it_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for target in [
        r#"/api/v1/query?query=m_up{job="api"}"#,
        r"/api/v1/query?query=(1<bool(2))>bool(`a`^0|1)",
    ] {
        let got = server.exchange(&get(target, ""));
        assert!(!got.body.is_empty(), "{target}: {}", got.head);
        assert!(
            got.head.contains("application/json"),
            "{target}: {}",
            got.head
        );
    }
    let good = r#"/api/v1/query?query=sum(m_up{job="api"}<1)"#;
    check(&server, vec![(get(good, ""), 200, r#""result":[]"#)]);
}

#[test]
fn rows_8_to_10_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let limit = r#""limit":"ingest.max_body","max":65536"#;
    let over = "Content-Length: 65537\r\n";
    let chunks = format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(3);
    let mut cases = vec![
        // Nothing of the body is sent: the answer must not wait for it.
        (post("/write", over, b""), 413, limit),
        (
            post(
                "/api/v2/write",
                &format!("Expect: 100-continue\r\n{over}"),
                b"",
            ),
            413,
            limit,
        ),
        (chunked(&chunks), 413, limit),
        (
            post("/api/v1/query", over, b""),
            413,
            r#""limit":"http.max_form","max":65536,"got":65537"#,
        ),
    ];
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: +5\r\n",
    ] {
        cases.push((post("/write", headers, b"m f=1"), 400, "Content-Length"));
    }
    check(&server, cases);
    for (request, ..) in [(chunked(&chunks), 413), (chunked("zz\r\n"), 400)] {
        let got = server.exchange(&request);
        assert!(got.head.contains("connection: close"), "{}", got.head);
    }
}

#[test]
fn row_11_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let extended = |len: usize| {
        let extension = "x".repeat(len - 1);
        chunked(&format!("5;{extension}\r\nm f=1\r\n0\r\n\r\n"))
    };
    let trailer = format!("t: {}\r\n", "x".repeat(1000)).repeat(20);
    assert_eq!(server.exchange(&extended(1024)).status, 204);
    let limit = r#""limit":"http.chunk_extension","max":1024"#;
    check(
        &server,
        vec![
            (extended(1025), 400, limit),
            (extended(2000), 400, limit),
            (chunked("zz\r\nm f=1\r\n0\r\n\r\n"), 400, "a chunk's size"),
            (
                chunked("5\r\nm f=1XX0\r\n\r\n"),
                400,
                "the body could not be read",
            ),
            (
                chunked(&format!("5\r\nm f=1\r\n0\r\n{trailer}\r\n")),
                400,
                r#""limit":"http.header_bytes","max":16384"#,
            ),
        ],
    );
    assert_eq!(
        server.query("count_over_time(m_f[1m])"),
        "{} 1",
        "only the good one was stored"
    );
}

#[test]
fn row_12_slow_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let slow = post("/write", "Content-Length: 50\r\n", b"m f=1\n");
    let limit = r#""limit":"http.body_timeout","max":600"#;
    check(&server, vec![(slow, 408, limit)]);
    assert_eq!(server.bytes_for(b"GET /-/healthy HTTP/1.1\r\nHos"), "");
    assert_eq!(server.get("/-/healthy").status, 200);
}

#[test]
fn rows_13_to_15_types_and_encodings() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let form = |encoding: &str, body: &[u8]| {
        let length = body.len();
        let headers = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: {encoding}\r\nContent-Length: {length}\r\n"
        );
        post("/api/v1/query", &headers, body)
    };
    let got = server.exchange(&form("gzip", &gzip(b"query=1%2B1&time=4")));
    assert_eq!(
        got.body,
        r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
    );
    let good = gzip(b"query=1");
    let bomb = gzip(format!("query={}", "1".repeat(100_000)).as_bytes());
    let json = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    check(
        &server,
        vec![
            (form("br", b"query=1"), 415, "Content-Encoding `br`"),
            (
                form("gzip, gzip", &good),
                415,
                "Content-Encoding `gzip, gzip`",
            ),
            (form("gzip", &good[..good.len() - 3]), 400, "truncated gzip"),
            (form("gzip", b"query=1%2B1%2B1%2B1"), 400, "corrupt gzip"),
            (
                form("gzip", &bomb),
                413,
                r#""limit":"http.max_form","max":65536"#,
            ),
            (post("/api/v1/query", json, b"{}"), 415, "application/json"),
            (post("/query", json, b"{}"), 415, "application/json"),
            (post("/api/v2/write", json, b"{}"), 415, "application/json"),
        ],
    );
}

#[test]
fn rows_18_and_22_to_24_questions() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let ask = |params: &str| get(&format!("/api/v1/query?{params}"), "");
    let ask_form = |query: String| {
        let headers = format!("Content-Length: {}\r\n", query.len() + 6);
        post(
            "/api/v1/query",
            &headers,
            format!("query={query}").as_bytes(),
        )
    };
    let over = |range: &str| get(&format!("/api/v1/query_range?query=1&{range}"), "");
    let regexes = (0..33).map(|i| format!("a=~%22x.*{i}%22"));
    let regexes = regexes.collect::<Vec<_>>().join(",");
    let large = "x%7Ba=~%22(%5C%5Cpl%7B1000%7D)%7B1000%7D%22%7D".to_owned();
    check(
        &server,
        vec![
            (ask("query=%ff"), 400, "invalid UTF-8"),
            (
                ask("query=sum(up"),
                400,
                r#"invalid parameter \"query\": 1:7: parse error"#,
            ),
            (ask("query=up%0A%20%20and"), 400, "2:6: parse error"),
            (ask(""), 400, r#"invalid parameter \"query\""#),
            (
                ask_form("1".repeat(16 * 1024 + 1)),
                400,
                r#""limit":"query.max_len","max":16384"#,
            ),
            (
                ask_form("(".repeat(200) + "1" + &")".repeat(200)),
                400,
                r#""limit":"query.max_depth","max":128"#,
            ),
            (
                ask_form(format!(
                    "label_join(x,%22a%22,%22b%22{})",
                    ",%22c%22".repeat(2000)
                )),
                400,
                r#""limit":"query.max_nodes","max":2000"#,
            ),
            (
                ask_form(format!("x%7Ba=~%22{}%22%7D", "x.".repeat(4200))),
                400,
                r#""limit":"regex.max_len","max":8192"#,
            ),
            (ask_form(large), 400, r#""limit":"regex.size","max":262144"#),
            (
                ask_form(format!("x%7B{regexes}%7D")),
                400,
                r#""limit":"regex.per_query","max":32"#,
            ),
            (
                over("start=2&end=1&step=1"),
                400,
                r#"invalid parameter \"end\""#,
            ),
            (
                over("start=0&end=1&step=0"),
                400,
                r#"invalid parameter \"step\""#,
            ),
            (
                over("start=0&end=1&step=-1"),
                400,
                r#"invalid parameter \"step\""#,
            ),
            (
                over("start=0&end=1&step=NaN"),
                400,
                r#"invalid parameter \"step\""#,
            ),
            (
                over("start=0&end=11001&step=1"),
                400,
                r#""limit":"query.max_points","max":11000,"got":11001"#,
            ),
            (get("/api/v1/series", ""), 400, "match[]"),
            (
                get("/api/v1/labels?match[]=%7B", ""),
                400,
                r#"invalid parameter \"match[]\""#,
            ),
        ],
    );
}
