//! Whether the server lives, whether it can work, and how it does.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;
use tokio::time::timeout;

use crate::handlers::room;
use crate::state::AppState;

/// Longest wait for one part to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer of storage is good for: each check writes an object, which a bucket charges for.
pub(crate) const STORAGE_REMEMBERED: Duration = Duration::from_secs(5);

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: the parts that a job needs answer; 503 says which does not. Says as well when room is scarce.
pub(crate) async fn ready(State(state): State<AppState>) -> Response {
    let (store, storage) = tokio::join!(timeout(PATIENCE, state.store().ping()), storage(&state));
    let store = matches!(store, Ok(Ok(())));
    let draining = state.drain().is_cancelled();
    let word = |ok: bool| if ok { "ok" } else { "failed" };
    let ready = store && storage && !draining;
    // What is here can still be read while room is scarce: a reason to tell the operator, none to send clients elsewhere.
    let low = room::is_low(&state);
    let status = match (draining, ready, low) {
        (true, _, _) => "draining",
        (_, true, true) => "degraded",
        _ => word(ready),
    };
    let space = if low { "low" } else { "ok" };
    let body = Json(json!({ "status": status, "store": word(store), "storage": word(storage), "space": space }));
    if ready { body.into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response() }
}

/// Whether storage takes a file, by a recent check or a new one; of many probes at once one checks and the others wait.
async fn storage(state: &AppState) -> bool {
    let mut last = state.storage_check().lock().await;
    if let Some((at, ok)) = *last
        && at.elapsed() < STORAGE_REMEMBERED
    {
        return ok;
    }
    let ok = match timeout(PATIENCE, state.storage().check()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "storage fails its check");
            false
        }
        Err(_) => {
            tracing::warn!("storage does not answer its check");
            false
        }
    };
    *last = Some((Instant::now(), ok));
    ok
}

/// `GET /metrics`: what this process counts, and what every process finds in the store.
pub(crate) async fn metrics(State(state): State<AppState>) -> Response {
    let mut text = state.metrics().render();
    // What all processes of the store count together; while it is away the rest is shown all the same.
    if let Ok(Ok(counters)) = timeout(PATIENCE, state.store().counters()).await {
        text.push_str(&crate::metrics::shared(&counters));
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
