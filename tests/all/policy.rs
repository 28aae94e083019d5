//! The IAM policies that `billctl policy` prints: enough for each job, and no more.

use std::collections::BTreeSet;

use billctl::config::Config;
use billctl::resource::permissions::{self, Job, MANAGED_POLICY_LIMIT};
use billctl_core::service::iam::{NewRole, Simulation};
use billctl_core::service::{Access, Service, iam};
use billctl_sandbox::{Sandbox, seed};
use serde_json::{Value, json};

const CONFIG: &str = r#"
organization = "o-a1b2c3d4e5"
[mail]
from = "billing@example.com"
identity = "example.com"
"#;

const JOBS: [Job; 6] = [
    Job::Operator,
    Job::Deploy,
    Job::Thresholds,
    Job::Status,
    Job::Tell,
    Job::Digest,
];

fn policy_of(job: Job, config: &str, account: Option<&str>) -> Value {
    let config = Config::parse("config.toml", config).unwrap();
    let template = include_str!("../../assets/member-template.yaml");
    let types = permissions::resource_types(template);
    permissions::policy(job, &config, account.map(|id| id.parse().unwrap()), &types)
}

fn policy(job: Job) -> Value {
    policy_of(job, CONFIG, Some("111122223333"))
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["Statement"].as_array().unwrap().iter()
}

fn texts(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::String(one) => [one.as_str()].into(),
        several => several
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .collect(),
    }
}

fn actions(policy: &Value) -> BTreeSet<&str> {
    statements(policy)
        .flat_map(|statement| texts(&statement["Action"]))
        .collect()
}

#[test]
fn the_policies_are_these() {
    for job in JOBS {
        insta::assert_json_snapshot!(format!("policy_{job:?}").to_lowercase(), policy(job));
    }
}

#[test]
fn every_operation_of_a_job_is_allowed_by_its_policy() {
    for job in JOBS {
        let policy = policy(job);
        let allowed = actions(&policy);
        for operation in job.operations() {
            // Only where there is a boundary to set.
            let bounds = operation == iam::PUT_ROLE_PERMISSIONS_BOUNDARY;
            if operation.service != Service::Sts && !bounds {
                assert!(
                    allowed.contains(operation.iam_action().as_str()),
                    "{job:?} lacks {operation}"
                );
            }
        }
    }
}

/// With a boundary, a role that can be made, and given policies, is one that the boundary limits: so the sandbox's
/// simulator answers for a role with the printed policy.
#[tokio::test]
async fn with_a_boundary_the_operator_makes_no_role_without_it() {
    let config = format!("{CONFIG}\n[bootstrap]\npermissions-boundary = \"/teams/Boundary\"\n");
    let sandbox = Sandbox::in_memory(seed::demo());
    let payer = sandbox.world().management_account();
    let services = sandbox.services();
    let role = NewRole {
        name: "Operator".to_owned(),
        trust_policy: json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": payer.to_string()}, "Action": "sts:AssumeRole",
        }]}),
        description: String::new(),
        tags: Default::default(),
        permissions_boundary: None,
    };
    let operator = services.iam.create_role(&role).await.unwrap();
    for account in [Some(payer.to_string()), None] {
        let policy = policy_of(Job::Operator, &config, account.as_deref());
        let size = permissions::size(&policy);
        assert!(size <= MANAGED_POLICY_LIMIT, "{size} characters");
        services
            .iam
            .put_role_policy("Operator", "billctl", &policy)
            .await
            .unwrap();
        let may = async |action: &str, boundary: Option<&str>| {
            let arn = |name| format!("arn:aws:iam::{payer}:policy/{name}");
            let context = boundary.map(|name| ("iam:PermissionsBoundary".to_owned(), arn(name)));
            let asked = Simulation {
                principal: operator.clone(),
                actions: vec![action.to_owned()],
                resources: vec![format!("arn:aws:iam::{payer}:role/billctl-notifier")],
                context: context.into_iter().collect(),
            };
            services.iam.denied_actions(&asked).await.unwrap().is_empty()
        };
        for action in ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"] {
            assert!(may(action, Some("teams/Boundary")).await, "{action}");
            assert!(!may(action, Some("Other")).await, "{action}");
            assert!(!may(action, None).await, "{action}");
        }
        assert!(!may("iam:DeleteRolePermissionsBoundary", Some("teams/Boundary")).await);
        assert!(may("iam:GetRole", None).await && may("iam:GetRolePolicy", None).await);
    }
    // No other job's policy makes roles.
    for job in [Job::Deploy, Job::Thresholds, Job::Status, Job::Tell] {
        let policy = policy_of(job, &config, None);
        assert!(!policy.to_string().contains("iam:CreateRole"), "{job:?}");
    }
}

/// What a shortened policy's patterns match among all actions that are known here is what stood there before.
#[test]
fn a_shortened_policy_allows_what_the_long_one_does() {
    let long = policy(Job::Operator);
    let config = format!(
        "{CONFIG}\n[names]\nnotifier = \"{}\"\nqueue = \"{}\"\n",
        "n".repeat(80),
        "q".repeat(75)
    );
    let short = policy_of(Job::Operator, &config, Some("111122223333"));
    let patterns: Vec<&str> = actions(&short)
        .into_iter()
        .filter(|action| action.contains('*'))
        .collect();
    assert_eq!(patterns.len(), 7, "{patterns:?}");
    let matches = |pattern: &str, action: &str| match pattern.split_once('*') {
        Some((start, end)) => {
            action.len() >= start.len() + end.len() && action.starts_with(start) && action.ends_with(end)
        }
        None => pattern == action,
    };
    for action in actions(&long) {
        assert!(
            actions(&short).iter().any(|pattern| matches(pattern, action)),
            "{action}"
        );
    }
    // Actions of AWS that come near.
    for near in [
        "ses:CreateCustomVerificationEmailTemplate",
        "ses:DeleteCustomVerificationEmailTemplate",
        "ses:ListConfigurationSets",
        "states:DescribeStateMachineForExecution",
        "states:ListStateMachines",
        "states:PublishStateMachineVersion",
        "events:ListTargetsByRule2",
        "organizations:ListParents",
        "iam:ListRoleTags",
    ] {
        assert!(!patterns.iter().any(|pattern| matches(pattern, near)), "{near}");
    }
}

#[test]
fn every_allowed_action_is_an_operation_of_the_job_or_comes_with_one() {
    let beside = [
        "iam:PassRole",
        "iam:TagRole",
        "iam:CreateServiceLinkedRole",
        "events:TagResource",
        "states:TagResource",
        "sns:TagResource",
        "sqs:TagQueue",
        "cloudwatch:TagResource",
        "ses:TagResource",
        "cloudformation:TagResource",
        "organizations:EnableAWSServiceAccess",
    ];
    for job in JOBS {
        let own: BTreeSet<String> = job
            .operations()
            .iter()
            .map(|operation| operation.iam_action())
            .collect();
        let policy = policy(job);
        for action in actions(&policy) {
            assert!(own.contains(action) || beside.contains(&action), "{job:?} has {action}");
        }
    }
}

#[test]
fn status_only_reads_but_for_the_detection_of_drift() {
    let writes: Vec<_> = Job::Status
        .operations()
        .into_iter()
        .filter(|operation| operation.access == Access::Write)
        .map(|operation| operation.name)
        .collect();
    assert_eq!(writes, ["DetectStackSetDrift"]);
}

#[test]
fn a_digest_writes_one_mail_and_its_claim() {
    let writes: Vec<_> = Job::Digest
        .operations()
        .into_iter()
        .filter(|operation| operation.access == Access::Write)
        .map(|operation| operation.name)
        .collect();
    assert_eq!(writes, ["SendEmail", "StartExecution"]);
}

#[test]
fn telling_writes_nothing_but_starts_the_notifier() {
    let writes: Vec<_> = Job::Tell
        .operations()
        .into_iter()
        .filter(|operation| operation.access == Access::Write)
        .map(|operation| operation.name)
        .collect();
    assert_eq!(writes, ["StartExecution"]);
    let policy = policy(Job::Tell);
    let delivery = statements(&policy)
        .find(|statement| statement["Sid"] == "Things")
        .unwrap();
    let machines: Vec<&str> = texts(&delivery["Resource"])
        .into_iter()
        .filter(|arn| arn.contains(":stateMachine:"))
        .collect();
    assert_eq!(
        machines,
        ["arn:aws:states:us-east-1:111122223333:stateMachine:billctl-notifier"]
    );
}

#[test]
fn no_action_has_a_wildcard_and_only_actions_without_resources_go_everywhere() {
    for job in JOBS {
        let policy = policy(job);
        assert!(actions(&policy).iter().all(|action| !action.contains('*')));
        let everywhere: BTreeSet<&str> = statements(&policy)
            .filter(|statement| texts(&statement["Resource"]).contains("*"))
            .flat_map(|statement| texts(&statement["Action"]))
            .collect();
        // The Service Authorization Reference lists no resource types for these.
        let without_resources = [
            "billing:GetBillingPreferences",
            "cloudformation:ActivateOrganizationsAccess",
            "cloudformation:CreateStackSet",
            "cloudformation:DescribeOrganizationsAccess",
            "cloudwatch:GetMetricData",
            "cloudwatch:ListMetrics",
            "events:PutPermission",
            "events:RemovePermission",
            "organizations:DescribeOrganization",
            "organizations:EnableAWSServiceAccess",
            "organizations:ListDelegatedAdministrators",
            "organizations:ListRoots",
            "ses:CreateConfigurationSet",
            "ses:CreateEmailIdentity",
            "ses:GetAccount",
            "ses:GetSuppressedDestination",
        ];
        for action in everywhere {
            assert!(without_resources.contains(&action), "{job:?}: {action}");
        }
    }
}

#[test]
fn every_policy_fits_into_a_managed_policy() {
    for job in JOBS {
        let size = permissions::size(&policy(job));
        assert!(size <= MANAGED_POLICY_LIMIT, "{job:?} has {size} characters");
    }
}

#[test]
fn a_topic_that_somebody_has_is_looked_at_and_never_changed() {
    let theirs = "arn:aws:sns:us-east-1:111122223333:theirs";
    let config = format!("{CONFIG}\n[operations]\ntopic = \"{theirs}\"");
    for (job, looks) in [(Job::Operator, true), (Job::Status, true), (Job::Deploy, false)] {
        let policy = policy_of(job, &config, None);
        let about: Vec<_> = statements(&policy)
            .filter(|statement| texts(&statement["Resource"]).contains(theirs))
            .collect();
        assert_eq!(about.len(), usize::from(looks), "{job:?}");
        for statement in about {
            assert_eq!(statement["Action"], "sns:GetTopicAttributes");
        }
    }
}

#[test]
fn without_an_account_the_arns_leave_it_open() {
    let policy = policy_of(Job::Deploy, CONFIG, None);
    let stack_set = statements(&policy)
        .find(|statement| statement["Sid"] == "StackSet")
        .unwrap();
    assert_eq!(
        texts(&stack_set["Resource"]),
        ["arn:aws:cloudformation:us-east-1:*:stackset/billctl:*"].into()
    );
}

#[test]
fn a_delegated_administrator_reads_an_organisation_of_another_account() {
    let config = format!("call-as = \"delegated-admin\"\n{CONFIG}");
    let policy = policy_of(Job::Deploy, &config, Some("111122223333"));
    let tree = statements(&policy)
        .find(|statement| statement["Sid"] == "Things")
        .unwrap();
    for kind in ["account", "ou", "root"] {
        let theirs = format!("arn:aws:organizations::*:{kind}/o-a1b2c3d4e5/*");
        assert!(texts(&tree["Resource"]).contains(theirs.as_str()), "{theirs}");
    }
}

#[test]
fn alarms_and_identities_are_read_everywhere_and_nothing_else_is_done_there() {
    for job in [Job::Operator, Job::Status] {
        let policy = policy(job);
        let wide = statements(&policy).filter(|statement| {
            let resources = texts(&statement["Resource"]);
            resources
                .iter()
                .any(|arn| arn.ends_with(":alarm:*") || arn.ends_with(":identity/*"))
        });
        let wide: Vec<_> = wide.flat_map(|statement| texts(&statement["Action"])).collect();
        assert_eq!(wide, ["cloudwatch:DescribeAlarms", "ses:GetEmailIdentity"], "{job:?}");
    }
}

#[test]
fn a_delegated_administrators_stack_set_is_of_another_account_too() {
    let config = format!("call-as = \"delegated-admin\"\n{CONFIG}");
    for job in [Job::Deploy, Job::Thresholds, Job::Status] {
        let policy = policy_of(job, &config, Some("111122223333"));
        let sets = statements(&policy).flat_map(|statement| texts(&statement["Resource"]));
        let sets: Vec<&str> = sets.filter(|arn| arn.contains(":stackset")).collect();
        assert!(
            !sets.is_empty()
                && sets
                    .iter()
                    .all(|arn| arn.starts_with("arn:aws:cloudformation:us-east-1:*:")),
            "{sets:?}"
        );
    }
}

#[test]
fn only_who_may_change_the_stack_set_or_roles_is_warned_of_as_an_administrator() {
    for job in JOBS {
        let mighty = [
            "CreateStackSet",
            "UpdateStackSet",
            "PutRolePolicy",
            "UpdateAssumeRolePolicy",
        ];
        let is_mighty = job
            .operations()
            .iter()
            .any(|operation| mighty.contains(&operation.name));
        assert_eq!(job.amounts_to().is_some(), is_mighty, "{job:?}");
    }
}

#[test]
fn wildcards_in_names_are_taken_literally() {
    let config = format!("{CONFIG}\n[alarm]\nname = \"what*is?this\"");
    let policy = policy_of(Job::Operator, &config, Some("111122223333"));
    let alarms = statements(&policy)
        .find(|statement| texts(&statement["Action"]).contains("cloudwatch:PutMetricAlarm"))
        .unwrap();
    assert!(texts(&alarms["Resource"]).contains("arn:aws:cloudwatch:us-east-1:111122223333:alarm:what${*}is${?}this"));
}

#[test]
fn the_types_of_the_member_template_are_found_and_its_parameters_are_not() {
    let template = include_str!("../../assets/member-template.yaml");
    let types = permissions::resource_types(template);
    let resources = template.split("\nResources:").nth(1).unwrap();
    assert_eq!(types.len(), resources.matches("Type: AWS::").count());
    assert!(types.contains("AWS::CloudWatch::Alarm") && types.contains("AWS::IAM::Role"));
}

#[test]
fn no_policy_lets_anybody_into_members_unless_it_is_asked_for() {
    for job in JOBS {
        let policy = policy(job);
        assert!(actions(&policy).iter().all(|action| !action.starts_with("sts:")));
    }
    for (config, organization) in [
        (CONFIG.to_owned(), "o-a1b2c3d4e5"),
        (
            CONFIG.replace("organization = \"o-a1b2c3d4e5\"", ""),
            "${aws:PrincipalOrgID}",
        ),
    ] {
        let config = format!("{config}[members]\nrole = \"AWSControlTowerExecution\"\n");
        let config = Config::parse("config.toml", &config).unwrap();
        let probing = permissions::with_probe(policy(Job::Status), &config);
        let added = statements(&probing).last().unwrap();
        assert_eq!(
            *added,
            serde_json::json!({
                "Sid": "Members",
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Resource": "arn:aws:iam::*:role/AWSControlTowerExecution",
                "Condition": {"StringEquals": {"aws:ResourceOrgID": organization}},
            })
        );
        assert!(permissions::size(&probing) <= MANAGED_POLICY_LIMIT);
    }
}

#[test]
fn a_session_in_a_member_may_do_just_what_is_done_there() {
    let config = Config::parse("config.toml", CONFIG).unwrap();
    let account = "222222222222".parse().unwrap();
    let looks = permissions::session_policy(&config, account, false);
    assert_eq!(
        actions(&looks),
        [
            "cloudwatch:DescribeAlarms",
            "cloudwatch:GetMetricData",
            "events:DescribeRule",
            "events:ListTargetsByRule",
        ]
        .into()
    );
    let sets = permissions::session_policy(&config, account, true);
    let alarm = statements(&sets)
        .find(|statement| texts(&statement["Action"]).contains("cloudwatch:SetAlarmState"))
        .unwrap();
    assert_eq!(
        texts(&alarm["Resource"]),
        ["arn:aws:cloudwatch:us-east-1:222222222222:alarm:Billing-Alarm"].into()
    );
    // AssumeRole takes at most 2,048 characters, also with the longest names.
    let long = format!("{CONFIG}[alarm]\nname = \"{}\"\n", "a".repeat(255));
    let long = Config::parse("config.toml", &long).unwrap();
    let text = permissions::session_policy(&long, account, true).to_string();
    assert!(text.len() <= 2_048, "{}", text.len());
}
