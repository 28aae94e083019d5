use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// How long an answer may take, from the request to its last byte: GetMetricData with 500 queries is the slowest that
/// billctl asks for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer in bytes; AWS's are a few megabytes at most.
const LONGEST: usize = 64 * 1024 * 1024;

/// Gives answers whole and in time or not at all: one that stops in the middle, drips or never ends is none.
#[derive(Debug)]
struct Whole {
    inner: SharedHttpConnector,
    patience: Duration,
}

/// The same client, whose answers are whole and take `patience` at most.
pub(super) fn whole(http: SharedHttpClient, patience: Duration) -> SharedHttpClient {
    http_client_fn(move |settings, components| whole_by(http.http_connector(settings, components), patience))
}

/// The same for one way to send requests.
pub(super) fn whole_by(inner: SharedHttpConnector, patience: Duration) -> SharedHttpConnector {
    SharedHttpConnector::new(Whole { inner, patience })
}

/// A client that sends everything this way: one pool of connections, for all services.
pub(super) fn client_by(connector: impl HttpConnector + 'static) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

impl HttpConnector for Whole {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.inner.call(request);
        let patience = self.patience;
        HttpConnectorFuture::new(async move {
            match tokio::time::timeout(patience, read(answer)).await {
                Ok(answer) => answer,
                Err(_) => {
                    let seconds = patience.as_secs_f64();
                    let what = format!("nothing, or not all of it, came within {seconds} seconds");
                    Err(ConnectorError::timeout(what.into()))
                }
            }
        })
    }
}

async fn read(answer: HttpConnectorFuture) -> Result<HttpResponse, ConnectorError> {
    let mut answer = answer.await?;
    let mut whole = Vec::new();
    let mut stream = ByteStream::new(answer.take_body());
    while let Some(part) = stream.next().await {
        whole.extend_from_slice(&part.map_err(|error| ConnectorError::io(error.into()))?);
        if whole.len() > LONGEST {
            let what = format!("it is longer than {} MB", LONGEST >> 20);
            return Err(ConnectorError::other(what.into(), None));
        }
    }
    *answer.body_mut() = SdkBody::from(whole);
    Ok(answer)
}
