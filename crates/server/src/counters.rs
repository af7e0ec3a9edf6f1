//! What the HTTP side counts about itself since the start.
//!
//! Not here: what the store and the rules count (`live/own.rs` gathers all of it).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Totals since the start. Shared by all handlers.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: Mutex<BTreeMap<u16, u64>>,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    limit_hits: Mutex<BTreeMap<&'static str, u64>>,
    queries: AtomicU64,
    query_nanos: AtomicU64,
    connections: AtomicU64,
}

impl Counters {
    /// A request was answered with this status.
    pub(crate) fn answered(&self, status: u16) {
        *self.requests.lock().entry(status).or_default() += 1;
    }

    /// Samples or lines were refused for this reason, by its short name.
    pub(crate) fn rejected(&self, reason: &'static str, count: u64) {
        *self.rejected.lock().entry(reason).or_default() += count;
    }

    /// A request ran into the limit of this name.
    pub(crate) fn limit_hit(&self, limit: &'static str) {
        *self.limit_hits.lock().entry(limit).or_default() += 1;
    }

    /// A query was evaluated, whatever came of it.
    pub(crate) fn queried(&self, took: Duration) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.query_nanos
            .fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// A connection was opened.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by status.
    pub(crate) fn requests_by_status(&self) -> BTreeMap<u16, u64> {
        self.requests.lock().clone()
    }

    /// Refused samples and lines by reason.
    pub(crate) fn rejected_by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.rejected.lock().clone()
    }

    /// Refused requests by limit.
    pub(crate) fn hits_by_limit(&self) -> BTreeMap<&'static str, u64> {
        self.limit_hits.lock().clone()
    }

    /// Queries evaluated, and the seconds they took together.
    pub(crate) fn query_totals(&self) -> (u64, f64) {
        let nanos = self.query_nanos.load(Ordering::Relaxed);
        (self.queries.load(Ordering::Relaxed), nanos as f64 / 1e9)
    }

    /// Connections opened.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}
