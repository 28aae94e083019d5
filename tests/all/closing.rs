//! What commands say besides their answers: the last word of those that change something, and what `--quiet` hides.

use serde_json::Value;

use crate::support::home::{Ended, Home};

const CONFIG: &str =
    "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Staging\"]\n[mail]\nfrom = \"billing@example.com\"\n";

fn home() -> Home {
    Home::with_sandbox(CONFIG)
}

/// Every command that changes something, each with what has to be done before it.
fn writes() -> Vec<(&'static [&'static str], &'static str)> {
    vec![
        (&[], "bootstrap"),
        (&["bootstrap"], "bootstrap"),
        (&["bootstrap"], "deploy"),
        (&["bootstrap", "deploy"], "deploy"),
        (&["bootstrap"], "deploy --detach"),
        (&["bootstrap", "deploy --detach"], "deploy --stop"),
        (&["bootstrap", "deploy"], "deploy --stop"),
        (&["bootstrap", "deploy"], "deploy --prune --yes"),
        (&["bootstrap", "deploy"], "deploy --repair --yes"),
        (&["bootstrap", "deploy"], "deploy --recreate ACCOUNT --yes"),
        (&["bootstrap", "deploy"], "deploy --instances-only"),
        (&["bootstrap", "deploy"], "destroy --organization ORGANIZATION"),
        (&[], "destroy --organization ORGANIZATION"),
        (
            &["bootstrap", "sandbox verify billing@example.com"],
            "test-alert --account ACCOUNT --yes",
        ),
        (&["bootstrap"], "resend"),
        (&["bootstrap", "sandbox advance 12h"], "spend --tell"),
    ]
}

fn played(before: &[&str], line: &str) -> Ended {
    let home = home();
    for line in before {
        home.run(*line).code(0);
    }
    let answer: Value = serde_json::from_str(&home.run("status --format json").stdout).expect("JSON");
    let organization = answer["organization"].as_str().expect("an id");
    let accounts = answer["accounts"].as_array().expect("accounts");
    let account = accounts.iter().find(|line| line["name"] == "staging-web");
    let account = account.and_then(|line| line["account"].as_str()).expect("an id");
    home.run(&line.replace("ORGANIZATION", organization).replace("ACCOUNT", account))
}

#[test]
fn every_write_ends_with_what_was_done_and_what_comes_next() {
    let home = Home::demo();
    let ended = home.run("init --from billing@example.com").code(0);
    assert!(ended.stdout.contains("done: wrote config.toml"), "{ended:?}");
    assert!(ended.stdout.contains("next: "), "{ended:?}");
    for (before, line) in writes() {
        let ended = played(before, line).code(0);
        // The answer of `spend` may be CSV: its last word stands beside it.
        let said = if line.starts_with("spend") {
            &ended.stderr
        } else {
            &ended.stdout
        };
        let last = said
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        assert!(last.contains("next: "), "{before:?}, {line}: {ended:?}");
        // What was done is said before it; where nothing was, nothing is.
        let did = match line {
            "bootstrap" => before.is_empty(),
            "deploy" => before.len() < 2,
            "deploy --detach" | "test-alert --account ACCOUNT --yes" => true,
            _ => line.contains("--recreate") || line.starts_with("destroy") && !before.is_empty(),
        };
        assert_eq!(last.starts_with("done: "), did, "{before:?}, {line}: {last}");
        // A program's answer has neither.
        let json = played(before, &format!("{line} --format json"));
        if !json.stdout.is_empty() {
            assert!(serde_json::from_str::<Value>(&json.stdout).is_ok(), "{line}: {json:?}");
        }
        assert!(!json.stdout.contains("next: `"), "{line}: {json:?}");
    }
}

#[test]
fn quiet_hides_progress_and_notices_of_every_command_and_nothing_else() {
    // Nothing was asked for but that it be done.
    for (before, line) in writes() {
        let ended = played(before, &format!("{line} -q")).code(0);
        assert_eq!(ended.stderr, "", "{before:?}, {line}");
        // What a test came to, and who spends what, is what was asked for.
        match line.starts_with("test-alert") || line.starts_with("spend") {
            true => assert_ne!(ended.stdout, "", "{line}"),
            false => assert_eq!(ended.stdout, "", "{before:?}, {line}"),
        }
        assert!(!ended.stdout.contains("next: "), "{line}: {ended:?}");
    }
    let fresh = Home::demo();
    let ended = fresh.run("init --from billing@example.com -q").code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let ended = fresh.run("sandbox advance 1h -q").code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    // Answers.
    let home = home();
    for line in [
        "bootstrap --plan",
        "deploy --plan",
        "destroy --plan",
        "resend --plan",
        "status",
        "doctor",
        "spend",
        "policy status",
        "template",
        "sandbox show",
    ] {
        let ended = home.run(&format!("{line} -q"));
        assert_ne!(ended.stdout, "", "{line}");
        assert!(
            ended.stderr.is_empty() || ended.stderr.starts_with("error: "),
            "{line}: {}",
            ended.stderr
        );
        if line == "destroy --plan" {
            home.run("bootstrap").code(0);
        }
    }
    // Errors, and whom they are about.
    home.run("sandbox fail account staging-web something_odd").code(0);
    let ended = home.run("deploy -q");
    assert!(ended.code == 1 || ended.code == 3, "{ended:?}");
    assert!(ended.stderr.contains("error: "), "{ended:?}");
    assert!(
        ended.stdout.contains("staging-web") && ended.stdout.contains("something odd"),
        "{ended:?}"
    );
}
