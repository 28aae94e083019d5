use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::names::{DESCRIPTION_MARK, Scope};
use crate::config::Measure;
use crate::service::cloudwatch::{Alarm as ServiceAlarm, Metric, MetricQuery, QuerySource};

/// A period's spend from the cumulative metric. A fall on the 1st or 2nd is the month's reset, and what stands there
/// is the new month's spend; any other fall is a credit, which is no spend (AWS-FACTS 2).
///
/// The period slides, so a day that ends late on the 2nd still follows one that holds the old month's charges, while
/// the new month has nearly two days of spend by then: it is scaled to one period by how old the month is. That
/// `DATE` and `HOUR` see the start of a sliding period is unverified on AWS.
pub const SPEND_EXPRESSION: &str = "IF(RATE(m1) < 0, \
     IF(DATE(m1) <= 2, m1 * PERIOD(m1) / ((DATE(m1) - 1) * 86400 + HOUR(m1) * 3600 + PERIOD(m1)), 0), \
     RATE(m1) * PERIOD(m1))";

/// A CloudWatch alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm(pub ServiceAlarm);

impl Alarm {
    /// The management account's own alarm: on its LinkedAccount series, because `{Currency}` alone is the whole
    /// organisation's bill there (AWS-FACTS 1).
    pub(super) fn own(scope: &Scope) -> Self {
        let account = scope.facts.management_account;
        let series = billing_metric(Some(&account.to_string()));
        let (period, words) = match scope.config.alarm.measure {
            Measure::Daily => (86_400, "spend of the last 24 hours"),
            Measure::SixHourly => (21_600, "spend of the last 6 hours"),
            Measure::MonthToDate => (21_600, "charges of the month so far"),
        };
        let stat = |return_data| MetricQuery {
            id: "m1".into(),
            source: QuerySource::Stat {
                metric: series.clone(),
                period,
                stat: "Maximum".into(),
            },
            return_data,
            label: Some("Month to date (USD)".into()),
        };
        let metrics = if scope.config.alarm.measure == Measure::MonthToDate {
            vec![stat(true)]
        } else {
            let spend = MetricQuery {
                id: "spend".into(),
                source: QuerySource::Expression {
                    expression: SPEND_EXPRESSION.into(),
                },
                return_data: true,
                label: Some("Spend (USD)".into()),
            };
            vec![spend, stat(false)]
        };
        let threshold = scope.facts.own_threshold;
        Self(ServiceAlarm {
            name: scope.config.alarm.name.clone(),
            description: format!(
                "{DESCRIPTION_MARK}{words} above {} USD in the management account.",
                threshold.to_decimal()
            ),
            metrics,
            comparison: "GreaterThanThreshold".into(),
            threshold: threshold.to_f64(),
            evaluation_periods: 1,
            treat_missing_data: if period == 86_400 {
                "notBreaching".into()
            } else {
                "ignore".into()
            },
            actions_enabled: true,
            alarm_actions: Vec::new(),
        })
    }

    /// Goes off when an execution of the notifier fails: `status` lists it.
    pub(super) fn failures(scope: &Scope) -> Self {
        Self::watching(
            scope.failure_alarm(),
            "an execution of the notifier failed: a mail may be missing",
            Metric {
                namespace: "AWS/States".into(),
                name: "ExecutionsFailed".into(),
                dimensions: BTreeMap::from([(
                    "StateMachineArn".into(),
                    scope.notifier_arn().to_string(),
                )]),
            },
            "Sum",
        )
    }

    /// Goes off while something lies in the queue.
    pub(super) fn queue(scope: &Scope) -> Self {
        Self::watching(
            scope.queue_alarm(),
            "events that reached nobody, or SES reports of failed mails, lie in the queue",
            Metric {
                namespace: "AWS/SQS".into(),
                name: "ApproximateNumberOfMessagesVisible".into(),
                dimensions: BTreeMap::from([(
                    "QueueName".into(),
                    scope.config.names.queue.clone(),
                )]),
            },
            "Maximum",
        )
    }

    fn watching(name: String, what: &str, metric: Metric, stat: &str) -> Self {
        Self(ServiceAlarm {
            name,
            description: format!("{DESCRIPTION_MARK}{what}"),
            metrics: vec![MetricQuery {
                id: "m1".into(),
                source: QuerySource::Stat {
                    metric,
                    period: 300,
                    stat: stat.to_owned(),
                },
                return_data: true,
                label: None,
            }],
            comparison: "GreaterThanThreshold".into(),
            threshold: 0.0,
            evaluation_periods: 1,
            treat_missing_data: "notBreaching".into(),
            actions_enabled: true,
            alarm_actions: Vec::new(),
        })
    }

    pub(super) fn is_ours(&self) -> bool {
        self.0.description.starts_with(DESCRIPTION_MARK)
    }

    /// Queries by their ids, because their order means nothing. A single plain statistic loses id and label: AWS
    /// keeps neither for it.
    pub(super) fn document(&self) -> Value {
        let alarm = &self.0;
        let metrics = match alarm.metrics.as_slice() {
            [
                MetricQuery {
                    source:
                        QuerySource::Stat {
                            metric,
                            period,
                            stat,
                        },
                    ..
                },
            ] => stat_fields(metric, *period, stat),
            queries => queries
                .iter()
                .map(|query| {
                    (
                        format!("[{}]", query.id),
                        Value::Object(query_fields(query)),
                    )
                })
                .collect(),
        };
        json!({
            "description": alarm.description,
            "metrics": metrics,
            "comparison": alarm.comparison,
            "threshold": alarm.threshold,
            "evaluationPeriods": alarm.evaluation_periods,
            "treatMissingData": alarm.treat_missing_data,
            "actionsEnabled": alarm.actions_enabled,
            "alarmActions": alarm.alarm_actions,
        })
    }
}

fn query_fields(query: &MetricQuery) -> Map<String, Value> {
    let mut fields = match &query.source {
        QuerySource::Expression { expression } => {
            Map::from_iter([("expression".to_owned(), json!(expression))])
        }
        QuerySource::Stat {
            metric,
            period,
            stat,
        } => stat_fields(metric, *period, stat),
    };
    if let Some(label) = &query.label {
        fields.insert("label".into(), json!(label));
    }
    fields.insert("returnData".into(), json!(query.return_data));
    fields
}

fn stat_fields(metric: &Metric, period: u32, stat: &str) -> Map<String, Value> {
    Map::from_iter([
        ("namespace".to_owned(), json!(metric.namespace)),
        ("name".to_owned(), json!(metric.name)),
        ("dimensions".to_owned(), json!(metric.dimensions)),
        ("period".to_owned(), json!(period)),
        ("stat".to_owned(), json!(stat)),
    ])
}

/// `EstimatedCharges` of one account, or of the whole organisation (AWS-FACTS 1).
fn billing_metric(account: Option<&str>) -> Metric {
    let mut dimensions = BTreeMap::from([("Currency".to_owned(), "USD".to_owned())]);
    if let Some(account) = account {
        dimensions.insert("LinkedAccount".into(), account.to_owned());
    }
    Metric {
        namespace: "AWS/Billing".into(),
        name: "EstimatedCharges".into(),
        dimensions,
    }
}
