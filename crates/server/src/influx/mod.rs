//! What Influx clients speak: writes, and the few questions they ask before the first one.
//!
//! - `write`: `/write` and `/api/v2/write` around [`LineIngest`](crate::ingest::LineIngest).
//! - `probe`: `/ping`, `/health`, `/query` as far as clients need them.
//! - `budget`: how many bytes of bodies may be in memory at a time.
//!
//! Not here: reading lines (`wire`), finding series and storing samples (`ingest`).

mod budget;
mod probe;
mod write;

use std::future::Future;
use std::sync::Arc;

use bellwether_store::Store;
use hyper::Method;
use hyper::header::HeaderValue;

use crate::config::{Durability, HttpLimits};
use crate::counters::Counters;
use crate::edge::answer::{Answer, Refusal, Shape};
use crate::edge::route::{Call, Route, Scope, Takes};
use crate::ingest::LineIngest;
use budget::Budget;

/// What the handlers share.
pub(crate) struct Influx {
    store: Store,
    ingest: LineIngest,
    counters: Arc<Counters>,
    http: HttpLimits,
    durability: Durability,
    budget: Budget,
}

impl Influx {
    pub(crate) fn new(
        store: Store,
        counters: Arc<Counters>,
        http: HttpLimits,
        durability: Durability,
    ) -> Influx {
        Influx {
            ingest: LineIngest::new(store.clone()),
            budget: Budget::new(http.inflight_max),
            store,
            counters,
            http,
            durability,
        }
    }
}

/// Every route of this folder.
pub(crate) fn routes(influx: &Arc<Influx>) -> Vec<Route> {
    use Shape::{InfluxV1, InfluxV2};
    const POST: &[Method] = &[Method::POST];
    const GET: &[Method] = &[Method::GET];
    const GET_POST: &[Method] = &[Method::GET, Method::POST];
    vec![
        route(
            influx,
            POST,
            "/write",
            Scope::Ingest,
            (InfluxV1, Takes::Samples),
            write::v1,
        ),
        route(
            influx,
            POST,
            "/api/v2/write",
            Scope::Ingest,
            (InfluxV2, Takes::Samples),
            write::v2,
        ),
        route(
            influx,
            GET,
            "/ping",
            Scope::Public,
            (InfluxV1, Takes::Nothing),
            probe::ping,
        ),
        route(
            influx,
            GET,
            "/health",
            Scope::Public,
            (InfluxV1, Takes::Nothing),
            probe::health,
        ),
        route(
            influx,
            GET_POST,
            "/query",
            Scope::Read,
            (InfluxV1, Takes::Form),
            probe::query,
        ),
    ]
}

/// One route, its handler given what all of them share.
fn route<F>(
    influx: &Arc<Influx>,
    methods: &'static [Method],
    path: &'static str,
    scope: Scope,
    form: (Shape, Takes),
    handler: fn(Arc<Influx>, Call) -> F,
) -> Route
where
    F: Future<Output = Result<Answer, Refusal>> + Send + 'static,
{
    let influx = Arc::clone(influx);
    let run = move |call: Call| handler(Arc::clone(&influx), call);
    Route::new(methods, path, scope, form, run)
}

/// The version of Influx whose answers these are; clients read it before they write.
const INFLUX_VERSION: &str = "1.8.10";

/// Adds what Influx clients expect on every answer, refusals too.
pub(crate) fn sign(answer: &mut Answer) {
    let headers = &mut answer.headers;
    headers.insert(
        "x-influxdb-version",
        HeaderValue::from_static(INFLUX_VERSION),
    );
    headers.insert("x-influxdb-build", HeaderValue::from_static("OSS"));
}

/// An answer of these paths.
fn signed(mut answer: Answer) -> Answer {
    sign(&mut answer);
    answer
}
