//! What a person sees: a page of what fires, and a page that answers one query, where links in notices lead.
//!
//! Plain HTML without a script. Every text from outside goes through [`html`], and the policy that comes with
//! each page lets a browser run nothing, load nothing but the style sheet, and show it in no other page's frame.

mod graph;
mod home;
mod html;

use std::sync::Arc;

use bellwether_query::When;
use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};

use super::asked::Asked;
use super::query::{self, Question};
use super::state::Api;
use super::{rules, run, status};
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// `GET /`.
pub(super) async fn home(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let (status, loaded) = (api.published.status(), api.published.loaded());
    let stats = api.store.stats();
    let home = home::Home {
        status: &status,
        rule_files: loaded.files,
        load_errors: &rules::load_errors(&loaded),
        load_text: &loaded.text,
        instead: &loaded.instead(),
        rules_ended: api.published.has_ended(),
        stats: &stats,
        not_well: status::not_well(&api.store),
        now: call.now,
    };
    Ok(page(StatusCode::OK, home.render()))
}

/// `GET /graph`: what `g0.expr` is now, as a table.
pub(super) async fn graph(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let text = asked.params.get("g0.expr").unwrap_or("");
    let outcome = if text.is_empty() {
        Ok(None)
    } else {
        ask(&api, &asked, text).await.map(Some)
    };
    if let Err(Refusal {
        limit: Some(exceeded),
        ..
    }) = &outcome
    {
        // The edge counts refusals; this one leaves as a page.
        api.counters.limit_hit(exceeded.limit.name);
    }
    let status = outcome
        .as_ref()
        .map_or_else(|refusal| refusal.status, |_| StatusCode::OK);
    let outcome = outcome.map_err(|refusal| refusal.message);
    Ok(page(status, graph::render(text, asked.now, &outcome)))
}

async fn ask(api: &Api, asked: &Asked, text: &str) -> Result<graph::Found, Refusal> {
    let expr =
        bellwether_lang::promql::parse(text).map_err(|e| Refusal::bad_request(e.describe(text)))?;
    let question = Question::new(api, expr, text, When::At(asked.now));
    let store = api.store.clone();
    let patience = asked.patience(api.http.query_timeout)?;
    run::run(api, patience, move |control| {
        let answer = question
            .evaluate(&store, control)
            .map_err(|e| run::refusal(&e))?;
        let notes = answer.warnings.into_iter().chain(answer.infos).collect();
        Ok(graph::Found {
            rows: query::rows(answer.value),
            notes,
        })
    })
    .await
}

/// `GET /page.css`.
pub(super) async fn style(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    let answer = Answer::new(
        StatusCode::OK,
        "text/css; charset=utf-8",
        include_str!("page.css"),
    );
    Ok(answer.with(
        header::CACHE_CONTROL,
        HeaderValue::from_static("max-age=300"),
    ))
}

fn page(status: StatusCode, body: String) -> Answer {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    Answer::new(status, "text/html; charset=utf-8", body)
        .with(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        )
        .with(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        )
        .with(OPENER, HeaderValue::from_static("same-origin"))
        .with(RESOURCE, HeaderValue::from_static("same-origin"))
}

#[cfg(test)]
mod tests {
    use crate::api::testing::World;

    #[test]
    fn pages_come_with_a_policy_that_lets_nothing_run() {
        let world = World::filled();
        for path in ["/", "/graph", "/graph?g0.expr=up&g0.tab=1"] {
            let got = world.get(path);
            assert_eq!(
                (got.status, got.content_type.as_str()),
                (200, "text/html; charset=utf-8"),
                "{path}"
            );
            let policy = got.header("content-security-policy");
            assert!(
                policy.contains("default-src 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert!(!policy.contains("script-src"), "{policy}");
            assert!(got.body.starts_with("<!doctype html>"), "{}", got.body);
            assert!(!got.body.contains("<script"), "{}", got.body);
        }
        assert_eq!(
            world.get("/page.css").content_type,
            "text/css; charset=utf-8"
        );
    }

    #[test]
    fn links_of_notices_lead_to_the_query() {
        let world = World::filled();
        let got = world.body("/graph?g0.expr=requests&g0.tab=1");
        assert!(
            got.contains("requests{&quot;http.code&quot;=&quot;200\\&quot;&lt;b&gt;&quot;}"),
            "{got}"
        );
        assert!(!got.contains("<b>"), "{got}");
        let wrong = world.get("/graph?g0.expr=sum(%3Cb%3E");
        assert_eq!(wrong.status, 400);
        assert!(
            wrong.body.contains("parse error") && wrong.body.contains("&lt;b&gt;"),
            "{}",
            wrong.body
        );
        assert!(!wrong.body.contains("<b>"), "{}", wrong.body);
    }

    #[test]
    fn the_home_page_of_a_new_server() {
        let got = World::filled().body("/");
        assert!(got.contains("Nothing is firing"), "{got}");
        assert!(got.contains("<dd>4</dd>"), "series: {got}");
        assert!(got.contains("1970-01-01T00:02:00Z"), "newest sample: {got}");
    }
}
