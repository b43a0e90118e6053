//! What can be converted, and how: the catalogue.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::data;
use crate::state::AppState;

/// `GET /formats`: every format, with what it converts to and for how many credits.
pub(crate) async fn formats(State(state): State<AppState>) -> Response {
    let catalog = state.catalog();
    let outputs = |from: &str| -> Vec<Value> {
        let pairs = catalog.pairs.iter().filter(|pair| pair.from == from);
        pairs.map(|pair| json!({ "format": pair.to, "credits": pair.credits })).collect()
    };
    let formats = catalog.formats.iter().map(|format| {
        let mut view = json!(format);
        if let Some(view) = view.as_object_mut() {
            view.insert("outputs".to_owned(), outputs(&format.name).into());
        }
        view
    });
    data(StatusCode::OK, formats.collect())
}

/// `GET /operations`: every operation, with its fields, options, ranges and defaults.
pub(crate) async fn operations(State(state): State<AppState>) -> Response {
    data(StatusCode::OK, json!(state.catalog().operations))
}
