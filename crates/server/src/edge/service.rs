//! One request: checked, routed, answered. Every answer, refusals too, leaves through here.

use std::sync::{Arc, OnceLock};

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{Answer, Refusal, Shape};
use super::body::Body;
use super::guard::Link;
use super::hosts::Hosts;
use super::outgoing::Outgoing;
use super::packing::{accepts_gzip, compress};
use super::route::{Call, Route, Routes, Scope, Takes};
use crate::clock::Clock;
use crate::config::HttpLimits;
use crate::counters::Counters;

/// What all connections share.
pub(crate) struct Edge {
    /// Missing until the server is ready.
    routes: OnceLock<Routes>,
    hosts: Hosts,
    pub(super) limits: HttpLimits,
    clock: Clock,
    pub(super) counters: Arc<Counters>,
}

/// Says that the process lives, also while it replays its log.
const HEALTHY: &str = "/-/healthy";

/// Counts a request as ended, however it ends.
#[derive(Debug)]
pub(super) struct Ended(Arc<Link>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Edge {
    /// An edge that says of every path that the server is starting, until it is [opened](Edge::open).
    pub(crate) fn new(
        hosts: Hosts,
        limits: HttpLimits,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Edge {
        Edge {
            routes: OnceLock::new(),
            hosts,
            limits,
            clock,
            counters,
        }
    }

    /// From here on requests are answered by `routes`. Only the first call counts.
    pub(crate) fn open(&self, routes: Routes) {
        let first = self.routes.set(routes).is_ok();
        debug_assert!(first, "an edge is opened once");
    }

    /// Answers one request of the connection behind `link`.
    pub(super) async fn serve(
        self: Arc<Self>,
        link: Arc<Link>,
        request: Request<Incoming>,
    ) -> Response<Outgoing<Option<Ended>>> {
        let refusal = link.start();
        let ended = Ended(link);
        let accepts_gzip = accepts_gzip(request.headers());
        let origin = request.headers().get(header::ORIGIN).cloned();
        let answer = match refusal {
            // The guard refused a head, and this request stands in for it.
            Some(refusal) => self.refuse(&refusal, Shape::Prometheus),
            None => self.answer(request).await,
        };
        let answer = compress(answer, accepts_gzip).await;
        self.counters.answered(answer.status.as_u16());
        self.finish(answer, origin, ended)
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if let Err(refusal) = self.hosts.check(request.version(), request.headers()) {
            return self.refuse(&refusal.closing(), Shape::Prometheus);
        }
        let Some(routes) = self.routes.get() else {
            return self.starting(request.uri().path());
        };
        let (route, path_part) = match routes.find(request.uri().path()) {
            Ok(found) => found,
            Err(refusal) => return self.refuse(&refusal, Shape::Prometheus),
        };
        if request.method() == Method::OPTIONS {
            return options(route);
        }
        match self.call(route, path_part, request).await {
            Ok(answer) => answer,
            Err(refusal) => self.refuse(&refusal, route.shape),
        }
    }

    fn starting(&self, path: &str) -> Answer {
        if path == HEALTHY {
            return Answer::text("starting\n");
        }
        let refusal = Refusal::unavailable("the server is starting: its log is being replayed", 1);
        self.refuse(&refusal, Shape::Prometheus)
    }

    fn refuse(&self, refusal: &Refusal, shape: Shape) -> Answer {
        if let Some(exceeded) = refusal.limit {
            self.counters.limit_hit(exceeded.limit.name);
        }
        refusal.answer(shape)
    }

    async fn call(
        &self,
        route: &Route,
        path_part: Option<String>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        if !route.takes_method(request.method()) {
            return Err(wrong_method(route, request.method()));
        }
        if route.scope.changes() {
            self.hosts.check_origin(request.headers())?;
        }
        let now = self.clock.now();
        let (parts, incoming) = request.into_parts();
        let posts = parts.method == Method::POST;
        let sized = parts.headers.contains_key(header::CONTENT_LENGTH)
            || parts.headers.contains_key(header::TRANSFER_ENCODING);
        // A request that says nothing of its body has none (RFC 9112, section 6.3). Samples without any are a mistake.
        if posts && route.takes == Takes::Samples && !sized {
            return Err(Refusal::new(
                StatusCode::LENGTH_REQUIRED,
                "samples need a Content-Length, or a body in chunks",
            ));
        }
        let call = Call {
            method: parts.method,
            query: parts.uri.query().unwrap_or("").to_owned(),
            path_part,
            body: Body::new(incoming, &parts.headers),
            headers: parts.headers,
            now,
        };
        route.run(call).await
    }

    fn finish(
        &self,
        answer: Answer,
        origin: Option<HeaderValue>,
        ended: Ended,
    ) -> Response<Outgoing<Option<Ended>>> {
        // A request ends when its answer is made, which one with a rest is not yet.
        let kept = answer.rest.is_some().then_some(ended);
        let mut response = Response::new(Outgoing::new(answer.body, answer.rest, kept));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        *headers = answer.headers;
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        if let Some(origin) = origin
            && self.hosts.allows_origin(origin.as_bytes())
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if answer.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn wrong_method(route: &Route, method: &Method) -> Refusal {
    let allow = route.allow();
    let text = format!("{method} is not a method of this path, only {allow}");
    let mut refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text);
    refusal.allow = Some(allow.into());
    refusal
}

/// What a browser asks before it lets a page of an allowed origin read answers.
fn options(route: &Route) -> Answer {
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    if let Ok(allow) = HeaderValue::from_str(&route.allow()) {
        answer.headers.insert(header::ALLOW, allow);
    }
    if matches!(route.scope, Scope::Read | Scope::Public) {
        answer.headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, OPTIONS"),
        );
        answer.headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Accept, Authorization, Content-Type, Origin"),
        );
    }
    answer
}
