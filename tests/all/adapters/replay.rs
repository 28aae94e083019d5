//! AWS's side of the wire: answers given by the test, requests kept for it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use billctl_aws::{Options, SdkConfig};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::{Gate, GateSettings, Services};
use ciborium::value::Value as Cbor;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// An answer: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// Services whose every call gets the next answer, and what they sent.
pub(crate) struct Wire {
    pub services: Services,
    http: StaticReplayClient,
}

/// Services that get these answers, one after the other; nothing is retried.
pub(crate) fn replay(answers: Vec<Answer>) -> Wire {
    replay_as(CallAs::Own, 0, answers)
}

/// The same for StackSets as somebody else, or with retries (after no pause worth mentioning).
pub(crate) fn replay_as(call_as: CallAs, max_retries: usize, answers: Vec<Answer>) -> Wire {
    let http = StaticReplayClient::new(answers.into_iter().map(event).collect());
    Wire {
        services: services_on(http.clone(), call_as, max_retries),
        http,
    }
}

/// Services whose requests go to this client, with retries after no pause worth mentioning.
pub(crate) fn services_on(http: impl HttpClient + 'static, call_as: CallAs, max_retries: usize) -> Services {
    let config = SdkConfig::builder()
        .behavior_version(billctl_aws::behavior())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        )))
        .http_client(http)
        .build();
    let options = Options {
        call_as,
        ..Options::default()
    };
    let gate = Gate::new(GateSettings {
        max_retries,
        max_first_retries: max_retries,
        first_pause: Duration::from_micros(1),
        longest_pause: Duration::from_micros(10),
        ..GateSettings::default()
    });
    billctl_aws::connect_with(&config, &options, gate)
}

fn event(answer: Answer) -> ReplayEvent {
    ReplayEvent::new(HttpRequest::new(SdkBody::empty()), response(answer))
}

/// An answer as the SDK gets it.
pub(crate) fn response((status, headers, body): Answer) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A query API's answer to `operation` (CloudFormation, IAM, STS).
pub(crate) fn xml(operation: &str, result: &str) -> Wire {
    replay(vec![xml_answer(operation, result)])
}

pub(crate) fn xml_answer(operation: &str, result: &str) -> Answer {
    let body = format!(
        "<{operation}Response><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{operation}Response>"
    );
    (200, vec![("content-type", "text/xml".into())], body.into())
}

/// A JSON API's answer (EventBridge, Organizations, SES, SQS, Step Functions, Billing).
pub(crate) fn json(body: Value) -> Wire {
    replay(vec![json_answer(body)])
}

pub(crate) fn json_answer(body: Value) -> Answer {
    let kind = "application/x-amz-json-1.1".to_owned();
    (200, vec![("content-type", kind)], body.to_string().into())
}

/// CloudWatch's answer. `{"$time": seconds}` stands for a timestamp.
pub(crate) fn cbor(body: Value) -> Wire {
    replay(vec![cbor_answer(200, body)])
}

pub(crate) fn cbor_answer(status: u16, body: Value) -> Answer {
    let mut bytes = Vec::new();
    ciborium::into_writer(&to_cbor(body), &mut bytes).unwrap();
    let headers = vec![
        ("content-type", "application/cbor".into()),
        ("smithy-protocol", "rpc-v2-cbor".into()),
        ("x-amzn-requestid", "r-1".into()),
    ];
    (status, headers, bytes)
}

fn to_cbor(value: Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cbor::Integer(number.into()),
            None => Cbor::Float(number.as_f64().unwrap()),
        },
        Value::String(text) => Cbor::Text(text),
        Value::Array(items) => Cbor::Array(items.into_iter().map(to_cbor).collect()),
        Value::Object(fields) => match fields.get("$time") {
            Some(time) => Cbor::Tag(1, Box::new(Cbor::Float(time.as_f64().unwrap()))),
            None => Cbor::Map(
                fields
                    .into_iter()
                    .map(|(name, value)| (Cbor::Text(name), to_cbor(value)))
                    .collect(),
            ),
        },
    }
}

fn from_cbor(value: Cbor) -> Value {
    match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => json!(value),
        Cbor::Integer(number) => json!(i64::try_from(number).unwrap()),
        Cbor::Float(number) => json!(number),
        Cbor::Text(text) => json!(text),
        Cbor::Array(items) => items.into_iter().map(from_cbor).collect(),
        Cbor::Map(fields) => {
            let fields = fields.into_iter();
            let fields: Map<_, _> = fields
                .map(|(name, value)| (name.into_text().unwrap(), from_cbor(value)))
                .collect();
            Value::Object(fields)
        }
        Cbor::Tag(1, time) => json!({"$time": from_cbor(*time)}),
        other => panic!("{other:?} on the wire"),
    }
}

impl Wire {
    /// The one request that was sent.
    #[track_caller]
    pub(crate) fn sent(&self) -> &HttpRequest {
        let sent: Vec<_> = self.http.actual_requests().collect();
        assert_eq!(sent.len(), 1, "requests");
        sent[0]
    }

    /// All requests, in order.
    pub(crate) fn all_sent(&self) -> Vec<&HttpRequest> {
        self.http.actual_requests().collect()
    }

    /// What the request of this number holds as CBOR.
    pub(crate) fn cbor_of(&self, number: usize) -> Value {
        let sent = self.all_sent();
        let bytes = sent[number].body().bytes().unwrap();
        from_cbor(ciborium::from_reader(bytes).unwrap())
    }

    /// How many requests were sent.
    pub(crate) fn count(&self) -> usize {
        self.http.actual_requests().count()
    }

    /// The bodies of all requests.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = String> {
        let sent = self.http.actual_requests();
        sent.map(|sent| String::from_utf8(sent.body().bytes().unwrap().to_vec()).unwrap())
    }

    /// That a form was sent for this action, with these fields and no others.
    #[track_caller]
    pub(crate) fn sent_form(&self, action: &str, fields: &[(&str, &str)]) {
        check_form(self.sent(), action, fields);
    }

    /// That this JSON was sent to this `X-Amz-Target`.
    #[track_caller]
    pub(crate) fn sent_json(&self, target: &str, body: Value) {
        let sent = self.sent();
        assert_eq!(sent.headers().get("x-amz-target"), Some(target));
        assert_eq!((sent.method(), path(sent).as_str()), ("POST", "/"));
        assert_eq!(json_body(sent), body);
    }

    /// That this was sent to a REST path; no body is `null`.
    #[track_caller]
    pub(crate) fn sent_rest(&self, method: &str, path_and_query: &str, body: Value) {
        let sent = self.sent();
        assert_eq!((sent.method(), path(sent).as_str()), (method, path_and_query));
        assert_eq!(json_body(sent), body);
    }

    /// That this was sent as CBOR to CloudWatch's operation.
    #[track_caller]
    pub(crate) fn sent_cbor(&self, operation: &str, body: Value) {
        let sent = self.sent();
        let wanted = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
        assert_eq!((sent.method(), path(sent)), ("POST", wanted));
        assert_eq!(sent.headers().get("smithy-protocol"), Some("rpc-v2-cbor"));
        let bytes = sent.body().bytes().unwrap();
        assert_eq!(from_cbor(ciborium::from_reader(bytes).unwrap()), body);
    }
}

/// The part of the address after the host.
fn path(sent: &HttpRequest) -> String {
    let (_, rest) = sent.uri().split_once("://").unwrap();
    rest.split_once('/').map_or("/".into(), |(_, path)| format!("/{path}"))
}

fn json_body(sent: &HttpRequest) -> Value {
    match sent.body().bytes().unwrap() {
        [] => Value::Null,
        bytes => serde_json::from_slice(bytes).unwrap(),
    }
}

#[track_caller]
fn check_form(sent: &HttpRequest, action: &str, fields: &[(&str, &str)]) {
    let body = std::str::from_utf8(sent.body().bytes().unwrap()).unwrap();
    let mut form: BTreeMap<String, String> = body
        .split('&')
        .map(|field| field.split_once('=').unwrap())
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    assert_eq!(form.remove("Action").as_deref(), Some(action));
    form.remove("Version").unwrap();
    let wanted: BTreeMap<String, String> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(form, wanted);
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .unwrap()
        .into_owned()
}
