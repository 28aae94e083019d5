use super::*;

#[tokio::test]
async fn a_new_account_gets_the_default_whatever_its_ou_mates_have() {
    let house = House::new().await;
    let request = house.overriding("op-1", AccountFilter::None, threshold("500"));
    house.create(&request).await;
    let ou = house.ou("Security");
    house.change(|world| world.add_account("security-new", &ou, Tags::new()).unwrap());
    house.pass(60);
    assert_eq!(house.live_threshold("security-new"), Some(100.0));
    assert!(house.overrides("security-new").await.is_empty());
    assert_eq!(house.live_threshold("security-audit"), Some(500.0));
    let operations = house.sandbox.list_operations(SET, None).await.unwrap();
    assert_eq!(operations.items.len(), 2);
}

#[tokio::test]
async fn auto_deployment_ignores_account_filters() {
    let house = House::new().await;
    let only = AccountFilter::Intersection(vec![house.account("security-audit")]);
    house.create(&house.request("op-1", "Security", only)).await;
    let (newcomer, ou) = (house.account("prod-web"), house.ou("Security"));
    house.change(|world| world.move_account(newcomer, &ou).unwrap());
    house.pass(60);
    assert!(house.instance("prod-web").await.is_some());
}

#[tokio::test]
async fn an_account_in_an_ou_that_is_no_target_gets_nothing() {
    let house = House::deployed().await;
    let ou = house.ou("Staging");
    house.change(|world| world.add_account("staging-new", &ou, Tags::new()).unwrap());
    house.pass(60);
    assert!(house.instance("staging-new").await.is_none());
}

#[tokio::test]
async fn with_auto_deployment_off_nothing_follows() {
    let house = House::new().await;
    let mut spec = spec();
    spec.auto_deployment.enabled = false;
    house.update_set(&spec, &easy(), "op-0").await;
    house.deploy("op-1", "Security").await;
    let ou = house.ou("Security");
    house.change(|world| world.add_account("security-new", &ou, Tags::new()).unwrap());
    house.pass(60);
    assert!(house.instance("security-new").await.is_none());
}

#[tokio::test]
async fn an_account_that_moves_between_targets_keeps_its_stack_and_its_override() {
    let house = House::deployed().await;
    house.deploy("op-2", "Staging").await;
    let account = house.account("security-audit");
    let request = house.overriding("op-3", AccountFilter::Intersection(vec![account]), threshold("500"));
    house.update(&request).await;
    let before = house.instance("security-audit").await.unwrap();
    let ou = house.ou("Staging");
    house.change(|world| world.move_account(account, &ou).unwrap());
    house.pass(60);
    let after = house.instance("security-audit").await.unwrap();
    assert_eq!(after.ou, Some(ou));
    assert_eq!(after.stack_id, before.stack_id);
    assert_eq!(house.live_threshold("security-audit"), Some(500.0));
}

#[tokio::test]
async fn an_account_that_leaves_the_targets_loses_its_stack() {
    let house = House::deployed().await;
    let (account, ou) = (house.account("security-audit"), house.ou("Empty"));
    house.change(|world| world.move_account(account, &ou).unwrap());
    house.pass(60);
    assert!(house.instance("security-audit").await.is_none());
    assert_eq!(house.live_threshold("security-audit"), None);
}

#[tokio::test]
async fn deleting_an_ous_instances_ends_it_as_a_target() {
    let house = House::deployed().await;
    house.delete("op-2", AccountFilter::None, false).await;
    let set = house.sandbox.describe_stack_set(SET).await.unwrap();
    assert!(set.organizational_units.is_empty());
    assert!(house.instances().await.is_empty());
    house.sandbox.delete_stack_set(SET).await.unwrap();
}

#[tokio::test]
async fn a_suspended_account_that_comes_back_is_reached_by_the_next_create() {
    let house = House::new().await;
    house.deploy("op-1", "Suspended").await;
    let account = house.account("old-campaign");
    house.change(|world| {
        world.set_account_state(account, AccountState::Active).unwrap();
    });
    house.deploy("op-2", "Suspended").await;
    assert_eq!(house.live_threshold("old-campaign"), Some(100.0));
}
