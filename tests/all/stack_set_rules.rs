//! The rollout through the built binary on the sandbox: what docs/aws-facts.md says of StackSets, met one by one.

use serde_json::Value;

use crate::support::home::Home;

fn config(default: u32, rules: &str) -> String {
    format!(
        "[alarm]\nthreshold = {default}\n\n{rules}\n[deploy]\nous = [\"Production\"]\n\n\
         [mail]\nfrom = \"billing@example.com\"\n"
    )
}

fn rule(key: &str, whose: &str, usd: u32) -> String {
    format!("[[threshold]]\n{key} = \"{whose}\"\nusd = {usd}\n\n")
}

/// A home with Production rolled out.
fn rolled_out(rules: &str) -> Home {
    let home = Home::with_sandbox(&config(100, rules));
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("deploy").code(0);
    home
}

/// What `status` says of an account, by name.
fn account(home: &Home, name: &str) -> Value {
    let ended = home.run("status --deep --format json");
    let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    status["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|line| line["name"] == name))
        .cloned()
        .unwrap_or_default()
}

/// The names of the accounts that a plan would touch.
fn touched(home: &Home, line: &str) -> Vec<String> {
    let ended = home.run(line);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let mut names: Vec<String> = plan["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .filter(|line| !matches!(line["action"].as_str(), Some("leave" | "skip")))
        .map(|line| line["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_changed_threshold_updates_exactly_the_accounts_that_it_concerns() {
    let home = rolled_out("");
    home.config(&config(100, &rule("ou", "Root/Production/Payments", 300)));
    let payments = ["payments-fraud", "payments-ledger", "payments-prod", "payments-reports"];
    assert_eq!(touched(&home, "deploy --plan --format json"), payments);
    home.run("deploy").code(0);
    for name in payments {
        assert_eq!(account(&home, name)["effective"], 300.0);
    }
    assert_eq!(account(&home, "prod-web")["effective"], 100.0);

    // And back: the override goes away.
    home.config(&config(100, ""));
    assert_eq!(touched(&home, "deploy --plan --format json"), payments);
    home.run("deploy").code(0);
    assert_eq!(account(&home, "payments-prod")["overridden"], false);
    assert!(touched(&home, "deploy --plan --format json").is_empty());
}

#[test]
fn a_changed_default_leaves_overrides_as_they_are() {
    let home = rolled_out(&rule("ou", "Root/Production/Payments", 300));
    home.config(&config(150, &rule("ou", "Root/Production/Payments", 300)));
    home.run("deploy").code(0);
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    assert_eq!(account(&home, "payments-prod")["effective"], 300.0);
    assert_eq!(account(&home, "prod-web")["effective"], 150.0);
    // The listing alone tells every override afterwards.
    let status = home.run("status -v").code(0);
    assert!(
        !status.stderr.contains("cloudformation:DescribeStackInstance "),
        "{}",
        status.stderr
    );
    home.run("status --check").code(0);
}

#[test]
fn an_auto_deployed_account_is_put_right_and_nothing_else_is_touched() {
    let home = rolled_out(&rule("ou", "Root/Production/Payments", 300));
    home.run("sandbox add-account --name payments-new --ou Root/Production/Payments")
        .code(0);
    home.run("sandbox advance 1h").code(0);
    let line = account(&home, "payments-new");
    assert_eq!(line["coverage"], "wrong-threshold", "{line}");
    home.run("status --check").code(4);
    assert_eq!(touched(&home, "deploy --plan --format json"), ["payments-new"]);
    home.run("deploy").code(0);
    assert_eq!(account(&home, "payments-new")["effective"], 300.0);
    home.run("status --check").code(0);
}

#[test]
fn a_moved_account_gets_the_threshold_of_its_new_place() {
    let home = rolled_out(&rule("ou", "Root/Production/Payments", 300));
    home.run("sandbox move --name prod-web --ou Root/Production/Payments")
        .code(0);
    home.run("sandbox advance 1h").code(0);
    assert_eq!(touched(&home, "deploy --plan --format json"), ["prod-web"]);
    home.run("deploy").code(0);
    assert_eq!(account(&home, "prod-web")["effective"], 300.0);
}

#[test]
fn failures_inside_the_tolerance_are_told_apart_and_taken_up_again() {
    let home = Home::with_sandbox(&config(100, ""));
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("sandbox fail account payments-prod denied_by_a_service_control_policy")
        .code(0);
    let ended = home.run("deploy --tolerance 2").code(3);
    assert!(
        ended.stdout.contains("denied by a service control policy"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("payments-prod") && ended.stdout.contains("remedy:"),
        "{}",
        ended.stdout
    );
    home.run("sandbox fail fix payments-prod").code(0);
    assert_eq!(touched(&home, "deploy --plan --format json"), ["payments-prod"]);
    home.run("deploy").code(0);
    home.run("status --check").code(0);
}

#[test]
fn a_failure_beyond_the_tolerance_ends_with_one() {
    let home = Home::with_sandbox(&config(100, ""));
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("sandbox fail account payments-prod something").code(0);
    let ended = home.run("deploy --tolerance 0").code(1);
    assert!(ended.stderr.contains("beyond its tolerance"), "{}", ended.stderr);
}

#[test]
fn throttling_and_lost_answers_change_nothing_about_the_end() {
    let home = Home::with_sandbox(&config(100, &rule("ou", "Root/Production/Payments", 300)));
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("sandbox fail throttle 30%").code(0);
    home.run("sandbox fail drop 10%").code(0);
    home.run("deploy").code(0);
    home.run("sandbox fail none").code(0);
    home.run("status --check").code(0);
    assert!(touched(&home, "deploy --plan --format json").is_empty());
}

#[test]
fn a_run_that_died_at_any_call_is_finished_by_the_next() {
    let home = Home::with_sandbox(
        "[alarm]\nthreshold = 100\n\n[[threshold]]\nou = \"Root/Production/Payments\"\nusd = 300\n\n\
         [deploy]\nous = [\"Root/Production/Payments\", \"Root/Production/Data\"]\n\n\
         [mail]\nfrom = \"billing@example.com\"\n",
    );
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    let world = home.path().join("sandbox.json");
    let bootstrapped = std::fs::read(&world).expect("the sandbox");
    let operations = |home: &Home| {
        let ended = home.run("status --deep --format json").code(0);
        let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        status["accounts"].clone()
    };
    home.run("deploy").code(0);
    let uninterrupted = operations(&home);
    for after in ["", " --after"] {
        for k in 1.. {
            std::fs::write(&world, &bootstrapped).expect("the sandbox");
            home.run(&format!("sandbox fail die-at {k}{after}")).code(0);
            let died = home.run("deploy");
            home.run("sandbox fail none").code(0);
            home.run("deploy").code(0);
            assert_eq!(operations(&home), uninterrupted, "died at call {k}{after}");
            if died.code == 0 {
                assert!(k > 40, "the whole run has more than {k} calls");
                break;
            }
            assert_eq!(died.code, 137, "{died:?}");
        }
    }
}

#[test]
fn prune_removes_what_config_no_longer_targets_and_only_with_a_yes() {
    let home = rolled_out("");
    home.run("deploy --ou Security").code(0);
    assert_eq!(account(&home, "security-audit")["coverage"], "stray");
    home.run("deploy --prune").code(2);
    assert_eq!(account(&home, "security-audit")["coverage"], "stray");
    home.run("deploy --prune --yes").code(0);
    assert_eq!(account(&home, "security-audit")["coverage"], "not-targeted");
    assert_eq!(account(&home, "prod-web")["coverage"], "covered");
}

#[test]
fn an_alarm_deleted_by_hand_is_mended_by_recreating_the_instance() {
    let home = rolled_out("");
    let id = account(&home, "payments-prod")["account"]
        .as_str()
        .expect("an id")
        .to_owned();
    home.run(&format!("sandbox break alarm-delete --account {id}")).code(0);
    home.config(&config(100, &rule("account", &id, 700)));
    let ended = home.run("deploy --tolerance 1");
    assert!(
        ended.stdout.contains("payments-prod") && ended.stdout.contains("--recreate"),
        "{ended:?}"
    );
    home.run(&format!("deploy --recreate {id}")).code(2);
    home.run(&format!("deploy --recreate {id} --yes")).code(0);
    assert_eq!(account(&home, "payments-prod")["effective"], 700.0);
    home.run("status --check").code(0);
}

#[test]
fn destroying_takes_the_members_out_before_the_billing_side() {
    let home = rolled_out("");
    home.run("destroy").code(2);
    assert_eq!(account(&home, "prod-web")["coverage"], "covered");
    let doctor = home.run("sandbox show").code(0);
    let organization = doctor.stdout.split(',').next().unwrap_or_default().to_owned();
    home.run(&format!("destroy --organization {organization}")).code(0);
    assert_eq!(account(&home, "prod-web")["coverage"], "missing");
    let shown = home.run("sandbox show").code(0);
    assert!(!shown.stdout.contains("StackSet"), "{}", shown.stdout);
    let again = home.run(&format!("destroy -v --organization {organization}")).code(0);
    assert_eq!(again.calls("write"), 0);
}
