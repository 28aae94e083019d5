//! What the sandbox knows of the resource types: their names, ARNs, and properties. An unknown property is an
//! error, as it is to CloudFormation.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ALARM, ROLE, RULE, Resource, Result, TemplateError};
use crate::member::{MemberRole, MemberRule};
use billctl_core::model::{AccountId, Arn, REGION};
use billctl_core::service::cloudwatch::{Alarm, Metric, MetricQuery, QuerySource};

pub(super) const KNOWN: [&str; 3] = [ALARM, RULE, ROLE];

/// Properties that are numbers, and ones that are flags: templates may give both as texts.
const NUMBERS: [&str; 4] = ["Threshold", "EvaluationPeriods", "DatapointsToAlarm", "Period"];
const FLAGS: [&str; 2] = ["ReturnData", "ActionsEnabled"];

/// The property that holds the resource's own name.
pub(super) fn name_property(resource_type: &str) -> &'static str {
    match resource_type {
        ALARM => "AlarmName",
        RULE => "Name",
        _ => "RoleName",
    }
}

pub(super) fn arn(resource_type: &str, account: AccountId, name: &str) -> Arn {
    match resource_type {
        ALARM => Arn::new("cloudwatch", REGION, account, &format!("alarm:{name}")),
        RULE => Arn::new("events", REGION, account, &format!("rule/{name}")),
        _ => Arn::new("iam", "", account, &format!("role/{name}")),
    }
}

/// Gives an alarm's numbers and flags their types, whichever way the template writes them.
pub(super) fn coerce(resource_type: &str, properties: &mut Value) {
    if resource_type != ALARM {
        return;
    }
    match properties {
        Value::Object(fields) => {
            for (name, value) in fields {
                let typed = match value {
                    Value::String(text) if NUMBERS.contains(&name.as_str()) => {
                        serde_json::from_str(text).ok().filter(Value::is_number)
                    }
                    Value::String(text) if FLAGS.contains(&name.as_str()) => text.parse().ok().map(Value::Bool),
                    _ => None,
                };
                match typed {
                    Some(typed) => *value = typed,
                    None => coerce(resource_type, value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| coerce(resource_type, item)),
        _ => {}
    }
}

/// Whether a resource's properties are ones its type has, with values of their types.
pub(super) fn check(resource: &Resource) -> Result<()> {
    match resource.resource_type.as_str() {
        ALARM => alarm(resource).map(drop),
        RULE => rule(resource).map(drop),
        _ => parse::<RoleProperties>(resource).map(drop),
    }
}

fn parse<T: DeserializeOwned>(resource: &Resource) -> Result<T> {
    T::deserialize(&resource.properties).map_err(|error| invalid(resource, error))
}

fn invalid(resource: &Resource, message: impl Display) -> TemplateError {
    let id = &resource.logical_id;
    TemplateError::new(format!(
        "Properties validation failed for resource {id} with message: {message}"
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AlarmProperties {
    #[serde(default, rename = "AlarmName")]
    _name: Option<Value>,
    #[serde(default)]
    alarm_description: String,
    comparison_operator: String,
    threshold: f64,
    evaluation_periods: u32,
    #[serde(default, rename = "DatapointsToAlarm")]
    _datapoints_to_alarm: Option<u32>,
    #[serde(default = "missing")]
    treat_missing_data: String,
    #[serde(default = "yes")]
    actions_enabled: bool,
    #[serde(default)]
    alarm_actions: Vec<String>,
    #[serde(default, rename = "OKActions")]
    ok_actions: Vec<String>,
    #[serde(default)]
    insufficient_data_actions: Vec<String>,
    #[serde(default, rename = "Tags")]
    _tags: Option<Value>,
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    statistic: Option<String>,
    period: Option<u32>,
    #[serde(default)]
    metrics: Vec<QueryProperties>,
}

/// CloudWatch's default.
fn missing() -> String {
    "missing".into()
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Dimension {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct QueryProperties {
    id: String,
    label: Option<String>,
    expression: Option<String>,
    metric_stat: Option<MetricStat>,
    #[serde(default = "yes")]
    return_data: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct MetricStat {
    stat: String,
    period: u32,
    metric: MetricProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct MetricProperties {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

fn metric(namespace: String, name: String, dimensions: Vec<Dimension>) -> Metric {
    let dimensions = dimensions.into_iter().map(|one| (one.name, one.value)).collect();
    Metric {
        namespace,
        name,
        dimensions,
    }
}

/// The alarm that an `AWS::CloudWatch::Alarm` is.
///
/// # Errors
/// A property is unknown, missing, or of the wrong type.
pub fn alarm(resource: &Resource) -> Result<Alarm> {
    let given: AlarmProperties = parse(resource)?;
    let single = (given.namespace, given.metric_name, given.statistic, given.period);
    let metrics = match single {
        (Some(namespace), Some(name), Some(stat), Some(period)) if given.metrics.is_empty() => {
            vec![MetricQuery {
                id: "m1".into(),
                source: QuerySource::Stat {
                    metric: metric(namespace, name, given.dimensions),
                    period,
                    stat,
                },
                return_data: true,
                label: None,
            }]
        }
        (None, None, None, None) if !given.metrics.is_empty() => given
            .metrics
            .into_iter()
            .map(|query| {
                let source = match (query.expression, query.metric_stat) {
                    (Some(expression), None) => QuerySource::Expression { expression },
                    (None, Some(stat)) => QuerySource::Stat {
                        metric: metric(stat.metric.namespace, stat.metric.metric_name, stat.metric.dimensions),
                        period: stat.period,
                        stat: stat.stat,
                    },
                    _ => return Err(invalid(resource, "a metric is either an Expression or a MetricStat")),
                };
                Ok(MetricQuery {
                    id: query.id,
                    source,
                    return_data: query.return_data,
                    label: query.label,
                })
            })
            .collect::<Result<_>>()?,
        _ => {
            let why = "give either Metrics, or Namespace, MetricName, Statistic and Period";
            return Err(invalid(resource, why));
        }
    };
    Ok(Alarm {
        name: resource.name.clone(),
        description: given.alarm_description,
        metrics,
        comparison: given.comparison_operator,
        threshold: given.threshold,
        evaluation_periods: given.evaluation_periods,
        treat_missing_data: given.treat_missing_data,
        actions_enabled: given.actions_enabled,
        alarm_actions: given.alarm_actions,
        ok_actions: given.ok_actions,
        insufficient_data_actions: given.insufficient_data_actions,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleProperties {
    #[serde(default, rename = "Name")]
    _name: Option<Value>,
    #[serde(default, rename = "Description")]
    _description: Option<Value>,
    #[serde(default)]
    state: Option<String>,
    event_pattern: Value,
    #[serde(default)]
    targets: Vec<TargetProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TargetProperties {
    #[serde(rename = "Id")]
    _id: String,
    arn: Arn,
    role_arn: Option<Arn>,
    #[serde(default, rename = "DeadLetterConfig")]
    _dead_letter_config: Option<Value>,
}

/// The rule that an `AWS::Events::Rule` is.
///
/// # Errors
/// A property is unknown, missing, or of the wrong type; there isn't exactly one target.
pub fn rule(resource: &Resource) -> Result<MemberRule> {
    let given: RuleProperties = parse(resource)?;
    let [target] = <[TargetProperties; 1]>::try_from(given.targets).map_err(|targets| {
        let (id, count) = (&resource.logical_id, targets.len());
        TemplateError::new(format!("the sandbox knows rules of one target, and {id} has {count}"))
    })?;
    Ok(MemberRule {
        name: resource.name.clone(),
        pattern: given.event_pattern,
        enabled: given.state.as_deref() != Some("DISABLED"),
        target: target.arn,
        role: target.role_arn,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RoleProperties {
    #[serde(default, rename = "RoleName")]
    _name: Option<Value>,
    #[serde(default, rename = "Description")]
    _description: Option<Value>,
    assume_role_policy_document: Value,
    #[serde(default)]
    policies: Vec<PolicyProperties>,
    #[serde(default)]
    permissions_boundary: Option<Arn>,
    #[serde(default, rename = "Tags")]
    _tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PolicyProperties {
    policy_name: String,
    policy_document: Value,
}

/// The role that an `AWS::IAM::Role` is in `account`.
///
/// # Errors
/// A property is unknown, missing, or of the wrong type.
pub fn role(resource: &Resource, account: AccountId) -> Result<MemberRole> {
    let given: RoleProperties = parse(resource)?;
    Ok(MemberRole {
        name: resource.name.clone(),
        arn: arn(ROLE, account, &resource.name),
        trust_policy: given.assume_role_policy_document,
        policies: given
            .policies
            .into_iter()
            .map(|policy| (policy.policy_name, policy.policy_document))
            .collect(),
        boundary: given.permissions_boundary,
    })
}
