use billctl_core::service::Page;
use billctl_core::service::cloudformation::{
    AccountFilter, DetailedStatus, DriftStatus, InstanceFilter, InstanceStatus, Parameters, StackInstance,
};

use super::super::replay::xml;
use super::*;

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
        (InstanceFilter::LastOperation(id("op-7")), "LAST_OPERATION_ID", "op-7"),
        (InstanceFilter::Drift(DriftStatus::Drifted), "DRIFT_STATUS", "DRIFTED"),
    ] {
        let wire = xml("ListStackInstances", "<Summaries/>");
        let page = aws(&wire).list_stack_instances("billctl", Some(filter), None).await;
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
    let found = aws(&wire).describe_overrides("billctl", account("222222222222")).await;
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
    wire.sent_form("CreateStackInstances", &with(&[TARGET_FIELDS, SOFT_FIELDS].concat()));
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
