//! A Prometheus: started, written to, asked.
//!
//! HTTP 1.0 by hand: one request a connection, the answer ends where the connection does.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::compare::{Rows, Said, When};
use crate::data::{Data, LabelMap};

/// A Prometheus of our own; it ends with this value.
pub(crate) struct Server {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// Starts the one on the `PATH` and waits until it answers; none without one.
    pub(crate) fn start() -> Result<Option<Server>, String> {
        let failed = |e: std::io::Error| format!("cannot start prometheus: {e}");
        let folder = TempDir::new().map_err(failed)?;
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "scrape_configs: []\n").map_err(failed)?;
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .map_err(failed)?
            .port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .args(["--web.enable-remote-write-receiver", "--log.level=error"])
            .args([
                "--storage.tsdb.retention.time=100y",
                "--query.lookback-delta=5m",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let server = Server {
            child,
            address,
            _folder: folder,
        };
        for _ in 0..300 {
            if request(&server.address, "GET", "/-/ready", "", &[]).is_ok_and(|(ok, _)| ok) {
                return Ok(Some(server));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("prometheus does not answer".into())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do about one that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where to ask.
pub(crate) struct Prometheus {
    address: String,
}

impl Prometheus {
    /// Of an address such as `http://127.0.0.1:9090`.
    pub(crate) fn new(url: &str) -> Result<Prometheus, String> {
        let address = url
            .strip_prefix("http://")
            .ok_or("an address begins with http://")?;
        Ok(Prometheus {
            address: address.trim_end_matches('/').to_string(),
        })
    }

    /// Stores the samples by remote write.
    pub(crate) fn write(&self, data: &Data) -> Result<(), String> {
        let body = uncompressed_snappy(&write_request(data));
        let (ok, answer) = request(&self.address, "POST", "/api/v1/write", WRITE_HEADERS, &body)?;
        if ok {
            Ok(())
        } else {
            Err(format!("remote write: {answer}"))
        }
    }

    /// Evaluates an expression.
    pub(crate) fn ask(&self, query: &str, when: When) -> Result<Said, String> {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let mut form = format!("query={}", encoded(query));
        let path = if when.is_instant() {
            form += "&time=";
            form += &seconds(when.0.start);
            "/api/v1/query"
        } else {
            for (name, ms) in [
                ("start", when.0.start),
                ("end", when.0.end),
                ("step", when.0.step),
            ] {
                form = format!("{form}&{name}={}", seconds(ms));
            }
            "/api/v1/query_range"
        };
        let (_, answer) = request(&self.address, "POST", path, FORM_HEADERS, form.as_bytes())?;
        let answer: Value = serde_json::from_str(&answer).map_err(|e| format!("{e}: {answer}"))?;
        if let Some(message) = answer["error"].as_str() {
            return Ok(Said::Error(message.into()));
        }
        said(&answer["data"]).ok_or_else(|| format!("cannot read {answer}"))
    }
}

const FORM_HEADERS: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const WRITE_HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

/// The value of an answer's `data`.
fn said(data: &Value) -> Option<Said> {
    let result = &data["result"];
    match data["resultType"].as_str()? {
        "string" => return Some(Said::String(result[1].as_str()?.into())),
        "scalar" => {
            return Some(Said::Rows(Rows::from([(
                LabelMap::new(),
                vec![point(result)?],
            )])));
        }
        _ => {}
    }
    let mut rows = Rows::new();
    for series in result.as_array()? {
        let label = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.into()));
        let labels = series["metric"].as_object()?.iter().map(label);
        let points = match series["values"].as_array() {
            Some(points) => points.iter().map(point).collect::<Option<Vec<_>>>()?,
            None => vec![point(&series["value"])?],
        };
        rows.insert(labels.collect::<Option<LabelMap>>()?, points);
    }
    Some(Said::Rows(rows))
}

/// `[1700000000.123, "1.5"]`
fn point(point: &Value) -> Option<(i64, f64)> {
    let ms = (point[0].as_f64()? * 1000.0).round() as i64;
    Some((ms, point[1].as_str()?.parse().ok()?))
}

/// Whether the answer is a success, and its body.
fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Result<(bool, String), String> {
    let failed = |e: std::io::Error| format!("{address}: {e}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(failed)?;
    stream.write_all(body).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("an answer without a body")?;
    let ok = head
        .split(' ')
        .nth(1)
        .is_some_and(|status| status.starts_with('2'));
    Ok((ok, body.to_string()))
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `prometheus.WriteRequest`: time series of labels and samples, in protobuf.
fn write_request(data: &Data) -> Vec<u8> {
    let mut request = Vec::new();
    for series in &data.series {
        let mut message = Vec::new();
        for (name, value) in &series.labels {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut message, 1, &label);
        }
        for (t, v) in &series.points {
            let mut sample = vec![1 << 3 | 1];
            sample.extend(v.to_bits().to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, *t as u64);
            field(&mut message, 2, &sample);
        }
        field(&mut request, 1, &message);
    }
    request
}

/// A field of bytes.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A block of snappy that holds nothing but literals.
fn uncompressed_snappy(bytes: &[u8]) -> Vec<u8> {
    const LITERAL_OF_TWO_BYTES_LENGTH: u8 = 61 << 2;
    let mut out = Vec::new();
    varint(&mut out, bytes.len() as u64);
    for chunk in bytes.chunks(1 << 16) {
        out.push(LITERAL_OF_TWO_BYTES_LENGTH);
        out.extend_from_slice(&((chunk.len() - 1) as u16).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    out
}
