//! `GET /jobs`: by page as the reference says, or by cursor, which stays in place while jobs come and go.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::Cursor;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, LINK};
use serde_json::{Map, Value, json};

use super::show;
use crate::error::{ApiError, Code};
use crate::handlers::Query;
use crate::middleware::auth::Caller;
use crate::state::AppState;

/// Last page that can be asked for; no list is that long.
const MAX_PAGE: u64 = 1_000_000_000;

/// Most jobs on a page.
const MAX_LIMIT: u64 = 100;

/// Where in the list the client is.
enum Position {
    Page(u64),
    After(Cursor),
}

/// `GET /jobs`.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller, query: Query) -> Result<Response, ApiError> {
    let invalid = |field: &str, reason: &str| ApiError::field(Code::InvalidData, field, reason);
    let limit = query.number("limit", 20).filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))?;
    let position = match query.get("cursor") {
        None => {
            let page = query.number("page", 1).filter(|page| (1..=MAX_PAGE).contains(page));
            Position::Page(page.ok_or_else(|| invalid("page", "must be an integer from 1 to 1000000000"))?)
        }
        Some(_) if query.get("page").is_some() => {
            return Err(invalid("cursor", "cannot be combined with page: give one of them"));
        }
        Some(text) => {
            let reason = "must be the next_cursor of an earlier answer";
            Position::After(text.parse().map_err(|()| invalid("cursor", reason))?)
        }
    };
    let status = match query.get("status") {
        None => None,
        Some(text) => {
            Some(JobStatus::parse(text).ok_or_else(|| invalid("status", "must be one of WAITING, PROCESSING, FINISHED, ERROR"))?)
        }
    };
    let tag = query.get("tag");
    let found = match &position {
        Position::Page(page) => state.store().jobs(&caller.account, *page, limit, status, tag).await?,
        Position::After(cursor) => state.store().jobs_after(&caller.account, cursor, limit, status, tag).await?,
    };
    let mut jobs = Vec::with_capacity(found.jobs.len());
    for record in &found.jobs {
        jobs.push(show(&state, record).await);
    }
    let mut meta = Map::new();
    if let Position::Page(page) = position {
        meta.insert("page".into(), page.into());
    }
    meta.insert("limit".into(), limit.into());
    meta.insert("total".into(), found.total.into());
    meta.insert("next_cursor".into(), found.next.as_ref().map(ToString::to_string).into());
    let base = Base { url: format!("{}/api/v1/jobs", state.linker().public_url), limit, status, tag };
    let links = match &position {
        Position::Page(page) => by_page(&base, *page, found.total),
        Position::After(_) => by_cursor(&base, found.next.as_ref()),
    };
    let body = json!({ "data": jobs, "meta": Value::Object(meta) });
    let mut response = ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response();
    if let Ok(value) = HeaderValue::try_from(links.join(", ")) {
        response.headers_mut().insert(LINK, value);
    }
    Ok(response)
}

/// The list itself: address and filters.
struct Base<'a> {
    url: String,
    limit: u64,
    status: Option<JobStatus>,
    tag: Option<&'a str>,
}

impl Base<'_> {
    /// One link (RFC 8288), at the place that `key` and `value` name.
    fn link(&self, rel: &str, place: Option<(&str, String)>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some((key, value)) = place {
            query.append_pair(key, &value);
        }
        query.append_pair("limit", &self.limit.to_string());
        if let Some(status) = self.status {
            query.append_pair("status", status.as_str());
        }
        if let Some(tag) = self.tag {
            query.append_pair("tag", tag);
        }
        format!("<{}?{}>; rel=\"{rel}\"", self.url, query.finish())
    }
}

fn by_page(base: &Base<'_>, page: u64, total: u64) -> Vec<String> {
    let last = total.div_ceil(base.limit).max(1);
    let link = |rel: &str, page: u64| base.link(rel, Some(("page", page.to_string())));
    let mut links = Vec::new();
    if page < last {
        links.push(link("next", page + 1));
    }
    if page > 1 {
        links.push(link("prev", (page - 1).min(last)));
    }
    links.push(link("first", 1));
    links.push(link("last", last));
    links
}

/// A cursor leads forwards only; `first` leads back to the start.
fn by_cursor(base: &Base<'_>, next: Option<&Cursor>) -> Vec<String> {
    let mut links: Vec<String> = next.map(|next| base.link("next", Some(("cursor", next.to_string())))).into_iter().collect();
    links.push(base.link("first", None));
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_link_to_their_neighbours() {
        let base =
            Base { url: "https://x/api/v1/jobs".into(), limit: 2, status: Some(JobStatus::Error), tag: Some("a b\r\n\"&") };
        let tail = "limit=2&status=ERROR&tag=a+b%0D%0A%22%26";
        let link = |page: u64, rel: &str| format!("<https://x/api/v1/jobs?page={page}&{tail}>; rel=\"{rel}\"");
        assert_eq!(by_page(&base, 2, 5), [link(3, "next"), link(1, "prev"), link(1, "first"), link(3, "last")], "in the middle");
        assert_eq!(by_page(&base, 3, 5), [link(2, "prev"), link(1, "first"), link(3, "last")], "at the end");
        assert_eq!(by_page(&base, 9, 5), [link(3, "prev"), link(1, "first"), link(3, "last")], "far behind the end");
        assert_eq!(by_page(&base, 1, 0), [link(1, "first"), link(1, "last")], "an empty list");
    }
}
