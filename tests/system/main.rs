//! The whole system, tried from outside: the real binary over HTTP, killed and restarted, and the
//! claims that `ARCHITECTURE.md`, `README.md` and `docs/` make, held against the tree.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests are the outside world: they read clocks, files and wait"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod architecture;
mod datasets;
mod delivery;
mod embedded;
mod fuzzing;
mod kill;
mod limits;
mod main_job;
mod memory;
mod readme;
mod restart;
mod support;
