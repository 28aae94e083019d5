//! What users get wrong, through the built binary: a clear error, the right exit code, and nothing changed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Instant;

use assert_cmd::Command;

use crate::adapters::reach::{endpoint, silent};
use crate::support::home::{Ended, Home};

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Root/Production\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";

/// Every command that works in an organisation, as one that changes something where it can.
const COMMANDS: [&str; 6] = [
    "bootstrap --yes",
    "deploy --yes",
    "status",
    "spend",
    "test-alert --account 886563732113 --to me@example.com",
    "destroy --organization o-c050fdb2de",
];

/// That the command is refused with these words, and that the sandbox's organisation stays as it is.
#[track_caller]
fn refused(home: &Home, line: &str, code: i32, words: &[&str]) {
    let before = home.world();
    let ended = home.run(&format!("{line} -v")).code(code);
    for word in words {
        assert!(ended.stderr.contains(word), "{line}: {word}\n{}", ended.stderr);
    }
    if ended.stderr.contains("API calls") {
        assert_eq!(ended.calls("write"), 0, "{line}: {}", ended.stderr);
    }
    let after = home.world();
    for part in [
        "organizations",
        "cloudformation",
        "eventbridge",
        "iam",
        "sfn",
        "sns",
        "sqs",
    ] {
        assert!(before.get(part).is_some(), "the world has no {part}");
        assert_eq!(before.get(part), after.get(part), "{line} changed {part}");
    }
}

#[test]
fn an_unknown_ou_is_refused_with_near_names() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Producton --yes",
        2,
        &["there is no OU `Producton`", "did you mean", "Production"],
    );
}

#[test]
fn a_name_that_two_ous_have_is_refused_with_their_paths() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Payments --yes",
        2,
        &["Root/Production/Payments", "Root/Staging/Payments"],
    );
}

#[test]
fn a_malformed_account_id_is_refused() {
    let home = Home::with_sandbox(CONFIG);
    refused(
        &home,
        "deploy --ou Production --account 12345",
        2,
        &["12345", "twelve digits"],
    );
}

#[test]
fn an_ou_of_the_config_that_is_not_there_is_refused() {
    let home = Home::with_sandbox(&CONFIG.replace("Root/Production", "Root/Prodction"));
    for line in ["deploy --yes", "status", "spend"] {
        refused(
            &home,
            line,
            2,
            &["Root/Prodction", "did you mean Root/", "[config.toml:4:8]", "───"],
        );
    }
}

#[test]
fn another_account_of_the_organisation_is_told_what_to_use_by_every_command() {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox login --account 886563732113").code(0);
    for command in COMMANDS {
        refused(
            &home,
            command,
            2,
            &[
                "account 886563732113 is not the management account (100000000011)",
                "--profile",
            ],
        );
    }
}

#[test]
fn a_config_for_another_organisation_is_refused_by_every_command() {
    let home = Home::with_sandbox(&format!("organization = \"o-zzzzzzzzzz\"\n{CONFIG}"));
    for command in COMMANDS {
        refused(
            &home,
            command,
            2,
            &["the config is for organisation o-zzzzzzzzzz", "--config"],
        );
    }
}

#[test]
fn trusted_access_that_is_off_is_named_and_nothing_is_made() {
    let home = Home::with_sandbox(CONFIG);
    let before = home.world();
    let ended = home.run("deploy --yes").code(1);
    for words in ["trusted access of StackSets", "off", "billctl bootstrap"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert_eq!(before["cloudformation"], home.world()["cloudformation"]);
}

#[test]
fn a_denied_action_is_named() {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox fail deny organizations:ListRoots").code(0);
    for command in ["deploy --yes", "status"] {
        refused(
            &home,
            command,
            1,
            &["allow `organizations:ListRoots`", "billctl policy"],
        );
    }
}

/// The binary without a sandbox, with keys and this environment.
fn on_aws(home: &Home, line: &str, environment: &[(&str, &str)]) -> Ended {
    home.config(CONFIG);
    let mut command: Command = home.command();
    command.args(line.split(' ')).envs(environment.iter().copied());
    home.end(&mut command)
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

#[test]
fn without_credentials_every_command_says_how_to_log_in() {
    let home = Home::empty();
    for command in ["bootstrap", "deploy", "status", "spend"] {
        let ended = on_aws(&home, command, &[]).code(1);
        for word in ["no credentials found", "aws sso login", "--sandbox"] {
            assert!(ended.stderr.contains(word), "{command}: {}", ended.stderr);
        }
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn another_partition_is_refused() {
    let caller = endpoint(
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nconnection: close\r\n\r\n\
         <GetCallerIdentityResponse><GetCallerIdentityResult>\
         <Arn>arn:aws-cn:iam::111122223333:user/jo</Arn><UserId>A</UserId><Account>111122223333</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>",
    );
    let organization = endpoint(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n\r\n\
         {\"__type\":\"AccessDeniedException\",\"Message\":\"no\"}",
    );
    let home = Home::empty();
    let endpoints = [
        ("AWS_ENDPOINT_URL_STS", caller.as_str()),
        ("AWS_ENDPOINT_URL", &organization),
    ];
    for command in ["bootstrap", "deploy", "status", "spend"] {
        let ended = on_aws(&home, command, &[&KEYS[..], &endpoints].concat()).code(2);
        assert!(
            ended.stderr.contains("account 111122223333 is in partition `aws-cn`"),
            "{command}: {}",
            ended.stderr
        );
    }
}

#[test]
fn an_endpoint_that_answers_html_is_told_as_such() {
    let page = endpoint(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!doctype html><title>Log in</title>",
    );
    let home = Home::empty();
    let ended = on_aws(&home, "status", &[&KEYS[..], &[("AWS_ENDPOINT_URL", &page)]].concat()).code(1);
    for word in ["isn't AWS's", "<!doctype html>", "AWS_ENDPOINT_URL"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_crash() {
    let home = Home::with_sandbox(CONFIG);
    for line in [
        "bootstrap --plan",
        "bootstrap",
        "deploy --plan",
        "deploy --stop",
        "status",
        "doctor",
        "policy operator",
        "destroy --plan",
        "template",
        "sandbox show",
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = home.process();
        let output = command
            .arg("--sandbox=sandbox.json")
            .args(line.split(' '))
            .stdout(full.expect("Linux has it"))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(said.contains("failed to write to standard output"), "{line}: {said}");
    }
}

#[test]
fn on_the_sandbox_nothing_of_aws_is_looked_at() {
    let (address, asked) = silent();
    let home = Home::with_sandbox(CONFIG);
    // A profile that isn't there, and files that can't be read, are errors as soon as a client is made.
    let environment = [
        ("AWS_ENDPOINT_URL", address.as_str()),
        ("AWS_PROFILE", "nobody"),
        ("AWS_CONFIG_FILE", "/nowhere/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials"),
    ];
    for line in ["bootstrap", "deploy --ou Production", "status", "spend"] {
        let mut command = home.command();
        command
            .arg("--sandbox=sandbox.json")
            .args(line.split(' '))
            .envs(environment);
        home.end(&mut command).code(0);
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn call_as_a_delegated_administrator_that_this_account_is_not_is_refused() {
    let home = Home::with_sandbox(&format!("call-as = \"delegated-admin\"\n{CONFIG}"));
    for command in ["deploy --yes", "status"] {
        refused(
            &home,
            command,
            2,
            &["management account", "take `call-as` out of the config"],
        );
    }
    // A member that nobody has made one: AWS doesn't even let it ask who is.
    home.run("sandbox login --name security-tooling").code(0);
    for command in ["deploy --yes", "status"] {
        refused(
            &home,
            command,
            1,
            &["delegated administrator", "register-delegated-administrator"],
        );
    }
}

#[test]
fn no_command_line_that_only_prints_reaches_for_aws() {
    let (address, asked) = silent();
    let home = Home::empty();
    let environment = [&KEYS[..], &[("AWS_ENDPOINT_URL", &address)]].concat();
    let begun = Instant::now();
    for line in [
        "--help",
        "--version",
        "deploy --help",
        "completions bash",
        "policy operator",
    ] {
        on_aws(&home, line, &environment).code(0);
    }
    assert_eq!(
        asked.load(std::sync::atomic::Ordering::Relaxed),
        0,
        "after {:?}",
        begun.elapsed()
    );
}

#[test]
fn the_region_is_the_billing_metrics_own_whatever_the_environment_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let send = send.clone();
            std::thread::spawn(move || {
                let mut bytes = [0; 8192];
                let read = stream.read(&mut bytes).unwrap_or(0);
                let _ = send.send(String::from_utf8_lossy(&bytes[..read]).into_owned());
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>");
            });
        }
    });
    let home = Home::empty();
    let region = [
        ("AWS_ENDPOINT_URL", address.as_str()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ];
    on_aws(&home, "status", &[&KEYS[..], &region].concat()).code(1);
    let signed: Vec<String> = requests
        .try_iter()
        .filter_map(|request| {
            let scope = request.split("Credential=").nth(1)?;
            Some(scope.split('/').nth(2)?.to_owned())
        })
        .collect();
    assert!(!signed.is_empty());
    assert!(signed.iter().all(|region| region == "us-east-1"), "{signed:?}");
}

#[test]
fn status_of_many_accounts_lists_those_that_need_a_look_and_counts_the_others() {
    let home = Home::empty();
    home.config("[alarm]\nthreshold = 100\n[mail]\nfrom = \"billing@example.com\"\n");
    home.run("sandbox new --accounts 150 --ous 4").code(0);
    home.run("bootstrap").code(0);
    let listed = |line: &str| {
        let text = home.run(line).code(0).stdout;
        // An account's line has its id.
        let is_id = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit());
        let rows = text.lines().filter(|line| line.split_whitespace().any(is_id)).count();
        (rows, text)
    };
    let (few, text) = listed("status");
    assert_eq!(few, 0, "{text}");
    assert!(
        text.contains("not listed: 1 not active, 149 not targeted, 1 billing side"),
        "{text}"
    );
    assert!(text.contains("status --all"), "{text}");
    let (every, text) = listed("status --all");
    assert_eq!(every, 151, "{text}");
    assert!(!text.contains("not listed"), "{text}");
}
