use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Thing;
use super::names::{DESCRIPTION_MARK, Naming};
use billctl_core::model::Arn;
use billctl_core::service::charges;
use billctl_core::service::cloudwatch::{Alarm as ServiceAlarm, Metric, MetricQuery, QuerySource};

/// A period's spend from the cumulative metric. A fall on the 1st or 2nd is the month's reset, and what stands there is
/// the new month's spend; any other fall is a credit, which is no spend (docs/aws-facts.md, "Alarms on charges").
///
/// The period slides, so a day that ends late on the 2nd still follows one that holds the old month's charges, while
/// the new month has nearly two days of spend by then: it is scaled to one period by how old the month is. That
/// `DATE` and `HOUR` see the start of a sliding period is unverified.
pub const SPEND_EXPRESSION: &str = "IF(RATE(m1) < 0, \
     IF(DATE(m1) <= 2, m1 * PERIOD(m1) / ((DATE(m1) - 1) * 86400 + HOUR(m1) * 3600 + PERIOD(m1)), 0), \
     RATE(m1) * PERIOD(m1))";

/// Executions of the notifier that ended badly, of every kind that CloudWatch counts
/// (docs/aws-facts.md, "Step Functions: executions"): `id` and metric.
const FAILURES: [(&str, &str); 4] = [
    ("failed", "ExecutionsFailed"),
    ("timed_out", "ExecutionsTimedOut"),
    ("aborted", "ExecutionsAborted"),
    ("throttled", "ExecutionThrottled"),
];

/// All of them together. Of these metrics mostly one has a datapoint or none, and a sum with a series that has none
/// has none either, so that each is filled up. FILL is allowed in alarms (CloudWatch user guide, "Using metric math");
/// that it also fills a series without any datapoint is unverified here, but much used so.
const FAILURES_EXPRESSION: &str = "FILL(failed, 0) + FILL(timed_out, 0) + FILL(aborted, 0) + FILL(throttled, 0)";

/// The period in seconds of the alarm on the queue.
const QUEUE_PERIOD: u32 = 300;
/// The period in seconds of the alarm on failures. A failure is one datapoint, and what is filled up around it ends the
/// alarm when it leaves the period: long enough to be seen, and for a datapoint that comes late.
const FAILURES_PERIOD: u32 = 900;

/// A CloudWatch alarm, and the topic that billctl makes: its action is billctl's to take away, and no other.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm(pub ServiceAlarm, Option<Arn>);

impl From<ServiceAlarm> for Alarm {
    fn from(alarm: ServiceAlarm) -> Self {
        Self(alarm, None)
    }
}

impl Alarm {
    /// The management account's own alarm: on its LinkedAccount series, because `{Currency}` alone is the whole
    /// organisation's bill there (docs/aws-facts.md, "Charges of linked accounts").
    fn own(naming: &Naming) -> ServiceAlarm {
        let (account, threshold) = (naming.facts.management_account, naming.facts.own_threshold);
        let measure = naming.config.alarm.measure;
        let month_to_date = MetricQuery {
            return_data: measure.is_cumulative(),
            label: Some("Month to date (USD)".into()),
            ..statistic(
                "m1",
                charges::metric(Some(account), None),
                measure.period(),
                charges::STATISTIC,
            )
        };
        let metrics = if measure.is_cumulative() {
            vec![month_to_date]
        } else {
            vec![expression("spend", SPEND_EXPRESSION, "Spend (USD)"), month_to_date]
        };
        let what = format!(
            "{} above {} USD in the management account.",
            measure.measured(),
            threshold.to_decimal()
        );
        let is_daily = measure.period() == 86_400;
        ServiceAlarm {
            threshold: threshold.to_f64(),
            treat_missing_data: if is_daily { "notBreaching" } else { "ignore" }.into(),
            ..alarm(naming.config.alarm.name.clone(), &what, metrics, None)
        }
    }

    /// Goes off when an execution of the notifier fails, runs out of time, is aborted or can't start: `status` lists
    /// it.
    fn failures(naming: &Naming) -> ServiceAlarm {
        let sum = expression("failures", FAILURES_EXPRESSION, "Executions that ended badly");
        let machine = naming.notifier_arn().to_string();
        let counts = FAILURES.iter().map(|(id, name)| {
            let metric = metric("AWS/States", name, "StateMachineArn", &machine);
            statistic(id, metric, FAILURES_PERIOD, "Sum")
        });
        alarm(
            naming.config.names.failure_alarm(),
            "an execution of the notifier failed: a mail may be missing",
            std::iter::once(sum).chain(counts).collect(),
            naming.alarm_topic(),
        )
    }

    /// Goes off while something lies in the queue.
    fn queue(naming: &Naming) -> ServiceAlarm {
        let queue = &naming.config.names.queue;
        let metric = metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue);
        let messages = MetricQuery {
            return_data: true,
            ..statistic("m1", metric, QUEUE_PERIOD, "Maximum")
        };
        alarm(
            naming.config.names.queue_alarm(),
            "events that reached nobody, or SES reports of failed mails, lie in the queue",
            vec![messages],
            naming.alarm_topic(),
        )
    }
}

/// An alarm on anything above zero. Where there is a topic, it acts when it goes off; that it is over is nothing to hear
/// of.
fn alarm(name: String, what: &str, metrics: Vec<MetricQuery>, topic: Option<Arn>) -> ServiceAlarm {
    ServiceAlarm {
        name,
        description: format!("{DESCRIPTION_MARK}{what}"),
        metrics,
        comparison: "GreaterThanThreshold".into(),
        threshold: 0.0,
        evaluation_periods: 1,
        treat_missing_data: "notBreaching".into(),
        actions_enabled: true,
        alarm_actions: topic.iter().map(Arn::to_string).collect(),
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
    }
}

fn metric(namespace: &str, name: &str, dimension: &str, value: &str) -> Metric {
    Metric {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([(dimension.to_owned(), value.to_owned())]),
    }
}

/// A metric's statistic, as a part of what is watched.
fn statistic(id: &str, metric: Metric, period: u32, stat: &str) -> MetricQuery {
    let stat = stat.to_owned();
    MetricQuery {
        id: id.to_owned(),
        source: QuerySource::Stat { metric, period, stat },
        return_data: false,
        label: None,
    }
}

/// Metric math that is watched.
fn expression(id: &str, expression: &str, label: &str) -> MetricQuery {
    let expression = expression.to_owned();
    MetricQuery {
        id: id.to_owned(),
        source: QuerySource::Expression { expression },
        return_data: true,
        label: Some(label.to_owned()),
    }
}

impl Thing for Alarm {
    /// The management account's own alarm comes last: it can fire the moment it exists
    /// (docs/aws-facts.md, "Alarms on charges").
    fn desired(naming: &Naming) -> Vec<Self> {
        let all = [Self::failures(naming), Self::queue(naming), Self::own(naming)];
        all.map(|alarm| Self(alarm, Some(naming.operations_topic_arn()))).into()
    }

    fn name(&self) -> String {
        self.0.name.clone()
    }

    /// The same, with the actions that others have set: putting an alarm replaces them all. The action of the topic
    /// that billctl makes goes when the config doesn't want it any more; a topic that the config named before looks
    /// like one that somebody set by hand, and stays.
    fn beside(mut self, observed: &Self) -> Self {
        let wanted = std::mem::take(&mut self.0.alarm_actions);
        let own = self.1.as_ref().map(Arn::to_string);
        let alarm = &mut self.0;
        alarm.alarm_actions = observed
            .0
            .alarm_actions
            .iter()
            .filter(|action| Some(*action) != own.as_ref() || wanted.contains(action))
            .cloned()
            .collect();
        for action in wanted {
            if !alarm.alarm_actions.contains(&action) {
                alarm.alarm_actions.push(action);
            }
        }
        alarm.ok_actions.clone_from(&observed.0.ok_actions);
        alarm
            .insufficient_data_actions
            .clone_from(&observed.0.insufficient_data_actions);
        self
    }

    fn is_ours(&self) -> bool {
        self.0.description.starts_with(DESCRIPTION_MARK)
    }

    /// Queries by their ids, because their order means nothing. A single plain statistic loses id and label: AWS
    /// keeps neither for it.
    fn document(&self) -> Value {
        let alarm = &self.0;
        let metrics = match alarm.metrics.as_slice() {
            [
                MetricQuery {
                    source: QuerySource::Stat { metric, period, stat },
                    ..
                },
            ] => stat_fields(metric, *period, stat),
            queries => queries
                .iter()
                .map(|query| (format!("[{}]", query.id), Value::Object(query_fields(query))))
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
        QuerySource::Expression { expression } => Map::from_iter([("expression".to_owned(), json!(expression))]),
        QuerySource::Stat { metric, period, stat } => stat_fields(metric, *period, stat),
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
