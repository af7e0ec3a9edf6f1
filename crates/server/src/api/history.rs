//! `/api/bw/v1/history`: what happened to alerts, from the ledger, and the same summed up by rule.
//!
//! The answers are made by functions over a ledger and parameters, so that the command line gives the same ones for a data
//! folder that no server has open (`folder.rs`).

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_engine::history::{Change, HistoryKind, RuleHistory, summarize};
use bellwether_lang::rules::Level;
use bellwether_ledger::{HistoryCursor, HistoryRow, Ledger, LedgerError};
use bellwether_model::json::push_json_string;
use bellwether_model::value::{format_value, push_value};
use bellwether_model::{DurationMs, Matcher, TimeRange, TimestampMs, limits};
use hyper::StatusCode;

use super::asked::{Asked, bad};
use super::envelope::{push_labels, push_list, push_text_field, success};
use super::run::run;
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// `GET`, `POST /api/bw/v1/history`.
pub(super) async fn changes(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    answer(api, call, changes_body).await
}

/// `GET`, `POST /api/bw/v1/history/rules`.
pub(super) async fn by_rule(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    answer(api, call, by_rule_body).await
}

/// Makes the body of an answer from the ledger.
type Body = fn(&Ledger, &Asked) -> Result<String, Refusal>;

async fn answer(api: Arc<Api>, call: Call, body: Body) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let patience = asked.patience(api.http.query_timeout)?;
    let ledger = api.own.ledger.clone();
    let body = run(&api, patience, move |_| body(&ledger, &asked)).await?;
    Ok(Answer::json(body))
}

/// One page of changes, the latest first.
pub(crate) fn changes_body(ledger: &Ledger, asked: &Asked) -> Result<String, Refusal> {
    let filter = Filter::read(asked)?;
    let after = asked.params.get("next").map(cursor).transpose()?;
    let limit = asked.limit()?.min(limits::HISTORY_PAGE.usize());
    let page = ledger.history_page(filter.range, after, limit, &|row| filter.wants(row));
    let page = page.map_err(|e| unreadable(&e))?;
    let data = |out: &mut String| {
        out.push_str("{\"history\":");
        push_list(out, &page.rows, push_row);
        if let Some(next) = page.next {
            push_text_field(out, "next", &format!("{}.{}", next.at.0, next.sequence));
        }
        out.push('}');
    };
    Ok(success(data, &[], &[]))
}

/// What the changes say about each rule. Of more changes than `history.scan` the latest count.
pub(crate) fn by_rule_body(ledger: &Ledger, asked: &Asked) -> Result<String, Refusal> {
    let filter = Filter::read(asked)?;
    let all = limits::HISTORY_SCAN_MAX.usize();
    let page = ledger.history_page(filter.range, None, all, &|row| filter.wants(row));
    let page = page.map_err(|e| unreadable(&e))?;
    let changes = page.rows.iter().rev().filter_map(|row| {
        Some(Change {
            at: row.at,
            rule: &row.rule,
            identity: &row.labels,
            kind: HistoryKind::from_text(&row.kind)?,
            to: row.to.and_then(level),
        })
    });
    // Nobody knows yet what fires in the future.
    let until = filter.range.to.min(asked.now);
    let range = TimeRange::new(filter.range.from.0, until.0);
    let rules = summarize(changes, range);
    let mut warnings = Vec::new();
    if page.next.is_some() {
        let (max, name) = (all, limits::HISTORY_SCAN_MAX.name);
        warnings.push(format!(
            "only the latest {max} changes are counted ({name})"
        ));
    }
    let data = |out: &mut String| {
        out.push_str("{\"rules\":");
        push_list(out, &rules, |out, rule| {
            push_rule_fields(out, rule);
            out.push('}');
        });
        out.push('}');
    };
    Ok(success(data, &warnings, &[]))
}

/// Which changes are wanted; empty lists want all.
struct Filter {
    rules: Vec<String>,
    selectors: Vec<Vec<Matcher>>,
    range: TimeRange,
}

impl Filter {
    fn read(asked: &Asked) -> Result<Filter, Refusal> {
        let from = asked.time("since")?.unwrap_or(TimeRange::ALL.from);
        let to = asked.time("until")?.unwrap_or(TimeRange::ALL.to);
        if to < from {
            return Err(bad("until", format_args!("it lies before since")));
        }
        Ok(Filter {
            rules: asked.params.all("rule").map(str::to_owned).collect(),
            selectors: asked.selectors()?,
            range: TimeRange { from, to },
        })
    }

    fn wants(&self, row: &HistoryRow) -> bool {
        let fits = |selector: &Vec<Matcher>| selector.iter().all(|m| m.matches_labels(&row.labels));
        (self.rules.is_empty() || self.rules.contains(&row.rule))
            && (self.selectors.is_empty() || self.selectors.iter().any(fits))
    }
}

fn cursor(text: &str) -> Result<HistoryCursor, Refusal> {
    let parse = || {
        let (at, sequence) = text.split_once('.')?;
        Some(HistoryCursor {
            at: TimestampMs(at.parse().ok()?),
            sequence: sequence.parse().ok()?,
        })
    };
    parse().ok_or_else(|| bad("next", format_args!("not what an answer before has given")))
}

fn unreadable(error: &LedgerError) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn level(number: u8) -> Option<Level> {
    Level::ALL.into_iter().find(|level| *level as u8 == number)
}

fn push_row(out: &mut String, row: &HistoryRow) {
    out.push_str("{\"at\":");
    push_json_string(out, &row.at.to_rfc3339());
    push_text_field(out, "rule", &row.rule);
    push_text_field(out, "kind", &row.kind);
    for (name, number) in [("from", row.from), ("to", row.to)] {
        if let Some(level) = number.and_then(level) {
            push_text_field(out, name, level.word());
        }
    }
    push_text_field(out, "value", &format_value(row.value));
    if let Some(threshold) = row.threshold {
        push_text_field(out, "threshold", &format_value(threshold));
    }
    if let Some(reason) = &row.reason {
        push_text_field(out, "reason", reason);
    }
    out.push_str(",\"labels\":");
    push_labels(out, &row.labels);
    out.push('}');
}

/// The fields of a rule, without the closing brace.
pub(super) fn push_rule_fields(out: &mut String, rule: &RuleHistory) {
    out.push_str("{\"rule\":");
    push_json_string(out, &rule.rule);
    for (name, number) in [
        ("lapsed", rule.lapsed),
        ("fired", rule.fired),
        ("rose", rule.rose),
        ("fell", rule.fell),
        ("resolved", rule.resolved),
        ("gone", rule.gone),
        ("firing", rule.firing),
    ] {
        let _ = write!(out, ",\"{name}\":{number}"); // A String takes all of it.
    }
    push_seconds(out, "firingSeconds", Some(rule.time_firing()));
    push_seconds(out, "medianSeconds", rule.median_duration());
    push_seconds(out, "longestSeconds", rule.longest_duration());
    out.push_str(",\"levelSeconds\":{");
    let spent = Level::ALL.into_iter().zip(rule.at_level);
    let spent = spent.filter(|(_, time)| *time > DurationMs::ZERO);
    for (i, (level, time)) in spent.enumerate() {
        out.push_str(if i > 0 { ",\"" } else { "\"" });
        out.push_str(level.word());
        out.push_str("\":");
        push_value(out, time.as_seconds());
    }
    out.push_str("},\"flapping\":");
    push_list(out, &rule.flapping, push_labels);
}

fn push_seconds(out: &mut String, name: &str, time: Option<DurationMs>) {
    if let Some(time) = time {
        super::envelope::push_seconds_field(out, name, time);
    }
}

#[cfg(test)]
mod tests {
    use bellwether_ledger::TickCommit;
    use bellwether_model::Labels;
    use expect_test::{Expect, expect};

    use crate::api::testing::World;

    use super::*;

    fn row(seconds: i64, rule: &str, instance: &str, kind: &str, to: Option<u8>) -> HistoryRow {
        HistoryRow {
            at: TimestampMs(seconds * 1000),
            rule: rule.into(),
            labels: Labels::from_pairs([("alertname", rule), ("i", instance)]),
            kind: kind.into(),
            from: if kind == "fire" { None } else { Some(2) },
            to,
            value: 7.5,
            threshold: Some(5.0),
            reason: (kind == "gone").then(|| "the series vanished".into()),
        }
    }

    fn world() -> World {
        let world = World::new();
        let history = vec![
            row(5, "Disk", "<a>", "lapse", None),
            row(8, "Disk", "<a>", "pending", Some(2)),
            row(10, "Disk", "<a>", "fire", Some(2)),
            row(20, "Disk", "<a>", "rise", Some(4)),
            row(30, "Load", "b", "fire", Some(2)),
            row(50, "Disk", "<a>", "gone", None),
        ];
        let commit = TickCommit {
            history,
            ..TickCommit::default()
        };
        world.api.own.ledger.commit(&commit).unwrap();
        world
    }

    fn check(path: &str, want: Expect) {
        let body = world().body(path);
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
        want.assert_eq(&body);
    }

    #[test]
    fn the_latest_change_comes_first_with_value_threshold_and_reason() {
        check(
            "/api/bw/v1/history?match[]=%7Bi=%22%3Ca%3E%22%7D&since=20",
            expect![[
                r#"{"status":"success","data":{"history":[{"at":"1970-01-01T00:00:50.000Z","rule":"Disk","kind":"gone","from":"warning","value":"7.5","threshold":"5","reason":"the series vanished","labels":{"alertname":"Disk","i":"<a>"}},{"at":"1970-01-01T00:00:20.000Z","rule":"Disk","kind":"rise","from":"warning","to":"critical","value":"7.5","threshold":"5","labels":{"alertname":"Disk","i":"<a>"}}]}}"#
            ]],
        );
    }

    #[test]
    fn pages_join_without_a_gap() {
        let world = world();
        let mut path = "/api/bw/v1/history?limit=1&rule=Disk".to_owned();
        let mut kinds = Vec::new();
        for _ in 0..9 {
            let body: serde_json::Value = serde_json::from_str(&world.body(&path)).unwrap();
            let rows = body["data"]["history"].as_array().unwrap();
            kinds.extend(
                rows.iter()
                    .map(|row| row["kind"].as_str().unwrap().to_owned()),
            );
            let Some(next) = body["data"]["next"].as_str() else {
                break;
            };
            path = format!("/api/bw/v1/history?limit=1&rule=Disk&next={next}");
        }
        assert_eq!(kinds, ["gone", "rise", "fire", "pending", "lapse"]);
    }

    #[test]
    fn rules_are_summed_up() {
        check(
            "/api/bw/v1/history/rules?until=100",
            expect![[
                r#"{"status":"success","data":{"rules":[{"rule":"Disk","lapsed":1,"fired":1,"rose":1,"fell":0,"resolved":0,"gone":1,"firing":0,"firingSeconds":40,"medianSeconds":40,"longestSeconds":40,"levelSeconds":{"warning":10,"critical":30},"flapping":[]},{"rule":"Load","lapsed":0,"fired":1,"rose":0,"fell":0,"resolved":0,"gone":0,"firing":1,"firingSeconds":70,"levelSeconds":{"warning":70},"flapping":[]}]}}"#
            ]],
        );
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, said) in [
            ("since=x", "since"),
            ("since=9&until=8", "before since"),
            ("next=1", "next"),
            ("match[]={", "match[]"),
        ] {
            let got = world().get(&format!("/api/bw/v1/history?{query}"));
            assert_eq!(got.status, 400, "{query}");
            assert!(got.body.contains(said), "{}", got.body);
        }
    }
}
