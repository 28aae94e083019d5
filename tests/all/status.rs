//! What `status` claims: "all well" only while it is, and each finding by what makes it one.

use std::fmt::Debug;

use serde_json::{Value, json};

use crate::support::home::{Ended, Home};

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";

/// An organisation of which all is well.
fn well() -> Home {
    with(CONFIG)
}

fn with(config: &str) -> Home {
    let home = Home::with_sandbox(config);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("deploy --yes").code(0);
    home
}

fn json_of(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn kinds(home: &Home, line: &str) -> Vec<String> {
    let answer = json_of(&home.run(&format!("{line} --format json")));
    let findings = answer["findings"].as_array().expect("findings");
    findings
        .iter()
        .map(|finding| {
            assert!(
                finding["remedy"].as_str().is_some_and(|text| !text.is_empty()),
                "{finding}"
            );
            finding["kind"].as_str().expect("a kind").to_owned()
        })
        .collect()
}

/// That this, and nothing else, keeps all from being well, and that `--check` fails on it.
#[track_caller]
fn finds(home: &Home, kind: &str) {
    assert_eq!(kinds(home, "status"), [kind]);
    let ended = home.run("status --check").code(4);
    assert!(!ended.stdout.contains("all well"), "{}", ended.stdout);
}

#[track_caller]
fn has<T: Debug + AsRef<str>>(ended: Ended, words: &[T]) -> Ended {
    for word in words {
        assert!(ended.stdout.contains(word.as_ref()), "no {word:?} in\n{}", ended.stdout);
    }
    ended
}

#[test]
fn all_is_well_where_everything_was_looked_at() {
    let home = well();
    let ended = has(
        home.run("status --check").code(0),
        &["all well: 15 accounts covered; drift never looked for"],
    );
    assert!(!ended.stdout.contains("not looked at"), "{}", ended.stdout);
    let answer = json_of(&home.run("status --format json"));
    assert!(
        answer["organization"].as_str().is_some_and(|id| id.starts_with("o-")),
        "{answer}"
    );
    assert!(
        answer["generated_at"].as_str().is_some_and(|at| at.ends_with('Z')),
        "{answer}"
    );
    assert_eq!(answer["not_looked_at"], json!([]));
}

#[test]
fn a_sender_that_is_not_verified_is_a_finding() {
    let home = well();
    home.edit_world(|world| {
        world["sesv2"]["verifies"] = json!(false);
        world["sesv2"]["identities"]["billing@example.com"]["verified"] = json!(false);
    });
    finds(&home, "sender-unverified");
    has(
        home.run("status"),
        &["no mail can leave: billing@example.com isn't verified"],
    );
    home.run("sandbox verify billing@example.com").code(0);
    home.run("status --check").code(0);
}

#[test]
fn sending_that_is_switched_off_is_a_finding() {
    let home = well();
    home.edit_world(|world| world["sesv2"]["sending_off"] = json!(true));
    finds(&home, "sending-off");
}

#[test]
fn a_quota_that_is_used_up_is_a_finding() {
    let home = well();
    home.edit_world(|world| {
        let now = world["now"].clone();
        world["sesv2"]["accepted"] = json!(vec![now; 50_000]);
    });
    finds(&home, "quota-used-up");
}

#[test]
fn owners_that_sess_sandbox_keeps_mails_from_are_a_finding_until_their_addresses_are_verified() {
    let home = well();
    home.edit_world(|world| world["sesv2"]["production_access"] = json!(false));
    finds(&home, "owners-unreachable");
    let answer = json_of(&home.run("status --format json"));
    let unreachable = answer["billing"]["reach"]["unreachable"].as_array().expect("accounts");
    assert_eq!(unreachable.len(), 15, "{}", answer["billing"]["reach"]);
    // The demo's owners all have addresses here.
    home.run("sandbox verify example.com").code(0);
    has(
        home.run("status --check").code(0),
        &["all well", "SES is in its sandbox"],
    );
    // A copy that may not be written to keeps the whole mail back.
    home.config(&CONFIG.replace("[mail]", "[mail]\ncc = [\"finops@elsewhere.example\"]"));
    assert!(kinds(&home, "status").contains(&"owners-unreachable".to_owned()));
}

#[test]
fn owners_that_were_not_looked_at_are_not_claimed_to_be_reached() {
    let home = Home::with_sandbox(&CONFIG.replace("Production", "Root"));
    home.run("sandbox new --accounts 60 --force").code(0);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("sandbox verify example.com").code(0);
    home.run("deploy --yes").code(0);
    home.edit_world(|world| world["sesv2"]["production_access"] = json!(false));
    let ended = has(
        home.run("status --check"),
        &["not looked at: whether SES's sandbox lets mails"],
    );
    assert!(!ended.stdout.contains("all well:"), "{}", ended.stdout);
    let deep = home.run("status --deep");
    assert!(!deep.stdout.contains("not looked at"), "{}", deep.stdout);
    // And what can't be read isn't either.
    home.run("sandbox fail deny organizations:ListTagsForResource").code(0);
    has(
        home.run("status"),
        &["whether SES's sandbox lets mails through to the owners isn't known"],
    );
}

/// Lets the notifier fail for `payments-prod`: SES loses the sender before the mail, and has it again after.
fn fail_once(home: &Home) -> String {
    let answer = json_of(&home.run("status --format json"));
    let accounts = answer["accounts"].as_array().expect("accounts");
    let account = accounts
        .iter()
        .find(|one| one["name"] == "payments-prod")
        .expect("payments-prod");
    let account = account["account"].as_str().expect("an id").to_owned();
    home.edit_world(|world| {
        world["sesv2"]["verifies"] = json!(false);
        world["sesv2"]["identities"]["billing@example.com"]["verified"] = json!(false);
    });
    home.run(&format!("test-alert --yes --account {account}")).code(1);
    home.run("sandbox verify billing@example.com").code(0);
    account
}

#[test]
fn mails_that_failed_are_a_finding_until_one_goes_out() {
    let home = well();
    let account = fail_once(&home);
    // The alarm on failures has gone off as well, and goes off again by itself.
    home.run("sandbox advance 1h").code(0);
    finds(&home, "mails-failed");
    home.run(&format!("test-alert --yes --account {account}")).code(0);
    let ended = has(home.run("status --check").code(0), &["all well"]);
    // It is still told that there was one.
    has(ended, &["1 failed"]);
}

#[test]
fn what_lies_in_the_queue_is_a_finding() {
    let home = well();
    home.edit_world(|world| {
        let queues = world["sqs"]["queues"].as_object_mut().expect("queues");
        let queue = queues.values_mut().next().expect("a queue");
        queue["messages"] = json!([{
            "at": "2026-03-11T09:00:00Z",
            "body": {"id": "e", "source": "aws.cloudwatch", "account": "824973585909"},
            "attributes": {},
        }]);
    });
    finds(&home, "queue");
    has(home.run("status"), &["1 message lies in the dead-letter queue"]);
}

#[test]
fn an_alarm_on_the_notifiers_health_is_a_finding_and_its_own_spend_is_not() {
    let home = well();
    let account = fail_once(&home);
    home.run(&format!("test-alert --yes --account {account}")).code(0);
    home.run("sandbox advance 5m").code(0);
    assert_eq!(kinds(&home, "status"), ["health-alarm"]);
    home.run("sandbox advance 1h").code(0);
    home.run("status --check").code(0);

    let management = json_of(&home.run("status --format json"))["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["coverage"] == "management").cloned())
        .expect("the management account");
    let id = management["account"].as_str().expect("an id");
    home.run(&format!("sandbox spend --account {id} --daily 900")).code(0);
    home.run("sandbox advance 36h").code(0);
    let answer = json_of(&home.run("status --format json"));
    assert_eq!(
        answer["billing"]["health"]["alarms"][0]["name"], "Billing-Alarm",
        "{answer}"
    );
    assert!(
        !answer["findings"].to_string().contains("health-alarm"),
        "{}",
        answer["findings"]
    );
}

#[test]
fn drift_that_nobody_looked_for_lately_is_a_finding_and_a_check_looks() {
    let home = well();
    home.run("sandbox break alarm-edit --name payments-prod --threshold 9999")
        .code(0);
    // The rollout is younger than a day.
    has(home.run("status --check").code(0), &["drift never looked for"]);
    home.run("sandbox advance 25h").code(0);
    assert_eq!(kinds(&home, "status"), ["drift-due"]);
    has(home.run("status"), &["drift was never looked for"]);
    // Looking finds it.
    let ended = has(home.run("status --check").code(4), &["1 drifted", "--repair"]);
    assert!(ended.stdout.contains("/Threshold"), "{}", ended.stdout);
    home.run("status --check -v").code(4);
    has(home.run("status"), &["; drift last looked for"]);
    home.run("sandbox advance 9d").code(0);
    assert_eq!(kinds(&home, "status"), ["drifted", "drift-due"]);
    has(home.run("status"), &["drift was last looked for 9 days ago"]);
}

#[test]
fn a_check_looks_for_drift_no_oftener_than_config_says() {
    let home = well();
    let looks = |home: &Home| {
        let all = home.operations();
        all.iter().filter(|id| id.starts_with("billctl-drift-")).count()
    };
    home.run("sandbox advance 25h").code(0);
    for _ in 0..3 {
        home.run("status --check").code(0);
        home.run("sandbox advance 1h").code(0);
    }
    assert_eq!(looks(&home), 1);
    home.config(&format!("{CONFIG}[status]\ndrift-every = \"2h\"\n"));
    home.run("status --check").code(0);
    assert_eq!(looks(&home), 2);
    home.config(&format!("{CONFIG}[status]\ndrift-every = \"never\"\n"));
    home.run("sandbox advance 20d").code(0);
    has(
        home.run("status --check").code(0),
        &["all well", "drift last looked for 20 days ago"],
    );
    assert_eq!(looks(&home), 2);
}

#[test]
fn drift_that_can_not_be_looked_for_is_no_reason_to_show_nothing() {
    let home = well();
    home.run("sandbox advance 25h").code(0);
    home.run("sandbox fail deny cloudformation:DetectStackSetDrift").code(0);
    let ended = home.run("status --check").code(4);
    has(
        ended,
        &[
            "15 accounts covered, but drift was never looked for",
            "drift couldn't be looked for",
        ],
    );
}

#[test]
fn an_operation_under_way_is_in_progress_with_its_counts_and_no_failure() {
    let home = Home::with_sandbox(CONFIG);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("deploy --yes --detach").code(0);
    home.run("sandbox advance 40s").code(0);
    let ended = home.run("status --check").code(0);
    has(ended, &["in progress: ", " of 15 accounts done", "creates instances"]);
    let answer = json_of(&home.run("status --format json"));
    let operation = &answer["operations"][0];
    assert_eq!(operation["accounts"], 15, "{operation}");
    let done = operation["done"].as_u64().expect("a count");
    let covered = answer["accounts"].as_array().expect("accounts").iter();
    let covered = covered.filter(|one| one["coverage"] == "covered").count() as u64;
    assert_eq!(done, covered, "{operation}");
    let open = answer["accounts"].as_array().expect("accounts").iter();
    assert_eq!(
        open.filter(|one| one["coverage"] == "in-progress").count() as u64,
        15 - covered
    );
    home.run("sandbox advance 2h").code(0);
    has(home.run("status --check").code(0), &["all well: 15 accounts covered"]);
}

#[test]
fn drift_waits_for_an_operation_and_does_not_hold_it_up() {
    let home = well();
    home.run("sandbox advance 25h").code(0);
    home.config(&CONFIG.replace("100", "120"));
    home.run("bootstrap --yes").code(0);
    home.run("deploy --yes --detach").code(0);
    let ended = home.run("status --check").code(0);
    has(ended, &["in progress: "]);
    assert!(home.operations().iter().all(|id| !id.starts_with("billctl-drift-")));
}

#[test]
fn what_an_operation_stopped_before_is_outdated_and_not_failed() {
    let home = well();
    home.config(&CONFIG.replace("100", "120"));
    home.run("bootstrap --yes").code(0);
    home.run("deploy --yes --detach --concurrency 1").code(0);
    home.run("sandbox advance 40s").code(0);
    home.run("deploy --stop").code(0);
    home.run("sandbox advance 1h").code(0);
    let kinds = kinds(&home, "status");
    assert_eq!(kinds, ["outdated"]);
    home.run("deploy --yes").code(0);
    home.run("status --check").code(0);
}

#[test]
fn a_suspended_account_shows_what_its_stack_has() {
    let home = well();
    home.run("sandbox suspend --name payments-prod").code(0);
    let line = |home: &Home| {
        let answer = json_of(&home.run("status --format json"));
        let accounts = answer["accounts"].as_array().expect("accounts").clone();
        accounts
            .into_iter()
            .find(|one| one["name"] == "payments-prod")
            .expect("payments-prod")
    };
    // Its stack is as it was rolled out.
    assert_eq!(line(&home)["coverage"], "not-active");
    assert_eq!(line(&home)["effective"], 100.0);
    // A change passes it by: the stack has what it had, which nothing lists.
    home.config(&CONFIG.replace("100", "20"));
    home.run("bootstrap --yes").code(0);
    home.run("deploy --yes").code(0);
    assert_eq!(line(&home)["effective"], Value::Null, "{}", line(&home));
    assert_eq!(line(&home)["instance"], "OUTDATED", "{}", line(&home));
}

#[test]
fn a_status_can_be_about_ous_accounts_and_kinds() {
    let home = well();
    let names = |line: &str| -> Vec<String> {
        let answer = json_of(&home.run(&format!("{line} --format json")));
        let accounts = answer["accounts"].as_array().expect("accounts");
        accounts
            .iter()
            .map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let payments = names("status --ou Production/Payments");
    assert!(
        payments.contains(&"payments-prod".to_owned()) && payments.len() < 10,
        "{payments:?}"
    );
    assert_eq!(names("status --account payments-prod"), ["payments-prod"]);
    let answer = json_of(&home.run("status --account payments-prod --format json"));
    assert_eq!(answer["scope"], json!(["payments-prod"]));
    has(
        home.run("status --ou Production/Payments"),
        &["all well: 4 accounts covered"],
    );
    assert!(
        home.run("status --account payment-prod")
            .code(2)
            .stderr
            .contains("did you mean payments-prod")
    );
    home.run("status --ou Nowhere").code(2);

    // What is wrong elsewhere is nothing to it.
    home.run("sandbox add-account --name stranger --ou Production --owner a@example.com")
        .code(0);
    home.run("sandbox advance 1h").code(0);
    home.config(&format!(
        "{CONFIG}[[threshold]]\nou = \"Production/Payments\"\nusd = 300\n"
    ));
    has(home.run("status --check --ou Production/Data").code(0), &["all well"]);
    assert!(kinds(&home, "status --ou Production/Payments").contains(&"wrong-threshold".to_owned()));

    let ended = home.run("status --only wrong-threshold").code(0);
    has(ended, &["payments-prod"]);
    let ended = home.run("status --only wrong-threshold").code(0);
    assert!(!ended.stdout.contains("prod-web"), "{}", ended.stdout);
    let ended = home.run("status --only drifted").code(0);
    assert!(!ended.stdout.contains("prod-"), "{}", ended.stdout);
    home.run("status --only nonsense").code(2);
}

#[test]
fn watching_looks_again_until_it_is_interrupted() {
    let home = well();
    let mut watching = home.start("status --watch=1");
    watching.until("looking again in 1 s");
    watching.until("looking again in 1 s");
    watching.interrupt();
    let ended = watching.end().code(0);
    assert!(
        ended.stdout.matches("all well: 15 accounts covered").count() >= 2,
        "{}",
        ended.stdout
    );
}

#[test]
fn a_quiet_status_says_only_what_is_wrong() {
    let home = well();
    assert_eq!(home.run("status -q").code(0).stdout, "");
    home.config(&CONFIG.replace("100", "120"));
    let ended = home.run("status -q --check").code(4);
    assert!(ended.stdout.contains("but "), "{}", ended.stdout);
    assert!(ended.stdout.lines().count() < 6, "{}", ended.stdout);
}

#[test]
fn from_a_delegated_administrator_nothing_is_claimed_of_the_billing_side() {
    let home = well();
    home.run("sandbox delegate --name shared-network").code(0);
    home.run("sandbox login --name shared-network").code(0);
    home.config(&format!("call-as = \"delegated-admin\"\n{CONFIG}"));
    let ended = home.run("status --check").code(0);
    has(
        ended,
        &[
            "all well as far as checked: 15 accounts covered",
            "not looked at: the billing side",
        ],
    );
}
