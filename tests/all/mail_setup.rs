//! SES made easy: what bootstrap says of the mail side, through the built binary, and what `status` says of mails
//! that failed.

use serde_json::Value;

use crate::support::home::Home;

const DOMAIN: &str = "[mail]\nfrom = \"billing@example.com\"\nidentity = \"example.com\"\n\
                      mail-from-domain = \"bounce.example.com\"\n";
const ADDRESS: &str = "[mail]\nfrom = \"billing@example.com\"\n";

fn home(config: &str) -> Home {
    let home = Home::demo();
    home.config(config);
    home
}

/// The id of an account of the demo.
fn account(home: &Home, name: &str) -> String {
    let shown = home.succeeds(&["--format", "json", "sandbox", "show"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let accounts = shown["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|one| one["name"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_domains_records_come_as_a_table_and_as_a_zone_file() {
    let home = home(DOMAIN);
    let said = home.succeeds(&["bootstrap"]);
    assert!(said.contains("example.com isn't verified yet"), "{said}");
    assert_eq!(
        said.matches("._domainkey.example.com. 300 IN CNAME ").count(),
        3,
        "{said}"
    );
    for line in [
        "bounce.example.com. 300 IN MX 10 feedback-smtp.us-east-1.amazonses.com.",
        "bounce.example.com. 300 IN TXT \"v=spf1 include:amazonses.com ~all\"",
    ] {
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
    // Each record is in the table as well.
    for purpose in ["DKIM ", "MAIL FROM ", "SPF "] {
        assert!(said.contains(purpose), "{said}");
    }
    let json = home.succeeds(&["--format", "json", "bootstrap", "--plan"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["mail"]["dns"].as_array().unwrap().len(), 5, "{json}");
}

#[test]
fn waiting_ends_when_ses_has_verified_the_identity() {
    for (config, to_do) in [(DOMAIN, "Add these records"), (ADDRESS, "AWS has mailed it a link")] {
        let home = home(config);
        let said = home.succeeds(&["bootstrap", "--wait-verified"]);
        assert!(said.contains(to_do), "{said}");
        assert!(said.contains("is verified and may send."), "{said}");
    }
}

#[test]
fn waiting_in_vain_ends_after_the_given_minutes_with_what_to_do() {
    let home = home(DOMAIN);
    home.change(|world| world.sesv2.verifies = false);
    let output = home.run(&["bootstrap", "--wait-verified=5"]);
    let (_, said) = output.texts();
    assert_eq!(output.code, 1, "{said}");
    assert!(said.contains("hasn't verified example.com within 5 minutes"), "{said}");
    assert!(said.contains("check the DNS records"), "{said}");
}

#[test]
fn the_ses_sandbox_is_explained_with_what_to_do() {
    let home = home(ADDRESS);
    home.change(|world| world.sesv2.production_access = false);
    let said = home.succeeds(&["bootstrap"]);
    assert!(
        said.contains("only verified addresses get mail, 200 mails a day"),
        "{said}"
    );
    assert!(said.contains("production access"), "{said}");
    let said = home.succeeds(&["status"]);
    assert!(said.contains("SES is in its sandbox"), "{said}");
}

#[test]
fn with_a_core_accounts_identity_its_policy_is_printed_and_mail_goes_out_as_it() {
    let home = home(
        "[mail]\nfrom = \"billing@example.com\"\n\
         identity-arn = \"arn:aws:ses:us-east-1:222222222222:identity/example.com\"\n",
    );
    let said = home.succeeds(&["bootstrap"]);
    assert!(!said.contains("+ identity"), "{said}");
    let start = said.find("\n{\n").expect("a policy");
    let end = said.rfind("\n}").expect("its end") + 2;
    let policy: Value = serde_json::from_str(&said[start..end]).expect("JSON");
    let statement = &policy["Statement"][0];
    assert_eq!(
        statement["Resource"],
        "arn:aws:ses:us-east-1:222222222222:identity/example.com"
    );
    assert_eq!(
        statement["Condition"]["StringEquals"]["ses:FromAddress"],
        "billing@example.com"
    );
    let id = account(&home, "payments-prod");
    let said = home.succeeds(&["test-alert", "--yes", "--account", &id]);
    assert!(said.contains("SES: took mail"), "{said}");
}

#[test]
fn a_senders_name_is_in_the_mail_and_the_permission_is_for_the_address() {
    let home = home("[mail]\nfrom = \"Größe FinOps <billing@example.com>\"\n");
    home.succeeds(&["bootstrap", "--wait-verified"]);
    let id = account(&home, "payments-prod");
    home.succeeds(&["test-alert", "--account", &id, "--yes"]);
    let world = home.sandbox().world();
    let mail = world.sesv2.mails().last().expect("a mail");
    // The sandbox holds the role to its condition on ses:FromAddress, so it is the bare one.
    assert_eq!(mail.from, "=?UTF-8?Q?Gr=C3=B6=C3=9Fe_FinOps?= <billing@example.com>");
}

#[test]
fn a_mail_that_bounced_and_one_that_did_not_render_are_shown_by_status() {
    let home = home(ADDRESS);
    home.succeeds(&["bootstrap", "--wait-verified"]);
    let id = account(&home, "payments-prod");
    home.change(|world| {
        let tags = world.organizations.tags_mut(id.parse().unwrap()).unwrap();
        tags.insert("owner".into(), "bounce@simulator.amazonses.com".into());
    });
    let output = home.run(&["test-alert", "--yes", "--account", &id]);
    let (out, err) = output.texts();
    assert_eq!(output.code, 1, "{out}{err}");
    assert!(out.contains("FAILED  SES: bounced: the mail about account"), "{out}");
    assert!(err.contains("owner tag"), "{err}");
    let said = home.succeeds(&["status"]);
    assert!(said.contains("in the dead-letter queue: 1 message"), "{said}");
    assert!(
        said.contains(&format!("bounced: the mail about account {id}")),
        "{said}"
    );
    // The alarm on the queue tells it as well.
    home.succeeds(&["sandbox", "advance", "15m"]);
    let said = home.succeeds(&["status"]);
    assert!(said.contains("in ALARM: billctl-undelivered-waiting"), "{said}");
    let json: Value = serde_json::from_str(&home.succeeds(&["--format", "json", "status"])).unwrap();
    assert_eq!(json["billing"]["health"]["queue"]["waiting"], 1, "{json}");
}

#[test]
fn a_notifier_that_failed_is_shown_by_status_with_its_cause_and_its_alarm() {
    let home = home(ADDRESS);
    home.succeeds(&["bootstrap"]);
    home.change(|world| world.sesv2.verifies = false);
    let id = account(&home, "payments-prod");
    let output = home.run(&["test-alert", "--yes", "--account", &id]);
    assert_eq!(output.code, 1);
    home.succeeds(&["sandbox", "advance", "15m"]);
    let said = home.succeeds(&["status"]);
    assert!(said.contains("0 test mails, 1 failed"), "{said}");
    assert!(said.contains("Billctl.NotSent"), "{said}");
    assert!(said.contains("Email address is not verified"), "{said}");
    assert!(said.contains("in ALARM: billctl-notifier-failed"), "{said}");
}
