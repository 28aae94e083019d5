//! AWS's answers, whatever they hold: each adapter reads them or refuses them.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use billctl_core::service::cloudformation::{CallAs, OperationId};
use billctl_core::service::iam::Simulation;
use billctl_core::service::{Services, cloudwatch};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::broken::any_json;
use super::{fuzz, wait};
use crate::adapters::replay::{Answer, cbor_answer, response, services_on};

/// What the next request is answered with, whoever sends it.
#[derive(Debug, Clone, Default)]
struct Next(Arc<Mutex<Option<Answer>>>);

impl HttpConnector for Next {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.lock().expect("no thread died").take();
        // A second request of one call (a next page) finds the end.
        let (status, headers, mut body) = answer.unwrap_or((200, Vec::new(), Vec::new()));
        // A query API names the operation in its answer, and without it nothing is looked at.
        let asked = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
        if let Some(action) = asked.split('&').find_map(|field| field.strip_prefix("Action=")) {
            let head = format!("<{action}Response><{action}Result>");
            let tail = format!("</{action}Result></{action}Response>");
            body = [head.as_bytes(), &body, tail.as_bytes()].concat();
        }
        HttpConnectorFuture::ready(Ok(response((status, headers, body))))
    }
}

impl HttpClient for Next {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Json,
    Xml,
    Cbor,
}

type Call = for<'a> fn(&'a Services) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Every reading operation of every service; what a write answers is the same in small.
macro_rules! calls {
    ($($protocol:ident: $services:ident => $call:expr;)*) => {
        const CALLS: &[(Protocol, Call)] = &[$((
            Protocol::$protocol,
            |$services| Box::pin(async move { let _ = $call.await; }),
        )),*];
    };
}

const ARN: &str = "arn:aws:states:us-east-1:111111111111:stateMachine:m";

calls! {
    Json: aws => aws.billing.billing_alerts_enabled();
    Xml: aws => aws.cloudformation.describe_organizations_access();
    Xml: aws => aws.cloudformation.describe_stack_set("s");
    Xml: aws => aws.cloudformation.list_stack_instances("s", None, None);
    Xml: aws => aws.cloudformation.describe_overrides("s", id("111111111111"));
    Xml: aws => aws.cloudformation.list_operations("s", None);
    Xml: aws => aws.cloudformation.describe_operation("s", &operation());
    Xml: aws => aws.cloudformation.list_operation_results("s", &operation(), None, None);
    Xml: aws => aws.cloudformation.list_resource_drifts("s", id("111111111111"), &operation(), None);
    Cbor: aws => aws.cloudwatch.describe_alarms(&["a".to_owned()]);
    Cbor: aws => aws.cloudwatch.list_metrics("n", "m", &Default::default(), None);
    Cbor: aws => aws.cloudwatch.get_dashboard("d");
    Cbor: aws => aws.cloudwatch.get_metric_data(&cloudwatch::DataRequest {
        queries: Vec::new(),
        start: jiff::Timestamp::UNIX_EPOCH,
        end: jiff::Timestamp::UNIX_EPOCH,
    }, None);
    Json: aws => aws.eventbridge.describe_event_bus("b");
    Json: aws => aws.eventbridge.list_tags(&id(ARN));
    Json: aws => aws.eventbridge.describe_rule("b", "r");
    Json: aws => aws.eventbridge.list_targets("b", "r");
    Json: aws => aws.eventbridge.put_targets("b", "r", &[]);
    Xml: aws => aws.iam.get_role("r");
    Xml: aws => aws.iam.list_role_policies("r");
    Xml: aws => aws.iam.get_role_policy("r", "p");
    Xml: aws => aws.iam.list_attached_role_policies("r");
    Xml: aws => aws.iam.denied_actions(&Simulation {
        principal: id(ARN),
        actions: vec!["sqs:CreateQueue".to_owned()],
        resources: vec!["*".to_owned()],
        context: Default::default(),
    });
    Json: aws => aws.organizations.describe_organization();
    Json: aws => aws.organizations.list_roots(None);
    Json: aws => aws.organizations.list_ous_for_parent(&id("r-ab12"), None);
    Json: aws => aws.organizations.list_accounts_for_parent(&id("r-ab12"), None);
    Json: aws => aws.organizations.describe_account(id("111111111111"));
    Json: aws => aws.organizations.list_account_tags(id("111111111111"));
    Json: aws => aws.organizations.list_stacksets_administrators(None);
    Json: aws => aws.sesv2.get_account();
    Json: aws => aws.sesv2.get_email_identity("i");
    Json: aws => aws.sesv2.get_email_template("t");
    Json: aws => aws.sesv2.get_configuration_set("c");
    Json: aws => aws.sesv2.get_event_destinations("c");
    Json: aws => aws.sesv2.test_render_email_template("t", "{}");
    Json: aws => aws.sfn.describe_state_machine(&id(ARN));
    Json: aws => aws.sfn.list_executions(&id(ARN), None, None);
    Json: aws => aws.sfn.describe_execution(&id(ARN));
    Json: aws => aws.sfn.get_execution_history(&id(ARN), None);
    Xml: aws => aws.sns.get_topic_attributes(&id(ARN));
    Xml: aws => aws.sns.list_topic_tags(&id(ARN));
    Xml: aws => aws.sns.list_subscriptions(&id(ARN), None);
    Xml: aws => aws.sns.create_topic("t", &Default::default());
    Json: aws => aws.sqs.get_queue_url("q");
    Json: aws => aws.sqs.get_queue_attributes("q");
    Json: aws => aws.sqs.list_queue_tags("q");
    Json: aws => aws.sqs.peek_messages("q");
    Xml: aws => aws.sts.get_caller_identity();
}

fn operation() -> OperationId {
    OperationId("o".to_owned())
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// The words of the adapters' own tests: the names of fields, and values that are right somewhere.
fn words() -> Vec<String> {
    let sources = [
        include_str!("../adapters/billing.rs"),
        include_str!("../adapters/cloudformation.rs"),
        include_str!("../adapters/cloudformation/instances.rs"),
        include_str!("../adapters/cloudformation/operations.rs"),
        include_str!("../adapters/cloudwatch.rs"),
        include_str!("../adapters/eventbridge.rs"),
        include_str!("../adapters/iam.rs"),
        include_str!("../adapters/organizations.rs"),
        include_str!("../adapters/sesv2.rs"),
        include_str!("../adapters/sfn.rs"),
        include_str!("../adapters/sns.rs"),
        include_str!("../adapters/sqs.rs"),
        include_str!("../adapters/sts.rs"),
    ];
    let words: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.split(|c: char| "\"<>\\".contains(c)))
        .filter(|word| !word.is_empty() && word.len() < 60 && !word.contains(['\n', '(', '{', '$']))
        .map(str::to_owned)
        .collect();
    words.into_iter().collect()
}

/// A value made of the field names and values that are right somewhere.
fn likely(words: Vec<String>) -> impl Strategy<Value = Value> {
    let word = prop::sample::select(words);
    let leaf = prop_oneof![
        4 => word.clone().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any_json(),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::vec((word.clone(), inner), 0..9)
                .prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// The same as a query API writes it.
fn xml(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                out.push_str(&format!("<{name}>"));
                xml(field, out);
                out.push_str(&format!("</{name}>"));
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str("<member>");
                xml(item, out);
                out.push_str("</member>");
            }
        }
        Value::String(text) => out.push_str(text),
        other => out.push_str(&other.to_string()),
    }
}

/// An input: which call, which status, how much of the end is cut off, then the body as JSON.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let cut = prop_oneof![3 => Just(0_u8), 1 => any::<u8>()];
    let status = prop_oneof![6 => Just(0_u8), 1 => any::<u8>()];
    (0..CALLS.len(), status, cut, likely(words())).prop_map(|(call, status, cut, body)| {
        // There are fewer than 256 calls.
        let mut input = vec![u8::try_from(call).unwrap_or(0), status, cut];
        input.extend(body.to_string().into_bytes());
        input
    })
}

#[test]
fn any_answer_of_aws_is_read_or_refused() {
    const STATUS: [u16; 8] = [200, 400, 403, 404, 409, 429, 500, 503];
    let next = Next::default();
    let aws = services_on(next.clone(), CallAs::Own, 0);
    fuzz("answers", 195, &inputs().boxed(), |input| {
        let [call, status, cut, body @ ..] = input else {
            return;
        };
        let (protocol, call) = CALLS[usize::from(*call) % CALLS.len()];
        let status = STATUS[usize::from(*status) % STATUS.len()];
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        let mut answer = match protocol {
            Protocol::Json => (
                status,
                vec![("content-type", "application/x-amz-json-1.1".to_owned())],
                body.to_vec(),
            ),
            Protocol::Xml => {
                let mut text = String::new();
                xml(&value, &mut text);
                let kind = vec![("content-type", "text/xml".to_owned())];
                (status, kind, text.into_bytes())
            }
            Protocol::Cbor => cbor_answer(status, value),
        };
        let kept = answer.2.len().saturating_sub(usize::from(*cut));
        answer.2.truncate(kept);
        *next.0.lock().expect("no thread died") = Some(answer);
        wait(call(&aws));
    });
}
