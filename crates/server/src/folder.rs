//! Answers made from a data folder that no server has open, in the words of the HTTP API: the command line asks the same
//! question of a server and of a folder, and prints the same answer.

use std::sync::Arc;

use bellwether_engine::replay::Backtest;
use bellwether_engine::sla::SlaReport;
use bellwether_engine::{Engine, Options};
use bellwether_lang::rules::{RuleSet, SourceFile, check};
use bellwether_ledger::{Ledger, LedgerError, Snapshot};
use bellwether_model::TimestampMs;

use crate::api::{Asked, alerts_body, backtest_report, by_rule_body, changes_body, sla_body};
use crate::edge::answer::Refusal;
use crate::edge::params::Params;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A parameter is wrong.
    #[error("{0}")]
    Refused(String),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The rules that the ledger keeps cannot run, so that its alerts mean nothing.
    #[error("the rules kept with the alerts cannot run: {0}")]
    Rules(String),
}

impl From<Refusal> for FolderError {
    fn from(refusal: Refusal) -> FolderError {
        FolderError::Refused(refusal.message)
    }
}

/// As `/api/bw/v1/history`.
pub fn history(
    ledger: &Ledger,
    params: &[(&str, String)],
    now: TimestampMs,
) -> Result<String, FolderError> {
    Ok(changes_body(ledger, &asked(params, now))?)
}

/// As `/api/bw/v1/history/rules`.
pub fn history_by_rule(
    ledger: &Ledger,
    params: &[(&str, String)],
    now: TimestampMs,
) -> Result<String, FolderError> {
    Ok(by_rule_body(ledger, &asked(params, now))?)
}

/// As `/api/bw/v1/sla`.
pub fn sla(reports: &[SlaReport]) -> String {
    sla_body(reports)
}

/// As `/api/bw/v1/backtest`.
pub fn backtest(backtest: &Backtest, against: Option<&Backtest>) -> String {
    backtest_report(backtest, against)
}

/// As `/api/v1/alerts`: the alerts as the last committed tick left them, under the rules that ran then.
pub fn alerts(ledger: &Ledger, now: TimestampMs) -> Result<String, FolderError> {
    let snapshot = ledger.load()?;
    let rules = |text: String| FolderError::Rules(text);
    let set = kept_rules(&snapshot)?;
    let engine = Engine::new(Arc::new(set), Options::default());
    let mut engine = engine.map_err(|circle| rules(circle.to_string()))?;
    engine.restore(snapshot.instances);
    Ok(alerts_body(&engine.status(now)))
}

fn kept_rules(snapshot: &Snapshot) -> Result<RuleSet, FolderError> {
    let Some(sources) = &snapshot.rules else {
        return Ok(RuleSet::default());
    };
    let file = |(path, text): &(String, String)| SourceFile {
        path: path.clone(),
        text: text.clone(),
    };
    let files: Vec<SourceFile> = sources.files.iter().map(file).collect();
    let checked = check(&files);
    if checked.has_errors() {
        let text = "they loaded in another version of this program".to_owned();
        return Err(FolderError::Rules(text));
    }
    Ok(checked.rules)
}

fn asked(params: &[(&str, String)], now: TimestampMs) -> Asked {
    Asked {
        params: Params::of(params),
        path_part: None,
        now,
    }
}
