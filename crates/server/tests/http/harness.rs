//! A whole server on a thread of its own, and a client that sends bytes as they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use bellwether_model::TimestampMs;
use bellwether_server::clock::Clock;
use bellwether_server::{Ready, ServeConfig, ServeError, serve};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::oneshot;

/// The present of every test: 2026-01-02T03:04:05Z.
pub(crate) const NOW: TimestampMs = TimestampMs(1_767_323_045_000);

/// A running server; stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ready: Ready,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), ServeError>>>,
}

/// An answer: the status, the head's lines, the body.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Server {
        Server::with(folder, |_| {})
    }

    pub(crate) fn with(folder: &Path, change: impl FnOnce(&mut ServeConfig)) -> Server {
        let mut config = ServeConfig {
            data: folder.join("data"),
            rules: folder.join("rules"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            host_metrics: false,
            clock: Clock::manual(NOW),
            ..ServeConfig::default()
        };
        change(&mut config);
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let on_ready = move |ready| tell.send(ready).unwrap();
            runtime.block_on(serve(config, on_ready, async {
                let _ = stopped.await;
            }))
        });
        let ready: Ready = told.recv_timeout(Duration::from_mins(1)).unwrap();
        Server {
            address: ready.listen,
            ready,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    pub(crate) fn exchange(&self, request: &[u8]) -> Got {
        let got = self.bytes_for(request);
        let (head, body) = got.split_once("\r\n\r\n").expect("a whole answer");
        Got {
            status: head[9..12].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Everything that comes until the server closes the connection; nothing if it closes without a word.
    pub(crate) fn bytes_for(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // The server may answer and close before it has taken everything.
        let _ = stream.write_all(request);
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got);
        String::from_utf8(got).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Got {
        self.exchange(
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
    }

    pub(crate) fn post_with(&self, path: &str, headers: &str, body: &[u8]) -> Got {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.exchange(&request)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Got {
        self.post_with(path, "", body.as_bytes())
    }

    /// The answer to a query, as `{labels} value` lines.
    pub(crate) fn query(&self, expr: &str) -> String {
        let encoded = expr
            .bytes()
            .fold(String::new(), |text, b| format!("{text}%{b:02X}"));
        let got = self.get(&format!("/api/v1/query?query={encoded}"));
        assert_eq!(got.status, 200, "{}", got.body);
        let answer: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        let rows = answer["data"]["result"].as_array().unwrap().iter();
        let row =
            |r: &serde_json::Value| format!("{} {}", r["metric"], r["value"][1].as_str().unwrap());
        rows.map(row).collect::<Vec<_>>().join("\n")
    }

    /// A write that is refused whole or in part: its status, and its body's text.
    pub(crate) fn check_refused(&self, path: &str, body: &str, status: u16, want: &str) {
        let got = self.post(path, body);
        assert_eq!(got.status, status, "{body:.60}: {}", got.body);
        assert!(
            got.body.contains(want),
            "{body:.60}: {want:?} is not in {}",
            got.body
        );
        assert!(got.head.contains("x-influxdb-version: 1."), "{}", got.head);
        serde_json::from_str::<serde_json::Value>(&got.body).unwrap();
        assert_eq!(self.get("/-/healthy").status, 200);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}
