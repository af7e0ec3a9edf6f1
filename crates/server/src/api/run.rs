//! Work off the threads that serve connections: for a limited time, and only while somebody waits for it.
//!
//! The deadline and the end of the connection both set the work's [`Control`]. Neither waits for it: the answer
//! to a late query is on its way while the query still notices. Its place at the [`gate`](super::gate) stays taken
//! until it has, so that late queries cannot pile up.

use std::sync::Arc;
use std::time::Duration;

use bellwether_model::DurationMs;
use bellwether_model::limits::{self, QUERY_TIMEOUT};
use bellwether_query::{Control, QueryError, SourceError, Stop};
use hyper::StatusCode;

use super::state::Api;
use crate::clock::Stopwatch;
use crate::counters::Counters;
use crate::edge::answer::{Exceeded, Refusal};

/// How long work may take, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    limit: Duration,
    /// The request asked for it: less than `query.timeout`.
    asked: bool,
}

impl Patience {
    /// `query.timeout`, or what the request asks for if that is less.
    pub(super) fn new(max: Duration, asked: Option<DurationMs>) -> Patience {
        let asked = asked.map(|asked| Duration::from_millis(asked.0.max(0) as u64));
        match asked {
            Some(limit) if limit < max => Patience { limit, asked: true },
            _ => Patience {
                limit: max,
                asked: false,
            },
        }
    }
}

/// Does `work` once there is a place for it. A panic in it is our mistake, and costs this answer only.
pub(super) async fn run<T: Send + 'static>(
    api: &Api,
    patience: Patience,
    work: impl FnOnce(&Control) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let place = api.gate.enter().await?;
    let control = Control::new();
    let awaited = Awaited(control.clone());
    let measured = Measured::new(api);
    let task = tokio::task::spawn_blocking(move || {
        let _until_done = (place, measured);
        work(&control)
    });
    match tokio::time::timeout(patience.limit, task).await {
        Ok(Ok(done)) => done,
        Ok(Err(failed)) => {
            tracing::error!("a query panicked: {failed}");
            let text = "the server made a mistake over this query; its log says more";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text))
        }
        Err(_) => {
            awaited.0.cancel(Stop::Timeout);
            Err(too_late(patience))
        }
    }
}

/// Stops the work when nobody waits for it any more: the request's future is dropped with its connection.
struct Awaited(Control);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.cancel(Stop::Disconnected);
    }
}

/// Counts the work when it ends, however it ends.
pub(super) struct Measured {
    counters: Option<Arc<Counters>>,
    begun: Stopwatch,
}

impl Measured {
    /// Work that begins now.
    pub(super) fn new(api: &Api) -> Measured {
        Measured {
            counters: Some(Arc::clone(&api.counters)),
            begun: Stopwatch::start(),
        }
    }

    /// It will be done otherwise, and counted there.
    pub(super) fn forget(mut self) {
        self.counters = None;
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(counters) = &self.counters {
            counters.queried(self.begun.elapsed());
        }
    }
}

pub(super) fn too_late(patience: Patience) -> Refusal {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let refusal = if patience.asked {
        let asked = DurationMs(patience.limit.as_millis() as i64);
        Refusal::new(
            status,
            format!("the query took longer than the {asked} it asked for"),
        )
    } else {
        let limit = Exceeded::after(&QUERY_TIMEOUT, patience.limit);
        Refusal::limited(status, "the query took too long", limit)
    };
    refusal.kind("timeout")
}

/// Nginx' status for a client that went away; nobody reads it but the log and the counters.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What an error of the evaluation is as an answer.
pub(super) fn refusal(error: &QueryError) -> Refusal {
    let status = match error {
        QueryError::Steps(_) | QueryError::PointsLimit { .. } => StatusCode::BAD_REQUEST,
        QueryError::SamplesLimit { .. }
        | QueryError::MemoryLimit { .. }
        | QueryError::ResponseLimit { .. }
        | QueryError::LabelLimit { .. }
        | QueryError::RegexLength { .. }
        | QueryError::RegexLimit { .. }
        | QueryError::Eval { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        QueryError::Source(SourceError::TooManySeries { .. } | SourceError::TooLarge { .. }) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        QueryError::Source(SourceError::NoRoom { .. } | SourceError::Read(_)) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        QueryError::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        QueryError::Cancelled => {
            StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST)
        }
    };
    let mut refusal = Refusal::new(status, error.to_string());
    refusal.limit = exceeded(error);
    match error {
        QueryError::Timeout => refusal.kind("timeout"),
        _ => refusal,
    }
}

/// The limit that was hit, with the value the query was evaluated with.
fn exceeded(error: &QueryError) -> Option<Exceeded> {
    let name = error.limit()?;
    let limit = limits::ALL.iter().find(|limit| limit.name == name)?;
    Some(match error {
        QueryError::LabelLimit { max, got, .. } => Exceeded::at(limit, *max).got(*got),
        QueryError::PointsLimit { max, got } => Exceeded::at(limit, *max).got(*got),
        QueryError::MemoryLimit { max }
        | QueryError::ResponseLimit { max }
        | QueryError::RegexLength { max }
        | QueryError::RegexLimit { max }
        | QueryError::Source(SourceError::TooManySeries { max }) => Exceeded::at(limit, *max),
        QueryError::SamplesLimit { max } => Exceeded::at(limit, *max as usize),
        // The rest carry none; who waits for the time limit answers by himself (`too_late`).
        _ => Exceeded::from(limit),
    })
}

#[cfg(test)]
mod tests {
    use bellwether_lang::promql::ast::Span;

    use super::*;
    use crate::api::testing::{World, block_on};

    fn patience() -> Patience {
        Patience::new(Duration::from_secs(10), None)
    }

    #[test]
    fn a_panic_is_an_internal_error_and_its_place_is_free_again() {
        let world = World::with(|http| http.query_concurrency = 1);
        block_on(async {
            let work = |_: &Control| -> Result<(), Refusal> { panic!("on purpose") };
            let refusal = run(&world.api, patience(), work).await.unwrap_err();
            assert_eq!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert!(
                !refusal.message.contains("on purpose"),
                "{}",
                refusal.message
            );
            assert_eq!(run(&world.api, patience(), |_| Ok(7)).await.unwrap(), 7);
        });
        assert_eq!(world.api.counters.query_totals().0, 2);
    }

    /// Reads until it is stopped; tells why it was.
    fn until_stopped(control: &Control) -> QueryError {
        use bellwether_query::{Options, instant, source::memory::MemorySource};
        let expr = bellwether_lang::promql::parse("x").unwrap();
        let now = bellwether_model::TimestampMs(0);
        loop {
            match instant(
                &expr,
                &MemorySource::default(),
                now,
                &Options::default(),
                control,
            ) {
                Ok(_) => std::thread::yield_now(),
                Err(error) => return error,
            }
        }
    }

    #[test]
    fn late_work_is_answered_at_once_and_stopped() {
        let world = World::new();
        let (tell, told) = std::sync::mpsc::channel();
        block_on(async {
            let asked = Patience::new(Duration::from_secs(30), Some(DurationMs(20)));
            let work = move |control: &Control| {
                tell.send(until_stopped(control)).unwrap();
                Ok(())
            };
            let refusal = run(&world.api, asked, work).await.unwrap_err();
            assert_eq!(
                (refusal.status.as_u16(), refusal.kind),
                (503, Some("timeout"))
            );
            assert_eq!(
                refusal.message,
                "the query took longer than the 20ms it asked for"
            );
        });
        assert!(matches!(told.recv().unwrap(), QueryError::Timeout));
    }

    #[test]
    fn query_timeout_is_named_with_its_configured_value() {
        let world = World::new();
        block_on(async {
            let short = Patience::new(Duration::from_millis(5), Some(DurationMs(60_000)));
            let work = |control: &Control| Err::<(), _>(refusal(&until_stopped(control)));
            let refusal = run(&world.api, short, work).await.unwrap_err();
            assert_eq!(
                refusal.message,
                "the query took too long: query.timeout is 5 ms"
            );
        });
    }

    #[test]
    fn work_that_nobody_waits_for_is_stopped() {
        let world = World::new();
        let (tell, told) = std::sync::mpsc::channel();
        let (begin, begun) = tokio::sync::oneshot::channel();
        block_on(async {
            let work = move |control: &Control| {
                let _ = begin.send(());
                tell.send(until_stopped(control)).unwrap();
                Ok(())
            };
            tokio::select! {
                _ = run(&world.api, patience(), work) => panic!("it never ends by itself"),
                _ = begun => {}
            }
        });
        assert!(matches!(told.recv().unwrap(), QueryError::Cancelled));
    }

    #[test]
    fn errors_get_the_status_and_word_of_the_api() {
        let span = Span { start: 0, end: 1 };
        for (error, status, word, limit) in [
            (QueryError::Steps("x"), 400, "bad_data", None),
            (
                QueryError::PointsLimit { max: 1, got: 2 },
                400,
                "bad_data",
                Some("query.max_points"),
            ),
            (
                QueryError::SamplesLimit { max: 1 },
                422,
                "execution",
                Some("query.max_samples"),
            ),
            (
                QueryError::MemoryLimit { max: 1 },
                422,
                "execution",
                Some("query.memory"),
            ),
            (
                QueryError::ResponseLimit { max: 1 },
                422,
                "execution",
                Some("query.response_bytes"),
            ),
            (QueryError::Timeout, 503, "timeout", Some("query.timeout")),
            (QueryError::Cancelled, 499, "canceled", None),
            (
                QueryError::Source(SourceError::TooManySeries { max: 1 }),
                422,
                "execution",
                Some("query.max_series"),
            ),
            (
                QueryError::Source(SourceError::Read("disk".into())),
                500,
                "internal",
                None,
            ),
            (
                QueryError::Eval {
                    message: "m".into(),
                    span,
                },
                422,
                "execution",
                None,
            ),
        ] {
            let refusal = refusal(&error);
            assert_eq!(refusal.status.as_u16(), status, "{error}");
            assert_eq!(refusal.limit.map(|e| e.limit.name), limit, "{error}");
            let answer = refusal.answer(crate::edge::answer::Shape::Prometheus);
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["errorType"], word, "{error}");
        }
    }
}
