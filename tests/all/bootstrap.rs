//! The billing account's side on the sandbox: made once, left alone, repaired field by field, removed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use billctl::apply;
use billctl::config::Config;
use billctl::observe::billing::{self as observe, Observed};
use billctl::observe::billing_health;
use billctl::plan::billing::{self as plan, Action, Plan};
use billctl::plan::operations::Hearing;
use billctl::resource::{self, Facts, Kind, Naming};
use billctl_core::error;
use billctl_core::event::{Event, Listener, NullListener};
use billctl_core::service::eventbridge::Target;
use billctl_core::service::iam::NewRole;
use billctl_core::service::{Access, Services};
use billctl_sandbox::{Sandbox, seed};
use serde_json::{Value, json};

/// A sandbox's billing account, and what bootstrap knows of it.
struct Billing {
    sandbox: Sandbox,
    services: Services,
    config: Config,
    facts: Facts,
}

impl Billing {
    async fn new(config: &str) -> Self {
        let config = Config::parse("config.toml", config).unwrap();
        let sandbox = Sandbox::in_memory(seed::demo());
        let services = sandbox.services();
        let facts = observe::facts(&services, &config).await.unwrap();
        Self {
            sandbox,
            services,
            config,
            facts,
        }
    }

    async fn made() -> Self {
        let billing = Self::new(CONFIG).await;
        billing.apply(&billing.plan().await).await.unwrap();
        billing
    }

    fn naming(&self) -> Naming<'_> {
        Naming {
            config: &self.config,
            facts: &self.facts,
        }
    }

    async fn observe(&self) -> Observed {
        observe::read(&self.services, &self.naming()).await.unwrap()
    }

    async fn plan(&self) -> Plan {
        plan::plan(resource::desired(&self.naming()), &self.observe().await.present)
    }

    async fn apply(&self, plan: &Plan) -> error::Result<()> {
        apply::billing::run(plan, &self.services, &NullListener).await
    }

    /// Writes so far, by operation.
    fn writes(&self) -> BTreeMap<String, u64> {
        self.services
            .gate
            .counts()
            .into_iter()
            .filter(|(operation, _)| operation.access == Access::Write)
            .map(|(operation, count)| (operation.to_string(), count.calls))
            .collect()
    }

    /// What differs, as the user reads it.
    async fn differences(&self) -> Vec<String> {
        let plan = self.plan().await;
        plan.steps
            .iter()
            .flat_map(|step| step.fields.iter().map(move |field| format!("{}: {field}", step.id)))
            .collect()
    }

    /// That exactly this differs, that it is repaired with exactly these writes, and that nothing differs then.
    async fn repairs(&self, difference: &str, writes: &[&str]) {
        assert_eq!(self.differences().await, [difference]);
        let before = self.writes();
        self.apply(&self.plan().await).await.unwrap();
        let made: Vec<String> = self
            .writes()
            .into_iter()
            .filter(|(operation, count)| before.get(operation) != Some(count))
            .map(|(operation, _)| operation)
            .collect();
        assert_eq!(made, writes);
        assert_eq!(self.differences().await, Vec::<String>::new());
    }
}

const CONFIG: &str = r#"
    [mail]
    from = "billing@example.com"
    identity = "example.com"
    mail-from-domain = "bounce.example.com"
"#;

#[tokio::test]
async fn the_first_run_makes_everything_and_the_second_makes_no_write_call() {
    let billing = Billing::new(CONFIG).await;
    let first = billing.plan().await;
    assert_eq!(first.count(Action::Create), first.steps.len());
    billing.apply(&first).await.unwrap();
    let second = billing.plan().await;
    assert_eq!(billing.differences().await, Vec::<String>::new());
    assert_eq!(second.unchanged.len(), first.steps.len());
    let writes = billing.writes();
    billing.apply(&second).await.unwrap();
    assert_eq!(billing.writes(), writes);
}

#[tokio::test]
async fn planning_writes_nothing() {
    let billing = Billing::new(CONFIG).await;
    billing.plan().await;
    assert_eq!(billing.writes(), BTreeMap::new());
}

#[tokio::test]
async fn a_rules_pattern_changed_by_hand_is_exactly_that_and_is_repaired() {
    let billing = Billing::made().await;
    let eventbridge = &billing.services.eventbridge;
    let mut rule = eventbridge
        .describe_rule("billctl", "billctl-member-alarms")
        .await
        .unwrap();
    rule.pattern["detail"]["alarmName"] = json!(["Another"]);
    eventbridge.put_rule(&rule).await.unwrap();
    billing
        .repairs(
            r#"rule billctl/billctl-member-alarms: pattern.detail.alarmName: ["Another"] -> ["Billing-Alarm"]"#,
            &["events:PutRule"],
        )
        .await;
}

#[tokio::test]
async fn a_statement_of_a_roles_policy_changed_by_hand_is_exactly_that_and_is_repaired() {
    let billing = Billing::made().await;
    let iam = &billing.services.iam;
    let mut policy = iam.get_role_policy("billctl-notifier", "billctl").await.unwrap();
    let statements = policy["Statement"].as_array_mut().unwrap();
    // The order means nothing; the open resource does.
    statements.reverse();
    let mail = statements
        .iter_mut()
        .find(|one| one["Sid"] == "WriteToTheOwner")
        .unwrap();
    mail["Resource"] = json!("*");
    iam.put_role_policy("billctl-notifier", "billctl", &policy)
        .await
        .unwrap();
    let differences = billing.differences().await;
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(
        differences[0]
            .starts_with(r#"role billctl-notifier: policy.Statement[WriteToTheOwner].Resource: "*" -> ["arn:"#),
        "{differences:?}"
    );
    billing.repairs(&differences[0], &["iam:PutRolePolicy"]).await;
}

#[tokio::test]
async fn a_templates_subject_changed_by_hand_is_exactly_that_and_is_repaired() {
    let billing = Billing::made().await;
    let sesv2 = &billing.services.sesv2;
    let mut template = sesv2.get_email_template("billctl-spend-alarm").await.unwrap();
    template.subject = "Hello".to_owned();
    sesv2.update_email_template(&template).await.unwrap();
    billing
        .repairs(
            r#"mail template billctl-spend-alarm: subject: "Hello" -> "{{subject}}""#,
            &["ses:UpdateEmailTemplate"],
        )
        .await;
}

#[tokio::test]
async fn a_targets_role_changed_by_hand_is_exactly_that_and_is_repaired() {
    let billing = Billing::made().await;
    let (iam, eventbridge) = (&billing.services.iam, &billing.services.eventbridge);
    let role = iam.get_role("billctl-start-notifier").await.unwrap();
    let other = iam
        .create_role(&NewRole {
            name: "other".into(),
            trust_policy: role.trust_policy,
            description: String::new(),
            tags: BTreeMap::new(),
            permissions_boundary: None,
        })
        .await
        .unwrap();
    billing.services.clock.sleep(Duration::from_secs(60)).await;
    let mut targets = eventbridge
        .list_targets("billctl", "billctl-member-alarms")
        .await
        .unwrap();
    targets[0].role_arn = Some(other.clone());
    eventbridge
        .put_targets("billctl", "billctl-member-alarms", &targets)
        .await
        .unwrap();
    billing
        .repairs(
            &format!(
                "rule billctl/billctl-member-alarms: targets[notifier].role: \"{other}\" -> \"{}\"",
                role.arn
            ),
            &["events:PutTargets"],
        )
        .await;
}

#[tokio::test]
async fn a_target_and_a_policy_that_somebody_added_are_removed() {
    let billing = Billing::made().await;
    let eventbridge = &billing.services.eventbridge;
    let extra = Target {
        id: "extra".into(),
        arn: billing.naming().queue_arn(),
        role_arn: None,
        dead_letter_arn: None,
        extras: None,
    };
    eventbridge
        .put_targets("default", "billctl-own-alarm", &[extra])
        .await
        .unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
    ]});
    let iam = &billing.services.iam;
    iam.put_role_policy("billctl-notifier", "extra", &policy).await.unwrap();
    let differences = billing.differences().await;
    assert_eq!(differences.len(), 2, "{differences:?}");
    billing.apply(&billing.plan().await).await.unwrap();
    assert_eq!(billing.differences().await, Vec::<String>::new());
    assert_eq!(iam.list_role_policies("billctl-notifier").await.unwrap(), ["billctl"]);
}

#[tokio::test]
async fn what_others_made_under_the_same_name_is_taken_over_only_when_told() {
    let billing = Billing::new(CONFIG).await;
    let role = NewRole {
        name: "billctl-notifier".into(),
        trust_policy: json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ]}),
        description: "of another team".into(),
        tags: BTreeMap::new(),
        permissions_boundary: None,
    };
    billing.services.iam.create_role(&role).await.unwrap();
    let plan = billing.plan().await;
    let taken: Vec<String> = plan.takeovers().map(|step| step.id.to_string()).collect();
    assert_eq!(taken, ["role billctl-notifier"]);
}

#[tokio::test]
async fn destroying_leaves_nothing_but_what_billctl_did_not_make() {
    let billing = Billing::new(CONFIG).await;
    billing
        .services
        .sesv2
        .create_email_identity("example.com", &BTreeMap::new())
        .await
        .unwrap();
    billing.apply(&billing.plan().await).await.unwrap();
    let removal = plan::removal(&billing.naming(), &billing.observe().await.present);
    let kept: Vec<String> = removal.kept.iter().map(|kept| kept.id.to_string()).collect();
    assert_eq!(kept, ["identity example.com", "trusted access StackSets"]);
    billing.apply(&removal).await.unwrap();
    let left: Vec<Kind> = billing
        .observe()
        .await
        .present
        .resources()
        .map(|resource| resource.id().kind)
        .collect();
    assert_eq!(left, [Kind::TrustedAccess, Kind::Identity]);
    // Again, as after an interruption: nothing to do is no error.
    billing.apply(&removal).await.unwrap();
}

#[tokio::test]
async fn a_run_that_died_anywhere_is_finished_by_the_next() {
    let all = Billing::new(CONFIG).await.plan().await.steps.len();
    for done in 0..all {
        let billing = Billing::new(CONFIG).await;
        let mut first = billing.plan().await;
        first.steps.truncate(done);
        billing.apply(&first).await.unwrap();
        billing.apply(&billing.plan().await).await.unwrap();
        assert_eq!(billing.differences().await, Vec::<String>::new(), "after {done} steps");
    }
}

#[tokio::test]
async fn a_member_account_and_another_organisation_are_refused() {
    let mut world = seed::demo();
    let member = world
        .organizations
        .accounts()
        .map(|(account, _)| account.id)
        .find(|id| *id != world.management_account())
        .unwrap();
    world.caller = member;
    let config = Config::parse("config.toml", CONFIG).unwrap();
    let services = Sandbox::in_memory(world).services();
    let error = observe::facts(&services, &config).await.unwrap_err();
    assert!(error.to_string().contains("management account"), "{error}");

    let config = Config::parse("config.toml", &format!("organization = \"o-zzzzzzzzzz\"\n{CONFIG}")).unwrap();
    let services = Sandbox::in_memory(seed::demo()).services();
    let error = observe::facts(&services, &config).await.unwrap_err();
    assert!(error.to_string().contains("o-zzzzzzzzzz"), "{error}");
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Listener for Notes {
    fn on(&self, event: Event) {
        if let Event::Note(note) = event {
            self.0.lock().unwrap().push(note);
        }
    }
}

#[tokio::test]
async fn a_role_that_aws_does_not_know_everywhere_yet_is_waited_for() {
    let billing = Billing::new(CONFIG).await;
    let notes = Notes::default();
    apply::billing::run(&billing.plan().await, &billing.services, &notes)
        .await
        .unwrap();
    let notes = notes.0.into_inner().unwrap();
    assert!(notes.iter().any(|note| note.contains("billctl-notifier")), "{notes:?}");
}

#[tokio::test]
async fn a_healthy_billing_side_says_so() {
    let billing = Billing::made().await;
    let health = billing_health::read(&billing.services, &billing.naming())
        .await
        .unwrap();
    assert_eq!((health.failed, health.alarms.len()), (0, 0), "{health:?}");
    assert_eq!(health.queue, Some(Default::default()));
    let world = billing.sandbox.world();
    assert!(world.sesv2.mails().is_empty());
}

#[tokio::test]
async fn the_plan_as_json_names_each_field() {
    let billing = Billing::made().await;
    let sesv2 = &billing.services.sesv2;
    let mut template = sesv2.get_email_template("billctl-spend-alarm").await.unwrap();
    template.subject = "Hello".to_owned();
    sesv2.update_email_template(&template).await.unwrap();
    let plan: Value = serde_json::to_value(billing.plan().await).unwrap();
    assert_eq!(
        plan["steps"],
        json!([{
            "action": "update", "kind": "template", "name": "billctl-spend-alarm", "foreign": false,
            "fields": [{"path": "subject", "before": "Hello", "after": "{{subject}}"}],
        }])
    );
}

const HEARD: &str = "\n[operations]\nmail = \"Ops@example.com\"\n";
const THEIRS: &str = "\n[operations]\ntopic = \"arn:aws:sns:us-east-1:999988887777:theirs\"\n";

/// The actions of an alarm, when it goes off and when it is over.
async fn actions(billing: &Billing, alarm: &str) -> (Vec<String>, Vec<String>) {
    let names = [alarm.to_owned()];
    let found = billing.services.cloudwatch.describe_alarms(&names).await;
    let alarm = found.unwrap().remove(0).alarm;
    (alarm.alarm_actions, alarm.ok_actions)
}

#[tokio::test]
async fn an_address_under_operations_gets_a_topic_that_both_health_alarms_act_on() {
    let billing = Billing::new(&format!("{CONFIG}{HEARD}")).await;
    billing.apply(&billing.plan().await).await.unwrap();
    assert_eq!(billing.differences().await, Vec::<String>::new());
    let topic = billing.naming().operations_topic_arn();
    for alarm in ["billctl-notifier-failed", "billctl-undelivered-waiting"] {
        let (on, over) = actions(&billing, alarm).await;
        assert_eq!((on, over), (vec![topic.to_string()], vec![]), "{alarm}");
    }
    assert_eq!(actions(&billing, "Billing-Alarm").await, (vec![], vec![]));
    let hearing = billing.observe().await.hearing;
    assert!(hearing.to_string().contains("PendingConfirmation"), "{hearing}");
    let confirmed = billing.sandbox.change(|world| Ok(world.sns.confirm("ops@example.com")));
    assert!(confirmed.unwrap());
    let hearing = billing.observe().await.hearing;
    assert!(matches!(hearing, Hearing::Heard { .. }), "{hearing}");
    assert_eq!(billing.differences().await, Vec::<String>::new());
}

#[tokio::test]
async fn actions_that_somebody_added_by_hand_stay_and_only_billctls_own_go() {
    let mut billing = Billing::new(&format!("{CONFIG}{HEARD}")).await;
    billing.apply(&billing.plan().await).await.unwrap();
    let name = "billctl-notifier-failed";
    let own = billing.naming().operations_topic_arn().to_string();
    let pager = "arn:aws:sns:us-east-1:111122223333:pager".to_owned();
    let cloudwatch = billing.services.cloudwatch.clone();
    let found = cloudwatch.describe_alarms(&[name.to_owned()]).await.unwrap();
    let mut alarm = found[0].alarm.clone();
    alarm.alarm_actions = vec![pager.clone()];
    alarm.ok_actions = vec![pager.clone()];
    cloudwatch.put_metric_alarm(&alarm, &BTreeMap::new()).await.unwrap();
    // Ours is missing and comes back, beside theirs.
    billing
        .repairs(
            &format!("alarm {name}: alarmActions: [\"{pager}\"] -> [\"{pager}\",\"{own}\"]"),
            &["cloudwatch:PutMetricAlarm"],
        )
        .await;
    let (on, over) = actions(&billing, name).await;
    assert_eq!(on, [pager.clone(), own.clone()]);
    assert_eq!(over, std::slice::from_ref(&pager));
    // Without [operations] the topic that billctl made is taken off, and nothing else.
    billing.config = Config::parse("config.toml", CONFIG).unwrap();
    billing.apply(&billing.plan().await).await.unwrap();
    assert_eq!(
        actions(&billing, name).await,
        (vec![pager.clone()], vec![pager.clone()])
    );
    assert_eq!(billing.differences().await, Vec::<String>::new());
    // A topic that the config named once can't be told from one that somebody set.
    billing.config = Config::parse("config.toml", &format!("{CONFIG}{THEIRS}")).unwrap();
    billing.apply(&billing.plan().await).await.unwrap();
    billing.config = Config::parse("config.toml", CONFIG).unwrap();
    assert_eq!(billing.differences().await, Vec::<String>::new());
    assert_eq!(actions(&billing, name).await.0.len(), 2);
}

#[tokio::test]
async fn a_topic_that_somebody_has_is_used_looked_at_and_never_changed() {
    let mine = "arn:aws:sns:us-east-1:111122223333:mine";
    let billing = Billing::new(CONFIG).await;
    let account = billing.facts.management_account;
    let mine = mine.replace("111122223333", &account.to_string());
    let mut billing = billing;
    let config = format!("{CONFIG}\n[operations]\ntopic = \"{mine}\"\n");
    billing.config = Config::parse("config.toml", &config).unwrap();
    let hearing = billing.observe().await.hearing;
    assert!(hearing.to_string().contains("there is no topic mine"), "{hearing}");
    billing
        .sandbox
        .change(|world| {
            world.sns.add(&mine.parse().unwrap(), Some("alias/aws/sns"));
            Ok(())
        })
        .unwrap();
    billing.apply(&billing.plan().await).await.unwrap();
    let writes = billing.writes();
    assert!(
        !writes.keys().any(|operation| operation.starts_with("sns:")),
        "{writes:?}"
    );
    assert_eq!(
        actions(&billing, "billctl-notifier-failed").await.0,
        std::slice::from_ref(&mine)
    );
    let hearing = billing.observe().await.hearing;
    assert!(hearing.to_string().contains("the AWS managed key"), "{hearing}");
    let removal = plan::removal(&billing.naming(), &billing.observe().await.present);
    assert!(removal.steps.iter().all(|step| step.id.kind != Kind::Topic));
}

#[tokio::test]
async fn destroying_takes_the_topic_too_also_when_the_config_names_nobody_any_more() {
    let mut billing = Billing::new(&format!("{CONFIG}{HEARD}")).await;
    billing.apply(&billing.plan().await).await.unwrap();
    billing.config = Config::parse("config.toml", CONFIG).unwrap();
    let removal = plan::removal(&billing.naming(), &billing.observe().await.present);
    assert!(removal.steps.iter().any(|step| step.id.kind == Kind::Topic));
    billing.apply(&removal).await.unwrap();
    let observed = billing.observe().await;
    assert!(observed.present.resources().all(|one| one.id().kind != Kind::Topic));
}

#[tokio::test]
async fn a_second_address_is_subscribed_beside_the_first_which_nobody_takes_off() {
    // Without it, answers to mails would go to the new address too.
    let config = format!("{CONFIG}    reply-to = \"billing@example.com\"\n");
    let mut billing = Billing::new(&format!("{config}{HEARD}")).await;
    billing.apply(&billing.plan().await).await.unwrap();
    let other = HEARD.replace("Ops@", "two@");
    billing.config = Config::parse("config.toml", &format!("{config}{other}")).unwrap();
    billing
        .repairs(
            "topic billctl-operations: subscriptions[two@example.com]: (none) -> \"email\"",
            &["sns:Subscribe"],
        )
        .await;
    let topic = billing.naming().operations_topic_arn();
    let page = billing.services.sns.list_subscriptions(&topic, None).await.unwrap();
    assert_eq!(page.items.len(), 2);
}
