use billctl_core::model::Arn;
use billctl_core::service::Kind;
use billctl_core::service::eventbridge::{EventBridge, EventBus, NewEvent, Rule, Target};
use serde_json::{Value, json};

use super::replay::{Wire, json as answer, json_answer, replay_as};
use billctl_core::service::cloudformation::CallAs;

const BUS: &str = "arn:aws:events:us-east-1:111111111111:event-bus/billctl";
const MACHINE: &str = "arn:aws:states:us-east-1:111111111111:stateMachine:billctl-notifier";
const ROLE: &str = "arn:aws:iam::111111111111:role/billctl-start-notifier";
const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:billctl-undelivered";

fn aws(wire: &Wire) -> &dyn EventBridge {
    wire.services.eventbridge.as_ref()
}

fn arn(text: &str) -> Arn {
    text.parse().unwrap()
}

#[track_caller]
fn sent(wire: &Wire, operation: &str, body: Value) {
    wire.sent_json(&format!("AWSEvents.{operation}"), body);
}

#[tokio::test]
async fn describe_event_bus() {
    for (policy, expected) in [
        (json!("{\"Statement\": []}"), Some(json!({"Statement": []}))),
        (json!(""), None),
        (Value::Null, None),
    ] {
        let wire = answer(json!({"Name": "billctl", "Arn": BUS, "Policy": policy}));
        let bus = aws(&wire).describe_event_bus("billctl").await;
        sent(&wire, "DescribeEventBus", json!({"Name": "billctl"}));
        let expected = EventBus {
            name: "billctl".into(),
            arn: arn(BUS),
            policy: expected,
        };
        assert_eq!(bus, Ok(expected));
    }
}

#[tokio::test]
async fn list_tags() {
    let wire = answer(json!({"Tags": [{"Key": "managed-by", "Value": "billctl"}]}));
    let tags = aws(&wire).list_tags(&arn(BUS)).await;
    sent(&wire, "ListTagsForResource", json!({"ResourceARN": BUS}));
    assert_eq!(tags, Ok([("managed-by".into(), "billctl".into())].into()));
}

#[tokio::test]
async fn create_event_bus() {
    let wire = answer(json!({"EventBusArn": BUS}));
    let tags = [("made-by".into(), "billctl".into())].into();
    let made = aws(&wire).create_event_bus("billctl", &tags).await;
    sent(
        &wire,
        "CreateEventBus",
        json!({"Name": "billctl", "Tags": [{"Key": "made-by", "Value": "billctl"}]}),
    );
    assert_eq!(made, Ok(arn(BUS)));
}

#[tokio::test]
async fn delete_event_bus() {
    let wire = answer(json!({}));
    aws(&wire).delete_event_bus("billctl").await.unwrap();
    sent(&wire, "DeleteEventBus", json!({"Name": "billctl"}));
}

#[tokio::test]
async fn put_bus_policy() {
    let wire = answer(json!({}));
    let policy = json!({"Statement": []});
    aws(&wire).put_bus_policy("billctl", &policy).await.unwrap();
    sent(
        &wire,
        "PutPermission",
        json!({"EventBusName": "billctl", "Policy": "{\"Statement\":[]}"}),
    );
}

#[tokio::test]
async fn remove_bus_statement() {
    let wire = answer(json!({}));
    aws(&wire).remove_bus_statement("billctl", "members").await.unwrap();
    sent(
        &wire,
        "RemovePermission",
        json!({"EventBusName": "billctl", "StatementId": "members"}),
    );
}

fn rule() -> Rule {
    Rule {
        name: "billctl-member-alarms".into(),
        bus: "billctl".into(),
        pattern: json!({"source": ["aws.cloudwatch"]}),
        enabled: true,
        description: "Alarms".into(),
    }
}

#[tokio::test]
async fn describe_rule() {
    for (state, enabled) in [
        ("ENABLED", true),
        ("DISABLED", false),
        ("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", true),
    ] {
        let wire = answer(json!({
            "Name": "billctl-member-alarms",
            "EventBusName": "billctl",
            "EventPattern": "{\"source\": [\"aws.cloudwatch\"]}",
            "State": state,
            "Description": "Alarms",
        }));
        let found = aws(&wire).describe_rule("billctl", "billctl-member-alarms").await;
        sent(
            &wire,
            "DescribeRule",
            json!({"EventBusName": "billctl", "Name": "billctl-member-alarms"}),
        );
        assert_eq!(found, Ok(Rule { enabled, ..rule() }));
    }
}

#[tokio::test]
async fn put_rule() {
    for (enabled, state) in [(true, "ENABLED"), (false, "DISABLED")] {
        let wire = answer(json!({"RuleArn": "arn:aws:events:us-east-1:111111111111:rule/r"}));
        aws(&wire).put_rule(&Rule { enabled, ..rule() }).await.unwrap();
        sent(
            &wire,
            "PutRule",
            json!({
                "Name": "billctl-member-alarms",
                "EventBusName": "billctl",
                "EventPattern": "{\"source\":[\"aws.cloudwatch\"]}",
                "State": state,
                "Description": "Alarms",
            }),
        );
    }
}

#[tokio::test]
async fn delete_rule() {
    let wire = answer(json!({}));
    aws(&wire).delete_rule("billctl", "r").await.unwrap();
    sent(&wire, "DeleteRule", json!({"EventBusName": "billctl", "Name": "r"}));
}

fn target() -> Target {
    Target {
        id: "notifier".into(),
        arn: arn(MACHINE),
        role_arn: Some(arn(ROLE)),
        dead_letter_arn: Some(arn(QUEUE)),
        extras: None,
    }
}

#[tokio::test]
async fn list_targets_shows_what_billctl_does_not_set() {
    let wire = answer(json!({"Targets": [
        {"Id": "notifier", "Arn": MACHINE, "RoleArn": ROLE, "DeadLetterConfig": {"Arn": QUEUE}},
        {"Id": "other", "Arn": QUEUE, "InputPath": "$.detail"},
    ]}));
    let targets = aws(&wire).list_targets("billctl", "r").await;
    sent(
        &wire,
        "ListTargetsByRule",
        json!({"EventBusName": "billctl", "Rule": "r"}),
    );
    let other = Target {
        id: "other".into(),
        arn: arn(QUEUE),
        role_arn: None,
        dead_letter_arn: None,
        extras: Some("InputPath \"$.detail\"".into()),
    };
    assert_eq!(targets, Ok(vec![target(), other]));
}

#[tokio::test]
async fn put_targets() {
    let wire = answer(json!({"FailedEntryCount": 0, "FailedEntries": []}));
    aws(&wire).put_targets("billctl", "r", &[target()]).await.unwrap();
    sent(
        &wire,
        "PutTargets",
        json!({
            "EventBusName": "billctl",
            "Rule": "r",
            "Targets": [{
                "Id": "notifier",
                "Arn": MACHINE,
                "RoleArn": ROLE,
                "DeadLetterConfig": {"Arn": QUEUE},
            }],
        }),
    );
}

#[tokio::test]
async fn a_refused_target_is_an_error() {
    let wire = answer(json!({"FailedEntryCount": 1, "FailedEntries": [
        {"TargetId": "notifier", "ErrorCode": "AccessDeniedException", "ErrorMessage": "no"},
    ]}));
    let error = aws(&wire).put_targets("billctl", "r", &[target()]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "events:PutTargets answered AccessDeniedException: no"
    );
    assert_eq!(error.kind, Kind::Denied);
}

#[tokio::test]
async fn remove_targets() {
    let wire = answer(json!({"FailedEntryCount": 0}));
    aws(&wire)
        .remove_targets("billctl", "r", &["notifier".into()])
        .await
        .unwrap();
    sent(
        &wire,
        "RemoveTargets",
        json!({"EventBusName": "billctl", "Rule": "r", "Ids": ["notifier"]}),
    );
    let wire = answer(json!({"FailedEntryCount": 1, "FailedEntries": [
        {"TargetId": "notifier", "ErrorCode": "ResourceNotFoundException"},
    ]}));
    let error = aws(&wire).remove_targets("billctl", "r", &["notifier".into()]).await;
    assert_eq!(error.unwrap_err().kind, Kind::NotFound);
}

fn event() -> NewEvent {
    NewEvent {
        bus: "billctl".into(),
        source: "billctl".into(),
        detail_type: "CloudWatch Alarm State Change".into(),
        detail: json!({"alarmName": "Billing-Alarm"}),
        resources: vec!["arn:aws:cloudwatch:us-east-1:222222222222:alarm:Billing-Alarm".into()],
    }
}

#[tokio::test]
async fn put_event() {
    let wire = answer(json!({"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}));
    let id = aws(&wire).put_event(&event()).await;
    sent(
        &wire,
        "PutEvents",
        json!({"Entries": [{
            "EventBusName": "billctl",
            "Source": "billctl",
            "DetailType": "CloudWatch Alarm State Change",
            "Detail": "{\"alarmName\":\"Billing-Alarm\"}",
            "Resources": ["arn:aws:cloudwatch:us-east-1:222222222222:alarm:Billing-Alarm"],
        }]}),
    );
    assert_eq!(id, Ok("e-1".into()));
}

#[tokio::test]
async fn a_throttled_event_inside_a_success_is_sent_again() {
    let throttled = json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]});
    let done = json!({"FailedEntryCount": 0, "Entries": [{"EventId": "e-2"}]});
    let answers = vec![json_answer(throttled), json_answer(done)];
    let wire = replay_as(CallAs::Own, 3, answers);
    assert_eq!(aws(&wire).put_event(&event()).await, Ok("e-2".into()));
    assert_eq!(wire.count(), 2);
}

#[tokio::test]
async fn an_event_from_a_source_of_aws_is_refused() {
    let wire = answer(json!({"FailedEntryCount": 1, "Entries": [
        {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."},
    ]}));
    let error = aws(&wire).put_event(&event()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
}
