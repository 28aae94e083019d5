use std::collections::BTreeSet;

use super::*;
use billctl_core::service::Kind;

#[tokio::test]
async fn a_parent_includes_its_children_and_never_the_management_account() {
    let house = House::new().await;
    house.create(&house.everywhere("op-1")).await;
    let there = house.instances().await;
    let found: BTreeSet<_> = there.iter().map(|instance| instance.account).collect();
    let (all, management) = house.sandbox.peek(|world| {
        let all: BTreeSet<_> = world.organizations.account_ids().collect();
        (all, world.management_account())
    });
    assert_eq!(found.len(), all.len() - 1);
    assert!(!found.contains(&management));
    assert!(found.contains(&house.account("science-training")));
}

#[tokio::test]
async fn intersection_is_only_those_and_difference_all_but_those() {
    let house = House::new().await;
    let one = house.account("security-audit");
    let elsewhere = house.account("prod-web");
    let only = AccountFilter::Intersection(vec![one, elsewhere]);
    house.create(&house.request("op-1", "Security", only)).await;
    assert_eq!(house.instances().await.len(), 1);
    let but = AccountFilter::Difference(vec![house.account("security-tooling")]);
    house.create(&house.request("op-2", "Security", but)).await;
    assert_eq!(house.instances().await.len(), 2);
    assert!(house.instance("security-tooling").await.is_none());
}

#[tokio::test]
async fn create_leaves_what_exists_as_it_is() {
    let house = House::deployed().await;
    let request = house.overriding("op-2", AccountFilter::None, threshold("7"));
    assert_eq!(house.create(&request).await.status, OperationStatus::Succeeded);
    assert!(house.results("op-2").await.is_empty());
    assert_eq!(house.live_threshold("security-audit"), Some(100.0));
    assert!(house.overrides("security-audit").await.is_empty());
}

#[tokio::test]
async fn create_with_a_new_id_tries_again_what_failed() {
    let house = House::new().await;
    house.break_account("security-audit", "denied by policy");
    house.deploy("op-1", "Security").await;
    let failed = house.instance("security-audit").await.unwrap();
    assert_eq!(failed.status, InstanceStatus::Outdated);
    assert_eq!(failed.detailed_status, Some(DetailedStatus::Failed));
    assert_eq!(failed.reason, "denied by policy");
    house.mend_account("security-audit");
    house.deploy("op-2", "Security").await;
    assert_eq!(house.results("op-2").await.len(), 1);
    assert_eq!(house.live_threshold("security-audit"), Some(100.0));
}

#[tokio::test]
async fn an_update_overrides_keeps_and_resets() {
    let house = House::deployed().await;
    let named = AccountFilter::Intersection(vec![house.account("security-audit")]);
    let request = house.overriding(
        "op-2",
        named.clone(),
        Some(parameters(&[("Threshold", "500"), ("Measure", "six-hourly")])),
    );
    house.update(&request).await;
    assert_eq!(house.live_threshold("security-audit"), Some(500.0));
    assert_eq!(house.live_threshold("security-tooling"), Some(100.0));

    // Not sent: everything stays.
    let request = house.request("op-3", "Security", named.clone());
    house.update(&request).await;
    assert_eq!(house.overrides("security-audit").await.len(), 2);

    // Sent without a key: that one goes back to the StackSet's value.
    let request = house.overriding("op-4", named.clone(), threshold("600"));
    house.update(&request).await;
    assert_eq!(
        house.overrides("security-audit").await,
        parameters(&[("Threshold", "600")])
    );

    // Sent empty: all go back.
    let request = house.overriding("op-5", named, Some(Parameters::new()));
    house.update(&request).await;
    assert_eq!(house.live_threshold("security-audit"), Some(100.0));
}

#[tokio::test]
async fn an_update_of_what_is_not_there_finds_no_instance() {
    let house = House::new().await;
    for accounts in [
        AccountFilter::None,
        AccountFilter::Intersection(vec![house.account("security-audit")]),
    ] {
        let request = house.request("op-1", "Security", accounts);
        let error = house.sandbox.update_stack_instances(&request).await.unwrap_err();
        assert_eq!(
            (error.kind, code(&error)),
            (Kind::NotFound, "StackInstanceNotFoundException")
        );
    }
}

#[tokio::test]
async fn a_parameter_must_exist_before_it_can_be_overridden() {
    let house = House::new().await;
    let request = house.overriding("op-1", AccountFilter::None, Some(parameters(&[("Colour", "red")])));
    let error = house.sandbox.create_stack_instances(&request).await.unwrap_err();
    assert_eq!(code(&error), "ValidationError");
    assert!(error.message.contains("Colour"), "{error}");
}

#[tokio::test]
async fn targets_that_can_not_be_are_refused() {
    let house = House::new().await;
    let ou = house.ou("Security");
    let unknown: OuId = "ou-zzzz-zzzzzzzz".parse().unwrap();
    for (ous, accounts) in [
        (vec![unknown], AccountFilter::None),
        (Vec::new(), AccountFilter::None),
        (vec![ou.clone(); 51], AccountFilter::None),
        (vec![ou], AccountFilter::Intersection(Vec::new())),
    ] {
        let request = InstancesRequest {
            targets: Targets { ous, accounts },
            ..house.request("op-1", "Security", AccountFilter::None)
        };
        let error = house.sandbox.create_stack_instances(&request).await.unwrap_err();
        assert_eq!(code(&error), "ValidationError");
    }
    assert!(house.instances().await.is_empty());
}

#[tokio::test]
async fn an_empty_ou_is_an_operation_without_results_that_succeeds() {
    let house = House::new().await;
    let done = house.deploy("op-1", "Empty").await;
    assert_eq!(done.status, OperationStatus::Succeeded);
    assert!(house.results("op-1").await.is_empty());
}

#[tokio::test]
async fn a_suspended_account_is_skipped_and_is_no_failure() {
    let house = House::new().await;
    let mut request = house.request("op-1", "Suspended", AccountFilter::None);
    request.preferences = soft(CountOrPercent::Count(0), CountOrPercent::Count(1));
    let done = house.create(&request).await;
    assert_eq!(done.status, OperationStatus::Succeeded);
    assert_eq!(done.failed_instances, Some(0));
    let skipped = house.instance("old-campaign").await.unwrap();
    assert_eq!(skipped.detailed_status, Some(DetailedStatus::SkippedSuspendedAccount));
    assert_eq!(skipped.status, InstanceStatus::Outdated);
    assert_eq!(house.live_threshold("old-campaign"), None);
}

#[tokio::test]
async fn a_deletion_that_fails_leaves_an_inoperable_instance_that_retaining_cures() {
    let house = House::deployed().await;
    house.break_account("security-audit", "explicit deny");
    let named = AccountFilter::Intersection(vec![house.account("security-audit")]);
    house.delete("op-2", named.clone(), false).await;
    let broken = house.instance("security-audit").await.unwrap();
    assert_eq!(broken.status, InstanceStatus::Inoperable);

    // An update of the set leaves it out.
    house.update_set(&spec(), &easy(), "op-3").await;
    house.wait("op-3").await;
    let audit = house.account("security-audit");
    assert!(house.results("op-3").await.iter().all(|result| result.account != audit));

    house.delete("op-4", named, true).await;
    assert!(house.instance("security-audit").await.is_none());

    // The stack stayed, and its named resources are in the way until somebody deletes it.
    house.mend_account("security-audit");
    house.deploy("op-5", "Security").await;
    let taken = house.instance("security-audit").await.unwrap();
    assert!(taken.reason.contains("already exists"), "{}", taken.reason);
    house.edit(audit, HandEdit::DeleteRetainedStacks);
    house.deploy("op-6", "Security").await;
    let cured = house.instance("security-audit").await.unwrap();
    assert_eq!(cured.status, InstanceStatus::Current);
}

#[tokio::test]
async fn pages_hold_a_hundred() {
    let world = seed::world(&seed::Shape {
        accounts: 250,
        ous: 5,
        depth: 2,
        seed: 1,
    });
    let house = House::of(world).await;
    house.create(&house.everywhere("op-1")).await;
    let page = house.sandbox.list_stack_instances(SET, None, None).await.unwrap();
    assert_eq!(page.items.len(), 100);
    assert_eq!(house.instances().await.len(), 250);
    assert_eq!(house.results("op-1").await.len(), 250);
}
