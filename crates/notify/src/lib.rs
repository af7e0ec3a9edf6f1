//! Channels: a notice becomes a request or a line, an answer becomes what to do next.
//!
//! Pure: nothing here sends, waits, or knows a secret. The server sends what [`webhook::request`] makes, puts the
//! secret in, and asks [`outcome`] what the answer means and when to try again.
//!
//! - [`mod@line`]: the channel `log`, one line a notice.
//! - [`webhook`]: Alertmanager's JSON over HTTP.
//! - [`outcome`]: delivered, again later, or given up.
//! - [`redact`]: what may be shown of a URL.
//!
//! Not here: who is told (`engine`), what was told (`ledger`), sockets (`server`).
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod fuzzing;
pub mod line;
pub mod outcome;
pub mod redact;
pub mod webhook;

pub use line::log_line;
pub use outcome::{Answer, Next, Tries, Verdict, judge, next};
pub use redact::shown_url;
pub use webhook::{Request, Webhook};
