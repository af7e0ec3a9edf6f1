//! What a server is told: folders, address, limits. Read once, at the start.
//!
//! Not here: where the values come from (flags, environment, files: the binary's business).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bellwether_disk::{Disk, RealDisk};
use bellwether_model::limits::{self, Limit};
use bellwether_model::{DurationMs, TimestampMs};

use crate::live::rules::Orders;

/// Everything [`serve`](crate::serve) needs to know.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Folder of samples and engine state; made if it is missing.
    pub data: PathBuf,
    /// Folder of `*.rules` files; may be missing, and may appear later.
    pub rules: PathBuf,
    /// Where to listen. Port 0 takes a free one; [`ready`](crate::Ready) says which.
    pub listen: SocketAddr,
    /// Allows `listen` to be something else than a loopback address, although nothing asks for a token.
    pub insecure_no_auth: bool,
    /// Names that the `Host` header may carry besides `localhost` and the address listened on; without a port.
    pub allowed_hosts: Vec<String>,
    /// What a 2xx on the write paths promises.
    pub durability: Durability,
    /// How long samples are kept.
    pub retention: DurationMs,
    /// Most series; lines of more are refused, and known series go on.
    pub series_max: usize,
    /// Watches this machine: the `host_*` series.
    pub host_metrics: bool,
    /// The base of links in notices; the address listened on when there is none.
    pub external_url: Option<String>,
    /// Values that channels name as `secret(NAME)`, by name; case does not matter.
    pub secrets: Vec<(String, String)>,
    /// Timeouts and sizes of the HTTP side.
    pub http: HttpLimits,
    /// Where the time comes from.
    pub clock: crate::clock::Clock,
    /// What `data` lies on.
    pub disk: Arc<dyn Disk>,
}

/// What a 2xx on the write paths promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The samples survive the end of power: the log is synced before the answer.
    #[default]
    Sync,
    /// The samples survive the end of the process; the log is synced about once a second.
    Write,
}

impl Durability {
    /// As the answer's `X-Durability` header says it.
    pub fn header(self) -> &'static str {
        match self {
            Durability::Sync => "synced",
            Durability::Write => "written",
        }
    }
}

/// Timeouts and sizes of the HTTP side. The defaults are those of [`limits`]; tests shorten them.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Most connections at a time; one more is answered 503 and closed.
    pub connections_max: usize,
    /// From the first byte of a request (or the connection's start) to the end of its headers.
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body.
    pub body_timeout: Duration,
    /// The slowest a body may arrive once `body_rate_grace` has passed, in bytes per second.
    pub body_min_rate: u64,
    /// How long a body may take before its rate is looked at.
    pub body_rate_grace: Duration,
    /// The longest an answer may wait for the client to read some of it.
    pub write_timeout: Duration,
    /// The longest a connection stays open between two requests.
    pub keepalive_idle: Duration,
    /// How long open requests have to end after the shutdown signal.
    pub shutdown_grace: Duration,
    /// Largest body as it arrives, in bytes.
    pub body_max: usize,
    /// Largest body after decompression, in bytes.
    pub decoded_max: usize,
    /// Bodies of writes in memory at a time, decoded, in bytes.
    pub inflight_max: usize,
    /// Queries evaluated at a time.
    pub query_concurrency: usize,
    /// Queries waiting for their turn.
    pub query_queue: usize,
    /// The longest a query waits for its turn.
    pub query_queue_wait: Duration,
    /// The longest a query may run.
    pub query_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            connections_max: limits::HTTP_CONNECTIONS_MAX.usize(),
            header_timeout: duration(&limits::HTTP_HEADER_TIMEOUT),
            body_timeout: duration(&limits::HTTP_BODY_TIMEOUT),
            body_min_rate: limits::HTTP_BODY_MIN_RATE.value,
            body_rate_grace: duration(&limits::HTTP_BODY_RATE_GRACE),
            write_timeout: duration(&limits::HTTP_WRITE_TIMEOUT),
            keepalive_idle: duration(&limits::HTTP_KEEPALIVE_IDLE),
            shutdown_grace: Duration::from_secs(10),
            body_max: limits::INGEST_BODY_MAX.usize(),
            decoded_max: limits::INGEST_DECODED_MAX.usize(),
            inflight_max: limits::INGEST_INFLIGHT_MAX.usize(),
            query_concurrency: limits::QUERY_CONCURRENCY.usize(),
            query_queue: limits::QUERY_QUEUE_MAX.usize(),
            query_queue_wait: duration(&limits::QUERY_QUEUE_WAIT),
            query_timeout: duration(&limits::QUERY_TIMEOUT),
        }
    }
}

/// A limit in milliseconds as the clock's type.
fn duration(limit: &Limit) -> Duration {
    Duration::from_millis(limit.value)
}

impl Default for ServeConfig {
    fn default() -> ServeConfig {
        ServeConfig {
            data: PathBuf::from("./bellwether-data"),
            rules: PathBuf::from("./rules"),
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            insecure_no_auth: false,
            allowed_hosts: Vec::new(),
            durability: Durability::Sync,
            retention: DurationMs(limits::RETENTION_RAW.millis()),
            series_max: limits::SERIES_ACTIVE_MAX.usize(),
            host_metrics: true,
            external_url: None,
            secrets: Vec::new(),
            http: HttpLimits::default(),
            clock: crate::clock::Clock::system(),
            disk: RealDisk::shared(),
        }
    }
}

impl ServeConfig {
    /// Refuses an address that others could reach, unless told that this is meant.
    pub(crate) fn check_listen(&self) -> Result<(), crate::ServeError> {
        if is_loopback(self.listen.ip()) || self.insecure_no_auth {
            return Ok(());
        }
        Err(crate::ServeError::NotLoopback {
            listen: self.listen,
        })
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// What runs once [`serve`](crate::serve) has started: handed to its `on_ready`.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The address listened on, with the port that was taken.
    pub listen: SocketAddr,
    /// When the server was ready.
    pub at: TimestampMs,
    /// Rules loaded, and what was wrong with the folder, worded for the terminal. Empty when nothing was.
    pub rules: RulesLoaded,
    /// Series and samples found, worded for the terminal: what recovery did.
    pub store: String,
    /// Has the rules read again.
    pub reload: Reload,
}

/// Has a running server read its rule folder again, as after a SIGHUP.
#[derive(Clone, Debug)]
pub struct Reload(pub(crate) Orders);

impl Reload {
    /// Reads the folder now, even if it looks the same, and waits until the new rules run or the old ones go on.
    /// The log says which. False once the server is stopping.
    pub async fn reload(&self) -> bool {
        self.0.reload().await.is_some()
    }
}

/// What the first look at the rules folder gave.
#[derive(Clone, Debug, Default)]
pub struct RulesLoaded {
    /// Rule files read.
    pub files: usize,
    /// Alerting rules that run.
    pub alerts: usize,
    /// Recording rules that run.
    pub records: usize,
    /// Messages with carets, as `bellwether check` prints them.
    pub diagnostics: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_permission() {
        for (listen, fine) in [
            ("127.0.0.1:1", true),
            ("127.8.9.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.168.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            let mut config = ServeConfig {
                listen: listen.parse().unwrap(),
                ..ServeConfig::default()
            };
            assert_eq!(config.check_listen().is_ok(), fine, "{listen}");
            config.insecure_no_auth = true;
            assert!(config.check_listen().is_ok());
        }
    }
}
