//! API keys: create, list, revoke. Only a key with the scope `*` gets here.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::store::{ApiKey, Revoker};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Names, data, expect_json, read_body};
use crate::error::{ApiError, Code};
use crate::keys::{self, Mode};
use crate::links::now_ms;
use crate::middleware::auth::Caller;
use crate::state::AppState;
use crate::validate;
use crate::view::timestamp;

/// `POST /api-keys`: the only answer that ever shows the key.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    expect_json(&headers)?;
    let (bytes, _) = read_body(&state, &headers, body, state.limits().small_body).await?;
    let asked = validate::api_key(&bytes)?;
    let own = if caller.test { Mode::Test } else { Mode::Live };
    let mode = asked.mode.unwrap_or(own);
    no_wider(&caller, &asked.scopes, mode)?;
    let key = keys::generate(mode);
    let record = ApiKey {
        id: new_id("key"),
        account: caller.account,
        name: asked.name,
        scopes: asked.scopes,
        test: mode == Mode::Test,
        last4: keys::last4(key.expose()),
        created_at: now_ms(),
        ..ApiKey::default()
    };
    state.store().put_key(&keys::sha256_hex(key.expose()), &record).await.map_err(|e| ApiError::from(e).about("account"))?;
    let mut view = view(&record);
    if let Some(view) = view.as_object_mut() {
        view.insert("key".into(), key.expose().as_str().into());
    }
    Ok(data(StatusCode::CREATED, view))
}

/// `GET /api-keys`.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let keys = state.store().api_keys(&caller.account).await?;
    Ok(data(StatusCode::OK, keys.iter().map(view).collect()))
}

/// `DELETE /api-keys/:id`.
pub(crate) async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Names(key): Names<String>,
) -> Result<Response, ApiError> {
    let revoker = if caller.test { Revoker::Test } else { Revoker::Live };
    let revoked = state.store().revoke_key(&caller.account, &key, revoker).await;
    revoked.map_err(|error| ApiError::from(error).about("API key"))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A key makes none that may do more than itself.
fn no_wider(caller: &Caller, scopes: &[String], mode: Mode) -> Result<(), ApiError> {
    let have = |scope: &String| caller.scopes.iter().any(|own| own == "*" || own == scope);
    if let Some(scope) = scopes.iter().find(|scope| !have(scope)) {
        let text = format!("This API key lacks the scope {scope} and cannot give it: use a key that has it");
        return Err(ApiError::new(Code::Forbidden, text).with_details(json!({ "field": "scopes", "required_scope": scope })));
    }
    if caller.test && mode == Mode::Live {
        let text = "A test key makes test keys alone: use a live key to make a live one";
        return Err(ApiError::new(Code::Forbidden, text).with_details(json!({ "field": "mode", "reason": "must be \"test\"" })));
    }
    Ok(())
}

/// A key as lists show it: enough to tell it from others, nothing that opens anything.
fn view(key: &ApiKey) -> Value {
    let mode = if key.test { Mode::Test } else { Mode::Live };
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "mode": mode.word(),
        "prefix": keys::prefix(mode),
        "last4": key.last4,
        "created_at": timestamp(key.created_at),
        "last_used_at": key.last_used_at.map(timestamp),
    })
}
