//! The AWS SDK's way out. Its requests pass the same gate as all others: the SDK knows no other client, so it can neither be
//! led to an internal address nor ask a metadata service for credentials.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio_util::task::AbortOnDropHandle;

use super::Fetcher;
use super::connect::Connector;
use crate::failure::Failure;

/// A client for the SDK, made by [`Fetcher::sdk_client`].
#[derive(Clone)]
pub struct SdkClient(Arc<Connector>);

/// Why a request of the SDK was not sent, or not answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Outbound(pub Failure);

impl fmt::Debug for SdkClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SdkClient")
    }
}

impl Fetcher {
    /// A client for the AWS SDK, whose requests may take `attempt` with their bodies.
    pub fn sdk_client(&self, attempt: Duration) -> SdkClient {
        SdkClient(Arc::new(Connector { response_timeout: attempt, ..(*self.connector).clone() }))
    }
}

impl HttpClient for SdkClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SdkClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|cause| ConnectorError::user(cause.into()))?;
            let target = connector.gate.check(&request.uri().to_string());
            let target = target.map_err(|why| ConnectorError::user(Outbound(Failure::invalid_field("endpoint", why)).into()))?;
            let exchange = connector.send(&target, request).await.map_err(|failure| {
                let retry = failure.is_retryable();
                let cause = Outbound(failure).into();
                if retry { ConnectorError::io(cause) } else { ConnectorError::user(cause) }
            })?;
            let (response, driver) = exchange.into_parts();
            let response = response.map(|body| SdkBody::from_body_1_x(Driven { body, _driver: driver }));
            HttpResponse::try_from(response).map_err(|cause| ConnectorError::user(cause.into()))
        })
    }
}

/// A body, and what drives its connection.
struct Driven {
    body: Incoming,
    _driver: AbortOnDropHandle<Bytes>,
}

impl Body for Driven {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
