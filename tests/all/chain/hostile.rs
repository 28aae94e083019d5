//! What somebody who rules a member account can't do to others' mail (docs/notifier.md, "What a member account can
//! and cannot do").

use super::*;
use billctl_sandbox::metrics::Published;

/// In every text that a member or a namer of things can choose.
const MARKUP: &str = "<img src=x onerror=alert(1)>\"'{{subject}}</td>\r\nBcc: eve@evil.example";

impl Story {
    /// An event past the member's own rule, as somebody who changed that rule would send it.
    fn forge(&self, event: &Value) -> Result<(), String> {
        let account: AccountId = event["account"].as_str().unwrap().parse().unwrap();
        let sent = self.change(|world| {
            let role = world.member_role(account).unwrap().arn.to_string();
            let bus = world.member_rule(account).unwrap().target;
            eventbridge::from_account(world, account, &role, &bus, event)
        });
        self.pass(HOUR);
        sent
    }

    fn owner(&self) -> String {
        let account = self.account();
        self.sandbox.peek(|world| {
            let tags = world.organizations.tags(account).unwrap();
            match tags.get("owner") {
                Some(owner) => owner.clone(),
                None => world.organizations.account(account).unwrap().email.clone(),
            }
        })
    }
}

#[tokio::test]
async fn recipients_in_an_event_are_never_read() {
    let story = Story::begin().await;
    story.above();
    let mut event = story.alarm_event(story.account());
    let eve = json!(["eve@evil.example"]);
    event["account_email"] = eve.clone();
    event["detail"]["recipients"] = eve.clone();
    event["detail"]["owner"] = eve.clone();
    event["detail"]["account"] = json!("999999999999");
    event["detail"]["configuration"] = json!({"ToAddresses": eve, "description": MARKUP});
    story.forge(&event).unwrap();
    let mails = story.mails();
    assert_eq!(mails.len(), 1, "{:#?}", story.executions().await);
    assert_eq!(mails[0].to, [story.owner().to_lowercase()]);
    assert!(mails[0].cc.is_empty());
    assert_eq!(mails[0].account(), Some(story.account().to_string().as_str()));
}

#[tokio::test]
async fn the_events_amounts_and_limit_are_never_shown() {
    let story = Story::begin().await;
    story.above();
    let mut event = story.alarm_event(story.account());
    let told = json!({"threshold": 0.5, "recentDatapoints": [987_654.32]});
    event["detail"]["state"]["reasonData"] = json!(told.to_string());
    event["detail"]["state"]["reason"] = json!("Threshold Crossed: 987654.32 > 0.5");
    event["detail"]["configuration"] = json!({"threshold": 0.5});
    story.forge(&event).unwrap();
    let mails = story.mails();
    assert_eq!(mails.len(), 1, "{:#?}", story.executions().await);
    for part in [&mails[0].subject, &mails[0].html, &mails[0].text] {
        assert!(!part.contains("987,654") && !part.contains("$0.50"), "{part}");
        assert!(part.contains("$100.00"), "{part}");
    }
}

#[tokio::test]
async fn no_markup_gets_into_the_mail_through_names_tags_reasons_or_services() {
    let story = Story::begin().await;
    let account = story.account();
    story.change(|world| {
        world.organizations.rename_account(account, MARKUP);
        if let Some(tags) = world.organizations.tags_mut(account) {
            tags.insert("owner".into(), format!("ada@example.org {MARKUP}"));
        }
        let start = world.now - jiff::SignedDuration::from_hours(16 * 24);
        let series = |daily: f64| -> Vec<(jiff::Timestamp, f64)> {
            (0..64)
                .map(|n| {
                    let at = start + jiff::SignedDuration::from_hours(6 * n);
                    let spike = if n > 60 { 500.0 } else { 0.0 };
                    (at, daily * n as f64 / 4.0 + spike)
                })
                .collect()
        };
        let published = Published {
            total: series(10.0),
            services: BTreeMap::from([(MARKUP.to_owned(), series(9.0))]),
        };
        metrics::publish(world, account, published);
    });
    let mut event = story.alarm_event(account);
    event["detail"]["state"]["reason"] = json!(MARKUP);
    event["detail"]["alarmName"] = json!("Billing-Alarm");
    event["detail"]["configuration"] = json!({"description": MARKUP});
    story.forge(&event).unwrap();
    // The forged one, and perhaps one of the alarm itself: the series is above its threshold.
    let mails = story.mails();
    assert!(!mails.is_empty(), "{:#?}", story.executions().await);
    for mail in &mails {
        let html = &mail.html;
        assert!(!html.contains("<img") && !html.contains("alert(1)>"), "{html}");
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"), "{html}");
        assert!(html.contains("{{subject}}"), "rendered again: {html}");
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
        // Tags are the management account's to set: whatever is an address in one is written to, and nothing else.
        assert_eq!(mail.to, ["ada@example.org", "eve@evil.example"]);
    }
}

#[tokio::test]
async fn another_alarm_of_the_account_sends_nothing() {
    let story = Story::begin().await;
    let mut event = story.alarm_event(story.account());
    let arn = format!("arn:aws:cloudwatch:us-east-1:{}:alarm:{MARKUP}", story.account());
    event["resources"] = json!([arn]);
    story.forge(&event).unwrap();
    assert!(story.mails().is_empty());
    assert!(
        story
            .executions()
            .await
            .iter()
            .all(|(_, _, output)| output.as_ref().is_some_and(|output| output["result"] == "ignored")),
        "{:#?}",
        story.executions().await
    );
}

#[tokio::test]
async fn a_member_can_send_neither_test_events_nor_events_of_its_own_making() {
    let story = Story::begin().await;
    for (source, kind) in [
        ("billctl.test", "billctl Test Alarm"),
        ("aws.cloudwatch", "Something Else"),
        ("my.app", "CloudWatch Alarm State Change"),
    ] {
        let mut event = story.alarm_event(story.account());
        event["source"] = json!(source);
        event["detail-type"] = json!(kind);
        let refused = story.forge(&event).unwrap_err();
        assert!(refused.contains("policy"), "{refused}");
    }
    assert!(story.executions().await.is_empty());
}

#[tokio::test]
async fn the_notifiers_role_sends_as_the_configured_address_alone() {
    let story = Story::begin_with(
        Config::parse(
            "config.toml",
            "[mail]\nfrom = \"billing@example.com\"\nidentity = \"example.com\"\n",
        )
        .unwrap(),
    )
    .await;
    let payer = story.sandbox.peek(World::management_account);
    let machine: Arn = format!(
        "arn:aws:states:us-east-1:{payer}:stateMachine:{}",
        story.config.names.notifier
    )
    .parse()
    .unwrap();
    let there = story.services.sfn.describe_state_machine(&machine).await.unwrap();
    let mut definition = there.definition;
    definition["States"]["Configure"]["Assign"]["from"] = json!("ceo@example.com");
    story
        .services
        .sfn
        .update_state_machine(&machine, &definition, &there.role_arn)
        .await
        .unwrap();
    story.above();
    story.forge(&story.alarm_event(story.account())).unwrap();
    assert!(story.mails().is_empty());
    assert!(
        story.executions().await.iter().any(|(_, cause, _)| cause
            .as_ref()
            .is_some_and(|cause| cause.contains("not authorized to perform: ses:SendEmail"))),
        "{:#?}",
        story.executions().await
    );
}

#[tokio::test]
async fn ten_thousand_flips_of_an_alarm_in_an_hour_bring_the_days_mails_and_no_more() {
    let story = Story::begin().await;
    story.above();
    let mut event = story.alarm_event(story.account());
    story.change(|world| {
        let account = event["account"].as_str().unwrap().parse().unwrap();
        let role = world.member_role(account).unwrap().arn.to_string();
        let bus = world.member_rule(account).unwrap().target;
        for flip in 0..10_000 {
            event["id"] = json!(format!("flip-{flip}"));
            let state = if flip % 2 == 0 { "ALARM" } else { "OK" };
            event["detail"]["state"]["value"] = json!(state);
            eventbridge::from_account(world, account, &role, &bus, &event).unwrap();
        }
    });
    story.pass(HOUR);
    assert_eq!(story.mails().len(), 1);
    // The watch ended when it claimed the day; every other event ended at the claim, or said that an alarm was over.
    let running = story
        .services
        .sfn
        .list_executions(&story.machine(), Some(ExecutionStatus::Running), None)
        .await
        .unwrap();
    let names: Vec<&str> = running.items.iter().map(|one| one.name.as_str()).collect();
    assert!(names.len() == 1 && names[0].starts_with("day_"), "{names:?}");
}

#[tokio::test]
async fn a_members_test_event_is_refused_by_the_bus_and_sets_no_recipient_if_it_were_not() {
    let story = Story::begin().await;
    story.above();
    let mut event = story.alarm_event(story.account());
    event["source"] = json!("billctl.test");
    event["detail-type"] = json!("billctl Test Alarm");
    event["detail"]["account"] = json!(story.account());
    event["detail"]["to"] = json!("eve@evil.example");
    story.forge(&event).unwrap_err();
    assert_eq!((story.mails().len(), story.executions().await.len()), (0, 0));
    // Past the bus's policy, as if somebody had opened it: the notifier refuses what is another account's.
    let machine = story.machine();
    let started = story.services.sfn.start_execution(&machine, "forged", &event);
    started.await.unwrap();
    story.pass(HOUR);
    let executions = story.executions().await;
    assert_eq!(executions[0].0, ExecutionStatus::Failed, "{executions:?}");
    assert!(story.mails().is_empty());
    // And of an alarm's event nobody reads it.
    let mut alarm = story.alarm_event(story.account());
    alarm["detail"]["to"] = json!("eve@evil.example");
    story.forge(&alarm).unwrap();
    let mails = story.mails();
    assert_eq!(mails.len(), 1, "{:#?}", story.executions().await);
    assert_eq!(mails[0].to, [story.owner().to_lowercase()]);
}
