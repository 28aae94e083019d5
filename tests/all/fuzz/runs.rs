//! Command lines, environments and credential files, whatever they hold: the built binary ends in time, with an exit
//! code of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use billctl::cli::Cli;
use billctl_core::text;
use clap::Parser as _;
use proptest::prelude::*;

use super::broken::broken_text;
use super::fuzz;
use crate::hostile::refusing;
use crate::support::home::Home;

const VERBS: &[&str] = &[
    "init",
    "doctor",
    "bootstrap",
    "deploy",
    "status",
    "spend",
    "destroy",
    "preview",
    "test-alert",
    "resend",
    "policy",
    "template",
    "sandbox",
    "completions",
    "man",
    "help",
];

const WORDS: &[&str] = &[
    "--sandbox=sandbox.json",
    "--config",
    "config.toml",
    "--format",
    "json",
    "markdown",
    "--quiet",
    "-v",
    "-vv",
    "--yes",
    "--color=always",
    "--profile",
    "broken",
    "--plan",
    "--check",
    "--all",
    "--deep",
    "--drift",
    "--probe",
    "--ou",
    "Root",
    "Production/Payments",
    "--account",
    "123456789012",
    "--name",
    "prod-web",
    "--daily",
    "--once",
    "-1",
    "0",
    "1e400",
    "18446744073709551616",
    "-9223372036854775808",
    "--days",
    "--top",
    "--by",
    "ou",
    "service",
    "--csv",
    "--html",
    "-",
    "new",
    "show",
    "advance",
    "6h",
    "fail",
    "throttle",
    "30%",
    "none",
    "move",
    "add-ou",
    "add-account",
    "verify",
    "operator",
    "status",
    "bash",
    "--wait-verified=1",
    "--no-wait",
    "--detach",
    "--stop",
    "--prune",
    "--recreate",
    "--max-concurrent",
    "--suggest",
    "--tell",
    "--latency",
    "61s",
    "--accounts",
    "3",
    "\u{1b}]0;x\u{7}",
    "\u{202e}",
    "ä🦀",
    "",
    "--",
    "=",
    "--ou=",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => ".{0,12}".prop_map(|text| text.replace('\0', "")),
    ]
}

/// A command line, one word to a line.
fn command_line() -> impl Strategy<Value = Vec<String>> {
    (prop::sample::select(VERBS), prop::collection::vec(word(), 0..7)).prop_map(|(verb, mut words)| {
        words.insert(0, verb.to_owned());
        words.iter().map(|word| word.replace('\n', " ")).collect()
    })
}

#[test]
fn any_command_line_is_read_or_refused() {
    let inputs = command_line().prop_map(|words| words.join("\n").into_bytes());
    fuzz("arguments", 40, &inputs.boxed(), |bytes| {
        let line = String::from_utf8_lossy(bytes);
        let words = std::iter::once("billctl").chain(line.split('\n'));
        if let Err(error) = Cli::try_parse_from(words) {
            assert!(!error.render().to_string().is_empty());
        }
    });
}

const VARIABLES: &[&str] = &[
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_CA_BUNDLE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_ENDPOINT_URL_STS",
    "AWS_DEFAULT_PROFILE",
    "SSL_CERT_FILE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "https_proxy",
    "NO_PROXY",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "TERM",
    "COLUMNS",
    "HOME",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "BILLCTL_CONFIG",
    "BILLCTL_SANDBOX",
    "GITHUB_STEP_SUMMARY",
];

/// Nothing here names a place outside this machine.
const VALUES: &[&str] = &[
    "",
    " ",
    "broken",
    "mgmt",
    "AKIAIOSFODNN7EXAMPLE",
    "AKIAIOSFODNN7EXAMPLE\n",
    "key\u{e4}\u{1b}[2J",
    "us-east-1",
    "us-east-1\r",
    "../../x",
    "us east",
    "true",
    "TRUE",
    "maybe",
    "-1",
    "0",
    "99999999999999999999",
    "/dev/null",
    "config.toml",
    "no/such/file",
    ".",
    "http://127.0.0.1:9",
    "http://127.0.0.1:99999",
    "http://[::1",
    "https://user:p%zz@127.0.0.1:9/a b",
    "127.0.0.1",
    "://",
    "arn:aws:iam::123456789012:role/x",
    "arn:",
    "adaptive",
    "sandbox.json",
    "xterm",
    "1",
    "trace",
];

const PROFILES: &[u8] = b"[default]\nregion = us-east-1\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
aws_secret_access_key = x\n[profile mgmt]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\n\
[profile broken]\ncredential_process = echo {}\n[profile loop]\nrole_arn = arn:aws:iam::123456789012:role/x\n\
source_profile = loop\n";

const PIECES: &[&str] = &[
    "[",
    "]",
    "=",
    "\n",
    "\r\n",
    "#",
    ";",
    "[profile ",
    "[sso-session x]",
    "sso_session = x",
    "source_profile = loop",
    "source_profile = nosuch",
    "credential_source = Environment",
    "credential_source = Ec2InstanceMetadata",
    "credential_process = echo {\"Version\":1,\"AccessKeyId\":\"a\\n\",\"SecretAccessKey\":\"b\"}",
    "credential_process = false",
    "web_identity_token_file = config.toml",
    "mfa_serial = arn:aws:iam::123456789012:mfa/x",
    "duration_seconds = -1",
    "endpoint_url = http://127.0.0.1:9",
    "services = x",
    "login_session = arn:",
    "ca_bundle = no/such",
    "aws_access_key_id",
    "  indented = 1",
    "\u{feff}",
    "\u{0}",
    "\u{1b}",
    "ä",
];

/// An environment, then the two files of profiles, then a command line; parted by a character that none of them holds.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let variable = (prop::sample::select(VARIABLES), prop::sample::select(VALUES));
    let environment = prop::collection::vec(variable, 0..6);
    let files = (broken_text(PROFILES, PIECES), broken_text(PROFILES, PIECES));
    (environment, files, command_line()).prop_map(|(environment, (config, credentials), line)| {
        let environment: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let parts = [
            environment.join("\u{1e}").into_bytes(),
            config,
            credentials,
            line.join("\n").into_bytes(),
        ];
        parts
            .map(|part| part.into_iter().filter(|byte| *byte != 0x1f).collect::<Vec<u8>>())
            .join(&0x1f)
    })
}

#[test]
fn any_run_ends_in_time_with_an_exit_code() {
    // Longer than any of these takes on a busy machine; what waits for an answer from AWS gets one at once.
    const PATIENCE: Duration = Duration::from_secs(90);
    let endpoint = refusing("no \u{1b}[2J");
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let sandbox = std::fs::read(home.path().join("sandbox.json")).expect("a sandbox");
    std::fs::create_dir(home.path().join(".aws")).expect("a folder");
    fuzz("runs", 5, &inputs().boxed(), |bytes| {
        let parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0x1f).collect();
        let [environment, config, credentials, line] = parts.as_slice() else {
            return;
        };
        std::fs::write(home.path().join("sandbox.json"), &sandbox).expect("a sandbox");
        std::fs::write(home.path().join(".aws/config"), config).expect("a file");
        std::fs::write(home.path().join(".aws/credentials"), credentials).expect("a file");
        let environment = String::from_utf8_lossy(environment);
        let variables: BTreeMap<&str, &str> = environment
            .split('\u{1e}')
            .filter_map(|variable| variable.split_once('='))
            .filter(|(_, value)| !value.contains('\0'))
            .collect();
        let line = String::from_utf8_lossy(line);
        let output = home
            .command()
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "127.0.0.1")
            .envs(variables)
            .args(line.split('\n'))
            .timeout(PATIENCE)
            .output()
            .expect("it runs and ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(
            matches!(code, Some(0..=5)),
            "{line:?} with {environment:?}: {code:?}\n{stderr}"
        );
        assert!(
            !stderr.contains("a fault of its own"),
            "{line:?} with {environment:?}: {stderr}"
        );
        assert_eq!(text::terminal(&stderr), stderr, "{line:?} with {environment:?}");
    });
}
