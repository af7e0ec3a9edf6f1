//! Bytes to samples and back: the formats that others speak. Pure: no clock, no files, no sockets.
//!
//! - [`line_protocol`]: InfluxDB line protocol in.
//! - [`export`]: JSON lines and CSV out.
//! - [`exposition`]: Prometheus' text format out.
//! - [`remote_read`]: Prometheus' questions for samples and the samples that answer them, both ways.
//! - [`gzip`]: bodies out of gzip, with limits that hold while they are decoded.
//!
//! Promises: no input panics; every refusal names its line and column, or the limit; nothing is allocated
//! for a length that the input merely claims.
//!
//! Not here: which series a sample belongs to in a store, and what an answer to a client looks like (`server`).
#![forbid(unsafe_code)]

pub mod export;
pub mod exposition;
#[doc(hidden)]
pub mod fuzzing;
pub mod gzip;
pub mod line_protocol;
pub mod remote_read;
