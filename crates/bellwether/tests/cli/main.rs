//! The command line, from outside: the real binary, what it prints where, and its exit codes.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests play the user: they write files and read the clock"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod alerts;
mod backtest;
mod bench;
mod check;
mod fmt;
mod help;
mod import;
mod import_rules;
mod packs;
mod query;
mod run;
mod serve;
mod sla;
mod tests;
mod verify;
mod windows;
