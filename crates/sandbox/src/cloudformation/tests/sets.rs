use super::*;
use billctl_core::service::Kind;

#[tokio::test]
async fn without_trusted_access_no_stack_set_can_be_made() {
    let sandbox = Sandbox::in_memory(seed::demo());
    assert_eq!(
        sandbox.describe_organizations_access().await.unwrap(),
        OrganizationsAccess::Disabled
    );
    let error = sandbox.create_stack_set(&spec(), "t").await.unwrap_err();
    assert_eq!((error.kind, code(&error)), (Kind::Invalid, "ValidationError"));
    sandbox.activate_organizations_access().await.unwrap();
    sandbox.create_stack_set(&spec(), "t").await.unwrap();
}

#[tokio::test]
async fn a_name_is_taken_unless_it_is_the_same_request_again() {
    let house = House::new().await;
    house.sandbox.create_stack_set(&spec(), "token").await.unwrap();
    let error = house.sandbox.create_stack_set(&spec(), "another").await.unwrap_err();
    assert_eq!((error.kind, code(&error)), (Kind::Exists, "NameAlreadyExistsException"));
}

#[tokio::test]
async fn a_template_that_is_too_long_or_no_template_is_refused() {
    let house = House::new().await;
    for template in [
        format!("{TEMPLATE}\n#{}", "x".repeat(51_200)),
        "Resources: {}".into(),
        "Transform: X\nResources: {}".into(),
    ] {
        let spec = StackSetSpec {
            name: "other".into(),
            template,
            ..spec()
        };
        let error = house.sandbox.create_stack_set(&spec, "t").await.unwrap_err();
        assert_eq!(code(&error), "ValidationError");
    }
}

#[tokio::test]
async fn a_stack_set_with_instances_can_not_be_deleted_and_an_absent_one_is() {
    let house = House::deployed().await;
    let error = house.sandbox.delete_stack_set(SET).await.unwrap_err();
    assert_eq!(code(&error), "StackSetNotEmptyException");
    house.sandbox.delete_stack_set("nobody").await.unwrap();
}

#[tokio::test]
async fn updating_the_set_keeps_overrides_and_changes_everyone_else() {
    let house = House::new().await;
    let named = house.account("security-audit");
    let request = house.overriding("op-1", AccountFilter::Intersection(vec![named]), threshold("500"));
    house.create(&request).await;
    house.deploy("op-2", "Security").await;
    let mut spec = spec();
    spec.parameters.insert("Threshold".into(), "42".into());
    house.update_set(&spec, &easy(), "op-3").await;
    let all = house.instances().await;
    assert!(all.iter().all(|instance| instance.status == InstanceStatus::Outdated));
    house.wait("op-3").await;
    assert_eq!(house.live_threshold("security-audit"), Some(500.0));
    assert_eq!(house.live_threshold("security-tooling"), Some(42.0));
    let all = house.instances().await;
    assert!(all.iter().all(|instance| instance.last_operation == Some(id("op-3"))));
}

#[tokio::test]
async fn an_update_with_targets_changes_only_those_and_marks_all_others_outdated() {
    let house = House::deployed().await;
    let named = house.account("security-audit");
    let mut spec = spec();
    spec.parameters.insert("Threshold".into(), "42".into());
    spec.auto_deployment.enabled = !spec.auto_deployment.enabled;
    let targets = house
        .request("", "Security", AccountFilter::Intersection(vec![named]))
        .targets;
    let update = async |operation: &str| {
        let sandbox = &house.sandbox;
        sandbox
            .update_stack_set(&spec, Some(targets.clone()), &easy(), &id(operation))
            .await
            .unwrap();
        house.wait(operation).await;
        let mut outdated = house.instances().await;
        outdated.retain(|instance| instance.status == InstanceStatus::Outdated);
        outdated.len()
    };
    assert_eq!(update("op-2").await, 2);
    assert_eq!(house.live_threshold("security-audit"), Some(42.0));
    assert_eq!(house.live_threshold("security-tooling"), Some(100.0));
    let stored = house.sandbox.describe_stack_set(SET).await.unwrap();
    assert_eq!(stored.parameters["Threshold"], "42");
    // Auto-deployment can't be sent with targets, so it stays as it was.
    assert_ne!(stored.auto_deployment, Some(spec.auto_deployment));

    // A later operation takes up what is behind, and an update that changes nothing marks nobody.
    let request = house.request("op-3", "Security", AccountFilter::Difference(vec![named]));
    house.update(&request).await;
    assert_eq!(house.live_threshold("security-tooling"), Some(42.0));
    assert_eq!(update("op-4").await, 0);
}

#[tokio::test]
async fn an_update_with_targets_needs_instances_there() {
    let house = House::deployed().await;
    let targets = house.request("", "Production", AccountFilter::None).targets;
    let refused = house
        .sandbox
        .update_stack_set(&spec(), Some(targets), &easy(), &id("op-2"))
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "StackInstanceNotFoundException");
}

#[tokio::test]
async fn a_failed_update_stores_the_template_all_the_same_and_leaves_instances_behind() {
    let house = House::deployed().await;
    for name in ["security-audit", "security-tooling", "security-log-archive"] {
        house.break_account(name, "explicit deny in a service control policy");
    }
    let mut spec = spec();
    spec.parameters.insert("Threshold".into(), "42".into());
    let careful = soft(CountOrPercent::Count(0), CountOrPercent::Count(1));
    house.update_set(&spec, &careful, "op-2").await;
    assert_eq!(house.wait("op-2").await.status, OperationStatus::Failed);
    let stored = house.sandbox.describe_stack_set(SET).await.unwrap();
    assert_eq!(stored.parameters["Threshold"], "42");
    let all = house.instances().await;
    assert!(all.iter().all(|instance| instance.status == InstanceStatus::Outdated));
    assert_eq!(house.live_threshold("security-audit"), Some(100.0));
}

#[tokio::test]
async fn a_member_that_forgets_call_as_finds_nothing_and_an_administrator_finds_it() {
    let house = House::new().await;
    let tooling = house.account("security-tooling");
    let mut world = house.sandbox.world();
    world.caller = tooling;
    let forgot = Sandbox::in_memory(world.clone());
    let error = forgot.describe_stack_set(SET).await.unwrap_err();
    assert_eq!(
        (error.kind, code(&error)),
        (Kind::NotFound, "StackSetNotFoundException")
    );
    let unregistered = Sandbox::in_memory_as(world.clone(), CallAs::DelegatedAdmin);
    let error = unregistered.describe_stack_set(SET).await.unwrap_err();
    assert_eq!(code(&error), "ValidationError");
    world.organizations.stacksets_administrators.insert(tooling);
    let registered = Sandbox::in_memory_as(world.clone(), CallAs::DelegatedAdmin);
    registered.describe_stack_set(SET).await.unwrap();
    let error = registered.activate_organizations_access().await.unwrap_err();
    assert_eq!(code(&error), "InvalidOperationException");
    world.caller = world.management_account();
    let wrong = Sandbox::in_memory_as(world, CallAs::DelegatedAdmin);
    assert!(wrong.describe_stack_set(SET).await.is_err());
}
