//! How many bytes of bodies may be in memory at a time: what is over it is told to come back, before it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether_model::limits::INGEST_INFLIGHT_MAX;
use hyper::StatusCode;

use crate::edge::answer::{Exceeded, Refusal};

/// Bytes left.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: Arc<AtomicUsize>,
    max: usize,
}

/// Seconds after which there is likely to be room again.
const RETRY_AFTER: u32 = 1;

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        Budget {
            left: Arc::new(AtomicUsize::new(bytes)),
            max: bytes,
        }
    }

    /// A share of nothing yet.
    pub(super) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// What one request holds of the budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Takes more, or refuses when there is not as much left.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let take = |left: usize| left.checked_sub(bytes);
        let left = &self.budget.left;
        if left
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, take)
            .is_ok()
        {
            self.bytes += bytes;
            return Ok(());
        }
        let mut refusal = Refusal::limited(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many bytes are being written at once, try again",
            Exceeded::at(&INGEST_INFLIGHT_MAX, self.budget.max),
        );
        refusal.retry_after = Some(RETRY_AFTER);
        Err(refusal)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let budget = Budget::new(10);
        let mut a = budget.share();
        a.grow(6).unwrap();
        let mut b = budget.share();
        let refusal = b.grow(5).unwrap_err();
        assert_eq!(
            (refusal.status.as_u16(), refusal.retry_after),
            (503, Some(1))
        );
        b.grow(4).unwrap();
        drop(a);
        b.grow(6).unwrap();
        assert!(budget.share().grow(1).is_err());
    }
}
