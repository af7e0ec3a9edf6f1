//! Asking a running server: its answer, or why there is none, in words that name the server but nothing secret in its address.

use anyhow::{Context, Result, anyhow, bail};
use bellwether_server::address::{Address, AddressError};
use bellwether_server::client::{self, ClientError};
use serde_json::Value;

use super::output;

/// The body of a server's answer to a form, unless it refused.
pub(super) fn post(base: &str, path: &str, form: &[(&str, String)]) -> Result<String> {
    answered(
        base,
        path,
        client::post_form(&format!("{base}{path}"), form),
    )
}

/// The body of what a server has at a path, unless it refused.
pub(super) fn get(base: &str, path: &str) -> Result<String> {
    answered(base, path, client::get(&format!("{base}{path}")))
}

fn answered(base: &str, path: &str, body: Result<Vec<u8>, ClientError>) -> Result<String> {
    let base = shown(base);
    let body = body.map_err(|error| {
        let error = anyhow::Error::new(error);
        // What lies between says what was asked of whom, which stands here already.
        let cause = error.root_cause();
        anyhow!("no answer from {base}: {cause}; is `bellwether serve` running? --data DIR asks a folder")
    })?;
    let answer: Value = serde_json::from_slice(&body).map_err(|_| {
        anyhow!(
            "{base}{path} is no answer of Bellwether's: {}",
            first_line(&body)
        )
    })?;
    if answer["status"] != "success" {
        let error = answer["error"].as_str();
        bail!("{}", error.unwrap_or("the server refused without a reason"));
    }
    let body = String::from_utf8(body).context("the answer is not text")?;
    Ok(body.trim_end().to_owned())
}

/// The address of a server as people may see it.
fn shown(base: &str) -> String {
    let address: Result<Address, AddressError> = base.parse();
    address.map_or_else(|_| String::new(), |address| address.to_string())
}

/// As much of a body as says what it is.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let line = text.trim().lines().next().unwrap_or("(empty)");
    output::harmless(&console::truncate_str(line, 80, "…"))
}
