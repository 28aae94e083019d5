//! The event that CloudWatch sends when an alarm changes its state (docs/aws-facts.md, "Alarm events").

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::watch::Change;
use crate::World;
use crate::eventbridge::seconds;
use billctl_core::model::{AccountId, Arn, REGION};
use billctl_core::service::cloudwatch::{Alarm, MetricQuery, QuerySource};

/// Times inside `detail` end in `+0000`.
fn detail_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

fn metric(query: &MetricQuery) -> Value {
    let mut fields = Map::from_iter([("id".to_owned(), json!(query.id))]);
    match &query.source {
        QuerySource::Expression { expression } => {
            fields.insert("expression".to_owned(), json!(expression));
            fields.insert("label".to_owned(), json!(query.label.as_deref().unwrap_or(expression)));
        }
        QuerySource::Stat { metric, period, stat } => {
            fields.insert(
                "metricStat".to_owned(),
                json!({
                    "metric": {
                        "namespace": metric.namespace,
                        "name": metric.name,
                        "dimensions": metric.dimensions,
                    },
                    "period": period,
                    "stat": stat,
                }),
            );
        }
    }
    fields.insert("returnData".to_owned(), json!(query.return_data));
    Value::Object(fields)
}

/// The whole event, as it is on the account's default bus.
pub(super) fn state_change(world: &mut World, account: AccountId, alarm: &Alarm, change: &Change) -> Value {
    let arn = Arn::new("cloudwatch", REGION, account, &format!("alarm:{}", alarm.name));
    let mut state = Map::from_iter([
        ("value".to_owned(), json!(change.state)),
        ("reason".to_owned(), json!(change.reason)),
        ("timestamp".to_owned(), json!(detail_time(change.at))),
    ]);
    if let Some(data) = &change.data {
        state.insert("reasonData".to_owned(), json!(data.to_string()));
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
