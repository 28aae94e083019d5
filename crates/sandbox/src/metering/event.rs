//! The event that CloudWatch sends when an alarm changes its state (docs/aws-facts.md, "Alarm events").

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::World;
use crate::eventbridge::seconds;
use billctl_core::model::{AccountId, Arn, REGION};
use billctl_core::service::cloudwatch::{Alarm, AlarmState, MetricQuery, QuerySource};

/// A change of an alarm's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) before: AlarmState,
    pub(super) state: AlarmState,
    pub(super) reason: String,
    /// What `reasonData` holds, where datapoints decided.
    pub(super) data: Option<Value>,
}

/// Times inside `detail` end in `+0000`.
pub(super) fn detail_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

fn metric(query: &MetricQuery) -> Value {
    match &query.source {
        QuerySource::Expression { expression } => json!({
            "id": query.id,
            "expression": expression,
            "label": query.label.as_deref().unwrap_or(expression),
            "returnData": query.return_data,
        }),
        QuerySource::Stat { metric, period, stat } => json!({
            "id": query.id,
            "metricStat": {
                "metric": {"namespace": metric.namespace, "name": metric.name, "dimensions": metric.dimensions},
                "period": period,
                "stat": stat,
            },
            "returnData": query.return_data,
        }),
    }
}

/// The whole event, as it is on the account's default bus.
pub(super) fn state_change(world: &mut World, account: AccountId, alarm: &Alarm, change: &Change) -> Value {
    let arn = Arn::new("cloudwatch", REGION, account, &format!("alarm:{}", alarm.name));
    let mut state = json!({"value": change.state, "reason": change.reason, "timestamp": detail_time(change.at)});
    if let Some(data) = &change.data {
        state["reasonData"] = json!(data.to_string());
    }
    json!({
        "version": "0",
        "id": world.fresh_event_id(),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": account,
        "time": seconds(change.at),
        "region": REGION,
        "resources": [arn],
        "detail": {
            "alarmName": alarm.name,
            "configuration": {
                "description": alarm.description,
                "metrics": alarm.metrics.iter().map(metric).collect::<Vec<_>>(),
            },
            "previousState": {"value": change.before, "timestamp": detail_time(change.at)},
            "state": state,
        },
    })
}
