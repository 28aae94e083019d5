//! A test event, followed from the bus to the mail, on the sandbox.

use billctl::apply;
use billctl::apply::test_alert::{self, HopStatus, Journey};
use billctl::config::Config;
use billctl::event::Silent;
use billctl::model::AccountId;
use billctl::observe::billing as observe;
use billctl::plan::billing as plan;
use billctl::resource::{self, Facts, Scope};
use billctl::sandbox::{Sandbox, seed};
use billctl::service::Services;

struct Billing {
    sandbox: Sandbox,
    services: Services,
    config: Config,
    facts: Facts,
    account: AccountId,
}

impl Billing {
    async fn made() -> Self {
        let text = "[mail]\nfrom = \"billing@example.com\"\nidentity = \"example.com\"\nfallback = \"all@example.com\"\n";
        let config = Config::parse("config.toml", text).unwrap();
        let world = seed::demo();
        let account = world
            .organizations
            .accounts()
            .map(|(account, _)| account)
            .find(|account| account.name == "payments-prod")
            .unwrap()
            .id;
        let sandbox = Sandbox::in_memory(world);
        let services = sandbox.services();
        let facts = observe::facts(&services, &config).await.unwrap();
        let billing = Self {
            sandbox,
            services,
            config,
            facts,
            account,
        };
        let observed = observe::read(&billing.services, &billing.scope())
            .await
            .unwrap();
        let plan = plan::plan(resource::desired(&billing.scope()), &observed.present);
        apply::billing::run(&plan, &billing.services, &Silent)
            .await
            .unwrap();
        billing
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            config: &self.config,
            facts: &self.facts,
        }
    }

    /// DNS is published, and AWS has let the account out of the SES sandbox.
    fn ready(&self) {
        self.sandbox
            .change(|world| {
                let now = world.now;
                world.sesv2.verify("example.com", now);
                world.sesv2.production_access = true;
                Ok(())
            })
            .unwrap();
    }

    async fn test(&self) -> Journey {
        test_alert::run(&self.services, &self.scope(), self.account, &mut |_| {})
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_test_is_followed_to_the_mail() {
    let billing = Billing::made().await;
    billing.ready();
    let journey = billing.test().await;
    assert!(
        journey
            .hops
            .iter()
            .all(|hop| hop.status != HopStatus::Failed),
        "{journey:#?}"
    );
    assert_eq!(journey.cure, None);
    let world = billing.sandbox.world();
    let [mail] = world.sesv2.mails() else {
        panic!("{} mails", world.sesv2.mails().len())
    };
    assert_eq!(
        journey.message_id.as_deref(),
        Some(mail.message_id.as_str())
    );
    assert_eq!(journey.recipients, mail.to);
    assert_eq!(mail.account(), Some(billing.account.to_string().as_str()));
    assert!(
        mail.subject.to_lowercase().contains("test"),
        "{}",
        mail.subject
    );
}

#[tokio::test]
async fn a_disabled_rule_is_where_the_test_stops() {
    let billing = Billing::made().await;
    billing.ready();
    let eventbridge = &billing.services.eventbridge;
    let mut rule = eventbridge
        .describe_rule("billctl", "billctl-member-alarms")
        .await
        .unwrap();
    rule.enabled = false;
    eventbridge.put_rule(&rule).await.unwrap();
    let journey = billing.test().await;
    let last = journey.hops.last().unwrap();
    assert_eq!(
        (last.status, last.name.as_str()),
        (HopStatus::Failed, "rule billctl-member-alarms")
    );
    assert!(journey.cure.unwrap().contains("billctl bootstrap"));
}

#[tokio::test]
async fn a_rule_role_that_may_not_start_the_notifier_sends_the_event_to_the_queue() {
    let billing = Billing::made().await;
    billing.ready();
    billing
        .services
        .iam
        .delete_role_policy("billctl-start-notifier", "billctl")
        .await
        .unwrap();
    let journey = billing.test().await;
    let last = journey.hops.last().unwrap();
    assert_eq!(last.status, HopStatus::Failed, "{journey:#?}");
    assert!(last.detail.contains("queue"), "{journey:#?}");
}

#[tokio::test]
async fn an_unverified_sender_is_named_with_its_cure() {
    let billing = Billing::made().await;
    billing
        .sandbox
        .change(|world| {
            world.sesv2.verifies = false;
            Ok(())
        })
        .unwrap();
    let journey = billing.test().await;
    assert_eq!(journey.message_id, None);
    let cure = journey.cure.unwrap();
    assert!(cure.contains("example.com"), "{cure}");
    assert!(cure.contains("production access"), "{cure}");
}

#[tokio::test]
async fn a_notifier_role_that_may_not_send_is_named_with_its_cure() {
    let billing = Billing::made().await;
    billing.ready();
    let iam = &billing.services.iam;
    let mut policy = iam
        .get_role_policy("billctl-notifier", "billctl")
        .await
        .unwrap();
    policy["Statement"]
        .as_array_mut()
        .unwrap()
        .retain(|statement| statement["Sid"] != "WriteToTheOwner");
    iam.put_role_policy("billctl-notifier", "billctl", &policy)
        .await
        .unwrap();
    let journey = billing.test().await;
    assert_eq!(journey.message_id, None);
    assert!(
        journey.cure.unwrap().contains("role"),
        "{:#?}",
        journey.hops
    );
}
