//! The running server: sockets, HTTP, the rules' schedule, delivery. Alone in knowing async and the clock.
//!
//! - [`config`]: what a server is told.
//! - [`clock`]: the one reader of clocks.
//! - [`folder`]: the API's answers for a data folder without a server.
//! - [`remote`]: the samples of another server, as a source of queries.
//!
//! [`serve`] runs until its `shutdown` future ends. It installs no logger and no signal handler: both
//! belong to the program around it.
#![forbid(unsafe_code)]

pub mod address;
mod api;
pub mod client;
pub mod clock;
pub mod config;
mod counters;
mod edge;
mod error;
pub mod folder;
mod influx;
pub mod ingest;
mod live;
pub mod remote;
pub mod rule_files;
mod serve;
mod tls;
mod upkeep;

#[doc(hidden)]
pub mod fuzzing;

pub use config::{Durability, HttpLimits, Ready, Reload, RulesLoaded, ServeConfig};
pub use error::ServeError;
pub use live::own::own_metrics;
pub use serve::{LEDGER_FILE, serve};
