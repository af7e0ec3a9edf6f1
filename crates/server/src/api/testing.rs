//! A server of this folder's routes over a small store, for its tests: real sockets, a clock that stands still.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bellwether_disk::{Disk, SimDisk};
use bellwether_engine::{
    AlertState, AlertStatus, GroupStatus, Health, RuleKind, RuleStatus, Status,
};
use bellwether_lang::rules::Level;
use bellwether_ledger::Ledger;
use bellwether_model::{DurationMs, Labels, TimestampMs, limits};
use bellwether_query::Options;
use bellwether_store::{Config, Store};
use crossbeam::channel::{Receiver, unbounded};
use tokio::sync::watch;

use super::{Api, routes};
use crate::clock::Clock;
use crate::config::HttpLimits;
use crate::edge::hosts::Hosts;
use crate::edge::listen::listen;
use crate::edge::route::Routes;
use crate::edge::service::Edge;
use crate::live::own::OwnFigures;
use crate::live::publish::Published;
use crate::live::rules::{Order, Orders};

/// What the tests' clock says.
const NOW: TimestampMs = TimestampMs(120_000);

/// Runs a future to its end.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// A running server; stops when dropped.
pub(super) struct World {
    pub(super) api: Arc<Api>,
    /// What was ordered of the rules.
    pub(super) orders: Receiver<Order>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// An answer.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
    head: String,
}

impl Got {
    /// The value of a header; empty without it.
    pub(super) fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(n, _)| *n == name)
            .map_or_else(String::new, |(_, v)| v.to_owned())
    }
}

impl World {
    /// An empty store.
    pub(super) fn new() -> World {
        World::with(|_| {})
    }

    pub(super) fn with(limit: impl FnOnce(&mut HttpLimits)) -> World {
        World::start(store(), limit, |_| {})
    }

    /// `up` of two jobs and `requests` every 30 s from 0 to 120 s, and `odd`, which is NaN, +Inf, -Inf and 1.5.
    pub(super) fn filled() -> World {
        World::filled_with(|_| {})
    }

    pub(super) fn filled_with(set: impl FnOnce(&mut Options)) -> World {
        let store = store();
        let mut appender = store.appender();
        let mut push = |pairs: &[(&str, &str)], values: &[f64]| {
            let labels = Labels::from_pairs(pairs.iter().copied());
            let series = appender.series(&labels).unwrap();
            for (i, value) in values.iter().enumerate() {
                appender.push(series, TimestampMs(30_000 * i as i64), *value);
            }
        };
        push(&[("__name__", "up"), ("job", "api")], &[1.0; 5]);
        push(&[("__name__", "up"), ("job", "db")], &[0.0; 5]);
        push(
            &[("__name__", "requests"), ("http.code", "200\"<b>")],
            &[7.0; 5],
        );
        push(
            &[("__name__", "odd")],
            &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5],
        );
        let commit = appender.commit(NOW).unwrap();
        assert_eq!((commit.accepted, commit.rejected.len()), (19, 0));
        World::start(store, |_| {}, set)
    }

    fn start(
        store: Store,
        limit: impl FnOnce(&mut HttpLimits),
        set: impl FnOnce(&mut Options),
    ) -> World {
        let ledger = Ledger::open(Arc::new(SimDisk::new()), Path::new("/ledger")).unwrap();
        let own = OwnFigures {
            store,
            ledger,
            published: Arc::new(Published::default()),
            counters: Arc::default(),
            data: ".".into(),
        };
        let mut http = HttpLimits::default();
        limit(&mut http);
        let (orders, ordered) = unbounded();
        let retention = DurationMs(limits::RETENTION_RAW.millis());
        let mut api = Api::new(own, Orders(orders), http.clone(), retention, NOW);
        set(&mut api.options);
        let api = Arc::new(api);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let hosts = Hosts::new(address, &[]);
        let counters = Arc::clone(&api.counters);
        let edge = Arc::new(Edge::new(hosts, http, Clock::manual(NOW), counters));
        edge.open(Routes::new(routes(&api)));
        let thread = std::thread::spawn(move || {
            block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                listen(listener, edge, stopped).await;
            });
        });
        World {
            api,
            orders: ordered,
            address,
            stop,
            thread: Some(thread),
        }
    }

    pub(super) fn get(&self, path: &str) -> Got {
        self.get_with(path, "")
    }

    /// With lines of the head, each with its end.
    pub(super) fn get_with(&self, path: &str, headers: &str) -> Got {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    /// The body of an answer that must be a success.
    pub(super) fn body(&self, path: &str) -> String {
        let got = self.get(path);
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.body
    }

    pub(super) fn post(&self, path: &str, content_type: &str, body: &str) -> Got {
        let content_type = if content_type.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {content_type}\r\n")
        };
        let length = body.len();
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{content_type}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// Asks, reads the beginning of the answer and leaves.
    pub(super) fn read_some_of(&self, path: &str) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
    }

    fn exchange(&self, request: &str) -> Got {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut got = Got {
            status,
            content_type: String::new(),
            body: body.to_owned(),
            head: head.to_owned(),
        };
        got.content_type = got.header("content-type");
        got
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn store() -> Store {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    Store::open(disk, Path::new("/store"), Config::default(), NOW)
        .unwrap()
        .0
}

/// What an engine with one alert and one recording rule might publish: hostile labels, an error, a NaN.
pub(super) fn status() -> Status {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let alert = |disk: &str, level: Level, value: f64| AlertStatus {
        labels: Labels::from_pairs([
            ("alertname", "DiskFull"),
            ("disk", disk),
            ("severity", level.word()),
        ]),
        annotations: Vec::new(),
        state: AlertState::Pending,
        level,
        active_at: TimestampMs(60_000),
        fired_at: None,
        level_since: None,
        clearing_since: None,
        missing_since: None,
        value,
        stale_since: None,
    };
    let firing = AlertStatus {
        annotations: vec![pair("summary", "disk <script>alert(1)</script>")],
        state: AlertState::Firing,
        active_at: TimestampMs(30_000),
        fired_at: Some(TimestampMs(60_000)),
        level_since: Some(TimestampMs(75_000)),
        clearing_since: Some(TimestampMs(90_000)),
        ..alert("<b>\"&'", Level::Critical, 1.5)
    };
    let disk_full = RuleStatus {
        name: "DiskFull".into(),
        key: "disk".into(),
        query: "disk_free < 5".into(),
        labels: vec![pair("team", "infra")],
        health: Health::Err,
        last_error: Some("too many \"series\"".into()),
        last_evaluation: Some(NOW),
        last_success: None,
        skipped: 0,
        withheld: 0,
        kind: RuleKind::Alerting {
            hold_for: DurationMs::from_mins(2),
            keep: DurationMs(500),
            annotations: vec![pair("summary", "disk {{ $labels.disk }}")],
            state: AlertState::Firing,
            alerts: vec![firing, alert("sdb", Level::Warning, f64::NAN)],
        },
    };
    let record = RuleStatus {
        name: "x:y".into(),
        key: "x:y".into(),
        query: "sum(x)".into(),
        labels: Vec::new(),
        health: Health::Unknown,
        last_error: None,
        last_evaluation: None,
        last_success: None,
        skipped: 0,
        withheld: 0,
        kind: RuleKind::Recording,
    };
    let group = GroupStatus {
        name: "host".into(),
        file: "rules/host.rules".into(),
        interval: DurationMs::from_secs(30),
        last_evaluation: Some(NOW),
        rules: vec![disk_full, record],
    };
    Status {
        groups: vec![group],
    }
}
