//! `/api/bw/v1/backtest`: what rules would have done over the stored samples, and how two rule sets differ.
//!
//! [`report`] is the same object on the command line. A backtest over HTTP is a query: it has its time (`query.timeout`) and
//! its place among the others; a long one is for the command line.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_engine::Transition;
use bellwether_engine::replay::{Backtest, BacktestError, Firing, ReplayOptions};
use bellwether_lang::rules::{RuleSet, Severity, SourceFile, check};
use bellwether_model::json::push_json_string;
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, limits};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, QueryError};
use hyper::StatusCode;

use super::asked::{Asked, bad};
use super::envelope::{push_labels, push_list, push_seconds_field, push_text_field, success};
use super::history::push_rule_fields;
use super::run::{refusal, run};
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::form;
use crate::edge::route::Call;

/// How far back a backtest begins that does not say.
const SINCE: DurationMs = DurationMs::from_mins(24 * 60);

/// In `against`, the rules that run.
const RUNNING: &str = "running";

/// `GET`, `POST /api/bw/v1/backtest`.
pub(super) async fn backtest(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read_within(call, &api.http, form::RULES_MAX).await?;
    let patience = asked.patience(api.http.query_timeout)?;
    let until = asked.time("until")?.unwrap_or(asked.now);
    let from = asked.time("since")?.unwrap_or(until.minus(SINCE));
    if until < from {
        return Err(bad("until", format_args!("it lies before since")));
    }
    let running = api.published.rules();
    let rules = match files(&asked, "rules").as_slice() {
        [] => Arc::clone(&running),
        files => parse(files)?,
    };
    let against = match files(&asked, "against").as_slice() {
        [] => None,
        [file] if file.text == RUNNING => Some(running),
        files => Some(parse(files)?),
    };
    let (store, query) = (api.store.clone(), api.options.clone());
    let body = run(&api, patience, move |control| {
        let view = store.view();
        let source = ViewSource(&view);
        let test = |rules| {
            let options = ReplayOptions {
                from,
                until,
                query: query.clone(),
                keep_samples: false,
                control: control.clone(),
            };
            let tested = Backtest::run(rules, &source, options, &mut |_| {});
            tested.map_err(|error| stopped(&error, control))
        };
        let against = against.map(test).transpose()?;
        Ok(report(&test(rules)?, against.as_ref()))
    });
    Ok(Answer::json(body.await?))
}

/// The rule files that a parameter gives, one each time it is there.
fn files(asked: &Asked, name: &str) -> Vec<SourceFile> {
    let texts = asked.params.all(name).filter(|text| !text.is_empty());
    let file = |(i, text): (usize, &str)| SourceFile {
        path: match i {
            0 => name.to_owned(),
            i => format!("{name} {}", i + 1),
        },
        text: text.to_owned(),
    };
    texts.enumerate().map(file).collect()
}

fn parse(files: &[SourceFile]) -> Result<Arc<RuleSet>, Refusal> {
    let checked = check(files);
    let errors = checked
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error);
    let lines: Vec<String> = errors
        .map(|d| format!("{}:{}:{}: {}", d.file, d.line, d.column, d.message))
        .collect();
    if !lines.is_empty() {
        return Err(Refusal::bad_request(lines.join("\n")));
    }
    Ok(Arc::new(checked.rules))
}

fn stopped(error: &BacktestError, control: &Control) -> Refusal {
    match (error, control.check()) {
        (BacktestError::Stopped { .. }, Err(why)) => refusal(&why),
        (BacktestError::Stopped { .. }, Ok(())) => refusal(&QueryError::Cancelled),
        (BacktestError::Circle(circle), _) => {
            Refusal::new(StatusCode::BAD_REQUEST, circle.to_string())
        }
    }
}

/// The envelope around what came of it; with `against`, what that does otherwise.
pub(crate) fn report(backtest: &Backtest, against: Option<&Backtest>) -> String {
    let mut warnings = Vec::new();
    if backtest.left_out > 0 {
        let (left_out, name) = (backtest.left_out, limits::BACKTEST_TRANSITIONS_MAX.name);
        warnings.push(format!("{left_out} transitions are left out ({name})"));
    }
    let data = |out: &mut String| push_report(out, backtest, against);
    success(data, &warnings, &[])
}

fn push_report(out: &mut String, backtest: &Backtest, against: Option<&Backtest>) {
    out.push_str("{\"from\":");
    push_json_string(out, &backtest.range.from.to_rfc3339());
    push_text_field(out, "to", &backtest.range.to.to_rfc3339());
    let _ = write!(out, ",\"ticks\":{}", backtest.ticks); // A String takes all of it.
    out.push_str(",\"rules\":");
    push_list(out, &backtest.rules, |out, rule| {
        push_rule_fields(out, rule);
        out.push('}');
    });
    let _ = write!(out, ",\"withoutData\":{}", backtest.without_data);
    out.push_str(",\"withoutValue\":");
    push_list(out, &backtest.without_value, |out, name| {
        push_json_string(out, name);
    });
    out.push_str(",\"failed\":");
    push_list(out, &backtest.failed, |out, (rule, failed)| {
        out.push_str("{\"rule\":");
        push_json_string(out, rule);
        let _ = write!(out, ",\"evaluations\":{}", failed.evaluations);
        push_text_field(out, "first", &failed.first.to_rfc3339());
        push_text_field(out, "error", &failed.error);
        out.push('}');
    });
    out.push_str(",\"alerts\":");
    push_list(out, &backtest.courses, |out, ((rule, identity), course)| {
        out.push_str("{\"rule\":");
        push_json_string(out, rule);
        out.push_str(",\"labels\":");
        push_labels(out, identity);
        out.push_str(",\"firing\":");
        push_course(out, course);
        out.push('}');
    });
    out.push_str(",\"transitions\":");
    push_list(out, &backtest.transitions, push_transition);
    out.push_str(",\"notices\":{");
    for (i, (channel, count)) in backtest.notices.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        push_json_string(out, channel);
        let _ = write!(out, ":{count}");
    }
    out.push_str("},\"nearMisses\":");
    push_near_misses(out, backtest);
    if let Some(against) = against {
        out.push_str(",\"difference\":");
        push_list(out, against.difference(backtest), |out, difference| {
            out.push_str("{\"rule\":");
            push_json_string(out, &difference.rule);
            out.push_str(",\"labels\":");
            push_labels(out, &difference.identity);
            out.push_str(",\"against\":");
            push_course(out, &difference.before);
            out.push_str(",\"firing\":");
            push_course(out, &difference.after);
            out.push('}');
        });
    }
    out.push('}');
}

fn push_course(out: &mut String, course: &[Firing]) {
    push_list(out, course, |out, firing| {
        out.push_str("{\"level\":");
        push_json_string(out, firing.level.word());
        push_text_field(out, "from", &firing.from.to_rfc3339());
        if let Some(to) = firing.to {
            push_text_field(out, "to", &to.to_rfc3339());
        }
        out.push('}');
    });
}

fn push_transition(out: &mut String, transition: &Transition) {
    out.push_str("{\"at\":");
    push_json_string(out, &transition.at.to_rfc3339());
    push_text_field(out, "rule", &transition.rule);
    push_text_field(out, "kind", transition.kind.text());
    for (name, level) in [("from", transition.from), ("to", transition.to)] {
        if let Some(level) = level {
            push_text_field(out, name, level.word());
        }
    }
    push_text_field(out, "value", &format_value(transition.value));
    if let Some(threshold) = transition.threshold {
        push_text_field(out, "threshold", &format_value(threshold));
    }
    if let Some(reason) = &transition.reason {
        push_text_field(out, "reason", reason);
    }
    out.push_str(",\"labels\":");
    push_labels(out, &transition.identity);
    out.push_str(",\"channels\":");
    push_list(out, &transition.channels, |out, channel| {
        push_json_string(out, channel);
    });
    out.push('}');
}

/// Levels that never fired, with the value that came nearest; and conditions that ended before their `for` did.
fn push_near_misses(out: &mut String, backtest: &Backtest) {
    out.push_str("{\"values\":");
    let missed = backtest.nearest.iter().filter(|(_, nearest)| !nearest.held);
    push_list(out, missed, |out, ((rule, level), nearest)| {
        out.push_str("{\"rule\":");
        push_json_string(out, rule);
        push_text_field(out, "level", level.word());
        push_text_field(out, "value", &format_value(nearest.value));
        push_text_field(out, "threshold", &format_value(nearest.threshold));
        push_text_field(out, "at", &nearest.at.to_rfc3339());
        out.push_str(",\"labels\":");
        push_labels(out, &nearest.identity);
        out.push('}');
    });
    out.push_str(",\"ended\":");
    push_list(out, &backtest.lapses, |out, ((rule, level), lapse)| {
        out.push_str("{\"rule\":");
        push_json_string(out, rule);
        push_text_field(out, "level", level.word());
        push_text_field(out, "since", &lapse.since.to_rfc3339());
        push_seconds_field(out, "lastedSeconds", lapse.until.since(lapse.since));
        push_seconds_field(out, "neededSeconds", lapse.hold_for);
        let times = backtest.lapsed.get(rule).copied().unwrap_or_default();
        let _ = write!(out, ",\"timesOfRule\":{times}");
        out.push_str(",\"labels\":");
        push_labels(out, &lapse.identity);
        out.push('}');
    });
    out.push('}');
}

#[cfg(test)]
mod tests {
    use crate::api::testing::World;
    use expect_test::expect;

    const RULE: &str = "alert Down\n  expr up\n  every 30s\n  warning < 1 for 1m\n  critical < 0\n";

    fn form(pairs: &[(&str, &str)]) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(n, v)| format!("{n}={}", encode(v)))
            .collect();
        pairs.join("&")
    }

    fn post(pairs: &[(&str, &str)]) -> (u16, String) {
        let kind = "application/x-www-form-urlencoded";
        let got = World::filled().post("/api/bw/v1/backtest", kind, &form(pairs));
        (got.status, got.body)
    }

    #[test]
    fn a_report_has_all_that_would_have_happened() {
        let tuned = RULE.replace("1m", "10m");
        let asked = [
            ("rules", RULE),
            ("against", &tuned),
            ("since", "0"),
            ("until", "120"),
        ];
        let (status, body) = post(&asked);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
        expect![[r#"{"status":"success","data":{"from":"1970-01-01T00:00:00.000Z","to":"1970-01-01T00:02:00.000Z","ticks":9,"rules":[{"rule":"Down","lapsed":0,"fired":1,"rose":0,"fell":0,"resolved":0,"gone":0,"firing":1,"firingSeconds":37,"levelSeconds":{"warning":37},"flapping":[]}],"withoutData":false,"withoutValue":[],"failed":[],"alerts":[{"rule":"Down","labels":{"alertname":"Down","job":"db"},"firing":[{"level":"warning","from":"1970-01-01T00:01:23.000Z"}]}],"transitions":[{"at":"1970-01-01T00:01:23.000Z","rule":"Down","kind":"fire","to":"warning","value":"0","threshold":"1","labels":{"alertname":"Down","job":"db"},"channels":["log"]}],"notices":{"log":1},"nearMisses":{"values":[{"rule":"Down","level":"critical","value":"0","threshold":"0","at":"1970-01-01T00:00:23.000Z","labels":{"alertname":"Down","job":"db"}}],"ended":[]},"difference":[{"rule":"Down","labels":{"alertname":"Down","job":"db"},"against":[],"firing":[{"level":"warning","from":"1970-01-01T00:01:23.000Z"}]}]}}"#]].assert_eq(&body);
    }

    #[test]
    fn evaluations_that_failed_are_told() {
        let rule = "alert Two\n  expr up\n  every 1m\n  label job = \"one\"\n  warning < 1\n";
        let (status, body) = post(&[("rules", rule), ("since", "0"), ("until", "120")]);
        assert_eq!(status, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        expect![[r#"[{"error":"two results become {alertname=\"Two\", job=\"one\"}: up{job=\"api\"} and up{job=\"db\"}","evaluations":2,"first":"1970-01-01T00:00:53.000Z","rule":"Two"}]"#]]
            .assert_eq(&body["data"]["failed"].to_string());
    }

    #[test]
    fn what_cannot_be_tested_is_said() {
        for (asked, said) in [
            (
                [("rules", "alert A\n  expr x +\n"), ("since", "0")],
                "rules:2:",
            ),
            ([("against", "nonsense"), ("since", "0")], "against:1:1"),
            ([("since", "1000000"), ("until", "0")], "before since"),
            (
                [("rules", "record a:b\n  expr a:b\n"), ("since", "0")],
                "reads itself",
            ),
        ] {
            let (status, body) = post(&asked);
            assert_eq!(status, 400, "{body}");
            assert!(body.contains(said), "{body}");
        }
    }
}
