//! What is answered on the way to credentials: an answer, or what comes instead of one, told as for every other call.
//!
//! The SDK's sources have no place for that: they take a document that stops in the middle for a whole one, and a web
//! page for a text of theirs.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use billctl_core::service::Kind;
use serde_json::Value;

use crate::classify::told;
use crate::strange::{Strange, is_cut, is_html};

/// How long to wait before it is asked again, each time.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// Hands on answers of this form alone; a server's trouble is asked again about.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) form: Form,
    pub(super) inner: SharedHttpConnector,
}

/// What the answers look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// STS: XML.
    Query,
    /// IAM Identity Center, `aws login`: JSON, with a code where something is refused.
    Json,
    /// A container: JSON, a refusal in any form.
    Container,
    /// The instance metadata service: JSON at last, a text before.
    Metadata,
}

/// What came instead of an answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(super) struct Instead {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, form) = (self.inner.clone(), self.form);
        HttpConnectorFuture::new(ask(inner, form, request))
    }
}

/// Asks until there is an answer, or it is clear that there is none.
pub(super) async fn ask(
    inner: SharedHttpConnector,
    form: Form,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let method = request.method().to_owned();
    let mut pauses = PAUSES.iter();
    let mut next = Some(request);
    loop {
        let Some(request) = next.take() else {
            return Err(ConnectorError::other("a request can't be sent twice".into(), None));
        };
        next = request.try_clone();
        let answer = inner.call(request).await?;
        let Some(instead) = instead(form, &method, &answer) else {
            return Ok(answer);
        };
        let again = matches!(answer.status().as_u16(), 429 | 500..) && next.is_some();
        match pauses.next().filter(|_| again) {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(ConnectorError::other(instead.into(), None)),
        }
    }
}

/// What this is, if it is no answer.
fn instead(form: Form, method: &str, answer: &HttpResponse) -> Option<Instead> {
    let status = answer.status().as_u16();
    let body = answer.body().bytes().unwrap_or_default().trim_ascii();
    let header = |name: &str| answer.headers().get(name).is_some();
    let is_page = is_html(body);
    // Half of what should be credentials holds keys, and so may what is something else.
    let shown = || told(answer, body, (200..300).contains(&status));
    let garbled = |kind| {
        let message = shown();
        Some(Instead { kind, message })
    };
    let cut = || {
        let message = format!("{}: {}", Strange::Cut, shown());
        let kind = Kind::Garbled;
        Some(Instead { kind, message })
    };
    match status {
        200..300 if is_page || body.is_empty() => garbled(Kind::Garbled),
        200..300 => match form {
            Form::Query if !body.starts_with(b"<") => garbled(Kind::Garbled),
            Form::Query if is_cut(body) => cut(),
            Form::Query => None,
            Form::Metadata if method == "PUT" && !header("x-aws-ec2-metadata-token-ttl-seconds") => {
                garbled(Kind::Garbled)
            }
            // A token, or a role's name.
            Form::Metadata if !body.starts_with(b"{") => match body.iter().all(|one| !b"<>{}[]\" ".contains(one)) {
                true => None,
                false => garbled(Kind::Garbled),
            },
            Form::Json | Form::Container | Form::Metadata => match serde_json::from_slice::<Value>(body) {
                Ok(Value::Object(_)) => None,
                Err(error) if error.is_eof() => cut(),
                _ => garbled(Kind::Garbled),
            },
        },
        _ if !is_page && has_code(form, answer) => None,
        // Its own word for no, and for nothing there.
        400..429 | 430..500 if !is_page && (form == Form::Container || (form == Form::Metadata && method != "PUT")) => {
            None
        }
        403 if !is_page && form == Form::Metadata => None,
        429 => garbled(Kind::Throttled),
        500.. if is_page => garbled(Kind::Garbled),
        500.. => garbled(Kind::Unavailable),
        _ => garbled(Kind::Garbled),
    }
}

/// Whether a refusal says by its code that it is AWS's.
fn has_code(form: Form, answer: &HttpResponse) -> bool {
    let body = answer.body().bytes().unwrap_or_default().trim_ascii();
    match form {
        Form::Query => body.starts_with(b"<") && !is_cut(body) && String::from_utf8_lossy(body).contains("<Code>"),
        Form::Json => {
            let named = |value: Value| ["__type", "code", "error"].iter().any(|key| value.get(key).is_some());
            answer.headers().get("x-amzn-errortype").is_some() || serde_json::from_slice(body).is_ok_and(named)
        }
        Form::Container | Form::Metadata => false,
    }
}
