//! Bellwether as a library: a time-series store, PromQL, and a rule engine, in your program.
//!
//! Everything here is synchronous and knows no clock: the present is an argument. No logger is installed, no thread is
//! started but the store's own log thread. A program that wants the HTTP server takes the feature `server`.
//!
//! ```
//! use std::sync::Arc;
//! use bellwether::disk::SimDisk;
//! use bellwether::{Config, Labels, Store, TimestampMs, promql, query};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = TimestampMs(1_800_000_000_000);
//! let disk = Arc::new(SimDisk::new()); // `disk::RealDisk::shared()` for real files.
//! let (store, _) = Store::open(disk, "data".as_ref(), Config::default(), now)?;
//! let mut appender = store.appender();
//! let series = appender.series(&Labels::from_pairs([("__name__", "up"), ("job", "etl")]))?;
//! appender.push(series, now, 1.0);
//! appender.commit(now)?; // Durable and visible from here on.
//!
//! let view = store.view();
//! let expr = promql::parse("sum(up)")?;
//! let answer = query::instant(&expr, &query::source::store::ViewSource(&view), now, &Default::default(), &query::Control::new())?;
//! assert!(matches!(answer.value, query::Value::Vector(ref v) if v.len() == 1));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embedded.rs` adds a rule and its alert.
#![forbid(unsafe_code)]

/// Disks: the real one, and one in memory that crashes for tests.
pub use bellwether_disk as disk;
/// Rules and alerts as pure state machines.
pub use bellwether_engine as engine;
/// PromQL: text to typed trees and back.
pub use bellwether_lang::promql;
/// The rule language: files to rules, with every mistake at its place.
pub use bellwether_lang::rules;
/// Durable engine state, outbox and history.
pub use bellwether_ledger as ledger;
/// Labels, times, values, limits.
pub use bellwether_model as model;
/// Evaluates PromQL.
pub use bellwether_query as query;
/// The HTTP server with its schedule and delivery.
#[cfg(feature = "server")]
pub use bellwether_server as server;
/// Samples on disk.
pub use bellwether_store as store;
/// Wire formats to samples.
pub use bellwether_wire as wire;

pub use bellwether_engine::{Engine, Tick};
pub use bellwether_lang::rules::RuleSet;
pub use bellwether_model::{DurationMs, Labels, Matcher, TimestampMs};
pub use bellwether_store::{Appender, Config, Store, View};
