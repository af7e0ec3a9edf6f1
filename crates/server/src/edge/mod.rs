//! The edge: from a socket to a call with its route found, and from an answer back to bytes.
//!
//! Bytes come in through [`guard`] (which follows them with [`framing`]), `hyper` makes requests of them,
//! [`service`] checks who is addressed and which [`route`] it is, and the route's handler answers.
//! Nothing in here knows what a sample or a query is.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod form;
pub(crate) mod framing;
mod guard;
pub(crate) mod hosts;
pub(crate) mod listen;
pub(crate) mod outgoing;
mod packing;
pub(crate) mod params;
pub(crate) mod route;
pub(crate) mod service;

#[cfg(test)]
mod tests;
