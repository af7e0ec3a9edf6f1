//! The time-series store: samples in, durable and compressed; columns out, as of one moment.
//!
//! A sample's way: an [`Appender`] collects a batch; the log thread (`wal::log`) decides what is taken, writes it to the
//! write-ahead log, syncs, and inserts it into the head (`head`), where it becomes visible; a flush
//! (`flush`) turns the head into a segment (`segment`), whose name one transaction of the catalogue (`catalog`)
//! makes official. A [`View`] reads all of it as it was at one moment.
//!
//! Promises:
//! - What was acknowledged survives `kill -9` and power loss ([`Durability::Sync`]), batch by batch, whole.
//! - Every value comes back bit for bit.
//! - Everything read from disk is checked before it is used; damage costs the damaged part, and is reported.
//! - A view never changes.
//!
//! A store's folder: `lock`, `catalog.redb`, `wal/` (the log), `seg/` (segments), `tmp/` (unfinished segments),
//! `quarantine/` (damaged files, with reports). The layout of each file is documented where it is read and
//! written: `wal::frame`, `wal::record`, `segment`, `catalog`, `meta_codec`.
//!
//! Not here: clocks (time is an argument), networks, query languages. One thread, the log's.
#![forbid(unsafe_code)]

pub mod codec;
pub mod segment;

mod appender;
mod batch;
mod catalog;
mod config;
mod digest;
mod earlier;
mod error;
mod flush;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod index;
mod meta_codec;
mod recovery;
mod retention;
mod segments;
mod selection;
mod shared;
mod stats;
mod store;
mod upkeep;
mod view;
mod visible;
mod wal;

pub use appender::{Appender, SeriesRef};
pub use config::{Config, DuplicatePolicy, Durability};
pub use digest::{Course, Digest, Digests, Need, Totals};
pub use error::{AppendError, Commit, Health, ReadOnly, RejectReason, Rejected, StoreError};
pub use recovery::{DamagedLog, QuarantinedSegment, RecoveryReport};
pub use selection::Selection;
pub use stats::{FlushReport, Maintenance, Stats, VerifyReport};
pub use store::Store;
pub use view::View;
