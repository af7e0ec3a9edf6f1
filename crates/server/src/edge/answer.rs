//! What goes back: an answer, or a refusal that names the place or the limit, in the shape the path's clients parse.

use std::fmt::{self, Write as _};
use std::time::Duration;

use bellwether_model::json::push_json_string;
use bellwether_model::limits::{Limit, Unit};
use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::outgoing::Rest;

/// A finished answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What comes behind `body`, if it is only the first part.
    pub(crate) rest: Option<Rest>,
    /// Ends the connection behind this answer.
    pub(crate) close: bool,
}

impl Answer {
    pub(crate) fn empty(status: StatusCode) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            rest: None,
            close: false,
        }
    }

    pub(crate) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let answer = Answer {
            body: body.into(),
            ..Answer::empty(status)
        };
        answer.with(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    pub(crate) fn json(body: impl Into<Bytes>) -> Answer {
        Answer::new(StatusCode::OK, "application/json", body)
    }

    pub(crate) fn text(body: impl Into<Bytes>) -> Answer {
        Answer::new(StatusCode::OK, "text/plain; charset=utf-8", body)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.insert(name, value);
        self
    }
}

/// How a path's clients want to read an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"status":"error","errorType":..,"error":..}`.
    Prometheus,
    /// The message alone, as scrapers read it.
    Text,
    /// `{"error":..}` and `X-Influxdb-Error`.
    InfluxV1,
    /// `{"code":..,"message":..}`, with `line` when one line is to blame.
    InfluxV2,
}

/// A limit that was hit, with the value it has in this server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exceeded {
    pub(crate) limit: &'static Limit,
    /// The value in force: the configured one, or the default.
    pub(crate) max: u64,
    /// What was counted, if it is known.
    pub(crate) got: Option<u64>,
}

impl Exceeded {
    /// The limit with its configured value.
    pub(crate) fn at(limit: &'static Limit, max: usize) -> Exceeded {
        Exceeded {
            max: max as u64,
            ..Exceeded::from(limit)
        }
    }

    /// A limit of time with its configured value.
    pub(crate) fn after(limit: &'static Limit, max: Duration) -> Exceeded {
        debug_assert_eq!(limit.unit, Unit::Millis);
        Exceeded {
            max: u64::try_from(max.as_millis()).unwrap_or(u64::MAX),
            ..Exceeded::from(limit)
        }
    }

    pub(crate) fn got(self, got: usize) -> Exceeded {
        Exceeded {
            got: Some(got as u64),
            ..self
        }
    }
}

impl From<&'static Limit> for Exceeded {
    /// A limit that nothing configures.
    fn from(limit: &'static Limit) -> Exceeded {
        Exceeded {
            limit,
            max: limit.value,
            got: None,
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.limit.unit {
            Unit::Bytes => " bytes",
            Unit::Count => "",
            Unit::Millis => " ms",
        };
        write!(f, "{} is {}{unit}", self.limit.name, self.max)?;
        match self.got {
            Some(got) => write!(f, ", got {got}"),
            None => Ok(()),
        }
    }
}

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Prometheus' word for it; when none is set, the one that goes with the status.
    pub(crate) kind: Option<&'static str>,
    pub(crate) message: String,
    /// The limit that was hit.
    pub(crate) limit: Option<Exceeded>,
    /// The line of the body that is to blame, 1-based.
    pub(crate) line: Option<usize>,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
    /// Methods that the path knows.
    pub(crate) allow: Option<Box<str>>,
    pub(crate) close: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            kind: None,
            message: message.into(),
            limit: None,
            line: None,
            retry_after: None,
            allow: None,
            close: false,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    /// A refused head: the connection cannot go on behind it.
    pub(crate) fn fatal(status: StatusCode, message: &str) -> Refusal {
        Refusal::new(status, message).closing()
    }

    /// A limit was hit. Ends the connection.
    pub(crate) fn over_limit(
        status: StatusCode,
        what: &str,
        exceeded: impl Into<Exceeded>,
    ) -> Refusal {
        Refusal::limited(status, what, exceeded).closing()
    }

    /// A limit was hit, and the connection may go on.
    pub(crate) fn limited(
        status: StatusCode,
        what: &str,
        exceeded: impl Into<Exceeded>,
    ) -> Refusal {
        let exceeded = exceeded.into();
        let mut refusal = Refusal::new(status, format!("{what}: {exceeded}"));
        refusal.limit = Some(exceeded);
        refusal
    }

    /// The server cannot now: come back in `retry_after` seconds.
    pub(crate) fn unavailable(message: impl Into<String>, retry_after: u32) -> Refusal {
        let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message);
        refusal.retry_after = Some(retry_after);
        refusal
    }

    pub(crate) fn kind(mut self, kind: &'static str) -> Refusal {
        self.kind = Some(kind);
        self
    }

    pub(crate) fn line(mut self, line: usize) -> Refusal {
        self.line = Some(line);
        self
    }

    pub(crate) fn closing(mut self) -> Refusal {
        self.close = true;
        self
    }

    /// The answer, worded for the path's clients.
    pub(crate) fn answer(&self, shape: Shape) -> Answer {
        let mut body = String::with_capacity(self.message.len() + 80);
        match shape {
            Shape::Prometheus => {
                let kind = self.kind.unwrap_or_else(|| prometheus_kind(self.status));
                let _ = write!(
                    body,
                    "{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":"
                );
                push_json_string(&mut body, &self.message);
            }
            Shape::Text => return self.headed(Answer::text(format!("{}\n", self.message))),
            Shape::InfluxV1 => {
                body.push_str("{\"error\":");
                push_json_string(&mut body, &self.message);
            }
            Shape::InfluxV2 => {
                let code = influx_code(self.status);
                let _ = write!(body, "{{\"code\":\"{code}\",\"message\":");
                push_json_string(&mut body, &self.message);
                if let Some(line) = self.line {
                    let _ = write!(body, ",\"line\":{line}");
                }
            }
        }
        if let Some(exceeded) = self.limit {
            let (name, max) = (exceeded.limit.name, exceeded.max);
            let _ = write!(body, ",\"limit\":\"{name}\",\"max\":{max}");
            if let Some(got) = exceeded.got {
                let _ = write!(body, ",\"got\":{got}");
            }
        }
        body.push('}');
        let mut answer = self.headed(Answer::new(self.status, "application/json", body));
        if shape != Shape::Prometheus {
            crate::influx::sign(&mut answer);
        }
        if shape == Shape::InfluxV1
            && let Ok(text) = HeaderValue::from_str(&header_text(&self.message))
        {
            answer.headers.insert("x-influxdb-error", text);
        }
        answer
    }

    /// `answer` with the refusal's status and headers.
    fn headed(&self, mut answer: Answer) -> Answer {
        answer.status = self.status;
        answer.close = self.close;
        if let Some(seconds) = self.retry_after {
            answer.headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = &self.allow
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            answer.headers.insert(header::ALLOW, allow);
        }
        answer
    }
}

/// The word of Prometheus' API for a status.
fn prometheus_kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "not_found",
        406 => "not_acceptable",
        422 => "execution",
        499 => "canceled",
        503 => "unavailable",
        500..=599 => "internal",
        _ => "bad_data",
    }
}

/// The code of Influx' v2 API for a status.
fn influx_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        413 => "request too large",
        422 => "unprocessable entity",
        429 => "too many requests",
        503 => "unavailable",
        500..=599 => "internal error",
        _ => "invalid",
    }
}

/// The longest a message may be as a header, so that it fits any client's buffer.
const HEADER_TEXT_MAX: usize = 1024;

/// The message as a header can carry it: visible ASCII, everything else becomes `?`.
fn header_text(message: &str) -> String {
    let visible = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    message.chars().take(HEADER_TEXT_MAX).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use bellwether_model::limits;

    use super::*;

    #[test]
    fn every_shape_names_the_limit_and_its_value_here() {
        let refusal = Refusal::over_limit(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too large",
            Exceeded::at(&limits::INGEST_BODY_MAX, 20_000_000).got(40_000_000),
        );
        let limit = r#""limit":"ingest.max_body","max":20000000,"got":40000000}"#;
        let message = "the body is too large: ingest.max_body is 20000000 bytes, got 40000000";
        for (shape, want) in [
            (
                Shape::Prometheus,
                format!(r#"{{"status":"error","errorType":"bad_data","error":"{message}",{limit}"#),
            ),
            (Shape::InfluxV1, format!(r#"{{"error":"{message}",{limit}"#)),
            (
                Shape::InfluxV2,
                format!(r#"{{"code":"request too large","message":"{message}",{limit}"#),
            ),
        ] {
            let answer = refusal.answer(shape);
            assert_eq!(answer.body, want.as_bytes());
            assert!(answer.close);
            serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
        }
    }

    #[test]
    fn scrapers_read_the_message_alone() {
        let answer = Refusal::unavailable("too \"busy\"", 7).answer(Shape::Text);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.body, "too \"busy\"\n".as_bytes());
        assert_eq!(answer.headers["retry-after"], "7");
    }

    #[test]
    fn texts_from_outside_stay_texts() {
        let refusal = Refusal::bad_request("a\"b\\c\r\nX-Evil: 1\u{0}\u{2028}ü");
        let answer = refusal.answer(Shape::InfluxV1);
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(value["error"], "a\"b\\c\r\nX-Evil: 1\u{0}\u{2028}ü");
        assert_eq!(answer.headers["x-influxdb-error"], "a\"b\\c??X-Evil: 1???");
    }
}
