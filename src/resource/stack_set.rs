//! The StackSet that gives every member its alarm, rule and role.

use serde::Serialize;

use super::names;
use crate::config::Config;
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudformation::{AutoDeployment, Parameters, StackSet, StackSetSpec};

/// The member template, as it is deployed.
pub const TEMPLATE: &str = include_str!("../../assets/member-template.yaml");

/// The template's parameter that holds the threshold: the only one that instances override.
pub const THRESHOLD: &str = "Threshold";
/// The rule on each member's default bus that forwards the alarm.
pub const MEMBER_RULE: &str = "billctl-forward-alarm";

/// One field of the StackSet that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FieldChange {
    /// Which field, such as `Parameters.Threshold`.
    pub field: String,
    /// What it is.
    pub before: Option<String>,
    /// What it should be.
    pub after: Option<String>,
}

/// The StackSet that `config` asks for, forwarding to the bus of the account `billing`.
pub fn desired(config: &Config, billing: AccountId) -> StackSetSpec {
    let bus = names::bus_arn(config, billing);
    let boundary = config.members.permissions_boundary.as_deref().unwrap_or_default();
    let boundary = boundary.trim_start_matches('/');
    StackSetSpec {
        name: config.deploy.stack_set.clone(),
        description: "Daily-spend alarm, forwarded to the billing account (made by billctl)".to_owned(),
        template: TEMPLATE.to_owned(),
        parameters: Parameters::from([
            ("AlarmName".to_owned(), config.alarm.name.clone()),
            ("EventBusArn".to_owned(), bus.to_string()),
            ("Measure".to_owned(), config.alarm.measure.word().to_owned()),
            ("PermissionsBoundary".to_owned(), boundary.to_owned()),
            ("RoleName".to_owned(), config.names.member_role.clone()),
            ("RuleName".to_owned(), MEMBER_RULE.to_owned()),
            (THRESHOLD.to_owned(), config.alarm.threshold.to_decimal()),
        ]),
        tags: names::tags(),
        auto_deployment: AutoDeployment {
            enabled: config.deploy.auto_deploy,
            retain_stacks: false,
        },
    }
}

/// Why a StackSet of the right name isn't one that billctl may change, if so.
pub fn foreign(live: &StackSet) -> Option<&'static str> {
    if !live.service_managed {
        Some("it is self-managed: its roles and accounts are somebody else's business")
    } else if !names::are_ours(&live.tags) {
        Some("it lacks the tag managed-by=billctl")
    } else {
        None
    }
}

/// The threshold in a set of parameters or overrides, if it is there and is an amount.
pub fn threshold(parameters: &Parameters) -> Option<Usd> {
    parameters.get(THRESHOLD)?.parse().ok()
}

/// The StackSet as it is, as an update would send it.
pub fn as_it_is(live: &StackSet) -> StackSetSpec {
    StackSetSpec {
        name: live.name.clone(),
        description: live.description.clone(),
        template: live.template.clone(),
        parameters: live.parameters.clone(),
        tags: live.tags.clone(),
        auto_deployment: live.auto_deployment.unwrap_or(AutoDeployment {
            enabled: false,
            retain_stacks: false,
        }),
    }
}

/// The same with the tags that somebody else has put on the StackSet: an update replaces the whole list, and whoever may
/// not remove tags would be refused it as a whole (docs/aws-facts.md). AWS's own can't be sent.
pub fn keeping_tags(mut spec: StackSetSpec, live: &StackSet) -> StackSetSpec {
    for (name, value) in live.tags.iter().filter(|(name, _)| !name.starts_with("aws:")) {
        spec.tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
    spec
}

/// The field of [`diff`] that holds auto-deployment.
pub const AUTO_DEPLOYMENT: &str = "AutoDeployment";
/// The field of [`diff`] that holds the default threshold.
pub const DEFAULT_THRESHOLD: &str = "Parameters.Threshold";

impl FieldChange {
    /// Whether it changes what instances are made of: the template, or a parameter.
    pub fn concerns_stacks(&self) -> bool {
        self.field == "Template" || self.field.starts_with("Parameters.")
    }
}

/// The fields in which the StackSet differs from what is wanted. Amounts compare as numbers, templates without
/// their trailing white space.
pub fn diff(spec: &StackSetSpec, live: &StackSet) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut compare = |field: &str, before: Option<&str>, after: Option<&str>, means_the_same: bool| {
        if before != after && !means_the_same {
            changes.push(FieldChange {
                field: field.to_owned(),
                before: before.map(str::to_owned),
                after: after.map(str::to_owned),
            });
        }
    };
    let body = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let (before, after) = (body(&live.template), body(&spec.template));
    let same_template = before.trim_end() == after.trim_end();
    compare("Template", Some(&live.template), Some(&spec.template), same_template);
    compare("Description", Some(&live.description), Some(&spec.description), false);
    maps(&live.parameters, &spec.parameters, |name, before, after| {
        let usd = |text: Option<&str>| text.and_then(|text| text.parse::<Usd>().ok());
        let same_amount = name == THRESHOLD && before.is_some() && usd(before) == usd(after);
        compare(&format!("Parameters.{name}"), before, after, same_amount);
    });
    maps(&live.tags, &spec.tags, |name, before, after| {
        // Somebody else's stay ([`keeping_tags`]).
        compare(&format!("Tags.{name}"), before, after, after.is_none());
    });
    // Where the answer doesn't tell (an emulator may leave it out), there is nothing to compare.
    if let Some(live) = live.auto_deployment {
        let text = |auto: AutoDeployment| format!("enabled={} retain-stacks={}", auto.enabled, auto.retain_stacks);
        let (before, after) = (text(live), text(spec.auto_deployment));
        compare(AUTO_DEPLOYMENT, Some(&before), Some(&after), false);
    }
    changes
}

/// Calls `visit` for every key of either map.
fn maps(live: &Parameters, wanted: &Parameters, mut visit: impl FnMut(&str, Option<&str>, Option<&str>)) {
    for (name, after) in wanted {
        visit(name, live.get(name).map(String::as_str), Some(after));
    }
    for (name, before) in live {
        if !wanted.contains_key(name) {
            visit(name, Some(before), None);
        }
    }
}
