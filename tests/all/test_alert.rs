//! A test event, followed from the bus to the mail, on the sandbox.

use billctl::apply;
use billctl::apply::test_alert;
use billctl::config::Config;
use billctl::observe::billing as observe;
use billctl::plan::billing as plan;
use billctl::plan::test_alert::{HopStatus, Journey};
use billctl::resource::{self, Facts, Naming};
use billctl_core::event::NullListener;
use billctl_core::model::AccountId;
use billctl_core::service::Services;
use billctl_sandbox::{Sandbox, seed};

struct Billing {
    sandbox: Sandbox,
    services: Services,
    config: Config,
    facts: Facts,
    account: AccountId,
}

impl Billing {
    async fn made() -> Self {
        let text =
            "[mail]\nfrom = \"billing@example.com\"\nidentity = \"example.com\"\nfallback = \"all@example.com\"\n";
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
        let observed = observe::read(&billing.services, &billing.naming()).await.unwrap();
        let plan = plan::plan(resource::desired(&billing.naming()), &observed.present);
        apply::billing::run(&plan, &billing.services, &NullListener)
            .await
            .unwrap();
        billing
    }

    fn naming(&self) -> Naming<'_> {
        Naming {
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
        self.test_to(None).await
    }

    async fn test_to(&self, to: Option<&str>) -> Journey {
        test_alert::run(&self.services, &self.naming(), self.account, to, &mut |_| {})
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
        journey.hops.iter().all(|hop| hop.status != HopStatus::Failed),
        "{journey:#?}"
    );
    assert_eq!(journey.remedy, None);
    let world = billing.sandbox.world();
    let [mail] = world.sesv2.mails() else {
        panic!("{} mails", world.sesv2.mails().len())
    };
    assert_eq!(journey.message_id.as_deref(), Some(mail.message_id.as_str()));
    assert_eq!(journey.recipients, mail.to);
    assert_eq!(mail.account(), Some(billing.account.to_string().as_str()));
    assert!(mail.subject.to_lowercase().contains("test"), "{}", mail.subject);
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
    assert!(journey.remedy.unwrap().contains("billctl bootstrap"));
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

/// The last hop that failed, and the remedy.
fn failure(journey: &Journey) -> (&str, &str, &str) {
    let failed = journey
        .hops
        .iter()
        .rfind(|hop| hop.status == HopStatus::Failed)
        .unwrap_or_else(|| panic!("{journey:#?}"));
    let remedy = journey.remedy.as_deref().unwrap_or_default();
    (&failed.name, &failed.detail, remedy)
}

#[tokio::test]
async fn a_rule_that_does_not_match_is_where_the_test_stops() {
    let billing = Billing::made().await;
    billing.ready();
    let eventbridge = &billing.services.eventbridge;
    let mut rule = eventbridge
        .describe_rule("billctl", "billctl-member-alarms")
        .await
        .unwrap();
    rule.pattern["source"] = serde_json::json!(["somebody.else"]);
    eventbridge.put_rule(&rule).await.unwrap();
    let journey = billing.test().await;
    let (hop, detail, remedy) = failure(&journey);
    assert_eq!(hop, "rule billctl-member-alarms");
    assert!(detail.contains("did not match"), "{detail}");
    assert!(remedy.contains("pattern"), "{remedy}");
}

#[tokio::test]
async fn what_eventbridge_says_of_a_role_is_shown() {
    let billing = Billing::made().await;
    billing.ready();
    billing
        .services
        .iam
        .delete_role_policy("billctl-start-notifier", "billctl")
        .await
        .unwrap();
    let journey = billing.test().await;
    let (hop, detail, remedy) = failure(&journey);
    assert_eq!(hop, "rule billctl-member-alarms");
    assert!(detail.contains("NO_PERMISSIONS"), "{detail}");
    assert!(detail.contains("states:StartExecution"), "{detail}");
    assert!(remedy.contains("role"), "{remedy}");
}

#[tokio::test]
async fn an_unverified_sender_is_named_with_its_remedy() {
    let billing = Billing::made().await;
    billing
        .sandbox
        .change(|world| {
            world.sesv2.verifies = false;
            world.sesv2.production_access = true;
            Ok(())
        })
        .unwrap();
    let journey = billing.test().await;
    assert_eq!(journey.message_id, None);
    let (_, detail, remedy) = failure(&journey);
    assert!(detail.contains("billing@example.com"), "{detail}");
    assert!(remedy.contains("identity example.com isn't verified"), "{remedy}");
}

#[tokio::test]
async fn a_recipient_that_the_ses_sandbox_does_not_know_is_told_from_an_unverified_sender() {
    let billing = Billing::made().await;
    billing
        .sandbox
        .change(|world| {
            let now = world.now;
            world.sesv2.verify("example.com", now);
            world.sesv2.production_access = false;
            if let Some(tags) = world.organizations.tags_mut(billing.account) {
                tags.insert("owner".into(), "owner@elsewhere.example".into());
            }
            Ok(())
        })
        .unwrap();
    let journey = billing.test().await;
    let (_, detail, remedy) = failure(&journey);
    assert!(detail.contains("owner@elsewhere.example"), "{detail}");
    assert!(remedy.contains("production access"), "{remedy}");
    assert!(!remedy.contains("sender"), "{remedy}");
}

#[tokio::test]
async fn a_template_that_does_not_render_is_reported_with_what_it_lacks() {
    let billing = Billing::made().await;
    billing.ready();
    let sesv2 = &billing.services.sesv2;
    let mut template = sesv2.get_email_template("billctl-spend-alarm").await.unwrap();
    template.html.push_str("{{no_such_variable}}");
    sesv2.update_email_template(&template).await.unwrap();
    let journey = billing.test().await;
    let (hop, detail, remedy) = failure(&journey);
    assert_eq!(hop, "SES");
    assert!(detail.contains("no_such_variable"), "{detail}");
    assert!(remedy.contains("billctl bootstrap"), "{remedy}");
    assert!(billing.sandbox.world().sesv2.mails().is_empty());
}

#[tokio::test]
async fn without_its_template_the_facts_go_out_and_the_test_fails() {
    let billing = Billing::made().await;
    billing.ready();
    billing
        .services
        .sesv2
        .delete_email_template("billctl-spend-alarm")
        .await
        .unwrap();
    let journey = billing.test().await;
    assert!(journey.message_id.is_some(), "{journey:#?}");
    assert_eq!(failure(&journey).0, "mail template");
    let world = billing.sandbox.world();
    let [mail] = world.sesv2.mails() else {
        panic!("{} mails", world.sesv2.mails().len())
    };
    assert!(
        mail.html.is_empty() && mail.text.contains("payments-prod"),
        "{}",
        mail.text
    );
}

#[tokio::test]
async fn an_address_that_bounces_is_named() {
    let billing = Billing::made().await;
    billing.ready();
    billing
        .sandbox
        .change(|world| {
            if let Some(tags) = world.organizations.tags_mut(billing.account) {
                tags.insert("owner".into(), "bounce@simulator.amazonses.com".into());
            }
            Ok(())
        })
        .unwrap();
    let journey = billing.test().await;
    let (hop, detail, remedy) = failure(&journey);
    assert_eq!(hop, "SES");
    assert!(detail.contains("bounced"), "{detail}");
    assert!(remedy.contains("owner tag"), "{remedy}");
}

#[tokio::test]
async fn a_notifier_that_fails_is_shown_with_its_cause() {
    let billing = Billing::made().await;
    billing.ready();
    let arn = billing.naming().notifier_arn();
    let machine = billing.services.sfn.describe_state_machine(&arn).await.unwrap();
    let mut definition = machine.definition;
    definition["States"]["Read the event"] = serde_json::json!({
        "Type": "Fail", "Error": "Broken", "Cause": "by hand"
    });
    billing
        .services
        .sfn
        .update_state_machine(&arn, &definition, &machine.role_arn)
        .await
        .unwrap();
    let journey = billing.test().await;
    let (hop, detail, _) = failure(&journey);
    assert_eq!((hop, detail), ("notifier", "Broken: by hand"));
}

#[tokio::test]
async fn a_notifier_role_that_may_not_send_is_named_with_its_remedy() {
    let billing = Billing::made().await;
    billing.ready();
    let iam = &billing.services.iam;
    let mut policy = iam.get_role_policy("billctl-notifier", "billctl").await.unwrap();
    policy["Statement"]
        .as_array_mut()
        .unwrap()
        .retain(|statement| statement["Sid"] != "WriteToTheOwner");
    iam.put_role_policy("billctl-notifier", "billctl", &policy)
        .await
        .unwrap();
    let journey = billing.test().await;
    assert_eq!(journey.message_id, None);
    assert!(journey.remedy.unwrap().contains("role"), "{:#?}", journey.hops);
}

#[tokio::test]
async fn a_test_for_somebody_goes_to_that_address_alone() {
    let mut billing = Billing::made().await;
    billing.config.mail.cc = vec!["copy@example.com".into()];
    let plan = plan::plan(
        resource::desired(&billing.naming()),
        &observe::read(&billing.services, &billing.naming())
            .await
            .unwrap()
            .present,
    );
    apply::billing::run(&plan, &billing.services, &NullListener)
        .await
        .unwrap();
    billing.ready();
    let journey = billing.test_to(Some("Me@example.com")).await;
    assert_eq!(journey.recipients, ["me@example.com"], "{journey:#?}");
    let mails = billing.sandbox.world().sesv2.mails().to_vec();
    assert_eq!(
        (mails[0].to.as_slice(), mails[0].cc.len()),
        (["me@example.com".to_owned()].as_slice(), 0)
    );
    // Without, it goes to the owner, with the copy.
    billing.test().await;
    let mails = billing.sandbox.world().sesv2.mails().to_vec();
    assert_ne!(mails[1].to, ["me@example.com"]);
    assert_eq!(mails[1].cc, ["copy@example.com"]);
}

#[tokio::test]
async fn a_billing_contact_gets_the_mail_where_no_owner_is_tagged() {
    let billing = Billing::made().await;
    billing.ready();
    let account = billing.account;
    billing
        .sandbox
        .change(|world| {
            world.organizations.tags_mut(account).unwrap().remove("owner");
            world.account.billing.insert(account, "bills@example.com".into());
            Ok(())
        })
        .unwrap();
    // Without trusted access nobody may ask: the mail goes to the account's own address, and the test is none the worse.
    let journey = billing.test().await;
    assert_ne!(journey.recipients, ["bills@example.com"]);
    let asked = journey
        .hops
        .iter()
        .find(|hop| hop.name.contains("billing contact"))
        .unwrap();
    assert_eq!(asked.status, HopStatus::Ok, "{asked:?}");
    let trust = |world: &mut billctl_sandbox::World| {
        world.account.trusted = true;
        Ok(())
    };
    billing.sandbox.change(trust).unwrap();
    assert_eq!(billing.test().await.recipients, ["bills@example.com"]);
    // A tag goes before it.
    let tag = |world: &mut billctl_sandbox::World| {
        world
            .organizations
            .tags_mut(account)
            .unwrap()
            .insert("owner".into(), "ann@example.com".into());
        Ok(())
    };
    billing.sandbox.change(tag).unwrap();
    assert_eq!(billing.test().await.recipients, ["ann@example.com"]);
}

#[test]
fn nobody_real_is_written_to_unasked() {
    let home = crate::support::home::Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    home.succeeds("bootstrap");
    home.change(|world| {
        let now = world.now;
        world.sesv2.verify("billing@example.com", now);
        world.sesv2.production_access = true;
    });
    let mails = || home.sandbox().peek(|world| world.sesv2.mails().len());
    let ended = home.run("test-alert --account 886563732113").code(2);
    assert!(ended.stderr.contains("--to you@example.com"), "{}", ended.stderr);
    assert_eq!(mails(), 0);
    for wrong in ["me", "a@x.io,b@x.io", "Me <me@example.com>"] {
        home.run(&["test-alert", "--account", "886563732113", "--to", wrong])
            .code(2);
    }
    assert_eq!(mails(), 0);
    let said = home.succeeds("test-alert --account 886563732113 --to me@example.com");
    assert!(said.contains("to me@example.com"), "{said}");
    home.succeeds("test-alert --account 886563732113 --yes");
    assert_eq!(mails(), 2);
}
