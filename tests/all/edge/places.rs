//! Credentials that are renewed, and files and services in odd places.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::server::{Reply, Request, Server};
use super::{assert_for_people, aws};

/// A home with a config, these profiles, and the binary's command there.
fn home(server: &Server, profiles: &str) -> (TempDir, Command) {
    let home = TempDir::new().unwrap();
    std::fs::write(
        home.path().join("config.toml"),
        "[mail]\nfrom = \"billing@example.com\"\n",
    )
    .unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), profiles).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("billctl"));
    command
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(home.path())
        .arg("status");
    (home, command)
}

fn signers(server: &Server) -> Vec<(String, String)> {
    let seen = server.seen();
    seen.iter()
        .map(|request| (request.operation(), request.signer()))
        .collect()
}

fn stderr(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_for_people(&text);
    text
}

#[test]
fn credentials_that_expire_in_mid_run_are_renewed() {
    // A list's first page takes longer than the first credentials are good for, and its second comes strictly after it.
    let pages = AtomicUsize::new(0);
    let server = Server::start(move |request: &Request| match request.operation().as_str() {
        "DescribeOrganization" => aws::organization(),
        // Whatever else is read at the same time waits too, or the run would end before.
        "DescribeStackSet" | "ListStackInstances" | "ListStackSetOperations" => {
            std::thread::sleep(Duration::from_secs(9));
            aws::refusal(404, "StackSetNotFoundException", "StackSet billctl not found")
        }
        "ListRoots" => {
            if pages.fetch_add(1, Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_secs(7));
            }
            Reply::text(
                200,
                r#"{"Roots": [{"Id": "r-abcd", "Name": "Root"}], "NextToken": "again"}"#,
            )
        }
        _ => aws::answer(request),
    });
    let tool = "#!/bin/sh\necho x >> \"$HOME/asked\"\nn=$(wc -l < \"$HOME/asked\")\n\
                until=$(date -u -d \"+6 seconds\" +%Y-%m-%dT%H:%M:%SZ)\n\
                echo \"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"TOOL$(echo $n)\\\",\\\"SecretAccessKey\\\":\\\"s3cr3t\\\",\
                \\\"Expiration\\\":\\\"$until\\\"}\"\n";
    let (home, mut command) = home(&server, "");
    let path = home.path().join("tool");
    let profile = format!("[profile tool]\ncredential_process = '{}'\n", path.display());
    std::fs::write(home.path().join(".aws/config"), profile).unwrap();
    std::fs::write(&path, tool).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    stderr(command.args(["--profile", "tool"]));
    let signed = signers(&server);
    let pages: Vec<&str> = signed
        .iter()
        .filter(|(operation, _)| operation == "ListRoots")
        .map(|(_, key)| key.as_str())
        .collect();
    let [first, second, ..] = pages.as_slice() else {
        panic!("{signed:?}");
    };
    assert!(second.starts_with("TOOL") && first != second, "{signed:?}");
}

#[test]
fn without_home_the_files_are_where_the_variables_say() {
    let server = Server::start(aws::answer);
    let keys = "[profile team]\naws_access_key_id = TEAM\naws_secret_access_key = s3cr3t\n";
    for gone in [false, true] {
        let (home, mut command) = home(&server, keys);
        match gone {
            true => command.env_remove("HOME"),
            false => command.env("HOME", ""),
        };
        command.env("AWS_CONFIG_FILE", home.path().join(".aws/config"));
        stderr(command.args(["--profile", "team"]));
        assert_eq!(signers(&server).last().map(|(_, key)| key.as_str()), Some("TEAM"));
    }
}

#[test]
fn an_endpoint_that_is_not_utf8_is_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let server = Server::start(aws::answer);
    let (_home, mut command) = home(&server, "");
    command.env("AWS_ENDPOINT_URL_STS", std::ffi::OsStr::from_bytes(b"http://h\xff"));
    let said = stderr(&mut command);
    assert!(said.contains("AWS_ENDPOINT_URL_STS is not UTF-8"), "{said}");
    assert!(server.seen().is_empty());
}

#[test]
fn ten_megabytes_of_words_are_shown_in_part() {
    let server = Server::start(|_| aws::refusal(403, "AccessDenied", &"x".repeat(10_000_000)));
    let (_home, mut command) = home(&server, "");
    command
        .env("AWS_ACCESS_KEY_ID", "KEY")
        .env("AWS_SECRET_ACCESS_KEY", "s3cr3t");
    let said = stderr(&mut command);
    assert!(
        said.contains("answered AccessDenied: xxx") && said.len() < 4_000,
        "{}",
        said.len()
    );
    let tool = "[profile tool]\ncredential_process = sh -c 'head -c 10000000 /dev/zero | tr \\\\0 x >&2; exit 1'\n";
    let (_home, mut command) = self::home(&server, tool);
    let said = stderr(command.args(["--profile", "tool"]));
    assert!(
        said.contains("ended with status 1: xxx") && said.len() < 2_000,
        "{}",
        said.len()
    );
}

#[test]
fn an_account_and_an_ou_of_any_length_are_repeated_in_part() {
    let home = crate::support::home::Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let long = "x".repeat(100_000);
    for line in [["spend", "--account", &long], ["spend", "--ou", &long]] {
        let ended = home.run(&line).code(2);
        assert!(ended.stderr.len() < 1_000, "{}", ended.stderr.len());
    }
}

#[test]
fn a_container_s_relative_address_is_asked_of_the_container_service() {
    let server = Server::start(aws::answer);
    let (_home, mut command) = home(&server, "");
    // What is at that address here, if anything, has no credentials. A proxy isn't asked for it.
    let proxy = Server::start(aws::answer);
    command
        .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x")
        .env("HTTP_PROXY", proxy.url())
        .env("ALL_PROXY", proxy.url());
    let said = stderr(&mut command);
    assert!(
        said.contains("the container's credentials service (169.254.170.2) "),
        "{said}"
    );
    assert!(said.contains("remedy: "), "{said}");
    assert!(proxy.seen().is_empty() && server.seen().is_empty());
}

/// A command as somebody who isn't root, where these tests run as root.
fn as_nobody(command: &Command) -> Option<Command> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    let program = command.get_program().to_owned();
    let mut lesser = match is_root {
        false => Command::new(&program),
        true => {
            let mut setpriv = Command::new("setpriv");
            setpriv
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(&program);
            // A checkout in root's own home can't be entered.
            let may = Command::new("setpriv")
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x"])
                .arg(&program)
                .status();
            if !may.is_ok_and(|may| may.success()) {
                return None;
            }
            setpriv
        }
    };
    lesser.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            lesser.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        lesser.current_dir(folder);
    }
    Some(lesser)
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let server = Server::start(aws::answer);
    let (home, mut command) = home(&server, "[profile team]\n");
    mode(home.path(), 0o755);
    mode(&home.path().join(".aws"), 0o755);
    let pem = home.path().join("ca.pem");
    std::fs::write(&pem, "").unwrap();
    command.args(["--profile", "team"]);
    let Some(mut lesser) = as_nobody(&command) else {
        eprintln!("NOT RUN: a file without the right to read it: nobody can't run this binary");
        return;
    };
    let config = home.path().join(".aws/config");
    mode(&config, 0);
    let said = stderr(&mut lesser);
    assert!(
        said.contains(".aws/config can't be read: Permission denied") && said.contains("remedy: make it readable"),
        "{said}"
    );
    mode(&config, 0o644);
    mode(&pem, 0);
    let said = stderr(lesser.env("AWS_CA_BUNDLE", &pem));
    assert!(
        said.contains("which AWS_CA_BUNDLE names, can't be read: Permission denied"),
        "{said}"
    );
    // A folder that may not be entered.
    mode(&pem, 0o644);
    mode(&home.path().join(".aws"), 0);
    let said = stderr(lesser.env_remove("AWS_CA_BUNDLE"));
    assert!(said.contains(".aws/config can't be read: Permission denied"), "{said}");
}
