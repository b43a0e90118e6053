//! From a URL to the answer that is no redirect: each hop passes the whole gate again.

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap, HeaderValue};
use http_body_util::Empty;
use hyper::body::Incoming;

use super::connect::{Connector, Exchange, unreachable};
use super::{FetchConfig, USER_AGENT};
use crate::failure::Failure;
use convertfly_scheduler::guard::Target;

/// Where a file is asked for.
pub(super) struct Place {
    pub(super) start: Target,
    /// The customer's, for the URL's own origin.
    pub(super) headers: HeaderMap,
}

impl Place {
    /// Asks with the fields of `more` besides the customer's, and goes where the source points to.
    pub(super) async fn follow(
        &self,
        connector: &Connector,
        config: &FetchConfig,
        more: &HeaderMap,
    ) -> Result<(Exchange, Target), Failure> {
        let mut target = self.start.clone();
        let mut headers = self.headers.clone();
        for _ in 0..=config.max_redirects {
            let exchange = connector.send(&target, request(&headers, more)).await?;
            let Some(location) = redirect(&exchange.response) else { return Ok((exchange, target)) };
            let location = location.map_err(|()| unreachable("The source redirects without saying where to", false))?;
            let next = connector.gate.check_redirect(&target, &location);
            let next = next.map_err(|why| unreachable(format!("The source's redirect is not followed: {why}"), false))?;
            if next.url().origin() != target.url().origin() {
                // The customer's headers, Authorization above all, were meant for the first origin alone.
                headers.clear();
            }
            target = next;
        }
        Err(unreachable(format!("The source redirects more than {} times", config.max_redirects), false))
    }

    /// The URL as it may stand in the log.
    pub(super) fn loggable(&self) -> String {
        convertfly_scheduler::secret::loggable_url(self.start.url().as_str())
    }
}

fn request(headers: &HeaderMap, more: &HeaderMap) -> http::Request<Empty<Bytes>> {
    let mut request = http::Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    let fields = request.headers_mut();
    fields.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    for (name, value) in headers {
        fields.insert(name, value.clone());
    }
    fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in more {
        fields.insert(name, value.clone());
    }
    request
}

/// Where a redirect leads to; an error if it does not say.
fn redirect(response: &http::Response<Incoming>) -> Option<Result<String, ()>> {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308).then(|| {
        let location = response.headers().get(header::LOCATION).ok_or(())?;
        str::from_utf8(location.as_bytes()).map(str::to_owned).map_err(|_| ())
    })
}
