//! Waves, scopes, and what prune spares.

use serde_json::Value;

use super::{assert_right, bootstrapped, config, id, line, plan};
use crate::support::home::Home;

fn waves(first: &str) -> String {
    format!(
        "[alarm]\nthreshold = 100\n\n[deploy]\nous = []\n\n\
         [[wave]]\nname = \"canary\"\nous = [\"Root/Production/Data\"]\n{first}\n\
         [[wave]]\nname = \"rest\"\nous = [\"Root/Production/Payments\", \"Root/Production/Platform\"]\n\n\
         [mail]\nfrom = \"billing@example.com\"\n"
    )
}

fn failing(first: &str, account: &str) -> Home {
    let home = bootstrapped(&waves(first));
    home.run(&format!("sandbox fail account {account} something_odd"))
        .code(0);
    home
}

#[test]
fn all_waves_are_one_plan_with_its_counts_first() {
    let home = bootstrapped(&waves(""));
    let plan = plan(&home, "deploy");
    assert_eq!(plan["counts"]["create"], 13, "{plan}");
    let waves = plan["waves"].as_array().expect("waves");
    assert_eq!(waves[0]["name"], "canary");
    assert_eq!(waves[1]["name"], "rest");
    let told: Vec<&str> = plan["operations"]
        .as_array()
        .expect("operations")
        .iter()
        .filter_map(Value::as_str)
        .filter(|title| title.contains("create StackSet"))
        .collect();
    assert_eq!(told.len(), 1, "{plan}");
    let text = home.run("deploy --plan").code(0).stdout;
    assert!(text.starts_with("13 to create"), "{text}");
    assert!(text.contains("wave canary: create StackSet"), "{text}");
}

#[test]
fn the_first_wave_beyond_its_tolerance_stops_the_rollout_and_the_rest_is_named() {
    let home = failing("failure-tolerance = 0", "data-lake");
    let ended = home.run("deploy").code(1);
    assert!(ended.stderr.contains("beyond its tolerance"), "{}", ended.stderr);
    assert!(ended.stderr.contains("wave rest"), "{}", ended.stderr);
    let status = home.run("status --format json");
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(line(&status, "payments-prod")["coverage"], "missing");
    home.run("sandbox fail none").code(0);
    home.run("deploy").code(0);
    assert_right(&home);
}

#[test]
fn failures_within_the_tolerance_of_a_wave_let_the_next_one_go_on_and_end_with_three() {
    let home = failing("failure-tolerance = 1", "data-lake");
    let ended = home.run("deploy --format json").code(3);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("one JSON answer");
    assert_eq!(answer["result"]["failures"][0]["reason"], "something odd");
    assert_eq!(
        answer["result"]["failures"][0]["accounts"],
        serde_json::json!([id(&home, "data-lake")])
    );
    let status = home.run("status --format json");
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(line(&status, "payments-prod")["coverage"], "covered");
    home.run("sandbox fail none").code(0);
    home.run("deploy").code(0);
    assert_right(&home);
}

#[test]
fn a_share_of_a_small_wave_is_rounded_down() {
    // Five accounts: a fifth of them is one.
    failing("failure-tolerance = \"19%\"", "data-lake")
        .run("deploy")
        .code(1);
    failing("failure-tolerance = \"20%\"", "data-lake")
        .run("deploy")
        .code(3);
}

#[test]
fn an_account_can_be_named_in_whichever_wave_it_is() {
    let home = bootstrapped(&waves(""));
    let status = home.run("status --format json");
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let account = line(&status, "payments-prod")["account"].as_str().expect("an id");
    home.run(&format!("deploy --account {account}")).code(0);
    assert_eq!(home.overrides().into_keys().collect::<Vec<_>>(), [account]);
    let elsewhere = line(&status, "sandbox-chen")["account"].as_str().expect("an id");
    let ended = home.run(&format!("deploy --account {elsewhere}")).code(2);
    assert!(
        ended.stderr.contains("outside the OUs") && ended.stderr.contains("Root/Sandboxes"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_management_account_is_told_to_be_bootstraps() {
    let home = bootstrapped(&config(&["Root"], 100, &[]));
    let management = home.world()["caller"].as_str().expect("an id").to_owned();
    let ended = home.run(&format!("deploy --account {management}")).code(2);
    assert!(
        ended.stderr.contains("management account") && ended.stderr.contains("bootstrap"),
        "{}",
        ended.stderr
    );
    // Where the root is targeted it is skipped.
    home.run("deploy").code(0);
    assert!(!home.overrides().contains_key(&management));
    assert_right(&home);
}

#[test]
fn empty_ous_and_ous_of_suspended_accounts_are_said_and_do_not_fail() {
    let home = bootstrapped(&config(&["Production", "Empty", "Suspended"], 100, &[]));
    let ended = home.run("deploy").code(0);
    assert!(
        ended.stdout.contains("Root/Empty holds no account yet"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("Root/Suspended holds no account that can get the alarm yet"),
        "{}",
        ended.stdout
    );
    assert_right(&home);
}

#[test]
fn an_ou_that_config_leaves_is_no_target_any_more_after_prune() {
    let home = bootstrapped(&config(&["Production", "Security"], 100, &[]));
    home.run("deploy").code(0);
    let targets = |home: &Home| {
        home.world()["cloudformation"]["sets"]["billctl"]["targets"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!(targets(&home), 2);
    home.config(&config(&["Production"], 100, &[]));
    // A prune of another OU spares it.
    home.run("deploy --ou Production --prune --yes").code(0);
    assert_eq!(targets(&home), 2);
    home.run("deploy --prune --yes").code(0);
    assert_eq!(targets(&home), 1);
    home.run("sandbox add-account --name security-new --ou Security")
        .code(0);
    home.run("sandbox advance 1h").code(0);
    assert_right(&home);
}

#[test]
fn prune_takes_excluded_accounts_out_of_the_ous_that_are_named() {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("deploy").code(0);
    let account = id(&home, "data-lake");
    home.config(
        &config(&["Production"], 100, &[])
            .replace("[deploy]\n", &format!("[deploy]\nexclude-accounts = [\"{account}\"]\n")),
    );
    home.run("deploy --ou Root/Production/Payments --prune --yes").code(0);
    assert!(home.overrides().contains_key(&account));
    home.run("deploy --ou Root/Production/Data --prune --yes").code(0);
    assert!(!home.overrides().contains_key(&account));
}
