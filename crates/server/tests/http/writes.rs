//! Lines in over a socket, the exact answers Influx clients parse, and what is there afterwards, also after a
//! restart.

use bellwether_disk::{Disk, RealDisk};
use bellwether_server::{ServeConfig, ServeError, serve};

use crate::harness::{Server, gzip};

#[test]
fn what_is_written_is_read_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let got = server.post(
        "/write",
        "cpu,host=a user=1.5,system=2i\ncpu,host=b user=3 1767323044000000000\n",
    );
    assert_eq!((got.status, got.body.as_str()), (204, ""));
    for header in [
        "x-durability: synced",
        "x-influxdb-version: 1.8.10",
        "x-influxdb-build: OSS",
    ] {
        assert!(got.head.contains(header), "{}", got.head);
    }
    let got = server.post(
        "/api/v2/write?bucket=b&org=o&precision=s&extra_label=env=prod",
        "cpu,host=c user=4 1767323040\n",
    );
    assert_eq!((got.status, got.body.as_str()), (204, ""));
    assert!(got.head.contains("x-durability: synced"), "{}", got.head);
    let body = gzip(b"cpu,host=d user=5 1767323041000\n");
    let got = server.post_with(
        "/write?db=m&precision=ms",
        "Content-Encoding: gzip\r\n",
        &body,
    );
    assert_eq!((got.status, got.body.as_str()), (204, ""));
    let want = "\
        {\"__name__\":\"cpu_system\",\"host\":\"a\"} 2\n\
        {\"__name__\":\"cpu_user\",\"db\":\"b\",\"env\":\"prod\",\"host\":\"c\"} 4\n\
        {\"__name__\":\"cpu_user\",\"db\":\"m\",\"host\":\"d\"} 5\n\
        {\"__name__\":\"cpu_user\",\"host\":\"a\"} 1.5\n\
        {\"__name__\":\"cpu_user\",\"host\":\"b\"} 3";
    assert_eq!(
        server
            .query(r#"{__name__=~"cpu_.*"}"#)
            .lines()
            .collect::<std::collections::BTreeSet<_>>(),
        want.lines().collect()
    );
    server.stop();
    let server = Server::start(folder.path());
    assert_eq!(
        server.query("count({__name__=~\"cpu_.*\"})"),
        "{} 5",
        "{}",
        server.ready.store
    );
    assert_eq!(
        server.query("cpu_user{host=\"c\"}"),
        "{\"__name__\":\"cpu_user\",\"db\":\"b\",\"env\":\"prod\",\"host\":\"c\"} 4"
    );
}

#[test]
fn good_lines_of_a_bad_body_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = "m,t=1 f=1\n# comment\n\nm,t= f=2\nm,t=3 f=3\nm f=4x\n";
    let got = server.post("/write", body);
    assert_eq!(got.status, 400);
    assert_eq!(
        got.body,
        "{\"error\":\"partial write: unable to parse 'm,t= f=2': line 4, column 5: missing tag value; \
         unable to parse 'm f=4x': line 6, column 5: invalid number: 4x dropped=2\"}"
    );
    assert!(
        got.head
            .contains("x-influxdb-error: partial write: unable to parse"),
        "{}",
        got.head
    );
    assert_eq!(server.query("sum(m_f)"), "{} 4");
    let got = server.post("/api/v2/write", body);
    assert_eq!(got.status, 400);
    assert_eq!(
        got.body,
        "{\"code\":\"invalid\",\"message\":\"partial write error (2 written): unable to parse 'm,t= f=2': line 4, \
         column 5: missing tag value; unable to parse 'm f=4x': line 6, column 5: invalid number: 4x\",\"line\":4}"
    );
}

#[test]
fn rows_18_to_21_bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let long = |n: usize| "x".repeat(n);
    let tags = (0..64).fold(String::new(), |tags, i| tags + &format!(",t{i}=v"));
    for (line, want) in [
        ("m".to_owned(), "line 1, column 2: missing fields"),
        (
            "m f=1.2.3".into(),
            "line 1, column 5: invalid number: 1.2.3",
        ),
        ("m f=1 soon".into(), "line 1, column 7: bad timestamp: soon"),
        (
            format!("m f=\"{}\"", long(65 * 1024)),
            "ingest.max_line is 65536",
        ),
        ("m,=v f=1".into(), "line 1, column 3: missing tag key"),
        ("m,a=1,a=2 f=1".into(), "duplicate tags: a"),
        (format!("m{tags} f=1"), "labels.max is 64"),
        (
            format!("m,ok=1,a={} f=1", long(5 * 1024)),
            "line 1, column 10: a tag's value is 5120 bytes, the limit label.max_value is 4096",
        ),
        (format!("m,{}=1 f=1", long(300)), "label.max_name is 256"),
        (
            "m f=1 9223372036854775808".into(),
            "timestamp out of range: 9223372036854775808",
        ),
        ("m f=1 1767326700000000000".into(), "future_timestamp"),
        ("m f=1 1".into(), "points beyond retention policy"),
    ] {
        server.check_refused("/write", &line, 400, want);
        server.check_refused("/api/v2/write", &line, 400, want);
    }
    let got = server.post_with("/write", "", b"m,a=\xff f=1");
    assert_eq!(
        (got.status, got.body.contains("invalid UTF-8")),
        (400, true),
        "{}",
        got.body
    );
    // A reserved label is left out, and the line is good.
    assert_eq!(server.post("/write", "m,__tenant__=x f=1").status, 204);
    assert_eq!(server.query("m_f"), "{\"__name__\":\"m_f\"} 1");
    let got = server.post("/write", "m f=5 1767300000000000000");
    assert_eq!(
        (got.status, got.body.contains("too_old")),
        (400, true),
        "{}",
        got.body
    );
    assert!(got.body.contains("line 1"), "{}", got.body);
}

#[test]
fn series_beyond_the_limit_are_refused_and_known_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    // Room for the server's own series, too.
    let server = Server::with(folder.path(), |config| config.series_max = 500);
    assert_eq!(server.post("/write", "a f=1\nb f=2").status, 204);
    let fill = (0..500).map(|i| format!("fill,i={i} f=1"));
    let fill = fill.collect::<Vec<_>>().join("\n");
    assert_eq!(server.post("/write", &fill).status, 429);

    let long = "x".repeat(300);
    let body = format!("b f=2\nc,t={long} f=3\nb f=x\na f=4 1767323044000000000\n");
    for path in ["/write", "/api/v2/write"] {
        let got = server.post(path, &body);
        assert_eq!(got.status, 429, "{}", got.body);
        assert!(got.head.contains("retry-after: 60"), "{}", got.head);
        let limit = r#","limit":"series.max_active","max":500}"#;
        assert!(got.body.ends_with(limit), "{}", got.body);
        let shown = format!(
            "2 lines refused and 2 stored: 'c,t={}…': the store holds 500 series already (series.max_active) (line 2): ",
            &long[..252]
        );
        assert!(got.body.contains(&shown), "{shown} is not in {}", got.body);
        for drops in ["partial write", "unable to parse"] {
            assert!(!got.body.contains(drops), "clients drop what is {drops:?}");
        }
    }
    assert_eq!(server.query("count_over_time(a_f[1m])"), "{} 2");
    assert_eq!(server.query("b_f"), "{\"__name__\":\"b_f\"} 2");
    assert_eq!(server.post("/write", "b f=5").status, 204);
}

#[test]
fn requests_that_are_not_writes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(folder.path(), |config| config.http.inflight_max = 1000);
    server.check_refused("/write?precision=d", "m f=1", 400, "invalid precision");
    server.check_refused(
        "/api/v2/write?precision=m",
        "m f=1",
        400,
        "invalid precision",
    );
    server.check_refused("/write?db=%ff", "m f=1", 400, "invalid UTF-8");
    server.check_refused("/write?extra_label=x", "m f=1", 400, "extra_label");
    let json = "Content-Type: application/json\r\n";
    assert_eq!(server.post_with("/write", json, b"{}").status, 415);
    let brotli = "Content-Encoding: br\r\n";
    assert_eq!(
        server.post_with("/write", brotli, b"x").status,
        400,
        "old clients know no 415"
    );
    assert_eq!(server.post_with("/api/v2/write", brotli, b"x").status, 415);
    let got = server.get("/write");
    assert_eq!(
        (got.status, got.head.contains("allow: POST, OPTIONS")),
        (405, true),
        "{}",
        got.head
    );
    let got = server.post("/write", &"m f=1\n".repeat(200));
    assert_eq!(got.status, 503, "{}", got.body);
    assert!(
        got.body.contains("\"limit\":\"ingest.inflight_bytes\""),
        "{}",
        got.body
    );
    assert!(got.head.contains("retry-after: 1"), "{}", got.head);
    let got = server.post_with(
        "/write",
        "Content-Encoding: gzip\r\n",
        &gzip("m f=1\n".repeat(200).as_bytes()),
    );
    assert_eq!(
        got.status, 503,
        "what it decodes to counts too: {}",
        got.body
    );
    assert_eq!(
        server.post("/write", "m f=1").status,
        204,
        "the budget is free again"
    );
}

#[test]
fn too_many_samples_in_one_request_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let line = format!(
        "m {}\n",
        (0..20)
            .map(|i| format!("f{i}=1"))
            .collect::<Vec<_>>()
            .join(",")
    );
    let got = server.post("/write", &line.repeat(50_100));
    assert_eq!(got.status, 413, "{:.200}", got.body);
    assert!(
        got.body.contains("\"limit\":\"ingest.max_samples\""),
        "{}",
        got.body
    );
    assert_eq!(server.query("m_f1"), "");
}

#[test]
fn clients_find_what_they_probe_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let got = server.get("/ping");
    assert_eq!((got.status, got.body.as_str()), (204, ""));
    assert!(
        got.head.contains("x-influxdb-version: 1.8.10"),
        "{}",
        got.head
    );
    assert_eq!(
        server.get("/ping?verbose=true").body,
        "{\"version\":\"1.8.10\"}"
    );
    let health: serde_json::Value = serde_json::from_str(&server.get("/health").body).unwrap();
    assert_eq!(
        (&health["status"], &health["name"]),
        (&"pass".into(), &"influxdb".into())
    );
    let got = server.get("/query?q=SHOW+DATABASES");
    assert!(
        got.body.contains("\"values\":[[\"default\"]]"),
        "{}",
        got.body
    );
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let got = server.post_with("/query", form, b"q=CREATE+DATABASE+%22telegraf%22");
    assert_eq!(got.body, "{\"results\":[{\"statement_id\":0}]}");
    let got = server.get("/query?q=SELECT+1");
    assert_eq!(got.status, 400);
    assert!(
        got.body.contains("only SHOW DATABASES and CREATE DATABASE"),
        "{}",
        got.body
    );
}

#[test]
fn own_metrics_count_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.post("/write", "m f=1,g=2").status, 204);
    assert_eq!(server.post("/write", "m f=x").status, 400);
    assert_eq!(server.get("/nothing").status, 404);
    let page = server.get("/metrics").body;
    for line in [
        "bellwether_http_requests_total{code=\"204\"} 1",
        "bellwether_http_requests_total{code=\"400\"} 1",
        "bellwether_http_requests_total{code=\"404\"} 1",
        "bellwether_samples_rejected_total{reason=\"parse\"} 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
}

#[test]
fn a_taken_address_and_an_open_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let start = |listen: &str, data: &str| {
        let config = ServeConfig {
            data: folder.path().join(data),
            listen: listen.parse().unwrap(),
            ..ServeConfig::default()
        };
        let served = serve(config, |_| panic!("it started"), std::future::pending());
        runtime.block_on(served).unwrap_err()
    };
    let taken = start(&server.address.to_string(), "other");
    assert!(matches!(taken, ServeError::Bind { .. }), "{taken}");
    let there = RealDisk.exists(&folder.path().join("other"));
    assert!(!there.unwrap(), "nothing was touched");
    let open = start("0.0.0.0:0", "other");
    assert!(matches!(open, ServeError::NotLoopback { .. }), "{open}");
    assert!(open.to_string().contains("--insecure-no-auth"), "{open}");
    let locked = start("127.0.0.1:0", "data");
    assert!(matches!(locked, ServeError::Store { .. }), "{locked}");
}
