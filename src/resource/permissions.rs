//! The least IAM policy for each job, made from the same operations that name the missing action when AWS denies
//! one. Which resources an action knows is in the Service Authorization Reference; what AWS wants beside the
//! called actions is marked here with its reason.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::document::without_nulls;
use super::names::Named;
use crate::config::{Config, Operations};
use billctl_core::model::{AccountId, Arn, OrgId};
use billctl_core::service::iam::Simulation;
use billctl_core::service::{
    Operation, account, billing, cloudformation, cloudwatch, eventbridge, iam, member, organizations, sesv2, sfn, sns,
    sqs,
};
use scope::{Places, StatementScope};

mod scope;
mod session;

pub use session::session_policy;

/// Most characters of a managed policy, whitespace not counted (docs/aws-facts.md, "IAM").
pub const MANAGED_POLICY_LIMIT: usize = 6_144;

/// Who is to get a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// For a person who does everything: sets up, rolls out, tests and takes away.
    Operator,
    /// `deploy`, with `--plan` and `--prune`. It amounts to an administrator of every targeted member.
    Deploy,
    /// For CI: `deploy --instances-only`, which covers accounts and moves thresholds, and can put nothing else into them.
    Thresholds,
    /// For looking only: `status` (with `--drift`), `spend` and `doctor`.
    Status,
    /// For an hourly job: `spend --tell`, which has the owners of accounts above their thresholds told.
    Tell,
    /// For a daily job: `digest`, which reads as `status` does, sends one mail and claims its day.
    Digest,
}

impl Job {
    /// What a policy for it amounts to, where that is more than it seems.
    pub const fn amounts_to(self) -> Option<&'static str> {
        match self {
            Self::Operator => Some(
                "whoever has it can become administrator of every targeted member (by the StackSet's template, which may \
                 hold any IAM role) and of this account (by the policies of the notifier's role)",
            ),
            Self::Deploy => Some(
                "whoever has it can become administrator of every targeted member: StackSets makes what the StackSet's \
                 template says, and that may hold any IAM role. For CI there is `billctl policy thresholds` with \
                 `billctl deploy --instances-only`",
            ),
            Self::Thresholds | Self::Status | Self::Tell | Self::Digest => None,
        }
    }

    /// The operations that the job's commands call. The operator's lack one, for which there are no characters left: whether
    /// a digest's addresses are on SES's suppression list. Without it `digest` says so.
    pub fn operations(self) -> BTreeSet<Operation> {
        let of = |operations: &[Operation]| -> BTreeSet<Operation> { operations.iter().copied().collect() };
        match self {
            Self::Operator => {
                let all = [
                    account::ALL,
                    billing::ALL,
                    cloudformation::ALL,
                    cloudwatch::ALL,
                    eventbridge::ALL,
                    iam::ALL,
                    organizations::ALL,
                    sesv2::ALL,
                    sfn::ALL,
                    sns::ALL,
                    sqs::ALL,
                ];
                of(&all.concat())
            }
            Self::Deploy => of(DEPLOY),
            Self::Thresholds => {
                let set = [cloudformation::CREATE_STACK_SET, cloudformation::UPDATE_STACK_SET];
                &of(DEPLOY) - &set.into()
            }
            Self::Status => of(STATUS),
            Self::Tell => of(TELL),
            Self::Digest => &(&of(STATUS) - &of(NOT_FOR_DIGEST)) | &of(DIGEST),
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
    // For the warning of alarms that will go off at once.
    cloudwatch::GET_METRIC_DATA,
    organizations::DESCRIBE_ORGANIZATION,
    organizations::LIST_ACCOUNTS_FOR_PARENT,
    organizations::LIST_DELEGATED_ADMINISTRATORS,
    organizations::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
    organizations::LIST_ROOTS,
];

/// What `status`, `spend` and `doctor` call.
const STATUS: &[Operation] = &[
    account::GET_ALTERNATE_CONTACT,
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
    eventbridge::LIST_TAGS_FOR_RESOURCE,
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
    // Whether the owners of accounts above their limits were told.
    sfn::DESCRIBE_EXECUTION,
    sfn::DESCRIBE_STATE_MACHINE,
    sfn::GET_EXECUTION_HISTORY,
    sfn::LIST_EXECUTIONS,
    sns::GET_TOPIC_ATTRIBUTES,
    sns::LIST_SUBSCRIPTIONS_BY_TOPIC,
    sns::LIST_TAGS_FOR_RESOURCE,
    sqs::GET_QUEUE_ATTRIBUTES,
    sqs::GET_QUEUE_URL,
    sqs::LIST_QUEUE_TAGS,
    sqs::RECEIVE_MESSAGE,
];

/// What `spend --tell` calls: what `spend` does, and the notifier's executions.
const TELL: &[Operation] = &[
    billing::GET_BILLING_PREFERENCES,
    cloudwatch::GET_METRIC_DATA,
    cloudwatch::LIST_METRICS,
    organizations::DESCRIBE_ACCOUNT,
    organizations::DESCRIBE_ORGANIZATION,
    organizations::LIST_ACCOUNTS_FOR_PARENT,
    organizations::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
    organizations::LIST_ROOTS,
    sfn::DESCRIBE_EXECUTION,
    sfn::DESCRIBE_STATE_MACHINE,
    sfn::GET_EXECUTION_HISTORY,
    sfn::START_EXECUTION,
];

/// What of [`STATUS`] only `doctor`, `spend` or an option of `status` calls.
const NOT_FOR_DIGEST: &[Operation] = &[
    billing::GET_BILLING_PREFERENCES,
    cloudformation::DESCRIBE_STACK_SET_OPERATION,
    cloudformation::DETECT_STACK_SET_DRIFT,
    cloudformation::LIST_STACK_INSTANCE_RESOURCE_DRIFTS,
    cloudformation::LIST_STACK_SET_OPERATION_RESULTS,
    iam::SIMULATE_PRINCIPAL_POLICY,
    organizations::DESCRIBE_ACCOUNT,
    organizations::LIST_DELEGATED_ADMINISTRATORS,
];

/// What `digest` calls besides what `status` does: the mail, and the claim on its day.
const DIGEST: &[Operation] = &[
    sesv2::GET_SUPPRESSED_DESTINATION,
    sesv2::SEND_EMAIL,
    sfn::START_EXECUTION,
];

/// What AWS wants beside the operation's own action, of which billctl calls no operation.
fn beside(operation: Operation) -> &'static [(StatementScope, &'static str)] {
    match operation {
        // Tags given at creation are checked as if they were set (IAM user guide, tagging on creation).
        iam::CREATE_ROLE => &[(StatementScope::Roles, "iam:TagRole")],
        eventbridge::CREATE_EVENT_BUS => &[(StatementScope::Delivery, "events:TagResource")],
        sfn::CREATE_STATE_MACHINE => &[
            (StatementScope::Delivery, "states:TagResource"),
            (StatementScope::PassRoles, "iam:PassRole"),
        ],
        sns::CREATE_TOPIC => &[(StatementScope::Topic, "sns:TagResource")],
        sqs::CREATE_QUEUE => &[(StatementScope::Delivery, "sqs:TagQueue")],
        cloudwatch::PUT_METRIC_ALARM => &[(StatementScope::Alarms, "cloudwatch:TagResource")],
        sesv2::CREATE_EMAIL_IDENTITY => &[(StatementScope::Mail, "ses:TagResource")],
        sesv2::CREATE_CONFIGURATION_SET | sesv2::CREATE_EMAIL_TEMPLATE => &[(StatementScope::Mail, "ses:TagResource")],
        cloudformation::CREATE_STACK_SET => &[(StatementScope::StackSet, "cloudformation:TagResource")],
        sfn::UPDATE_STATE_MACHINE => &[(StatementScope::PassRoles, "iam:PassRole")],
        eventbridge::PUT_TARGETS => &[(StatementScope::PassRoles, "iam:PassRole")],
        // AWS asks for an administrator here without naming actions; these two are what activation does: trusted
        // access in Organizations, and StackSets' own role in the management account.
        cloudformation::ACTIVATE_ORGANIZATIONS_ACCESS => &[
            (StatementScope::TrustedAccess, "organizations:EnableAWSServiceAccess"),
            (StatementScope::StackSetsRole, "iam:CreateServiceLinkedRole"),
        ],
        _ => &[],
    }
}

/// The actions that a job needs, by what they are about.
fn scopes(job: Job, config: &Config) -> BTreeMap<StatementScope, BTreeSet<String>> {
    let mut scopes: BTreeMap<StatementScope, BTreeSet<String>> = BTreeMap::new();
    for operation in job.operations() {
        let Some(scope) = StatementScope::of(operation, config) else {
            continue;
        };
        scopes.entry(scope).or_default().insert(operation.iam_action());
        for (scope, action) in beside(operation) {
            scopes.entry(*scope).or_default().insert((*action).to_owned());
        }
    }
    scopes
}

/// The actions that a job needs, those that no operation is named after among them.
pub fn actions(job: Job, config: &Config) -> BTreeSet<String> {
    scopes(job, config).into_values().flatten().collect()
}

/// What to ask IAM's simulator to learn whether `principal` may do all that billctl does: each action by itself,
/// because the simulator refuses actions of different kinds in one call (docs/aws-facts.md, "IAM"), on the resources of
/// its service, with the values that the condition of its statement wants.
pub fn simulations(
    principal: &Arn,
    config: &Config,
    organization: Option<&OrgId>,
    resource_types: &BTreeSet<String>,
) -> Vec<Simulation> {
    let place = Places::new(config, principal.account(), organization, resource_types);
    let scopes = scopes(Job::Operator, config);
    let each = scopes
        .iter()
        .flat_map(|(scope, actions)| actions.iter().map(move |action| (*scope, action)));
    each.map(|(scope, action)| {
        let only: BTreeSet<String> = [action.clone()].into();
        let operators = place.condition(scope);
        let keys = operators.iter().filter_map(Value::as_object).flatten();
        let values = keys.filter_map(|(_, keys)| keys.as_object()).flatten();
        Simulation {
            principal: principal.clone(),
            actions: vec![action.clone()],
            resources: place
                .resources(scope)
                .into_iter()
                .filter(|arn| is_of(arn, &only))
                .collect(),
            context: values
                .filter_map(|(key, values)| {
                    let value = values.get(0).unwrap_or(values).as_str()?;
                    Some((key.clone(), value.to_owned()))
                })
                .collect(),
        }
    })
    .collect()
}

/// The policy document for this job. Without `account` the ARNs leave the account open, which an identity's policy
/// may: it can allow nothing in another account by itself.
///
/// `resource_types` are the types in the member template, such as `AWS::CloudWatch::Alarm`: StackSets checks that
/// the caller may use them.
pub fn policy(job: Job, config: &Config, account: Option<AccountId>, resource_types: &BTreeSet<String>) -> Value {
    // The operator is an administrator of the members anyway, and characters are scarce.
    let any = BTreeSet::from(["AWS::*".to_owned()]);
    let resource_types = if job == Job::Operator { &any } else { resource_types };
    let place = Places::new(config, account, None, resource_types);
    let scopes = scopes(job, config);
    let mut sids: Vec<&str> = Vec::new();
    for scope in scopes.keys() {
        if !sids.contains(&scope.sid()) {
            sids.push(scope.sid());
        }
    }
    let mut statements: Vec<Value> = sids
        .iter()
        .map(|sid| {
            let of_one = || scopes.iter().filter(|(scope, _)| scope.sid() == *sid);
            let actions: BTreeSet<String> = of_one().flat_map(|(_, actions)| actions.clone()).collect();
            let resources = of_one().flat_map(|(scope, actions)| {
                let all = place.resources(*scope).into_iter();
                all.filter(|arn| is_of(arn, actions)).collect::<Vec<_>>()
            });
            without_nulls(json!({
                "Sid": sid,
                "Effect": "Allow",
                "Action": single_or_list(actions),
                "Resource": single_or_list(resources),
                // Scopes with a condition share their statement with no other.
                "Condition": of_one().find_map(|(scope, _)| place.condition(*scope)),
            }))
        })
        .collect();
    // Somebody's topics are looked at, never changed.
    let looks = sns::GET_TOPIC_ATTRIBUTES;
    let mut topics: BTreeSet<&Arn> = config.chat.iter().map(|rule| &rule.topic).collect();
    if let Some(Operations::Topic(topic)) = &config.operations {
        topics.insert(topic);
    }
    if !topics.is_empty() && job.operations().contains(&looks) {
        statements.push(json!({
            "Sid": "Topic",
            "Effect": "Allow",
            "Action": looks.iam_action(),
            "Resource": single_or_list(topics.iter().map(|topic| topic.as_str())),
        }));
    }
    within_limit(json!({"Version": "2012-10-17", "Statement": statements}))
}

/// Patterns that match these actions and no others, each of one service (docs/aws-facts.md, "IAM").
const EXACT: [(&str, &[&str]); 7] = [
    ("events:*Targets", &["events:PutTargets", "events:RemoveTargets"]),
    ("iam:GetRole*", &["iam:GetRole", "iam:GetRolePolicy"]),
    (
        "organizations:List*ForParent",
        &[
            "organizations:ListAccountsForParent",
            "organizations:ListOrganizationalUnitsForParent",
        ],
    ),
    // Its first letter keeps out those on templates of verification mails.
    (
        "ses:*eEmailTemplate",
        &[
            "ses:CreateEmailTemplate",
            "ses:DeleteEmailTemplate",
            "ses:UpdateEmailTemplate",
        ],
    ),
    (
        "ses:GetConfigurationSet*",
        &["ses:GetConfigurationSet", "ses:GetConfigurationSetEventDestinations"],
    ),
    ("sqs:GetQueue*", &["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]),
    (
        "states:*StateMachine",
        &[
            "states:CreateStateMachine",
            "states:DeleteStateMachine",
            "states:DescribeStateMachine",
            "states:UpdateStateMachine",
        ],
    ),
];

/// The same policy in fewer characters, if it has too many: it allows what it did. The statements' names go first, then
/// actions that a pattern names as exactly.
fn within_limit(mut policy: Value) -> Value {
    let statements = |policy: &mut Value, change: &dyn Fn(&mut Map<String, Value>)| {
        let all = policy.get_mut("Statement").and_then(Value::as_array_mut);
        all.into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
            .for_each(change);
    };
    if size(&policy) > MANAGED_POLICY_LIMIT {
        statements(&mut policy, &|statement| {
            statement.shift_remove("Sid");
        });
    }
    for (pattern, matched) in EXACT {
        if size(&policy) <= MANAGED_POLICY_LIMIT {
            break;
        }
        statements(&mut policy, &|statement| {
            let Some(actions) = statement.get_mut("Action").and_then(Value::as_array_mut) else {
                return;
            };
            let has = |action: &str| actions.iter().any(|one| one == action);
            if matched.iter().all(|action| has(action)) {
                actions.retain(|one| !matched.iter().any(|action| one == action));
                actions.push(pattern.into());
            }
        });
    }
    policy
}

/// The same policy with the way into members, which no policy has unless it is asked for: the role there is an
/// administrator's. Only roles of the own organisation; where the config doesn't name it, that of whoever uses the
/// policy.
pub fn with_probe(mut policy: Value, config: &Config) -> Value {
    let organization = config
        .organization
        .as_ref()
        .map_or_else(|| "${aws:PrincipalOrgID}".to_owned(), OrgId::to_string);
    if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
        statements.push(json!({
            "Sid": "Members",
            "Effect": "Allow",
            "Action": member::ASSUME_ROLE.iam_action(),
            "Resource": Named::role(&config.members.role).pattern("*"),
            "Condition": {"StringEquals": {"aws:ResourceOrgID": organization}},
        }));
    }
    within_limit(policy)
}

/// Whether any of these actions can be about this resource: a scope can hold several services'.
fn is_of(resource: &str, actions: &BTreeSet<String>) -> bool {
    let service = resource.split(':').nth(2);
    service.is_none_or(|service| actions.iter().any(|action| action.split(':').next() == Some(service)))
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
    text.chars().filter(|character| !character.is_whitespace()).count()
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
