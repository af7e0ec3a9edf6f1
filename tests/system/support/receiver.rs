//! A receiver of webhooks on loopback: keeps every request, answers as told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    /// The `Idempotency-Key` header.
    pub(crate) key: String,
    /// The body.
    pub(crate) body: serde_json::Value,
}

impl Notice {
    /// `firing` or `resolved`.
    pub(crate) fn status(&self) -> &str {
        self.body["status"].as_str().unwrap_or("")
    }

    /// The name of the first alert.
    pub(crate) fn alert(&self) -> &str {
        self.body["alerts"][0]["labels"]["alertname"]
            .as_str()
            .unwrap_or("")
    }
}

/// A listening receiver; ends with the process.
pub(crate) struct Receiver {
    /// Where to send to.
    pub(crate) url: String,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Receiver {
    /// Answers 200 at once.
    pub(crate) fn start() -> Receiver {
        Receiver::with(|stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        })
    }

    /// Reads the request and never answers.
    pub(crate) fn hanging() -> Receiver {
        Receiver::with(|_| {
            std::thread::sleep(Duration::from_mins(10));
            Ok(())
        })
    }

    fn with(answer: fn(&mut TcpStream) -> std::io::Result<()>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!(
            "http://{}/hook",
            listener.local_addr().expect("it is bound")
        );
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let kept = Arc::clone(&notices);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let mut stream = stream;
                    if let Some(notice) = read(&stream) {
                        kept.lock().expect("no thread panics").push(notice);
                        let _ = answer(&mut stream);
                    }
                });
            }
        });
        Receiver { url, notices }
    }

    /// What has arrived so far.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.lock().expect("no thread panics").clone()
    }

    /// What has arrived so far about one alert.
    pub(crate) fn about(&self, alert: &str) -> Vec<Notice> {
        self.notices()
            .into_iter()
            .filter(|n| n.alert() == alert)
            .collect()
    }
}

fn read(stream: &TcpStream) -> Option<Notice> {
    let mut reader = BufReader::new(stream);
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("idempotency-key") {
            value.trim().clone_into(&mut key);
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Notice {
        key,
        body: serde_json::from_slice(&body).ok()?,
    })
}
