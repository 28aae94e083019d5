//! What an error means is known by its code, in whatever shape its protocol wraps it.

use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::{Kind, Service, ServiceError, Services};
use serde_json::json;

use super::replay::{Answer, cbor_answer, replay, replay_as, xml_answer};

/// An error as `service` sends it.
fn refusal(service: Service, status: u16, code: &str) -> Answer {
    let id = ("x-amzn-requestid", "r-9".to_owned());
    let plain = json!({"__type": code, "Message": "no"});
    let namespaced = json!({"__type": format!("com.amazonaws.example#{code}"), "message": "no"});
    match service {
        Service::CloudFormation | Service::Iam | Service::Sns | Service::Sts => {
            let body = format!(
                "<ErrorResponse xmlns=\"http://example/doc/\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>no</Message></Error><RequestId>r-9</RequestId></ErrorResponse>"
            );
            (status, vec![id], body.into())
        }
        Service::SesV2 => {
            let kind = format!("{code}:http://internal.amazon.com/coral/com.amazonaws.sesv2/");
            let body = json!({"message": "no"}).to_string();
            (status, vec![id, ("x-amzn-errortype", kind)], body.into())
        }
        Service::Sqs => {
            let header = ("x-amzn-query-error", format!("AWS.SimpleQueueService.{code};Sender"));
            (status, vec![id, header], namespaced.to_string().into())
        }
        Service::CloudWatch => cbor_answer(status, namespaced),
        // Account Management is REST: its error's name is in a header.
        Service::Account => (
            status,
            vec![id, ("x-amzn-errortype", code.to_owned())],
            plain.to_string().into(),
        ),
        // EventBridge and Organizations (JSON 1.1), Step Functions and Billing (JSON 1.0).
        Service::Organizations | Service::Billing => (status, vec![id], plain.to_string().into()),
        Service::EventBridge | Service::StepFunctions => (status, vec![id], namespaced.to_string().into()),
    }
}

/// Any call to `service`.
pub(super) async fn ask(service: Service, services: &Services) -> Result<(), ServiceError> {
    let machine = "arn:aws:states:us-east-1:111111111111:stateMachine:billctl-notifier";
    match service {
        Service::Account => services.account.billing_contact(None).await.map(drop),
        Service::Billing => services.billing.billing_alerts_enabled().await.map(drop),
        Service::CloudFormation => services.cloudformation.describe_stack_set("s").await.map(drop),
        Service::CloudWatch => services.cloudwatch.get_dashboard("d").await.map(drop),
        Service::EventBridge => services.eventbridge.describe_event_bus("b").await.map(drop),
        Service::Iam => services.iam.get_role("r").await.map(drop),
        Service::Organizations => services.organizations.describe_organization().await.map(drop),
        Service::SesV2 => services.sesv2.get_configuration_set("c").await.map(drop),
        Service::StepFunctions => {
            let arn = machine.parse().unwrap();
            services.sfn.describe_state_machine(&arn).await.map(drop)
        }
        Service::Sns => {
            let arn = "arn:aws:sns:us-east-1:111111111111:t".parse().unwrap();
            services.sns.get_topic_attributes(&arn).await.map(drop)
        }
        Service::Sqs => services.sqs.get_queue_url("q").await.map(drop),
        Service::Sts => services.sts.get_caller_identity().await.map(drop),
    }
}

#[tokio::test]
async fn every_class_of_error_is_told_apart_by_its_code() {
    use Kind::*;
    use Service::*;
    for (service, status, code, kind) in [
        (CloudFormation, 404, "StackSetNotFoundException", NotFound),
        (CloudFormation, 404, "StackInstanceNotFoundException", NotFound),
        (CloudFormation, 404, "OperationNotFoundException", NotFound),
        (CloudFormation, 409, "NameAlreadyExistsException", Exists),
        (CloudFormation, 409, "OperationIdAlreadyExistsException", Exists),
        (CloudFormation, 409, "OperationInProgressException", Busy),
        (CloudFormation, 409, "StaleRequestException", Busy),
        (CloudFormation, 409, "StackSetNotEmptyException", Other),
        (CloudFormation, 400, "LimitExceededException", Quota),
        (CloudFormation, 400, "InvalidOperationException", Invalid),
        (CloudFormation, 400, "InsufficientCapabilitiesException", Invalid),
        (CloudFormation, 400, "ValidationError", Invalid),
        (CloudFormation, 400, "Throttling", Throttled),
        (CloudFormation, 403, "AccessDenied", Denied),
        (CloudFormation, 403, "ExpiredToken", Credentials),
        (CloudFormation, 503, "ServiceUnavailable", Unavailable),
        (CloudFormation, 400, "SomethingNew", Other),
        (CloudFormation, 500, "SomethingNew", Unavailable),
        (Iam, 404, "NoSuchEntity", NotFound),
        (Iam, 409, "EntityAlreadyExists", Exists),
        (Iam, 409, "LimitExceeded", Quota),
        (Iam, 409, "ConcurrentModification", Throttled),
        (Iam, 409, "DeleteConflict", Other),
        (Iam, 400, "MalformedPolicyDocument", Invalid),
        (Iam, 500, "ServiceFailure", Unavailable),
        (Sts, 403, "InvalidClientTokenId", Credentials),
        (Sts, 403, "SignatureDoesNotMatch", Credentials),
        (Organizations, 400, "AccountNotFoundException", NotFound),
        (Organizations, 400, "AWSOrganizationsNotInUseException", NotFound),
        (Organizations, 400, "AccessDeniedException", Denied),
        (Organizations, 400, "TooManyRequestsException", Throttled),
        (Organizations, 400, "InvalidInputException", Invalid),
        (Organizations, 400, "ConstraintViolationException", Invalid),
        (Organizations, 400, "UnrecognizedClientException", Credentials),
        (Organizations, 500, "ServiceException", Unavailable),
        (EventBridge, 400, "ResourceNotFoundException", NotFound),
        (EventBridge, 400, "ResourceAlreadyExistsException", Exists),
        (EventBridge, 400, "LimitExceededException", Quota),
        (EventBridge, 400, "ThrottlingException", Throttled),
        (EventBridge, 400, "AccessDeniedException", Denied),
        (EventBridge, 400, "ValidationException", Invalid),
        (EventBridge, 500, "InternalException", Unavailable),
        (StepFunctions, 400, "StateMachineDoesNotExist", NotFound),
        (StepFunctions, 400, "StateMachineAlreadyExists", Exists),
        (StepFunctions, 400, "ExecutionAlreadyExists", Exists),
        (StepFunctions, 400, "StateMachineDeleting", Busy),
        (StepFunctions, 400, "StateMachineLimitExceeded", Quota),
        (StepFunctions, 400, "InvalidDefinition", Invalid),
        (StepFunctions, 400, "AccessDeniedException", Denied),
        (StepFunctions, 400, "ThrottlingException", Throttled),
        (SesV2, 404, "NotFoundException", NotFound),
        (SesV2, 400, "AlreadyExistsException", Exists),
        (SesV2, 400, "BadRequestException", Invalid),
        (SesV2, 429, "TooManyRequestsException", Throttled),
        (SesV2, 400, "LimitExceededException", Quota),
        (SesV2, 403, "AccessDeniedException", Denied),
        (SesV2, 403, "ExpiredTokenException", Credentials),
        (SesV2, 409, "ConcurrentModificationException", Throttled),
        (Sns, 404, "NotFound", NotFound),
        (Sns, 404, "ResourceNotFound", NotFound),
        (Sns, 400, "InvalidParameter", Invalid),
        (Sns, 403, "AuthorizationError", Denied),
        (Sns, 403, "TopicLimitExceeded", Quota),
        (Sns, 403, "SubscriptionLimitExceeded", Quota),
        (Sns, 400, "Throttling", Throttled),
        (Sns, 500, "InternalError", Unavailable),
        (Sqs, 400, "NonExistentQueue", NotFound),
        (Sqs, 400, "QueueDeletedRecently", Busy),
        (Sqs, 400, "QueueNameExists", Exists),
        (Sqs, 400, "RequestThrottled", Throttled),
        (CloudWatch, 404, "ResourceNotFound", NotFound),
        (CloudWatch, 400, "InvalidParameterValue", Invalid),
        (CloudWatch, 400, "ThrottlingException", Throttled),
        (CloudWatch, 400, "LimitExceeded", Quota),
        (CloudWatch, 403, "AccessDenied", Denied),
        (CloudWatch, 500, "InternalServiceError", Unavailable),
    ] {
        let wire = replay(vec![refusal(service, status, code)]);
        let error = ask(service, &wire.services).await.unwrap_err();
        let known = error.code.as_deref().unwrap_or_default();
        assert_eq!(error.kind, kind, "{service:?} {code}: {error}");
        assert!(known.ends_with(code), "{service:?} {code}: {error}");
        assert_eq!(error.message, "no", "{service:?} {code}");
        assert!(error.request_id.is_some(), "{service:?} {code}");
    }
}

#[tokio::test]
async fn an_error_says_what_was_called_what_was_answered_and_under_which_id() {
    let wire = replay(vec![refusal(Service::Iam, 403, "AccessDenied")]);
    let error = ask(Service::Iam, &wire.services).await.unwrap_err();
    assert_eq!(error.to_string(), "iam:GetRole answered AccessDenied: no (request r-9)");
}

#[tokio::test]
async fn a_throttled_call_is_sent_again_and_a_denied_one_is_not() {
    for (code, sent) in [("Throttling", 4), ("ServiceUnavailable", 4), ("AccessDenied", 1)] {
        let answers = (0..9).map(|_| refusal(Service::Sts, 400, code)).collect();
        let wire = replay_as(CallAs::Own, 3, answers);
        ask(Service::Sts, &wire.services).await.unwrap_err();
        assert_eq!(wire.count(), sent, "{code}");
    }
}

const SERVICES: [Service; 10] = [
    Service::CloudFormation,
    Service::CloudWatch,
    Service::EventBridge,
    Service::Iam,
    Service::Organizations,
    Service::SesV2,
    Service::StepFunctions,
    Service::Sns,
    Service::Sqs,
    Service::Sts,
];

#[tokio::test]
async fn a_web_page_is_no_answer_whatever_its_status() {
    let page = "<!doctype html>\n<html><head><title>Sign in</title></head><body>Welcome</body></html>";
    for service in SERVICES {
        // A server's trouble is reported only once it stays.
        for (status, sent) in [(200, 1), (403, 1), (404, 1), (500, 4), (503, 4)] {
            let answer = || (status, vec![("content-type", "text/html".to_owned())], page.into());
            let wire = replay_as(CallAs::Own, 3, (0..9).map(|_| answer()).collect());
            let error = ask(service, &wire.services).await.unwrap_err();
            assert_eq!(error.kind, Kind::Garbled, "{service:?} {status}: {error}");
            assert_eq!(wire.count(), sent, "{service:?} {status}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("HTTP {status}: <!doctype html> <html>")),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_web_page_is_no_success_of_an_operation_that_returns_nothing() {
    let page = (200, vec![], "<html><body>Sign in</body></html>".into());
    let wire = replay(vec![page]);
    let error = wire.services.iam.delete_role("r").await.unwrap_err();
    assert_eq!(error.kind, Kind::Garbled, "{error}");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_or_something_else_is_garbled() {
    for service in SERVICES {
        for body in [
            "{\"Organization\": {\"Id\": \"o-a1",
            "<GetRoleResponse><GetRole",
            "hello",
        ] {
            let wire = replay(vec![(200, vec![], body.into())]);
            let error = ask(service, &wire.services).await.unwrap_err();
            assert_eq!(error.kind, Kind::Garbled, "{service:?} {body}: {error}");
        }
    }
}

#[tokio::test]
async fn a_load_balancers_empty_refusal_is_retried() {
    for (status, kind) in [
        (502, Kind::Unavailable),
        (503, Kind::Unavailable),
        (429, Kind::Throttled),
        (404, Kind::Garbled),
    ] {
        for service in SERVICES {
            let wire = replay(vec![(status, vec![], vec![])]);
            let error = ask(service, &wire.services).await.unwrap_err();
            assert_eq!(error.kind, kind, "{service:?} {status}: {error}");
        }
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_one_is_refused() {
    let wire = replay(vec![xml_answer(
        "GetCallerIdentity",
        "<Arn>arn:aws:iam::1:root</Arn><Account>1</Account>",
    )]);
    let error = wire.services.sts.get_caller_identity().await.unwrap_err();
    assert_eq!(error.kind, Kind::Other);
    assert_eq!(error.message, "Account: `1` is not an account id of twelve digits");
}
