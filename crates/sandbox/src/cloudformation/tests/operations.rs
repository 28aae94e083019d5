use super::*;
use billctl_core::service::Kind;

/// Production: 15 accounts with all below.
const COUNT: usize = 15;

#[tokio::test]
async fn an_operation_takes_time_and_goes_so_many_accounts_at_once() {
    let house = House::new().await;
    let mut request = house.request("op-1", "Production", AccountFilter::None);
    // 25 % of 15 is 3.75: rounded down.
    request.preferences = soft(CountOrPercent::Percent(0), CountOrPercent::Percent(25));
    house.sandbox.create_stack_instances(&request).await.unwrap();
    let running = async || house.count("op-1", DetailedStatus::Running).await;
    assert_eq!(house.status("op-1").await.status, OperationStatus::Running);
    assert_eq!(house.results("op-1").await.len(), COUNT);
    assert_eq!(running().await, 3);
    house.pass(45);
    assert_eq!(running().await, 3);
    let done = house.wait("op-1").await;
    assert!(done.ended.unwrap() > done.created.unwrap());
    assert_eq!(house.live_threshold("payments-prod"), Some(100.0));
}

#[tokio::test]
async fn a_percentage_of_few_is_still_one() {
    let house = House::new().await;
    let mut request = house.request("op-1", "Security", AccountFilter::None);
    request.preferences = soft(CountOrPercent::Percent(0), CountOrPercent::Percent(1));
    assert_eq!(house.create(&request).await.status, OperationStatus::Succeeded);
}

#[tokio::test]
async fn success_within_the_tolerance_hides_failures() {
    let house = House::new().await;
    house.break_account("payments-prod", "explicit deny");
    let mut request = house.request("op-1", "Production", AccountFilter::None);
    request.preferences = soft(CountOrPercent::Percent(10), CountOrPercent::Count(5));
    let done = house.create(&request).await;
    assert_eq!(done.status, OperationStatus::Succeeded);
    assert_eq!(done.failed_instances, Some(1));
}

#[tokio::test]
async fn beyond_the_tolerance_the_rest_is_cancelled() {
    let house = House::new().await;
    let production = house.ou("Production");
    let first = house
        .sandbox
        .peek(|world| world.organizations.accounts_below(&production).pop_first())
        .unwrap();
    house.change(|world| world.faults.accounts.insert(first, "explicit deny".into()));
    let mut request = house.request("op-1", "Production", AccountFilter::None);
    request.preferences = soft(CountOrPercent::Count(0), CountOrPercent::Count(1));
    let done = house.create(&request).await;
    assert_eq!(done.status, OperationStatus::Failed);
    assert_eq!(house.count("op-1", DetailedStatus::Cancelled).await, COUNT - 1);
    let all = house.instances().await;
    assert_eq!(all.len(), COUNT);
    assert!(all.iter().all(|instance| instance.status == InstanceStatus::Outdated));
}

#[tokio::test]
async fn soft_tolerance_keeps_its_pace_and_strict_goes_one_above_the_tolerance() {
    for (mode, at_once) in [(ConcurrencyMode::Soft, 10), (ConcurrencyMode::Strict, 3)] {
        let house = House::new().await;
        let mut request = house.request("op-1", "Production", AccountFilter::None);
        request.preferences = Preferences {
            tolerance: CountOrPercent::Count(2),
            concurrency: CountOrPercent::Count(10),
            mode,
        };
        house.sandbox.create_stack_instances(&request).await.unwrap();
        assert_eq!(house.count("op-1", DetailedStatus::Running).await, at_once);
    }
}

#[tokio::test]
async fn with_managed_execution_a_second_operation_queues_and_then_runs() {
    let house = House::new().await;
    let request = house.request("op-1", "Security", AccountFilter::None);
    house.sandbox.create_stack_instances(&request).await.unwrap();
    let request = house.request("op-2", "Staging", AccountFilter::None);
    house.sandbox.create_stack_instances(&request).await.unwrap();
    assert_eq!(house.status("op-2").await.status, OperationStatus::Queued);
    assert!(house.results("op-2").await.is_empty());
    house.wait("op-2").await;
    let (one, two) = (house.status("op-1").await, house.status("op-2").await);
    assert!(two.ended > one.ended);
    // Newest first, as the CLI's example shows.
    let listed = house.sandbox.list_operations(SET, None).await.unwrap();
    assert_eq!(listed.items[0].id, id("op-2"));
}

#[tokio::test]
async fn without_it_a_second_operation_is_refused() {
    let house = House::new().await;
    house.sandbox.set_managed_execution(SET, false).await.unwrap();
    let request = house.request("op-1", "Security", AccountFilter::None);
    house.sandbox.create_stack_instances(&request).await.unwrap();
    let request = house.request("op-2", "Staging", AccountFilter::None);
    let error = house.sandbox.create_stack_instances(&request).await.unwrap_err();
    assert_eq!((error.kind, code(&error)), (Kind::Busy, "OperationInProgressException"));
    // Nor can the setting change meanwhile, or the set go away.
    assert!(house.sandbox.set_managed_execution(SET, true).await.is_err());
    assert!(house.sandbox.delete_stack_set(SET).await.is_err());
    house.wait("op-1").await;
    house.sandbox.create_stack_instances(&request).await.unwrap();
}

#[tokio::test]
async fn an_operation_id_works_once() {
    let house = House::deployed().await;
    let request = house.request("op-1", "Staging", AccountFilter::None);
    let error = house.sandbox.create_stack_instances(&request).await.unwrap_err();
    assert_eq!(
        (error.kind, code(&error)),
        (Kind::Exists, "OperationIdAlreadyExistsException")
    );
    for wrong in ["", "-x", "a b", &"x".repeat(129)] {
        let request = house.request(wrong, "Staging", AccountFilter::None);
        let error = house.sandbox.create_stack_instances(&request).await.unwrap_err();
        assert_eq!(code(&error), "ValidationError");
    }
}

#[tokio::test]
async fn a_stopped_operation_finishes_what_it_began_and_cancels_the_rest() {
    let house = House::new().await;
    let mut request = house.request("op-1", "Production", AccountFilter::None);
    request.preferences = soft(CountOrPercent::Count(0), CountOrPercent::Count(4));
    house.sandbox.create_stack_instances(&request).await.unwrap();
    house.sandbox.stop_operation(SET, &id("op-1")).await.unwrap();
    assert_eq!(house.status("op-1").await.status, OperationStatus::Stopping);
    assert_eq!(house.wait("op-1").await.status, OperationStatus::Stopped);
    assert_eq!(house.count("op-1", DetailedStatus::Succeeded).await, 4);
    assert_eq!(house.count("op-1", DetailedStatus::Cancelled).await, COUNT - 4);
    let error = house.sandbox.stop_operation(SET, &id("op-1")).await.unwrap_err();
    assert_eq!(code(&error), "InvalidOperationException");
    let error = house.sandbox.stop_operation(SET, &id("nobody")).await.unwrap_err();
    assert_eq!(code(&error), "OperationNotFoundException");
}

#[tokio::test]
async fn a_running_operation_survives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let house = House::new().await;
    let mut request = house.request("op-1", "Production", AccountFilter::None);
    request.preferences = soft(CountOrPercent::Count(0), CountOrPercent::Count(4));
    let first = Sandbox::create(&path, house.sandbox.world(), false).unwrap();
    first.create_stack_instances(&request).await.unwrap();
    drop(first);
    let sandbox = Sandbox::open(&path, CallAs::Own).unwrap();
    let house = House { sandbox };
    assert_eq!(house.wait("op-1").await.status, OperationStatus::Succeeded);
    assert_eq!(house.instances().await.len(), COUNT);
}

#[tokio::test]
async fn lists_are_as_far_behind_as_they_are_told_to_be_and_descriptions_are_not() {
    let house = House::new().await;
    house.change(|world| world.faults.lag = 30);
    let request = house.request("op-1", "Security", AccountFilter::None);
    house.sandbox.create_stack_instances(&request).await.unwrap();
    let listed = async || {
        let operations = house.sandbox.list_operations(SET, None).await.unwrap().items;
        let instances = house.sandbox.list_stack_instances(SET, None, None).await.unwrap().items;
        (operations, instances)
    };
    let (operations, instances) = listed().await;
    assert!(operations.is_empty() && instances.is_empty());
    assert_eq!(house.status("op-1").await.status, OperationStatus::Running);

    // The last of them ends within 40 seconds.
    house.pass(41);
    assert_eq!(house.status("op-1").await.status, OperationStatus::Succeeded);
    let (operations, instances) = listed().await;
    assert_eq!(operations[0].status, OperationStatus::Running);
    assert!(instances.len() < 3, "{instances:?}");
    assert!(house.count("op-1", DetailedStatus::Running).await > 0);

    house.pass(31);
    let (operations, instances) = listed().await;
    assert_eq!(operations[0].status, OperationStatus::Succeeded);
    assert_eq!(instances.len(), 3);
}
