//! The least IAM policy for each job, made from the same operations that name the missing action when AWS denies
//! one. Which resources an action knows is in the Service Authorization Reference; what AWS wants beside the
//! called actions is marked here with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::config::{CallAs, Config};
use crate::model::{AccountId, REGION};
use crate::service::{
    Operation, Service, billing, cloudformation, cloudwatch, eventbridge, iam, organizations,
    sesv2, sfn, sqs,
};

/// Most characters of a managed policy, whitespace not counted (IAM quotas).
pub const MANAGED_POLICY_LIMIT: usize = 6_144;

/// StackSets in Organizations: the principals of trusted access and of its service-linked role.
const STACKSETS_PRINCIPALS: [&str; 2] = [
    "member.org.stacksets.cloudformation.amazonaws.com",
    "stacksets.cloudformation.amazonaws.com",
];

/// The role that StackSets makes for itself when trusted access is activated.
const STACKSETS_ROLE: &str = "aws-service-role/stacksets.cloudformation.amazonaws.com/\
                              AWSServiceRoleForCloudFormationStackSetsOrgAdmin";

/// Who is to get a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Everything: sets up, rolls out, tests and takes away.
    Operator,
    /// For CI: `deploy`, with `--plan` and `--prune`.
    Deploy,
    /// Reads only: `status` (with `--drift`), `spend` and `doctor`.
    Status,
}

impl Job {
    /// The operations that the job's commands call.
    pub fn operations(self) -> BTreeSet<Operation> {
        let all: [&[Operation]; 9] = [
            billing::ALL,
            cloudformation::ALL,
            cloudwatch::ALL,
            eventbridge::ALL,
            iam::ALL,
            organizations::ALL,
            sesv2::ALL,
            sfn::ALL,
            sqs::ALL,
        ];
        match self {
            Self::Operator => all.concat().into_iter().collect(),
            Self::Deploy => DEPLOY.iter().copied().collect(),
            Self::Status => STATUS.iter().copied().collect(),
        }
    }
}

/// What `deploy` calls.
const DEPLOY: &[Operation] = &[
    cloudformation::CREATE_STACK_INSTANCES,
    cloudformation::CREATE_STACK_SET,
    cloudformation::DELETE_STACK_INSTANCES,
    cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS,
    cloudformation::DESCRIBE_STACK_INSTANCE,
    cloudformation::DESCRIBE_STACK_SET,
    cloudformation::DESCRIBE_STACK_SET_OPERATION,
    cloudformation::LIST_STACK_INSTANCES,
    cloudformation::LIST_STACK_SET_OPERATION_RESULTS,
    cloudformation::LIST_STACK_SET_OPERATIONS,
    cloudformation::STOP_STACK_SET_OPERATION,
    cloudformation::UPDATE_STACK_INSTANCES,
    cloudformation::UPDATE_STACK_SET,
    organizations::DESCRIBE_ORGANIZATION,
    organizations::LIST_ACCOUNTS_FOR_PARENT,
    organizations::LIST_DELEGATED_ADMINISTRATORS,
    organizations::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
    organizations::LIST_ROOTS,
];

/// What `status`, `spend` and `doctor` call.
const STATUS: &[Operation] = &[
    billing::GET_BILLING_PREFERENCES,
    cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS,
    cloudformation::DESCRIBE_STACK_INSTANCE,
    cloudformation::DESCRIBE_STACK_SET,
    cloudformation::DESCRIBE_STACK_SET_OPERATION,
    // Writes nothing but what CloudFormation knows of drift; IAM counts it as a read too.
    cloudformation::DETECT_STACK_SET_DRIFT,
    cloudformation::LIST_STACK_INSTANCE_RESOURCE_DRIFTS,
    cloudformation::LIST_STACK_INSTANCES,
    cloudformation::LIST_STACK_SET_OPERATION_RESULTS,
    cloudformation::LIST_STACK_SET_OPERATIONS,
    cloudwatch::DESCRIBE_ALARMS,
    cloudwatch::GET_DASHBOARD,
    cloudwatch::GET_METRIC_DATA,
    cloudwatch::LIST_METRICS,
    eventbridge::DESCRIBE_EVENT_BUS,
    eventbridge::DESCRIBE_RULE,
    eventbridge::LIST_TARGETS_BY_RULE,
    iam::GET_ROLE,
    iam::GET_ROLE_POLICY,
    iam::LIST_ATTACHED_ROLE_POLICIES,
    iam::LIST_ROLE_POLICIES,
    iam::SIMULATE_PRINCIPAL_POLICY,
    organizations::DESCRIBE_ACCOUNT,
    organizations::DESCRIBE_ORGANIZATION,
    organizations::LIST_ACCOUNTS_FOR_PARENT,
    organizations::LIST_DELEGATED_ADMINISTRATORS,
    organizations::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
    organizations::LIST_ROOTS,
    organizations::LIST_TAGS_FOR_RESOURCE,
    sesv2::GET_ACCOUNT,
    sesv2::GET_CONFIGURATION_SET,
    sesv2::GET_CONFIGURATION_SET_EVENT_DESTINATIONS,
    sesv2::GET_EMAIL_IDENTITY,
    sesv2::GET_EMAIL_TEMPLATE,
    sfn::DESCRIBE_STATE_MACHINE,
    sfn::LIST_EXECUTIONS,
    sqs::GET_QUEUE_ATTRIBUTES,
    sqs::GET_QUEUE_URL,
    sqs::RECEIVE_MESSAGE,
];

/// What a statement is about: one statement each, named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    /// Actions that know no resources.
    Everywhere,
    /// The same, where they change something: at least in the one Region only.
    Region,
    StackSet,
    Instances,
    Organization,
    /// Alarms and the dashboard.
    Alarms,
    /// An event's way: bus, rules, notifier, queue.
    Delivery,
    /// SES's identity, template and configuration set.
    Mail,
    Roles,
    PassRoles,
    Principals,
    TrustedAccess,
    StackSetsRole,
}

impl Room {
    fn of(operation: Operation) -> Option<Self> {
        Some(match operation.service {
            // GetCallerIdentity needs no permission, and can't be denied.
            Service::Sts => return None,
            Service::Billing => Self::Everywhere,
            Service::CloudFormation => match operation {
                cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS => Self::Everywhere,
                cloudformation::ACTIVATE_ORGANIZATIONS_ACCESS
                | cloudformation::CREATE_STACK_SET => Self::Region,
                cloudformation::CREATE_STACK_INSTANCES
                | cloudformation::UPDATE_STACK_INSTANCES
                | cloudformation::DELETE_STACK_INSTANCES
                | cloudformation::UPDATE_STACK_SET => Self::Instances,
                _ => Self::StackSet,
            },
            Service::CloudWatch => match operation {
                cloudwatch::GET_METRIC_DATA | cloudwatch::LIST_METRICS => Self::Everywhere,
                _ => Self::Alarms,
            },
            Service::EventBridge => match operation {
                eventbridge::PUT_PERMISSION | eventbridge::REMOVE_PERMISSION => Self::Region,
                _ => Self::Delivery,
            },
            Service::Iam => match operation {
                iam::SIMULATE_PRINCIPAL_POLICY => Self::Principals,
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
                sesv2::GET_ACCOUNT => Self::Everywhere,
                // Editions of the Service Authorization Reference differ on whether these two know resources.
                sesv2::CREATE_CONFIGURATION_SET | sesv2::CREATE_EMAIL_IDENTITY => Self::Region,
                _ => Self::Mail,
            },
            Service::StepFunctions | Service::Sqs => Self::Delivery,
        })
    }

    /// The statement's id.
    const fn sid(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Region => "InTheRegion",
            Self::StackSet => "StackSet",
            Self::Instances => "StackInstances",
            Self::Organization => "Organization",
            Self::Alarms => "Alarms",
            Self::Delivery => "Delivery",
            Self::Mail => "Mail",
            Self::Roles => "Roles",
            Self::PassRoles => "PassRoles",
            Self::Principals => "OwnPermissions",
            Self::TrustedAccess => "TrustedAccess",
            Self::StackSetsRole => "StackSetsRole",
        }
    }
}

/// What AWS wants beside the operation's own action, of which billctl calls no operation.
fn beside(operation: Operation) -> &'static [(Room, &'static str)] {
    match operation {
        // Tags given at creation are checked as if they were set (IAM user guide, tagging on creation).
        iam::CREATE_ROLE => &[(Room::Roles, "iam:TagRole")],
        eventbridge::CREATE_EVENT_BUS => &[(Room::Delivery, "events:TagResource")],
        sfn::CREATE_STATE_MACHINE => &[
            (Room::Delivery, "states:TagResource"),
            (Room::PassRoles, "iam:PassRole"),
        ],
        sqs::CREATE_QUEUE => &[(Room::Delivery, "sqs:TagQueue")],
        cloudwatch::PUT_METRIC_ALARM => &[(Room::Alarms, "cloudwatch:TagResource")],
        sesv2::CREATE_EMAIL_IDENTITY => &[(Room::Mail, "ses:TagResource")],
        sesv2::CREATE_CONFIGURATION_SET => &[(Room::Mail, "ses:TagResource")],
        cloudformation::CREATE_STACK_SET => &[(Room::StackSet, "cloudformation:TagResource")],
        sfn::UPDATE_STATE_MACHINE => &[(Room::PassRoles, "iam:PassRole")],
        eventbridge::PUT_TARGETS => &[(Room::PassRoles, "iam:PassRole")],
        // AWS asks for an administrator here without naming actions; these two are what activation does: trusted
        // access in Organizations, and StackSets' own role in the management account.
        cloudformation::ACTIVATE_ORGANIZATIONS_ACCESS => &[
            (Room::TrustedAccess, "organizations:EnableAWSServiceAccess"),
            (Room::StackSetsRole, "iam:CreateServiceLinkedRole"),
        ],
        _ => &[],
    }
}

/// The policy document for this job. Without `account` the ARNs leave the account open, which an identity's policy
/// may: it can allow nothing in another account by itself.
///
/// `resource_types` are the types in the member template, such as `AWS::CloudWatch::Alarm`: StackSets checks that
/// the caller may use them.
pub fn policy(
    job: Job,
    config: &Config,
    account: Option<AccountId>,
    resource_types: &BTreeSet<String>,
) -> Value {
    let mut rooms: BTreeMap<Room, BTreeSet<String>> = BTreeMap::new();
    for operation in job.operations() {
        let Some(room) = Room::of(operation) else {
            continue;
        };
        rooms
            .entry(room)
            .or_default()
            .insert(operation.iam_action());
        for (room, action) in beside(operation) {
            rooms.entry(*room).or_default().insert((*action).to_owned());
        }
    }
    let place = Places {
        config,
        account: account.map_or_else(|| "*".to_owned(), |account| account.to_string()),
        resource_types,
    };
    let statements: Vec<Value> = rooms
        .iter()
        .map(|(room, actions)| {
            let mut statement = json!({
                "Sid": room.sid(),
                "Effect": "Allow",
                "Action": single_or_list(actions.iter().cloned()),
                "Resource": place.resources(*room),
            });
            if let (Some(condition), Some(fields)) =
                (place.condition(*room), statement.as_object_mut())
            {
                fields.insert("Condition".to_owned(), condition);
            }
            statement
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// One text alone, several as a list: IAM takes both, and characters are scarce.
fn single_or_list(texts: impl IntoIterator<Item = impl Into<Value>>) -> Value {
    let mut texts: Vec<Value> = texts.into_iter().map(Into::into).collect();
    match texts.len() {
        1 => texts.remove(0),
        _ => Value::Array(texts),
    }
}

/// The characters that IAM counts: all but whitespace.
pub fn size(policy: &Value) -> usize {
    let text = policy.to_string();
    text.chars()
        .filter(|character| !character.is_whitespace())
        .count()
}

/// The resource types in a CloudFormation template written as YAML.
pub fn resource_types(template: &str) -> BTreeSet<String> {
    template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Type:"))
        .map(str::trim)
        .filter(|kind| kind.starts_with("AWS::") && kind.matches("::").count() == 2)
        // Parameter types such as AWS::SSM::Parameter::Value have more parts or angle brackets.
        .filter(|kind| !kind.contains('<'))
        .map(str::to_owned)
        .collect()
}

/// Resource ARNs of this config.
struct Places<'a> {
    config: &'a Config,
    account: String,
    resource_types: &'a BTreeSet<String>,
}

impl Places<'_> {
    fn regional(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{REGION}:{}:{}",
            self.account,
            literal(resource)
        )
    }

    fn global(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}::{}:{}", self.account, literal(resource))
    }

    /// Parts of the organisation. It belongs to the management account, which is another one for a delegated
    /// administrator.
    fn in_organization(&self, kind: &str) -> String {
        let owner = match self.config.call_as {
            CallAs::Own => self.account.as_str(),
            CallAs::DelegatedAdmin => "*",
        };
        let id = self
            .config
            .organization
            .as_ref()
            .map_or("o-*", |id| id.as_str());
        format!("arn:aws:organizations::{owner}:{kind}/{id}/*")
    }

    fn resources(&self, room: Room) -> Value {
        let names = &self.config.names;
        let stack_set = &self.config.deploy.stack_set;
        let set =
            |kind: &str| self.regional("cloudformation", &format!("{kind}/{stack_set}")) + ":*";
        let resources = match room {
            Room::Everywhere | Room::Region | Room::TrustedAccess => vec!["*".to_owned()],
            Room::StackSet => vec![set("stackset")],
            Room::Instances => {
                let mut resources = vec![set("stackset"), set("stackset-target")];
                // Types of AWS's own belong to no account.
                resources.extend(self.resource_types.iter().map(|kind| {
                    let kind = kind.replace("::", "-");
                    format!("arn:aws:cloudformation:{REGION}::type/resource/{kind}")
                }));
                resources
            }
            Room::Organization => ["account", "ou", "root"]
                .map(|kind| self.in_organization(kind))
                .to_vec(),
            Room::Alarms => {
                let alarms = [
                    self.config.alarm.name.clone(),
                    names.failure_alarm(),
                    names.queue_alarm(),
                ];
                let dashboard =
                    self.global("cloudwatch", &format!("dashboard/{}", names.dashboard));
                alarms
                    .iter()
                    .map(|name| self.regional("cloudwatch", &format!("alarm:{name}")))
                    .chain([dashboard])
                    .collect()
            }
            Room::Delivery => {
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
            Room::Mail => vec![
                self.regional("ses", &format!("identity/{}", self.config.mail.identity)),
                self.regional("ses", &format!("template/{}", names.template)),
                self.regional(
                    "ses",
                    &format!("configuration-set/{}", names.configuration_set),
                ),
            ],
            Room::Roles | Room::PassRoles => {
                vec![self.role(&names.notifier_role), self.role(&names.rule_role)]
            }
            Room::Principals => vec![
                self.global("iam", "role/") + "*",
                self.global("iam", "user/") + "*",
            ],
            Room::StackSetsRole => vec![self.role(STACKSETS_ROLE)],
        };
        single_or_list(resources)
    }

    fn role(&self, name: &str) -> String {
        self.global("iam", &format!("role/{name}"))
    }

    fn condition(&self, room: Room) -> Option<Value> {
        Some(match room {
            Room::Region => json!({"StringEquals": {"aws:RequestedRegion": REGION}}),
            Room::Instances => {
                json!({"ForAllValues:StringEquals": {"cloudformation:TargetRegion": [REGION]}})
            }
            // Each role's trust policy lets its own service alone assume it.
            Room::PassRoles => json!({"StringEquals": {"iam:PassedToService": [
                "events.amazonaws.com",
                "states.amazonaws.com",
            ]}}),
            Room::TrustedAccess => {
                json!({"StringEquals": {"organizations:ServicePrincipal": STACKSETS_PRINCIPALS}})
            }
            Room::StackSetsRole => {
                json!({"StringEquals": {"iam:AWSServiceName": "stacksets.cloudformation.amazonaws.com"}})
            }
            _ => return None,
        })
    }
}

/// A name as a policy takes it literally: `*`, `?` and `$` mean something there (IAM user guide, policy variables).
fn literal(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            '*' | '?' | '$' => format!("${{{character}}}"),
            other => other.to_string(),
        })
        .collect()
}
