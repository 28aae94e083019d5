//! What the Tab key offers: the built binary asked as each shell asks it, and a real bash where there is one.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::home::Home;

/// What is offered for the last of `words`, as this shell would ask for it.
fn offered(home: &Home, shell: &str, words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    let mut command = home.process();
    command.env("COMPLETE", shell).env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", index).arg("--").args(words);
    let started = Instant::now();
    let output = command.output().expect("the binary runs");
    // 0.3 s is what one doesn't notice; this is a build without optimisation on a machine that tests.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| match shell {
            "fish" => line.split('\t').next().unwrap_or_default().to_owned(),
            "zsh" => line.split(':').next().unwrap_or_default().to_owned(),
            _ => line.to_owned(),
        })
        .collect()
}

fn world(home: &Home) -> Vec<u8> {
    std::fs::read(home.file("sandbox.json")).expect("a sandbox")
}

#[test]
fn ous_and_accounts_of_the_sandbox_are_offered_in_bash_zsh_and_fish() {
    let home = Home::demo();
    let before = world(&home);
    for shell in ["bash", "zsh", "fish"] {
        let on = |words: &[&str]| {
            let mut all = vec!["billctl", "--sandbox=sandbox.json"];
            all.extend(words);
            offered(&home, shell, &all)
        };
        let ous = on(&["deploy", "--ou", "Root/Pro"]);
        assert!(ous.contains(&"Root/Production".to_owned()), "{shell}: {ous:?}");
        assert!(
            ous.contains(&"Root/Production/Data/Science".to_owned()),
            "{shell}: {ous:?}"
        );
        assert!(ous.iter().all(|ou| ou.starts_with("Root/Pro")), "{shell}: {ous:?}");
        assert_eq!(
            on(&["deploy", "--ou", "sand"]),
            ["Sandboxes"],
            "{shell}: as people write it"
        );
        assert_eq!(on(&["deploy", "--ou", "Production/D"])[0], "Production/Data", "{shell}");
        let names = on(&["spend", "--account", "payments-p"]);
        assert_eq!(names, ["payments-prod"], "{shell}");
        assert_eq!(
            on(&["test-alert", "--account", "Payments-P"]),
            ["payments-prod"],
            "{shell}"
        );
        let ids = on(&["status", "--account", "8249"]);
        assert_eq!(ids, ["824973585909"], "{shell}");
        assert!(
            on(&["sandbox", "spend", "--name", "data-l"]).contains(&"data-lake".to_owned()),
            "{shell}"
        );
        let commands = on(&["des"]);
        assert_eq!(commands, ["destroy"], "{shell}");
    }
    assert!(before == world(&home), "nothing is written");
    let left: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .filter_map(Result::ok)
        .map(|it| it.file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| name == "sandbox.json" || name == "sandbox.json.lock"),
        "{left:?}"
    );
    // The same by the variable.
    let mut command = home.process();
    command.env("COMPLETE", "fish").env("BILLCTL_SANDBOX", "sandbox.json");
    let output = command
        .args(["--", "billctl", "deploy", "--ou", "Root/Sand"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("Root/Sandboxes"),
        "{output:?}"
    );
}

#[test]
fn without_a_sandbox_the_config_is_what_is_known_and_a_broken_one_offers_nothing() {
    let home = Home::with_config(
        "[deploy]\nous = [\"Production\"]\nexclude-accounts = [\"123456789012\"]\n[[threshold]]\nou = \"Staging/$(touch x)\"\n\
         usd = 5\n[[threshold]]\naccount = \"210987654321\"\nusd = 5\n[[wave]]\nname = \"w\"\nous = [\"Staging\"]\n",
    );
    let ous = offered(&home, "fish", &["billctl", "deploy", "--ou", ""]);
    assert_eq!(
        ous,
        ["Production", "Staging"],
        "a name that a shell would run is not offered"
    );
    assert_eq!(
        offered(&home, "fish", &["billctl", "spend", "--account", "1"]),
        ["123456789012"]
    );
    std::fs::rename(home.file("config.toml"), home.file("other.toml")).unwrap();
    let by_option = offered(
        &home,
        "fish",
        &["billctl", "--config", "other.toml", "deploy", "--ou", "Sta"],
    );
    assert_eq!(by_option, ["Staging"]);
    home.config("[deploy\nous = ");
    for words in [
        &["billctl", "deploy", "--ou", "x"][..],
        &["billctl", "spend", "--account", "1"],
    ] {
        assert!(offered(&home, "fish", words).is_empty());
    }
    std::fs::write(home.file("sandbox.json"), "no sandbox").unwrap();
    assert!(
        offered(
            &home,
            "fish",
            &["billctl", "--sandbox=sandbox.json", "deploy", "--ou", "x"]
        )
        .is_empty()
    );
}

#[test]
fn profiles_come_from_the_files_of_the_aws_cli() {
    let home = Home::empty();
    std::fs::create_dir(home.file(".aws")).unwrap();
    std::fs::write(
        home.file(".aws/config"),
        "[default]\nregion = us-east-1\n[profile billing]\n[profile a b]\n[sso-session corp]\n[services x]\n[profile x;rm]\n",
    )
    .unwrap();
    std::fs::write(
        home.file(".aws/credentials"),
        "[old-keys]\naws_access_key_id = AKIAEXAMPLE\n",
    )
    .unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let found = offered(&home, shell, &["billctl", "--profile", ""]);
        assert_eq!(found, ["billing", "default", "old-keys"], "{shell}");
    }
}

#[test]
fn sandbox_files_are_told_from_others() {
    let home = Home::demo();
    std::fs::write(home.file("sand-not.json"), "{}").unwrap();
    std::fs::create_dir(home.file("sandcastle")).unwrap();
    for shell in ["zsh", "fish"] {
        let found = offered(&home, shell, &["billctl", "--sandbox=sand"]);
        let ends = |name: &str| found.iter().any(|value| value.trim_end_matches('/').ends_with(name));
        assert!(
            ends("sandbox.json") && ends("sandcastle") && !ends("sand-not.json"),
            "{shell}: {found:?}"
        );
    }
    // As bash has it.
    let found = offered(&home, "bash", &["billctl", "--sandbox", "=", "sandb"]);
    assert_eq!(found, ["sandbox.json"]);
    let found = offered(
        &home,
        "bash",
        &[
            "billctl",
            "--sandbox",
            "=",
            "sandbox.json",
            "deploy",
            "--ou",
            "=",
            "Root/Stag",
        ],
    );
    assert!(found.contains(&"Root/Staging".to_owned()), "{found:?}");
}

#[test]
fn names_that_a_shell_would_act_on_are_offered_by_id() {
    let home = Home::demo();
    home.change(|world| {
        let root = world.organizations.root().clone();
        for name in ["x-$(touch pwned)", "x-\u{1b}[2J", "x-a b", "x-`id`", "x-plain"] {
            world.add_account(name, &root, Default::default()).expect("an account");
        }
    });
    let found = offered(
        &home,
        "bash",
        &["billctl", "--sandbox=sandbox.json", "spend", "--account", "x"],
    );
    assert_eq!(found, ["x-plain"]);
    let all = offered(
        &home,
        "fish",
        &["billctl", "--sandbox=sandbox.json", "spend", "--account", ""],
    );
    let plain = |value: &String| value.chars().all(|it| it.is_alphanumeric() || "-_./".contains(it));
    assert!(all.len() > 40 && all.iter().all(plain), "{all:?}");
}

/// The script that bash gets, in bash.
#[test]
fn bash_completes_what_is_typed() {
    if Command::new("bash").arg("--version").output().is_err() {
        return;
    }
    let home = Home::demo();
    let script = r#"
        source <(COMPLETE=bash "$BINARY")
        complete -p billctl
        COMP_WORDS=(billctl --sandbox = sandbox.json deploy --ou Root/Stag) COMP_CWORD=6 COMP_TYPE=9
        _clap_complete_billctl billctl Root/Stag --ou
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = Command::new("bash");
    command
        .args(["--noprofile", "--norc", "-c", script])
        .current_dir(home.path());
    command.env("BINARY", assert_cmd::cargo::cargo_bin!("billctl"));
    let output = command.output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("-F _clap_complete_billctl billctl"), "{output:?}");
    for ou in ["Root/Staging", "Root/Staging/Payments"] {
        assert!(said.lines().any(|line| line == ou), "{ou} in {output:?}");
    }
}

#[test]
fn every_shell_gets_its_script_and_a_stranger_s_variable_changes_nothing() {
    let home = Home::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = home.process().env("COMPLETE", shell).output().unwrap();
        let script = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && script.contains("billctl"),
            "{shell}: {output:?}"
        );
    }
    for value in ["", "0", "1", "yes", "tcsh"] {
        let output = home.process().env("COMPLETE", value).arg("--version").output().unwrap();
        assert!(
            String::from_utf8_lossy(&output.stdout).starts_with("billctl "),
            "{value}: {output:?}"
        );
    }
}
