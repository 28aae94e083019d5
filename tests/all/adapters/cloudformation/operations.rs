use billctl_core::service::cloudformation::{
    AccountFilter, DetailedStatus, OperationAction, OperationResult, OperationStatus, PropertyDifference,
    ResourceDrift, StackSetOperation,
};
use billctl_core::service::{Kind, Page};

use super::super::replay::xml;
use super::*;

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
            ..operation("op-2", OperationAction::DetectDrift, OperationStatus::Queued)
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
    wire.sent_form("DescribeStackSetOperation", &with(&[("OperationId", "op-1")]));
    let expected = StackSetOperation {
        created: Some("2026-03-01T00:00:00Z".parse().unwrap()),
        failed_instances: Some(0),
        targets: Some(targets(AccountFilter::Difference(vec![account("222222222222")]))),
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
        .list_operation_results("billctl", &id("op-1"), None, None)
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
async fn list_operation_results_of_one_status() {
    let wire = xml("ListStackSetOperationResults", "<Summaries/>");
    let page = aws(&wire)
        .list_operation_results("billctl", &id("op-1"), Some(DetailedStatus::Failed), None)
        .await;
    wire.sent_form(
        "ListStackSetOperationResults",
        &with(&[
            ("OperationId", "op-1"),
            ("MaxResults", "100"),
            ("Filters.member.1.Name", "OPERATION_RESULT_STATUS"),
            ("Filters.member.1.Values", "FAILED"),
        ]),
    );
    assert_eq!(page, Ok(Page::last(Vec::new())));
}

#[tokio::test]
async fn stop_operation() {
    let wire = xml("StopStackSetOperation", "");
    aws(&wire).stop_operation("billctl", &id("op-1")).await.unwrap();
    wire.sent_form("StopStackSetOperation", &with(&[("OperationId", "op-1")]));
}

#[tokio::test]
async fn detect_drift() {
    let wire = xml("DetectStackSetDrift", STARTED);
    let started = aws(&wire).detect_drift("billctl", &STRICT, &id("op-1")).await;
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
