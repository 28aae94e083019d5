use serde_json::{Value, json};

use super::*;
use crate::iam::trusting;
use crate::seed;
use billctl_core::service::Services;
use billctl_core::service::sfn::NewStateMachine;

fn services() -> (Sandbox, Services) {
    let sandbox = Sandbox::in_memory(seed::demo());
    let services = sandbox.services();
    (sandbox, services)
}

fn rule(name: &str, bus: &str, pattern: Value) -> Rule {
    Rule {
        name: name.into(),
        bus: bus.into(),
        pattern,
        enabled: true,
        description: String::new(),
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T>) -> String {
    answer.unwrap_err().code.unwrap()
}

async fn role(services: &Services, service: &str) -> Arn {
    services.iam.create_role(&trusting(service)).await.unwrap()
}

#[tokio::test]
async fn a_bus_with_rules_and_a_rule_with_targets_stay() {
    let (_, services) = services();
    let events = &services.eventbridge;
    events.create_event_bus("b", &Tags::new()).await.unwrap();
    assert_eq!(
        code(events.create_event_bus("b", &Tags::new()).await),
        "ResourceAlreadyExistsException"
    );
    events
        .put_rule(&rule("r", "b", json!({"source": ["x"]})))
        .await
        .unwrap();
    assert_eq!(code(events.delete_event_bus("b").await), "ValidationException");
    events.delete_rule("b", "r").await.unwrap();
    events.delete_event_bus("b").await.unwrap();
    // And once more, which is no error.
    events.delete_event_bus("b").await.unwrap();
    assert_eq!(code(events.describe_event_bus("b").await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_pattern_that_is_none_is_refused() {
    let (_, services) = services();
    for wrong in [json!({}), json!({"source": "x"}), json!({"source": [{"prefixx": "a"}]})] {
        let answer = services
            .eventbridge
            .put_rule(&rule("r", "default", wrong.clone()))
            .await;
        assert_eq!(code(answer), "InvalidEventPatternException", "{wrong}");
    }
}

#[tokio::test]
async fn nobody_sends_events_as_aws() {
    let (_, services) = services();
    let event = NewEvent {
        bus: "default".into(),
        source: "aws.cloudwatch".into(),
        detail_type: "CloudWatch Alarm State Change".into(),
        detail: json!({}),
        resources: Vec::new(),
    };
    assert_eq!(
        code(services.eventbridge.put_event(&event).await),
        "NotAuthorizedForSourceException"
    );
}

#[tokio::test]
async fn a_new_role_can_be_used_only_after_a_while() {
    let (sandbox, services) = services();
    let role_arn = role(&services, "states.amazonaws.com").await;
    let machine = NewStateMachine {
        name: "m".into(),
        definition: json!({"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": {"Type": "Succeed"}}}),
        role_arn: role_arn.clone(),
        tags: Tags::new(),
    };
    assert_eq!(
        code(services.sfn.create_state_machine(&machine).await),
        "AccessDeniedException"
    );
    services.clock.sleep(std::time::Duration::from_secs(10)).await;
    let arn = services.sfn.create_state_machine(&machine).await.unwrap();
    // The same again is harmless; another definition is not the same.
    assert_eq!(services.sfn.create_state_machine(&machine).await.unwrap(), arn);
    let other = NewStateMachine {
        definition: json!({"QueryLanguage": "JSONata", "StartAt": "T", "States": {"T": {"Type": "Succeed"}}}),
        ..machine
    };
    assert_eq!(
        code(services.sfn.create_state_machine(&other).await),
        "StateMachineAlreadyExists"
    );
    // A role that trusts Step Functions isn't one for EventBridge.
    services
        .eventbridge
        .put_rule(&rule("r", "default", json!({"source": ["x"]})))
        .await
        .unwrap();
    let target = Target {
        id: "t".into(),
        arn: arn.clone(),
        role_arn: Some(role_arn),
        dead_letter_arn: None,
        extras: None,
    };
    assert_eq!(
        code(services.eventbridge.put_targets("default", "r", &[target]).await),
        "ValidationException"
    );
    sandbox.peek(|world| assert!(world.eventbridge.log().is_empty()));
}

#[tokio::test]
async fn roles_are_refused_as_iam_refuses_them() {
    let (_, services) = services();
    role(&services, "events.amazonaws.com").await;
    let iam = &services.iam;
    assert_eq!(code(iam.get_role("nobody").await), "NoSuchEntity");
    assert_eq!(code(iam.get_role_policy("r", "p").await), "NoSuchEntity");
    assert_eq!(
        code(iam.put_role_policy("r", "p", &json!({"Statement": []})).await),
        "MalformedPolicyDocument"
    );
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "states:StartExecution", "Resource": "*"
    }]});
    iam.put_role_policy("r", "p", &policy).await.unwrap();
    assert_eq!(code(iam.delete_role("r").await), "DeleteConflict");
    iam.delete_role_policy("r", "p").await.unwrap();
    iam.delete_role("r").await.unwrap();
}

#[test]
fn patterns_match_as_in_eventbridge() {
    let event = json!({
        "source": "aws.cloudwatch", "account": "111122223333",
        "detail": {"state": {"value": "ALARM"}, "size": 12, "tags": {"ses:configuration-set": ["billctl"]}},
    });
    for (pattern, expected) in [
        (json!({"source": ["aws.cloudwatch"]}), true),
        (json!({"source": ["aws.ec2", {"prefix": "aws.cloud"}]}), true),
        (json!({"source": [{"anything-but": ["aws.cloudwatch"]}]}), false),
        (json!({"detail": {"state": {"value": ["OK", "ALARM"]}}}), true),
        (json!({"detail": {"state": {"value": ["OK"]}}}), false),
        (json!({"detail": {"size": [{"numeric": [">", 10, "<=", 12]}]}}), true),
        (json!({"detail": {"none": [{"exists": false}]}}), true),
        (json!({"detail": {"size": [{"exists": false}]}}), false),
        (json!({"account": [{"suffix": "3333"}]}), true),
        (
            json!({"detail": {"tags": {"ses:configuration-set": ["billctl"]}}}),
            true,
        ),
        (json!({"source": ["aws.cloudwatch"], "region": ["us-east-1"]}), false),
    ] {
        assert_eq!(delivery::matches(&pattern, &event), expected, "{pattern}");
    }
}
