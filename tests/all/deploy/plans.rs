//! Plans as people and programs get them: counted, grouped, whole on request, and seen by whoever is asked.

use serde_json::Value;

use super::{bootstrapped, config, plan};
use crate::support::home::Home;

/// An organisation of so many accounts, with the billing side made and nothing rolled out.
fn large(accounts: usize) -> Home {
    let home = Home::empty();
    home.run(&format!(
        "sandbox new --accounts {accounts} --ous 30 --depth 4 --seed 3"
    ))
    .code(0);
    let world = home.world();
    let ous = world["organizations"]["units"].as_object().expect("units");
    let mut ous: Vec<&String> = ous.keys().collect();
    ous.sort();
    let rules: Vec<(&str, &str, u32)> = (1..)
        .zip(ous.iter().skip(1).take(6))
        .map(|(number, ou)| ("ou", ou.as_str(), 50 * number))
        .collect();
    home.config(&config(&["Root"], 100, &rules));
    home.run("bootstrap").code(0);
    home
}

/// The accounts that a plan with `--full` names.
fn listed(text: &str) -> usize {
    text.lines()
        .filter(|line| {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            matches!(words.as_slice(), ["+" | "~" | "-" | "=", id] if id.len() == 12 && id.parse::<u64>().is_ok())
        })
        .count()
}

fn counted(plan: &Value) -> usize {
    let counts = plan["counts"].as_object().expect("counts");
    let acts = counts.iter().filter(|(what, _)| *what != "leave");
    acts.map(|(_, count)| count.as_u64().expect("a count") as usize).sum()
}

#[test]
fn six_hundred_accounts_are_a_screen_and_every_line_on_request() {
    let home = large(600);
    for line in ["deploy", "destroy"] {
        let told = plan(&home, line);
        let told = if line == "destroy" { &told["members"] } else { &told };
        let text = home.run(&format!("{line} --plan")).code(0).stdout;
        assert!(text.lines().count() <= 40, "{text}");
        assert!(text.contains("--full"), "{text}");
        let whole = home.run(&format!("{line} --plan --full")).code(0).stdout;
        assert_eq!(listed(&whole), counted(told), "{line}");
        assert!(counted(told) > 500, "{told}");
        let markdown = home
            .run(&format!("{line} --plan --full --format markdown"))
            .code(0)
            .stdout;
        assert!(markdown.chars().count() < 60_000, "{}", markdown.chars().count());
        if line == "deploy" {
            home.run("deploy --yes").code(0);
        }
    }
    // What goes, goes by the same renderer.
    home.config(&config(&[], 100, &[]).replace("ous = []", "ous = [\"Root\"]\nexclude-accounts = []"));
    let some = home.overrides().into_keys().take(40).collect::<Vec<_>>();
    home.config(
        &config(&["Root"], 100, &[]).replace("[deploy]\n", &format!("[deploy]\nexclude-accounts = {some:?}\n")),
    );
    let told = plan(&home, "deploy --prune");
    assert_eq!(told["counts"]["remove"], 40, "{told}");
    let text = home.run("deploy --prune --plan").code(0).stdout;
    let removed: usize = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("  -")?
                .split_whitespace()
                .next()?
                .parse::<usize>()
                .ok()
        })
        .chain(
            text.lines()
                .filter_map(|line| line.strip_prefix(" -")?.split_whitespace().next()?.parse().ok()),
        )
        .sum();
    assert_eq!(removed, 40, "{text}");
}

#[test]
fn destroy_tells_what_becomes_of_the_members_before_it_asks() {
    let home = bootstrapped(&config(&["Staging"], 100, &[]));
    home.run("deploy").code(0);
    let text = home.run("destroy --plan").code(0).stdout;
    assert!(text.contains("StackSet billctl and its 5 instances"), "{text}");
    assert_eq!(listed(&text), 5, "{text}");
    let told = plan(&home, "destroy");
    assert_eq!(told["members"]["counts"]["remove"], 5, "{told}");
    assert_eq!(told["applied"], false);
    let organization = home.world()["organizations"]["id"].as_str().map(str::to_owned);
    if let Some(organization) = organization {
        let ended = home
            .run(&format!("destroy --organization {organization} --format json"))
            .code(0);
        let told: Value = serde_json::from_str(&ended.stdout).expect("one JSON answer");
        assert_eq!(told["applied"], true);
        assert_eq!(home.overrides().len(), 0);
    }
}

#[test]
fn bootstraps_plan_is_a_line_a_thing_and_whole_documents_on_request() {
    let home = Home::with_sandbox(&config(&["Staging"], 100, &[]));
    let ended = home.run("bootstrap --plan --check").code(4);
    let steps: Vec<&str> = ended
        .stdout
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("+ "))
        .collect();
    assert!(steps.len() > 10, "{}", ended.stdout);
    let whole = home.run("bootstrap --plan --full").code(0).stdout;
    assert!(documents(&whole) >= 15, "{whole}");
    // The same documents for programs: a statement list is a list.
    let told = plan(&home, "bootstrap");
    let mut policies = 0;
    for step in told["plan"]["steps"].as_array().expect("steps") {
        for field in step["fields"].as_array().expect("fields") {
            if field["after"]["Statement"] != Value::Null {
                assert!(field["after"]["Statement"].is_array(), "{field}");
                policies += 1;
            }
            assert!(!field["after"].to_string().contains("\"["), "{field}");
        }
    }
    assert!(policies >= 5, "{policies}");
    let markdown = home.run("bootstrap --plan --full --format markdown").code(0).stdout;
    assert!(markdown.chars().count() < 60_000, "{}", markdown.chars().count());
    home.run("bootstrap").code(0);
    home.run("bootstrap --plan --check").code(0);
    home.run("bootstrap --check").code(2);
}

/// The JSON documents that stand in a text, indented, each of them valid.
fn documents(text: &str) -> usize {
    let mut found = 0;
    let mut open: Option<String> = None;
    for line in text.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            assert!(open.is_none(), "a document doesn't end before: {line}");
            continue;
        };
        match &mut open {
            None if matches!(line, "{" | "[") => open = Some(line.to_owned()),
            None => {}
            Some(document) => {
                document.push_str(line);
                document.push('\n');
                if matches!(line, "}" | "]") {
                    serde_json::from_str::<Value>(document).unwrap_or_else(|error| panic!("{error}: {document}"));
                    found += 1;
                    open = None;
                }
            }
        }
    }
    found
}
