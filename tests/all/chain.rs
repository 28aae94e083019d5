//! The whole chain on the sandbox: alarm, event, bus, rule, notifier, mail; and who hears when a part of it fails.

mod health;
mod hostile;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use billctl::config::Config;
use billctl::resource::{self, Naming};
use billctl::{apply, observe, plan};
use billctl_core::event::NullListener;
use billctl_core::model::{AccountId, Arn, Usd};
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, ConcurrencyMode, CountOrPercent, InstancesRequest, OperationId, Parameters,
    Preferences, StackSetSpec, Targets,
};
use billctl_core::service::cloudwatch::AlarmState;
use billctl_core::service::sfn::ExecutionStatus;
use billctl_core::service::{Services, Tags};
use billctl_sandbox::sesv2::Mail;
use billctl_sandbox::{Sandbox, World, eventbridge, metrics, seed};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The demo organisation with the billing side as `bootstrap` makes it, and the alarm in `Sandboxes`.
struct Story {
    sandbox: Sandbox,
    services: Services,
    config: Config,
}

fn config() -> Config {
    Config::parse(
        "config.toml",
        "[alarm]\nthreshold = 100\n\n[mail]\nfrom = \"billing@example.com\"\n",
    )
    .unwrap()
}

impl Story {
    async fn begin() -> Self {
        Self::begin_with(config()).await
    }

    async fn begin_with(config: Config) -> Self {
        let sandbox = Sandbox::in_memory(seed::demo());
        let services = sandbox.services();
        let facts = observe::billing::facts(&services, &config).await.unwrap();
        let naming = Naming {
            config: &config,
            facts: &facts,
        };
        let observed = observe::billing::read(&services, &naming).await.unwrap();
        let plan = plan::billing::plan(resource::desired(&naming), &observed.present);
        apply::billing::run(&plan, &services, &NullListener).await.unwrap();
        let story = Self {
            sandbox,
            services,
            config,
        };
        story.roll_out().await;
        story
    }

    async fn roll_out(&self) {
        let (ou, payer) = self.sandbox.peek(|world| {
            let ou = world.organizations.ous().find(|ou| ou.name == "Sandboxes");
            (ou.unwrap().id, world.management_account())
        });
        let stack_sets = &self.services.cloudformation;
        let name = self.config.deploy.stack_set.clone();
        let bus = format!(
            "arn:aws:events:us-east-1:{payer}:event-bus/{}",
            self.config.names.event_bus
        );
        stack_sets
            .create_stack_set(
                &StackSetSpec {
                    name: name.clone(),
                    description: String::new(),
                    template: include_str!("../../assets/member-template.yaml").to_owned(),
                    parameters: Parameters::from([
                        ("Threshold".to_owned(), "100".to_owned()),
                        ("EventBusArn".to_owned(), bus),
                    ]),
                    tags: Tags::new(),
                    auto_deployment: AutoDeployment {
                        enabled: true,
                        retain_stacks: false,
                    },
                },
                "token",
            )
            .await
            .unwrap();
        stack_sets
            .create_stack_instances(&InstancesRequest {
                stack_set: name,
                targets: Targets {
                    ous: vec![ou],
                    accounts: AccountFilter::None,
                },
                overrides: None,
                preferences: Preferences {
                    tolerance: CountOrPercent::Count(0),
                    concurrency: CountOrPercent::Percent(100),
                    mode: ConcurrencyMode::Soft,
                },
                operation_id: OperationId("roll-out".into()),
            })
            .await
            .unwrap();
        self.pass(HOUR);
    }

    /// The account spends four times its limit, and its own alarm, without data, says nothing of it: only events that
    /// a test makes wake the notifier.
    fn above(&self) {
        let account = self.account();
        self.change(|world| {
            world.faults.member_metric = true;
            metrics::set_daily(world, account, Usd::dollars(400));
        });
        self.pass(DAY * 3);
    }

    fn pass(&self, time: Duration) {
        self.change(|world| world.advance(time));
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.sandbox.change(|world| Ok(change(world))).unwrap()
    }

    /// A member with the alarm.
    fn account(&self) -> AccountId {
        self.sandbox.peek(|world| {
            let named = world
                .organizations
                .accounts()
                .find(|(account, _)| account.name == "sandbox-amira");
            named.unwrap().0.id
        })
    }

    fn state(&self) -> AlarmState {
        let account = self.account();
        self.sandbox.peek(|world| world.member_alarm(account).unwrap().1.state)
    }

    fn mails(&self) -> Vec<Mail> {
        self.sandbox.peek(|world| world.sesv2.mails().to_vec())
    }

    fn log(&self) -> Vec<String> {
        self.sandbox.peek(|world| {
            let log = world.eventbridge.log().iter();
            log.map(|one| format!("{}: {}", one.hop, one.outcome)).collect()
        })
    }

    fn machine(&self) -> Arn {
        let payer = self.sandbox.peek(World::management_account);
        format!(
            "arn:aws:states:us-east-1:{payer}:stateMachine:{}",
            self.config.names.notifier
        )
        .parse()
        .unwrap()
    }

    async fn executions(&self) -> Vec<(ExecutionStatus, Option<String>, Option<Value>)> {
        let machine = self.machine();
        let mut found = Vec::new();
        let listed = self.services.sfn.list_executions(&machine, None, None).await;
        for one in listed.unwrap().items {
            let whole = self.services.sfn.describe_execution(&one.arn).await.unwrap();
            found.push((whole.status, whole.cause, whole.output));
        }
        found
    }

    async fn dead_letters(&self) -> Vec<BTreeMap<String, String>> {
        let name = self.config.names.queue.clone();
        self.sandbox.peek(|world| {
            let messages = world.sqs.messages(&name).iter();
            messages.map(|one| one.attributes.clone()).collect()
        })
    }

    /// An alarm event of the account as its CloudWatch sends it.
    fn alarm_event(&self, account: AccountId) -> Value {
        json!({
            "version": "0", "id": "5f8d3a4e-0000-4000-8000-000000000001",
            "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
            "account": account, "time": self.sandbox.peek(|world| world.now.to_string()),
            "region": "us-east-1",
            "resources": [format!("arn:aws:cloudwatch:us-east-1:{account}:alarm:Billing-Alarm")],
            "detail": {
                "alarmName": "Billing-Alarm",
                "previousState": {"value": "OK"},
                "state": {"value": "ALARM", "reason": "over"},
            },
        })
    }
}

#[tokio::test]
async fn spend_above_the_threshold_alarms_within_six_hours_and_the_mail_lands() {
    let story = Story::begin().await;
    assert_eq!(story.state(), AlarmState::Ok);
    let account = story.account();
    story.change(|world| metrics::add_once(world, account, Usd::dollars(400)));
    story.pass(HOUR * 7);
    assert_eq!(story.state(), AlarmState::Alarm, "{:#?}", story.log());
    let mails = story.mails();
    assert_eq!(mails.len(), 1, "{:#?} {:#?}", story.log(), story.executions().await);
    let mail = &mails[0];
    assert_eq!(mail.account(), Some(account.to_string().as_str()));
    assert!(mail.html.contains(&account.to_string()));
    assert!(mail.text.contains("$100.00"), "{}", mail.text);
    assert!(mail.to[0].contains('@'));
}

#[tokio::test]
async fn the_month_s_reset_raises_no_alarm() {
    let story = Story::begin().await;
    // Not far below the threshold: what a sliding day holds just after the reset must not count for two.
    let account = story.account();
    story.change(|world| metrics::set_daily(world, account, Usd::dollars(70)));
    // From mid-March into April.
    for _ in 0..25 * 4 {
        story.pass(HOUR * 6);
        assert_eq!(story.state(), AlarmState::Ok, "{:#?}", story.log());
    }
    assert!(story.mails().is_empty());
}

#[tokio::test]
async fn a_credit_in_mid_month_raises_no_alarm() {
    let story = Story::begin().await;
    let account = story.account();
    story.change(|world| metrics::set_daily(world, account, Usd::dollars(60)));
    story.pass(DAY * 5);
    story.change(|world| metrics::add_once(world, account, Usd::dollars(-150)));
    for _ in 0..16 {
        story.pass(HOUR * 6);
        assert_eq!(story.state(), AlarmState::Ok);
    }
}

#[tokio::test]
async fn an_alarm_ends_when_spend_is_usual_again_and_a_week_above_is_four_mails() {
    let story = Story::begin().await;
    let account = story.account();
    story.change(|world| metrics::set_daily(world, account, Usd::dollars(180)));
    story.pass(DAY * 7);
    assert_eq!(story.state(), AlarmState::Alarm);
    // The first, second, third and seventh day.
    assert_eq!(story.mails().len(), 4, "{:#?}", story.log());
    story.change(|world| metrics::set_daily(world, account, Usd::dollars(20)));
    story.pass(DAY * 2);
    assert_eq!(story.state(), AlarmState::Ok);
    assert_eq!(story.mails().len(), 4);
}

#[tokio::test]
async fn an_event_from_outside_the_organisation_is_refused_by_the_bus_s_policy() {
    let story = Story::begin().await;
    let stranger: AccountId = "999999999999".parse().unwrap();
    let event = story.alarm_event(stranger);
    let (before, bus) = story.sandbox.peek(|world| {
        let bus = format!(
            "arn:aws:events:us-east-1:{}:event-bus/{}",
            world.management_account(),
            story.config.names.event_bus
        );
        (world.eventbridge.log().len(), bus.parse::<Arn>().unwrap())
    });
    let refused = story.change(|world| {
        eventbridge::from_account(
            world,
            stranger,
            "arn:aws:iam::999999999999:role/EventBridge-InvokeEventBus-Role",
            &bus,
            &event,
        )
    });
    assert!(refused.unwrap_err().contains("policy"));
    assert_eq!(story.log().len(), before);
    assert!(story.mails().is_empty());
}

#[tokio::test]
async fn a_rule_whose_role_may_not_start_the_notifier_leaves_the_event_on_the_queue() {
    let story = Story::begin().await;
    let role = story.config.names.rule_role.clone();
    for policy in story.services.iam.list_role_policies(&role).await.unwrap() {
        story.services.iam.delete_role_policy(&role, &policy).await.unwrap();
    }
    let account = story.account();
    let event = story.alarm_event(account);
    story.change(|world| eventbridge::from_member(world, account, &event));
    let letters = story.dead_letters().await;
    assert_eq!(letters.len(), 1, "{:#?}", story.log());
    assert_eq!(letters[0]["ERROR_CODE"], "NO_PERMISSIONS");
    assert!(story.mails().is_empty());
}

#[tokio::test]
async fn the_same_event_delivered_twice_sends_one_mail() {
    let story = Story::begin().await;
    story.above();
    let account = story.account();
    let event = story.alarm_event(account);
    for _ in 0..2 {
        story.change(|world| eventbridge::from_member(world, account, &event));
        story.pass(HOUR);
    }
    assert_eq!(
        story.mails().len(),
        1,
        "{:#?} {:#?}",
        story.log(),
        story.executions().await
    );
}

#[tokio::test]
async fn a_member_whose_role_was_deleted_sends_nothing() {
    let story = Story::begin().await;
    let account = story.account();
    story.change(|world| {
        world
            .edit_member(account, &billctl_sandbox::cloudformation::HandEdit::DeleteRole)
            .unwrap();
    });
    let event = story.alarm_event(account);
    story.change(|world| eventbridge::from_member(world, account, &event));
    assert!(story.mails().is_empty());
    let log = story.log();
    assert!(log.last().unwrap().contains("there is no role"), "{log:#?}");
}

#[tokio::test]
async fn a_mail_that_ses_throttles_is_sent_a_little_later() {
    let story = Story::begin().await;
    story.above();
    let account = story.account();
    let event = story.alarm_event(account);
    story.change(|world| {
        world.faults.throttle = 0.3;
        eventbridge::from_member(world, account, &event);
        world.faults.throttle = 0.0;
    });
    story.pass(HOUR);
    assert_eq!(
        story.mails().len(),
        1,
        "{:#?} {:#?}",
        story.log(),
        story.executions().await
    );
}

#[tokio::test]
async fn an_account_in_the_ses_sandbox_writes_to_verified_recipients_alone() {
    let story = Story::begin().await;
    story.above();
    let account = story.account();
    story.change(|world| world.sesv2.production_access = false);
    let event = story.alarm_event(account);
    story.change(|world| eventbridge::from_member(world, account, &event));
    story.pass(HOUR);
    assert!(story.mails().is_empty());
    let executions = story.executions().await;
    let told = executions.iter().any(|(status, cause, _)| {
        *status == ExecutionStatus::Failed && cause.as_ref().is_some_and(|cause| cause.contains("MessageRejected"))
    });
    assert!(told, "{executions:#?}");
}

#[tokio::test]
async fn a_member_cannot_choose_who_is_written_to() {
    let story = Story::begin().await;
    let (account, victim) = (story.account(), "999999999999");
    let mut event = story.alarm_event(account);
    event["resources"] = json!([format!("arn:aws:cloudwatch:us-east-1:{victim}:alarm:Billing-Alarm")]);
    event["detail"]["alarmArn"] = json!("arn:aws:cloudwatch:us-east-1:999999999999:alarm:x");
    // Past the member's own rule, as somebody who changed it would.
    story.change(|world| {
        let role = world.member_role(account).unwrap().arn.to_string();
        let bus = world.member_rule(account).unwrap().target;
        eventbridge::from_account(world, account, &role, &bus, &event).unwrap();
    });
    story.pass(HOUR);
    assert!(story.mails().is_empty());
    let executions = story.executions().await;
    assert_eq!(executions.len(), 1);
    assert!(
        executions
            .iter()
            .all(|(_, cause, _)| cause.as_ref().is_some_and(|cause| cause.contains("does not belong"))),
        "{executions:#?}"
    );
}

#[tokio::test]
async fn without_billing_alerts_there_is_no_series_and_no_alarm() {
    let story = Story::begin().await;
    let account = story.account();
    story.change(|world| {
        world.billing_alerts = false;
        metrics::add_once(world, account, Usd::dollars(1_000));
    });
    story.pass(DAY);
    assert_ne!(story.state(), AlarmState::Alarm);
    assert!(story.mails().is_empty());
}
