#![expect(
    clippy::unwrap_used,
    reason = "a test: Clippy doesn't see it behind the feature's condition"
)]

use std::sync::Arc;

use super::*;
use crate::mock::MockCloudFormation;
use crate::plan::rollout::InstanceStep;
use billctl_core::event::NullListener;
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, ConcurrencyMode, CountOrPercent, OperationAction, StackSetOperation, StackSetSpec,
    Targets, UPDATE_STACK_INSTANCES,
};
use billctl_sandbox::{Sandbox, seed};

const PREFERENCES: Preferences = Preferences {
    tolerance: CountOrPercent::Count(0),
    concurrency: CountOrPercent::Count(1),
    mode: ConcurrencyMode::Soft,
};

fn rollout() -> Rollout {
    let account = "222222222222".parse().unwrap();
    Rollout {
        spec: StackSetSpec {
            name: "billctl".into(),
            description: String::new(),
            template: "Resources: {}".into(),
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
            targets: Targets {
                ous: vec!["ou-ab12-aaaaaaaa".parse().unwrap()],
                accounts: AccountFilter::Intersection(vec![account]),
            },
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

fn ended(id: &OperationId) -> StackSetOperation {
    StackSetOperation {
        id: id.clone(),
        action: OperationAction::Update,
        status: billctl_core::service::cloudformation::OperationStatus::Succeeded,
        created: None,
        ended: None,
        failed_instances: Some(0),
        targets: None,
        reason: None,
    }
}

/// Carries the rollout out on a CloudFormation that refuses the update because an operation is in progress.
async fn refuse(ours: bool) -> Result<Report> {
    let mut cloudformation = MockCloudFormation::new();
    cloudformation
        .expect_update_stack_instances()
        .times(1)
        .returning(|_| Err(refused()));
    cloudformation
        .expect_describe_operation()
        .returning(move |_, id| match ours {
            true => Ok(ended(id)),
            false => Err(ServiceError {
                kind: Kind::NotFound,
                ..refused()
            }),
        });
    cloudformation
        .expect_list_operation_results()
        .returning(|_, _, _, _| Ok(billctl_core::service::Page::last(Vec::new())));
    let services = Services {
        cloudformation: Arc::new(cloudformation),
        ..Sandbox::in_memory(seed::demo()).services()
    };
    apply(
        &services,
        &NullListener,
        &rollout(),
        &Observed::default(),
        &PREFERENCES,
        Wait::Finish,
    )
    .await
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
