//! The two languages people write: PromQL and the rule language, from text to typed trees.
//!
//! Pure: text in, tree or messages out; no clock, no file, no network. Any text is legal input: mistakes are
//! values with a place, never a panic.
//!
//! - [`promql`]: expressions, as Prometheus reads them.
//! - [`rules`]: `*.rules` files: alerts, recording rules, channels, routes.
//!
//! Not here: what an expression computes (`query`), what an alert does in time (`engine`).
#![forbid(unsafe_code)]

pub mod promql;
pub mod rules;
