//! CloudWatch, as the notifier asks it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Call;
use crate::cloudwatch;
use crate::json::{items, texts};
use crate::refusal::Answer;
use billctl_core::service::cloudwatch::{DataRequest, Metric, MetricQuery, QuerySource};

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(Value::as_str).map(str::to_owned)
}

fn time(call: &Call<'_>, parameter: &str) -> Answer<Timestamp> {
    let text = call.text(parameter)?;
    text.parse()
        .map_err(|_| call.invalid(format!("{parameter} is not a time: {text}")))
}

/// `[{Name, Value?}]` as a map.
fn dimensions(value: Option<&Value>) -> BTreeMap<String, Option<String>> {
    items(value)
        .filter_map(|one| Some((text(one, "Name")?, text(one, "Value"))))
        .collect()
}

fn query(value: &Value) -> Option<MetricQuery> {
    let source = match value.get("MetricStat") {
        Some(stat) => {
            let metric = stat.get("Metric")?;
            QuerySource::Stat {
                metric: Metric {
                    namespace: text(metric, "Namespace")?,
                    name: text(metric, "MetricName")?,
                    dimensions: dimensions(metric.get("Dimensions"))
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value?)))
                        .collect(),
                },
                period: u32::try_from(stat.get("Period")?.as_u64()?).ok()?,
                stat: text(stat, "Stat")?,
            }
        }
        None => QuerySource::Expression {
            expression: text(value, "Expression")?,
        },
    };
    Some(MetricQuery {
        id: text(value, "Id")?,
        source,
        return_data: value.get("ReturnData").and_then(Value::as_bool) != Some(false),
        label: text(value, "Label"),
    })
}

pub(super) fn get_metric_data(call: &mut Call<'_>) -> Answer<Value> {
    call.authorize("*")?;
    let queries: Option<Vec<MetricQuery>> = call
        .arguments
        .get("MetricDataQueries")
        .and_then(Value::as_array)
        .and_then(|queries| queries.iter().map(query).collect());
    let request = DataRequest {
        queries: queries.ok_or_else(|| call.invalid("MetricDataQueries is not valid"))?,
        start: time(call, "StartTime")?,
        end: time(call, "EndTime")?,
    };
    let oldest_first = match call.optional("ScanBy") {
        Some("TimestampAscending") => true,
        None | Some("TimestampDescending") => false,
        Some(other) => return Err(call.invalid(format!("ScanBy `{other}` is not valid"))),
    };
    let payer = call.world.management_account();
    let page = cloudwatch::get_metric_data(call.world, payer, &request, call.optional("NextToken"))?;
    let results: Vec<Value> = page
        .items
        .into_iter()
        .map(|mut series| {
            if !oldest_first {
                series.points.reverse();
            }
            let (times, values): (Vec<String>, Vec<f64>) =
                series.points.iter().map(|(at, value)| (at.to_string(), *value)).unzip();
            let label = request
                .queries
                .iter()
                .find(|query| query.id == series.id)
                .and_then(|query| query.label.clone())
                .unwrap_or_else(|| series.id.clone());
            json!({
                "Id": series.id, "Label": label, "StatusCode": "Complete",
                "Timestamps": times, "Values": values,
            })
        })
        .collect();
    let mut answer = Map::from_iter([
        ("MetricDataResults".to_owned(), Value::Array(results)),
        ("Messages".to_owned(), json!([])),
    ]);
    answer.extend(page.next.map(|next| ("NextToken".to_owned(), json!(next))));
    Ok(Value::Object(answer))
}

pub(super) fn list_metrics(call: &mut Call<'_>) -> Answer<Value> {
    call.authorize("*")?;
    let wanted = dimensions(call.arguments.get("Dimensions"));
    let page = cloudwatch::list_metrics(
        call.world,
        call.text("Namespace")?,
        call.text("MetricName")?,
        &wanted,
        call.optional("NextToken"),
    )?;
    let metrics: Vec<Value> = page
        .items
        .iter()
        .map(|metric| {
            let dimensions: Vec<Value> = metric
                .dimensions
                .iter()
                .map(|(name, value)| json!({"Name": name, "Value": value}))
                .collect();
            json!({
                "Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions,
            })
        })
        .collect();
    let mut answer = Map::from_iter([("Metrics".to_owned(), Value::Array(metrics))]);
    answer.extend(page.next.map(|next| ("NextToken".to_owned(), json!(next))));
    Ok(Value::Object(answer))
}

pub(super) fn describe_alarms(call: &mut Call<'_>) -> Answer<Value> {
    let names = texts(call.arguments.get("AlarmNames")).map(str::to_owned);
    let names: Vec<String> = names.collect();
    for name in &names {
        let arn = call.world.alarm_arn(name);
        call.authorize(arn.as_str())?;
    }
    let alarms: Vec<Value> = call
        .world
        .alarm_statuses(&names)
        .iter()
        .map(|status| {
            json!({
                "AlarmName": status.alarm.name,
                "AlarmArn": status.arn,
                "AlarmDescription": status.alarm.description,
                "Threshold": status.alarm.threshold,
                "ComparisonOperator": status.alarm.comparison,
                "EvaluationPeriods": status.alarm.evaluation_periods,
                "TreatMissingData": status.alarm.treat_missing_data,
                "ActionsEnabled": status.alarm.actions_enabled,
                "StateValue": status.state,
                "StateReason": status.reason,
            })
        })
        .collect();
    Ok(json!({"MetricAlarms": alarms, "CompositeAlarms": []}))
}
