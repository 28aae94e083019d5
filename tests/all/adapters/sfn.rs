use billctl_core::model::Arn;
use billctl_core::service::Page;
use billctl_core::service::sfn::{
    Execution, ExecutionStatus, HistoryEvent, NewStateMachine, StateMachine, StepFunctions,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::replay::{Wire, json as answer};

const MACHINE: &str = "arn:aws:states:us-east-1:111111111111:stateMachine:billctl-notifier";
const EXECUTION: &str = "arn:aws:states:us-east-1:111111111111:execution:billctl-notifier:e-1";
const ROLE: &str = "arn:aws:iam::111111111111:role/billctl-notifier";
/// 2026-03-01T00:00:00Z as Step Functions sends it.
const MIDNIGHT: f64 = 1_772_323_200.0;

fn aws(wire: &Wire) -> &dyn StepFunctions {
    wire.services.sfn.as_ref()
}

fn arn(text: &str) -> Arn {
    text.parse().unwrap()
}

fn midnight() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

#[track_caller]
fn sent(wire: &Wire, operation: &str, body: Value) {
    wire.sent_json(&format!("AWSStepFunctions.{operation}"), body);
}

#[tokio::test]
async fn describe_state_machine() {
    let wire = answer(json!({
        "stateMachineArn": MACHINE,
        "name": "billctl-notifier",
        "status": "ACTIVE",
        "definition": "{\"StartAt\": \"A\"}",
        "roleArn": ROLE,
        "type": "STANDARD",
        "creationDate": MIDNIGHT,
    }));
    let machine = aws(&wire).describe_state_machine(&arn(MACHINE)).await;
    sent(&wire, "DescribeStateMachine", json!({"stateMachineArn": MACHINE}));
    let expected = StateMachine {
        name: "billctl-notifier".into(),
        arn: arn(MACHINE),
        definition: json!({"StartAt": "A"}),
        role_arn: arn(ROLE),
    };
    assert_eq!(machine, Ok(expected));
}

#[tokio::test]
async fn create_state_machine() {
    let wire = answer(json!({"stateMachineArn": MACHINE, "creationDate": MIDNIGHT}));
    let machine = NewStateMachine {
        name: "billctl-notifier".into(),
        definition: json!({"StartAt": "A"}),
        role_arn: arn(ROLE),
        tags: [("made-by".into(), "billctl".into())].into(),
    };
    let made = aws(&wire).create_state_machine(&machine).await;
    sent(
        &wire,
        "CreateStateMachine",
        json!({
            "name": "billctl-notifier",
            "definition": "{\"StartAt\":\"A\"}",
            "roleArn": ROLE,
            "type": "STANDARD",
            "tags": [{"key": "made-by", "value": "billctl"}],
        }),
    );
    assert_eq!(made, Ok(arn(MACHINE)));
}

#[tokio::test]
async fn update_state_machine() {
    let wire = answer(json!({"updateDate": MIDNIGHT}));
    let definition = json!({"StartAt": "B"});
    aws(&wire)
        .update_state_machine(&arn(MACHINE), &definition, &arn(ROLE))
        .await
        .unwrap();
    sent(
        &wire,
        "UpdateStateMachine",
        json!({
            "stateMachineArn": MACHINE,
            "definition": "{\"StartAt\":\"B\"}",
            "roleArn": ROLE,
        }),
    );
}

#[tokio::test]
async fn delete_state_machine() {
    let wire = answer(json!({}));
    aws(&wire).delete_state_machine(&arn(MACHINE)).await.unwrap();
    sent(&wire, "DeleteStateMachine", json!({"stateMachineArn": MACHINE}));
}

fn execution(status: ExecutionStatus) -> Execution {
    Execution {
        arn: arn(EXECUTION),
        name: "e-1".into(),
        status,
        started: midnight(),
        stopped: None,
        input: None,
        output: None,
        error: None,
        cause: None,
    }
}

#[tokio::test]
async fn start_execution() {
    let wire = answer(json!({"executionArn": EXECUTION, "startDate": MIDNIGHT}));
    let input = json!({"billctl": "day"});
    let started = aws(&wire).start_execution(&arn(MACHINE), "e-1", &input).await;
    sent(
        &wire,
        "StartExecution",
        json!({
            "stateMachineArn": MACHINE,
            "name": "e-1",
            "input": "{\"billctl\":\"day\"}",
        }),
    );
    assert_eq!(started, Ok(arn(EXECUTION)));
}

#[tokio::test]
async fn list_executions() {
    for (word, status) in [
        ("RUNNING", ExecutionStatus::Running),
        ("SUCCEEDED", ExecutionStatus::Succeeded),
        ("FAILED", ExecutionStatus::Failed),
        ("TIMED_OUT", ExecutionStatus::TimedOut),
        ("ABORTED", ExecutionStatus::Aborted),
    ] {
        let wire = answer(json!({
            "executions": [{
                "executionArn": EXECUTION,
                "stateMachineArn": MACHINE,
                "name": "e-1",
                "status": word,
                "startDate": MIDNIGHT,
            }],
            "nextToken": "two",
        }));
        let page = aws(&wire)
            .list_executions(&arn(MACHINE), Some(status), Some("one".into()))
            .await;
        sent(
            &wire,
            "ListExecutions",
            json!({
                "stateMachineArn": MACHINE,
                "statusFilter": word,
                "maxResults": 100,
                "nextToken": "one",
            }),
        );
        let expected = Page {
            items: vec![execution(status)],
            next: Some("two".into()),
        };
        assert_eq!(page, Ok(expected));
    }
}

#[tokio::test]
async fn list_executions_of_every_status() {
    let wire = answer(json!({"executions": []}));
    let page = aws(&wire).list_executions(&arn(MACHINE), None, None).await;
    sent(
        &wire,
        "ListExecutions",
        json!({"stateMachineArn": MACHINE, "maxResults": 100}),
    );
    assert_eq!(page, Ok(Page::last(vec![])));
}

#[tokio::test]
async fn describe_execution() {
    let wire = answer(json!({
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "name": "e-1",
        "status": "FAILED",
        "startDate": MIDNIGHT,
        "stopDate": MIDNIGHT + 1.5,
        "input": "{\"account\": \"222222222222\"}",
        "output": "not JSON",
        "error": "SesV2.MessageRejectedException",
        "cause": "not verified",
    }));
    let found = aws(&wire).describe_execution(&arn(EXECUTION)).await;
    sent(&wire, "DescribeExecution", json!({"executionArn": EXECUTION}));
    let expected = Execution {
        stopped: Some("2026-03-01T00:00:01.5Z".parse().unwrap()),
        input: Some(json!({"account": "222222222222"})),
        output: Some(json!("not JSON")),
        error: Some("SesV2.MessageRejectedException".into()),
        cause: Some("not verified".into()),
        ..execution(ExecutionStatus::Failed)
    };
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn get_execution_history() {
    let event = |id: i64, kind: &str, details: Value| {
        let mut event = json!({"id": id, "type": kind, "timestamp": MIDNIGHT});
        event
            .as_object_mut()
            .unwrap()
            .extend(details.as_object().unwrap().clone());
        event
    };
    let task = |rest: Value| {
        let mut task = json!({"resource": "sendEmail", "resourceType": "aws-sdk:sesv2"});
        task.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        task
    };
    let wire = answer(json!({"events": [
        event(1, "TaskStateEntered", json!({"stateEnteredEventDetails": {"name": "Send"}})),
        event(2, "TaskScheduled", json!({"taskScheduledEventDetails":
            task(json!({"region": "us-east-1", "parameters": "{}"}))})),
        event(3, "TaskSucceeded", json!({"taskSucceededEventDetails":
            task(json!({"output": "{\"MessageId\": \"m-1\"}"}))})),
        event(4, "TaskFailed", json!({"taskFailedEventDetails":
            task(json!({"error": "SesV2.BadRequest", "cause": "why"}))})),
        event(5, "EvaluationFailed", json!({"evaluationFailedEventDetails":
            {"state": "Send", "error": "States.QueryEvaluationError", "cause": "undefined"}})),
        event(6, "ExecutionFailed", json!({"executionFailedEventDetails":
            {"error": "E"}})),
        event(7, "SomethingNew", json!({})),
    ], "nextToken": "two"}));
    let page = aws(&wire)
        .get_execution_history(&arn(EXECUTION), Some("one".into()))
        .await;
    sent(
        &wire,
        "GetExecutionHistory",
        json!({"executionArn": EXECUTION, "maxResults": 1000, "nextToken": "one"}),
    );
    let event = |kind: &str| HistoryEvent {
        kind: kind.into(),
        at: midnight(),
        state: None,
        resource: None,
        output: None,
        error: None,
    };
    let task = |kind| HistoryEvent {
        resource: Some("sendEmail".into()),
        ..event(kind)
    };
    let error = |error: &str, cause: &str| Some((error.to_owned(), cause.to_owned()));
    let expected = vec![
        HistoryEvent {
            state: Some("Send".into()),
            ..event("TaskStateEntered")
        },
        task("TaskScheduled"),
        HistoryEvent {
            output: Some(json!({"MessageId": "m-1"})),
            ..task("TaskSucceeded")
        },
        HistoryEvent {
            error: error("SesV2.BadRequest", "why"),
            ..task("TaskFailed")
        },
        HistoryEvent {
            state: Some("Send".into()),
            error: error("States.QueryEvaluationError", "undefined"),
            ..event("EvaluationFailed")
        },
        HistoryEvent {
            error: error("E", ""),
            ..event("ExecutionFailed")
        },
        event("SomethingNew"),
    ];
    assert_eq!(
        page,
        Ok(Page {
            items: expected,
            next: Some("two".into())
        })
    );
}
