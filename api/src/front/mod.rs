//! What every request passes through, whatever it asks for: request id, panics, metrics, access log, form of errors, headers
//! that every answer has.

mod compress;
mod conventions;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::ids::new_id;
use futures_util::FutureExt;
use http::header::ACCEPT;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use tower::ServiceExt;

use crate::error::ApiError;
use crate::metrics::{Metrics, RouteId};
use crate::middleware::admission::Visit;
use crate::middleware::auth::Caller;
use crate::policy::Policy;
use crate::state::AppState;

/// Identifies a request in our answer, in the log and in a support case.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes, and what stands before them.
pub(crate) struct Front {
    router: Router,
    metrics: Arc<Metrics>,
    policy: Policy,
    /// Whether clients reach this server by https.
    secure: bool,
}

impl Front {
    pub(crate) fn new(router: Router, metrics: Arc<Metrics>, policy: Policy, secure: bool) -> Self {
        Self { router, metrics, policy, secure }
    }

    /// The front of the API.
    pub(crate) fn of(state: &AppState) -> Self {
        let router = crate::router::build(state.clone());
        Self::new(router, state.metrics().clone(), state.policy().clone(), state.secure())
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Answers one request. Never panics and never fails: what goes wrong inside is a 500 with the body of every error.
    pub(crate) async fn handle(&self, mut request: Request<Body>, peer: SocketAddr) -> Response {
        let begun = Instant::now();
        let _busy = self.metrics.begun();
        let id = request_id(request.headers());
        let method = request.method().clone();
        let wants_problem = accepts_problem_json(request.headers());
        let gzip = compress::accepted(request.headers());
        let page = conventions::Page::of(&self.policy, &method, request.headers());
        let trace = conventions::trace_id(request.headers()).map(str::to_owned);
        let visit = Visit::from(peer.ip());
        request.extensions_mut().insert(visit.clone());
        tolerate_trailing_slash(request.uri_mut());
        let answered = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind().await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                self.metrics.panicked();
                tracing::error!(request_id = id, "a handler panicked");
                ApiError::server().into_response()
            }
        };
        if wants_problem && let Some(error) = response.extensions_mut().remove::<ApiError>() {
            let mut problem = error.into_problem_response();
            for (name, value) in response.headers() {
                if *name != http::header::CONTENT_LENGTH && !problem.headers().contains_key(name) {
                    problem.headers_mut().append(name, value.clone());
                }
            }
            *problem.extensions_mut() = std::mem::take(response.extensions_mut());
            response = problem;
        }
        response = compress::gzip(gzip, response).await;
        conventions::describe(&mut response, &self.policy, page, self.secure);
        let headers = response.headers_mut();
        visit.describe(headers, self.policy.rate_window_ms);
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, value);
        }
        let (route, status, took) = (response.extensions().get::<RouteId>().copied(), response.status(), begun.elapsed());
        self.metrics.answered(route, status.as_u16(), took);
        let caller = response.extensions().get::<Caller>();
        tracing::info!(
            target: "convertfly::access",
            %method,
            route = self.metrics.path(route),
            status = status.as_u16(),
            ms = took.as_secs_f64() * 1e3,
            request_id = id,
            trace_id = trace,
            account = caller.map(|caller| caller.account.as_str()),
            key = caller.map(|caller| caller.key.as_str()),
            peer = %peer.ip(),
            "answered"
        );
        response
    }
}

/// The client's own identifier if it is a harmless one, or a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    given.filter(harmless).map_or_else(|| new_id("req"), str::to_owned)
}

/// Whether the client prefers RFC 9457 to the reference's body.
fn accepts_problem_json(headers: &HeaderMap) -> bool {
    let wanted = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| {
            text.split(',').any(|part| {
                part.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/problem+json"))
            })
        })
    };
    headers.get_all(ACCEPT).iter().any(wanted)
}

/// `/api/v1/jobs/` means `/api/v1/jobs`.
fn tolerate_trailing_slash(uri: &mut Uri) {
    let path = uri.path();
    if path.len() < 2 || !path.ends_with('/') {
        return;
    }
    let path = path.trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    if let Ok(path_and_query) = PathAndQuery::try_from(text) {
        parts.path_and_query = Some(path_and_query);
        if let Ok(shorter) = Uri::from_parts(parts) {
            *uri = shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_do_not_matter() {
        for (given, meant) in [("/a/b/?x=1/", "/a/b?x=1/"), ("/a/b//", "/a/b"), ("/", "/"), ("//", "/"), ("/a", "/a")] {
            let mut uri: Uri = given.parse().expect("a URI");
            tolerate_trailing_slash(&mut uri);
            assert_eq!(uri.to_string(), meant, "{given}");
        }
    }

    #[test]
    fn a_request_id_is_taken_over_only_if_harmless() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, id.parse().expect("a header value"));
            request_id(&headers)
        };
        assert_eq!(with("abc-1.2_3"), "abc-1.2_3", "harmless");
        for bad in ["", "a b", "a\"b", "<script>", &"x".repeat(129)] {
            assert!(with(bad).starts_with("req_"), "{bad} must be replaced");
        }
    }

    #[test]
    fn problem_json_is_given_only_on_request() {
        let with = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            accepts_problem_json(&headers)
        };
        assert!(with("application/json, Application/Problem+JSON;q=0.9"), "asked for");
        assert!(!with("*/*") && !with("application/json"), "never by default");
    }
}
