//! `/api/bw/v1/sla`: a report of every objective, for the present or any past period. [`report_body`] is the same on the command line.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_engine::sla::{NamedPeriod, SlaError, SlaReport, When, report};
use bellwether_model::json::push_json_string;
use bellwether_model::value::push_value;
use bellwether_query::source::store::ViewSource;
use hyper::StatusCode;

use super::asked::{Asked, bad};
use super::envelope::{push_labels, push_list, push_text_field, success};
use super::run::{refusal, run};
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// `GET`, `POST /api/bw/v1/sla`.
pub(super) async fn sla(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let patience = asked.patience(api.http.query_timeout)?;
    let now = asked.time("time")?.unwrap_or(asked.now);
    let when = match asked.params.get("period") {
        None => When::At(now),
        Some(name) => {
            let period = NamedPeriod::parse(name).ok_or_else(|| {
                bad(
                    "period",
                    format_args!(
                        "{name:?} is no period such as 2026-10, 2026-Q4, 2026-W43 or 2026"
                    ),
                )
            })?;
            When::Named(period, now)
        }
    };
    let name = asked.params.get("sla").map(str::to_owned);
    let rules = api.published.rules();
    let (store, query) = (api.store.clone(), api.options.clone());
    let body = run(&api, patience, move |control| {
        let view = store.view();
        let reports = report(&rules, &ViewSource(&view), when, &query, control);
        let mut reports = reports.map_err(|error| refuse(&error))?;
        reports.retain(|report| name.as_ref().is_none_or(|name| *name == report.sla));
        Ok(report_body(&reports))
    });
    Ok(Answer::json(body.await?))
}

fn refuse(error: &SlaError) -> Refusal {
    match error {
        SlaError::Query(error) => refusal(error),
        SlaError::Source(error) => {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
    }
}

/// The envelope around reports.
pub(crate) fn report_body(reports: &[SlaReport]) -> String {
    let data = |out: &mut String| {
        out.push_str("{\"slas\":");
        push_list(out, reports, push_report);
        out.push('}');
    };
    success(data, &[], &[])
}

fn push_report(out: &mut String, report: &SlaReport) {
    out.push_str("{\"sla\":");
    push_json_string(out, &report.sla);
    push_text_field(out, "period", &report.period);
    push_text_field(out, "from", &report.from.to_rfc3339());
    push_text_field(out, "to", &report.to.to_rfc3339());
    push_number(out, "objective", report.objective.good());
    let met = match report.verdict.is_met() {
        Some(true) => "true",
        Some(false) => "false",
        None => "null",
    };
    push_text_field(out, "state", report.verdict.word());
    let _ = write!(out, ",\"met\":{met},\"over\":{}", report.is_over); // A String takes all of it.
    push_number(out, "bad", report.tally.bad);
    push_number(out, "total", report.tally.total);
    if let Some(ratio) = report.tally.ratio() {
        push_number(out, "ratio", ratio);
    }
    push_number(out, "budget", report.tally.budget(report.objective));
    push_number(out, "budgetRemaining", report.remaining());
    let _ = write!(out, ",\"breaches\":{}", report.breaches);
    if let Some(current) = &report.current {
        out.push_str(",\"current\":{\"operator\":");
        push_json_string(out, current.op);
        push_number(out, "threshold", current.threshold);
        if let Some(value) = current.value {
            push_number(out, "value", value);
        }
        out.push('}');
    }
    out.push_str(",\"badSlices\":");
    push_list(out, &report.bad, |out, bad| {
        out.push_str("{\"from\":");
        push_json_string(out, &bad.from.to_rfc3339());
        push_text_field(out, "to", &bad.to.to_rfc3339());
        push_number(out, "bad", bad.tally.bad);
        push_number(out, "total", bad.tally.total);
        out.push('}');
    });
    out.push_str(",\"labels\":");
    push_labels(out, &report.group);
    out.push('}');
}

/// `"name":number` behind a comma; what JSON has no number for is `null`.
fn push_number(out: &mut String, name: &str, value: f64) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    if value.is_finite() {
        push_value(out, value);
    } else {
        out.push_str("null");
    }
}

#[cfg(test)]
mod tests {
    use bellwether_engine::sla::{NamedPeriod, When, report};
    use bellwether_lang::rules::{SourceFile, check};
    use bellwether_model::TimestampMs;
    use bellwether_query::source::store::ViewSource;
    use bellwether_query::{Control, Options};
    use expect_test::expect;

    use crate::api::testing::World;

    #[test]
    fn a_report_is_json() {
        let world = World::filled();
        let file = SourceFile {
            path: "a.rules".into(),
            text: "sla up\n  objective 90% over 2m\n  ok up >= 1\n  slice 1m\n  by (job)\n  burn none\n".into(),
        };
        let rules = check(&[file]).rules;
        let view = world.api.store.view();
        let when = When::At(TimestampMs(120_000));
        let reports = report(
            &rules,
            &ViewSource(&view),
            when,
            &Options::default(),
            &Control::new(),
        );
        let body = super::report_body(&reports.unwrap());
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
        expect![[r#"{"status":"success","data":{"slas":[{"sla":"up","period":"2m","from":"1970-01-01T00:00:00.000Z","to":"1970-01-01T00:02:00.000Z","objective":0.9,"state":"met","met":true,"over":true,"bad":0,"total":2,"ratio":1,"budget":0.19999999999999996,"budgetRemaining":1,"breaches":0,"current":{"operator":">=","threshold":1,"value":1},"badSlices":[],"labels":{"job":"api"}},{"sla":"up","period":"2m","from":"1970-01-01T00:00:00.000Z","to":"1970-01-01T00:02:00.000Z","objective":0.9,"state":"not_met","met":false,"over":true,"bad":2,"total":2,"ratio":0,"budget":0.19999999999999996,"budgetRemaining":-9.000000000000002,"breaches":1,"current":{"operator":">=","threshold":1,"value":0},"badSlices":[{"from":"1970-01-01T00:00:00.000Z","to":"1970-01-01T00:01:00.000Z","bad":1,"total":1},{"from":"1970-01-01T00:01:00.000Z","to":"1970-01-01T00:02:00.000Z","bad":1,"total":1}],"labels":{"job":"db"}}]}}"#]].assert_eq(&body);
    }

    #[test]
    fn without_objectives_there_is_an_empty_list_and_wrong_periods_are_named() {
        let world = World::filled();
        for path in ["/api/bw/v1/sla", "/api/bw/v1/sla?period=2026-Q4"] {
            assert_eq!(
                world.body(path),
                r#"{"status":"success","data":{"slas":[]}}"#
            );
        }
        let got = world.get("/api/bw/v1/sla?period=october");
        assert_eq!(got.status, 400);
        assert!(got.body.contains("2026-10"), "{}", got.body);
        assert!(NamedPeriod::parse("2026-10").is_some());
    }
}
