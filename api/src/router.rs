//! Every route, one line each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ALLOW,
};
use http::{HeaderValue, Method, StatusCode};

use crate::error::{ApiError, Code};
use crate::handlers::{account, api_keys, convert, files, formats, health, jobs, ledger, reference, storage, tasks, webhooks};
use crate::limits::Limits;
use crate::metrics::RouteId;
use crate::middleware::admission::{Gate, admit};
use crate::middleware::auth::{Access, Directory};
use crate::middleware::{Guard, KeyCache, guard};
use crate::openapi::{Doc, routes as doc};
use crate::policy::Policy;
use crate::state::AppState;
use Access::{AnyKey, Public, Scope, SignedLink};

const READ: Access = Scope("jobs:read");
const HOOKS: Access = Scope("webhooks:manage");
const WRITE: Access = Scope("jobs:write");
/// Keys with every scope alone.
const FULL: Access = Scope("*");

/// A row of the table.
pub(crate) struct Route<S> {
    /// Method; GET answers HEAD, too.
    pub(crate) method: Method,
    /// Path with its placeholders.
    pub(crate) path: &'static str,
    /// Who may.
    pub(crate) access: Access,
    /// Bytes that a body may announce; `None` where the handler bounds it.
    pub(crate) max_body: Option<usize>,
    /// What the reference says of it.
    pub(crate) doc: Doc,
    handler: MethodRouter<S>,
}

/// The table.
pub(crate) fn routes(limits: &Limits) -> Vec<Route<AppState>> {
    let (small, job) = (Some(limits.small_body), Some(limits.job_body));
    vec![
        row(Method::GET, "/healthz", Public, small, health::live, doc::service::live()),
        row(Method::GET, "/readyz", Public, small, health::ready, doc::service::ready()),
        row(Method::GET, "/metrics", Public, small, health::metrics, doc::service::metrics()),
        row(Method::POST, "/api/v1/jobs", WRITE, job, jobs::create, doc::jobs::create()),
        row(Method::GET, "/api/v1/jobs", READ, small, jobs::list, doc::jobs::list()),
        row(Method::GET, "/api/v1/jobs/{job}", READ, small, jobs::get, doc::jobs::get()),
        row(Method::DELETE, "/api/v1/jobs/{job}", WRITE, small, jobs::delete, doc::jobs::delete()),
        row(Method::GET, "/api/v1/jobs/{job}/wait", READ, small, jobs::wait, doc::jobs::wait()),
        row(Method::GET, "/api/v1/jobs/{job}/events", READ, small, jobs::events, doc::jobs::events()),
        row(Method::GET, "/api/v1/jobs/{job}/tasks", READ, small, tasks::list, doc::tasks::list()),
        row(Method::GET, "/api/v1/jobs/{job}/tasks/{task}", READ, small, tasks::get, doc::tasks::get()),
        row(Method::POST, "/api/v1/jobs/{job}/tasks/{task}/cancel", WRITE, small, tasks::cancel, doc::tasks::cancel()),
        row(Method::POST, "/api/v1/jobs/{job}/tasks/{task}/retry", WRITE, small, tasks::retry, doc::tasks::retry()),
        row(Method::POST, "/api/v1/convert", WRITE, Some(limits.convert_body), convert::convert, doc::files::convert()),
        row(Method::GET, "/api/v1/files/{file}", READ, small, files::get, doc::files::get()),
        row(Method::GET, "/api/v1/files/{file}/content", READ, small, files::content, doc::files::content()),
        row(Method::GET, "/api/v1/formats", AnyKey, small, formats::formats, doc::catalogue::formats()),
        row(Method::GET, "/api/v1/operations", AnyKey, small, formats::operations, doc::catalogue::operations()),
        row(Method::GET, "/api/v1/account", AnyKey, small, account::get, doc::account::get()),
        row(Method::GET, "/api/v1/account/ledger", READ, small, ledger::list, doc::account::ledger()),
        row(Method::POST, "/api/v1/api-keys", FULL, small, api_keys::create, doc::api_keys::create()),
        row(Method::GET, "/api/v1/api-keys", FULL, small, api_keys::list, doc::api_keys::list()),
        row(Method::DELETE, "/api/v1/api-keys/{key}", FULL, small, api_keys::revoke, doc::api_keys::revoke()),
        row(Method::GET, "/api/v1/openapi.json", Public, small, reference::document, doc::service::document()),
        row(Method::POST, "/api/v1/webhooks", HOOKS, small, webhooks::create, doc::webhooks::create()),
        row(Method::GET, "/api/v1/webhooks", HOOKS, small, webhooks::list, doc::webhooks::list()),
        row(Method::GET, "/api/v1/webhooks/{webhook}", HOOKS, small, webhooks::get, doc::webhooks::get()),
        row(Method::PATCH, "/api/v1/webhooks/{webhook}", HOOKS, small, webhooks::update, doc::webhooks::update()),
        row(Method::DELETE, "/api/v1/webhooks/{webhook}", HOOKS, small, webhooks::delete, doc::webhooks::delete()),
        row(Method::POST, "/api/v1/webhooks/{webhook}/rotate-secret", HOOKS, small, webhooks::rotate, doc::webhooks::rotate()),
        row(Method::POST, "/api/v1/webhooks/{webhook}/test", HOOKS, small, webhooks::test, doc::webhooks::test()),
        row(
            Method::GET,
            "/api/v1/webhooks/{webhook}/deliveries",
            HOOKS,
            small,
            webhooks::deliveries,
            doc::webhooks::deliveries(),
        ),
        row(
            Method::POST,
            "/api/v1/webhooks/{webhook}/deliveries/{delivery}/replay",
            HOOKS,
            small,
            webhooks::replay,
            doc::webhooks::replay(),
        ),
        row(
            Method::GET,
            "/api/v1/account/webhook-secret",
            HOOKS,
            small,
            webhooks::account_secret,
            doc::webhooks::account_secret(),
        ),
        row(
            Method::POST,
            "/api/v1/account/webhook-secret/rotate",
            HOOKS,
            small,
            webhooks::rotate_account_secret,
            doc::webhooks::rotate_account_secret(),
        ),
        row(Method::GET, "/api/v1/docs", Public, small, reference::page, doc::service::page("getDocs")),
        row(Method::GET, "/docs", Public, small, reference::page, doc::service::page("getDocsPage")),
        row(Method::PUT, "/storage/upload/{token}", SignedLink, None, storage::upload, doc::storage::upload()),
        row(Method::POST, "/storage/upload/{token}", SignedLink, None, storage::create, doc::storage::create()),
        row(Method::HEAD, "/storage/upload/{token}", SignedLink, small, storage::status, doc::storage::status()),
        row(Method::PATCH, "/storage/upload/{token}", SignedLink, None, storage::patch, doc::storage::patch()),
        row(Method::DELETE, "/storage/upload/{token}", SignedLink, small, storage::terminate, doc::storage::terminate()),
        row(Method::GET, "/storage/dl/{token}", SignedLink, small, storage::download, doc::storage::download()),
    ]
}

/// A row. `doc` is what the reference says of the route: see [`Doc`] for how it is written.
pub(crate) fn row<S, H, T>(
    method: Method,
    path: &'static str,
    access: Access,
    max_body: Option<usize>,
    handler: H,
    doc: Doc,
) -> Route<S>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<T, S>,
    T: 'static,
{
    // Every method of the table is one that axum filters by.
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    Route { method, path, access, max_body, doc, handler: on(filter, handler) }
}

/// The router of the API.
pub(crate) fn build(state: AppState) -> Router {
    let policy = state.policy().clone();
    assemble(routes(state.limits()), state, policy)
}

/// Puts a guard before each row and a gate before all, answers OPTIONS for every path, and gives what matches no row the body of
/// every error.
pub(crate) fn assemble<S: Directory>(rows: Vec<Route<S>>, state: S, policy: Policy) -> Router {
    let mut paths: BTreeMap<&'static str, (Access, Vec<Method>)> = BTreeMap::new();
    let mut router = Router::new();
    for (index, row) in rows.into_iter().enumerate() {
        paths.entry(row.path).or_insert((row.access, Vec::new())).1.push(row.method);
        let state =
            Arc::new(Guard { directory: state.clone(), route: RouteId(index), access: row.access, max_body: row.max_body });
        // A route layer: what asks for another method gets its 405 without being asked for a key.
        router = router.route(row.path, row.handler.route_layer(from_fn_with_state(state, guard::<S>)));
    }
    let access: HashMap<_, _> = paths.iter().map(|(path, (access, _))| (*path, *access)).collect();
    let gate = Arc::new(Gate { directory: state.clone(), cache: KeyCache::default(), paths: access, policy });
    for (path, (access, methods)) in paths {
        let allow = allowed(&methods);
        let options = async move || preflight(access, &allow);
        router = router.route(path, on(MethodFilter::OPTIONS, options));
    }
    router
        .method_not_allowed_fallback(async || {
            ApiError::new(
                Code::MethodNotAllowed,
                "This path does not offer that method: the Allow header lists those that it does",
            )
        })
        .fallback(async || ApiError::new(Code::NotFound, "There is nothing at this path: the API begins at /api/v1"))
        // Last, so that it stands before the fallbacks, too.
        .layer(from_fn_with_state(gate, admit::<S>))
        .with_state(state)
}

/// The methods of a path, as an `Allow` header lists them.
fn allowed(methods: &[Method]) -> String {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.join(", ")
}

/// The answer to OPTIONS: what there is, and for signed links the permission that browsers ask for before they use them.
fn preflight(access: Access, allow: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let Ok(allow) = HeaderValue::from_str(allow) else { return response };
    let headers = response.headers_mut();
    if access == SignedLink {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
        let request_headers = "Content-Digest, Content-MD5, Content-Type, If-None-Match, If-Range, Range, Repr-Digest, Tus-Resumable, \
                               Upload-Checksum, Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, X-Request-Id, \
                               X-Requested-With";
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(request_headers));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    if allow.as_bytes().windows(5).any(|name| name == b"PATCH") && access == SignedLink {
        storage::describe(headers);
    }
    headers.insert(ALLOW, allow);
    response
}
