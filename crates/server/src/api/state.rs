//! What the handlers share.

use std::sync::Arc;

use bellwether_model::limits::EXPORT_CONCURRENCY;
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_query::Options;
use bellwether_store::Store;
use tokio::sync::Semaphore;

use super::gate::Gate;
use crate::config::HttpLimits;
use crate::counters::Counters;
use crate::live::own::OwnFigures;
use crate::live::publish::Published;
use crate::live::rules::Orders;

/// Everything that answers are made of.
pub(crate) struct Api {
    pub(super) store: Store,
    pub(super) published: Arc<Published>,
    pub(super) orders: Orders,
    pub(super) own: OwnFigures,
    pub(super) counters: Arc<Counters>,
    pub(super) http: HttpLimits,
    pub(super) gate: Gate,
    /// A place for each export that may run.
    pub(super) exports: Arc<Semaphore>,
    /// How every query is evaluated that does not ask otherwise.
    pub(super) options: Options,
    /// When the server started.
    pub(super) started: TimestampMs,
    /// How long samples are kept.
    pub(super) retention: DurationMs,
}

impl Api {
    /// `own` and `orders` are those of the running rules; `started` is now.
    pub(crate) fn new(
        own: OwnFigures,
        orders: Orders,
        http: HttpLimits,
        retention: DurationMs,
        started: TimestampMs,
    ) -> Api {
        Api {
            store: own.store.clone(),
            published: Arc::clone(&own.published),
            counters: Arc::clone(&own.counters),
            orders,
            own,
            gate: Gate::new(&http),
            exports: Arc::new(Semaphore::new(EXPORT_CONCURRENCY.usize())),
            options: Options::default(),
            http,
            started,
            retention,
        }
    }
}
