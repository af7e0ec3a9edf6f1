//! The PromQL front end through its public face: upstream's cases, our scripts, limits, properties.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod limits;
mod parts;
mod properties;
mod scripts;
