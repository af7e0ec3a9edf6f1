//! What the server tells: the query API in Prometheus' shapes, the rules and their alerts, the page, its own state.
//!
//! [`routes`] is the list; handlers read the request, and pure functions beside them make the answer.
//!
//! - `state`: what handlers share. `asked`: a request's parameters, read and checked.
//! - `gate`, `run`: how many questions at a time, for how long, and what their errors become. `quick`: those too small for that.
//! - `envelope`: the JSON around every answer.
//! - `query`, `explain`, `series`, `rules`, `history`, `backtest`, `sla`, `status`, `cardinality`, `federate`, `export`, `read`: the
//!   endpoints. `nothing`: those about what is not here. `tree`: an expression as JSON. `page`: what a person sees.
//!
//! Nothing in here changes anything, but for the order to load the rules again.

mod state;

mod asked;
mod gate;
mod run;

pub(crate) mod envelope;
mod escape;

mod backtest;
mod cardinality;
mod explain;
mod export;
mod federate;
mod history;
mod nothing;
mod page;
mod query;
mod quick;
mod read;
mod rules;
mod series;
mod sheet;
mod sla;
mod status;
mod tree;

#[cfg(test)]
mod testing;

use std::future::Future;
use std::sync::Arc;

use hyper::Method;

use crate::edge::answer::{Answer, Refusal, Shape};
use crate::edge::route::{Call, Route, Scope, Takes};

pub(crate) use asked::Asked;
pub(crate) use backtest::report as backtest_report;
pub(crate) use history::{by_rule_body, changes_body};
pub(crate) use query::body as query_body;
pub(crate) use rules::alerts_body;
pub(crate) use sla::report_body as sla_body;
pub(crate) use state::Api;

const GET: &[Method] = &[Method::GET];
const GET_POST: &[Method] = &[Method::GET, Method::POST];
const POST: &[Method] = &[Method::POST];
const POST_PUT: &[Method] = &[Method::POST, Method::PUT];

/// Every route of this folder.
pub(crate) fn routes(api: &Arc<Api>) -> Vec<Route> {
    use Scope::{Public, Read, Rules};
    vec![
        route(api, GET_POST, "/api/v1/query", Read, query::instant),
        route(api, GET_POST, "/api/v1/query_range", Read, query::range),
        route(
            api,
            GET_POST,
            "/api/v1/query_exemplars",
            Read,
            query::exemplars,
        ),
        route(api, GET_POST, "/api/bw/v1/explain", Read, explain::explain),
        route(api, GET_POST, "/api/v1/format_query", Read, query::format),
        route(api, GET_POST, "/api/v1/parse_query", Read, query::parse),
        route(api, GET_POST, "/api/v1/series", Read, series::series),
        route(api, GET_POST, "/api/v1/labels", Read, series::label_names),
        route(
            api,
            GET,
            "/api/v1/label/{name}/values",
            Read,
            series::label_values,
        ),
        route(api, GET, "/api/v1/metadata", Read, status::metadata),
        route(api, GET_POST, "/api/v1/export", Read, export::json_lines),
        route(api, GET_POST, "/api/v1/export/csv", Read, export::csv),
        route(api, POST, "/api/v1/read", Read, read::read),
        shaped(
            api,
            GET,
            "/federate",
            (Read, Shape::Text),
            federate::federate,
        ),
        route(api, GET, "/api/v1/rules", Read, rules::rules),
        route(api, GET, "/api/v1/alerts", Read, rules::alerts),
        route(api, GET_POST, "/api/bw/v1/history", Read, history::changes),
        route(
            api,
            GET_POST,
            "/api/bw/v1/history/rules",
            Read,
            history::by_rule,
        ),
        route(api, GET_POST, "/api/bw/v1/sla", Read, sla::sla),
        route(
            api,
            GET_POST,
            "/api/bw/v1/backtest",
            Read,
            backtest::backtest,
        ),
        route(
            api,
            GET,
            "/api/v1/status/buildinfo",
            Read,
            status::build_info,
        ),
        route(
            api,
            GET,
            "/api/v1/status/runtimeinfo",
            Read,
            status::runtime_info,
        ),
        route(api, GET, "/api/v1/status/config", Read, status::config),
        route(api, GET, "/api/v1/status/flags", Read, status::flags),
        route(
            api,
            GET,
            "/api/v1/status/walreplay",
            Read,
            status::wal_replay,
        ),
        route(api, GET, "/api/v1/status/tsdb", Read, cardinality::tsdb),
        route(api, GET, "/api/v1/targets", Read, nothing::targets),
        route(
            api,
            GET,
            "/api/v1/targets/metadata",
            Read,
            nothing::target_metadata,
        ),
        route(
            api,
            GET,
            "/api/v1/scrape_pools",
            Read,
            nothing::scrape_pools,
        ),
        route(
            api,
            GET,
            "/api/v1/alertmanagers",
            Read,
            nothing::alertmanagers,
        ),
        route(api, GET, "/-/healthy", Public, status::healthy),
        route(api, GET, "/-/ready", Public, status::ready),
        route(api, POST_PUT, "/-/reload", Rules, status::reload),
        route(api, GET, "/metrics", Read, status::metrics),
        route(api, GET, "/", Read, page::home),
        route(api, GET, "/graph", Read, page::graph),
        route(api, GET, "/page.css", Public, page::style),
    ]
}

/// One route, its handler given what all of them share. Those that take POST read a form.
fn route<F>(
    api: &Arc<Api>,
    methods: &'static [Method],
    path: &'static str,
    scope: Scope,
    handler: fn(Arc<Api>, Call) -> F,
) -> Route
where
    F: Future<Output = Result<Answer, Refusal>> + Send + 'static,
{
    shaped(api, methods, path, (scope, Shape::Prometheus), handler)
}

/// The same, its errors in a shape of their own.
fn shaped<F>(
    api: &Arc<Api>,
    methods: &'static [Method],
    path: &'static str,
    (scope, shape): (Scope, Shape),
    handler: fn(Arc<Api>, Call) -> F,
) -> Route
where
    F: Future<Output = Result<Answer, Refusal>> + Send + 'static,
{
    let reads_form = scope == Scope::Read && methods.contains(&Method::POST);
    let takes = if reads_form {
        Takes::Form
    } else {
        Takes::Nothing
    };
    let api = Arc::clone(api);
    let run = move |call: Call| handler(Arc::clone(&api), call);
    Route::new(methods, path, scope, (shape, takes), run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::route::Routes;

    #[test]
    fn routes_are_a_table_and_only_reload_changes_anything() {
        let world = testing::World::new();
        let routes: Routes = Routes::new(routes(&world.api));
        let changing: Vec<&str> = routes
            .iter()
            .filter(|r| r.scope.changes())
            .map(|r| r.path)
            .collect();
        assert_eq!(changing, ["/-/reload"]);
        let open: Vec<&str> = routes
            .iter()
            .filter(|r| r.scope == Scope::Public)
            .map(|r| r.path)
            .collect();
        assert_eq!(open, ["/-/healthy", "/-/ready", "/page.css"]);
        for path in [
            "/api/v1/label/x/values",
            "/prometheus/api/v1/query",
            "/prometheus/-/healthy",
            "/prometheus/api/bw/v1/history",
            "/prometheus/graph",
            "/",
        ] {
            assert!(routes.find(path).is_ok(), "{path}");
        }
    }
}
