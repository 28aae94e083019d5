use std::collections::BTreeMap;

use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::cloudwatch::{
    Alarm, AlarmState, AlarmStatus, CloudWatch, DataRequest, Metric, MetricQuery, QuerySource, Series,
};
use billctl_core::service::{Kind, Page};
use serde_json::{Value, json};

use super::replay::{Wire, cbor, cbor_answer, replay, replay_as};

const ARN: &str = "arn:aws:cloudwatch:us-east-1:111111111111:alarm:Billing-Alarm";
const EXPRESSION: &str = "IF(RATE(m1) < 0, 0, RATE(m1) * PERIOD(m1))";

fn aws(wire: &Wire) -> &dyn CloudWatch {
    wire.services.cloudwatch.as_ref()
}

fn metric() -> Metric {
    Metric {
        namespace: "AWS/Billing".into(),
        name: "EstimatedCharges".into(),
        dimensions: BTreeMap::from([
            ("Currency".into(), "USD".into()),
            ("LinkedAccount".into(), "222222222222".into()),
        ]),
    }
}

fn metric_on_the_wire() -> Value {
    json!({
        "Namespace": "AWS/Billing",
        "MetricName": "EstimatedCharges",
        "Dimensions": [
            {"Name": "Currency", "Value": "USD"},
            {"Name": "LinkedAccount", "Value": "222222222222"},
        ],
    })
}

fn queries() -> Vec<MetricQuery> {
    vec![
        MetricQuery {
            id: "daily".into(),
            source: QuerySource::Expression {
                expression: EXPRESSION.into(),
            },
            return_data: true,
            label: Some("Daily spend".into()),
        },
        MetricQuery {
            id: "m1".into(),
            source: QuerySource::Stat {
                metric: metric(),
                period: 86_400,
                stat: "Maximum".into(),
            },
            return_data: false,
            label: None,
        },
    ]
}

fn queries_on_the_wire() -> Value {
    json!([
        {"Id": "daily", "Expression": EXPRESSION, "Label": "Daily spend", "ReturnData": true},
        {
            "Id": "m1",
            "MetricStat": {"Metric": metric_on_the_wire(), "Period": 86_400, "Stat": "Maximum"},
            "ReturnData": false,
        },
    ])
}

fn alarm() -> Alarm {
    Alarm {
        name: "Billing-Alarm".into(),
        description: "Too much".into(),
        metrics: queries(),
        comparison: "GreaterThanThreshold".into(),
        threshold: 100.5,
        evaluation_periods: 1,
        treat_missing_data: "notBreaching".into(),
        actions_enabled: false,
        alarm_actions: vec![],
        ok_actions: vec![],
        insufficient_data_actions: vec![],
    }
}

#[tokio::test]
async fn describe_alarms() {
    let wire = cbor(json!({"MetricAlarms": [{
        "AlarmName": "Billing-Alarm",
        "AlarmArn": ARN,
        "AlarmDescription": "Too much",
        "ActionsEnabled": false,
        "AlarmActions": [],
        "StateValue": "ALARM",
        "StateReason": "Threshold crossed",
        "StateUpdatedTimestamp": {"$time": 1_772_323_300.0},
        "StateTransitionedTimestamp": {"$time": 1_772_323_200.0},
        "EvaluationPeriods": 1,
        "Threshold": 100.5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Metrics": queries_on_the_wire(),
    }]}));
    let found = aws(&wire).describe_alarms(&["Billing-Alarm".into()]).await;
    wire.sent_cbor(
        "DescribeAlarms",
        json!({"AlarmNames": ["Billing-Alarm"], "AlarmTypes": ["MetricAlarm"]}),
    );
    let expected = AlarmStatus {
        alarm: alarm(),
        arn: ARN.parse().unwrap(),
        state: AlarmState::Alarm,
        reason: "Threshold crossed".into(),
        since: Some("2026-03-01T00:00:00Z".parse().unwrap()),
    };
    assert_eq!(found, Ok(vec![expected]));
}

#[tokio::test]
async fn an_alarm_on_a_plain_statistic_reads_as_one_metric() {
    let wire = cbor(json!({"MetricAlarms": [{
        "AlarmName": "Billing-Alarm",
        "AlarmArn": ARN,
        "StateValue": "DREAMING",
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "MetricName": "EstimatedCharges",
        "Namespace": "AWS/Billing",
        "Dimensions": metric_on_the_wire()["Dimensions"],
        "Period": 21_600,
        "Statistic": "Maximum",
    }]}));
    let found = aws(&wire).describe_alarms(&["Billing-Alarm".into()]).await.unwrap();
    let expected = MetricQuery {
        id: "m1".into(),
        source: QuerySource::Stat {
            metric: metric(),
            period: 21_600,
            stat: "Maximum".into(),
        },
        return_data: true,
        label: None,
    };
    assert_eq!(found[0].alarm.metrics, [expected]);
    assert_eq!(found[0].alarm.treat_missing_data, "missing");
    assert_eq!(found[0].state, AlarmState::InsufficientData);
}

/// Without a name DescribeAlarms would answer every alarm of the account.
#[tokio::test]
async fn no_alarm_is_asked_for_without_a_name() {
    let wire = replay(vec![]);
    assert_eq!(aws(&wire).describe_alarms(&[]).await, Ok(vec![]));
    assert_eq!(wire.count(), 0);
}

#[tokio::test]
async fn put_metric_alarm() {
    let wire = cbor(json!({}));
    let tags = [("made-by".into(), "billctl".into())].into();
    aws(&wire).put_metric_alarm(&alarm(), &tags).await.unwrap();
    wire.sent_cbor(
        "PutMetricAlarm",
        json!({
            "AlarmName": "Billing-Alarm",
            "AlarmDescription": "Too much",
            "ActionsEnabled": false,
            "AlarmActions": [],
            "EvaluationPeriods": 1,
            "Threshold": 100.5,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "Metrics": queries_on_the_wire(),
            "Tags": [{"Key": "made-by", "Value": "billctl"}],
        }),
    );
}

#[tokio::test]
async fn delete_alarms() {
    let wire = cbor(json!({}));
    aws(&wire).delete_alarms(&["a".into(), "b".into()]).await.unwrap();
    wire.sent_cbor("DeleteAlarms", json!({"AlarmNames": ["a", "b"]}));
}

fn data_request() -> DataRequest {
    DataRequest {
        queries: queries(),
        start: "2026-03-01T00:00:00Z".parse().unwrap(),
        end: "2026-03-02T12:00:00Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn get_metric_data() {
    let wire = cbor(json!({
        "MetricDataResults": [
            {
                "Id": "daily",
                "Label": "Daily spend",
                "Timestamps": [{"$time": 1_772_409_600.0}, {"$time": 1_772_323_200.0}],
                "Values": [2.5, 1.25],
                "StatusCode": "PartialData",
            },
            {"Id": "m2", "Timestamps": [], "Values": [], "StatusCode": "Complete"},
        ],
        "NextToken": "two",
    }));
    let page = aws(&wire).get_metric_data(&data_request(), Some("one".into())).await;
    wire.sent_cbor(
        "GetMetricData",
        json!({
            "MetricDataQueries": queries_on_the_wire(),
            "StartTime": {"$time": 1_772_323_200.0},
            "EndTime": {"$time": 1_772_452_800.0},
            "ScanBy": "TimestampAscending",
            "NextToken": "one",
        }),
    );
    let time = |text: &str| text.parse().unwrap();
    let expected = Page {
        items: vec![
            Series {
                id: "daily".into(),
                points: vec![
                    (time("2026-03-01T00:00:00Z"), 1.25),
                    (time("2026-03-02T00:00:00Z"), 2.5),
                ],
            },
            Series {
                id: "m2".into(),
                points: vec![],
            },
        ],
        next: Some("two".into()),
    };
    assert_eq!(page, Ok(expected));
}

/// A query that failed must not look like an account that spent nothing.
#[tokio::test]
async fn a_query_that_fails_inside_a_success_is_an_error() {
    let failed = |status: &str| {
        let message = json!([{"Code": "x", "Value": "why"}]);
        let result = json!({"Id": "m1", "StatusCode": status, "Messages": message});
        cbor_answer(200, json!({"MetricDataResults": [result]}))
    };
    let wire = replay(vec![failed("Forbidden")]);
    let error = aws(&wire).get_metric_data(&data_request(), None).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Denied, "why"));
    let done = cbor_answer(200, json!({"MetricDataResults": []}));
    let wire = replay_as(CallAs::Own, 3, vec![failed("InternalError"), done]);
    let page = aws(&wire).get_metric_data(&data_request(), None).await;
    assert_eq!(page, Ok(Page::last(vec![])));
}

#[tokio::test]
async fn list_metrics() {
    let wire = cbor(json!({"Metrics": [metric_on_the_wire()], "NextToken": "two"}));
    let dimensions = BTreeMap::from([("Currency".into(), Some("USD".into())), ("LinkedAccount".into(), None)]);
    let page = aws(&wire)
        .list_metrics("AWS/Billing", "EstimatedCharges", &dimensions, Some("one".into()))
        .await;
    wire.sent_cbor(
        "ListMetrics",
        json!({
            "Namespace": "AWS/Billing",
            "MetricName": "EstimatedCharges",
            "Dimensions": [{"Name": "Currency", "Value": "USD"}, {"Name": "LinkedAccount"}],
            "NextToken": "one",
        }),
    );
    let expected = Page {
        items: vec![metric()],
        next: Some("two".into()),
    };
    assert_eq!(page, Ok(expected));
}

#[tokio::test]
async fn get_dashboard() {
    let wire = cbor(json!({"DashboardName": "billctl", "DashboardBody": "{\"widgets\": []}"}));
    let body = aws(&wire).get_dashboard("billctl").await;
    wire.sent_cbor("GetDashboard", json!({"DashboardName": "billctl"}));
    assert_eq!(body, Ok(json!({"widgets": []})));
}

#[tokio::test]
async fn put_dashboard() {
    let wire = cbor(json!({"DashboardValidationMessages": []}));
    aws(&wire)
        .put_dashboard("billctl", &json!({"widgets": []}))
        .await
        .unwrap();
    wire.sent_cbor(
        "PutDashboard",
        json!({"DashboardName": "billctl", "DashboardBody": "{\"widgets\":[]}"}),
    );
}

#[tokio::test]
async fn delete_dashboards() {
    let wire = cbor(json!({}));
    aws(&wire).delete_dashboards(&["billctl".into()]).await.unwrap();
    wire.sent_cbor("DeleteDashboards", json!({"DashboardNames": ["billctl"]}));
}
