//! Who hears when the notifier itself fails.

use super::*;
use billctl::config::Operations;
use billctl_core::model::Arn;

const ADDRESS: &str = "ops@example.com";

/// The billing side with this address under `[operations]`, whose rules may not start the notifier any more.
async fn broken() -> Story {
    let mut config = config();
    config.operations = Some(Operations::Mail(ADDRESS.to_owned()));
    let story = Story::begin_with(config).await;
    story.pass(HOUR);
    let role = story.config.names.rule_role.clone();
    let policies = story.services.iam.list_role_policies(&role).await.unwrap();
    for policy in policies {
        let iam = &story.services.iam;
        iam.delete_role_policy(&role, &policy).await.unwrap();
    }
    story
}

fn lose_an_event(story: &Story) {
    let account = story.account();
    let event = story.alarm_event(account);
    story.change(|world| eventbridge::from_member(world, account, &event));
    story.pass(HOUR);
}

#[tokio::test]
async fn an_event_that_reaches_nobody_is_heard_of_once_the_address_is_confirmed() {
    let story = broken().await;
    lose_an_event(&story);
    // The alarm went off, but nobody had clicked the link.
    let told = story.sandbox.peek(|world| world.sns.notifications().len());
    assert_eq!((told, story.mails().len()), (1, 0), "{:#?}", story.log());

    let story = broken().await;
    story.change(|world| assert!(world.sns.confirm(ADDRESS)));
    lose_an_event(&story);
    let mails = story.mails();
    assert_eq!(mails.len(), 1, "{:#?}", story.log());
    assert_eq!(mails[0].to, [ADDRESS]);
    assert_eq!(
        mails[0].subject,
        "ALARM: \"billctl-undelivered-waiting\" in US East (N. Virginia)"
    );
    assert!(
        mails[0].text.contains("events that reached nobody"),
        "{}",
        mails[0].text
    );
}

#[tokio::test]
async fn a_topic_with_the_aws_managed_key_is_told_nothing() {
    let story = broken().await;
    story.change(|world| {
        let payer = world.management_account();
        let topic: Arn = format!("arn:aws:sns:us-east-1:{payer}:billctl-operations")
            .parse()
            .unwrap();
        world.sns.add(&topic, Some("alias/aws/sns"));
    });
    lose_an_event(&story);
    let told = story.sandbox.peek(|world| world.sns.notifications().len());
    assert_eq!(told, 0);
}

#[tokio::test]
async fn the_failures_alarm_sees_an_execution_that_failed() {
    let story = broken().await;
    let name = story.config.names.failure_alarm();
    let names = [name];
    let state = async || {
        let found = story.services.cloudwatch.describe_alarms(&names).await;
        found.unwrap()[0].state
    };
    story.pass(HOUR);
    assert_eq!(state().await, AlarmState::Ok);
    // An event that the notifier refuses.
    let input = json!({"no": "event"});
    let machine = story.machine();
    let started = story.services.sfn.start_execution(&machine, "refused", &input);
    started.await.unwrap();
    story.pass(Duration::from_secs(120));
    assert_eq!(state().await, AlarmState::Alarm, "{:#?}", story.executions().await);
    let told = story.sandbox.peek(|world| world.sns.notifications().len());
    assert_eq!(told, 1);
    // A quarter of an hour later it is over, and that is nothing to hear of.
    story.pass(Duration::from_secs(900));
    assert_eq!(state().await, AlarmState::Ok);
    let told = story.sandbox.peek(|world| world.sns.notifications().len());
    assert_eq!(told, 1);
}
