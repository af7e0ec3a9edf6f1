//! `bellwether alerts`: what is pending or firing, and with `--history` what has happened and what it says about each rule.
//!
//! A server and a data folder are asked the same questions and answer in the same words: see `folder.rs` of the server.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use bellwether_disk::{Disk, RealDisk};
use bellwether_ledger::Ledger;
use bellwether_model::{DurationMs, TimestampMs};
use bellwether_server::{LEDGER_FILE, folder};
use bellwether_store::{Store, StoreError};
use serde_json::{Value, json};

use super::args::{self, ListOutput};
use super::query::time;
use super::{asking, data, now, output, print};

pub(crate) fn run(args: &args::Alerts) -> Result<ExitCode> {
    let asker = Asker::new(args)?;
    if args.history {
        history(args, &asker)?;
    } else {
        alerts(args, &asker)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What fires, or is on its way to.
fn alerts(args: &args::Alerts, asker: &Asker<'_>) -> Result<()> {
    let answer = asker.ask(Question::Alerts, &[])?;
    let alerts = list(&answer, "alerts")?;
    let wanted: Vec<&Value> = alerts.iter().filter(|alert| wants(args, alert)).collect();
    if args.output == ListOutput::Json {
        return print::out(&format!("{}\n", json!({ "alerts": wanted })));
    }
    if wanted.is_empty() {
        return print::out("no alerts\n");
    }
    let rows = wanted.iter().map(|alert| {
        let labels = &alert["labels"];
        let shown = |name: &str| text(&labels[name]).to_owned();
        [
            text(&alert["state"]).to_owned(),
            shown("severity"),
            format!(
                "{}{}",
                shown("alertname"),
                label_set(labels, &["alertname", "severity"])
            ),
            since(&alert["activeAt"]),
            text(&alert["annotations"]["summary"]).to_owned(),
        ]
    });
    let titles = ["state", "level", "alert", "active for", "summary"];
    print::out(&output::aligned(&titles, rows))
}

fn wants(args: &args::Alerts, alert: &Value) -> bool {
    let name = text(&alert["labels"]["alertname"]);
    args.rule.is_empty() || args.rule.iter().any(|rule| rule == name)
}

/// The changes, oldest first as a log is read, and the sums by rule below them.
fn history(args: &args::Alerts, asker: &Asker<'_>) -> Result<()> {
    let mut form: Vec<(&str, String)> = args.rule.iter().map(|r| ("rule", r.clone())).collect();
    form.extend(args.matching.iter().map(|m| ("match[]", m.clone())));
    form.push(("since", time(&args.since)?.to_rfc3339()));
    form.push(("until", time(&args.until)?.to_rfc3339()));
    let mut changes = Vec::new();
    let mut next: Option<String> = None;
    // A page may be shorter than was asked for and yet not the last.
    while changes.len() < args.limit {
        let mut page = form.clone();
        page.push(("limit", (args.limit - changes.len()).to_string()));
        page.extend(next.take().map(|next| ("next", next)));
        let answer = asker.ask(Question::History, &page)?;
        changes.extend(list(&answer, "history")?.iter().cloned());
        next = answer["data"]["next"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    changes.reverse();
    let sums = asker.ask(Question::HistoryByRule, &form)?;
    let rules = list(&sums, "rules")?;
    for warning in sums["warnings"].as_array().into_iter().flatten() {
        print::note(text(warning));
    }
    if next.is_some() {
        print::note("older changes are left out; --limit shows more");
    }
    if args.output == ListOutput::Json {
        return print::out(&format!(
            "{}\n",
            json!({ "history": changes, "rules": rules })
        ));
    }
    if changes.is_empty() {
        return print::out("no changes\n");
    }
    let titles = [
        "time",
        "change",
        "level",
        "alert",
        "value",
        "threshold",
        "reason",
    ];
    print::out(&output::aligned(&titles, changes.iter().map(change_row)))?;
    let titles = [
        "rule",
        "lapsed",
        "fired",
        "resolved",
        "gone",
        "firing",
        "time firing",
        "median",
        "longest",
        "flapping",
    ];
    let table = output::aligned(&titles, rules.iter().map(rule_row));
    print::out(&format!("\n{table}"))
}

fn change_row(change: &Value) -> [String; 7] {
    let level = match (text(&change["from"]), text(&change["to"])) {
        ("", to) => to.to_owned(),
        (from, "") => from.to_owned(),
        (from, to) => format!("{from} -> {to}"),
    };
    let labels = label_set(&change["labels"], &["alertname"]);
    [
        text(&change["at"]).to_owned(),
        text(&change["kind"]).to_owned(),
        level,
        format!("{}{labels}", text(&change["rule"])),
        text(&change["value"]).to_owned(),
        text(&change["threshold"]).to_owned(),
        text(&change["reason"]).to_owned(),
    ]
}

fn rule_row(rule: &Value) -> [String; 10] {
    let flapping = rule["flapping"].as_array().into_iter().flatten();
    let flapping: Vec<String> = flapping
        .map(|labels| label_set(labels, &["alertname"]))
        .collect();
    [
        text(&rule["rule"]).to_owned(),
        rule["lapsed"].to_string(),
        rule["fired"].to_string(),
        rule["resolved"].to_string(),
        rule["gone"].to_string(),
        rule["firing"].to_string(),
        seconds(&rule["firingSeconds"]),
        seconds(&rule["medianSeconds"]),
        seconds(&rule["longestSeconds"]),
        flapping.join(" "),
    ]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn seconds(value: &Value) -> String {
    let whole = |s: f64| DurationMs::from_secs(s.round() as i64).to_string();
    value.as_f64().map(whole).unwrap_or_default()
}

/// How long ago a time of the answer is.
fn since(time: &Value) -> String {
    let at = TimestampMs::parse(text(time));
    let ago = at.map(|at| DurationMs::from_secs(now().since(at).0.max(0) / 1000));
    ago.map(|ago| ago.to_string()).unwrap_or_default()
}

/// `{a="b", c="d"}` without the labels named; nothing when none are left.
fn label_set(labels: &Value, without: &[&str]) -> String {
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !without.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    format!("{{{}}}", pairs.join(", "))
}

fn list<'a>(answer: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    answer["data"][name]
        .as_array()
        .with_context(|| format!("the answer has no {name}"))
}

/// Who is asked.
enum Asker<'a> {
    Server(&'a str),
    Folder {
        ledger: Ledger,
        /// Holds the folder's lock: nobody writes to the ledger while it is read.
        _lock: Store,
    },
}

/// What can be asked.
#[derive(Clone, Copy)]
enum Question {
    Alerts,
    History,
    HistoryByRule,
}

impl Asker<'_> {
    fn new(args: &args::Alerts) -> Result<Asker<'_>> {
        match &args.data {
            None => Ok(Asker::Server(args.url.trim_end_matches('/'))),
            Some(folder) => open(folder),
        }
    }

    /// The answer, unless it is a refusal.
    fn ask(&self, question: Question, form: &[(&str, String)]) -> Result<Value> {
        let body = match self {
            Asker::Folder { ledger, .. } => match question {
                Question::Alerts => folder::alerts(ledger, now())?,
                Question::History => folder::history(ledger, form, now())?,
                Question::HistoryByRule => folder::history_by_rule(ledger, form, now())?,
            },
            Asker::Server(base) => ask_server(base, question, form)?,
        };
        serde_json::from_str(&body).context("the answer is not JSON")
    }
}

fn open(folder: &Path) -> Result<Asker<'_>> {
    let store = data::open_existing(folder).map_err(|error| match error {
        StoreError::Locked { .. } => anyhow!("{error}; a server that runs is asked without --data"),
        other => other.into(),
    })?;
    let path = folder.join(LEDGER_FILE);
    if !RealDisk.exists(&path)? {
        bail!("{}: no server has evaluated rules here", folder.display());
    }
    Ok(Asker::Folder {
        ledger: Ledger::open(RealDisk::shared(), &path)?,
        _lock: store,
    })
}

fn ask_server(base: &str, question: Question, form: &[(&str, String)]) -> Result<String> {
    match question {
        Question::Alerts => asking::get(base, "/api/v1/alerts"),
        Question::History => asking::post(base, "/api/bw/v1/history", form),
        Question::HistoryByRule => asking::post(base, "/api/bw/v1/history/rules", form),
    }
}
