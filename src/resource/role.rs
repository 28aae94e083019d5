use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document;
use super::names::{self, DESCRIPTION_MARK, Scope, bare_address};
use crate::model::Arn;
use crate::service::Tags;

/// The one inline policy of each role.
const POLICY_NAME: &str = "billctl";

/// A role with one purpose, its trust policy and its inline policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// Who may assume it.
    pub trust: Value,
    /// Its inline policies by name.
    pub policies: BTreeMap<String, Value>,
    /// Managed policies attached to it: billctl attaches none.
    pub attached: Vec<Arn>,
}

impl Role {
    /// The role with which the rules start the notifier.
    pub(super) fn rules(scope: &Scope) -> Self {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "StartNotifier",
                "Effect": "Allow",
                "Action": "states:StartExecution",
                "Resource": scope.notifier_arn(),
            }],
        });
        let callers: Vec<Arn> = scope.notifier_rule_arns();
        Self::new(
            scope,
            &scope.config.names.rule_role,
            "lets the alarm rules start the notifier",
            "events.amazonaws.com",
            &json!(callers),
            policy,
        )
    }

    /// The role with which the notifier runs: exactly what the state machine calls.
    pub(super) fn notifier(scope: &Scope) -> Self {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "ReadAccount",
                    "Effect": "Allow",
                    "Action": [
                        "organizations:DescribeAccount",
                        "organizations:ListParents",
                        "organizations:ListTagsForResource",
                    ],
                    "Resource": scope.organization_arn_pattern("account"),
                },
                {
                    "Sid": "ReadUnit",
                    "Effect": "Allow",
                    "Action": [
                        "organizations:DescribeOrganizationalUnit",
                        "organizations:ListParents",
                    ],
                    "Resource": scope.organization_arn_pattern("ou"),
                },
                {
                    // Neither action knows resources (Service Authorization Reference).
                    "Sid": "ReadCharges",
                    "Effect": "Allow",
                    "Action": ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"],
                    "Resource": "*",
                },
                {
                    "Sid": "ReadOwnAlarm",
                    "Effect": "Allow",
                    "Action": "cloudwatch:DescribeAlarms",
                    "Resource": scope.own_alarm_arn(),
                },
                {
                    "Sid": "ReadThreshold",
                    "Effect": "Allow",
                    "Action": [
                        "cloudformation:DescribeStackInstance",
                        "cloudformation:DescribeStackSet",
                    ],
                    "Resource": scope.stack_set_arn_pattern(),
                },
                {
                    // SES checks the identity, the configuration set and the template (AWS-FACTS 6).
                    "Sid": "SendMail",
                    "Effect": "Allow",
                    "Action": "ses:SendEmail",
                    "Resource": [
                        scope.identity_arn(),
                        scope.configuration_set_arn(),
                        scope.template_arn(),
                    ],
                    "Condition": {
                        "StringEquals": {"ses:FromAddress": bare_address(&scope.config.mail.from)},
                    },
                },
                {
                    // The notifier hands each event to an execution named after it, so that one delivered twice
                    // mails once.
                    "Sid": "ClaimEvent",
                    "Effect": "Allow",
                    "Action": "states:StartExecution",
                    "Resource": scope.notifier_arn(),
                },
            ],
        });
        Self::new(
            scope,
            &scope.config.names.notifier_role,
            "what the notifier may do: read accounts and charges, send the mail",
            "states.amazonaws.com",
            &json!(scope.notifier_arn()),
            policy,
        )
    }

    /// The service may assume it for these callers of this account alone: against the confused deputy.
    fn new(
        scope: &Scope,
        name: &str,
        purpose: &str,
        service: &str,
        callers: &Value,
        policy: Value,
    ) -> Self {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "OnlyForBillctl",
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": scope.facts.management_account},
                    "ArnEquals": {"aws:SourceArn": callers},
                },
            }],
        });
        Self {
            name: name.to_owned(),
            description: format!("{DESCRIPTION_MARK}{purpose}"),
            tags: names::tags(),
            trust,
            policies: BTreeMap::from([(POLICY_NAME.to_owned(), policy)]),
            attached: Vec::new(),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        names::are_ours(&self.tags) || self.description.starts_with(DESCRIPTION_MARK)
    }

    /// Trust and inline policies. The description isn't compared: it decides nothing.
    pub(super) fn document(&self) -> Value {
        let mut fields = Map::from_iter([("trust".to_owned(), document::policy(&self.trust))]);
        for (name, policy) in &self.policies {
            let field = if name == POLICY_NAME {
                "policy".to_owned()
            } else {
                format!("policies[{name}]")
            };
            fields.insert(field, document::policy(policy));
        }
        if !self.attached.is_empty() {
            fields.insert("attached".into(), json!(self.attached));
        }
        Value::Object(fields)
    }
}
