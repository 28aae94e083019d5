//! What `doctor` advises is what the cause wants, as every other command does.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::server::{Reply, Request, Server, nobody};
use super::{assert_for_people, aws};

const CONFIG: &str = "[mail]\nfrom = \"billing@example.com\"\n[deploy]\nous = [\"Root\"]\n";

fn billctl(home: &Path, endpoint: &str, arguments: &[&str]) -> Command {
    std::fs::write(home.join("config.toml"), CONFIG).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("billctl"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(home)
        .args(arguments);
    command
}

/// The check of this name: its finding and what follows it.
fn check(home: &Path, endpoint: &str, name: &str, environment: &[(&str, &str)]) -> String {
    let mut command = billctl(home, endpoint, &["doctor", "--format", "json"]);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_for_people(&String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let checks = answer["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    format!("{} remedy: {}", check["finding"], check["remedy"])
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")];

#[test]
fn each_fault_of_credentials_has_its_own_remedy() {
    let home = TempDir::new().unwrap();
    let says = |handler: fn(&Request) -> Reply, environment: &[(&str, &str)]| {
        let server = Server::start(handler);
        check(home.path(), &server.url(), "credentials", environment)
    };
    let said = says(aws::answer, &[("AWS_PROFILE", "nosuch")]);
    assert!(said.contains("aws configure"), "{said}");
    let said = says(aws::answer, &[("AWS_ACCESS_KEY_ID", "K\nEY"), KEYS[1]]);
    assert!(said.contains("set AWS_ACCESS_KEY_ID again"), "{said}");
    let said = says(
        |_| aws::refusal(403, "RequestTimeTooSkewed", "The difference is too large"),
        &KEYS,
    );
    assert!(said.contains("clock is wrong"), "{said}");
    let said = says(
        |_| {
            aws::refusal(
                403,
                "AccessDenied",
                "not authorized with an explicit deny in a service control policy",
            )
        },
        &KEYS,
    );
    assert!(
        said.contains("a service control policy of the organisation has to allow"),
        "{said}"
    );
    let said = says(|_| Reply::text(200, "<html>Sign in</html>"), &KEYS);
    assert!(said.contains("sign-in in the browser"), "{said}");
    let said = check(home.path(), &format!("http://{}", nobody()), "credentials", &KEYS);
    assert!(said.contains("AWS_ENDPOINT_URL"), "{said}");
    let said = says(aws::answer, &[]);
    assert!(said.contains("aws sso login"), "{said}");
}

#[test]
fn what_a_policy_from_above_denies_nobody_is_told_to_allow() {
    let home = TempDir::new().unwrap();
    let server = Server::start(|request| match request.operation().as_str() {
        "DescribeOrganization" => aws::json_refusal(
            "AccessDeniedException",
            "not authorized to perform it with an explicit deny in a service control policy",
        ),
        _ => aws::answer(request),
    });
    let said = check(home.path(), &server.url(), "organization", &KEYS);
    assert!(
        said.contains("a service control policy of the organisation has to allow"),
        "{said}"
    );
}

#[test]
fn a_program_that_fails_is_run_once_and_ends_with_billctl_s_patience() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let asked = home.path().join("asked");
    let profile = format!(
        "[profile tool]\ncredential_process = sh -c 'echo x >> {}; echo no code >&2; exit 1'\n",
        asked.display()
    );
    std::fs::write(home.path().join(".aws/config"), profile).unwrap();
    let server = Server::start(aws::answer);
    let said = check(home.path(), &server.url(), "credentials", &[("AWS_PROFILE", "tool")]);
    assert!(
        said.contains("ended with status 1: no code") && said.contains("by hand"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(asked).unwrap(), "x\n");
}

#[test]
fn credentials_of_a_program_that_stay_good_are_asked_for_once() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let asked = home.path().join("asked");
    let profile = format!(
        "[profile tool]\ncredential_process = sh -c 'echo x >> {}; echo \"$1\"' - '{}'\n",
        asked.display(),
        r#"{"Version":1,"AccessKeyId":"TOOL","SecretAccessKey":"s3cr3t"}"#,
    );
    std::fs::write(home.path().join(".aws/config"), profile).unwrap();
    let server = Server::start(aws::answer);
    let said = check(home.path(), &server.url(), "credentials", &[("AWS_PROFILE", "tool")]);
    assert!(said.contains("arn:aws:iam::111122223333:user/x"), "{said}");
    assert_eq!(std::fs::read_to_string(asked).unwrap(), "x\n");
}

#[test]
fn a_named_pipe_is_no_file() {
    let home = TempDir::new().unwrap();
    let pipe = home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let name = pipe.to_str().unwrap();
    let server = Server::start(aws::answer);
    let said = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = billctl(home.path(), &server.url(), arguments);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{text}");
        assert!(text.contains("it is a named pipe, not a file"), "{text}");
    };
    said(&["--config", name, "status"], &KEYS);
    said(&["--profile", "x", "status"], &[("AWS_CONFIG_FILE", name)]);
    said(&["status"], &[KEYS[0], KEYS[1], ("AWS_CA_BUNDLE", name)]);
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", name),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/x"),
    ];
    said(&["status"], &web);
    said(&[&format!("--sandbox={name}"), "status"], &KEYS);
}
