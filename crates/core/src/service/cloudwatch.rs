//! CloudWatch: metrics, alarms, dashboards.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::operations;
use super::{Page, Result, Tags};
use crate::model::Arn;

operations!(CloudWatch:
    DELETE_ALARMS = write "DeleteAlarms";
    DELETE_DASHBOARDS = write "DeleteDashboards";
    DESCRIBE_ALARMS = read "DescribeAlarms";
    GET_DASHBOARD = read "GetDashboard";
    GET_METRIC_DATA = read "GetMetricData";
    LIST_METRICS = read "ListMetrics";
    PUT_DASHBOARD = write "PutDashboard";
    PUT_METRIC_ALARM = write "PutMetricAlarm";
);

/// Most queries in one GetMetricData (docs/aws-facts.md, "GetMetricData").
pub const MAX_QUERIES: usize = 500;
/// Most datapoints in one answer of GetMetricData (docs/aws-facts.md, "GetMetricData").
pub const MAX_DATAPOINTS: usize = 100_800;
/// Most metrics in one page of ListMetrics (API reference).
pub const METRICS_PAGE_SIZE: usize = 500;

/// A metric: where it is and what it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
pub struct Metric {
    /// Such as `AWS/Billing`.
    pub namespace: String,
    /// Such as `EstimatedCharges`.
    pub name: String,
    /// Name to value.
    pub dimensions: BTreeMap<String, String>,
}

/// One line of a metric-math alarm, or of a GetMetricData call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct MetricQuery {
    /// Its id: a lowercase letter, then letters, digits and underscores.
    pub id: String,
    /// What it computes.
    pub source: QuerySource,
    /// Whether its values are returned, or are what the alarm watches.
    pub return_data: bool,
    /// Its label in graphs and events.
    pub label: Option<String>,
}

/// Where a query's values come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuerySource {
    /// Metric math over other queries' ids; the period is in seconds.
    Expression {
        /// Such as `RATE(m1) * PERIOD(m1)`.
        expression: String,
    },
    /// A metric's statistic.
    Stat {
        /// The metric.
        metric: Metric,
        /// Seconds.
        period: u32,
        /// Such as `Maximum`.
        stat: String,
    },
}

/// An alarm's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Below.
    Ok,
    /// Above.
    Alarm,
    /// Not known, as of a new alarm.
    #[default]
    InsufficientData,
}

/// An alarm as it is set up.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// What it watches: metric math, or one plain statistic that returns data.
    pub metrics: Vec<MetricQuery>,
    /// AWS's word, such as `GreaterThanThreshold`.
    pub comparison: String,
    /// The threshold.
    pub threshold: f64,
    /// Periods evaluated.
    pub evaluation_periods: u32,
    /// AWS's word, such as `notBreaching`.
    pub treat_missing_data: String,
    /// Whether its actions are on.
    pub actions_enabled: bool,
    /// What it does when it goes to ALARM: topics to publish to, by their ARNs. Owners are told by events instead.
    pub alarm_actions: Vec<String>,
    /// What it does when it goes to OK; billctl sets none.
    #[serde(default)]
    pub ok_actions: Vec<String>,
    /// What it does when it isn't known any more; billctl sets none.
    #[serde(default)]
    pub insufficient_data_actions: Vec<String>,
}

/// An alarm with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmStatus {
    /// How it is set up.
    pub alarm: Alarm,
    /// Its ARN.
    pub arn: Arn,
    /// Its state.
    pub state: AlarmState,
    /// Why, in CloudWatch's words.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// The values of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The query's id.
    pub id: String,
    /// Time and value, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

/// A GetMetricData call.
#[derive(Debug, Clone, PartialEq)]
pub struct DataRequest {
    /// At most [`MAX_QUERIES`].
    pub queries: Vec<MetricQuery>,
    /// From here on.
    pub start: Timestamp,
    /// Up to but not including here.
    pub end: Timestamp,
}

/// The operations of CloudWatch that billctl uses.
#[async_trait]
pub trait CloudWatch: Send + Sync {
    /// `DescribeAlarms` by name: those that exist (metric alarms only).
    async fn describe_alarms(&self, names: &[String]) -> Result<Vec<AlarmStatus>>;
    /// `PutMetricAlarm`: makes or replaces it. Tags apply when it is made.
    async fn put_metric_alarm(&self, alarm: &Alarm, tags: &Tags) -> Result<()>;
    /// `DeleteAlarms`.
    async fn delete_alarms(&self, names: &[String]) -> Result<()>;
    /// `GetMetricData`, oldest first. Series of one query may be spread over pages.
    async fn get_metric_data(&self, request: &DataRequest, token: Option<String>) -> Result<Page<Series>>;
    /// `ListMetrics` that have exactly or at least these dimensions (a `None` value means any value).
    async fn list_metrics(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &BTreeMap<String, Option<String>>,
        token: Option<String>,
    ) -> Result<Page<Metric>>;
    /// `GetDashboard`: its body.
    async fn get_dashboard(&self, name: &str) -> Result<Value>;
    /// `PutDashboard`: makes or replaces it.
    async fn put_dashboard(&self, name: &str, body: &Value) -> Result<()>;
    /// `DeleteDashboards`.
    async fn delete_dashboards(&self, names: &[String]) -> Result<()>;
}
