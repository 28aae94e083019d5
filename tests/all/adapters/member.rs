use std::collections::BTreeMap;
use std::sync::Arc;

use billctl_core::service::cloudwatch::{AlarmState, DataRequest, Metric, MetricQuery, QuerySource};
use billctl_core::service::member::WayIn;
use billctl_core::service::{Kind, Member};
use serde_json::json;

use super::replay::{Answer, Wire, cbor_answer, json_answer, replay, xml_answer};

const SESSION: &str = "<Credentials><AccessKeyId>ASIAMEMBER</AccessKeyId>\
    <SecretAccessKey>secret</SecretAccessKey><SessionToken>token-of-the-session</SessionToken>\
    <Expiration>2126-11-23T12:00:00Z</Expiration></Credentials>\
    <AssumedRoleUser><AssumedRoleId>AROA:billctl</AssumedRoleId>\
    <Arn>arn:aws:sts::222222222222:assumed-role/Access/billctl</Arn></AssumedRoleUser>";

fn way() -> WayIn {
    WayIn {
        account: "222222222222".parse().unwrap(),
        role: "Access".into(),
        policy: json!({"Version": "2012-10-17", "Statement": []}),
    }
}

/// Inside a member that gives this answer.
async fn inside(answer: Answer) -> (Wire, Arc<dyn Member>) {
    let wire = replay(vec![xml_answer("AssumeRole", SESSION), answer]);
    let member = wire.services.members.enter(&way()).await.unwrap();
    (wire, member)
}

/// The operation that was asked for inside: signed with the session's credentials, and with no others.
fn asked(wire: &Wire) -> String {
    let sent = wire.all_sent();
    assert_eq!(sent.len(), 2);
    let header = |name| sent[1].headers().get(name);
    let signed = header("authorization").unwrap();
    assert!(signed.contains("Credential=ASIAMEMBER/"), "{signed}");
    assert_eq!(header("x-amz-security-token"), Some("token-of-the-session"));
    match header("x-amz-target") {
        Some(target) => target.to_owned(),
        None => sent[1].uri().rsplit('/').next().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn enter_takes_a_short_session_that_may_do_little() {
    let wire = replay(vec![xml_answer("AssumeRole", SESSION)]);
    wire.services.members.enter(&way()).await.map(drop).unwrap();
    wire.sent_form(
        "AssumeRole",
        &[
            ("RoleArn", "arn:aws:iam::222222222222:role/Access"),
            ("RoleSessionName", "billctl"),
            ("DurationSeconds", "900"),
            ("Policy", "{\"Version\":\"2012-10-17\",\"Statement\":[]}"),
        ],
    );
}

#[tokio::test]
async fn a_role_that_is_not_there_is_a_denial() {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                <Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    let headers = vec![("content-type", "text/xml".to_owned())];
    let wire = replay(vec![(403, headers, body.into())]);
    let Err(error) = wire.services.members.enter(&way()).await else {
        panic!("let in");
    };
    assert_eq!(error.kind, Kind::Denied);
    assert_eq!(error.operation.iam_action(), "sts:AssumeRole");
}

#[tokio::test]
async fn the_alarm_is_read_and_set_with_the_session() {
    let alarm = json!({"MetricAlarms": [{
        "AlarmName": "Billing-Alarm",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:222222222222:alarm:Billing-Alarm",
        "Threshold": 250.5, "StateValue": "OK", "ActionsEnabled": true,
    }]});
    let (wire, member) = inside(cbor_answer(200, alarm)).await;
    let found = member.describe_alarm("Billing-Alarm").await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.alarm.threshold, found.state), (250.5, AlarmState::Ok));
    assert_eq!(asked(&wire), "DescribeAlarms");

    for (state, word) in [
        (AlarmState::Ok, "OK"),
        (AlarmState::Alarm, "ALARM"),
        (AlarmState::InsufficientData, "INSUFFICIENT_DATA"),
    ] {
        let (wire, member) = inside(cbor_answer(200, json!({}))).await;
        member.set_alarm_state("Billing-Alarm", state, "a test").await.unwrap();
        assert_eq!(asked(&wire), "SetAlarmState");
        assert_eq!(
            wire.cbor_of(1),
            json!({"AlarmName": "Billing-Alarm", "StateValue": word, "StateReason": "a test"})
        );
    }
}

#[tokio::test]
async fn its_data_are_read_with_the_session() {
    let answer = json!({"MetricDataResults": [
        {"Id": "m1", "Timestamps": [{"$time": 1_700_000_000}], "Values": [12.5], "StatusCode": "Complete"},
    ]});
    let (wire, member) = inside(cbor_answer(200, answer)).await;
    let request = DataRequest {
        queries: vec![MetricQuery {
            id: "m1".into(),
            source: QuerySource::Stat {
                metric: Metric {
                    namespace: "AWS/Billing".into(),
                    name: "EstimatedCharges".into(),
                    dimensions: BTreeMap::new(),
                },
                period: 3_600,
                stat: "Maximum".into(),
            },
            return_data: true,
            label: None,
        }],
        start: "2026-11-21T12:00:00Z".parse().unwrap(),
        end: "2026-11-23T12:00:00Z".parse().unwrap(),
    };
    let page = member.get_metric_data(&request).await.unwrap();
    assert_eq!(page.items[0].points.len(), 1);
    assert_eq!(asked(&wire), "GetMetricData");
}

#[tokio::test]
async fn the_rule_and_its_targets_are_read_with_the_session() {
    let rule = json!({"Name": "billctl-forward-alarm", "EventPattern": "{}", "State": "DISABLED"});
    let (wire, member) = inside(json_answer(rule)).await;
    let rule = member.describe_rule("billctl-forward-alarm").await.unwrap();
    assert_eq!((rule.bus.as_str(), rule.enabled), ("default", false));
    assert_eq!(asked(&wire), "AWSEvents.DescribeRule");

    let bus = "arn:aws:events:us-east-1:111111111111:event-bus/billctl";
    let targets = json!({"Targets": [{"Id": "billing-bus", "Arn": bus}]});
    let (wire, member) = inside(json_answer(targets)).await;
    let targets = member.list_targets("billctl-forward-alarm").await.unwrap();
    assert_eq!(targets[0].arn.as_str(), bus);
    assert_eq!(asked(&wire), "AWSEvents.ListTargetsByRule");
}
