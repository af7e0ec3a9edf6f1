//! What the ledger promises, on a disk that crashes, fails and fills up.

mod codec;
mod crash;
mod meaning;
mod scenario;
