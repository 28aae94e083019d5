//! The operator's policy on an engine that enforces IAM and that nobody here wrote (ministack): commands run with the
//! key of a user who has exactly the printed policy, and again without each action in turn.
//!
//! What can't be shown here is in docs/permissions.md: StackSets (moto answers for them, unenforced), CloudWatch
//! (ministack reads no action of its protocol), `iam:PassRole` and the tagging of what is being made (never asked for).

use std::collections::{BTreeMap, BTreeSet};

use billctl::config::Config;
use billctl::resource::permissions::{self, Job};
use billctl::resource::stack_set::TEMPLATE;
use billctl_core::service::{Access, Operation, Service};
use serde_json::{Value, json};

use crate::support::emulator::{Endpoints, Tenant, shared};
use crate::support::home::Home;

const CONFIG: &str = "[mail]\nfrom = \"billing@example.com\"\n[operations]\nmail = \"platform@example.com\"\n";

/// Actions for which ministack asks on other resources than AWS (docs/emulators.md): on `rule/default/NAME` or the
/// default bus for `event-bus/NAME` and `rule/NAME`, on the organisation for its parts. Only these are allowed there too, beside the printed policy.
const OTHERWISE_NAMED: [&str; 12] = [
    "events:CreateEventBus",
    "events:DeleteEventBus",
    "events:DeleteRule",
    "events:DescribeEventBus",
    "events:DescribeRule",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "organizations:ListAccountsForParent",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListTagsForResource",
];

/// Actions whose denial looks like a role that isn't known everywhere yet: billctl tries again for a minute of real
/// time. The sandbox, whose time is simulated, shows them instead.
const SLOW: [&str; 2] = ["states:CreateStateMachine", "events:PutTargets"];

/// The operator's policy, without some actions.
fn policy(tenant: &Tenant, without: &[&str]) -> Value {
    let config = Config::parse("config.toml", CONFIG).expect("a config");
    let account = tenant.account().parse().expect("an account");
    let types = permissions::resource_types(TEMPLATE);
    let mut policy = permissions::policy(Job::Operator, &config, Some(account), &types);
    let statements = policy["Statement"].as_array_mut().expect("statements");
    // Of a bus's and a topic's tags it asks on everything.
    let tags = ["events:ListTagsForResource", "sns:ListTagsForResource"];
    statements.push(json!({"Effect": "Allow", "Action": tags, "Resource": "*"}));
    statements.push(json!({"Effect": "Allow", "Action": OTHERWISE_NAMED, "Resource": [
        "arn:aws:events:us-east-1:*:rule/default/billctl*",
        "arn:aws:events:us-east-1:*:event-bus/default",
    "arn:aws:organizations::*:organization/*",
    ]}));
    for statement in statements {
        let actions = match statement["Action"].take() {
            Value::Array(actions) => actions,
            one => vec![one],
        };
        let kept: Vec<Value> = actions
            .into_iter()
            .filter(|action| !without.iter().any(|out| action == out))
            .chain([json!("none:None")])
            .collect();
        statement["Action"] = Value::Array(kept);
    }
    policy
}

/// The environment of a user of the tenant who has this policy and no other.
fn user(tenant: &Tenant, policy: &Value) -> BTreeMap<String, String> {
    let mut env = tenant.env(Endpoints::EnforcingIam);
    let moto = tenant.env(Endpoints::Moto)["AWS_ENDPOINT_URL"].clone();
    env.insert("AWS_ENDPOINT_URL_CLOUDFORMATION".to_owned(), moto.clone());
    let key = tenant.boto3(
        Endpoints::EnforcingIam,
        &format!(
            "import urllib.request\n\
             iam = client('iam')\n\
             code_of(iam.create_user, UserName='operator')\n\
             iam.put_user_policy(UserName='operator', PolicyName='p', PolicyDocument='''{policy}''')\n\
             for old in iam.list_access_keys(UserName='operator')['AccessKeyMetadata']:\n\
             \x20   iam.delete_access_key(UserName='operator', AccessKeyId=old['AccessKeyId'])\n\
             key = iam.create_access_key(UserName='operator')['AccessKey']\n\
             urllib.request.urlopen('{moto}/_tenant/' + key['AccessKeyId'] + '/{}')\n\
             result = [key['AccessKeyId'], key['SecretAccessKey']]",
            tenant.account()
        ),
    );
    for (name, value) in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .into_iter()
        .zip(key.as_array().expect("a key"))
    {
        env.insert(name.to_owned(), value.as_str().expect("text").to_owned());
    }
    env
}

/// Runs billctl as that user: whether it was denied something, and everything that it said.
fn billctl(env: &BTreeMap<String, String>, home: &Home, arguments: &[&str]) -> (bool, String) {
    let mut command = home.command();
    command.envs(env).args(["--yes", "-v"]).args(arguments);
    let (out, err) = home.end(&mut command).texts();
    let said = format!("{out}\n{err}");
    // SNS has a word of its own for it.
    let denied = said.contains("AccessDenied") || said.contains("AuthorizationError");
    (denied, said)
}

/// The operations that were called, as `-v` lists them.
fn called(said: &str) -> Vec<Operation> {
    let names: BTreeSet<&str> = said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    Job::Operator
        .operations()
        .into_iter()
        .filter(|operation| names.contains(operation.to_string().as_str()))
        // StackSets are moto's here; of CloudWatch's binary protocol ministack reads no action.
        .filter(|operation| {
            !matches!(
                operation.service,
                Service::CloudFormation | Service::CloudWatch | Service::Sts
            )
        })
        .collect()
}

/// That the command ends with a denial that names the action.
#[track_caller]
fn is_denied(action: &str, (denied, said): &(bool, String)) {
    assert!(*denied && said.contains(action), "without {action}:\n{said}");
}

/// `bootstrap` gets as far as ministack does: it forgets the alarm's metric math and the bus's policy, which
/// billctl finds at its last look.
#[track_caller]
fn went_through((denied, said): &(bool, String)) {
    assert!(!denied, "{said}");
    assert!(said.contains("still differs after it was written"), "{said}");
}

#[test]
fn the_operators_policy_is_enough_for_bootstrap_and_each_read_in_it_is_needed() {
    let Some(emulators) = shared("bootstrap under the operator's policy") else {
        return;
    };
    let (tenant, home) = (emulators.tenant(), Home::with_config(CONFIG));
    let first = billctl(&user(&tenant, &policy(&tenant, &[])), &home, &["bootstrap"]);
    went_through(&first);

    // Everything is there now, so that every read is made.
    let again = billctl(&user(&tenant, &policy(&tenant, &[])), &home, &["bootstrap", "--plan"]);
    assert!(!again.0, "{}", again.1);
    let reads: BTreeSet<String> = called(&again.1)
        .into_iter()
        .filter(|operation| operation.access == Access::Read)
        .map(|operation| operation.iam_action())
        .collect();
    assert!(reads.len() > 12, "{reads:?}");
    for action in &reads {
        let env = user(&tenant, &policy(&tenant, &[action]));
        is_denied(action, &billctl(&env, &home, &["bootstrap", "--plan"]));
    }
}

#[test]
fn each_write_in_the_operators_policy_is_needed_for_bootstrap() {
    let Some(emulators) = shared("bootstrap without each write") else {
        return;
    };
    let home = Home::with_config(CONFIG);
    let tenant = emulators.tenant();
    let whole = billctl(&user(&tenant, &policy(&tenant, &[])), &home, &["bootstrap"]);
    went_through(&whole);
    let writes: BTreeSet<String> = called(&whole.1)
        .into_iter()
        .filter(|operation| operation.access == Access::Write)
        .map(|operation| operation.iam_action())
        .filter(|action| !SLOW.contains(&action.as_str()))
        .collect();
    assert!(writes.len() >= 10, "{writes:?}");
    for action in &writes {
        let tenant = emulators.tenant();
        let env = user(&tenant, &policy(&tenant, &[action]));
        is_denied(action, &billctl(&env, &home, &["bootstrap"]));
    }
}

#[test]
fn destroy_needs_each_removal_goes_on_after_each_denial_and_leaves_nothing() {
    let Some(emulators) = shared("destroy without each removal") else {
        return;
    };
    let (tenant, home) = (emulators.tenant(), Home::with_config(CONFIG));
    went_through(&billctl(&user(&tenant, &policy(&tenant, &[])), &home, &["bootstrap"]));
    let id = tenant.boto3(
        Endpoints::EnforcingIam,
        "result = client('organizations').describe_organization()['Organization']['Id']",
    );
    let id = id.as_str().expect("an id").to_owned();
    // In the order of the removal: each run ends where its action is missing, and the next goes on from there.
    for action in [
        "events:RemoveTargets",
        "events:DeleteRule",
        "states:DeleteStateMachine",
        "iam:DeleteRolePolicy",
        "iam:DeleteRole",
        "ses:DeleteEmailTemplate",
        "ses:DeleteConfigurationSet",
        "ses:DeleteEmailIdentity",
        "sns:DeleteTopic",
        "events:DeleteEventBus",
        "sqs:DeleteQueue",
    ] {
        let env = user(&tenant, &policy(&tenant, &[action]));
        let ended = billctl(&env, &home, &["destroy", "--organization", &id]);
        is_denied(action, &ended);
    }
    let env = user(&tenant, &policy(&tenant, &[]));
    let (denied, said) = billctl(&env, &home, &["destroy", "--organization", &id]);
    assert!(!denied, "{said}");
    let left = tenant.boto3(Endpoints::EnforcingIam, LEFT);
    assert_eq!(left, json!([]), "{said}");
}

/// Everything in the account that bears billctl's name or the alarm's, as boto3 lists it.
pub(crate) const LEFT: &str = r"
found = []
found += client('sqs').list_queues().get('QueueUrls', [])
found += [t['TopicArn'] for t in client('sns').list_topics()['Topics']]
found += [b['Name'] for b in client('events').list_event_buses()['EventBuses'] if b['Name'] != 'default']
found += [r['Name'] for r in client('events').list_rules()['Rules']]
found += [i['IdentityName'] for i in client('sesv2').list_email_identities()['EmailIdentities']]
found += client('sesv2').list_configuration_sets().get('ConfigurationSets', [])
found += [t['TemplateName'] for t in client('sesv2').list_email_templates()['TemplatesMetadata']]
found += [r['RoleName'] for r in client('iam').list_roles()['Roles']]
found += [m['name'] for m in client('stepfunctions').list_state_machines()['stateMachines']]
found += [a['AlarmName'] for a in client('cloudwatch').describe_alarms()['MetricAlarms']]
found += [d['DashboardName'] for d in client('cloudwatch').list_dashboards()['DashboardEntries']]
result = found
";
