//! A receiver of webhooks on loopback: keeps every request, answers as it is told to at the time.

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
    /// How it was answered.
    pub(crate) answered: Manner,
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// 200 at once.
    Takes,
    /// 200 after a while.
    Dawdles,
    /// 503 at once.
    Refuses,
    /// Not at all.
    Hangs,
    /// It closes the connection unread: as good as not there, and nobody else gets its port.
    Away,
}

impl Manner {
    fn answer(self, stream: &mut TcpStream) -> std::io::Result<()> {
        let status = match self {
            Manner::Takes => "200 OK",
            Manner::Dawdles => {
                std::thread::sleep(Duration::from_millis(300));
                "200 OK"
            }
            Manner::Refuses => "503 Service Unavailable",
            Manner::Hangs => {
                std::thread::sleep(Duration::from_mins(10));
                return Ok(());
            }
            Manner::Away => return Ok(()),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    }
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
    manner: Arc<Mutex<Manner>>,
}

impl Receiver {
    /// A receiver on a free port.
    pub(crate) fn start(manner: Manner) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let receiver = Receiver {
            url: format!("http://{address}/hook"),
            notices: Arc::default(),
            manner: Arc::new(Mutex::new(manner)),
        };
        let (kept, manner) = (Arc::clone(&receiver.notices), Arc::clone(&receiver.manner));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, manner) = (Arc::clone(&kept), Arc::clone(&manner));
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let manner = *manner.lock().expect("no thread panics");
                    if manner == Manner::Away {
                        return;
                    }
                    if let Some(notice) = read(&stream, manner) {
                        kept.lock().expect("no thread panics").push(notice);
                        let _ = manner.answer(&mut stream);
                    }
                });
            }
        });
        receiver
    }

    /// From now on it answers like this.
    pub(crate) fn turns(&self, manner: Manner) {
        *self.manner.lock().expect("no thread panics") = manner;
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

fn read(stream: &TcpStream, answered: Manner) -> Option<Notice> {
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
        answered,
    })
}
