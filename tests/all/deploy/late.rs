//! Lists that are behind what has happened, and long operations.

use super::{assert_right, bootstrapped, config, slow};

#[test]
fn failures_that_are_listed_late_are_waited_for() {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("sandbox fail lag 15").code(0);
    for account in ["payments-prod", "data-lake", "prod-web"] {
        home.run(&format!("sandbox fail account {account} something_odd"))
            .code(0);
    }
    let ended = home.run("deploy --tolerance 3").code(3);
    for account in ["payments-prod", "data-lake", "prod-web"] {
        assert!(ended.stdout.contains(account), "{}", ended.stdout);
    }
    assert!(ended.stdout.contains("3 accounts: something odd"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("doesn't list"), "{}", ended.stdout);
}

#[test]
fn lists_that_are_behind_mislead_no_plan() {
    let home = bootstrapped(&config(
        &["Production"],
        100,
        &[("ou", "Root/Production/Payments", 300)],
    ));
    home.run("sandbox fail lag 5").code(0);
    home.run("deploy").code(0);
    home.config(&config(&["Production"], 250, &[("ou", "Root/Production/Data", 200)]));
    home.run("deploy").code(0);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox advance 1m").code(0);
    assert_right(&home);
    let payments = home.overrides();
    assert_eq!(payments.values().flatten().count(), 5, "{payments:?}");
}

#[test]
fn an_operation_that_is_in_the_way_but_not_listed_yet_is_waited_for() {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("deploy --ou Security").code(0);
    // Without managed execution AWS refuses what comes while another operation is under way.
    home.edit_world(|world| {
        world["cloudformation"]["sets"]["billctl"]["managed_execution"] = false.into();
    });
    home.run("sandbox fail lag 10").code(0);
    home.run("deploy --detach --ou Staging").code(0);
    home.edit_world(|world| {
        world["cloudformation"]["sets"]["billctl"]["managed_execution"] = false.into();
    });
    let ended = home.run("deploy -v").code(0);
    assert!(ended.stderr.contains("planning again"), "{}", ended.stderr);
    assert!(ended.calls("write") < 20, "it spins: {}", ended.stderr);
    home.run("sandbox fail none").code(0);
    home.run("deploy --ou Staging --ou Production --ou Security").code(0);
}

#[test]
fn with_no_wait_a_refusal_ends_with_five_too() {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("deploy --ou Security").code(0);
    home.run("deploy --detach --ou Staging").code(0);
    home.edit_world(|world| {
        world["cloudformation"]["sets"]["billctl"]["managed_execution"] = false.into();
    });
    home.run("sandbox fail lag 600").code(0);
    let ended = home.run("deploy --no-wait").code(5);
    assert!(ended.stderr.contains("InProgress"), "{}", ended.stderr);
}

#[test]
fn a_large_operation_is_followed_with_few_calls() {
    let home = crate::support::home::Home::empty();
    home.config(&config(&["Root"], 100, &[]));
    home.run("sandbox new --accounts 1500 --ous 10").code(0);
    home.run("bootstrap").code(0);
    let ended = home.run("deploy -v --concurrency 10%").code(0);
    let count = |operation: &str| -> usize {
        ended
            .stderr
            .lines()
            .find(|line| line.contains(operation))
            .and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok()))
            .unwrap_or_default()
    };
    let looks = count("cloudformation:DescribeStackSetOperation ");
    let pages = count("cloudformation:ListStackSetOperationResults ");
    assert!(looks > 5, "{}", ended.stderr);
    // Fifteen pages of results at every third look, and one of failures.
    assert!(pages <= looks * 5 + 16, "{pages} pages for {looks} looks");
    slow(&home, 0);
}
