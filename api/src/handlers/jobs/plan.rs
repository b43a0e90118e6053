//! `POST /jobs?dry_run=true`: what would happen. Nothing is stored, nothing is charged.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::handlers::data;
use crate::state::AppState;
use crate::validate::{Accepted, Hop};
use convertfly_scheduler::view::warnings;

/// The plan of an accepted request.
pub(super) async fn plan(state: &AppState, accepted: &Accepted) -> Result<Response, ApiError> {
    let job = &accepted.job;
    let account = state.store().account(&job.account).await.map_err(|e| ApiError::from(e).about("account"))?;
    let credits: i64 = job.tasks.iter().map(|task| i64::from(task.credits)).sum();
    let after = account.balance - credits;
    let mut warnings = warnings::of_plan(job.tasks.iter());
    if after < 0 {
        let text = format!("This needs {credits} credits and {} are left: it would be refused", account.balance);
        warnings.push(json!({ "code": "UNAFFORDABLE", "message": text }));
    }
    let tasks: Map<String, Value> = job
        .tasks
        .iter()
        .map(|task| {
            let mut view = Map::new();
            view.insert("name".into(), task.name.as_str().into());
            view.insert("operation".into(), task.operation.as_str().into());
            if !task.input.is_empty() {
                view.insert("input".into(), json!(task.input));
            }
            view.insert("lane".into(), task.lane.as_str().into());
            view.insert("credits".into(), task.credits.into());
            if let Some(route) = accepted.routes.get(&task.name) {
                view.insert("route".into(), route.iter().map(|way| hop(way, job.choices.test)).collect());
            }
            (task.name.clone(), Value::Object(view))
        })
        .collect();
    let view = json!({
        "dry_run": true,
        "credits": credits,
        "balance": account.balance,
        "balance_after": after,
        "affordable": after >= 0,
        "tasks": tasks,
        "warnings": warnings,
    });
    Ok(data(StatusCode::OK, view))
}

fn hop(hop: &Hop, free: bool) -> Value {
    let credits = if free { 0 } else { hop.credits };
    json!({ "from": hop.from, "to": hop.to, "lane": hop.lane.as_str(), "engine": hop.engine, "credits": credits })
}
