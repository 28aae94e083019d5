//! `billctl preview`: the mail as it would be sent, of every sample and of an account.

use std::path::Path;

use serde_json::Value;

use crate::support::home::Home;

const CASES: [&str; 12] = [
    "spike",
    "just-above",
    "third-day",
    "doubling",
    "month-start",
    "credit",
    "new-account",
    "no-history",
    "huge",
    "hostile",
    "recovery",
    "month-to-date",
];

/// The subject, the HTML and the text of a sample.
fn sample(home: &Home, case: &str) -> (String, String, String) {
    let mut command = home.command();
    command.args(["preview", "--format", "json", "--case", case]);
    let ended = home.end(&mut command).code(0);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let read = |ending: &str| {
        let file = answer["files"]
            .as_array()
            .expect("files")
            .iter()
            .filter_map(Value::as_str)
            .find(|file| file.ends_with(ending))
            .unwrap_or_else(|| panic!("no {ending}: {answer}"));
        std::fs::read_to_string(home.path().join(file)).expect("the file")
    };
    let subject = answer["subject"].as_str().expect("a subject").to_owned();
    (subject, read(".html"), read(".txt"))
}

#[test]
fn every_sample_is_a_whole_mail_without_a_config_or_a_sandbox() {
    let home = Home::empty();
    for case in CASES {
        let (subject, html, text) = sample(&home, case);
        assert!(!subject.is_empty() && !subject.contains("undefined"), "{case}");
        assert!(html.len() + text.len() < 60_000, "{case}: {}", html.len());
        assert!(html.ends_with("</html>\n"), "{case}");
        // Of the hostile names alone, braces belong to the name.
        if case != "hostile" {
            assert!(!html.contains("{{") && !text.contains("{{"), "{case}");
        }
    }
}

#[test]
fn each_sample_is_about_what_it_is_called_for() {
    let home = Home::empty();
    let has = |case: &str, words: &[&str], never: &[&str]| {
        let (subject, html, text) = sample(&home, case);
        for part in [&html, &text] {
            for word in words {
                assert!(part.contains(word), "{case}: no {word:?} in\n{subject}\n{part}");
            }
            for word in never {
                assert!(!part.contains(word), "{case}: {word:?} in\n{subject}\n{part}");
            }
        }
    };
    has(
        "spike",
        &["151% above the daily limit of $100.00"],
        &["Above the limit every day"],
    );
    has("just-above", &["Just above the daily limit of $100.00"], &["times the"]);
    has("third-day", &["Day 3 above the limit, told first on"], &[]);
    has("doubling", &["times the daily limit"], &[]);
    has("credit", &["-$"], &[]);
    has("no-history", &["has no figures for this account,"], &["14 days"]);
    has("huge", &["$1,234,"], &[]);
    has(
        "recovery",
        &["Back under the daily limit"],
        &["Stop what should not run"],
    );
    has(
        "month-to-date",
        &["this month so far", "% above the monthly limit of $1,150.00"],
        &[],
    );
    let (_, html, _) = sample(&home, "hostile");
    assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"), "{html}");
}

#[test]
fn an_account_of_the_organisation_is_shown_as_it_is_and_nothing_is_sent() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    home.run("bootstrap").code(0);
    let before = std::fs::read(home.path().join("sandbox.json")).expect("the sandbox");
    let shown = home.run("--format json sandbox show").code(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let account = shown["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .find(|account| account["name"] == "payments-prod")
        .expect("the account");
    let id = account["id"].as_str().expect("an id");
    let ended = home.run(&format!("preview --account {id} --out here")).code(0);
    assert!(ended.stdout.contains("payments-prod"), "{}", ended.stdout);
    let html = std::fs::read_to_string(home.path().join(format!("here/{id}.html"))).expect("a file");
    assert!(html.contains(id) && html.contains("Production"), "{html}");
    let after = std::fs::read(home.path().join("sandbox.json")).expect("the sandbox");
    assert!(before == after, "the sandbox changed");
}

#[test]
fn an_account_that_is_not_there_and_a_folder_that_is_a_file_are_refused() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let ended = home.run("preview --account 999999999999").code(2);
    assert!(ended.stderr.contains("999999999999"), "{}", ended.stderr);
    std::fs::write(home.path().join("taken"), "").expect("a file");
    let ended = home.run("preview --out taken").code(1);
    assert!(ended.stderr.contains("taken"), "{}", ended.stderr);
    assert!(!Path::new("billctl-preview").exists());
}
