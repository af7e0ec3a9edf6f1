//! The route table: what answers to which path, method and scope. A path is compared as it was sent.
//!
//! Every route says its scope; there is no way to make one without. Nothing here decodes or cleans a path
//! before it is looked up, so no spelling of a path leads to a route that its plain spelling does not.

use std::future::Future;
use std::pin::Pin;

use bellwether_model::TimestampMs;
use hyper::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::{Answer, Refusal, Shape};
use super::body::Body;
use super::params::Params;

/// What a caller must be allowed to do to use a route. No route asks for proof of it yet: that is why the
/// server listens on loopback only, unless it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Nothing: says only that the server lives.
    Public,
    /// Send samples.
    Ingest,
    /// Ask questions.
    Read,
    /// Load rules again.
    Rules,
}

impl Scope {
    /// True when using the route changes something: such requests must not come from another site's page.
    pub(crate) fn changes(self) -> bool {
        matches!(self, Scope::Ingest | Scope::Rules)
    }
}

/// What a route does with a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// The route reads none; one that is sent is not read.
    Nothing,
    /// A form, when the method is POST.
    Form,
    /// Samples: the request must say how long it is, or come in chunks.
    Samples,
}

/// A request that found its route.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// What stands behind `?`.
    pub(crate) query: String,
    /// The decoded `{name}` of the path, if it has one.
    pub(crate) path_part: Option<String>,
    pub(crate) body: Body,
    /// When the request arrived: the time of everything in it that names none.
    pub(crate) now: TimestampMs,
}

impl Call {
    /// The parameters behind `?`.
    pub(crate) fn query_params(&self) -> Result<Params, Refusal> {
        Params::parse(&self.query)
    }
}

type Reply = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;
type Handler = Box<dyn Fn(Call) -> Reply + Send + Sync>;

/// One line of the route table.
pub(crate) struct Route {
    pub(crate) methods: &'static [Method],
    pub(crate) path: &'static str,
    pub(crate) scope: Scope,
    pub(crate) shape: Shape,
    pub(crate) takes: Takes,
    handler: Handler,
}

impl Route {
    /// A route for `path`, in which one segment may be `{name}`. A route that takes GET takes HEAD too.
    pub(crate) fn new<F>(
        methods: &'static [Method],
        path: &'static str,
        scope: Scope,
        (shape, takes): (Shape, Takes),
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Route
    where
        F: Future<Output = Result<Answer, Refusal>> + Send + 'static,
    {
        Route {
            methods,
            path,
            scope,
            shape,
            takes,
            handler: Box::new(move |call| Box::pin(handler(call))),
        }
    }

    pub(crate) fn run(&self, call: Call) -> Reply {
        (self.handler)(call)
    }

    pub(crate) fn takes_method(&self, method: &Method) -> bool {
        self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    /// As an `Allow` header lists them.
    pub(crate) fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.methods.contains(&Method::GET) {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        names.join(", ")
    }
}

/// All routes, ready to be looked up.
pub(crate) struct Routes {
    table: Vec<Route>,
    paths: matchit::Router<usize>,
}

/// Under which every path answers too, for clients of servers that have the API there.
const ALIAS: &str = "/prometheus";

impl Routes {
    /// The table. Two routes of one path are a mistake in the program, and panic at the start.
    pub(crate) fn new(table: Vec<Route>) -> Routes {
        let mut paths = matchit::Router::new();
        for (index, route) in table.iter().enumerate() {
            let mut insert = |path: String| {
                if let Err(error) = paths.insert(path, index) {
                    panic!("route {}: {error}", route.path);
                }
            };
            insert(route.path.to_owned());
            insert(format!("{ALIAS}{}", route.path));
        }
        Routes { table, paths }
    }

    /// The route of `path` as it was sent, and what stands in its `{name}`, decoded.
    pub(crate) fn find(&self, path: &str) -> Result<(&Route, Option<String>), Refusal> {
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path");
        let found = self.paths.at(path).map_err(|_| unknown())?;
        let route = &self.table[*found.value];
        let part = match found.params.iter().next() {
            None => None,
            Some((_, raw)) => {
                let part = percent_decode_str(raw)
                    .decode_utf8()
                    .map_err(|_| unknown())?;
                if part.contains('\0') {
                    return Err(unknown());
                }
                Some(part.into_owned())
            }
        };
        Ok((route, part))
    }

    /// The table, for the tests that hold every route to something.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.table.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let form = (Shape::Prometheus, Takes::Form);
        let route = |path| {
            Route::new(&[Method::GET], path, Scope::Read, form, |_| async {
                Ok(Answer::empty(StatusCode::OK))
            })
        };
        Routes::new(vec![
            route("/api/v1/query"),
            route("/api/v1/label/{name}/values"),
            route("/"),
        ])
    }

    #[test]
    fn only_the_plain_spelling_leads_anywhere() {
        let routes = routes();
        for path in [
            "/",
            "/api/v1/query",
            "/prometheus/",
            "/prometheus/api/v1/query",
        ] {
            assert!(routes.find(path).is_ok(), "{path}");
        }
        for path in [
            "//",
            "//api//v1/query",
            "/./api/v1/query",
            "/api/v1/query/",
            "/api/v1/../v1/query",
            "/api/v1/%71uery",
            "/%2e%2e%2fapi/v1/query",
            "/api/v1/query%00",
            "/API/v1/query",
            "/prometheus/prometheus/api/v1/query",
            "/prometheus",
            "/prometheus//",
            "/api/v1/label//values",
            "/api/v1/label/a/b/values",
            "/api/v1/label/%00/values",
            "/api/v1/label/%ff/values",
        ] {
            assert!(routes.find(path).is_err(), "{path}");
        }
        let (_, part) = routes
            .find("/api/v1/label/%2e%2e%2f/values")
            .unwrap_or_else(|_| panic!());
        assert_eq!(
            part.as_deref(),
            Some("../"),
            "a label's name, not a way to another route"
        );
    }
}
