//! What `doctor` says: from readings made by hand, so that every verdict has its test.

use std::collections::BTreeSet;

use billctl::cli::Format;
use billctl::config::Config;
use billctl::plan::doctor::{Check, Members, Readings, Verdict, examine};
use billctl::plan::operations::{Hearing, TopicState};
use billctl::plan::probe::{ForwardRule, Inside, Look};
use billctl::plan::recipients::{Owners, RecipientFrom, Recipients};
use billctl::render;
use billctl::resource::{Alarm, Resource};
use billctl_core::model::{Account, AccountState, Organization, OrganizationalUnit};
use billctl_core::service::cloudformation::OrganizationsAccess;
use billctl_core::service::cloudwatch::{AlarmState, AlarmStatus};
use billctl_core::service::organizations::OrganizationInfo;
use billctl_core::service::sesv2::{EmailIdentity, SesAccount};
use billctl_core::service::sts::CallerIdentity;
use billctl_core::service::{
    Kind, Operation, ServiceError, account, billing, cloudformation, iam, member, organizations, sns, sts,
};

use crate::support::home::Home;

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:billctl-operations";

const CONFIG: &str = r#"
organization = "o-a1b2c3d4e5"
[mail]
from = "billing@example.com"
identity = "example.com"
mail-from-domain = "bounce.example.com"
"#;

fn config(more: &str) -> Config {
    Config::parse("config.toml", &format!("{more}\n{CONFIG}")).unwrap()
}

fn tree() -> Organization {
    tree_of(0)
}

/// The same with so many active members more.
fn tree_of(more: u64) -> Organization {
    let account = |id: &str, state| {
        let account = Account {
            id: id.parse().unwrap(),
            name: id.into(),
            email: format!("{id}@example.com"),
            state,
            joined: None,
        };
        (account, "r-ab12".parse().unwrap())
    };
    let root = OrganizationalUnit {
        id: "r-ab12".parse().unwrap(),
        name: "Root".into(),
        parent: None,
    };
    let more = (0..more).map(|number| account(&format!("9{number:011}"), AccountState::Active));
    let few = [
        account("111122223333", AccountState::Active),
        account("222222222222", AccountState::Active),
        account("333333333333", AccountState::Active),
        account("444444444444", AccountState::Suspended),
    ];
    Organization::new(
        "o-a1b2c3d4e5".parse().unwrap(),
        "111122223333".parse().unwrap(),
        [root],
        few.into_iter().chain(more),
    )
}

/// Everything as it has to be.
fn healthy() -> Readings {
    Readings {
        caller: Ok(CallerIdentity {
            account: "111122223333".parse().unwrap(),
            arn: "arn:aws:sts::111122223333:assumed-role/admin/me".parse().unwrap(),
        }),
        organization: Ok(OrganizationInfo {
            id: "o-a1b2c3d4e5".parse().unwrap(),
            arn: "arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5"
                .parse()
                .unwrap(),
            management_account: "111122223333".parse().unwrap(),
            all_features: true,
        }),
        tree: Ok(tree()),
        administrators: Ok(Vec::new()),
        access: Ok(OrganizationsAccess::Enabled),
        billing_alerts: Ok(Some(true)),
        young: BTreeSet::new(),
        series: Ok(["111122223333", "222222222222", "333333333333"]
            .map(|id| id.parse().unwrap())
            .into()),
        ses: Ok(SesAccount {
            production_access: true,
            sending_enabled: true,
            max_24_hour_send: 50_000.0,
            sent_last_24_hours: 12.0,
            max_send_rate: 14.0,
        }),
        identity: Ok(Some(domain())),
        hearing: Ok(Hearing::Heard {
            topic: TOPIC.parse().unwrap(),
            address: Some("platform@example.com".into()),
        }),
        chat: Vec::new(),
        stack_set: Ok(None),
        things: vec![("role billctl-notifier".into(), Ok(None))],
        denied: Ok(Some(Default::default())),
        members: members([look(), look()]),
    }
}

fn members(looks: [Look; 2]) -> Members {
    let accounts = ["222222222222", "333333333333"].map(|id| id.parse().unwrap());
    Members {
        covered: Some(true),
        looks: accounts.into_iter().zip(looks).collect(),
        owners: Ok(owners([
            ("222222222222", Some("Ann <ann@example.com>"), None),
            ("333333333333", None, None),
        ])),
    }
}

/// Accounts with their owner tags and billing contacts.
fn owners<const N: usize>(accounts: [(&str, Option<&str>, Option<&str>); N]) -> Owners {
    let mail = config("").mail;
    let each = accounts.map(|(id, tag, contact)| {
        let account = Account {
            id: id.parse().unwrap(),
            name: "any".into(),
            email: "root@example.com".into(),
            state: AccountState::Active,
            joined: None,
        };
        let to = Recipients::of(&mail, &account, tag, contact);
        (account.id, (tag.map(str::to_owned), to))
    });
    Owners {
        accounts: each.into(),
        no_contacts: None,
    }
}

/// A member in which all is well.
fn look() -> Look {
    look_with(|_| {})
}

fn look_with(change: impl FnOnce(&mut Inside)) -> Look {
    let alarm = serde_json::from_value(serde_json::json!({
        "name": "Billing-Alarm", "description": "", "metrics": [],
        "comparison": "GreaterThanThreshold", "threshold": 100.0, "evaluation_periods": 1,
        "treat_missing_data": "notBreaching", "actions_enabled": true, "alarm_actions": [],
    }))
    .unwrap();
    let mut inside = Inside {
        alarm: Ok(Some(AlarmStatus {
            alarm,
            arn: "arn:aws:cloudwatch:us-east-1:222222222222:alarm:Billing-Alarm"
                .parse()
                .unwrap(),
            state: AlarmState::Ok,
            reason: String::new(),
            since: None,
        })),
        has_data: Ok(true),
        rule: Ok(Some(ForwardRule {
            enabled: true,
            targets: vec![
                "arn:aws:events:us-east-1:111122223333:event-bus/billctl"
                    .parse()
                    .unwrap(),
            ],
        })),
    };
    change(&mut inside);
    Look::Inside(Box::new(inside))
}

#[test]
fn members_that_can_not_be_entered_are_said_and_nothing_is_claimed_of_them() {
    let shut = || Look::NoWay(error(member::ASSUME_ROLE, Kind::Denied, "AccessDenied"));
    let readings = Readings {
        members: members([shut(), look()]),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    let access = check(&checks, "member-access");
    assert_eq!(access.verdict, Verdict::Warning);
    assert!(
        access
            .finding
            .starts_with("no way into 1 of 2 members tried (222222222222)"),
        "{access:?}"
    );
    let remedy = access.remedy.as_deref().unwrap();
    assert!(
        remedy.contains("policy status --probe") && remedy.contains("[members] role"),
        "{remedy}"
    );
    assert!(
        check(&checks, "member-data")
            .finding
            .starts_with("1 members looked into")
    );

    let readings = Readings {
        members: members([shut(), shut()]),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    assert_eq!(check(&checks, "member-data").verdict, Verdict::Skipped);
    assert_eq!(check(&checks, "member-alarms").verdict, Verdict::Skipped);
}

#[test]
fn what_is_wrong_inside_a_member_is_named() {
    let bad = look_with(|inside| {
        inside.alarm = Ok(None);
        inside.has_data = Ok(false);
        inside.rule = Ok(Some(ForwardRule {
            enabled: false,
            targets: Vec::new(),
        }));
    });
    let readings = Readings {
        members: members([bad, look()]),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    let data = check(&checks, "member-data");
    assert_eq!(data.verdict, Verdict::Warning);
    assert!(data.finding.ends_with("can't fire: 222222222222"), "{data:?}");
    let alarms = check(&checks, "member-alarms");
    assert_eq!(alarms.verdict, Verdict::Failed);
    assert_eq!(alarms.finding, "222222222222: no alarm, 222222222222: rule off");
}

#[test]
fn an_owner_tag_without_an_address_that_can_be_used_is_named() {
    let mut readings = healthy();
    readings.members.owners = Ok(owners([
        ("222222222222", Some("payments team"), None),
        ("333333333333", Some("a@x.io b@x.io"), None),
    ]));
    let checks = examine(&config(""), &readings);
    let owners = check(&checks, "owner-tags");
    assert_eq!(owners.verdict, Verdict::Warning);
    assert_eq!(
        owners.finding,
        "1 of 2 accounts looked at have a tag `owner` that holds no address that can be used: \
         222222222222 (`payments team`)"
    );
}

#[test]
fn all_owner_tags_are_read_with_deep() {
    let home = Home::demo();
    home.config(SANDBOX_CONFIG);
    home.change(|world| {
        let accounts: Vec<_> = world.organizations.account_ids().collect();
        for account in accounts {
            if let Some(tags) = world.organizations.tags_mut(account) {
                tags.insert("owner".into(), "nobody in particular".into());
            }
        }
    });
    let (out, _) = home.run(&["doctor"]).texts();
    assert!(out.contains("3 of 3 accounts looked at have a tag"), "{out}");
    let (out, _) = home.run(&["doctor", "--deep"]).texts();
    assert!(out.contains("38 of 38 accounts looked at have a tag"), "{out}");
}

#[test]
fn it_is_counted_whom_mails_go_to_and_who_gets_none_is_named() {
    let mut readings = healthy();
    let mut read = owners([
        ("222222222222", Some("Ann <ann@example.com>"), None),
        ("333333333333", Some("the team"), Some("bills@example.com")),
        ("444444444444", None, None),
    ]);
    readings.members.owners = Ok(read.clone());
    let found = check(&examine(&config(""), &readings), "recipients").clone();
    assert_eq!(found.verdict, Verdict::Ok);
    assert_eq!(
        found.finding,
        "of 3 accounts looked at, mails go: 1 to the owner tag, 1 to the billing contact, 1 to the account's address"
    );
    // Without trusted access that is said, and how to come to it; nothing fails for it.
    read.no_contacts = Some(error(
        account::GET_ALTERNATE_CONTACT,
        Kind::Denied,
        "AccessDeniedException",
    ));
    readings.members.owners = Ok(read.clone());
    let found = check(&examine(&config(""), &readings), "recipients").clone();
    assert_eq!(found.verdict, Verdict::Ok);
    assert!(found.finding.contains("billing contacts can't be read"), "{found:?}");
    assert!(found.remedy.unwrap().contains("Enable trusted access"));
    // Nobody.
    let id = "444444444444".parse().unwrap();
    let nobody = Recipients {
        from: RecipientFrom::Nobody,
        addresses: Vec::new(),
    };
    read.accounts.insert(id, (None, nobody));
    readings.members.owners = Ok(read);
    let found = check(&examine(&config(""), &readings), "recipients").clone();
    assert_eq!(found.verdict, Verdict::Warning);
    assert!(found.finding.ends_with("1 to nobody (444444444444)"), "{found:?}");
    assert!(found.remedy.unwrap().contains("set fallback under [mail]"));
}

#[test]
fn billing_contacts_are_asked_for_once_where_nobody_may_ask_and_only_without_a_tag() {
    let home = Home::demo();
    home.config(SANDBOX_CONFIG);
    let asked = |line: &str| {
        let ended = home.run(line);
        let line = ended.stderr.lines().find(|line| line.contains("GetAlternateContact"));
        let count = line.and_then(|line| line.split_whitespace().nth(2)?.parse::<usize>().ok());
        (ended.stdout, count.unwrap_or_default())
    };
    let (out, shut) = asked("doctor --deep -v");
    assert!(out.contains("billing contacts can't be read"), "{out}");
    home.change(|world| {
        world.account.trusted = true;
        let all: Vec<_> = world.organizations.account_ids().collect();
        for (number, id) in all.into_iter().enumerate() {
            if number % 2 == 0 {
                world.account.billing.insert(id, "bills@example.com".into());
            }
        }
    });
    let (out, open) = asked("doctor --deep -v");
    assert!(out.contains("to the billing contact"), "{out}");
    // A batch may be under way when the first refusal comes.
    assert!(shut <= open && open < 38, "{shut} {open}");
    home.config(&SANDBOX_CONFIG.replace("[mail]\n", "[mail]\nbilling-contact = false\n"));
    let (out, none) = asked("doctor --deep -v");
    assert_eq!(none, 0);
    assert!(!out.contains("billing contact"), "{out}");
}

fn domain() -> EmailIdentity {
    EmailIdentity {
        name: "example.com".into(),
        verified: true,
        verification_status: "SUCCESS".into(),
        dkim_tokens: vec!["one".into(), "two".into(), "three".into()],
        dkim_status: Some("SUCCESS".into()),
        signing_hosted_zone: None,
        mail_from_domain: Some("bounce.example.com".into()),
        mail_from_status: Some("SUCCESS".into()),
        tags: Default::default(),
    }
}

fn error(operation: Operation, kind: Kind, code: &str) -> ServiceError {
    ServiceError::new(operation, kind, code, "the reason")
}

fn check<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap()
}

fn shown(checks: &[Check]) -> String {
    anstream::adapter::strip_str(&render::doctor(Format::Table, checks, "", false)).to_string()
}

#[test]
fn a_healthy_organisation_passes_every_check() {
    let checks = examine(&config(""), &healthy());
    assert!(
        checks.iter().all(|check| check.verdict == Verdict::Ok),
        "{}",
        shown(&checks)
    );
    insta::assert_snapshot!(shown(&checks));
}

#[test]
fn a_new_organisation_gets_a_remedy_for_everything() {
    let readings = Readings {
        access: Ok(OrganizationsAccess::Disabled),
        billing_alerts: Ok(Some(false)),
        series: Ok(Default::default()),
        ses: Ok(SesAccount {
            production_access: false,
            sending_enabled: true,
            max_24_hour_send: 2.0,
            sent_last_24_hours: 0.0,
            max_send_rate: 1.0,
        }),
        identity: Ok(None),
        ..healthy()
    };
    insta::assert_snapshot!(shown(&examine(&config(""), &readings)));
}

#[test]
fn an_identity_that_waits_for_dns_gets_its_records() {
    let identity = EmailIdentity {
        verified: false,
        verification_status: "PENDING".into(),
        dkim_status: Some("PENDING".into()),
        mail_from_status: Some("PENDING".into()),
        ..domain()
    };
    let readings = Readings {
        identity: Ok(Some(identity)),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    assert_eq!(check(&checks, "identity").verdict, Verdict::Failed);
    let remedy = check(&checks, "dkim").remedy.clone().unwrap();
    assert!(
        remedy.contains("one._domainkey.example.com CNAME one.dkim.amazonses.com."),
        "{remedy}"
    );
    let remedy = check(&checks, "mail-from").remedy.clone().unwrap();
    assert!(
        remedy.contains("bounce.example.com MX 10 feedback-smtp.us-east-1.amazonses.com."),
        "{remedy}"
    );
}

#[test]
fn without_credentials_one_check_fails_and_the_others_say_why_they_were_not_looked_at() {
    let none = |operation| error(operation, Kind::Credentials, "CredentialsNotLoaded");
    let readings = Readings {
        caller: Err(none(sts::GET_CALLER_IDENTITY)),
        organization: Err(none(organizations::DESCRIBE_ORGANIZATION)),
        tree: Err("no credentials".into()),
        administrators: Err(none(organizations::LIST_DELEGATED_ADMINISTRATORS)),
        access: Err(none(cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS)),
        billing_alerts: Err(none(billing::GET_BILLING_PREFERENCES)),
        young: BTreeSet::new(),
        series: Err(none(billing::GET_BILLING_PREFERENCES)),
        ses: Err(none(billing::GET_BILLING_PREFERENCES)),
        identity: Err(none(billing::GET_BILLING_PREFERENCES)),
        hearing: Err(none(sns::GET_TOPIC_ATTRIBUTES)),
        chat: Vec::new(),
        stack_set: Err(none(cloudformation::DESCRIBE_STACK_SET)),
        things: vec![("role billctl-notifier".into(), Err(none(iam::GET_ROLE)))],
        denied: Err(none(iam::SIMULATE_PRINCIPAL_POLICY)),
        members: Members {
            covered: None,
            looks: Default::default(),
            owners: Ok(Default::default()),
        },
    };
    let checks = examine(&config(""), &readings);
    let failed: Vec<_> = checks.iter().filter(|check| check.verdict == Verdict::Failed).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].name, "credentials");
    insta::assert_snapshot!(shown(&checks));
}

#[test]
fn credentials_that_end_halfway_fail_with_awss_words() {
    let readings = Readings {
        ses: Err(error(
            billing::GET_BILLING_PREFERENCES,
            Kind::Credentials,
            "ExpiredToken",
        )),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    let credentials = check(&checks, "credentials");
    assert_eq!(credentials.verdict, Verdict::Failed);
    assert!(credentials.finding.contains("ExpiredToken"), "{}", credentials.finding);
    assert!(shown(&checks).starts_with("1 check failed"), "{}", shown(&checks));
}

#[test]
fn a_denied_read_names_the_action_and_hides_nothing() {
    let readings = Readings {
        access: Err(error(
            cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS,
            Kind::Denied,
            "AccessDenied",
        )),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    let access = check(&checks, "trusted-access");
    assert_eq!(access.verdict, Verdict::Warning);
    assert_eq!(
        access.remedy.as_deref(),
        Some(
            "allow `cloudformation:DescribeOrganizationsAccess` for the identity in use; `billctl policy JOB` prints all that \
             is needed"
        )
    );
    assert_eq!(
        checks.iter().filter(|check| check.verdict == Verdict::Ok).count(),
        checks.len() - 1
    );
}

#[test]
fn a_read_that_failed_for_another_reason_has_the_reason_s_remedy() {
    let unread = |kind, message: &str| {
        let mut error = error(cloudformation::DESCRIBE_ORGANIZATIONS_ACCESS, kind, "AccessDenied");
        error.message = message.to_owned();
        if kind != Kind::Denied {
            error.code = None;
        }
        let readings = Readings {
            access: Err(error),
            ..healthy()
        };
        let checks = examine(&config(""), &readings);
        check(&checks, "trusted-access").remedy.clone().unwrap_or_default()
    };
    let said = unread(Kind::Denied, "with an explicit deny in a service control policy");
    assert!(
        said.starts_with("a service control policy of the organisation has to allow"),
        "{said}"
    );
    let said = unread(Kind::Garbled, "HTTP 503: <html>busy</html>");
    assert!(
        said.contains("has problems: run the same command again later"),
        "{said}"
    );
    let said = unread(Kind::Unavailable, "Connection refused");
    assert!(said.contains("AWS_ENDPOINT_URL"), "{said}");
}

#[test]
fn a_member_account_is_told_where_to_go_and_a_delegated_administrator_how_to_say_so() {
    let member = || CallerIdentity {
        account: "222222222222".parse().unwrap(),
        arn: "arn:aws:iam::222222222222:user/me".parse().unwrap(),
    };
    let readings = Readings {
        caller: Ok(member()),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    assert_eq!(check(&checks, "account").verdict, Verdict::Failed);
    assert_eq!(check(&checks, "ses").verdict, Verdict::Skipped);

    let administrator = || Readings {
        caller: Ok(member()),
        administrators: Ok(vec!["222222222222".parse().unwrap()]),
        ..healthy()
    };
    let checks = examine(&config(""), &administrator());
    assert!(check(&checks, "account").remedy.as_deref().unwrap().contains("call-as"));
    let checks = examine(&config("call-as = \"delegated-admin\""), &administrator());
    assert_eq!(check(&checks, "account").verdict, Verdict::Ok);
}

#[test]
fn another_organisation_or_partition_is_refused() {
    let mut readings = healthy();
    readings.caller.as_mut().unwrap().arn = "arn:aws-cn:iam::111122223333:user/me".parse().unwrap();
    readings.organization.as_mut().unwrap().id = "o-zzzzzzzzzz".parse().unwrap();
    let checks = examine(&config(""), &readings);
    assert_eq!(check(&checks, "partition").verdict, Verdict::Failed);
    assert_eq!(check(&checks, "organization").verdict, Verdict::Failed);
}

#[test]
fn accounts_without_charges_are_named() {
    let readings = Readings {
        series: Ok(["111122223333", "222222222222"].map(|id| id.parse().unwrap()).into()),
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    let members = check(&checks, "member-charges");
    assert_eq!(members.verdict, Verdict::Warning);
    assert_eq!(
        members.finding,
        "of 1 of 2 active members the billing account has none: 333333333333"
    );
    // One that has just joined lacks nothing.
    let readings = Readings {
        young: ["333333333333".parse().unwrap()].into(),
        ..readings
    };
    let checks = examine(&config(""), &readings);
    let members = check(&checks, "member-charges");
    assert_eq!(members.verdict, Verdict::Ok, "{members:?}");
    assert!(members.finding.contains("one that is new"), "{members:?}");
}

#[test]
fn an_account_that_has_just_joined_is_new_and_lacks_nothing_yet() {
    let home = Home::demo();
    home.config("[deploy]\nous = [\"Staging\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    home.succeeds(&["sandbox", "add-account", "--name", "novel", "--ou", "Staging"]);
    let line = || {
        let text = home.run(&["doctor"]).stdout;
        let found = text.lines().find(|line| line.contains("member-charges"));
        found.map(str::to_owned).unwrap_or(text)
    };
    assert!(
        line().starts_with("ok") && line().contains("one that is new"),
        "{}",
        line()
    );
    // Beside it an older one whose charges are gone: that one is named, and it alone.
    let answer = home.succeeds(&["status", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let id = |name: &str| {
        let accounts = answer["accounts"].as_array().unwrap();
        let line = accounts.iter().find(|line| line["name"] == name).unwrap();
        line["account"].as_str().unwrap().to_owned()
    };
    let (old, new) = (id("staging-web"), id("novel"));
    home.edit_world(|world| {
        world["cloudwatch"]["ledger"]["published"] = serde_json::json!({&old: {"total": [], "services": {}}});
    });
    assert!(line().contains(&old) && !line().contains(&new), "{}", line());
}

/// The config with this table at its end.
fn heard_by(operations: &str) -> Config {
    Config::parse("config.toml", &format!("{CONFIG}\n{operations}")).unwrap()
}

/// Who hears by this config, of a topic with this key and these subscriptions.
fn hearing(operations: &str, key: &str, subscriptions: &[(&str, bool)]) -> Hearing {
    let subscriptions: Vec<sns::Subscription> = subscriptions
        .iter()
        .map(|(endpoint, confirmed)| sns::Subscription {
            protocol: "email".into(),
            endpoint: (*endpoint).into(),
            confirmed: *confirmed,
        })
        .collect();
    let confirmed = subscriptions.iter().filter(|one| one.confirmed).count();
    let found = TopicState {
        attributes: [
            ("KmsMasterKeyId".into(), key.into()),
            ("SubscriptionsConfirmed".into(), confirmed.to_string()),
        ]
        .into(),
        subscriptions,
    };
    let config = heard_by(operations);
    Hearing::of(
        config.operations.as_ref(),
        "111122223333".parse().unwrap(),
        &TOPIC.parse().unwrap(),
        Some(&found),
    )
}

#[test]
fn that_nobody_hears_of_the_notifiers_failures_is_a_warning_with_its_cause() {
    const MAIL: &str = "[operations]\nmail = \"Ops@Example.com\"";
    const TOPIC: &str = "[operations]\ntopic = \"arn:aws:sns:us-east-1:111122223333:mine\"";
    const ELSEWHERE: &str = "[operations]\ntopic = \"arn:aws:sns:us-east-1:999988887777:theirs\"";
    let ops = |confirmed| [("ops@example.com", confirmed)];
    for (operations, key, subscriptions, verdict, finding, remedy) in [
        (
            "",
            "",
            &[][..],
            Verdict::Warning,
            "nobody is told when the notifier fails",
            "under [operations]",
        ),
        (MAIL, "", &[], Verdict::Warning, "isn't subscribed", "billctl bootstrap"),
        (
            MAIL,
            "",
            &ops(false),
            Verdict::Warning,
            "PendingConfirmation",
            "click the link",
        ),
        (
            MAIL,
            "",
            &ops(true),
            Verdict::Ok,
            "go to Ops@example.com, by topic billctl-operations",
            "",
        ),
        (
            MAIL,
            "alias/aws/sns",
            &ops(true),
            Verdict::Warning,
            "the AWS managed key",
            "a key of your own",
        ),
        (
            MAIL,
            "alias/mine",
            &ops(true),
            Verdict::Warning,
            "the policy of its key alias/mine",
            "kms:Decrypt",
        ),
        (TOPIC, "", &ops(true), Verdict::Ok, "go to topic mine", ""),
        (
            TOPIC,
            "",
            &[],
            Verdict::Warning,
            "no confirmed subscription",
            "SNS console",
        ),
        (
            TOPIC,
            "alias/aws/sns",
            &ops(true),
            Verdict::Warning,
            "topic mine is encrypted with the AWS managed key",
            "mine",
        ),
        (ELSEWHERE, "", &[], Verdict::Ok, "another account's", ""),
    ] {
        let readings = Readings {
            hearing: Ok(hearing(operations, key, subscriptions)),
            ..healthy()
        };
        let checks = examine(&heard_by(operations), &readings);
        let check = check(&checks, "operations");
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.finding.contains(finding), "{check:?}");
        let said = check.remedy.as_deref().unwrap_or_default();
        assert!(
            said.contains(remedy) && said.is_empty() == remedy.is_empty(),
            "{check:?}"
        );
    }
}

#[test]
fn a_thing_of_somebody_else_under_one_of_our_names_is_a_collision() {
    let alarm: billctl_core::service::cloudwatch::Alarm = serde_json::from_value(serde_json::json!({
        "name": "Billing-Alarm", "description": "made by hand", "metrics": [],
        "comparison": "GreaterThanThreshold", "threshold": 1.0, "evaluation_periods": 1,
        "treat_missing_data": "ignore", "actions_enabled": true, "alarm_actions": [],
    }))
    .unwrap();
    let readings = Readings {
        things: vec![(
            "alarm Billing-Alarm".into(),
            Ok(Some(Resource::Alarm(Alarm::from(alarm)))),
        )],
        ..healthy()
    };
    let checks = examine(&config(""), &readings);
    assert_eq!(
        check(&checks, "names").finding,
        "not made by billctl: alarm Billing-Alarm"
    );
}

#[test]
fn the_json_answer_has_a_version_and_every_check() {
    let checks = examine(&config(""), &healthy());
    let json: serde_json::Value = serde_json::from_str(&render::doctor(Format::Json, &checks, "", false)).unwrap();
    assert_eq!(json["version"], 2);
    assert_eq!(json["kind"], "doctor");
    assert_eq!(json["failed"], 0);
    assert_eq!(json["checks"].as_array().unwrap().len(), checks.len());
    assert_eq!(json["checks"][0]["verdict"], "ok");
}

const SANDBOX_CONFIG: &str = "[mail]\nfrom = \"billing@example.com\"\n";

#[test]
fn doctor_on_the_sandbox_before_and_after_bootstrap() {
    let home = Home::demo();
    home.config(SANDBOX_CONFIG);
    let before = home.run(&["doctor"]);
    // What the next command makes is no failure.
    assert_eq!(before.code, 0, "{:?}", before.texts());
    insta::assert_snapshot!("doctor_before_bootstrap", before.texts().0);

    home.succeeds(&["--yes", "bootstrap"]);
    let after = home.run(&["doctor"]).texts().0;
    insta::assert_snapshot!("doctor_after_bootstrap", after);
}

#[test]
fn every_action_that_doctor_lacks_costs_it_that_check_and_no_other() {
    let home = Home::demo();
    home.config(SANDBOX_CONFIG);
    home.succeeds(&["--yes", "bootstrap"]);
    let json = |home: &Home| -> serde_json::Value {
        let (out, err) = home.run(&["--format", "json", "doctor"]).texts();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    };
    let healthy = json(&home);
    for (action, lost) in [
        ("cloudformation:DescribeOrganizationsAccess", "trusted-access"),
        ("billing:GetBillingPreferences", "billing-alerts"),
        ("ses:GetEmailIdentity", "identity"),
        ("iam:GetRole", "names"),
        ("cloudformation:DescribeStackSet", "stack-set"),
        ("iam:SimulatePrincipalPolicy", "permissions"),
    ] {
        home.change(|world| world.faults.deny = [action.to_owned()].into());
        let checks = json(&home);
        for (check, before) in checks["checks"]
            .as_array()
            .unwrap()
            .iter()
            .zip(healthy["checks"].as_array().unwrap())
        {
            let name = check["name"].as_str().unwrap();
            if name == "permissions" && name != lost {
                // The simulator foresees it, whatever the check that lacks it says.
                assert!(check["finding"].as_str().unwrap().contains(action), "{check}");
            } else if name == lost && check["verdict"] == "warning" {
                assert!(check["remedy"].as_str().unwrap().contains(action), "{check}");
            } else if check["finding"].as_str().unwrap().contains("not known") {
                assert!(
                    check["finding"]
                        .as_str()
                        .unwrap()
                        .contains(action.split(':').nth(1).unwrap()),
                    "{check}"
                );
            } else {
                assert_eq!(check["verdict"], before["verdict"], "{action}: {check}");
            }
        }
    }
}

#[test]
fn without_a_config_the_rest_is_looked_at_all_the_same() {
    let home = Home::demo();
    let output = home.run(&["doctor"]);
    assert_eq!(output.code, 1);
    let (out, _) = output.texts();
    assert!(
        out.contains("failed   config") && out.contains("`billctl init` writes one"),
        "{out}"
    );
    assert!(
        out.contains("ok       credentials") && out.contains("skipped  identity"),
        "{out}"
    );

    home.config("[mail]\nform = \"a@example.com\"\n");
    let (out, err) = home.run(&["doctor"]).texts();
    assert!(err.contains("did you mean `from`?"), "{err}");
    assert!(
        out.contains("failed   config") && out.contains("ok       all-features"),
        "{out}"
    );
}

#[test]
fn each_job_is_told_what_it_would_be_denied() {
    let home = Home::demo();
    home.config(SANDBOX_CONFIG);
    home.change(|world| {
        world.faults.deny = ["iam:CreateRole", "iam:PassRole"].map(str::to_owned).into();
    });
    let (out, err) = home.run(&["doctor"]).texts();
    assert!(
        out.contains(
            "enough for looking (status, spend) and deploy; \
             bootstrap, test-alert and destroy would be denied iam:CreateRole, iam:PassRole"
        ),
        "{out}\n{err}"
    );
}

#[test]
fn billing_alerts_that_may_not_be_read_are_told_by_the_charges() {
    let denied = || {
        Err(error(
            billing::GET_BILLING_PREFERENCES,
            Kind::Denied,
            "AccessDeniedException",
        ))
    };
    let seen = Readings {
        billing_alerts: denied(),
        ..healthy()
    };
    let checks = examine(&config(""), &seen);
    assert_eq!(check(&checks, "billing-alerts").verdict, Verdict::Ok);
    let unseen = Readings {
        billing_alerts: denied(),
        series: Ok(Default::default()),
        ..healthy()
    };
    let checks = examine(&config(""), &unseen);
    let alerts = check(&checks, "billing-alerts");
    assert_eq!(alerts.verdict, Verdict::Warning);
    let remedy = alerts.remedy.as_deref().unwrap_or_default();
    assert!(remedy.starts_with("allow `billing:GetBillingPreferences`"), "{remedy}");
}

#[test]
fn an_ou_that_is_not_there_is_found_before_a_rollout() {
    let home = Home::demo();
    home.config("[deploy]\nous = [\"Prodution\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    let (out, _) = home.run(&["doctor"]).texts();
    assert!(
        out.contains("failed   targets          line 2: there is no OU `Prodution`"),
        "{out}"
    );
    home.config("[deploy]\nous = [\"Production\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    let (out, _) = home.run(&["doctor"]).texts();
    assert!(
        out.contains("ok       targets          15 accounts in the OUs of the config"),
        "{out}"
    );
}

#[test]
fn what_an_organisation_exceeds_is_told_beforehand() {
    for (more, instances, dashboard, mails) in [
        (400, Verdict::Ok, Verdict::Ok, Verdict::Ok),
        (600, Verdict::Ok, Verdict::Warning, Verdict::Ok),
        (60_000, Verdict::Ok, Verdict::Warning, Verdict::Warning),
        (90_000, Verdict::Warning, Verdict::Warning, Verdict::Warning),
        (100_001, Verdict::Failed, Verdict::Warning, Verdict::Warning),
    ] {
        let readings = Readings {
            tree: Ok(tree_of(more)),
            ..healthy()
        };
        let checks = examine(&config(""), &readings);
        let of = |name: &str| check(&checks, name).verdict;
        assert_eq!(of("instances-quota"), instances, "{more}");
        assert_eq!(of("dashboard-quota"), dashboard, "{more}");
        assert_eq!(of("ses-quota"), mails, "{more}");
    }
}

#[test]
fn bootstrap_doctor_and_status_say_so_until_the_link_is_clicked() {
    let home = Home::demo();
    home.config("[mail]\nfrom = \"billing@example.com\"\n[operations]\nmail = \"platform@example.com\"\n");
    let run = |arguments: &[&str]| {
        let (out, err) = home.run(arguments).texts();
        format!("{out}\n{err}").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let pending = "platform@example.com hasn't confirmed its subscription to topic billctl-operations \
                   (PendingConfirmation)";
    for command in [&["--yes", "bootstrap"][..], &["doctor"], &["status"]] {
        let said = run(command);
        assert!(said.contains(pending), "{command:?}: {said}");
    }
    let said = run(&["sandbox", "verify", "platform@example.com"]);
    assert!(said.contains("its subscription is confirmed"), "{said}");
    for command in [&["--yes", "bootstrap"][..], &["doctor"], &["status"]] {
        let said = run(command);
        assert!(!said.contains("PendingConfirmation"), "{command:?}: {said}");
    }
    let said = run(&["doctor"]);
    assert!(
        said.contains("failures of the notifier go to platform@example.com, by topic billctl-operations"),
        "{said}"
    );
    let status: serde_json::Value = serde_json::from_str(&home.run(&["status", "--format", "json"]).texts().0).unwrap();
    assert_eq!(status["billing"]["health"]["operations"]["state"], "heard");
}
