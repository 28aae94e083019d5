//! What each statement of a policy is about: the actions that share resources and conditions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::config::Config;
use crate::resource::names::Named;
use billctl_core::model::{AccountId, OrgId, REGION};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::eventbridge::DEFAULT_BUS;
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

    /// The management account, which is another one for a delegated administrator: the organisation is its, and with
    /// service-managed permissions every StackSet (docs/aws-facts.md, "StackSets: setup").
    fn owner(&self) -> &str {
        match self.config.call_as {
            CallAs::Own => &self.account,
            CallAs::DelegatedAdmin => "*",
        }
    }

    /// Parts of the organisation.
    fn in_organization(&self, service: &str, kind: &str) -> String {
        format!("arn:aws:{service}::{}:{kind}/{}/*", self.owner(), self.organization)
    }

    pub(super) fn resources(&self, scope: StatementScope) -> Vec<String> {
        let names = &self.config.names;
        let stack_set = &self.config.deploy.stack_set;
        let set =
            |kind: &str| Named::regional("cloudformation", format!("{kind}/{stack_set}")).pattern(self.owner()) + ":*";
        let here = |named: Named| named.pattern(&self.account);
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
                here(Named::global("account", "account".to_owned())),
                self.in_organization("account", "account"),
            ],
            StatementScope::Alarms => {
                let alarms = [&self.config.alarm.name, &names.failure_alarm(), &names.queue_alarm()];
                let alarms = alarms.into_iter().map(|name| Named::alarm(name));
                alarms.chain([Named::dashboard(&names.dashboard)]).map(here).collect()
            }
            StatementScope::Delivery => {
                let notifier = |kind: &str| here(Named::state_machine(kind, &names.notifier));
                vec![
                    here(Named::bus(&names.event_bus)),
                    here(Named::rule(&names.event_bus, &names.member_rule)),
                    here(Named::rule(DEFAULT_BUS, &names.own_rule)),
                    here(Named::rule(DEFAULT_BUS, &names.mail_failure_rule())),
                    notifier("stateMachine"),
                    notifier("execution") + ":*",
                    // A standard state machine without maps has neither, but the actions on executions want
                    // all the kinds of resource that they know.
                    notifier("express") + ":*:*",
                    notifier("mapRun") + "/*:*",
                    here(Named::queue(&names.queue)),
                ]
            }
            StatementScope::Topic => vec![here(Named::topic(&names.operations_topic))],
            StatementScope::Mail => vec![
                here(Named::ses("identity", &self.config.mail.identity)),
                here(Named::ses("template", &names.template)),
                here(Named::ses("configuration-set", &names.configuration_set)),
            ],
            // In whatever account the identity is: characters are scarce.
            StatementScope::Looks => [("cloudwatch", "alarm:*"), ("ses", "identity/*")]
                .map(|(service, all)| format!("arn:aws:{service}:{REGION}:*:{all}"))
                .to_vec(),
            StatementScope::Roles | StatementScope::Bounded | StatementScope::PassRoles => {
                [&names.notifier_role, &names.rule_role]
                    .map(|name| here(Named::role(name)))
                    .to_vec()
            }
            StatementScope::Principals => ["role/", "user/"]
                .map(|kind| here(Named::global("iam", kind.to_owned())) + "*")
                .to_vec(),
            // Its star is meant as one.
            StatementScope::StackSetsRole => vec![format!("arn:aws:iam::{}:role/{STACKSETS_ROLE}", self.account)],
        }
    }

    pub(super) fn condition(&self, scope: StatementScope) -> Option<Value> {
        Some(match scope {
            StatementScope::Region => json!({"StringEquals": {"aws:RequestedRegion": REGION}}),
            StatementScope::Instances => {
                json!({"ForAllValues:StringEquals": {"cloudformation:TargetRegion": [REGION]}})
            }
            StatementScope::Bounded => {
                let name = self.config.bootstrap.permissions_boundary.as_ref()?;
                let policy = Named::policy(name).pattern(&self.account);
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
