//! How many questions are worked on at a time: the others wait, not too many and not too long.

use std::sync::Arc;
use std::time::Duration;

use bellwether_model::limits::{QUERY_QUEUE_MAX, QUERY_QUEUE_WAIT};
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::HttpLimits;
use crate::edge::answer::{Exceeded, Refusal};

/// When one that was turned away may come again, in seconds.
const RETRY_AFTER: u32 = 5;

/// Lets `query.concurrency` in and `query.queue` wait, each at most `query.queue_wait`.
pub(super) struct Gate {
    places: Arc<Semaphore>,
    queue: Semaphore,
    queue_max: usize,
    wait: Duration,
}

/// A place at work; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    pub(super) fn new(http: &HttpLimits) -> Gate {
        Gate {
            places: Arc::new(Semaphore::new(http.query_concurrency)),
            queue: Semaphore::new(http.query_queue),
            queue_max: http.query_queue,
            wait: http.query_queue_wait,
        }
    }

    /// A place, if one is free.
    pub(super) fn enter_at_once(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _permit: permit })
    }

    /// A place, at once or after a wait in the queue: first come, first served.
    pub(super) async fn enter(&self) -> Result<Place, Refusal> {
        if let Some(place) = self.enter_at_once() {
            return Ok(place);
        }
        let Ok(_waiting) = self.queue.try_acquire() else {
            return Err(refuse(
                "too many queries are waiting already",
                Exceeded::at(&QUERY_QUEUE_MAX, self.queue_max),
            ));
        };
        match tokio::time::timeout(self.wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // The semaphore is never closed: it is time that ran out.
            Ok(Err(_)) | Err(_) => Err(refuse(
                "the query waited too long for its turn",
                Exceeded::after(&QUERY_QUEUE_WAIT, self.wait),
            )),
        }
    }
}

fn refuse(what: &str, limit: Exceeded) -> Refusal {
    let mut refusal = Refusal::limited(StatusCode::SERVICE_UNAVAILABLE, what, limit);
    refusal.retry_after = Some(RETRY_AFTER);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::block_on;

    #[test]
    fn those_beyond_the_queue_and_those_who_wait_too_long_are_told_which_limit() {
        let gate = Gate::new(&HttpLimits {
            query_concurrency: 1,
            query_queue: 1,
            query_queue_wait: Duration::from_millis(30),
            ..HttpLimits::default()
        });
        block_on(async {
            let first = gate.enter().await.unwrap();
            let (second, third) = tokio::join!(gate.enter(), gate.enter());
            for (refused, limit, max) in
                [(second, "query.queue_wait", 30), (third, "query.queue", 1)]
            {
                let refusal = refused.unwrap_err();
                let named = refusal.limit.map(|e| (e.limit.name, e.max));
                assert_eq!(named, Some((limit, max)));
                assert_eq!(
                    (refusal.status.as_u16(), refusal.retry_after),
                    (503, Some(RETRY_AFTER))
                );
            }
            drop(first);
            gate.enter().await.unwrap();
        });
    }
}
