//! One POST, for webhooks: through the same gate, pinned to the same addresses, redirects left alone.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Fetcher, USER_AGENT};
use crate::failure::Failure;

/// Bytes of an answer's body that are looked at.
const MAX_BODY: usize = 4 << 10;

/// How long the body of an answer is waited for once its head is there; the head is what counts.
const BODY_WAIT: Duration = Duration::from_secs(2);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// HTTP status; a redirect is not followed.
    pub status: u16,
    /// The `Retry-After` field as it was sent.
    pub retry_after: Option<String>,
    /// The beginning of the body as text, at most 4 KiB.
    pub body: String,
}

impl Fetcher {
    /// Posts `body` to a webhook's URL: https, or http where every address of the host lies in the allowed networks. The whole
    /// exchange is the caller's to bound.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for a refused URL or header, [`Failure::Unreachable`] without an answer. Messages never tell what a
    /// name resolved to.
    pub async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Bytes) -> Result<Posted, Failure> {
        let target = self.connector.gate.check_webhook(url).map_err(|why| Failure::invalid_field("url", why))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        let fields = request.headers_mut();
        fields.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(Failure::internal)?;
            fields.insert(HeaderName::from_static(name), value);
        }
        let connector = if target.url().scheme() == "https" { &self.connector } else { &self.in_clear };
        let mut exchange = connector.send(&target, request).await?;
        let retry_after = exchange.response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = exchange.response.status().as_u16();
        let body = beginning(exchange.response.body_mut()).await;
        Ok(Posted { status, retry_after, body })
    }
}

/// The first bytes of a body, whatever happens to the rest.
async fn beginning(body: &mut Incoming) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < MAX_BODY
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    };
    // Slow or endless: what has come is enough.
    let _ = timeout(BODY_WAIT, read).await;
    bytes.truncate(MAX_BODY);
    String::from_utf8_lossy(&bytes).into_owned()
}
