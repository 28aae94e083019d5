mod instances;
mod operations;

use std::collections::BTreeMap;

use billctl_core::model::AccountId;
use billctl_core::service::Kind;
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, CallAs, CloudFormation, ConcurrencyMode, CountOrPercent, InstancesRequest,
    OperationId, OrganizationsAccess, Parameters, Preferences, StackSet, StackSetSpec, Targets,
};

use super::replay::{Wire, replay_as, xml, xml_answer};

type Fields<'a> = Vec<(&'a str, &'a str)>;

fn aws(wire: &Wire) -> &dyn CloudFormation {
    wire.services.cloudformation.as_ref()
}

/// The fields with `CallAs` and the StackSet's name, which nearly every request bears.
fn with<'a>(fields: &[(&'a str, &'a str)]) -> Fields<'a> {
    [&[("CallAs", "SELF"), ("StackSetName", "billctl")], fields].concat()
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn id(text: &str) -> OperationId {
    OperationId(text.into())
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    let pairs = pairs.iter();
    pairs.map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

const SOFT: Preferences = Preferences {
    tolerance: CountOrPercent::Percent(10),
    concurrency: CountOrPercent::Percent(25),
    mode: ConcurrencyMode::Soft,
};
const SOFT_FIELDS: &[(&str, &str)] = &[
    ("OperationPreferences.ConcurrencyMode", "SOFT_FAILURE_TOLERANCE"),
    ("OperationPreferences.FailureTolerancePercentage", "10"),
    ("OperationPreferences.MaxConcurrentPercentage", "25"),
    ("OperationId", "op-1"),
];
const STRICT: Preferences = Preferences {
    tolerance: CountOrPercent::Count(0),
    concurrency: CountOrPercent::Count(1),
    mode: ConcurrencyMode::Strict,
};
const STRICT_FIELDS: &[(&str, &str)] = &[
    ("OperationPreferences.ConcurrencyMode", "STRICT_FAILURE_TOLERANCE"),
    ("OperationPreferences.FailureToleranceCount", "0"),
    ("OperationPreferences.MaxConcurrentCount", "1"),
    ("OperationId", "op-1"),
];
const STARTED: &str = "<OperationId>op-1</OperationId>";

fn spec(auto_deployment: AutoDeployment) -> StackSetSpec {
    StackSetSpec {
        name: "billctl".into(),
        description: "Spend alarms".into(),
        template: "Resources: {}\n".into(),
        parameters: parameters(&[("AlarmName", "Billing-Alarm"), ("Threshold", "100")]),
        tags: BTreeMap::from([("made-by".into(), "billctl".into())]),
        auto_deployment,
    }
}

const SPEC_FIELDS: &[(&str, &str)] = &[
    ("Description", "Spend alarms"),
    ("TemplateBody", "Resources: {}\n"),
    ("Parameters.member.1.ParameterKey", "AlarmName"),
    ("Parameters.member.1.ParameterValue", "Billing-Alarm"),
    ("Parameters.member.2.ParameterKey", "Threshold"),
    ("Parameters.member.2.ParameterValue", "100"),
    ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
    ("Tags.member.1.Key", "made-by"),
    ("Tags.member.1.Value", "billctl"),
    ("PermissionModel", "SERVICE_MANAGED"),
];

const AUTO: AutoDeployment = AutoDeployment {
    enabled: true,
    retain_stacks: false,
};

fn targets(accounts: AccountFilter) -> Targets {
    Targets {
        ous: vec!["ou-ab12-aaaaaaaa".parse().unwrap(), "r-ab12".parse().unwrap()],
        accounts,
    }
}

const TARGET_FIELDS: &[(&str, &str)] = &[
    ("DeploymentTargets.OrganizationalUnitIds.member.1", "ou-ab12-aaaaaaaa"),
    ("DeploymentTargets.OrganizationalUnitIds.member.2", "r-ab12"),
    ("Regions.member.1", "us-east-1"),
];

fn instances(accounts: AccountFilter, overrides: Option<Parameters>) -> InstancesRequest {
    InstancesRequest {
        stack_set: "billctl".into(),
        targets: targets(accounts),
        overrides,
        preferences: SOFT,
        operation_id: id("op-1"),
    }
}

#[tokio::test]
async fn describe_organizations_access() {
    for (status, access) in [
        ("ENABLED", OrganizationsAccess::Enabled),
        ("DISABLED", OrganizationsAccess::Disabled),
        ("DISABLED_PERMANENTLY", OrganizationsAccess::DisabledPermanently),
        ("PENDING", OrganizationsAccess::Disabled),
    ] {
        let wire = xml("DescribeOrganizationsAccess", &format!("<Status>{status}</Status>"));
        let found = aws(&wire).describe_organizations_access().await;
        wire.sent_form("DescribeOrganizationsAccess", &[("CallAs", "SELF")]);
        assert_eq!(found, Ok(access));
    }
}

#[tokio::test]
async fn activate_organizations_access() {
    let wire = xml("ActivateOrganizationsAccess", "");
    aws(&wire).activate_organizations_access().await.unwrap();
    wire.sent_form("ActivateOrganizationsAccess", &[]);
}

#[tokio::test]
async fn describe_stack_set() {
    let wire = xml(
        "DescribeStackSet",
        "<StackSet>
           <StackSetName>billctl</StackSetName><Status>ACTIVE</Status>
           <Description>Spend alarms</Description><TemplateBody>Resources: {}</TemplateBody>
           <Parameters><member>
             <ParameterKey>Threshold</ParameterKey><ParameterValue>100</ParameterValue>
           </member></Parameters>
           <Tags><member><Key>made-by</Key><Value>billctl</Value></member></Tags>
           <AutoDeployment>
             <Enabled>true</Enabled><RetainStacksOnAccountRemoval>true</RetainStacksOnAccountRemoval>
           </AutoDeployment>
           <PermissionModel>SERVICE_MANAGED</PermissionModel>
           <ManagedExecution><Active>true</Active></ManagedExecution>
           <OrganizationalUnitIds><member>ou-ab12-aaaaaaaa</member></OrganizationalUnitIds>
         </StackSet>",
    );
    let found = aws(&wire).describe_stack_set("billctl").await;
    wire.sent_form("DescribeStackSet", &with(&[]));
    let expected = StackSet {
        name: "billctl".into(),
        description: "Spend alarms".into(),
        template: "Resources: {}".into(),
        parameters: parameters(&[("Threshold", "100")]),
        tags: BTreeMap::from([("made-by".into(), "billctl".into())]),
        auto_deployment: Some(AutoDeployment {
            enabled: true,
            retain_stacks: true,
        }),
        managed_execution: true,
        service_managed: true,
        organizational_units: vec!["ou-ab12-aaaaaaaa".parse().unwrap()],
    };
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn a_deleted_stack_set_is_absent() {
    let wire = xml(
        "DescribeStackSet",
        "<StackSet><StackSetName>billctl</StackSetName><Status>DELETED</Status></StackSet>",
    );
    let error = aws(&wire).describe_stack_set("billctl").await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

#[tokio::test]
async fn create_stack_set() {
    let wire = xml("CreateStackSet", "<StackSetId>billctl:1</StackSetId>");
    aws(&wire).create_stack_set(&spec(AUTO), "token").await.unwrap();
    let own = [
        ("AutoDeployment.Enabled", "true"),
        ("AutoDeployment.RetainStacksOnAccountRemoval", "false"),
        ("ManagedExecution.Active", "true"),
        ("ClientRequestToken", "token"),
    ];
    wire.sent_form("CreateStackSet", &with(&[SPEC_FIELDS, &own].concat()));
}

#[tokio::test]
async fn update_stack_set_targets_nothing_and_leaves_managed_execution_alone() {
    let wire = xml("UpdateStackSet", STARTED);
    let started = aws(&wire)
        .update_stack_set(&spec(AUTO), None, &STRICT, &id("op-1"))
        .await;
    let auto = [
        ("AutoDeployment.Enabled", "true"),
        ("AutoDeployment.RetainStacksOnAccountRemoval", "false"),
    ];
    wire.sent_form("UpdateStackSet", &with(&[SPEC_FIELDS, &auto, STRICT_FIELDS].concat()));
    assert_eq!(started, Ok(id("op-1")));
}

#[tokio::test]
async fn update_stack_set_with_targets_leaves_auto_deployment_out() {
    let wire = xml("UpdateStackSet", STARTED);
    let only = targets(AccountFilter::Intersection(vec![account("222222222222")]));
    let started = aws(&wire)
        .update_stack_set(&spec(AUTO), Some(only), &STRICT, &id("op-1"))
        .await;
    assert_eq!(started, Ok(id("op-1")));
    let sent = String::from_utf8(wire.sent().body().bytes().unwrap().to_vec()).unwrap();
    for part in [
        "DeploymentTargets.AccountFilterType=INTERSECTION",
        "DeploymentTargets.Accounts.member.1=222222222222",
        "Regions.member.1=us-east-1",
    ] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    assert!(!sent.contains("AutoDeployment"), "{sent}");
}

#[tokio::test]
async fn without_auto_deployment_nothing_is_said_about_accounts_that_leave() {
    let wire = xml("UpdateStackSet", STARTED);
    let off = AutoDeployment {
        enabled: false,
        retain_stacks: true,
    };
    aws(&wire)
        .update_stack_set(&spec(off), None, &STRICT, &id("op-1"))
        .await
        .unwrap();
    let auto = [("AutoDeployment.Enabled", "false")];
    wire.sent_form("UpdateStackSet", &with(&[SPEC_FIELDS, &auto, STRICT_FIELDS].concat()));
}

#[tokio::test]
async fn set_managed_execution() {
    let wire = replay_as(CallAs::DelegatedAdmin, 0, vec![xml_answer("UpdateStackSet", STARTED)]);
    aws(&wire).set_managed_execution("billctl", true).await.unwrap();
    // The SDK makes up the operation's id, which nobody follows.
    let sent = String::from_utf8(wire.sent().body().bytes().unwrap().to_vec()).unwrap();
    let made_up = sent.split("OperationId=").nth(1).unwrap();
    let made_up = made_up.split('&').next().unwrap();
    wire.sent_form(
        "UpdateStackSet",
        &[
            ("CallAs", "DELEGATED_ADMIN"),
            ("StackSetName", "billctl"),
            ("UsePreviousTemplate", "true"),
            ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
            ("ManagedExecution.Active", "true"),
            ("OperationId", made_up),
        ],
    );
}

#[tokio::test]
async fn delete_stack_set() {
    let wire = xml("DeleteStackSet", "");
    aws(&wire).delete_stack_set("billctl").await.unwrap();
    wire.sent_form("DeleteStackSet", &with(&[]));
}

/// A delegated administrator's call without `CallAs` answers 404: one forgotten call is a bug.
#[tokio::test]
async fn a_delegated_administrator_says_so_in_every_call_that_takes_it() {
    let answers = (0..17).map(|_| xml_answer("Any", "")).collect();
    let wire = replay_as(CallAs::DelegatedAdmin, 0, answers);
    let aws = aws(&wire);
    let (operation, member) = (id("op-1"), account("222222222222"));
    let everyone = targets(AccountFilter::None);
    let request = instances(AccountFilter::None, None);
    let (spec, name) = (spec(AUTO), "billctl");
    let _ = aws.describe_organizations_access().await;
    let _ = aws.describe_stack_set(name).await;
    let _ = aws.create_stack_set(&spec, "token").await;
    let _ = aws.update_stack_set(&spec, None, &SOFT, &operation).await;
    let _ = aws.set_managed_execution(name, true).await;
    let _ = aws.delete_stack_set(name).await;
    let _ = aws.list_stack_instances(name, None, None).await;
    let _ = aws.describe_overrides(name, member).await;
    let _ = aws.create_stack_instances(&request).await;
    let _ = aws.update_stack_instances(&request).await;
    let _ = aws
        .delete_stack_instances(name, &everyone, false, &SOFT, &operation)
        .await;
    let _ = aws.list_operations(name, None).await;
    let _ = aws.describe_operation(name, &operation).await;
    let _ = aws.list_operation_results(name, &operation, None, None).await;
    let _ = aws.stop_operation(name, &operation).await;
    let _ = aws.detect_drift(name, &SOFT, &operation).await;
    let _ = aws.list_resource_drifts(name, member, &operation, None).await;
    assert_eq!(wire.count(), 17);
    for body in wire.bodies() {
        assert!(body.contains("&CallAs=DELEGATED_ADMIN"), "{body}");
    }
}
