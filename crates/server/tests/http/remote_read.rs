//! Remote read of a whole server: requests as bytes, as Prometheus sends them, and the bytes of the answers.

use std::io::{Read as _, Write as _};

use crate::harness::Server;

const SNAPPY: &str = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
                      X-Prometheus-Remote-Read-Version: 0.1.0\r\nAccept-Encoding: snappy, gzip\r\n";

/// The message of `{__name__="cpu_user"}` from 1767323040 to 1767323042 (in ms), which accepts chunks and samples.
fn request() -> Vec<u8> {
    let matcher = b"\x12\x08__name__\x1a\x08cpu_user";
    let mut query = Vec::new();
    for (key, millis) in [(0x08, 1_767_323_040_000_u64), (0x10, 1_767_323_042_000)] {
        query.push(key);
        push_varint(&mut query, millis);
    }
    query.extend([0x1a, matcher.len() as u8]);
    query.extend(matcher);
    let mut message = vec![0x0a, query.len() as u8];
    message.extend(query);
    message.extend(b"\x12\x02\x01\x00");
    message
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A snappy block of literals only.
fn block(message: &[u8]) -> Vec<u8> {
    assert!(message.len() <= 256);
    let mut out = Vec::new();
    push_varint(&mut out, message.len() as u64);
    if !message.is_empty() {
        out.extend([60 << 2, (message.len() - 1) as u8]);
    }
    out.extend(message);
    out
}

/// Status, head, and the body as it came.
fn post(server: &Server, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /api/v1/read HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    let end = got.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(got[..end].to_vec()).unwrap();
    (head[9..12].parse().unwrap(), head, got[end + 4..].to_vec())
}

#[test]
fn samples_inside_the_range_come_as_a_snappy_block() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let lines = "cpu,host=a user=9 1767323039\ncpu,host=a user=1 1767323040\n\
                 cpu,host=a user=2 1767323042\ncpu,host=b user=9 1767323043\n";
    let got = server.post("/write?precision=s", lines);
    assert_eq!(got.status, 204, "{}", got.body);
    let (status, head, body) = post(&server, SNAPPY, &block(&request()));
    assert_eq!(status, 200, "{head}");
    for header in [
        "content-type: application/x-protobuf",
        "content-encoding: snappy",
    ] {
        assert!(head.contains(header), "{head}");
    }
    let mut series = Vec::new();
    series.extend(b"\x0a\x14\x0a\x08__name__\x12\x08cpu_user");
    series.extend(b"\x0a\x09\x0a\x04host\x12\x01a");
    for (value, millis) in [(1.0_f64, 1_767_323_040_000), (2.0, 1_767_323_042_000)] {
        series.extend([0x12, 16, 0x09]);
        series.extend(value.to_le_bytes());
        series.push(0x10);
        push_varint(&mut series, millis);
    }
    let mut want = vec![0x0a, series.len() as u8 + 2, 0x0a, series.len() as u8];
    want.extend(series);
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    assert_eq!(message, want);
}

#[test]
fn bad_requests_are_refused_and_name_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let many_queries = b"\x0a\x00".repeat(65);
    let many_matchers = [b"\x0a\x82\x01".to_vec(), b"\x1a\x00".repeat(65)].concat();
    let pattern = b"\x1a\x07\x08\x02\x12\x01a\x1a\x00";
    let many_patterns = [b"\x0a\xa9\x02".to_vec(), pattern.repeat(33)].concat();
    for (headers, body, status, text) in [
        ("", block(&request()), 415, "is not snappy"),
        (
            "Content-Encoding: gzip\r\n",
            block(&request()),
            415,
            "`gzip` is not snappy",
        ),
        (SNAPPY, Vec::new(), 400, "no snappy block"),
        (SNAPPY, b"\x05abc".to_vec(), 400, "no snappy block"),
        (
            SNAPPY,
            vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0],
            413,
            r#""limit":"read.request","max":1048576,"got":4294967295"#,
        ),
        (
            SNAPPY,
            vec![0; (1 << 20) + 1],
            413,
            r#""limit":"read.request""#,
        ),
        (SNAPPY, block(b"\x0a\x05"), 400, "no ReadRequest"),
        (SNAPPY, block(b"\x12\x01\x01"), 400, "SAMPLES"),
        (
            SNAPPY,
            block(b"\x0a\x0a\x1a\x08\x08\x02\x12\x01a\x1a\x01("),
            400,
            "query 1: error parsing regexp",
        ),
        (
            SNAPPY,
            block(&many_queries),
            400,
            r#""limit":"read.queries","max":64"#,
        ),
        (
            SNAPPY,
            block(&many_matchers),
            400,
            r#""limit":"read.matchers","max":64"#,
        ),
        (
            SNAPPY,
            snap::raw::Encoder::new()
                .compress_vec(&many_patterns)
                .unwrap(),
            400,
            r#""limit":"regex.per_query","max":32"#,
        ),
    ] {
        let (got, _, answer) = post(&server, headers, &body);
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(got, status, "{text}: {answer}");
        assert!(answer.contains(text), "{text:?} is not in {answer}");
        assert_eq!(server.get("/-/healthy").status, 200, "behind {text}");
    }
    assert_eq!(server.get("/api/v1/read").status, 405);
    let (status, _, body) = post(&server, SNAPPY, &block(b""));
    assert_eq!((status, body), (200, vec![0]), "no question, no answer");
}
