//! The first hour on AWS: `doctor --first-hour` on the sandbox, and the page whose steps it goes through.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::home::Home;

const CONFIG: &str =
    "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n[mail]\nfrom = \"billing@example.com\"\n";

/// Verdict and finding of each step.
fn steps(home: &Home) -> Vec<(String, String, String)> {
    let out = home.succeeds(&["doctor", "--first-hour", "--format", "json"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
    let checks = answer["checks"].as_array().unwrap().iter();
    checks
        .map(|check| (text(check, "name"), text(check, "verdict"), text(check, "finding")))
        .collect()
}

fn verdict(steps: &[(String, String, String)], name: &str) -> String {
    let found = steps.iter().find(|(there, ..)| there == name);
    found.unwrap_or_else(|| panic!("{name} in {steps:?}")).1.clone()
}

#[test]
fn it_tells_by_reading_what_can_be_told() {
    let home = Home::with_sandbox(CONFIG);
    let before = steps(&home);
    for step in ["2-round-trip", "3-template"] {
        assert_eq!(verdict(&before, step), "to-do", "{before:?}");
    }
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    home.succeeds(&["deploy"]);
    home.succeeds(&["sandbox", "advance", "8d"]);
    let world = home.world();
    let after = steps(&home);
    for step in [
        "1-permissions",
        "2-round-trip",
        "3-template",
        "6-own-charges",
        "7-publications",
    ] {
        assert_eq!(verdict(&after, step), "ok", "{after:?}");
    }
    // What the sandbox does: four publications a day, up to forty minutes early or late.
    let rhythm = &after.iter().find(|(name, ..)| name == "7-publications").unwrap().2;
    assert!(
        rhythm.starts_with("6:00 hours apart") || rhythm.starts_with("5:5") || rhythm.starts_with("6:0"),
        "{rhythm}"
    );
    // It only reads, and what it can't tell is a command away.
    assert_eq!(home.world()["sfn"], world["sfn"]);
    let ended = home.run("doctor --first-hour -v").code(0);
    assert_eq!(ended.calls("write"), 0, "{}", ended.stderr);
    for command in [
        "billctl test-alert --account ACCOUNT --from-member",
        "billctl status --drift",
        "billctl destroy",
    ] {
        assert!(ended.stdout.contains(command), "{command} in\n{}", ended.stdout);
    }
}

#[test]
fn what_comes_back_otherwise_is_a_step_to_look_at() {
    let home = Home::with_sandbox(CONFIG);
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["deploy"]);
    home.edit_world(|world| {
        let revisions = world["cloudformation"]["revisions"].as_object_mut().unwrap();
        for revision in revisions.values_mut() {
            let template = &mut revision["template"];
            *template = format!("{}\n# ", template.as_str().unwrap()).into();
        }
    });
    let steps = steps(&home);
    assert_eq!(verdict(&steps, "3-template"), "warning", "{steps:?}");
}

#[test]
fn without_a_config_its_fault_is_the_answer() {
    let home = Home::with_sandbox("[mail]\nform = \"a@example.com\"\n");
    let ended = home.run("doctor --first-hour").code(2);
    assert!(ended.stderr.contains("form"), "{}", ended.stderr);
}

#[test]
fn the_page_has_every_step() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-hour.md")).unwrap();
    let home = Home::with_sandbox(CONFIG);
    for (name, ..) in steps(&home) {
        let (number, _) = name.split_once('-').unwrap();
        let heading = format!("\n## {number}. ");
        let (_, below) = page.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
        let section = below.split("\n## ").next().unwrap();
        assert!(section.contains(&format!("`{name}`")), "step {number} names `{name}`");
        assert!(section.contains("Expect"), "step {number} says what to expect");
    }
}
