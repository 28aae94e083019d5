//! Silence is noticed and fixed: `spend --tell`, what `status` says of accounts above their limits, and `resend`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::home::Home;

const CONFIG: &str = "[alarm]\nthreshold = 50\n[mail]\nfrom = \"billing@example.com\"\n";
const ROLLED_OUT: &str = "[alarm]\nthreshold = 50\n[deploy]\nous = [\"Production\"]\n\
                          [status]\ndrift-every = \"never\"\n[mail]\nfrom = \"billing@example.com\"\n";

/// How many mails lie in the outbox.
fn mails(home: &Home) -> usize {
    let outbox = std::fs::read_dir(home.path().join("sandbox-outbox"));
    outbox.map_or(0, |files| {
        files
            .filter_map(|file| file.ok()?.path().extension()?.to_str().map(|it| it == "txt"))
            .filter(|is_text| *is_text)
            .count()
    })
}

fn json(home: &Home, line: &str) -> Value {
    let ended = home.run(&format!("{line} --format json"));
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// With the billing side set up, and nothing in any member.
fn bootstrapped(config: &str) -> Home {
    let home = Home::with_sandbox(config);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home
}

/// Takes the policies of the role with which the payer's rules start the notifier away.
fn break_the_rules_role(home: &Home) {
    home.edit_world(|world| {
        let roles = world["iam"]["roles"].as_object_mut().expect("roles");
        let role = roles
            .iter_mut()
            .find(|(name, _)| *name == "billctl-start-notifier")
            .expect("the rules' role");
        role.1["inline"] = serde_json::json!({});
    });
}

#[test]
fn telling_every_few_hours_mails_as_often_as_the_table_says_without_any_stack_set() {
    let home = bootstrapped(CONFIG);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    home.run("sandbox spend --name prod-web --daily 40").code(0);
    home.run("sandbox advance 27h").code(0);
    let mut by_day: BTreeMap<String, usize> = BTreeMap::new();
    let mut before = mails(&home);
    for _ in 0..30 {
        let told = json(&home, "spend --tell");
        assert_eq!(told["told"]["failed"], 0, "{}", told["told"]);
        home.run("sandbox advance 3h").code(0);
        let day = told["generated_at"].as_str().expect("a time")[..10].to_owned();
        let now = mails(&home);
        *by_day.entry(day).or_default() += now - before;
        before = now;
    }
    // The first day, the second and the third; the fourth is silent.
    let counts: Vec<usize> = by_day.values().copied().filter(|count| *count > 0).collect();
    assert_eq!(counts, [1, 1, 1], "{by_day:?}");
    let days: Vec<bool> = by_day.values().map(|count| *count > 0).collect();
    let first = days.iter().position(|told| *told).expect("a mail");
    assert!(days[first..first + 3].iter().all(|told| *told), "{by_day:?}");
}

#[test]
fn telling_needs_a_notifier_and_thresholds() {
    let home = Home::with_sandbox(CONFIG);
    let ended = home.run("spend --tell").code(1);
    assert!(ended.stderr.contains("billctl bootstrap"), "{ended:?}");
    home.run("spend --tell --by service").code(2);
    std::fs::remove_file(home.path().join("config.toml")).expect("a config");
    home.run("spend --tell").code(2);
}

#[test]
fn only_those_asked_for_are_told() {
    let home = bootstrapped(CONFIG);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    home.run("sandbox spend --name sandbox-chen --daily 120").code(0);
    home.run("sandbox advance 48h").code(0);
    let told = json(&home, "spend --tell --ou Sandboxes");
    assert_eq!(told["told"]["started"], 1, "{}", told["told"]);
    let ended = home.run("spend --tell --check").code(4);
    assert!(ended.stdout.contains("2 accounts above, 1 started"), "{}", ended.stdout);
    // Whom, only the notifier knows; and the last line says where to see it.
    assert!(
        ended.stdout.contains("decided when the notifier runs"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("`billctl preview --account ACCOUNT`"),
        "{}",
        ended.stdout
    );
    let again = home.run("spend --tell").code(0).stdout;
    assert!(
        !again.contains("decided when the notifier runs"),
        "nobody is written to: {again}"
    );
    assert_eq!(mails(&home), 2);
}

#[test]
fn status_finds_who_is_above_and_was_not_told_until_they_are() {
    let home = bootstrapped(ROLLED_OUT);
    home.run("deploy --yes").code(0);
    home.run("sandbox break rule-disable --name payments-prod").code(0);
    home.run("status --check").code(0);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    home.run("sandbox advance 60h").code(0);

    let ended = home.run("status --check").code(4);
    for word in ["1 above the limit with nobody told", "nobody told", "spend --tell"] {
        assert!(ended.stdout.contains(word), "no {word}: {}", ended.stdout);
    }
    let status = json(&home, "status");
    let above = &status["above"][0];
    assert_eq!(above["finding"], true, "{above}");
    assert_eq!(above["told"]["state"], "no");
    assert!(above["days"].as_u64() >= Some(2), "{above}");
    assert!(home.run("status --format markdown").stdout.contains("nobody told"));

    home.run("spend --tell").code(0);
    // Under way is no finding, and a minute later they are told.
    home.run("status --check").code(0);
    home.run("sandbox advance 1m").code(0);
    let ended = home.run("status --check").code(0);
    assert!(ended.stdout.contains("told"), "{}", ended.stdout);
    let status = json(&home, "status");
    assert_eq!(status["above"][0]["told"]["state"], "yes");
    assert_eq!(status["above"][0]["finding"], false);
    assert_eq!(status["billing"]["health"]["days"], 1);
}

#[test]
fn status_tells_an_untold_account_that_no_alarm_watches() {
    let home = bootstrapped(ROLLED_OUT);
    home.run("deploy --yes").code(0);
    home.run("sandbox spend --name sandbox-chen --daily 120").code(0);
    home.run("sandbox advance 48h").code(0);
    // Config doesn't ask for it, and nobody would tell.
    home.run("status --check").code(0);
    home.config(&ROLLED_OUT.replace("[\"Production\"]", "[\"Production\", \"Sandboxes\"]"));
    let status = json(&home, "status");
    let cause = status["above"][0]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("no stack instance"), "{}", status["above"]);
}

#[test]
fn what_could_not_be_delivered_is_sent_again_once() {
    let home = bootstrapped(ROLLED_OUT);
    home.run("deploy --yes").code(0);
    break_the_rules_role(&home);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    home.run("sandbox advance 60h").code(0);
    assert_eq!(mails(&home), 0);
    let status = json(&home, "status");
    let cause = status["above"][0]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("dead-letter queue"), "{}", status["above"]);

    home.run("bootstrap --yes").code(0);
    let plan = json(&home, "resend --plan");
    assert_eq!(plan["applied"], false);
    assert!(plan["again"].as_u64() >= Some(1), "{plan}");
    assert_eq!(mails(&home), 0);
    let done = json(&home, "resend");
    assert_eq!(done["applied"], true);
    assert_eq!(done["failed"], 0, "{done}");
    assert_eq!(mails(&home), 1);

    let again = json(&home, "resend");
    assert_eq!(again["items"], serde_json::json!([]), "{again}");
    home.run("spend --tell").code(0);
    home.run("sandbox advance 1h").code(0);
    home.run("resend").code(0);
    assert_eq!(mails(&home), 1);
    home.run("status --check").code(0);
}

#[test]
fn a_day_that_failed_is_started_again_while_the_account_is_above() {
    let home = bootstrapped(CONFIG);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    home.run("sandbox advance 60h").code(0);
    // SES lost the sender.
    home.edit_world(|world| {
        world["sesv2"]["verifies"] = Value::Bool(false);
        let identity = &mut world["sesv2"]["identities"]["billing@example.com"];
        identity["verified"] = Value::Bool(false);
    });
    home.run("spend --tell").code(0);
    home.run("sandbox advance 1h").code(0);
    assert_eq!(mails(&home), 0);
    let status = json(&home, "status");
    assert_eq!(status["above"][0]["told"]["state"], "failed", "{}", status["above"]);

    home.run("sandbox verify billing@example.com").code(0);
    let done = json(&home, "resend");
    assert_eq!(done["again"], 1, "{done}");
    assert_eq!(mails(&home), 1);
    let again = json(&home, "resend");
    assert_eq!(again["again"], 0, "{again}");
    assert_eq!(mails(&home), 1);
}

#[test]
fn reports_of_failed_mails_stay_unless_they_are_dropped() {
    let home = bootstrapped(CONFIG);
    home.edit_world(|world| {
        let queues = world["sqs"]["queues"].as_object_mut().expect("queues");
        let queue = queues.values_mut().next().expect("a queue");
        queue["messages"] = serde_json::json!([{
            "at": "2026-03-11T09:00:00Z",
            "body": {"id": "e", "source": "aws.ses", "detail-type": "Email Bounced", "time": "2026-03-11T09:00:00Z",
                "detail": {"mail": {"messageId": "0100", "tags": {"billctl-account": ["824973585909"]}}}},
            "attributes": {},
        }]);
    });
    let left = home.run("resend").code(0);
    assert!(left.stdout.contains("owner tag"), "{}", left.stdout);
    assert!(left.stdout.contains("1 left"), "{}", left.stdout);
    assert_eq!(json(&home, "resend --drop")["dropped"], 1);
    assert_eq!(json(&home, "resend")["items"], serde_json::json!([]));
}
