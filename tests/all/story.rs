//! The whole story through the built binary: what a newcomer sees, and what wrong input gets.

use crate::support::home::{Ended, Home};

const CONFIG: &str = "[mail]\nfrom = \"billing@example.com\"\n";

#[test]
fn the_demo_ends_with_a_mail_to_the_owner_of_the_account_that_overspent() {
    let home = Home::empty();
    let ended = home.end(home.command().arg("demo")).code(0);
    assert!(
        ended.stdout.contains("all well: 20 accounts covered"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("The alarm of payments-prod"), "{}", ended.stdout);
    let next = ended.stdout.trim_end().lines().last();
    assert!(
        next.is_some_and(|line| line.ends_with(" sandbox advance 28d")),
        "{next:?}"
    );
    let outbox = home.path().join("billctl-demo/sandbox-outbox");
    let mail = std::fs::read_dir(outbox)
        .expect("an outbox")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|kind| kind == "html"))
        .expect("a mail");
    let html = std::fs::read_to_string(mail).expect("the mail");
    assert!(html.contains("payments-prod") && html.contains("$250.00"), "{html}");
}

#[test]
fn a_second_bootstrap_and_a_second_deploy_write_nothing() {
    let home = Home::with_sandbox(CONFIG);
    assert!(home.run("bootstrap -v").code(0).calls("write") > 0);
    assert_eq!(home.run("bootstrap -v").code(0).calls("write"), 0);
    assert!(home.run("deploy -v --ou Production").code(0).calls("write") > 0);
    let again = home.run("deploy -v --ou Production").code(0);
    assert_eq!(again.calls("write"), 0);
    assert!(again.stdout.contains("nothing to change"), "{}", again.stdout);
    assert!(!again.stderr.contains("DescribeStackInstance "), "{}", again.stderr);
}

/// That `line` fails with `code`, says all of `words`, and writes nothing.
#[track_caller]
fn refused(home: &Home, line: &str, code: i32, words: &[&str]) -> Ended {
    let before = std::fs::read(home.path().join("sandbox.json")).ok();
    let ended = home.run(line).code(code);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in:\n{}", ended.stderr);
    }
    let after = std::fs::read(home.path().join("sandbox.json")).ok();
    assert!(before == after, "the sandbox changed");
    ended
}

#[test]
fn ous_and_accounts_that_do_not_fit_are_refused() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Prodution",
        2,
        &["no OU `Prodution`", "did you mean Root/Production?"],
    );
    refused(
        &home,
        "deploy --ou Payments",
        2,
        &["Root/Production/Payments", "Root/Staging/Payments"],
    );
    refused(
        &home,
        "deploy --ou Production --account 12345",
        2,
        &["12345", "twelve digits"],
    );
    refused(
        &home,
        "deploy --ou Production --account 999999999999",
        2,
        &["not in the organisation"],
    );
    refused(&home, "deploy", 2, &["config targets no OU", "--ou"]);
}

#[test]
fn trusted_access_that_is_off_stops_a_deploy_with_its_remedy() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Production",
        1,
        &["trusted access", "billctl bootstrap"],
    );
}

#[test]
fn a_permission_that_is_missing_is_named() {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox fail deny organizations:ListRoots").code(0);
    refused(
        &home,
        "deploy --ou Production",
        1,
        &["organizations:ListRoots", "AccessDenied", "billctl policy"],
    );
}

#[test]
fn a_member_account_is_refused() {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox login --name payments-prod").code(0);
    refused(&home, "status", 2, &["is not the management account", "--profile"]);
}

#[test]
fn a_missing_config_and_a_missing_sandbox_say_how_to_make_one() {
    let home = Home::empty();
    refused(&home, "status", 2, &["config.toml", "billctl init"]);
    home.config(CONFIG);
    refused(&home, "status", 1, &["billctl sandbox new"]);
}

#[test]
fn without_credentials_the_answer_is_quick_and_says_what_to_do() {
    let home = Home::empty();
    home.config(CONFIG);
    let started = std::time::Instant::now();
    let ended = home.end(home.command().arg("status")).code(1);
    assert!(
        ended.stderr.contains("--sandbox") && ended.stderr.contains("AWS_PROFILE"),
        "{}",
        ended.stderr
    );
    // Far above what it takes, far below a wait for the metadata service with its retries.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
