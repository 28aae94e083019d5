//! The config that `init` writes.

use billctl::config::Config;
use billctl::config::starter::{Answers, choices, starter, suggested};
use billctl_core::model::{Account, AccountState, Organization, OrganizationalUnit, Usd};
use billctl_core::service::cloudformation::CallAs;

use crate::support::home::Home;

fn organization(ous: &[(&str, &str, &str)], accounts: &[(&str, &str)]) -> Organization {
    let root = OrganizationalUnit {
        id: "r-ab12".parse().unwrap(),
        name: "Root".into(),
        parent: None,
    };
    let ous = ous.iter().map(|(id, name, parent)| OrganizationalUnit {
        id: id.parse().unwrap(),
        name: (*name).into(),
        parent: Some(parent.parse().unwrap()),
    });
    let accounts = accounts.iter().map(|(id, parent)| {
        let account = Account {
            id: id.parse().unwrap(),
            name: (*id).into(),
            email: "owner@example.com".into(),
            state: AccountState::Active,
            joined: None,
        };
        (account, parent.parse().unwrap())
    });
    Organization::new(
        "o-a1b2c3d4e5".parse().unwrap(),
        "111111111111".parse().unwrap(),
        [root].into_iter().chain(ous),
        accounts,
    )
}

fn company() -> Organization {
    organization(
        &[
            ("ou-ab12-aaaaaaaa", "Production", "r-ab12"),
            ("ou-ab12-bbbbbbbb", "Payments", "ou-ab12-aaaaaaaa"),
            ("ou-ab12-cccccccc", "Sandbox", "r-ab12"),
            ("ou-ab12-dddddddd", "Empty", "r-ab12"),
        ],
        &[
            ("111111111111", "r-ab12"),
            ("222222222222", "ou-ab12-aaaaaaaa"),
            ("333333333333", "ou-ab12-bbbbbbbb"),
            ("444444444444", "ou-ab12-cccccccc"),
        ],
    )
}

fn answers(ous: Vec<String>) -> Answers {
    Answers {
        from: "billing@example.com".into(),
        reply_to: Some("finops@example.com".into()),
        threshold: Usd::dollars(80),
        ous,
        call_as: CallAs::Own,
    }
}

#[test]
fn the_config_of_a_company_is_commented_and_valid() {
    let company = company();
    let text = starter("config.toml", &company, &answers(suggested(&company))).unwrap();
    insta::assert_snapshot!(text);
    let config = Config::parse("config.toml", &text).unwrap();
    assert_eq!(config.organization.as_ref(), Some(&company.id));
    assert_eq!(config.deploy.ous, ["Production", "Sandbox"]);
    assert_eq!(config.alarm.threshold, Usd::dollars(80));
}

#[test]
fn members_right_below_the_root_or_no_ous_at_all_suggest_the_root() {
    let flat = organization(&[], &[("222222222222", "r-ab12")]);
    assert_eq!(suggested(&flat), ["Root"]);
    let mixed = organization(
        &[("ou-ab12-aaaaaaaa", "Production", "r-ab12")],
        &[("222222222222", "r-ab12"), ("333333333333", "ou-ab12-aaaaaaaa")],
    );
    assert_eq!(suggested(&mixed), ["Root"]);
}

#[test]
fn every_choice_selects_its_ou_however_it_is_named() {
    let odd = organization(
        &[
            ("ou-ab12-aaaaaaaa", "a/b", "r-ab12"),
            ("ou-ab12-bbbbbbbb", "quote\"d \\ back", "r-ab12"),
            ("ou-ab12-cccccccc", "new\nline\u{1b}[31m", "r-ab12"),
            ("ou-ab12-dddddddd", "123456789012", "r-ab12"),
            ("ou-ab12-eeeeeeee", "Root", "r-ab12"),
            ("ou-ab12-ffffffff", "/slashes/", "r-ab12"),
            ("ou-ab12-gggggggg", " ", "r-ab12"),
            ("ou-ab12-hhhhhhhh", "b", "ou-ab12-iiiiiiii"),
            ("ou-ab12-iiiiiiii", "a", "r-ab12"),
        ],
        &[],
    );
    let selectors: Vec<String> = choices(&odd).into_iter().map(|choice| choice.selector).collect();
    let mut found: Vec<_> = selectors.iter().map(|ou| odd.select(ou).unwrap().id.clone()).collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 9, "{selectors:?}");
    let text = starter("config.toml", &odd, &answers(selectors.clone())).unwrap();
    let config = Config::parse("config.toml", &text).unwrap();
    assert_eq!(config.deploy.ous, selectors);
    assert!(
        text.chars()
            .all(|character| character == '\n' || !character.is_control())
    );
}

#[test]
fn an_answer_that_the_config_refuses_is_refused_before_anything_is_written() {
    let mut wrong = answers(vec!["Production".into()]);
    wrong.from = "nobody".into();
    assert!(starter("config.toml", &company(), &wrong).is_err());
}

#[test]
fn init_writes_a_config_that_the_other_commands_take_and_never_overwrites_one() {
    let home = Home::demo();
    let out = home.succeeds(&["init", "--from", "billing@example.com", "--threshold", "80"]);
    assert!(out.starts_with("done: wrote config.toml for organisation o-"), "{out}");
    let written = std::fs::read_to_string(home.file("config.toml")).unwrap();
    insta::assert_snapshot!("init_on_the_demo_organisation", written);
    home.succeeds(&["bootstrap", "--plan"]);

    // What editors follow from the first line is there, and is what the config is held to.
    let first = written.lines().next().unwrap();
    let schema = home.file(first.strip_prefix("#:schema ./").unwrap());
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    assert_eq!(schema, billctl::config::schema());
    let config: toml::Value = toml::from_str(&written).unwrap();
    let config = serde_json::to_value(config).unwrap();
    assert!(jsonschema::draft202012::is_valid(&schema, &config));

    let again = home.run(&["init", "--from", "other@example.com"]);
    assert_eq!(again.code, 2);
    assert!(again.texts().1.contains("config.toml is there already"));
    assert_eq!(std::fs::read_to_string(home.file("config.toml")).unwrap(), written);
}

#[test]
fn without_a_terminal_init_names_the_flag_that_it_needs() {
    let home = Home::demo();
    let output = home.run(&["init"]);
    assert_eq!(output.code, 2);
    assert!(output.texts().1.contains("pass --from"), "{:?}", output.texts());
    assert!(!home.file("config.toml").exists());
}

#[test]
fn an_unknown_ou_or_a_wrong_address_writes_nothing() {
    let home = Home::demo();
    for wrong in [
        ["--from", "nobody", "--ou", "Production"],
        ["--from", "billing@example.com", "--ou", "Prodution"],
    ] {
        let output = home.run(&[&["init"], wrong.as_slice()].concat());
        assert_eq!(output.code, 2, "{:?}", output.texts());
        assert!(!home.file("config.toml").exists());
    }
}

/// A command that may not write a single byte into a file, as on a full disk.
#[cfg(unix)]
fn on_a_full_disk(home: &Home, line: &str) -> std::process::Output {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "-"])
        .arg(assert_cmd::cargo::cargo_bin!("billctl"))
        .args(line.split(' '))
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path());
    command.output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_file_behind() {
    let home = Home::demo();
    for line in [
        "--sandbox=sandbox.json init --from billing@example.com",
        "preview --out .",
    ] {
        let ended = on_a_full_disk(&home, line);
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{line}: {stderr}");
        assert!(stderr.contains("File too large"), "{line}: {stderr}");
        let after: Vec<_> = std::fs::read_dir(home.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| !name.to_string_lossy().contains("sandbox"))
            .collect();
        assert!(after.is_empty(), "{line}: {after:?}");
    }
    home.run("init --from billing@example.com").code(0);
}
