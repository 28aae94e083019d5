#![expect(
    clippy::unwrap_used,
    reason = "a test: Clippy doesn't see it behind the feature's condition"
)]

use std::time::Duration;

use super::*;
use crate::plan::rollout::InstanceStep;
use billctl_core::event::NullListener;
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, ConcurrencyMode, CountOrPercent, StackSetSpec, Targets, UPDATE_STACK_INSTANCES,
};
use billctl_sandbox::faults::FaultAction;
use billctl_sandbox::{Sandbox, seed};

const PREFERENCES: Preferences = Preferences {
    tolerance: CountOrPercent::Count(0),
    concurrency: CountOrPercent::Count(1),
    mode: ConcurrencyMode::Soft,
};

/// An update of one account's instance.
fn rollout(targets: Targets, account: AccountId) -> Rollout {
    Rollout {
        spec: StackSetSpec {
            name: "billctl".into(),
            description: String::new(),
            template: "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {AssumeRolePolicyDocument: {}}}}".into(),
            parameters: Default::default(),
            tags: Default::default(),
            auto_deployment: AutoDeployment {
                enabled: true,
                retain_stacks: false,
            },
        },
        creates_stack_set: false,
        stack_set: Vec::new(),
        accounts: Default::default(),
        steps: vec![Step::Instances(InstanceStep {
            action: StepAction::Update,
            targets,
            overrides: Some(Default::default()),
            mark: Mark::Override(None),
            accounts: vec![account],
        })],
        notes: Vec::new(),
    }
}

fn refused() -> ServiceError {
    ServiceError::new(
        UPDATE_STACK_INSTANCES,
        Kind::Busy,
        "OperationInProgressException",
        "another operation is in progress",
    )
}

/// Carries the rollout out on a CloudFormation that refuses the update because an operation is in progress: ours, which
/// it took before its answer got lost, or another one.
async fn refuse(ours: bool) -> Result<Report> {
    let sandbox = Sandbox::with_fates(seed::demo(), move |operation| match operation {
        UPDATE_STACK_INSTANCES if ours => FaultAction::Lose(refused()),
        UPDATE_STACK_INSTANCES => FaultAction::Refuse(refused()),
        _ => FaultAction::Pass,
    });
    let services = sandbox.services();
    let (account, ou) = sandbox.peek(|world| {
        let mut accounts = world.organizations.accounts();
        let (account, ou) = accounts.find(|(account, _)| account.name == "security-audit").unwrap();
        (account.id, ou.clone())
    });
    let targets = Targets {
        ous: vec![ou],
        accounts: AccountFilter::Intersection(vec![account]),
    };
    let rollout = rollout(targets.clone(), account);
    let cloudformation = &services.cloudformation;
    cloudformation.activate_organizations_access().await?;
    cloudformation.create_stack_set(&rollout.spec, "token").await?;
    let create = InstancesRequest {
        stack_set: rollout.spec.name.clone(),
        targets,
        overrides: None,
        preferences: PREFERENCES,
        operation_id: OperationId("op-1".into()),
    };
    cloudformation.create_stack_instances(&create).await?;
    services.clock.sleep(Duration::from_secs(600)).await;
    let report = apply(
        &services,
        &NullListener,
        &rollout,
        &Observed::default(),
        &PREFERENCES,
        Wait::Finish,
    )
    .await;
    assert_eq!(services.gate.counts()[&UPDATE_STACK_INSTANCES].calls, 1);
    report
}

#[tokio::test]
async fn a_request_whose_answer_got_lost_is_not_taken_for_another_ones_operation() {
    // Sent again, it is refused because of itself.
    let report = refuse(true).await.unwrap();
    assert!(report.overtaken.is_none());
    assert_eq!(report.outcomes.len(), 1);
    assert!(!report.has_failures());
}

#[tokio::test]
async fn a_refusal_because_of_another_operation_has_the_rest_planned_afresh() {
    let report = refuse(false).await.unwrap();
    assert_eq!(report.overtaken, Some(refused()));
    assert_eq!(report.not_reached, 1);
}
