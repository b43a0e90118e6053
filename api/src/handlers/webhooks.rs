//! Webhooks: register, list, change, rotate, test, and the log of deliveries.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::store::{NewWebhook, StoreError, WebhookChange, account_context, webhook_context};
use convertfly_scheduler::webhooks::payload;
use convertfly_scheduler::webhooks::sign::SigningSecret;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{Names, Query, data, expect_json, read_body};
use crate::error::{ApiError, Code};
use crate::links::now_ms;
use crate::middleware::auth::Caller;
use crate::state::AppState;
use crate::validate::webhook as validate;
use crate::view::webhooks as view;

/// Most deliveries on a page.
const MAX_LIMIT: u64 = 100;

/// `POST /webhooks`.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = json_body(&state, &headers, body).await?;
    let registration = validate::registration(state.gate(), &bytes)?;
    let id = new_id("wh");
    let secret = generate()?;
    let new = NewWebhook {
        account: caller.account,
        url: registration.url,
        events: registration.events,
        sealed_secret: seal(&state, &webhook_context(&id), &secret)?,
        hint: secret.hint(),
        id,
    };
    let made = state.store().create_webhook(&new).await.map_err(|e| ApiError::from(e).about("account"))?;
    Ok(data(StatusCode::CREATED, view::webhook(&made, Some(&secret))))
}

/// `GET /webhooks`.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let webhooks = state.store().webhooks(&caller.account).await?;
    let views: Vec<Value> = webhooks.iter().map(|webhook| view::webhook(webhook, None)).collect();
    let body = json!({ "data": views, "meta": { "total": views.len() } });
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

/// `GET /webhooks/:id`.
pub(crate) async fn get(State(state): State<AppState>, caller: Caller, Names(id): Names<String>) -> Result<Response, ApiError> {
    let webhook = state.store().webhook(&caller.account, webhook_id(&id)?).await.map_err(about)?;
    Ok(data(StatusCode::OK, view::webhook(&webhook, None)))
}

/// `PATCH /webhooks/:id`: enable, disable, other events.
pub(crate) async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Names(id): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (id, account) = (webhook_id(&id)?, &caller.account);
    let change = validate::change(&json_body(&state, &headers, body).await?)?;
    if let Some(events) = change.events {
        state.store().change_webhook(account, id, &WebhookChange::Events(events)).await.map_err(about)?;
    }
    if let Some(enabled) = change.enabled {
        let disable = WebhookChange::Disable { reason: "Disabled by its owner".into() };
        let change = if enabled { WebhookChange::Enable } else { disable };
        state.store().change_webhook(account, id, &change).await.map_err(about)?;
    }
    let webhook = state.store().webhook(account, id).await.map_err(about)?;
    Ok(data(StatusCode::OK, view::webhook(&webhook, None)))
}

/// `DELETE /webhooks/:id`.
pub(crate) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Names(id): Names<String>,
) -> Result<Response, ApiError> {
    state.store().change_webhook(&caller.account, webhook_id(&id)?, &WebhookChange::Delete).await.map_err(about)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /webhooks/:id/rotate-secret`.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    Names(id): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let id = webhook_id(&id)?;
    let seconds = validate::rotation(&json_body(&state, &headers, body).await?)?;
    let secret = generate()?;
    let change = WebhookChange::Rotate {
        sealed_secret: seal(&state, &webhook_context(id), &secret)?,
        hint: secret.hint(),
        overlap_ms: seconds * 1_000,
    };
    state.store().change_webhook(&caller.account, id, &change).await.map_err(about)?;
    let webhook = state.store().webhook(&caller.account, id).await.map_err(about)?;
    Ok(data(StatusCode::OK, view::webhook(&webhook, Some(&secret))))
}

/// `POST /webhooks/:id/test`: queues a test event, signed and attempted as every other.
pub(crate) async fn test(
    State(state): State<AppState>,
    caller: Caller,
    Names(id): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let id = webhook_id(&id)?;
    let event = validate::test(&json_body(&state, &headers, body).await?)?;
    let payload = payload::test_event(&event, now_ms());
    let sent = state.store().send_test_event(&caller.account, id, &new_id("evt"), &event, &payload).await;
    let delivery = state.store().delivery(&caller.account, &sent.map_err(about)?).await.map_err(about)?;
    Ok(data(StatusCode::ACCEPTED, view::delivery(&delivery)))
}

/// `GET /webhooks/:id/deliveries`.
pub(crate) async fn deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Names(id): Names<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let invalid = |field: &str, reason: &str| ApiError::field(Code::InvalidData, field, reason);
    let limit = query.number("limit", 20).filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))?;
    let page = query.number("page", 1).filter(|&page| page >= 1 && page <= u64::from(u32::MAX));
    let page = page.ok_or_else(|| invalid("page", "must be an integer of 1 or more"))?;
    let found = state.store().deliveries(&caller.account, webhook_id(&id)?, page, limit).await.map_err(about)?;
    let views: Vec<Value> = found.deliveries.iter().map(view::delivery).collect();
    let body = json!({ "data": views, "meta": { "page": page, "limit": limit, "total": found.total } });
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

/// `POST /webhooks/:id/deliveries/:delivery/replay`.
pub(crate) async fn replay(
    State(state): State<AppState>,
    caller: Caller,
    Names((id, delivery)): Names<(String, String)>,
) -> Result<Response, ApiError> {
    let plain = delivery.strip_prefix("dlv_").is_some_and(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !plain {
        return Err(ApiError::not_found("delivery"));
    }
    let replayed = state.store().replay_delivery(&caller.account, webhook_id(&id)?, &delivery).await;
    Ok(data(StatusCode::ACCEPTED, view::delivery(&replayed.map_err(|e| ApiError::from(e).about("delivery"))?)))
}

/// `GET /account/webhook-secret`: signs the `webhook_url` of jobs.
pub(crate) async fn account_secret(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let secret = default_secret(&state, &caller.account).await?;
    Ok(data(StatusCode::OK, json!({ "signing_secret": secret.expose() })))
}

/// `POST /account/webhook-secret/rotate`.
pub(crate) async fn rotate_account_secret(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let seconds = validate::rotation(&json_body(&state, &headers, body).await?)?;
    let secret = generate()?;
    let sealed = seal(&state, &account_context(&caller.account), &secret)?;
    state.store().account_webhook_secret(&caller.account, &sealed, Some(seconds * 1_000)).await.map_err(about)?;
    Ok(data(StatusCode::OK, json!({ "signing_secret": secret.expose() })))
}

/// The account's default secret; made when it is first asked for.
pub(crate) async fn default_secret(state: &AppState, account: &str) -> Result<SigningSecret, ApiError> {
    let context = account_context(account);
    let fresh = seal(state, &context, &generate()?)?;
    let sealed =
        state.store().account_webhook_secret(account, &fresh, None).await.map_err(|e| ApiError::from(e).about("account"))?;
    let text = state.sealer().open_text(&context, &sealed).map_err(|error| {
        tracing::error!(%error, account, "the account's webhook secret does not open");
        ApiError::server()
    })?;
    Ok(SigningSecret::from_text(text))
}

fn generate() -> Result<SigningSecret, ApiError> {
    SigningSecret::generate().map_err(|error| {
        tracing::error!(%error, "no random bytes");
        ApiError::server()
    })
}

fn seal(state: &AppState, context: &str, secret: &SigningSecret) -> Result<String, ApiError> {
    state.sealer().seal(context, secret.expose().as_bytes()).map_err(|error| {
        tracing::error!(%error, "a secret could not be sealed");
        ApiError::server()
    })
}

async fn json_body(state: &AppState, headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, ApiError> {
    let (bytes, _memory) = read_body(state, headers, body, state.limits().small_body).await?;
    if !bytes.is_empty() {
        expect_json(headers)?;
    }
    Ok(bytes)
}

/// A webhook's identifier, or the 404 that a guess deserves, without asking the store.
fn webhook_id(text: &str) -> Result<&str, ApiError> {
    let plain = text
        .strip_prefix("wh_")
        .is_some_and(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    plain.then_some(text).ok_or_else(|| ApiError::not_found("webhook"))
}

fn about(error: StoreError) -> ApiError {
    ApiError::from(error).about("webhook")
}
