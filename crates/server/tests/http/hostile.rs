//! Queries that mean harm (`hostile.txt`): each ends with the right error, in time and in memory, and the rules of the same
//! server go on as if nothing had happened.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use bellwether_server::clock::Clock;

use crate::harness::Server;

/// Series that the queries are about, and the samples of each: one every 15 s, up to now.
const SERIES: i64 = 2_000;
const SAMPLES: i64 = 60;
/// Few series of many samples, one a second: all that a small question may read.
const DENSE_SERIES: i64 = 12;
const DENSE_SAMPLES: i64 = 4_990;

/// What the process may grow by: one query's memory, an answer, and twice that for what an allocator keeps.
const GROWTH_MAX: u64 = 1 << 30;

const RULE: &str = "defaults\n  every  1s\n\nrecord job:m:sum\n  expr  sum by (job) (m_v)\n";

/// One line of the file.
struct Hostile {
    status: u16,
    error: Option<String>,
    when: String,
    query: String,
}

impl Hostile {
    fn read(line: &str) -> Hostile {
        // The words are separated by blanks, a part of an error may contain one.
        let (status, rest) = line.split_once(' ').unwrap();
        let (error, rest) = rest.split_once("  ").unwrap();
        let (when, query) = rest.trim_start().split_once("  ").unwrap();
        Hostile {
            status: status.parse().unwrap(),
            error: (error != "-").then(|| error.to_owned()),
            when: when.to_owned(),
            query: expanded(query.trim()),
        }
    }

    fn path_and_form(&self, now: f64) -> (&'static str, String) {
        let query = percent(&self.query);
        if self.when == "now" {
            return ("/api/v1/query", format!("query={query}"));
        }
        let numbers: Vec<f64> = self.when.split(',').map(|n| n.parse().unwrap()).collect();
        let [start, end, step] = numbers[..] else {
            panic!("{}: not start, end and step", self.when);
        };
        // Those at the ends of the calendar are what they are.
        let time = |t: f64| if t.abs() < 1e9 { now + t } else { t };
        let (start, end) = (time(start), time(end));
        let form = format!("query={query}&start={start}&end={end}&step={step}");
        ("/api/v1/query_range", form)
    }
}

/// The text with what `<<text|n>>` stands for; `\|` is a bar of the text.
fn expanded(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<<") else {
        return text.to_owned();
    };
    let (inner, after) = rest.split_once(">>").unwrap();
    let (repeated, count) = inner.rsplit_once('|').unwrap();
    let repeated = repeated.replace("\\|", "|").repeat(count.parse().unwrap());
    format!("{before}{repeated}{}", expanded(after))
}

fn percent(text: &str) -> String {
    let encode = |mut out: String, byte: u8| {
        use std::fmt::Write as _;
        let _ = write!(out, "%{byte:02X}");
        out
    };
    text.bytes().fold(String::new(), encode)
}

/// A figure of the process from `/proc`, in bytes; `None` where there is no such file.
#[expect(clippy::disallowed_methods, reason = "the test looks at its process")]
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[expect(clippy::disallowed_methods, reason = "the test plays the operator")]
fn start(folder: &Path, query_timeout: Duration, query_concurrency: usize) -> Server {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("sum.rules"), RULE).unwrap();
    let server = Server::with(folder, |config| {
        config.clock = Clock::system();
        config.http.query_timeout = query_timeout;
        config.http.query_concurrency = query_concurrency;
        config.http.query_queue_wait = Duration::from_millis(500);
    });
    let now = Clock::system().now().0;
    for sample in 1..=SAMPLES {
        let t = now - (SAMPLES - sample) * 15_000;
        let line = |i| format!("m,i={i},job=j{} v={} {t}\n", i % 10, i * sample);
        let lines: String = (0..SERIES).map(line).collect();
        let got = server.post("/write?precision=ms", &lines);
        assert_eq!(got.status, 204, "{}", got.body);
    }
    for i in 0..DENSE_SERIES {
        let line = |sample| format!("n,i={i} v={sample} {}\n", now - sample * 1_000);
        let lines: String = (0..DENSE_SAMPLES).rev().map(line).collect();
        let got = server.post("/write?precision=ms", &lines);
        assert_eq!(got.status, 204, "{}", got.body);
    }
    server
}

/// A metric of the server itself.
fn metric(server: &Server, name: &str) -> f64 {
    let got = server.get("/metrics");
    let line = got.body.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {}", got.body))
}

#[test]
fn hostile_queries_end_with_the_right_error_and_rules_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Duration::from_secs(4), 8);
    let before = memory("VmRSS:");
    let lines = include_str!("hostile.txt").lines();
    let hostile: Vec<Hostile> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(Hostile::read)
        .collect();
    assert!(hostile.len() >= 30, "{}", hostile.len());
    let mut wrong = Vec::new();
    for one in &hostile {
        let now = Clock::system().now().as_seconds();
        let (path, form) = one.path_and_form(now);
        let got = server.post(path, &form);
        let error = one.error.as_deref().unwrap_or("");
        if got.status != one.status || !got.body.contains(error) {
            wrong.push(format!(
                "want {} {error}, got {} {:.300}\n  of {:.100}",
                one.status, got.status, got.body, one.query
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if let (Some(before), Some(peak)) = (before, memory("VmHWM:")) {
        assert!(peak < before + GROWTH_MAX, "from {before} to {peak} bytes");
    }
    rules_go_on(&server);
}

/// No tick was left out so far, none failed, and there are more of them.
fn rules_go_on(server: &Server) {
    let so_far = metric(server, "bellwether_rule_ticks_total ");
    let patience = Clock::system().now().0 + 60_000;
    while metric(server, "bellwether_rule_ticks_total ") < so_far + 2.0 {
        assert!(Clock::system().now().0 < patience, "no tick in a minute");
    }
    assert_eq!(
        metric(server, "bellwether_rule_ticks_skipped_total ").to_bits(),
        0
    );
    assert_eq!(metric(server, "bellwether_rules_failing ").to_bits(), 0);
}

/// The only place at work is taken by a query that would take minutes. Whoever asked it leaves: the next one gets the place.
#[test]
fn a_query_whose_client_left_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Duration::from_mins(10), 1);
    let term = "+double_exponential_smoothing(vector(time())[1d:1s], 0.5, 0.5)";
    let form = format!(
        "query={}&start=0&end=10999&step=1",
        percent(&format!("1{}", term.repeat(100)))
    );
    let mut stream = TcpStream::connect(server.address).unwrap();
    let request = format!(
        "POST /api/v1/query_range HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    // It is at work once another one has to wait: longer than `query.queue_wait`, so that this one is refused.
    let refused = loop {
        let got = server.get("/api/v1/query?query=1");
        if got.status != 200 {
            break got;
        }
    };
    let names_limit = refused.body.contains("query.queue_wait");
    assert!(refused.status == 503 && names_limit, "{}", refused.body);
    stream.set_nonblocking(true).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "it was answered already");
    drop(stream);
    assert_eq!(server.get("/api/v1/query?query=1").status, 200);
    rules_go_on(&server);
}
