//! The payer's CloudWatch: alarms and dashboards are kept, metrics are worked out (see `data` and `metrics`).

mod data;
mod list;
pub(super) mod math;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use data::{frame_values, get_metric_data};
pub(super) use list::list_metrics;
pub(super) use source::{Source, bucket, source};

use super::metrics::SpendOverrides;
use super::{Sandbox, World};
use crate::names::is_name;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::cloudwatch::{
    Alarm, AlarmState, AlarmStatus, CloudWatch, DELETE_ALARMS, DELETE_DASHBOARDS, DESCRIBE_ALARMS, DataRequest,
    GET_DASHBOARD, GET_METRIC_DATA, LIST_METRICS, Metric, MetricQuery, PUT_DASHBOARD, PUT_METRIC_ALARM, QuerySource,
    Series,
};
use billctl_core::service::{Page, Result, Tags};

/// Most metrics in one alarm (docs/aws-facts.md, "Alarms on charges").
const MAX_ALARM_METRICS: usize = 10;

/// The payer's alarms and dashboards, and what every account spends.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    #[serde(rename = "ledger")]
    pub(super) spend_overrides: SpendOverrides,
    pub(super) alarms: BTreeMap<String, StoredAlarm>,
    dashboards: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) metering: Evaluated,
}

/// Which alarms have been evaluated as they are now: their fingerprints, which `metering` keeps between ticks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Evaluated {
    /// Of members, by account.
    pub(super) members: BTreeMap<AccountId, u64>,
    /// Of the payer, by name.
    pub(super) own: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredAlarm {
    pub(super) alarm: Alarm,
    pub(super) state: AlarmState,
    pub(super) reason: String,
    pub(super) since: Timestamp,
    tags: Tags,
}

/// The queries' expressions, parsed, after checking that ids are unique, known and well formed.
pub(super) fn check_queries(queries: &[MetricQuery]) -> std::result::Result<BTreeMap<&str, math::Expr>, String> {
    let mut ids = BTreeSet::new();
    for query in queries {
        let well_formed = query.id.starts_with(|c: char| c.is_ascii_lowercase())
            && query.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !well_formed {
            return Err(format!("the id `{}` is not valid", query.id));
        }
        if !ids.insert(query.id.as_str()) {
            return Err(format!("the id `{}` is used twice", query.id));
        }
    }
    let mut parsed = BTreeMap::new();
    for query in queries {
        let QuerySource::Expression { expression } = &query.source else {
            continue;
        };
        let expr = math::parse(expression)?;
        if let Some(unknown) = expr.ids().into_iter().find(|id| !ids.contains(id)) {
            return Err(format!("`{expression}` names `{unknown}`, which is no id"));
        }
        parsed.insert(query.id.as_str(), expr);
    }
    Ok(parsed)
}

/// The periods of those that are statistics, in seconds; an alarm's share one.
pub(super) fn periods_of(queries: &[MetricQuery]) -> impl Iterator<Item = u32> {
    queries.iter().filter_map(|query| match query.source {
        QuerySource::Stat { period, .. } => Some(period),
        QuerySource::Expression { .. } => None,
    })
}

fn check_alarm(alarm: &Alarm) -> std::result::Result<(), String> {
    if !(1..=255).contains(&alarm.name.chars().count()) {
        return Err("the alarm's name must have 1 to 255 characters".to_owned());
    }
    if !matches!(
        alarm.comparison.as_str(),
        "GreaterThanThreshold" | "GreaterThanOrEqualToThreshold" | "LessThanThreshold" | "LessThanOrEqualToThreshold"
    ) {
        return Err(format!("ComparisonOperator `{}` is not valid", alarm.comparison));
    }
    if !matches!(
        alarm.treat_missing_data.as_str(),
        "missing" | "ignore" | "breaching" | "notBreaching"
    ) {
        return Err(format!("TreatMissingData `{}` is not valid", alarm.treat_missing_data));
    }
    if !alarm.threshold.is_finite() {
        return Err("the threshold is not a number".to_owned());
    }
    if alarm.metrics.len() > MAX_ALARM_METRICS {
        return Err(format!("an alarm has at most {MAX_ALARM_METRICS} metrics"));
    }
    check_queries(&alarm.metrics)?;
    if alarm.metrics.iter().filter(|query| query.return_data).count() != 1 {
        return Err("exactly one metric must return data".to_owned());
    }
    let mut periods = periods_of(&alarm.metrics);
    let period = periods.next().ok_or("no metric of the alarm is a statistic")?;
    if periods.any(|other| other != period) {
        return Err("all metrics of an alarm must have the same period".to_owned());
    }
    if period == 0 || (period % 60 != 0 && ![1, 5, 10, 20, 30].contains(&period)) {
        return Err(format!("the period {period} is not a multiple of 60"));
    }
    let day = 86_400;
    // An alarm may look back a week where its period is an hour or more, else a day
    // (docs/aws-facts.md, "Alarms on charges").
    let longest = if period >= 3_600 { 7 * day } else { day };
    if alarm.evaluation_periods == 0 || alarm.evaluation_periods.saturating_mul(period) > longest {
        return Err(format!(
            "the period times the evaluation periods must be at most {longest} seconds"
        ));
    }
    Ok(())
}

impl World {
    /// The ARN of an alarm of the payer.
    pub(super) fn alarm_arn(&self, name: &str) -> Arn {
        self.own_arn("cloudwatch", &format!("alarm:{name}"))
    }

    /// The payer's alarms of these names, those that exist.
    pub(super) fn alarm_statuses(&self, names: &[String]) -> Vec<AlarmStatus> {
        let named = self.cloudwatch.alarms.iter().filter(|(name, _)| names.contains(name));
        named
            .map(|(name, stored)| AlarmStatus {
                alarm: stored.alarm.clone(),
                arn: self.alarm_arn(name),
                state: stored.state,
                reason: stored.reason.clone(),
                since: Some(stored.since),
            })
            .collect()
    }
}

#[async_trait]
impl CloudWatch for Sandbox {
    async fn describe_alarms(&self, names: &[String]) -> Result<Vec<AlarmStatus>> {
        self.call(DESCRIBE_ALARMS, |world| {
            // At most 100 names in one call (API reference).
            if names.len() > 100 {
                let why = "Member must have length less than or equal to 100";
                return Err(Refusal::invalid("ValidationError", why));
            }
            Ok(world.alarm_statuses(names))
        })
        .await
    }

    async fn put_metric_alarm(&self, alarm: &Alarm, tags: &Tags) -> Result<()> {
        self.call(PUT_METRIC_ALARM, |world| {
            check_alarm(alarm).map_err(|why| Refusal::invalid("ValidationError", why))?;
            let now = world.now;
            world
                .cloudwatch
                .alarms
                .entry(alarm.name.clone())
                .and_modify(|stored| stored.alarm = alarm.clone())
                .or_insert_with(|| StoredAlarm {
                    alarm: alarm.clone(),
                    state: AlarmState::InsufficientData,
                    reason: "Unchecked: Initial alarm creation".to_owned(),
                    since: now,
                    tags: tags.clone(),
                });
            Ok(())
        })
        .await
    }

    async fn delete_alarms(&self, names: &[String]) -> Result<()> {
        self.call(DELETE_ALARMS, |world| {
            remove(&mut world.cloudwatch.alarms, names, |name| {
                Refusal::not_found("ResourceNotFound", format!("Unknown alarm {name}"))
            })
        })
        .await
    }

    async fn get_metric_data(&self, request: &DataRequest, token: Option<String>) -> Result<Page<Series>> {
        self.call(GET_METRIC_DATA, |world| {
            data::get_metric_data(world, world.management_account(), request, token.as_deref())
        })
        .await
    }

    async fn list_metrics(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &BTreeMap<String, Option<String>>,
        token: Option<String>,
    ) -> Result<Page<Metric>> {
        self.call(LIST_METRICS, |world| {
            list::list_metrics(world, namespace, name, dimensions, token.as_deref())
        })
        .await
    }

    async fn get_dashboard(&self, name: &str) -> Result<Value> {
        self.call(GET_DASHBOARD, |world| {
            let found = world.cloudwatch.dashboards.get(name).cloned();
            found.ok_or_else(|| no_dashboard(name))
        })
        .await
    }

    async fn put_dashboard(&self, name: &str, body: &Value) -> Result<()> {
        self.call(PUT_DASHBOARD, |world| {
            let widgets = body.get("widgets").and_then(Value::as_array);
            // At most 500 widgets (docs/aws-facts.md, "GetMetricData").
            if widgets.is_none_or(|widgets| widgets.len() > 500) {
                let why = "The dashboard body is invalid: it needs `widgets`, at most 500";
                return Err(Refusal::invalid("InvalidParameterInput", why));
            }
            if !is_name(name, 255, "-_") {
                let why = "The dashboard's name may hold letters, digits, hyphens and underscores only";
                return Err(Refusal::invalid("InvalidParameterValue", why));
            }
            world.cloudwatch.dashboards.insert(name.to_owned(), body.clone());
            Ok(())
        })
        .await
    }

    async fn delete_dashboards(&self, names: &[String]) -> Result<()> {
        self.call(DELETE_DASHBOARDS, |world| {
            remove(&mut world.cloudwatch.dashboards, names, no_dashboard)
        })
        .await
    }
}

/// Removes those of these names: all or nothing (API reference).
fn remove<T>(kept: &mut BTreeMap<String, T>, names: &[String], missing: impl Fn(&str) -> Refusal) -> Answer<()> {
    if let Some(name) = names.iter().find(|name| !kept.contains_key(*name)) {
        return Err(missing(name));
    }
    kept.retain(|name, _| !names.contains(name));
    Ok(())
}

fn no_dashboard(name: &str) -> Refusal {
    Refusal::not_found("ResourceNotFound", format!("Dashboard {name} does not exist"))
}

#[cfg(test)]
mod tests;
