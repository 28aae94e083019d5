use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::{Client, types as sdk};
use serde_json::Value;

use super::call::{Caller, json, parsed, required};
use super::classify::entry_error;
use super::convert::{datetime, number, page, timestamp};
use billctl_core::service::cloudwatch::{
    Alarm, AlarmState, AlarmStatus, CloudWatch, DELETE_ALARMS, DELETE_DASHBOARDS, DESCRIBE_ALARMS, DataRequest,
    GET_DASHBOARD, GET_METRIC_DATA, LIST_METRICS, Metric, MetricQuery, PUT_DASHBOARD, PUT_METRIC_ALARM, QuerySource,
    Series,
};
use billctl_core::service::{Operation, Page, Result, Tags, all_pages};
use billctl_core::words::meaning_or;

/// Most names in one DescribeAlarms or DeleteAlarms (API reference).
const MAX_NAMES: usize = 100;

#[async_trait]
impl CloudWatch for Caller<Client> {
    async fn describe_alarms(&self, names: &[String]) -> Result<Vec<AlarmStatus>> {
        let op = DESCRIBE_ALARMS;
        let mut found = Vec::new();
        // In chunks, and so never without a name, which would mean every alarm of the account.
        for names in names.chunks(MAX_NAMES) {
            let list = |token| async move {
                let request = self
                    .client
                    .describe_alarms()
                    .set_alarm_names(Some(names.to_vec()))
                    .alarm_types(sdk::AlarmType::MetricAlarm)
                    .set_next_token(token);
                let answer = self.call(op, || request.clone().send()).await?;
                let alarms = answer.metric_alarms().iter();
                page(alarms.map(|alarm| alarm_status(op, alarm)), answer.next_token())
            };
            found.extend(all_pages(op, list).await?);
        }
        Ok(found)
    }

    /// Always as a list of metrics, also a single statistic: so it reads back as it was put.
    async fn put_metric_alarm(&self, alarm: &Alarm, tags: &Tags) -> Result<()> {
        let op = PUT_METRIC_ALARM;
        let tags = tags
            .iter()
            .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
        let request = self
            .client
            .put_metric_alarm()
            .alarm_name(&alarm.name)
            .alarm_description(&alarm.description)
            .set_metrics(Some(alarm.metrics.iter().map(query).collect()))
            .comparison_operator(alarm.comparison.as_str().into())
            .threshold(alarm.threshold)
            .evaluation_periods(number(alarm.evaluation_periods))
            .treat_missing_data(&alarm.treat_missing_data)
            .actions_enabled(alarm.actions_enabled)
            .set_alarm_actions(Some(alarm.alarm_actions.clone()))
            .set_ok_actions(some(&alarm.ok_actions))
            .set_insufficient_data_actions(some(&alarm.insufficient_data_actions))
            .set_tags(Some(tags.collect()));
        self.command(op, || request.clone().send()).await
    }

    async fn delete_alarms(&self, names: &[String]) -> Result<()> {
        for names in names.chunks(MAX_NAMES) {
            let request = self.client.delete_alarms().set_alarm_names(Some(names.to_vec()));
            self.call(DELETE_ALARMS, || request.clone().send()).await?;
        }
        Ok(())
    }

    async fn get_metric_data(&self, wanted: &DataRequest, token: Option<String>) -> Result<Page<Series>> {
        let op = GET_METRIC_DATA;
        let request = self
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(wanted.queries.iter().map(query).collect()))
            .start_time(datetime(wanted.start))
            .end_time(datetime(wanted.end))
            .scan_by(sdk::ScanBy::TimestampAscending)
            .set_next_token(token);
        // One query can fail inside an answer that succeeds: without this its account would look as if it had
        // spent nothing.
        let check = |answer: &aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput| {
            for result in answer.metric_data_results() {
                let code = match result.status_code() {
                    Some(sdk::StatusCode::InternalError) => "InternalServiceError",
                    Some(sdk::StatusCode::Forbidden) => "AccessDenied",
                    _ => continue,
                };
                let message = result.messages().iter().find_map(|message| message.value());
                return Err(entry_error(op, code, message.unwrap_or("the query failed")));
            }
            Ok(())
        };
        let answer = self.call_and_check(op, || request.clone().send(), check).await?;
        let items = answer.metric_data_results().iter().map(|result| {
            let mut points: Vec<_> = result
                .timestamps()
                .iter()
                .zip(result.values())
                .filter_map(|(time, value)| Some((timestamp(time)?, *value)))
                .collect();
            // Asked for, but not every endpoint heeds it.
            points.sort_by_key(|(time, _)| *time);
            Ok(Series {
                id: required(op, result.id(), "Id")?.to_owned(),
                points,
            })
        });
        page(items, answer.next_token())
    }

    async fn list_metrics(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &BTreeMap<String, Option<String>>,
        token: Option<String>,
    ) -> Result<Page<Metric>> {
        let op = LIST_METRICS;
        let filters = dimensions.iter().map(|(name, value)| {
            sdk::DimensionFilter::builder()
                .name(name)
                .set_value(value.clone())
                .build()
        });
        let request = self
            .client
            .list_metrics()
            .namespace(namespace)
            .metric_name(name)
            .set_dimensions(Some(filters.collect()))
            .set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer.metrics().iter().map(|found| Ok(metric(found)));
        page(items, answer.next_token())
    }

    async fn get_dashboard(&self, name: &str) -> Result<Value> {
        let op = GET_DASHBOARD;
        let request = self.client.get_dashboard().dashboard_name(name);
        let answer = self.call(op, || request.clone().send()).await?;
        let body = required(op, answer.dashboard_body(), "DashboardBody")?;
        json(op, body, "DashboardBody")
    }

    async fn put_dashboard(&self, name: &str, body: &Value) -> Result<()> {
        let request = self
            .client
            .put_dashboard()
            .dashboard_name(name)
            .dashboard_body(body.to_string());
        self.command(PUT_DASHBOARD, || request.clone().send()).await
    }

    async fn delete_dashboards(&self, names: &[String]) -> Result<()> {
        let request = self
            .client
            .delete_dashboards()
            .set_dashboard_names(Some(names.to_vec()));
        self.command(DELETE_DASHBOARDS, || request.clone().send()).await
    }
}

/// A list, unless it is empty.
fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn query(wanted: &MetricQuery) -> sdk::MetricDataQuery {
    let builder = sdk::MetricDataQuery::builder()
        .id(&wanted.id)
        .set_label(wanted.label.clone())
        .return_data(wanted.return_data);
    match &wanted.source {
        QuerySource::Expression { expression } => builder.expression(expression),
        QuerySource::Stat { metric, period, stat } => {
            let dimensions = metric
                .dimensions
                .iter()
                .map(|(name, value)| sdk::Dimension::builder().name(name).value(value).build());
            let metric = sdk::Metric::builder()
                .namespace(&metric.namespace)
                .metric_name(&metric.name)
                .set_dimensions(Some(dimensions.collect()))
                .build();
            builder.metric_stat(
                sdk::MetricStat::builder()
                    .metric(metric)
                    .period(number(*period))
                    .stat(stat)
                    .build(),
            )
        }
    }
    .build()
}

fn dimensions(found: &[sdk::Dimension]) -> BTreeMap<String, String> {
    found
        .iter()
        .filter_map(|one| Some((one.name()?.to_owned(), one.value()?.to_owned())))
        .collect()
}

fn metric(found: &sdk::Metric) -> Metric {
    Metric {
        namespace: found.namespace().unwrap_or_default().to_owned(),
        name: found.metric_name().unwrap_or_default().to_owned(),
        dimensions: dimensions(found.dimensions()),
    }
}

fn alarm_status(op: Operation, found: &sdk::MetricAlarm) -> Result<AlarmStatus> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(AlarmStatus {
        alarm: Alarm {
            name: text(found.alarm_name()),
            description: text(found.alarm_description()),
            metrics: watched(found),
            comparison: text(found.comparison_operator().map(sdk::ComparisonOperator::as_str)),
            // An alarm on an anomaly band has none.
            threshold: found.threshold().unwrap_or_default(),
            evaluation_periods: count(found.evaluation_periods()),
            // CloudWatch's default, which it doesn't always say.
            treat_missing_data: found.treat_missing_data().unwrap_or("missing").to_owned(),
            actions_enabled: found.actions_enabled().unwrap_or(true),
            alarm_actions: found.alarm_actions().to_vec(),
            ok_actions: found.ok_actions().to_vec(),
            insufficient_data_actions: found.insufficient_data_actions().to_vec(),
        },
        arn: parsed(op, found.alarm_arn(), "AlarmArn")?,
        state: meaning_or(found.state_value(), AlarmState::InsufficientData),
        reason: text(found.state_reason()),
        since: found
            .state_transitioned_timestamp()
            .or(found.state_updated_timestamp())
            .and_then(timestamp),
    })
}

fn count(found: Option<i32>) -> u32 {
    found.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

/// What an alarm watches; a plain statistic is read as the one metric `m1`.
fn watched(found: &sdk::MetricAlarm) -> Vec<MetricQuery> {
    if found.metrics().is_empty() && found.metric_name().is_some() {
        let stat = found
            .statistic()
            .map(sdk::Statistic::as_str)
            .or(found.extended_statistic());
        return vec![MetricQuery {
            id: "m1".to_owned(),
            source: QuerySource::Stat {
                metric: Metric {
                    namespace: found.namespace().unwrap_or_default().to_owned(),
                    name: found.metric_name().unwrap_or_default().to_owned(),
                    dimensions: dimensions(found.dimensions()),
                },
                period: count(found.period()),
                stat: stat.unwrap_or_default().to_owned(),
            },
            return_data: true,
            label: None,
        }];
    }
    found.metrics().iter().map(watched_query).collect()
}

fn watched_query(found: &sdk::MetricDataQuery) -> MetricQuery {
    let source = match found.metric_stat() {
        Some(stat) => QuerySource::Stat {
            metric: stat.metric().map(metric).unwrap_or_default(),
            period: count(stat.period()),
            stat: stat.stat().unwrap_or_default().to_owned(),
        },
        None => QuerySource::Expression {
            expression: found.expression().unwrap_or_default().to_owned(),
        },
    };
    MetricQuery {
        id: found.id().unwrap_or_default().to_owned(),
        source,
        return_data: found.return_data().unwrap_or(true),
        label: found.label().map(str::to_owned),
    }
}
