//! Reads a request's body: not beyond its limit, not slower than its rate, and out of gzip if it is in there.

use std::time::Duration;

use bellwether_model::limits::{HTTP_BODY_MIN_RATE, HTTP_BODY_TIMEOUT, INGEST_RATIO_MAX, Limit};
use bellwether_wire::gzip::{self, GzipError, GzipLimits};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::{HeaderMap, StatusCode, header};

use super::answer::{Exceeded, Refusal};
use super::framing::ChunkFault;
use crate::clock::Stopwatch;
use crate::config::HttpLimits;

/// A body that has not been read.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    /// What the head says.
    length: Option<u64>,
}

/// The largest a body may be, and the limit that says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimit {
    pub(crate) bytes: usize,
    pub(crate) limit: &'static Limit,
}

/// The most memory that is taken on the word of a head.
const ROOM_AT_ONCE: usize = 2 << 20;

impl Body {
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap) -> Body {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse().ok());
        Body { incoming, length }
    }

    /// True when nothing will come.
    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// Reads all of it into `out`, behind what is there. Refuses before reading when the head announces too much.
    pub(crate) async fn read(
        self,
        max: SizeLimit,
        http: &HttpLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.read_counted(max, http, out, |_| Ok(())).await
    }

    /// The same, asking `grow` before memory is used for so many more bytes.
    pub(crate) async fn read_counted(
        mut self,
        max: SizeLimit,
        http: &HttpLimits,
        out: &mut Vec<u8>,
        mut grow: impl FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let announced = self.length.unwrap_or(0);
        if announced > max.bytes as u64 {
            return Err(too_large(max, Some(announced as usize)));
        }
        grow(announced as usize).map_err(Refusal::closing)?;
        // Room for what is announced, within reason: the rest has to arrive before it is believed.
        out.reserve((announced as usize).min(ROOM_AT_ONCE));
        let start = out.len();
        let clock = Stopwatch::start();
        loop {
            let patience = patience(clock.elapsed(), out.len() - start, http)?;
            let frame = match tokio::time::timeout(patience, self.incoming.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(broken(&error)),
                Ok(None) => return Ok(()),
                Err(_) => continue, // The clock decides, at the top.
            };
            let Ok(data) = frame.into_data() else {
                continue; // Trailers mean nothing here.
            };
            if out.len() - start + data.len() > max.bytes {
                return Err(too_large(max, None));
            }
            if self.length.is_none() {
                grow(data.len()).map_err(Refusal::closing)?;
            }
            out.extend_from_slice(&data);
        }
    }
}

/// How long to wait for the next piece at most, or the refusal when the body has been too slow.
fn patience(elapsed: Duration, received: usize, http: &HttpLimits) -> Result<Duration, Refusal> {
    let slow =
        |what: &str, limit: Exceeded| Refusal::over_limit(StatusCode::REQUEST_TIMEOUT, what, limit);
    let left = http.body_timeout.saturating_sub(elapsed);
    if left.is_zero() {
        let limit = Exceeded::after(&HTTP_BODY_TIMEOUT, http.body_timeout);
        return Err(slow("the body took too long", limit));
    }
    let grace = http.body_timeout.min(http.body_rate_grace);
    if elapsed < grace {
        return Ok(left.min(grace.saturating_sub(elapsed)));
    }
    let expected = elapsed.as_secs_f64() * http.body_min_rate as f64;
    if (received as f64) < expected {
        let limit = Exceeded::at(&HTTP_BODY_MIN_RATE, http.body_min_rate as usize);
        return Err(slow("the body came too slowly", limit));
    }
    Ok(left.min(Duration::from_secs(1)))
}

fn too_large(max: SizeLimit, got: Option<usize>) -> Refusal {
    let limit = Exceeded::at(max.limit, max.bytes);
    let limit = got.map_or(limit, |got| limit.got(got));
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    Refusal::over_limit(status, "the body is too large", limit)
}

/// Bad chunks, or the connection's end in the middle.
fn broken(error: &hyper::Error) -> Refusal {
    const WHAT: &str = "the body could not be read";
    let fault = chunk_fault(error);
    let text = match (fault, std::error::Error::source(error)) {
        (Some(fault), _) => format!("{WHAT}: {fault}"),
        (None, Some(cause)) => format!("{WHAT}: {error}: {cause}"),
        (None, None) => format!("{WHAT}: {error}"),
    };
    match fault.and_then(ChunkFault::limit) {
        Some(limit) => Refusal::over_limit(StatusCode::BAD_REQUEST, &text, limit),
        None => Refusal::bad_request(text).closing(),
    }
}

/// What the guard of the connection found wrong, if it was the guard.
fn chunk_fault(error: &hyper::Error) -> Option<ChunkFault> {
    let cause = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    cause.get_ref()?.downcast_ref::<ChunkFault>().copied()
}

/// How a body is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
}

/// The body's encoding; `unknown` is the status that refuses any other.
pub(crate) fn encoding(headers: &HeaderMap, unknown: StatusCode) -> Result<Encoding, Refusal> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else {
        return Ok(Encoding::Plain);
    };
    let text = value.to_str().unwrap_or("").trim();
    match (second, text.to_ascii_lowercase().as_str()) {
        (None, "" | "identity") => Ok(Encoding::Plain),
        (None, "gzip" | "x-gzip") => Ok(Encoding::Gzip),
        _ => Err(Refusal::new(
            unknown,
            format!("Content-Encoding `{text}` is not one of identity, gzip"),
        )),
    }
}

/// Decodes a gzip body into `out`, emptied first.
pub(crate) fn gunzip(body: &[u8], max: SizeLimit, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let limits = GzipLimits {
        decoded_max: max.bytes,
        ..GzipLimits::default()
    };
    gzip::decode(body, &limits, out).map_err(|error| {
        let over = |limit: Exceeded| {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Refusal::limited(status, "the decoded body is too large", limit)
        };
        match error {
            GzipError::TooLarge { .. } => over(Exceeded::at(max.limit, max.bytes)),
            GzipError::Ratio { max } => over(Exceeded::at(&INGEST_RATIO_MAX, max)),
            GzipError::Truncated { .. } | GzipError::Corrupt { .. } => {
                Refusal::bad_request(error.to_string())
            }
        }
    })
}
