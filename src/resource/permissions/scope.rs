//! What each statement of a policy is about: the actions that share resources and conditions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::config::Config;
use billctl_core::model::{AccountId, OrgId, REGION};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::{Operation, Service, cloudformation, cloudwatch, eventbridge, iam, organizations, sesv2};

/// StackSets in Organizations: the principals of trusted access and of its service-linked role.
const STACKSETS_PRINCIPALS: [&str; 2] = [
    "member.org.stacksets.cloudformation.amazonaws.com",
    "stacksets.cloudformation.amazonaws.com",
];

/// The role that StackSets makes for itself when trusted access is activated: the condition names the service, and
/// characters are scarce (a managed policy has 6,144).
const STACKSETS_ROLE: &str = "aws-service-role/stacksets.cloudformation.amazonaws.com/*";

/// What a statement is about: one statement each, named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatementScope {
    /// Actions that know no resources.
    Everywhere,
    /// The same, where they change something: at least in the one Region only.
    Region,
    StackSet,
    Instances,
    Organization,
    /// Accounts' alternate contacts (docs/aws-facts.md, "Alternate contacts").
    Contacts,
    /// Alarms and the dashboard.
    Alarms,
    /// An event's way: bus, rules, notifier, queue.
    Delivery,
    /// The topic that bootstrap makes.
    Topic,
    /// SES's identity, template and configuration set.
    Mail,
    /// Reads of all alarms, because AWS's own documents disagree on whether DescribeAlarms can be allowed on single ones;
    /// and of all SES's identities, which tell whom its sandbox lets be written to.
    Looks,
    Roles,
    /// What could give a role of billctl's more than its boundary allows, where config wants one.
    Bounded,
    PassRoles,
    Principals,
    TrustedAccess,
    StackSetsRole,
}

impl StatementScope {
    pub(super) fn of(operation: Operation, config: &Config) -> Option<Self> {
        let bounded = config.bootstrap.permissions_boundary.is_some();
        Some(match operation.service {
            // GetCallerIdentity needs no permission, and can't be denied.
            Service::Sts => return None,
            Service::Account => Self::Contacts,
            Service::Billing => Self::Everywhere,
            Service::CloudFormation => match operation {
                cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS => Self::Everywhere,
                cloudformation::ACTIVATE_ORGANIZATIONS_ACCESS | cloudformation::CREATE_STACK_SET => Self::Region,
                cloudformation::CREATE_STACK_INSTANCES
                | cloudformation::UPDATE_STACK_INSTANCES
                | cloudformation::DELETE_STACK_INSTANCES
                | cloudformation::UPDATE_STACK_SET => Self::Instances,
                _ => Self::StackSet,
            },
            Service::CloudWatch => match operation {
                cloudwatch::GET_METRIC_DATA | cloudwatch::LIST_METRICS => Self::Everywhere,
                cloudwatch::DESCRIBE_ALARMS => Self::Looks,
                _ => Self::Alarms,
            },
            Service::EventBridge => match operation {
                eventbridge::PUT_PERMISSION | eventbridge::REMOVE_PERMISSION => Self::Region,
                _ => Self::Delivery,
            },
            Service::Iam => match operation {
                iam::SIMULATE_PRINCIPAL_POLICY => Self::Principals,
                // Nobody calls it where there is no boundary to set.
                iam::PUT_ROLE_PERMISSIONS_BOUNDARY if !bounded => return None,
                iam::CREATE_ROLE | iam::PUT_ROLE_PERMISSIONS_BOUNDARY | iam::PUT_ROLE_POLICY if bounded => {
                    Self::Bounded
                }
                _ => Self::Roles,
            },
            Service::Organizations => match operation {
                organizations::DESCRIBE_ACCOUNT
                | organizations::LIST_ACCOUNTS_FOR_PARENT
                | organizations::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT
                | organizations::LIST_TAGS_FOR_RESOURCE => Self::Organization,
                _ => Self::Everywhere,
            },
            Service::SesV2 => match operation {
                sesv2::GET_ACCOUNT | sesv2::GET_SUPPRESSED_DESTINATION => Self::Everywhere,
                sesv2::GET_EMAIL_IDENTITY => Self::Looks,
                // Editions of the Service Authorization Reference differ on whether these two know resources.
                sesv2::CREATE_CONFIGURATION_SET | sesv2::CREATE_EMAIL_IDENTITY => Self::Region,
                _ => Self::Mail,
            },
            Service::Sns => Self::Topic,
            Service::StepFunctions | Service::Sqs => Self::Delivery,
        })
    }

    /// The statement's id: scopes of one id are one statement.
    pub(super) const fn sid(self) -> &'static str {
        match self {
            Self::Everywhere => "All",
            Self::Region => "Region",
            Self::StackSet => "StackSet",
            Self::Instances => "Instances",
            // Seven services, none of them in two of these scopes, and no conditions: as one statement they allow the
            // same in fewer characters.
            Self::Organization
            | Self::Contacts
            | Self::Alarms
            | Self::Delivery
            | Self::Topic
            | Self::Mail
            | Self::Roles => "Things",
            Self::Looks => "Looks",
            Self::Bounded => "Bounded",
            Self::PassRoles => "PassRoles",
            Self::Principals => "Self",
            Self::TrustedAccess => "Access",
            Self::StackSetsRole => "Linked",
        }
    }
}

/// Resource ARNs of this config.
pub(super) struct Places<'a> {
    config: &'a Config,
    account: String,
    organization: String,
    resource_types: &'a BTreeSet<String>,
}

impl<'a> Places<'a> {
    /// What isn't known is left open.
    pub(super) fn new(
        config: &'a Config,
        account: Option<AccountId>,
        organization: Option<&OrgId>,
        resource_types: &'a BTreeSet<String>,
    ) -> Self {
        Self {
            config,
            account: account.map_or_else(|| "*".to_owned(), |account| account.to_string()),
            organization: organization
                .or(config.organization.as_ref())
                .map_or_else(|| "o-*".to_owned(), OrgId::to_string),
            resource_types,
        }
    }

    fn regional(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{REGION}:{}:{}", self.account, literal(resource))
    }

    fn global(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}::{}:{}", self.account, literal(resource))
    }

    /// Parts of the organisation. It belongs to the management account, which is another one for a delegated
    /// administrator.
    fn in_organization(&self, service: &str, kind: &str) -> String {
        let owner = match self.config.call_as {
            CallAs::Own => self.account.as_str(),
            CallAs::DelegatedAdmin => "*",
        };
        format!("arn:aws:{service}::{owner}:{kind}/{}/*", self.organization)
    }

    pub(super) fn resources(&self, scope: StatementScope) -> Vec<String> {
        let names = &self.config.names;
        let stack_set = &self.config.deploy.stack_set;
        // With service-managed permissions a StackSet is the management account's, also a delegated administrator's
        // (docs/aws-facts.md, "StackSets: setup").
        let owner = match self.config.call_as {
            CallAs::Own => self.account.as_str(),
            CallAs::DelegatedAdmin => "*",
        };
        let set = |kind: &str| {
            format!(
                "arn:aws:cloudformation:{REGION}:{owner}:{kind}/{}:*",
                literal(stack_set)
            )
        };
        match scope {
            StatementScope::Everywhere | StatementScope::Region | StatementScope::TrustedAccess => vec!["*".to_owned()],
            StatementScope::StackSet => vec![set("stackset")],
            StatementScope::Instances => {
                let mut resources = vec![set("stackset"), set("stackset-target")];
                // Types of AWS's own belong to no account.
                resources.extend(self.resource_types.iter().map(|kind| {
                    let kind = kind.replace("::", "-");
                    format!("arn:aws:cloudformation:{REGION}::type/resource/{kind}")
                }));
                resources
            }
            StatementScope::Organization => ["account", "ou", "root"]
                .map(|kind| self.in_organization("organizations", kind))
                .to_vec(),
            StatementScope::Contacts => vec![
                self.global("account", "account"),
                self.in_organization("account", "account"),
            ],
            StatementScope::Alarms => {
                let alarms = [
                    self.config.alarm.name.clone(),
                    names.failure_alarm(),
                    names.queue_alarm(),
                ];
                let dashboard = self.global("cloudwatch", &format!("dashboard/{}", names.dashboard));
                alarms
                    .iter()
                    .map(|name| self.regional("cloudwatch", &format!("alarm:{name}")))
                    .chain([dashboard])
                    .collect()
            }
            StatementScope::Delivery => {
                // The ARN of a rule on the default bus doesn't name the bus.
                let bus = match names.event_bus.as_str() {
                    "default" => String::new(),
                    bus => format!("{bus}/"),
                };
                vec![
                    self.regional("events", &format!("event-bus/{}", names.event_bus)),
                    self.regional("events", &format!("rule/{bus}{}", names.member_rule)),
                    self.regional("events", &format!("rule/{}", names.own_rule)),
                    self.regional("events", &format!("rule/{}", names.mail_failure_rule())),
                    self.regional("states", &format!("stateMachine:{}", names.notifier)),
                    self.regional("states", &format!("execution:{}", names.notifier)) + ":*",
                    // A standard state machine without maps has neither, but the actions on executions want
                    // all the kinds of resource that they know.
                    self.regional("states", &format!("express:{}", names.notifier)) + ":*:*",
                    self.regional("states", &format!("mapRun:{}", names.notifier)) + "/*:*",
                    self.regional("sqs", &names.queue),
                ]
            }
            StatementScope::Topic => vec![self.regional("sns", &names.operations_topic)],
            StatementScope::Mail => vec![
                self.regional("ses", &format!("identity/{}", self.config.mail.identity)),
                self.regional("ses", &format!("template/{}", names.template)),
                self.regional("ses", &format!("configuration-set/{}", names.configuration_set)),
            ],
            // In whatever account the identity is: characters are scarce.
            StatementScope::Looks => [("cloudwatch", "alarm:*"), ("ses", "identity/*")]
                .map(|(service, all)| format!("arn:aws:{service}:{REGION}:*:{all}"))
                .to_vec(),
            StatementScope::Roles | StatementScope::Bounded | StatementScope::PassRoles => {
                vec![self.role(&names.notifier_role), self.role(&names.rule_role)]
            }
            StatementScope::Principals => vec![self.global("iam", "role/") + "*", self.global("iam", "user/") + "*"],
            // Its star is meant as one.
            StatementScope::StackSetsRole => vec![format!("arn:aws:iam::{}:role/{STACKSETS_ROLE}", self.account)],
        }
    }

    fn role(&self, name: &str) -> String {
        self.global("iam", &format!("role/{name}"))
    }

    pub(super) fn condition(&self, scope: StatementScope) -> Option<Value> {
        Some(match scope {
            StatementScope::Region => json!({"StringEquals": {"aws:RequestedRegion": REGION}}),
            StatementScope::Instances => {
                json!({"ForAllValues:StringEquals": {"cloudformation:TargetRegion": [REGION]}})
            }
            StatementScope::Bounded => {
                let name = self.config.bootstrap.permissions_boundary.as_ref()?;
                let policy = self.global("iam", &format!("policy/{}", name.trim_start_matches('/')));
                // An account that is left open is a star, which only Like knows.
                let operator = if policy.contains('*') {
                    "StringLike"
                } else {
                    "StringEquals"
                };
                json!({operator: {"iam:PermissionsBoundary": policy}})
            }
            // Each role's trust policy lets its own service alone assume it.
            StatementScope::PassRoles => json!({"StringEquals": {"iam:PassedToService": [
                "events.amazonaws.com",
                "states.amazonaws.com",
            ]}}),
            StatementScope::TrustedAccess => {
                json!({"StringEquals": {"organizations:ServicePrincipal": STACKSETS_PRINCIPALS}})
            }
            StatementScope::StackSetsRole => {
                json!({"StringEquals": {"iam:AWSServiceName": "stacksets.cloudformation.amazonaws.com"}})
            }
            _ => return None,
        })
    }
}

/// A name as a policy takes it literally: `*`, `?` and `$` mean something there (IAM user guide, policy variables).
pub(super) fn literal(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            '*' | '?' | '$' => format!("${{{character}}}"),
            other => other.to_string(),
        })
        .collect()
}
