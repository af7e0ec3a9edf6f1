//! Why a server did not start, or ended by itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address that others can reach, and nothing that would ask them who they are.
    #[error(
        "refusing to listen on {listen}: it is not a loopback address and requests are not authenticated; \
         listen on 127.0.0.1, or say --insecure-no-auth"
    )]
    NotLoopback {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address is taken, or not ours.
    #[error("cannot listen on {listen}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder could not be opened.
    #[error("cannot open the store in {}", path.display())]
    Store {
        /// The folder.
        path: PathBuf,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine's state could not be read.
    #[error("cannot open the ledger {}", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What the ledger said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A thread or a timer could not be made.
    #[error("cannot start {what}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The store could not be closed in order. What was acknowledged is safe: the next start reads the log.
    #[error("cannot close the store in {}", path.display())]
    Close {
        /// The folder.
        path: PathBuf,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
