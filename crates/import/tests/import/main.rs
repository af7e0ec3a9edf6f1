//! Imports of whole files: those of other projects when they are at hand, and fixtures of our own.
#![expect(clippy::disallowed_methods, reason = "a test may read files")]

mod alertmanager;
mod conformance;
mod fixtures;
mod shared;
