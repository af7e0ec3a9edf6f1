//! A small blocking client for the command line: one request, one answer.
//!
//! Not here: delivery of notices, which has its own rules (`live/senders.rs`).

use std::fmt::Write as _;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use bellwether_query::{Control, Explanation, QueryError};

use crate::api::envelope::explained;
use crate::api::query_body;
use crate::tls;

/// The longest the command line waits for an answer: somewhat longer than a query may run.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The runtime for the request could not be made.
    #[error("starting the client")]
    Start(#[source] std::io::Error),
    /// Nobody answered, or not in time.
    #[error("asking the server")]
    Request(#[source] reqwest::Error),
}

/// The body with which the API answers a query: for answers that come from a data folder. At most `rows_max` series of it. Errors when
/// it is longer than an answer may be.
pub fn envelope(answer: bellwether_query::Answer, rows_max: usize) -> Result<String, QueryError> {
    query_body(answer, rows_max, None, &Control::new())
}

/// The body with which the API explains a query: for one that a data folder was asked.
pub fn explanation(explanation: &Explanation) -> String {
    explained(explanation)
}

/// Sends `form` as `application/x-www-form-urlencoded` and returns the body of the answer, whatever its
/// status. Blocks; not to be called from async code.
pub fn post_form(url: &str, form: &[(&str, String)]) -> Result<Vec<u8>, ClientError> {
    let mut body = String::new();
    for (name, value) in form {
        let joint = if body.is_empty() { "" } else { "&" };
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        let _ = write!(body, "{joint}{name}={value}"); // A String takes all of it.
    }
    exchange(|client| {
        client
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    })
}

/// The body of what is at `url`, whatever the answer's status. Blocks; not to be called from async code.
pub fn get(url: &str) -> Result<Vec<u8>, ClientError> {
    exchange(|client| client.get(url))
}

fn exchange(
    request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
) -> Result<Vec<u8>, ClientError> {
    let (client, runtime) = blocking(|builder| builder.timeout(ANSWER_TIMEOUT))?;
    let answer = async { request(&client).send().await?.bytes().await };
    let bytes = runtime.block_on(answer).map_err(ClientError::Request)?;
    Ok(bytes.to_vec())
}

/// A client, and the runtime that it is driven by while somebody waits for an answer.
pub(crate) fn blocking(
    configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<(reqwest::Client, tokio::runtime::Runtime), ClientError> {
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ClientError::Start)?;
    let client = configure(reqwest::Client::builder().no_proxy()).build();
    Ok((client.map_err(ClientError::Request)?, runtime))
}
