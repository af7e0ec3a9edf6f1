//! Whole servers behind real sockets: what clients send, good and bad, and what they get.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

mod bad_requests;
mod disk_full;
mod grafana;
mod hostile;
mod reload;
mod remote_read;
mod remote_source;
mod writes;
