//! The whole story through the built binary: what a newcomer sees, and what wrong input gets.

use crate::support::home::{Ended, Home};

const CONFIG: &str = "[mail]\nfrom = \"billing@example.com\"\n";

/// The commands that a demo shows, as they would be copied.
fn shown_commands(stdout: &str) -> Vec<&str> {
    stdout.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

#[test]
fn the_demo_asks_nothing_and_shows_the_mail_to_the_owner_of_the_account_that_overspent() {
    let home = Home::empty();
    let ended = home.end(home.command().args(["demo", "--fast"])).code(0);
    let stdout = &ended.stdout;
    assert!(stdout.contains("all well: 20 accounts covered"), "{stdout}");
    assert!(!stdout.contains("[y/N]") && ended.stderr.is_empty(), "{}", ended.stderr);
    let (_, mail) = stdout.split_once("What the owner reads").expect("a screen of its own");
    let framed: Vec<&str> = mail.lines().filter(|line| line.starts_with('│')).collect();
    let text = framed.join("\n");
    assert!(text.contains("payments-prod") && text.contains("Amazon EC2"), "{text}");
    let page = mail.split_whitespace().find_map(|word| word.strip_prefix("file://"));
    let html = std::fs::read_to_string(page.expect("a link")).expect("the mail's page");
    assert!(html.contains("payments-prod") && html.contains("$250.00"), "{html}");
    // A terminal of 24 lines holds a screen, but for the mail and the lists of accounts.
    let screens: Vec<&str> = stdout.split("\n\n1/8").collect();
    assert_eq!(screens.len(), 1, "the first heading comes first");
    assert!(stdout.trim_start().starts_with("1/8  An organisation"), "{stdout}");
    assert!(stdout.contains("8/8  Your turn"), "{stdout}");
}

#[test]
fn what_the_demo_shows_can_be_pasted_by_whoever_called_it_by_a_path_or_by_name() {
    let binary = assert_cmd::cargo::cargo_bin!("billctl");
    let folder = binary.parent().expect("a folder").display().to_string();
    for (called, by_name) in [(binary.display().to_string(), false), ("billctl".to_owned(), true)] {
        let home = Home::empty();
        let path = |command: &mut assert_cmd::Command| {
            let system = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", if by_name { format!("{folder}:{system}") } else { system });
        };
        let shell = |line: &str| {
            let mut command = assert_cmd::Command::new("sh");
            command.args(["-c", line]).env_clear().env("HOME", home.path());
            command.current_dir(home.path());
            path(&mut command);
            home.end(&mut command)
        };
        // A folder that a shell would take for two.
        let ended = shell(&format!("'{called}' demo --fast --dir 'my demo'")).code(0);
        let commands = shown_commands(&ended.stdout);
        assert!(commands.len() > 10, "{commands:?}");
        for command in &commands[commands.len() - 3..] {
            assert_eq!(command.starts_with("billctl "), by_name, "{command}");
            shell(command).code(0);
        }
        let report = home.path().join("my demo/report.html");
        assert!(report.exists(), "{commands:?}");
    }
}

#[test]
fn a_second_bootstrap_and_a_second_deploy_write_nothing() {
    let home = Home::with_sandbox(CONFIG);
    assert!(home.run("bootstrap -v").code(0).calls("write") > 0);
    assert_eq!(home.run("bootstrap -v").code(0).calls("write"), 0);
    assert!(home.run("deploy -v --ou Production").code(0).calls("write") > 0);
    let again = home.run("deploy -v --ou Production").code(0);
    assert_eq!(again.calls("write"), 0);
    assert!(again.stdout.contains("nothing to change"), "{}", again.stdout);
    assert!(!again.stderr.contains("DescribeStackInstance "), "{}", again.stderr);
}

/// That `line` fails with `code`, says all of `words`, and writes nothing.
#[track_caller]
fn refused(home: &Home, line: &str, code: i32, words: &[&str]) -> Ended {
    let before = std::fs::read(home.path().join("sandbox.json")).ok();
    let ended = home.run(line).code(code);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in:\n{}", ended.stderr);
    }
    let after = std::fs::read(home.path().join("sandbox.json")).ok();
    assert!(before == after, "the sandbox changed");
    ended
}

#[test]
fn ous_and_accounts_that_do_not_fit_are_refused() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Prodution",
        2,
        &["no OU `Prodution`", "did you mean Root/Production?"],
    );
    refused(
        &home,
        "deploy --ou Payments",
        2,
        &["Root/Production/Payments", "Root/Staging/Payments"],
    );
    refused(
        &home,
        "deploy --ou Production --account 12345",
        2,
        &["12345", "twelve digits"],
    );
    refused(
        &home,
        "deploy --ou Production --account 999999999999",
        2,
        &["isn't in the organisation"],
    );
    refused(&home, "deploy", 2, &["config targets no OU", "--ou"]);
}

#[test]
fn an_account_is_named_wherever_its_id_is_taken() {
    let home = Home::with_sandbox(CONFIG);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    let id = "824973585909";
    let plan = home.succeeds("deploy --ou Production --account Payments-PROD --plan");
    assert!(plan.contains("1 to create") && plan.contains(id), "{plan}");
    home.run("deploy --ou Production --account payments-prod").code(0);
    let again = home.succeeds("deploy --ou Production --recreate payments-prod --plan --yes");
    assert!(again.contains(id), "{again}");
    for line in [
        "spend --account PAYMENTS-prod",
        "status --account payments-prod",
        "test-alert --account payments-prod --yes",
        "preview --account payments-prod",
        "sandbox spend --account payments-prod --daily 5",
        "sandbox spend --name payments-prod --daily 5",
        "sandbox fail account payments-prod because",
    ] {
        let ended = home.run(line).code(0);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(id), "{line}: {said}");
    }
    // A slip of the pen, and a name that two bear, though one is written otherwise.
    home.change(|world| {
        let root = world.organizations.root().clone();
        world
            .add_account("PAYMENTS-PROD", &root, Default::default())
            .expect("an account");
    });
    for line in [
        "deploy --ou Production --account",
        "spend --account",
        "status --account",
        "test-alert --account",
        "preview --account",
    ] {
        refused(
            &home,
            &format!("{line} payment-ledger"),
            2,
            &["did you mean payments-ledger?"],
        );
        refused(
            &home,
            &format!("{line} payments-prod"),
            2,
            &["several accounts", id, "give the account's id"],
        );
    }
}

#[test]
fn trusted_access_that_is_off_stops_a_deploy_with_its_remedy() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Production",
        1,
        &["trusted access", "billctl bootstrap"],
    );
}

#[test]
fn a_permission_that_is_missing_is_named() {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox fail deny organizations:ListRoots").code(0);
    refused(
        &home,
        "deploy --ou Production",
        1,
        &["organizations:ListRoots", "AccessDenied", "billctl policy"],
    );
}

#[test]
fn a_member_account_is_refused() {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox login --name payments-prod").code(0);
    refused(&home, "status", 2, &["is not the management account", "--profile"]);
}

#[test]
fn a_missing_config_and_a_missing_sandbox_say_how_to_make_one() {
    let home = Home::empty();
    refused(&home, "status", 2, &["config.toml", "billctl init"]);
    home.config(CONFIG);
    refused(&home, "status", 1, &["billctl sandbox new"]);
}

#[test]
fn without_credentials_the_answer_is_quick_and_says_what_to_do() {
    let home = Home::empty();
    home.config(CONFIG);
    let started = std::time::Instant::now();
    let ended = home.end(home.command().arg("status")).code(1);
    assert!(
        ended.stderr.contains("--sandbox") && ended.stderr.contains("AWS_PROFILE"),
        "{}",
        ended.stderr
    );
    // Far above what it takes, far below a wait for the metadata service with its retries.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
