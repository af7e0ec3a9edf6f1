//! `/write` and `/api/v2/write`: a body of lines becomes durable samples, or an answer that says what was wrong.
//!
//! Good lines of a body are stored although others are bad; the answer is then 400 with the words that
//! clients look for (`partial write`, `unable to parse`, `points beyond retention policy`), so that they do
//! not send the batch again.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_model::labels::is_legacy_label_name;
use bellwether_model::limits::{
    self, INGEST_BODY_MAX, INGEST_DECODED_MAX, INGEST_SAMPLES_MAX, LABEL_VALUE_MAX, LABELS_MAX,
    SERIES_ACTIVE_MAX,
};
use bellwether_model::text::counted;
use bellwether_store::{ReadOnly, StoreError};
use bellwether_wire::line_protocol::{Mapping, Precision};
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::budget::Share;
use super::{Influx, signed};
use crate::edge::answer::{Answer, Exceeded, Refusal};
use crate::edge::body::{Encoding, SizeLimit, encoding, gunzip};
use crate::edge::params::Params;
use crate::edge::route::Call;
use crate::ingest::{IngestError, LineFault, LineOptions, LinePlace, SERIES_LIMIT, Written};

/// `POST /write`.
pub(super) async fn v1(influx: Arc<Influx>, call: Call) -> Result<Answer, Refusal> {
    let params = call.query_params()?;
    let options = options(
        &params,
        "db",
        &["n", "ns", "u", "us", "µ", "ms", "s", "m", "h"],
    )?;
    // Old clients know no 415.
    let written = write(&influx, call, options, StatusCode::BAD_REQUEST).await?;
    check_series_limit(&written)?;
    if written.lines_refused == 0 {
        return Ok(stored(&influx));
    }
    let message = format!(
        "partial write: {} dropped={}",
        told(&written.faults),
        written.lines_refused
    );
    Err(Refusal::bad_request(message))
}

/// `POST /api/v2/write`.
pub(super) async fn v2(influx: Arc<Influx>, call: Call) -> Result<Answer, Refusal> {
    let params = call.query_params()?;
    let options = options(&params, "bucket", &["ns", "us", "ms", "s"])?;
    let written = write(&influx, call, options, StatusCode::UNSUPPORTED_MEDIA_TYPE).await?;
    check_series_limit(&written)?;
    if written.lines_refused == 0 {
        return Ok(stored(&influx));
    }
    let message = format!(
        "partial write error ({} written): {}",
        written.lines,
        told(&written.faults)
    );
    let refusal = Refusal::bad_request(message);
    Err(match written.faults.first() {
        Some(first) => refusal.line(first.line),
        None => refusal,
    })
}

fn stored(influx: &Influx) -> Answer {
    let answer = Answer::empty(StatusCode::NO_CONTENT);
    let durability = HeaderValue::from_static(influx.durability.header());
    signed(answer.with(header::HeaderName::from_static("x-durability"), durability))
}

/// The first faults, one after the other, with the line of each.
fn told<'a>(faults: impl IntoIterator<Item = &'a LineFault>) -> String {
    let mut text = String::new();
    for (i, fault) in faults.into_iter().enumerate() {
        if i > 0 {
            text.push_str("; ");
        }
        let LineFault { line, reason, .. } = fault;
        // A String takes all of it.
        let _ = match &fault.unreadable {
            Some(LinePlace {
                column,
                text: quoted,
            }) => write!(
                text,
                "unable to parse '{quoted}': line {line}, column {column}: {reason}"
            ),
            None => write!(text, "{reason} (line {line})"),
        };
    }
    text
}

/// Seconds after which old series may have made room for new ones.
const SERIES_LIMIT_RETRY: u32 = 60;

/// 429 when lines were good and their series one too many: unlike bad lines they are worth sending again.
///
/// The words that make clients drop a batch (`partial write`, `unable to parse`) must not stand in it.
fn check_series_limit(written: &Written) -> Result<(), Refusal> {
    let Some(max) = written.series_limit else {
        return Ok(());
    };
    let by_limit = |fault: &&LineFault| fault.code == SERIES_LIMIT;
    let what = format!(
        "{} refused and {} stored: {}",
        counted(written.lines_refused as usize, "line"),
        written.lines,
        told(written.faults.iter().filter(by_limit)),
    );
    let mut refusal = Refusal::limited(
        StatusCode::TOO_MANY_REQUESTS,
        &what,
        Exceeded::at(&SERIES_ACTIVE_MAX, max),
    );
    refusal.retry_after = Some(SERIES_LIMIT_RETRY);
    Err(refusal)
}

/// Reads what the request says about its lines.
fn options(params: &Params, db: &str, precisions: &[&str]) -> Result<LineOptions, Refusal> {
    let precision = match params.get("precision") {
        None => Precision::default(),
        Some(text) => Precision::parse(text)
            .filter(|_| precisions.contains(&text))
            .ok_or_else(|| {
                let known = precisions.join(", ");
                Refusal::bad_request(format!("invalid precision {text:?}: it is one of {known}"))
            })?,
    };
    let db = params.get(db).map(String::from);
    let mut extra = Vec::new();
    for pair in params.all("extra_label") {
        extra.push(extra_label(pair)?);
    }
    let values = extra.iter().map(|(_, value)| value).chain(&db);
    for value in values {
        if value.len() > LABEL_VALUE_MAX.usize() {
            let what = "a label's value in the query is too long";
            return Err(bad_limit(what, &LABEL_VALUE_MAX, value.len()));
        }
    }
    if extra.len() > LABELS_MAX.usize() {
        return Err(bad_limit("too many extra labels", &LABELS_MAX, extra.len()));
    }
    Ok(LineOptions {
        precision,
        mapping: Mapping { db, extra },
        all_or_nothing: false,
    })
}

fn extra_label(pair: &str) -> Result<(String, String), Refusal> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let legal = is_legacy_label_name(name)
        && !name.starts_with("__")
        && name.len() <= limits::LABEL_NAME_MAX.usize();
    if !legal || value.is_empty() {
        let text = format!("extra_label {pair:?} is not `name=value` with a legal label name");
        return Err(Refusal::bad_request(text));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn bad_limit(what: &str, limit: &'static limits::Limit, got: usize) -> Refusal {
    Refusal::limited(
        StatusCode::BAD_REQUEST,
        what,
        Exceeded::from(limit).got(got),
    )
}

/// Reads, decodes and stores the body; returns once what is good of it is durable.
async fn write(
    influx: &Arc<Influx>,
    call: Call,
    options: LineOptions,
    unknown_encoding: StatusCode,
) -> Result<Written, Refusal> {
    check_type(&call.headers)?;
    let encoding = encoding(&call.headers, unknown_encoding)?;
    let max = SizeLimit {
        bytes: influx.http.body_max,
        limit: &INGEST_BODY_MAX,
    };
    let now = call.now;
    let mut share = influx.budget.share();
    let mut body = Vec::new();
    let grow = |bytes| share.grow(bytes);
    call.body
        .read_counted(max, &influx.http, &mut body, grow)
        .await?;
    let influx = Arc::clone(influx);
    // Parsing takes the processor and the commit waits for the disk: neither belongs on a thread that serves sockets.
    let stored = tokio::task::spawn_blocking(move || {
        influx.store_body(body, share, encoding, &options, now)
    });
    stored
        .await
        .unwrap_or_else(|_| Err(Refusal::unavailable("the server is stopping", 1)))
}

/// Refuses bodies that say they are something else than text. Forms are let through: it is what `curl -d` says.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or("");
    let kind = text
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let fine = kind.is_empty()
        || kind.starts_with("text/")
        || [
            "application/octet-stream",
            "application/x-www-form-urlencoded",
        ]
        .contains(&kind.as_str());
    if fine {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("Content-Type `{text}` is not line protocol: send text/plain"),
    ))
}

impl Influx {
    /// Blocks until the samples are durable.
    fn store_body(
        &self,
        body: Vec<u8>,
        mut share: Share,
        encoding: Encoding,
        options: &LineOptions,
        now: bellwether_model::TimestampMs,
    ) -> Result<Written, Refusal> {
        let plain = match encoding {
            Encoding::Plain => body,
            Encoding::Gzip => {
                share.grow(claimed_size(&body).min(self.http.decoded_max))?;
                let mut plain = Vec::new();
                let max = SizeLimit {
                    bytes: self.http.decoded_max,
                    limit: &INGEST_DECODED_MAX,
                };
                gunzip(&body, max, &mut plain)?;
                plain
            }
        };
        let written = self.ingest.write(&plain, options, now).map_err(refusal)?;
        for (reason, count) in &written.refused_by_reason {
            self.counters.rejected(reason, *count);
        }
        Ok(written)
    }
}

/// What the last member of a gzip body says it decodes to: only good for an estimate.
fn claimed_size(body: &[u8]) -> usize {
    body.last_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

/// Seconds after which a full disk may have room again.
const DISK_FULL_RETRY: u32 = 30;

fn refusal(error: IngestError) -> Refusal {
    match error {
        IngestError::TooManySamples { max } => Refusal::limited(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too many samples in one request",
            Exceeded::at(&INGEST_SAMPLES_MAX, max),
        ),
        IngestError::Store(StoreError::Busy { retry_after }) => {
            let seconds = (retry_after.0.max(0) as u64).div_ceil(1000).clamp(1, 60) as u32;
            Refusal::unavailable("the store is busy, try again", seconds)
        }
        IngestError::Store(StoreError::ReadOnly { reason }) => {
            let text = format!("{}: the store is read-only: {reason}", reason.code());
            let retry = match reason {
                ReadOnly::DiskFull => DISK_FULL_RETRY,
                ReadOnly::LogFailed | ReadOnly::Closed => 60,
            };
            Refusal::unavailable(text, retry)
        }
        IngestError::Store(error) => {
            tracing::error!(%error, "samples could not be stored");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<LineOptions, String> {
        let params = Params::parse(query).map_err(|r| r.message)?;
        options(&params, "db", &["ns", "s"]).map_err(|r| r.message)
    }

    #[test]
    fn arguments_are_checked() {
        let options =
            read("db=m&rp=x&precision=s&extra_label=a=1&extra_label=b=x=y&consistency=all")
                .unwrap();
        assert_eq!(options.precision, Precision::Seconds);
        assert_eq!(options.mapping.db.as_deref(), Some("m"));
        let extra = [("a".to_owned(), "1".to_owned()), ("b".into(), "x=y".into())];
        assert_eq!(options.mapping.extra, extra);
        assert_eq!(read("").unwrap().mapping, Mapping::default());
        for (query, want) in [
            (
                "precision=auto",
                "invalid precision \"auto\": it is one of ns, s",
            ),
            ("precision=S", "invalid precision"),
            ("extra_label=a", "is not `name=value`"),
            ("extra_label=__name__=x", "is not `name=value`"),
            ("extra_label=a-b=x", "is not `name=value`"),
            (&format!("db={}", "x".repeat(5000)), "label.max_value"),
        ] {
            let got = read(query).unwrap_err();
            assert!(got.contains(want), "{query:.30}: {got}");
        }
    }

    #[test]
    fn store_errors_say_when_to_come_back() {
        use bellwether_model::DurationMs;
        let busy = StoreError::Busy {
            retry_after: DurationMs(1500),
        };
        let full = StoreError::ReadOnly {
            reason: ReadOnly::DiskFull,
        };
        let refused = refusal(busy.into());
        assert_eq!(
            (refused.status.as_u16(), refused.retry_after),
            (503, Some(2))
        );
        let refused = refusal(full.into());
        assert_eq!(
            (refused.status.as_u16(), refused.retry_after),
            (503, Some(30))
        );
        assert!(refused.message.contains("disk_full"), "{}", refused.message);
        let refused = refusal(IngestError::TooManySamples { max: 1 });
        assert_eq!(refused.status.as_u16(), 413);
    }
}
