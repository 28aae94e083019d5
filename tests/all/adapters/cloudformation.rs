use std::collections::BTreeMap;

use billctl::config::CallAs;
use billctl::model::AccountId;
use billctl::service::cloudformation::{
    AccountFilter, Amount, AutoDeployment, CloudFormation, ConcurrencyMode, DetailedStatus,
    DriftStatus, InstanceFilter, InstanceStatus, InstancesRequest, OperationAction, OperationId,
    OperationResult, OperationStatus, OrganizationsAccess, Parameters, Preferences,
    PropertyDifference, ResourceDrift, StackInstance, StackSet, StackSetOperation, StackSetSpec,
    Targets,
};
use billctl::service::{Kind, Page};

use super::wire::{Wire, replay_as, xml, xml_answer};

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
    pairs
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

const SOFT: Preferences = Preferences {
    tolerance: Amount::Percent(10),
    concurrency: Amount::Percent(25),
    mode: ConcurrencyMode::Soft,
};
const SOFT_FIELDS: &[(&str, &str)] = &[
    (
        "OperationPreferences.ConcurrencyMode",
        "SOFT_FAILURE_TOLERANCE",
    ),
    ("OperationPreferences.FailureTolerancePercentage", "10"),
    ("OperationPreferences.MaxConcurrentPercentage", "25"),
    ("OperationId", "op-1"),
];
const STRICT: Preferences = Preferences {
    tolerance: Amount::Count(0),
    concurrency: Amount::Count(1),
    mode: ConcurrencyMode::Strict,
};
const STRICT_FIELDS: &[(&str, &str)] = &[
    (
        "OperationPreferences.ConcurrencyMode",
        "STRICT_FAILURE_TOLERANCE",
    ),
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
        ous: vec![
            "ou-ab12-aaaaaaaa".parse().unwrap(),
            "r-ab12".parse().unwrap(),
        ],
        accounts,
    }
}

const TARGET_FIELDS: &[(&str, &str)] = &[
    (
        "DeploymentTargets.OrganizationalUnitIds.member.1",
        "ou-ab12-aaaaaaaa",
    ),
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
        (
            "DISABLED_PERMANENTLY",
            OrganizationsAccess::DisabledPermanently,
        ),
        ("PENDING", OrganizationsAccess::Disabled),
    ] {
        let wire = xml(
            "DescribeOrganizationsAccess",
            &format!("<Status>{status}</Status>"),
        );
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
    aws(&wire)
        .create_stack_set(&spec(AUTO), "token")
        .await
        .unwrap();
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
        .update_stack_set(&spec(AUTO), &STRICT, &id("op-1"))
        .await;
    let auto = [
        ("AutoDeployment.Enabled", "true"),
        ("AutoDeployment.RetainStacksOnAccountRemoval", "false"),
    ];
    wire.sent_form(
        "UpdateStackSet",
        &with(&[SPEC_FIELDS, &auto, STRICT_FIELDS].concat()),
    );
    assert_eq!(started, Ok(id("op-1")));
}

#[tokio::test]
async fn without_auto_deployment_nothing_is_said_about_accounts_that_leave() {
    let wire = xml("UpdateStackSet", STARTED);
    let off = AutoDeployment {
        enabled: false,
        retain_stacks: true,
    };
    aws(&wire)
        .update_stack_set(&spec(off), &STRICT, &id("op-1"))
        .await
        .unwrap();
    let auto = [("AutoDeployment.Enabled", "false")];
    wire.sent_form(
        "UpdateStackSet",
        &with(&[SPEC_FIELDS, &auto, STRICT_FIELDS].concat()),
    );
}

#[tokio::test]
async fn set_managed_execution() {
    let wire = replay_as(
        CallAs::DelegatedAdmin,
        0,
        vec![xml_answer("UpdateStackSet", STARTED)],
    );
    aws(&wire)
        .set_managed_execution("billctl", true)
        .await
        .unwrap();
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

#[tokio::test]
async fn list_stack_instances() {
    let wire = xml(
        "ListStackInstances",
        "<Summaries>
           <member>
             <Account>222222222222</Account><Region>us-east-1</Region>
             <OrganizationalUnitId>ou-ab12-aaaaaaaa</OrganizationalUnitId>
             <StackId>arn:aws:cloudformation:us-east-1:222222222222:stack/s/1</StackId>
             <Status>CURRENT</Status>
             <StackInstanceStatus><DetailedStatus>SUCCEEDED</DetailedStatus></StackInstanceStatus>
             <DriftStatus>DRIFTED</DriftStatus>
             <LastDriftCheckTimestamp>2026-03-01T12:00:00.5Z</LastDriftCheckTimestamp>
             <LastOperationId>op-1</LastOperationId>
           </member>
           <member>
             <Account>000000000012</Account><Status>INOPERABLE</Status>
             <StackInstanceStatus>
               <DetailedStatus>SKIPPED_SUSPENDED_ACCOUNT</DetailedStatus>
             </StackInstanceStatus>
             <StatusReason>Account is suspended</StatusReason>
           </member>
           <member>
             <Account>333333333333</Account><Status>PAUSED</Status>
             <StackInstanceStatus><DetailedStatus>PONDERING</DetailedStatus></StackInstanceStatus>
             <DriftStatus>MAYBE</DriftStatus>
           </member>
         </Summaries><NextToken>two</NextToken>",
    );
    let page = aws(&wire)
        .list_stack_instances("billctl", None, Some("one".into()))
        .await;
    wire.sent_form(
        "ListStackInstances",
        &with(&[("MaxResults", "100"), ("NextToken", "one")]),
    );
    let bare = |id: &str, status| StackInstance {
        account: account(id),
        ou: None,
        stack_id: None,
        status,
        detailed_status: None,
        reason: String::new(),
        drift: DriftStatus::NotChecked,
        drift_checked: None,
        last_operation: None,
    };
    let expected = Page {
        items: vec![
            StackInstance {
                ou: Some("ou-ab12-aaaaaaaa".parse().unwrap()),
                stack_id: Some("arn:aws:cloudformation:us-east-1:222222222222:stack/s/1".into()),
                detailed_status: Some(DetailedStatus::Succeeded),
                drift: DriftStatus::Drifted,
                drift_checked: Some("2026-03-01T12:00:00.5Z".parse().unwrap()),
                last_operation: Some(id("op-1")),
                ..bare("222222222222", InstanceStatus::Current)
            },
            StackInstance {
                detailed_status: Some(DetailedStatus::SkippedSuspendedAccount),
                reason: "Account is suspended".into(),
                ..bare("000000000012", InstanceStatus::Inoperable)
            },
            // Words of the future: read so that billctl looks again.
            StackInstance {
                drift: DriftStatus::Unknown,
                ..bare("333333333333", InstanceStatus::Outdated)
            },
        ],
        next: Some("two".into()),
    };
    assert_eq!(page, Ok(expected));
}

#[tokio::test]
async fn list_stack_instances_by_filter() {
    for (filter, name, value) in [
        (
            InstanceFilter::LastOperation(id("op-7")),
            "LAST_OPERATION_ID",
            "op-7",
        ),
        (
            InstanceFilter::Drift(DriftStatus::Drifted),
            "DRIFT_STATUS",
            "DRIFTED",
        ),
    ] {
        let wire = xml("ListStackInstances", "<Summaries/>");
        let page = aws(&wire)
            .list_stack_instances("billctl", Some(filter), None)
            .await;
        wire.sent_form(
            "ListStackInstances",
            &with(&[
                ("Filters.member.1.Name", name),
                ("Filters.member.1.Values", value),
                ("MaxResults", "100"),
            ]),
        );
        assert_eq!(page, Ok(Page::last(vec![])));
    }
}

#[tokio::test]
async fn describe_overrides() {
    let wire = xml(
        "DescribeStackInstance",
        "<StackInstance><Account>222222222222</Account><ParameterOverrides><member>
           <ParameterKey>Threshold</ParameterKey><ParameterValue>500</ParameterValue>
         </member></ParameterOverrides></StackInstance>",
    );
    let found = aws(&wire)
        .describe_overrides("billctl", account("222222222222"))
        .await;
    wire.sent_form(
        "DescribeStackInstance",
        &with(&[
            ("StackInstanceAccount", "222222222222"),
            ("StackInstanceRegion", "us-east-1"),
        ]),
    );
    assert_eq!(found, Ok(parameters(&[("Threshold", "500")])));
}

#[tokio::test]
async fn create_stack_instances_in_whole_ous_says_nothing_of_overrides() {
    let wire = xml("CreateStackInstances", STARTED);
    let request = instances(AccountFilter::None, None);
    let started = aws(&wire).create_stack_instances(&request).await;
    wire.sent_form(
        "CreateStackInstances",
        &with(&[TARGET_FIELDS, SOFT_FIELDS].concat()),
    );
    assert_eq!(started, Ok(id("op-1")));
}

#[tokio::test]
async fn create_stack_instances_of_some_accounts_names_the_filter() {
    for (filter, name) in [
        (AccountFilter::Intersection as fn(_) -> _, "INTERSECTION"),
        (AccountFilter::Difference, "DIFFERENCE"),
    ] {
        let wire = xml("CreateStackInstances", STARTED);
        let accounts = vec![account("222222222222"), account("000000000012")];
        let overrides = Some(parameters(&[("Threshold", "500")]));
        let request = instances(filter(accounts), overrides);
        aws(&wire).create_stack_instances(&request).await.unwrap();
        let own = [
            ("DeploymentTargets.AccountFilterType", name),
            ("DeploymentTargets.Accounts.member.1", "222222222222"),
            ("DeploymentTargets.Accounts.member.2", "000000000012"),
            ("ParameterOverrides.member.1.ParameterKey", "Threshold"),
            ("ParameterOverrides.member.1.ParameterValue", "500"),
        ];
        let fields = [TARGET_FIELDS, &own, SOFT_FIELDS].concat();
        wire.sent_form("CreateStackInstances", &with(&fields));
    }
}

#[tokio::test]
async fn update_stack_instances_resets_by_an_empty_list_and_keeps_by_none() {
    for (overrides, own) in [
        (None, &[][..]),
        (Some(Parameters::new()), &[("ParameterOverrides", "")][..]),
        (
            Some(parameters(&[("Threshold", "7.5")])),
            &[
                ("ParameterOverrides.member.1.ParameterKey", "Threshold"),
                ("ParameterOverrides.member.1.ParameterValue", "7.5"),
            ][..],
        ),
    ] {
        let wire = xml("UpdateStackInstances", STARTED);
        let request = instances(AccountFilter::None, overrides);
        let started = aws(&wire).update_stack_instances(&request).await;
        let fields = [TARGET_FIELDS, own, SOFT_FIELDS].concat();
        wire.sent_form("UpdateStackInstances", &with(&fields));
        assert_eq!(started, Ok(id("op-1")));
    }
}

#[tokio::test]
async fn delete_stack_instances() {
    for (retain, text) in [(true, "true"), (false, "false")] {
        let wire = xml("DeleteStackInstances", STARTED);
        let targets = targets(AccountFilter::Intersection(vec![account("222222222222")]));
        let operation = id("op-1");
        let started = aws(&wire)
            .delete_stack_instances("billctl", &targets, retain, &STRICT, &operation)
            .await;
        let own = [
            ("DeploymentTargets.AccountFilterType", "INTERSECTION"),
            ("DeploymentTargets.Accounts.member.1", "222222222222"),
            ("RetainStacks", text),
        ];
        let fields = [TARGET_FIELDS, &own, STRICT_FIELDS].concat();
        wire.sent_form("DeleteStackInstances", &with(&fields));
        assert_eq!(started, Ok(id("op-1")));
    }
}

fn operation(name: &str, action: OperationAction, status: OperationStatus) -> StackSetOperation {
    StackSetOperation {
        id: id(name),
        action,
        status,
        created: None,
        ended: None,
        failed_instances: None,
        targets: None,
        reason: None,
    }
}

#[tokio::test]
async fn list_operations() {
    let wire = xml(
        "ListStackSetOperations",
        "<Summaries>
           <member>
             <OperationId>op-2</OperationId><Action>DETECT_DRIFT</Action><Status>QUEUED</Status>
             <CreationTimestamp>2026-03-02T00:00:00Z</CreationTimestamp>
           </member>
           <member>
             <OperationId>op-1</OperationId><Action>CREATE</Action><Status>SUCCEEDED</Status>
             <EndTimestamp>2026-03-01T00:00:00Z</EndTimestamp>
             <StatusReason>done</StatusReason>
             <StatusDetails><FailedStackInstancesCount>3</FailedStackInstancesCount></StatusDetails>
           </member>
           <member><OperationId>op-0</OperationId><Action>MEND</Action><Status>PAUSED</Status></member>
         </Summaries>",
    );
    let page = aws(&wire).list_operations("billctl", None).await;
    wire.sent_form("ListStackSetOperations", &with(&[("MaxResults", "100")]));
    let expected = vec![
        StackSetOperation {
            created: Some("2026-03-02T00:00:00Z".parse().unwrap()),
            ..operation(
                "op-2",
                OperationAction::DetectDrift,
                OperationStatus::Queued,
            )
        },
        StackSetOperation {
            ended: Some("2026-03-01T00:00:00Z".parse().unwrap()),
            failed_instances: Some(3),
            reason: Some("done".into()),
            ..operation("op-1", OperationAction::Create, OperationStatus::Succeeded)
        },
        operation("op-0", OperationAction::Update, OperationStatus::Running),
    ];
    assert_eq!(page, Ok(Page::last(expected)));
}

#[tokio::test]
async fn describe_operation() {
    let wire = xml(
        "DescribeStackSetOperation",
        "<StackSetOperation>
           <OperationId>op-1</OperationId><Action>UPDATE</Action><Status>FAILED</Status>
           <CreationTimestamp>2026-03-01T00:00:00Z</CreationTimestamp>
           <DeploymentTargets>
             <OrganizationalUnitIds><member>ou-ab12-aaaaaaaa</member><member>r-ab12</member>
             </OrganizationalUnitIds>
             <Accounts><member>222222222222</member></Accounts>
             <AccountFilterType>DIFFERENCE</AccountFilterType>
           </DeploymentTargets>
           <StatusDetails><FailedStackInstancesCount>0</FailedStackInstancesCount></StatusDetails>
         </StackSetOperation>",
    );
    let found = aws(&wire).describe_operation("billctl", &id("op-1")).await;
    wire.sent_form(
        "DescribeStackSetOperation",
        &with(&[("OperationId", "op-1")]),
    );
    let expected = StackSetOperation {
        created: Some("2026-03-01T00:00:00Z".parse().unwrap()),
        failed_instances: Some(0),
        targets: Some(targets(AccountFilter::Difference(vec![account(
            "222222222222",
        )]))),
        ..operation("op-1", OperationAction::Update, OperationStatus::Failed)
    };
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn list_operation_results() {
    let wire = xml(
        "ListStackSetOperationResults",
        "<Summaries>
           <member><Account>222222222222</Account><Status>FAILED</Status>
             <StatusReason>explicit deny in a service control policy</StatusReason></member>
           <member><Account>333333333333</Account><Status>CANCELLED</Status></member>
         </Summaries><NextToken>two</NextToken>",
    );
    let page = aws(&wire)
        .list_operation_results("billctl", &id("op-1"), None)
        .await;
    wire.sent_form(
        "ListStackSetOperationResults",
        &with(&[("OperationId", "op-1"), ("MaxResults", "100")]),
    );
    let expected = Page {
        items: vec![
            OperationResult {
                account: account("222222222222"),
                status: DetailedStatus::Failed,
                reason: "explicit deny in a service control policy".into(),
            },
            OperationResult {
                account: account("333333333333"),
                status: DetailedStatus::Cancelled,
                reason: String::new(),
            },
        ],
        next: Some("two".into()),
    };
    assert_eq!(page, Ok(expected));
}

#[tokio::test]
async fn stop_operation() {
    let wire = xml("StopStackSetOperation", "");
    aws(&wire)
        .stop_operation("billctl", &id("op-1"))
        .await
        .unwrap();
    wire.sent_form("StopStackSetOperation", &with(&[("OperationId", "op-1")]));
}

#[tokio::test]
async fn detect_drift() {
    let wire = xml("DetectStackSetDrift", STARTED);
    let started = aws(&wire)
        .detect_drift("billctl", &STRICT, &id("op-1"))
        .await;
    wire.sent_form("DetectStackSetDrift", &with(STRICT_FIELDS));
    assert_eq!(started, Ok(id("op-1")));
}

#[tokio::test]
async fn an_operation_without_an_id_is_refused() {
    let wire = xml("DetectStackSetDrift", "");
    let error = aws(&wire)
        .detect_drift("billctl", &STRICT, &id("op-1"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Other, "the answer lacks OperationId")
    );
}

#[tokio::test]
async fn list_resource_drifts() {
    let wire = xml(
        "ListStackInstanceResourceDrifts",
        "<Summaries><member>
           <LogicalResourceId>Alarm</LogicalResourceId>
           <ResourceType>AWS::CloudWatch::Alarm</ResourceType>
           <StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus>
           <PropertyDifferences><member>
             <PropertyPath>/Threshold</PropertyPath>
             <ExpectedValue>100</ExpectedValue><ActualValue>999</ActualValue>
             <DifferenceType>NOT_EQUAL</DifferenceType>
           </member></PropertyDifferences>
         </member></Summaries>",
    );
    let page = aws(&wire)
        .list_resource_drifts("billctl", account("222222222222"), &id("op-9"), None)
        .await;
    wire.sent_form(
        "ListStackInstanceResourceDrifts",
        &with(&[
            ("StackInstanceAccount", "222222222222"),
            ("StackInstanceRegion", "us-east-1"),
            ("OperationId", "op-9"),
            ("MaxResults", "100"),
        ]),
    );
    let expected = ResourceDrift {
        logical_id: "Alarm".into(),
        resource_type: "AWS::CloudWatch::Alarm".into(),
        status: "MODIFIED".into(),
        differences: vec![PropertyDifference {
            path: "/Threshold".into(),
            expected: "100".into(),
            actual: "999".into(),
        }],
    };
    assert_eq!(page, Ok(Page::last(vec![expected])));
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
    let _ = aws.update_stack_set(&spec, &SOFT, &operation).await;
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
    let _ = aws.list_operation_results(name, &operation, None).await;
    let _ = aws.stop_operation(name, &operation).await;
    let _ = aws.detect_drift(name, &SOFT, &operation).await;
    let _ = aws
        .list_resource_drifts(name, member, &operation, None)
        .await;
    assert_eq!(wire.count(), 17);
    for body in wire.bodies() {
        assert!(body.contains("&CallAs=DELEGATED_ADMIN"), "{body}");
    }
}
