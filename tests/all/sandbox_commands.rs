//! `billctl sandbox`, as a user types it. Each test has a folder and a world of its own.

use assert_cmd::assert::Assert;
use serde_json::Value;

use crate::support::home::Home;

/// A folder with a sandbox where it is without `--sandbox`.
fn made(arguments: &[&str]) -> Home {
    let home = Home::empty();
    run(&home, &[&["sandbox", "new"], arguments].concat()).success();
    home
}

/// Runs billctl as it is typed.
fn run(home: &Home, arguments: &[&str]) -> Assert {
    home.command().args(arguments).assert()
}

fn show(home: &Home) -> Value {
    let output = run(home, &["--format", "json", "sandbox", "show"]).success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn account(home: &Home, name: &str) -> Value {
    let shown = show(home);
    let mut accounts = shown["accounts"].as_array().unwrap().iter();
    let found = accounts.find(|account| account["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn without_a_sandbox_every_command_says_how_to_make_one() {
    let home = Home::empty();
    for arguments in [&["sandbox", "show"][..], &["sandbox", "advance", "6h"]] {
        let failed = run(&home, arguments).failure();
        assert!(stderr(&failed).contains("billctl sandbox new"));
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_sandbox_is_not_replaced_unless_that_is_said() {
    let home = made(&["--accounts", "5"]);
    let failed = run(&home, &["sandbox", "new"]).failure();
    assert!(stderr(&failed).contains("already"));
    assert_eq!(show(&home)["accounts"].as_array().unwrap().len(), 6);
    run(&home, &["sandbox", "new", "--force"]).success();
    assert!(show(&home)["accounts"].as_array().unwrap().len() > 30);
}

#[test]
fn a_damaged_file_is_said_to_be_and_left() {
    let home = made(&[]);
    let path = home.file(".billctl-sandbox.json");
    std::fs::write(&path, "oops").unwrap();
    for arguments in [&["sandbox", "show"][..], &["sandbox", "new", "--force"]] {
        let failed = run(&home, arguments).failure();
        assert!(stderr(&failed).contains("not a sandbox"), "{}", stderr(&failed));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "oops");
}

#[test]
fn the_clock_goes_forward_and_resetting_starts_over() {
    let home = made(&[]);
    let before = show(&home);
    run(&home, &["sandbox", "advance", "1d 6h"]).success();
    assert_ne!(show(&home)["now"], before["now"]);
    run(&home, &["sandbox", "reset"]).success();
    assert_eq!(show(&home), before);
    run(&home, &["sandbox", "advance", "-1d"]).failure().code(2);
}

#[test]
fn accounts_are_added_moved_and_suspended() {
    let home = made(&[]);
    run(&home, &["sandbox", "add-account", "--name", "late", "--ou", "Security"]).success();
    assert_eq!(account(&home, "late")["ou"], "Root/Security");
    run(&home, &["sandbox", "move", "--name", "late", "--ou", "Production/Data"]).success();
    assert_eq!(account(&home, "late")["ou"], "Root/Production/Data");
    run(&home, &["sandbox", "suspend", "--name", "late"]).success();
    assert_eq!(account(&home, "late")["state"], "SUSPENDED");
    // Two OUs bear this name.
    let failed = run(&home, &["sandbox", "move", "--name", "late", "--ou", "Payments"])
        .failure()
        .code(2);
    assert!(stderr(&failed).contains("several OUs"));
    let failed = run(&home, &["sandbox", "suspend", "--name", "payments-prd"])
        .failure()
        .code(2);
    assert!(stderr(&failed).contains("payments-prod"));
}

#[test]
fn faults_are_set_shown_and_taken_away() {
    let home = made(&["--throttle", "30%"]);
    run(&home, &["sandbox", "fail", "deny", "iam:CreateRole"]).success();
    run(&home, &["sandbox", "fail", "account", "data-lake", "explicit", "deny"]).success();
    let faults = show(&home)["faults"].clone();
    assert_eq!(faults["throttle"], 0.3);
    assert_eq!(faults["deny"][0], "iam:CreateRole");
    let id = account(&home, "data-lake")["id"].as_str().unwrap().to_owned();
    assert_eq!(faults["accounts"][&id], "explicit deny");
    let shown = run(&home, &["sandbox", "show"]).success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains("30% of the API calls are throttled"), "{shown}");
    run(&home, &["sandbox", "fail", "none"]).success();
    assert_eq!(show(&home)["faults"]["throttle"], 0.0);
    for wrong in ["130%", "many"] {
        run(&home, &["sandbox", "fail", "throttle", wrong]).failure().code(2);
    }
}

#[test]
fn a_process_told_to_die_dies_once_and_the_world_stays_readable() {
    let home = made(&[]);
    let config = home.file("config.toml");
    std::fs::write(
        &config,
        "[deploy]\nous = [\"Security\"]\n[mail]\nfrom = \"billing@example.com\"\n",
    )
    .unwrap();
    run(&home, &["sandbox", "fail", "die-at", "2"]).success();
    run(&home, &["--sandbox", "status"]).code(137);
    let second = run(&home, &["--sandbox", "status"]);
    assert_ne!(second.get_output().status.code(), Some(137));
    show(&home);
}

#[test]
fn a_large_organisation_is_made_and_shown_by_numbers() {
    let home = made(&["--accounts", "2000", "--ous", "60", "--depth", "4"]);
    let shown = run(&home, &["sandbox", "show"]).success();
    let lines = shown.get_output().stdout.iter().filter(|byte| **byte == b'\n');
    assert!(lines.count() < 100);
}

#[test]
fn a_world_of_publications_is_made_shown_kept_and_bounded() {
    let home = made(&["--publications", "2h~1h", "--missing", "10%", "--payer-late", "2h"]);
    let says = "Charges are published every 2h, up to 1h early or late; 10% of them never come; the payer sees them 2h \
                later.";
    let shown = run(&home, &["sandbox", "show"]).success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains(says), "{shown}");
    let made = show(&home)["publications"].clone();
    run(&home, &["sandbox", "advance", "2d"]).success();
    run(&home, &["sandbox", "reset"]).success();
    assert_eq!(show(&home)["publications"], made);
    for (option, wrong, form) in [
        ("--publications", "often", "6h~40m"),
        ("--publications", "5m", "10m to 7d"),
        ("--publications", "6h~6h", "less than the cadence"),
        ("--missing", "95%", "0% to 90%"),
        ("--payer-late", "4d", "at most 3 days"),
    ] {
        let failed = run(&home, &["sandbox", "new", "--force", option, wrong])
            .failure()
            .code(2);
        let said = stderr(&failed);
        assert!(said.contains(option) && said.contains(form), "{said}");
    }
}

#[test]
fn a_file_from_before_there_were_worlds_of_publications_is_read() {
    let home = made(&[]);
    let path = home.file(".billctl-sandbox.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let (header, world) = text.split_once('\n').unwrap();
    let mut world: Value = serde_json::from_str(world).unwrap();
    world.as_object_mut().unwrap().remove("publications").unwrap();
    world["sfn"]["executions"] = serde_json::json!([{
        "machine": "m", "name": "n", "status": "SUCCEEDED", "started": "2026-03-10T09:00:00Z",
        "stopped": "2026-03-10T09:00:01Z", "input": {}, "output": null, "error": null, "history": []
    }]);
    std::fs::write(&path, format!("{header}\n{world}\n")).unwrap();
    let shown = run(&home, &["sandbox", "show"]).success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains("every 6h, up to 20m early or late."), "{shown}");
    run(&home, &["sandbox", "advance", "1h"]).success();
}

#[test]
fn members_can_be_without_their_metric_and_have_it_again() {
    let home = made(&[]);
    let fails = |arguments: &[&str]| {
        let said = run(&home, &[&["sandbox", "fail", "member-metric"], arguments].concat()).success();
        String::from_utf8_lossy(&said.get_output().stdout).into_owned()
    };
    assert!(fails(&[]).contains("Members have no EstimatedCharges of their own."));
    assert_eq!(show(&home)["faults"]["member_metric"], true);
    assert!(fails(&["--off"]).contains("Nothing is set to go wrong."));
    fails(&[]);
    run(&home, &["sandbox", "fail", "none"]).success();
    assert_eq!(show(&home)["faults"]["member_metric"], Value::Null);
}

#[test]
fn a_day_is_spent_in_a_lump_or_in_some_hours() {
    let home = made(&[]);
    let spend = |arguments: &[&str]| {
        let fixed = ["sandbox", "spend", "--name", "data-lake"];
        run(&home, &[&fixed, arguments].concat())
    };
    let said = |arguments: &[&str]| {
        let done = spend(arguments).success();
        String::from_utf8_lossy(&done.get_output().stdout).into_owned()
    };
    let lump = said(&["--daily", "100", "--at", "13:30"]);
    assert!(lump.contains("$100.00 a day, at 13:30 UTC from now on"), "{lump}");
    let hours = said(&["--daily", "100", "--between", "08:00-20:00"]);
    assert!(hours.contains("from 08:00 UTC to 20:00 UTC"), "{hours}");
    for (wrong, why) in [
        (&["--daily", "100", "--at", "25:00"][..], "13:30"),
        (&["--daily", "100", "--between", "8-20"], "08:00-20:00"),
        (&["--once", "100", "--at", "13:30"], "--at"),
        (
            &["--daily", "1", "--at", "13:30", "--between", "08:00-20:00"],
            "--between",
        ),
    ] {
        let failed = spend(wrong).failure().code(2);
        assert!(stderr(&failed).contains(why), "{}", stderr(&failed));
    }
}

#[test]
fn a_domain_is_verified_in_capitals_too() {
    let home = Home::with_sandbox("[mail]\nfrom = \"Billing@Example.COM\"\nidentity = \"Example.com\"\n");
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify Example.com").code(0);
    let world = home.world();
    let identities = world["sesv2"]["identities"].as_object().expect("identities");
    assert_eq!(identities["example.com"]["verified"], true);
    assert!(!identities.contains_key("Example.com"));
}

#[test]
fn a_billing_contact_is_given_and_is_written_to_once_the_payer_may_read_it() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let contacts = |said: &str| home.run(&format!("sandbox {said}")).code(0);
    home.run("bootstrap --yes").code(0);
    contacts("verify billing@example.com");
    contacts("add-account --name newcomer --ou Production");
    contacts("contact --account newcomer bills@example.com");
    let written_to = || {
        let told = home.run("test-alert --account newcomer --yes --format json").code(0);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        told["recipients"].clone()
    };
    assert_eq!(written_to(), serde_json::json!(["aws+newcomer@example.com"]));
    contacts("contacts on");
    assert_eq!(written_to(), serde_json::json!(["bills@example.com"]));
    assert!(
        home.run("sandbox show")
            .stdout
            .contains("billing contact bills@example.com")
    );
    contacts("contact --account newcomer");
    assert_eq!(written_to(), serde_json::json!(["aws+newcomer@example.com"]));
    let refused = home.run("sandbox contact --account newcomer nobody").code(2);
    assert!(refused.stderr.contains("bare address"), "{}", refused.stderr);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_sandbox_stays_one() {
    let home = Home::demo();
    let link = home.file("link.json");
    std::os::unix::fs::symlink("sandbox.json", &link).unwrap();
    let before = home.world();
    home.end(home.command().args(["--sandbox=link.json", "sandbox", "advance", "1h"]))
        .code(0);
    assert!(link.is_symlink());
    assert_ne!(home.world(), before);
}
