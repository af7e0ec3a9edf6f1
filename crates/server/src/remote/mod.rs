//! Another server as a source: its samples over Prometheus' remote read.
//!
//! A selector is one request, for all the time that its query may look at; the answer is held packed until the query is
//! done with it. What is held, the bodies that are still coming among it, counts for `remote.memory` before it is allocated.
//! Windows that slide may be read ahead (`ahead.rs`).
//!
//! Blocks: not to be called from async code. Not here: the bytes of requests and answers (`wire::remote_read`).

mod ahead;
mod memory;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bellwether_model::text::counted;
use bellwether_model::{DurationMs, TimeRange, TimestampMs, limits};
use bellwether_query::{
    Columns, Control, Select, SeriesReader, SeriesSet, Source, SourceError, Stop,
};
use bellwether_wire::remote_read::{
    self, AnswerError, CONTENT_ENCODING, CONTENT_TYPE, ReadAnswer, ReadQuery,
};
use hyper::StatusCode;
use hyper::header::{self, HeaderName};
use reqwest::redirect::Policy;

use self::ahead::Ahead;
use self::memory::{Charge, Memory};
use crate::address::{Address, AddressError};
use crate::client::{self, ClientError};
use crate::clock::Stopwatch;

/// Where remote read is, unless the address says so itself.
const READ_PATH: &str = "/api/v1/read";
/// As much of a refusal is read as fits into a message.
const REFUSAL_MAX: usize = 4096;
/// The protocol's version, which servers may look for.
const VERSION: (HeaderName, &str) = (
    HeaderName::from_static("x-prometheus-remote-read-version"),
    "0.1.0",
);

/// How long a [`RemoteSource`] waits.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// So long for each answer.
    Each(Duration),
    /// So long for all of them together, from when the source is made.
    Together(Duration),
}

/// How a [`RemoteSource`] asks.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// How long it waits.
    pub patience: Patience,
    /// The most bytes it holds.
    pub memory_max: usize,
    /// Is set when a request fails: evaluations that put up with failures end, too.
    pub stopped_by_failure: Control,
    /// For who asks tick after tick: windows that slide are read ahead, up to this time.
    pub ahead_until: Option<TimestampMs>,
}

impl RemoteOptions {
    /// With the memory of the table.
    pub fn new(patience: Patience) -> RemoteOptions {
        RemoteOptions {
            patience,
            memory_max: limits::REMOTE_MEMORY_MAX.usize(),
            stopped_by_failure: Control::new(),
            ahead_until: None,
        }
    }
}

/// A server that answers remote read: Prometheus and its kin, or another Bellwether.
pub struct RemoteSource {
    /// Whole, with what is secret in it.
    url: String,
    /// As people see it.
    shown: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    options: RemoteOptions,
    begun: Stopwatch,
    memory: Arc<Memory>,
    ahead: Ahead,
    failure: OnceLock<String>,
    refusal: OnceLock<String>,
}

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
enum RemoteError {
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no answer within {0}")]
    Late(DurationMs),
    #[error("it answered {status}: {text}")]
    Refused { status: StatusCode, text: String },
    #[error("that is no answer to a remote read: {0}")]
    Foreign(String),
    #[error("more than {max} series (query.max_series)")]
    TooManySeries { max: usize },
    #[error("its answer is larger than the {max} bytes that may be held (remote.memory)")]
    TooLarge { max: usize },
    #[error("{0}")]
    Request(String),
}

impl RemoteError {
    /// True where less time or fewer series may be answered.
    fn is_too_much(&self) -> bool {
        match self {
            RemoteError::TooManySeries { .. } | RemoteError::TooLarge { .. } => true,
            RemoteError::Refused { status, text } => asks_too_much(*status, text),
            _ => false,
        }
    }
}

impl RemoteSource {
    /// The server at `address`: its base, such as `http://prometheus:9090`, or the whole address of its remote read. Asks nothing yet.
    pub fn new(address: &ReadAddress, options: RemoteOptions) -> Result<RemoteSource, ClientError> {
        let (client, runtime) = client::blocking(|builder| builder.redirect(Policy::none()))?;
        Ok(RemoteSource {
            url: address.base.at(&address.path),
            shown: address.to_string(),
            client,
            runtime,
            begun: Stopwatch::start(),
            memory: Memory::new(options.memory_max),
            ahead: Ahead::default(),
            options,
            failure: OnceLock::new(),
            refusal: OnceLock::new(),
        })
    }

    /// The first failure of a request, if there was one: for callers whose evaluation puts up with failures.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// The first answer that was too large, on either side, if there was one. The same questions over less time may have been answered.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// The answer to `select`, which may be one to more than that.
    fn answer(&self, select: &Select<'_>) -> Result<Arc<Held>, RemoteError> {
        let Some(until) = self.options.ahead_until else {
            return self.ask(select, select.range).map(Arc::new);
        };
        if let Some(kept) = self.ahead.find(select) {
            return Ok(kept);
        }
        if let Some(wide) = self.ahead.widen(select, until) {
            match self.ask(select, wide).map(Arc::new) {
                Err(error) if error.is_too_much() => self.ahead.keep(select, None),
                asked => {
                    self.ahead.keep(select, asked.as_ref().ok());
                    return asked;
                }
            }
        }
        match self.ask(select, select.range) {
            Err(RemoteError::TooLarge { .. }) if self.ahead.give_up() => {
                self.ask(select, select.range).map(Arc::new)
            }
            asked => asked.map(Arc::new),
        }
    }

    fn ask(&self, select: &Select<'_>, range: TimeRange) -> Result<Held, RemoteError> {
        let query = ReadQuery {
            range,
            matchers: select.matchers.to_vec(),
        };
        let request = remote_read::encode(&[query]);
        let request = request.map_err(|error| RemoteError::Request(error.to_string()))?;
        let (body, mut charge) = self.within_time(self.exchange(request))?;
        let decoded = remote_read::decoded_len(&body).map_err(RemoteError::from)?;
        charge.grow(decoded)?;
        let answer = ReadAnswer::decode(&body, decoded, select.series_max)?;
        charge.shrink(body.len());
        Ok(Held {
            answer,
            range,
            _charge: charge,
        })
    }

    fn within_time<T>(
        &self,
        work: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        let (asked, left) = match self.options.patience {
            Patience::Each(each) => (each, each),
            Patience::Together(all) => (all, all.saturating_sub(self.begun.elapsed())),
        };
        let late = RemoteError::Late(DurationMs(asked.as_millis() as i64));
        let timed = async { tokio::time::timeout(left, work).await };
        self.runtime.block_on(timed).unwrap_or(Err(late))
    }

    /// The body of the answer, and what it takes.
    async fn exchange(&self, request: Vec<u8>) -> Result<(Vec<u8>, Charge), RemoteError> {
        let request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header(header::CONTENT_ENCODING, CONTENT_ENCODING)
            .header(header::ACCEPT_ENCODING, CONTENT_ENCODING)
            .header(VERSION.0, VERSION.1)
            .body(request);
        let mut response = request.send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        if status != StatusCode::OK {
            let text = refusal_text(response).await;
            return Err(RemoteError::Refused { status, text });
        }
        check_form(response.headers())?;
        let (mut body, mut charge) = (Vec::new(), Charge::new(&self.memory));
        while let Some(part) = response.chunk().await.map_err(|e| unreachable(&e))? {
            charge.grow(part.len())?;
            body.extend_from_slice(&part);
        }
        Ok((body, charge))
    }

    /// The error as the evaluation sees it. What fewer samples would mend is no failure of the server.
    fn failed(&self, error: RemoteError) -> SourceError {
        let message = format!("{}: {error}", self.shown);
        let limit = match error {
            RemoteError::TooManySeries { max } => return SourceError::TooManySeries { max },
            RemoteError::TooLarge { .. } => Some(&limits::REMOTE_MEMORY_MAX),
            _ if error.is_too_much() => Some(&limits::READ_RESPONSE_MAX),
            _ => None,
        };
        if let Some(limit) = limit {
            let limit = limit.name;
            let _ = self.refusal.set(message.clone()); // One that is there already was the first.
            return SourceError::TooLarge { limit, message };
        }
        // One that is there already was the first.
        let _ = self.failure.set(message.clone());
        self.options.stopped_by_failure.cancel(Stop::Disconnected);
        SourceError::Read(message)
    }
}

impl Source for RemoteSource {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        let held = self.answer(select).map_err(|error| self.failed(error))?;
        let mut warnings = Vec::new();
        if held.answer.with_histograms > 0 {
            let series = counted(held.answer.with_histograms, "native histogram");
            warnings.push(format!(
                "{}: left out {series}: only numbers are read",
                self.shown
            ));
        }
        Ok(SeriesSet {
            labels: held.answer.labels().cloned().collect(),
            reader: Box::new(Reader(held)),
            warnings,
        })
    }
}

/// An address of remote read: the base of a server, or the whole path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAddress {
    base: Address,
    path: String,
}

impl std::str::FromStr for ReadAddress {
    type Err = AddressError;

    /// A path that ends in `/read` is taken as it is; to others that of Prometheus is added.
    fn from_str(text: &str) -> Result<ReadAddress, AddressError> {
        let (base, path) = Address::with_path(text)?;
        let path = match path {
            Some(api) if api.ends_with("/read") => api,
            Some(_) => return Err(text.parse::<Address>().err().unwrap_or(AddressError::Rest)),
            None if base.at("").ends_with("/read") => String::new(),
            None => READ_PATH.to_owned(),
        };
        Ok(ReadAddress { base, path })
    }
}

impl std::fmt::Display for ReadAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.base, self.path)
    }
}

/// An answer, and what it takes.
struct Held {
    answer: ReadAnswer,
    /// The time it is for.
    range: TimeRange,
    _charge: Charge,
}

impl Held {
    /// True when it answers `select`, which has its matchers.
    fn holds(&self, select: &Select<'_>) -> bool {
        self.range.from <= select.range.from
            && select.range.to <= self.range.to
            && self.answer.len() <= select.series_max
    }
}

/// Reads the samples of one answer.
struct Reader(Arc<Held>);

impl Reader {
    fn samples(&self, index: usize, range: TimeRange) -> impl Iterator<Item = (i64, f64)> {
        let samples = self.0.answer.samples(index);
        samples
            .skip_while(move |(t, _)| *t < range.from.0)
            .take_while(move |(t, _)| *t <= range.to.0)
    }
}

impl SeriesReader for Reader {
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        out.clear();
        let needed = self.samples(index, range).count();
        if needed > room {
            return Err(SourceError::NoRoom { needed });
        }
        for (t, v) in self.samples(index, range) {
            out.times.push(t);
            out.values.push(v);
        }
        Ok(())
    }

    fn read_newest(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        out.clear();
        let Some((t, v)) = self.samples(index, range).last() else {
            return Ok(());
        };
        if room == 0 {
            return Err(SourceError::NoRoom { needed: 1 });
        }
        out.times.push(t);
        out.values.push(v);
        Ok(())
    }
}

impl From<AnswerError> for RemoteError {
    fn from(error: AnswerError) -> RemoteError {
        match error {
            AnswerError::TooManySeries { max } => RemoteError::TooManySeries { max },
            other => RemoteError::Foreign(other.to_string()),
        }
    }
}

/// The innermost cause: what lies around it says what was asked of whom, which stands there already.
fn unreachable(error: &reqwest::Error) -> RemoteError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    RemoteError::Unreachable(cause.to_string())
}

/// What the answer says it is must not be something else than samples in a snappy block.
fn check_form(headers: &reqwest::header::HeaderMap) -> Result<(), RemoteError> {
    for (name, want) in [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CONTENT_ENCODING, CONTENT_ENCODING),
    ] {
        let Some(value) = headers.get(&name) else {
            continue; // The bytes will tell.
        };
        let got = String::from_utf8_lossy(value.as_bytes());
        let kind = got.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(want) {
            return Err(RemoteError::Foreign(format!("{name} is {got}, not {want}")));
        }
    }
    Ok(())
}

/// Why the server refuses, in a line: the `error` of a JSON answer, the first line of any other.
async fn refusal_text(mut response: reqwest::Response) -> String {
    if let Some(to) = response.headers().get(header::LOCATION) {
        return format!("go to {}", String::from_utf8_lossy(to.as_bytes()));
    }
    let mut body = Vec::new();
    // What can be had of it is enough.
    while let Ok(Some(part)) = response.chunk().await {
        let room = REFUSAL_MAX - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
        if body.len() == REFUSAL_MAX {
            break;
        }
    }
    let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let error = json.as_ref().and_then(|json| json["error"].as_str());
    let text = String::from_utf8_lossy(&body);
    let text = error.unwrap_or(text.trim()).lines().next();
    text.unwrap_or("without a reason").to_owned()
}

/// True for refusals of what less time or fewer series would mend: ours, and that of Prometheus.
fn asks_too_much(status: StatusCode, text: &str) -> bool {
    matches!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE
    ) || text.contains("exceeded sample limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_remote_read_is_added_unless_it_is_there() {
        for (text, want) in [
            ("http://h:9090", "http://h:9090/api/v1/read"),
            ("http://h:9090/", "http://h:9090/api/v1/read"),
            ("http://h/prometheus", "http://h/prometheus/api/v1/read"),
            (
                "http://h/prometheus/api/v1/read",
                "http://h/prometheus/api/v1/read",
            ),
            (
                "http://h:4000/v1/prometheus/read",
                "http://h:4000/v1/prometheus/read",
            ),
            ("http://me:secret@h", "http://h/api/v1/read"),
        ] {
            let address: Result<ReadAddress, AddressError> = text.parse();
            assert_eq!(address.unwrap().to_string(), want);
        }
        let refused: Result<ReadAddress, AddressError> = "http://h/p/api/v1/query".parse();
        let said = "`/api/v1/query` is added here, so leave it out: http://h/p";
        assert_eq!(refused.unwrap_err().to_string(), said);
    }

    #[test]
    fn refusals_that_less_would_mend_are_told_from_others() {
        for (status, text, want) in [
            (422, "the answer grows too large", true),
            (413, "", true),
            (400, "exceeded sample limit (50000000)", true),
            (400, "unsupported path", false),
            (500, "", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(asks_too_much(status, text), want, "{status} {text}");
        }
    }
}
