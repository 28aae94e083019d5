use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::operation::BuildError;

use super::classify::{classify, given_up};
use billctl_core::service::{Gate, Kind, Operation, Result, ServiceError};

/// What sending an SDK request gives.
type Sent<T, E> = std::result::Result<T, SdkError<E, HttpResponse>>;

/// An SDK client behind the gate: what every adapter makes its calls with.
pub(super) struct Caller<C> {
    pub(super) client: C,
    gate: Arc<Gate>,
}

impl<C> Caller<C> {
    pub(super) fn new(client: C, gate: Arc<Gate>) -> Self {
        Self { client, gate }
    }

    /// Sends a request until it is answered, and reads the error that it is answered with. `send` is
    /// `|| request.clone().send()`: every attempt needs the request anew.
    pub(super) async fn call<T, E, F>(&self, operation: Operation, send: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Sent<T, E>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.call_and_check(operation, send, |_| Ok(())).await
    }

    /// The same, where nothing of the answer matters.
    pub(super) async fn command<T, E, F>(&self, operation: Operation, send: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Sent<T, E>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.call(operation, send).await.map(drop)
    }

    /// The same as `call`, for answers that report failure inside a success (`PutEvents`): `check` finds it, and the gate
    /// retries it if it is transient.
    pub(super) async fn call_and_check<T, E, F>(
        &self,
        operation: Operation,
        mut send: impl FnMut() -> F,
        check: impl Fn(&T) -> Result<()>,
    ) -> Result<T>
    where
        F: Future<Output = Sent<T, E>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let check = &check;
        self.gate
            .call(operation, || {
                let sent = send();
                async move {
                    let answer = sent.await.map_err(|error| classify(operation, &error))?;
                    check(&answer)?;
                    Ok(answer)
                }
            })
            .await
            .map_err(given_up)
    }
}

/// An answer that can't be used, though AWS calls it a success.
pub(super) fn unusable(operation: Operation, what: impl Into<String>) -> ServiceError {
    ServiceError::without_code(operation, Kind::Other, what)
}

/// A part of an answer that must be there.
pub(super) fn required<T>(operation: Operation, part: Option<T>, name: &str) -> Result<T> {
    part.ok_or_else(|| unusable(operation, format!("the answer lacks {name}")))
}

/// A text of an answer that must be there and be what it should be.
pub(super) fn parsed<T>(operation: Operation, part: Option<&str>, name: &str) -> Result<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    required(operation, part, name)?
        .parse()
        .map_err(|error| unusable(operation, format!("{name}: {error}")))
}

/// Parts of a request. A builder refuses where a required field isn't set, which its caller sets: said rather than
/// panicked about.
pub(super) fn built<T>(
    operation: Operation,
    parts: impl Iterator<Item = std::result::Result<T, BuildError>>,
) -> Result<Vec<T>> {
    parts
        .map(|part| part.map_err(|error| unusable(operation, error.to_string())))
        .collect()
}

/// A JSON document of an answer.
pub(super) fn json(operation: Operation, text: &str, name: &str) -> Result<serde_json::Value> {
    serde_json::from_str(text).map_err(|error| unusable(operation, format!("{name} is not JSON: {error}")))
}
