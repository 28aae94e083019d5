use super::*;
use billctl_core::service::cloudformation::{DriftStatus, InstanceFilter};

async fn detect(house: &House, operation: &str) {
    house.sandbox.detect_drift(SET, &easy(), &id(operation)).await.unwrap();
    house.wait(operation).await;
}

#[tokio::test]
async fn an_edited_alarm_is_drift_with_the_property_that_differs() {
    let house = House::deployed().await;
    let account = house.account("security-audit");
    house.edit(account, HandEdit::AlarmThreshold(250.0));
    assert_eq!(
        house.instance("security-audit").await.unwrap().drift,
        DriftStatus::NotChecked
    );
    detect(&house, "op-2").await;
    let drifted = house
        .sandbox
        .list_stack_instances(SET, Some(InstanceFilter::Drift(DriftStatus::Drifted)), None)
        .await
        .unwrap();
    assert_eq!(drifted.items.len(), 1);
    assert_eq!(drifted.items[0].account, account);
    // Drift detection is no operation on the instance's stack.
    assert_eq!(drifted.items[0].last_operation, Some(id("op-1")));
    let drifts = house.drifts(account, "op-2").await;
    let alarm = drifts.iter().find(|drift| drift.status == "MODIFIED").unwrap();
    assert_eq!(alarm.differences.len(), 1);
    assert_eq!(alarm.differences[0].path, "/Threshold");
    assert_eq!(alarm.differences[0].expected, "100");
    assert_eq!(alarm.differences[0].actual, "250.0");
    let all = house.instances().await;
    let others = all.iter().filter(|instance| instance.drift == DriftStatus::InSync);
    assert_eq!(others.count(), 2);
}

#[tokio::test]
async fn an_overridden_threshold_is_no_drift() {
    let house = House::new().await;
    let request = house.overriding("op-1", AccountFilter::None, threshold("12.50"));
    house.create(&request).await;
    detect(&house, "op-2").await;
    let all = house.instances().await;
    assert!(all.iter().all(|instance| instance.drift == DriftStatus::InSync));
}

#[tokio::test]
async fn a_hand_deleted_alarm_is_drift_and_makes_the_next_change_of_it_fail() {
    let house = House::deployed().await;
    let account = house.account("security-audit");
    house.edit(account, HandEdit::DeleteAlarm);
    assert_eq!(house.live_threshold("security-audit"), None);
    detect(&house, "op-2").await;
    let drifts = house.drifts(account, "op-2").await;
    assert!(
        drifts
            .iter()
            .any(|drift| drift.status == "DELETED" && drift.resource_type == "AWS::CloudWatch::Alarm")
    );

    let only = AccountFilter::Intersection(vec![account]);
    let request = house.overriding("op-3", only.clone(), threshold("500"));
    house.update(&request).await;
    let results = house.results("op-3").await;
    assert_eq!(results[0].status, DetailedStatus::Failed);
    assert!(results[0].reason.contains("was not found"), "{results:?}");
    // Wanted, but not there.
    assert_eq!(house.overrides("security-audit").await["Threshold"], "500");

    // Deleting and creating the instance fixes it.
    house.delete("op-4", only.clone(), false).await;
    let request = house.overriding("op-5", only, threshold("500"));
    house.create(&request).await;
    assert_eq!(house.live_threshold("security-audit"), Some(500.0));
}

#[tokio::test]
async fn an_update_that_leaves_the_alarm_alone_does_not_notice() {
    let house = House::deployed().await;
    let account = house.account("security-audit");
    house.edit(account, HandEdit::DeleteAlarm);
    let request = house.request("op-2", "Security", AccountFilter::None);
    assert_eq!(house.update(&request).await.failed_instances, Some(0));
    assert_eq!(house.live_threshold("security-audit"), None);
}

#[tokio::test]
async fn a_change_of_the_alarm_puts_right_what_was_edited_by_hand() {
    let house = House::deployed().await;
    let account = house.account("security-audit");
    house.edit(account, HandEdit::AlarmThreshold(1.0));
    assert_eq!(house.live_threshold("security-audit"), Some(1.0));
    let request = house.overriding("op-2", AccountFilter::None, threshold("300"));
    house.update(&request).await;
    assert_eq!(house.live_threshold("security-audit"), Some(300.0));
}

#[tokio::test]
async fn drift_is_looked_for_once_at_a_time() {
    let house = House::deployed().await;
    house.sandbox.detect_drift(SET, &easy(), &id("op-2")).await.unwrap();
    let error = house.sandbox.detect_drift(SET, &easy(), &id("op-3")).await.unwrap_err();
    assert_eq!(code(&error), "OperationInProgressException");
}
