//! What Influx clients ask before they write: is anybody there, which databases are there, make me one.

use std::sync::Arc;

use bellwether_store::Health;
use hyper::StatusCode;

use super::{INFLUX_VERSION, Influx, signed};
use crate::edge::answer::{Answer, Refusal};
use crate::edge::form;
use crate::edge::route::Call;

/// `GET /ping`.
pub(super) async fn ping(_: Arc<Influx>, call: Call) -> Result<Answer, Refusal> {
    let params = call.query_params()?;
    if params
        .get("verbose")
        .is_none_or(|v| v == "false" || v == "0")
    {
        return Ok(signed(Answer::empty(StatusCode::NO_CONTENT)));
    }
    Ok(signed(Answer::json(format!(
        "{{\"version\":\"{INFLUX_VERSION}\"}}"
    ))))
}

/// `GET /health`: 503 while samples are not taken.
pub(super) async fn health(influx: Arc<Influx>, _: Call) -> Result<Answer, Refusal> {
    let (status, verdict, message) = match influx.store.health() {
        Health::Ok => (
            StatusCode::OK,
            "pass",
            "ready for queries and writes".to_owned(),
        ),
        Health::ReadOnly { reason } => {
            let message = format!("{}: the store is read-only: {reason}", reason.code());
            (StatusCode::SERVICE_UNAVAILABLE, "fail", message)
        }
    };
    let body = serde_json::json!({
        "name": "influxdb",
        "message": message,
        "status": verdict,
        "version": INFLUX_VERSION,
    });
    Ok(signed(Answer::new(
        status,
        "application/json",
        body.to_string(),
    )))
}

/// `GET` or `POST /query`: the two statements that writing clients send.
pub(super) async fn query(influx: Arc<Influx>, call: Call) -> Result<Answer, Refusal> {
    let params = form::params(call, &influx.http, form::MAX).await?;
    let Some(text) = params.get("q") else {
        return Err(Refusal::bad_request("missing required parameter \"q\""));
    };
    match answer_to(text) {
        Some(answer) => Ok(signed(Answer::json(answer))),
        None => Err(Refusal::bad_request(
            "error parsing query: only SHOW DATABASES and CREATE DATABASE are supported",
        )),
    }
}

/// The answer to a statement, if it is one of ours. Every database exists: it is a label.
fn answer_to(statement: &str) -> Option<&'static str> {
    let statement = statement.trim().trim_end_matches(';');
    let mut words = statement
        .split_ascii_whitespace()
        .map(str::to_ascii_uppercase);
    match (words.next()?.as_str(), words.next()?.as_str(), words.next()) {
        ("SHOW", "DATABASES", None) => Some(
            r#"{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["default"]]}]}]}"#,
        ),
        ("CREATE", "DATABASE", Some(_)) => Some(r#"{"results":[{"statement_id":0}]}"#),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_statements_are_understood() {
        for statement in [
            "SHOW DATABASES",
            "show databases;",
            " CREATE DATABASE \"x\" ",
            "create database x with duration 1d",
        ] {
            let answer = answer_to(statement).unwrap();
            serde_json::from_str::<serde_json::Value>(answer).unwrap();
        }
        for statement in [
            "",
            "SHOW",
            "SHOW DATABASES x",
            "CREATE DATABASE",
            "DROP DATABASE x",
            "SELECT 1",
        ] {
            assert_eq!(answer_to(statement), None, "{statement}");
        }
    }
}
