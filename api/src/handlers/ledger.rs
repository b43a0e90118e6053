//! `GET /account/ledger`: every movement of the account's credits.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::store::LedgerEntry;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use super::Query;
use crate::error::{ApiError, Code};
use crate::middleware::auth::Caller;
use crate::state::AppState;
use crate::view::timestamp;

/// Most entries on a page.
const MAX_LIMIT: u64 = 100;

/// What an entry's identifier begins with.
const PREFIX: &str = "led_";

/// The newest entries first; `meta.next_cursor` leads to the older ones.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller, query: Query) -> Result<Response, ApiError> {
    let invalid = |field: &str, reason: &str| ApiError::field(Code::InvalidData, field, reason);
    let limit = query.number("limit", 20).filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))?;
    let cursor = match query.get("cursor") {
        None | Some("") => None,
        Some(text) => {
            let entry = text.strip_prefix(PREFIX).filter(|entry| is_position(entry));
            Some(entry.ok_or_else(|| invalid("cursor", "must be the `next_cursor` of an earlier page"))?)
        }
    };
    // One more than asked for tells whether there is another page.
    let limit = usize::try_from(limit).unwrap_or(20);
    let mut entries = state.store().ledger(&caller.account, cursor, limit + 1).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| format!("{PREFIX}{}", last.id));
    let body = json!({
        "data": entries.iter().map(view).collect::<Vec<_>>(),
        "meta": { "limit": limit, "next_cursor": next },
    });
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

/// `<number>-<number>`, of digits that fit.
fn is_position(text: &str) -> bool {
    text.split_once('-').is_some_and(|(ms, sequence)| {
        [ms, sequence].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u64>().is_ok())
    })
}

fn view(entry: &LedgerEntry) -> Value {
    let mut view = Map::new();
    view.insert("id".into(), format!("{PREFIX}{}", entry.id).into());
    view.insert("kind".into(), entry.kind.as_str().into());
    view.insert("amount".into(), entry.amount.into());
    view.insert("balance_change".into(), entry.change.into());
    view.insert("balance_after".into(), entry.balance.into());
    for (name, text) in [("job_id", &entry.job), ("task", &entry.task), ("note", &entry.note)] {
        if let Some(text) = text {
            view.insert(name.into(), text.as_str().into());
        }
    }
    view.insert("created_at".into(), timestamp(entry.at));
    Value::Object(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_position_and_nothing_else() {
        assert!(is_position("1775212275000-0") && is_position("0-12"), "positions");
        for bad in ["", "-", "1-", "-1", "1", "1-2-3", "+-1", "(1-1", "99999999999999999999-0", "1-a"] {
            assert!(!is_position(bad), "{bad}");
        }
    }
}
