//! `/api/v1/read`: Prometheus' remote read, the form that answers samples.
//!
//! A whole answer is made before it is sent, so it is bounded (`read.response`): who wants more asks for less time at
//! once, or takes an export.

use std::sync::Arc;

use bellwether_model::limits::{
    QUERY_SERIES_MAX, READ_MATCHERS_MAX, READ_QUERIES_MAX, READ_REQUEST_MAX, READ_RESPONSE_MAX,
    REGEX_PER_QUERY_MAX,
};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Columns, Control, QueryError, Select, Source, SourceError};
use bellwether_store::View;
use bellwether_wire::remote_read::{
    self, CONTENT_TYPE, ReadError, ReadQuery, ReadResponse, SAMPLE_BYTES,
};
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::run::{self, Patience};
use super::state::Api;
use crate::edge::answer::{Answer, Exceeded, Refusal};
use crate::edge::body::SizeLimit;
use crate::edge::route::Call;

/// How requests and answers are packed.
const SNAPPY: &str = "snappy";
/// A snappy block is hardly ever larger than what it holds.
const BODY_MAX: SizeLimit = SizeLimit {
    bytes: READ_REQUEST_MAX.usize(),
    limit: &READ_REQUEST_MAX,
};

/// `POST /api/v1/read`: the samples of every question, in the questions' order.
pub(super) async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    check_encoding(&call.headers)?;
    let mut body = Vec::new();
    call.body.read(BODY_MAX, &api.http, &mut body).await?;
    let store = api.store.clone();
    let patience = Patience::new(api.http.query_timeout, None);
    let body = run::run(&api, patience, move |control| {
        let queries = remote_read::decode(&body).map_err(|e| refusal(&e))?;
        let view = store.view();
        let mut response = ReadResponse::new();
        for query in &queries {
            let max = READ_RESPONSE_MAX.usize();
            answer(&view, query, max, &mut response, control)?;
            response.end_query();
        }
        response.finish().map_err(|e| refusal(&e))
    });
    let answer = Answer::new(StatusCode::OK, CONTENT_TYPE, body.await?);
    Ok(answer.with(header::CONTENT_ENCODING, HeaderValue::from_static(SNAPPY)))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_ENCODING);
    let text = value.and_then(|v| v.to_str().ok()).unwrap_or("");
    if text.trim().eq_ignore_ascii_case(SNAPPY) {
        return Ok(());
    }
    let text = format!("Content-Encoding `{text}` is not {SNAPPY}");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

/// Adds the series of one question that have samples in its time, while the response has at most `max` bytes.
fn answer(
    view: &View,
    query: &ReadQuery,
    max: usize,
    response: &mut ReadResponse,
    control: &Control,
) -> Result<(), Refusal> {
    if query.range.to < query.range.from {
        return Ok(());
    }
    let failed = |error| run::refusal(&QueryError::Source(error));
    let select = Select {
        matchers: &query.matchers,
        range: query.range,
        series_max: QUERY_SERIES_MAX.usize(),
    };
    let source = ViewSource(view);
    let series = source.select(&select).map_err(failed)?;
    let mut columns = Columns::default();
    for (index, labels) in series.labels.iter().enumerate() {
        control.check().map_err(|e| run::refusal(&e))?;
        let room = max.saturating_sub(response.len()) / SAMPLE_BYTES;
        match series.reader.read(index, query.range, room, &mut columns) {
            Err(SourceError::NoRoom { .. }) => return Err(too_much()),
            read => read.map_err(failed)?,
        }
        if !columns.times.is_empty() {
            response.push_series(labels, &columns.times, &columns.values);
        }
        if response.len() > max {
            return Err(too_much());
        }
    }
    Ok(())
}

fn too_much() -> Refusal {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let text = "the answer grows too large: ask for less time or fewer series at once";
    Refusal::limited(status, text, &READ_RESPONSE_MAX)
}

fn refusal(error: &ReadError) -> Refusal {
    let (status, limit) = match error {
        ReadError::TooLarge { got, .. } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Some(Exceeded::from(&READ_REQUEST_MAX).got(*got)),
        ),
        ReadError::TooManyQueries { .. } => (
            StatusCode::BAD_REQUEST,
            Some(Exceeded::from(&READ_QUERIES_MAX)),
        ),
        ReadError::TooManyMatchers { .. } => (
            StatusCode::BAD_REQUEST,
            Some(Exceeded::from(&READ_MATCHERS_MAX)),
        ),
        ReadError::TooManyPatterns { .. } => (
            StatusCode::BAD_REQUEST,
            Some(Exceeded::from(&REGEX_PER_QUERY_MAX)),
        ),
        ReadError::Snappy(_)
        | ReadError::Malformed
        | ReadError::Matcher { .. }
        | ReadError::MatcherType { .. }
        | ReadError::NotAccepted => (StatusCode::BAD_REQUEST, None),
    };
    let mut refusal = Refusal::new(status, error.to_string());
    refusal.limit = limit;
    refusal
}

#[cfg(test)]
mod tests {
    use bellwether_model::{Matcher, TimeRange};

    use super::*;
    use crate::api::testing::World;

    fn answered(range: TimeRange, max: usize) -> Result<usize, Refusal> {
        let world = World::filled();
        let query = ReadQuery {
            range,
            matchers: vec![Matcher::equal("__name__", "up")],
        };
        let (view, mut response) = (world.api.store.view(), ReadResponse::new());
        answer(&view, &query, max, &mut response, &Control::new())?;
        Ok(response.len())
    }

    #[test]
    fn an_answer_that_grows_too_large_is_refused_with_its_limit() {
        let whole = answered(TimeRange::ALL, usize::MAX).unwrap();
        assert_eq!(answered(TimeRange::ALL, whole).unwrap(), whole);
        // Too little by a byte, by a series, and by most samples.
        for max in [whole - 1, whole / 2, 2 * SAMPLE_BYTES] {
            let refusal = answered(TimeRange::ALL, max).unwrap_err();
            let limit = refusal.limit.map(|e| e.limit.name);
            assert_eq!(
                (refusal.status.as_u16(), limit),
                (422, Some("read.response"))
            );
        }
    }

    #[test]
    fn times_that_hold_nothing_are_answered_with_nothing() {
        assert_eq!(answered(TimeRange::new(1, 2), usize::MAX).unwrap(), 0);
        assert_eq!(answered(TimeRange::new(2, 1), usize::MAX).unwrap(), 0);
    }

    #[test]
    fn a_stopped_read_says_why() {
        let world = World::filled();
        let query = ReadQuery {
            range: TimeRange::ALL,
            matchers: Vec::new(),
        };
        let (view, mut response) = (world.api.store.view(), ReadResponse::new());
        let stopping = Control::stopping_after(1);
        let refusal = answer(&view, &query, usize::MAX, &mut response, &stopping).unwrap_err();
        assert_eq!(refusal.status.as_u16(), 499);
    }
}
