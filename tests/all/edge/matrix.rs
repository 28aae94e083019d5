//! Dozens of environments and files before the built binary: whose credentials sign the first call, or what is said.
//! The table in docs/credentials.md is made from what comes out; `UPDATE=1` writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

use super::server::{Reply, Request, Server, nobody};
use super::{assert_for_people, aws, tls};

type Handler = fn(&Request) -> Reply;

/// What should come of a case.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// The first call is signed with this key.
    Signs(&'static str),
    /// The error holds this, and its remedy that.
    Says(&'static str, &'static str),
}

/// An environment, files, and what should come of them.
struct Case {
    group: &'static str,
    what: &'static str,
    arguments: Vec<&'static str>,
    environment: Vec<(&'static str, String)>,
    files: Vec<(&'static str, Vec<u8>)>,
    /// AWS, and everything else that listens for this case: `{aws}`.
    server: Handler,
    /// A proxy: `{proxy}`.
    proxy: Handler,
    /// AWS's certificate, where it is reached by TLS.
    certificate: Option<&'static str>,
    /// Whether the proxy itself speaks TLS: `{tls-proxy}`.
    proxy_by_tls: bool,
    then: Then,
    /// The session token that the first call has to carry.
    token: Option<&'static str>,
}

fn case(group: &'static str, what: &'static str) -> Case {
    Case {
        group,
        what,
        arguments: Vec::new(),
        environment: vec![
            ("AWS_ENDPOINT_URL", "{aws}".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ],
        files: Vec::new(),
        server: aws::answer,
        proxy: aws::answer,
        certificate: None,
        proxy_by_tls: false,
        then: Then::Signs("nobody"),
        token: None,
    }
}

impl Case {
    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(one, _)| *one != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(one, _)| *one != name);
        self
    }

    /// Keys in the environment.
    fn keys(self, key: &str) -> Self {
        self.env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    }

    fn profile(mut self, name: &'static str) -> Self {
        self.arguments.extend(["--profile", name]);
        self
    }

    /// As on a terminal, which takes commands.
    fn coloured(mut self) -> Self {
        self.arguments.extend(["--color", "always"]);
        self
    }

    fn file(mut self, path: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path, content.into()));
        self
    }

    fn config(self, content: &str) -> Self {
        self.file(".aws/config", content)
    }

    fn credentials(self, content: &str) -> Self {
        self.file(".aws/credentials", content)
    }

    fn server(mut self, handler: Handler) -> Self {
        self.server = handler;
        self
    }

    fn proxy(mut self, handler: Handler) -> Self {
        self.proxy = handler;
        self
    }

    fn proxy_by_tls(mut self) -> Self {
        self.proxy_by_tls = true;
        self
    }

    fn tls(mut self, certificate: &'static str) -> Self {
        self.certificate = Some(certificate);
        self
    }

    fn signs(mut self, key: &'static str) -> Self {
        self.then = Then::Signs(key);
        self
    }

    /// With this session token; an empty one is none.
    fn token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    fn says(mut self, text: &'static str, remedy: &'static str) -> Self {
        self.then = Then::Says(text, remedy);
        self
    }

    /// Runs it: what came, as the table shows it.
    fn run(&self) -> Result<String, String> {
        let home = TempDir::new().unwrap();
        let handler = self.server;
        let server = match self.certificate {
            None => Server::start(handler),
            Some(name) => Server::start_tls(name, handler),
        };
        let upstream = server.address.clone();
        let proxy_handler = self.proxy;
        let proxied = move |request: &Request| match proxy_handler(request) {
            Reply::Tunnel(_) => Reply::Tunnel(upstream.clone()),
            reply => reply,
        };
        let proxy = match self.proxy_by_tls {
            true => Server::start_tls("server", proxied),
            false => Server::start(proxied),
        };
        let port_of = |server: &Server| server.address.rsplit(':').next().unwrap_or_default().to_owned();
        let (port, proxy_port) = (port_of(&server), port_of(&proxy));
        let url = match self.certificate {
            None => server.url(),
            Some(_) => format!("https://localhost:{port}"),
        };
        let dead = nobody();
        let filled = |text: &str| {
            text.replace("{aws}", &url)
                .replace("{host}", &server.address)
                .replace("{port}", &port)
                .replace("{tls-proxy}", &format!("https://localhost:{proxy_port}"))
                .replace("{proxy}", &proxy.address)
                .replace("{dead}", &dead)
                .replace("{home}", &home.path().display().to_string())
                .replace("{ca}", &tls("ca.pem").display().to_string())
        };
        std::fs::write(
            home.path().join("config.toml"),
            "[mail]\nfrom = \"billing@example.com\"\n[deploy]\nous = [\"Root\"]\n",
        )
        .unwrap();
        for (path, content) in &self.files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = match String::from_utf8(content.clone()) {
                Ok(text) => filled(&text).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            std::fs::write(path, content).unwrap();
        }
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("billctl"));
        command
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(home.path())
            .timeout(Duration::from_secs(100))
            .arg("status")
            .args(&self.arguments);
        for (name, value) in &self.environment {
            command.env(name, filled(value));
        }
        let begun = Instant::now();
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let taken = begun.elapsed();
        let code = output.status.code();
        let signed: Vec<Request> = [&server, &proxy]
            .iter()
            .flat_map(|server| server.seen())
            .filter(|request| request.operation() == "GetCallerIdentity" && !request.target.starts_with("/federation"))
            .collect();
        let signers: Vec<String> = signed.iter().map(Request::signer).collect();
        let mut shown = stderr.replace(&home.path().display().to_string(), "~");
        for (there, name) in [(&server.address, "HOST"), (&proxy.address, "PROXY"), (&dead, "NOBODY")] {
            shown = shown.replace(there.as_str(), name);
        }
        shown = shown.replace(&format!("localhost:{port}"), "HOST");
        shown = shown.replace(&format!("localhost:{proxy_port}"), "PROXY");
        assert_for_people(&stdout);
        assert_for_people(&stderr);
        if !matches!(code, Some(1 | 2)) {
            return Err(format!("it ended with {code:?} after {taken:?}: {stderr}"));
        }
        match self.then {
            Then::Signs(key) => match signers.first() {
                Some(signer) if signer == key => {
                    let token = signed[0].header("x-amz-security-token");
                    match self.token {
                        Some(wanted) if wanted != token => Err(format!("its token is {token} instead of {wanted}")),
                        Some("") => Ok(format!("signs as `{key}`, without a token")),
                        Some(token) => Ok(format!("signs as `{key}` with `{token}`")),
                        None => Ok(format!("signs as `{key}`")),
                    }
                }
                signer => Err(format!("signed by {signer:?} instead of {key}: {stderr}")),
            },
            Then::Says(text, remedy) => {
                let line = |head: &str| {
                    let found = shown.lines().find_map(|line| line.split_once(head));
                    found
                        .map(|(_, rest)| rest.trim_start_matches("\u{1b}[0m").trim().to_owned())
                        .unwrap_or_default()
                };
                let (error, advice) = (line("error:"), line("remedy:"));
                if !error.contains(text) || !advice.contains(remedy) || (advice.is_empty() && !remedy.is_empty()) {
                    return Err(format!("it doesn't say `{text}` with `{remedy}`: {stderr}"));
                }
                let error = error.split("could not be signed: ").last().unwrap_or_default();
                let error = error
                    .split_once("sts:GetCallerIdentity ")
                    .map_or(error, |(_, rest)| rest);
                Ok(match advice.is_empty() {
                    true => error.to_owned(),
                    false => format!("{error}; *{advice}*"),
                })
            }
        }
    }
}

const TEAM: &str = "aws_access_key_id = TEAM\naws_secret_access_key = s3cr3t\n";
const BASE: &str = "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s3cr3t\n";
const SSO: &str = "[profile dev]\nsso_session = work\nsso_account_id = 111122223333\nsso_role_name = Admin\n\
                   [sso-session work]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n";
const LEGACY_SSO: &str = "[profile dev]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n\
                          sso_account_id = 111122223333\nsso_role_name = Admin\n";
/// Named after the SHA-1 of `work`, and of the start address.
const SSO_CACHE: &str = ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";
const LEGACY_CACHE: &str = ".aws/sso/cache/e8be5486177c5b5392bd9aa76563515b29358e6e.json";
const LOGIN: &str = "[profile dev]\nlogin_session = arn:aws:iam::111122223333:user/joe\n";
/// Named after the SHA-256 of the session.
const LOGIN_CACHE: &str = ".aws/login/cache/65f51f2b4a96b0b773f049ed8e3d63b4c037bc678a8446907d207552f12f3d9c.json";

fn sso_token(token: &str, until: &str) -> String {
    format!(
        r#"{{"accessToken": "{token}", "expiresAt": "{until}", "region": "us-east-1",
            "startUrl": "https://example.awsapps.com/start"}}"#
    )
}

fn login_token(until: &str) -> String {
    format!(
        r#"{{"accessToken": {{"accessKeyId": "LOGIN", "secretAccessKey": "s3cr3t", "sessionToken": "token",
            "accountId": "111122223333", "expiresAt": "{until}"}}, "tokenType": "aws_sigv4", "refreshToken": "r",
            "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "none"}}"#
    )
}

fn read_text(name: &str) -> String {
    std::fs::read_to_string(tls(name)).unwrap()
}

fn with_profile(text: &str) -> String {
    format!("[profile team]\n{text}")
}

fn environment() -> Vec<Case> {
    let group = "Keys in the environment";
    let team = with_profile(TEAM);
    vec![
        case(group, "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`")
            .keys("ENVIRONMENT")
            .signs("ENVIRONMENT"),
        case(group, "the same, and `AWS_PROFILE=team`")
            .keys("ENVIRONMENT")
            .env("AWS_PROFILE", "team")
            .config(&team)
            .signs("ENVIRONMENT"),
        case(group, "the same, and `--profile team`")
            .keys("ENVIRONMENT")
            .profile("team")
            .config(&team)
            .signs("TEAM"),
        case(group, "the same, and a web identity")
            .keys("ENVIRONMENT")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/x")
            .signs("ENVIRONMENT"),
        case(group, "the id alone")
            .env("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
            .says("AWS_SECRET_ACCESS_KEY isn't", "set both"),
        case(group, "spaces and line breaks around the keys")
            .env("AWS_ACCESS_KEY_ID", " ENVIRONMENT\r\n")
            .env("AWS_SECRET_ACCESS_KEY", "\ts3cr3t\n")
            .env("AWS_SESSION_TOKEN", "token\n")
            .signs("ENVIRONMENT"),
        case(group, "a line break in the id")
            .keys("ENVI\nRONMENT")
            .says("AWS_ACCESS_KEY_ID holds a line break", "set AWS_ACCESS_KEY_ID again"),
        case(group, "a line break in the secret")
            .keys("ENVIRONMENT")
            .env("AWS_SECRET_ACCESS_KEY", "s3c\nr3t")
            .says(
                "AWS_SECRET_ACCESS_KEY holds a line break",
                "set AWS_SECRET_ACCESS_KEY again",
            ),
        case(group, "a line break in the token")
            .keys("ENVIRONMENT")
            .env("AWS_SESSION_TOKEN", "to\r\nken")
            .says("AWS_SESSION_TOKEN holds a line break", "set AWS_SESSION_TOKEN again"),
        case(group, "a space in the id")
            .keys("ENVI RONMENT")
            .says("AWS_ACCESS_KEY_ID holds a space", "again"),
        case(group, "a letter beyond ASCII in the token")
            .keys("ENVIRONMENT")
            .env("AWS_SESSION_TOKEN", "tök")
            .says("AWS_SESSION_TOKEN holds `ö`", "again"),
        case(group, "a control character in the id")
            .keys("ENVI\u{1b}RONMENT")
            .says("AWS_ACCESS_KEY_ID holds a control character", "again"),
        case(group, "`AWS_SECURITY_TOKEN` beside `AWS_SESSION_TOKEN`, as in the CLI")
            .keys("ENVIRONMENT")
            .env("AWS_SESSION_TOKEN", "session")
            .env("AWS_SECURITY_TOKEN", "security")
            .token("security")
            .signs("ENVIRONMENT"),
        case(group, "`AWS_CREDENTIAL_EXPIRATION` is past")
            .keys("ENVIRONMENT")
            .env("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
            .says(
                "the credentials from the environment have expired at 2020-01-01T00:00:00Z",
                "AWS_SESSION_TOKEN",
            ),
        case(group, "empty variables, and a default profile")
            .keys("")
            .env("AWS_SECRET_ACCESS_KEY", "")
            .env("AWS_PROFILE", "")
            .credentials(&format!("[default]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "nothing anywhere").says("no credentials found", "aws sso login"),
    ]
}

fn profiles() -> Vec<Case> {
    let group = "Profiles";
    let team = with_profile(TEAM);
    vec![
        case(group, "`--profile team`")
            .profile("team")
            .config(&team)
            .signs("TEAM"),
        case(group, "`AWS_PROFILE=team`")
            .env("AWS_PROFILE", "team")
            .config(&team)
            .signs("TEAM"),
        case(group, "`AWS_DEFAULT_PROFILE=team`")
            .env("AWS_DEFAULT_PROFILE", "team")
            .config(&team)
            .signs("TEAM"),
        case(group, "`[default]` in the credentials file")
            .credentials(&format!("[default]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "`[default]` in the config file")
            .config(&format!("[default]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "`[profile default]` in the config file")
            .config(&format!("[profile default]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "keys in both files")
            .profile("base")
            .config(BASE)
            .credentials("[base]\naws_access_key_id = FILE\naws_secret_access_key = s3cr3t\n")
            .signs("FILE"),
        case(group, "keys in the credentials file, a process in the config file")
            .profile("team")
            .config("[profile team]\ncredential_process = false\n")
            .credentials(&format!("[team]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "temporary keys in the config file, keys in the credentials file")
            .profile("base")
            .config(&format!("{BASE}aws_session_token = old\n"))
            .credentials("[base]\naws_access_key_id = FILE\naws_secret_access_key = s3cr3t\n")
            .token("")
            .signs("FILE"),
        case(group, "the same for `[default]`")
            .config(&format!("[default]\n{TEAM}aws_session_token = old\n"))
            .credentials("[default]\naws_access_key_id = FILE\naws_secret_access_key = s3cr3t\n")
            .token("")
            .signs("FILE"),
        case(group, "the id in the credentials file, the secret in the config file")
            .profile("team")
            .config("[profile team]\naws_secret_access_key = s3cr3t\n")
            .credentials("[team]\naws_access_key_id = FILE\n")
            .says(
                "profile team has aws_access_key_id in ~/.aws/credentials, but no aws_secret_access_key beside it",
                "aws configure",
            ),
        case(group, "the secret in the credentials file, the id in the config file")
            .profile("team")
            .config("[profile team]\naws_access_key_id = CONFIG\n")
            .credentials("[team]\naws_secret_access_key = s3cr3t\n")
            .says("aws_access_key_id in ~/.aws/config, but no aws_secret_access_key", "aws configure"),
        case(group, "a secret in the credentials file, both in the config file")
            .profile("base")
            .config(BASE)
            .credentials("[base]\naws_secret_access_key = other\n")
            .signs("BASE"),
        case(group, "a secret alone")
            .profile("team")
            .config("[profile team]\naws_secret_access_key = s3cr3t\n")
            .says("profile team has aws_secret_access_key, but no aws_access_key_id", "aws configure"),
        case(group, "both kinds of token")
            .profile("team")
            .config(&format!("{team}aws_session_token = session\naws_security_token = security\n"))
            .token("security")
            .signs("TEAM"),
        case(group, "`sso_session` for other things, and keys")
            .profile("team")
            .config(&format!("{team}sso_session = work\n"))
            .signs("TEAM"),
        case(group, "`sso_start_url` and `sso_region`, and a process")
            .profile("team")
            .config(&format!(
                "[profile team]\nsso_start_url = https://x\nsso_region = us-east-1\ncredential_process = printf '%s' '{}'\n",
                r#"{"Version":1,"AccessKeyId":"TOOL","SecretAccessKey":"s3cr3t"}"#
            ))
            .signs("TOOL"),
        case(group, "`--profile ''`")
            .profile("")
            .credentials(&format!("[default]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "a profile that isn't there")
            .profile("nosuch")
            .config(&format!("{team}{BASE}"))
            .says("there is no profile nosuch in ~/.aws/config", "there are: base, team"),
        case(group, "the same, with keys in the environment")
            .env("AWS_PROFILE", "nosuch")
            .keys("ENVIRONMENT")
            .config(BASE)
            .says("there is no profile nosuch", "there are: base"),
        case(group, "another case")
            .profile("Team")
            .config(&team)
            .says("there is no profile Team", "called `team`"),
        case(group, "no file at all")
            .profile("team")
            .says("neither ~/.aws/config nor", "aws configure"),
        case(group, "`AWS_CONFIG_FILE` elsewhere")
            .profile("team")
            .env("AWS_CONFIG_FILE", "{home}/my.ini")
            .file("my.ini", team.as_str())
            .signs("TEAM"),
        case(group, "`AWS_SHARED_CREDENTIALS_FILE` elsewhere")
            .profile("team")
            .env("AWS_SHARED_CREDENTIALS_FILE", "~/my.ini")
            .file("my.ini", format!("[team]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "`[team]` in the config file")
            .profile("team")
            .config(&format!("[team]\n{TEAM}"))
            .says("there is no profile team", "has to be [profile team]"),
        case(group, "`[profile team]` in the credentials file")
            .profile("team")
            .credentials(&team)
            .says("there is no profile team", "has to be [team]"),
        case(group, "a name with a space, in quotes")
            .profile("my team")
            .config(&format!("[profile \"my team\"]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "a name with a space, without")
            .profile("my team")
            .config(&format!("[profile my team]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "a name beyond ASCII")
            .profile("équipe")
            .config(&format!("[profile équipe]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "half a pair of keys")
            .profile("team")
            .config("[profile team]\naws_access_key_id = TEAM\n")
            .says(
                "profile team has aws_access_key_id in ~/.aws/config, but no aws_secret_access_key beside it",
                "aws configure",
            ),
        case(group, "no credentials in it")
            .profile("team")
            .config("[profile team]\nregion = eu-west-1\n")
            .says("none in profile team", "give profile team credentials"),
        case(group, "a key over two lines")
            .profile("team")
            .config("[profile team]\naws_access_key_id = TE\n  AM\naws_secret_access_key = s3cr3t\n")
            .says("aws_access_key_id of profile team holds a line break", "again"),
        case(group, "a token in it")
            .profile("team")
            .config(&format!("{team}aws_session_token = token\n"))
            .signs("TEAM"),
    ]
}

fn files() -> Vec<Case> {
    let group = "Files";
    let team = with_profile(TEAM);
    let utf16: Vec<u8> = format!("\u{feff}{team}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let bare: Vec<u8> = team.encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![
        case(group, "a byte order mark")
            .profile("team")
            .config(&format!("\u{feff}{team}"))
            .signs("TEAM"),
        case(group, "Windows' line ends")
            .profile("team")
            .config(&team.replace('\n', "\r\n"))
            .signs("TEAM"),
        case(group, "UTF-16 with its mark")
            .profile("team")
            .file(".aws/config", utf16)
            .signs("TEAM"),
        case(group, "UTF-16 without")
            .profile("team")
            .file(".aws/config", bare)
            .says("~/.aws/config holds zero bytes", "save it as UTF-8"),
        case(group, "Latin-1")
            .profile("team")
            .file(".aws/config", [team.as_bytes(), b"# caf\xe9\n"].concat())
            .says("~/.aws/config is not UTF-8: see line 4", "save it as UTF-8"),
        case(group, "a line without `=`")
            .profile("team")
            .config(&format!("{team}what\n"))
            .says("~/.aws/config can't be read: there is no = in line 4", "key = value"),
        case(group, "something before the first heading")
            .profile("team")
            .config(&format!("a = b\n{team}"))
            .says("in line 1", "[heading]"),
        case(group, "a heading without its end")
            .profile("team")
            .config(&format!("{team}[profile x\n"))
            .says("a heading doesn't end with ] in line 4", "[heading]"),
        case(group, "a folder instead of a file")
            .profile("team")
            .env("AWS_CONFIG_FILE", "{home}")
            .says("can't be read", "set AWS_CONFIG_FILE to another file"),
        case(group, "indented keys, comments, `:`, capitals")
            .profile("team")
            .config("# mine\n[profile team] ; hers\n  AWS_Access_Key_Id : TEAM # old\n  aws_secret_access_key=s3cr3t\n")
            .signs("TEAM"),
        case(group, "a comment after a value")
            .profile("team")
            .config("[profile team]\naws_access_key_id = TEAM # mine\naws_secret_access_key = s3cr3t ; hers\n")
            .signs("TEAM"),
        case(group, "a profile twice")
            .profile("team")
            .config(&format!("{team}[profile team]\nregion = us-east-1\n"))
            .says("[profile team] appears a second time in line 4", "keep one of the two"),
        case(group, "a key twice")
            .profile("team")
            .config(&format!("{team}AWS_Access_Key_ID = OTHER\n"))
            .says(
                "aws_access_key_id appears a second time in line 4",
                "keep one of the two",
            ),
        case(group, "`[default]` and `[profile default]`: the last counts")
            .config(&format!(
                "[default]\naws_access_key_id = OTHER\naws_session_token = x\n[profile default]\n{TEAM}"
            ))
            .signs("TEAM"),
        case(group, "`AWS_CONFIG_FILE=~/...`")
            .profile("team")
            .env("AWS_CONFIG_FILE", "~/elsewhere")
            .file("elsewhere", team.as_str())
            .signs("TEAM"),
        case(group, "`AWS_CONFIG_FILE=$HOME/...`")
            .profile("team")
            .env("AWS_CONFIG_FILE", "${HOME}/elsewhere")
            .file("elsewhere", team.as_str())
            .signs("TEAM"),
        case(group, "sections of other programs")
            .profile("team")
            .config(&format!(
                "[preview]\ncloudfront = true\n[plugins]\nx = y\n{team}s3 =\n  max_queue_size = 10\n"
            ))
            .signs("TEAM"),
        case(group, "a file without end")
            .profile("team")
            .env("AWS_CONFIG_FILE", "/dev/zero")
            .says(
                "/dev/zero can't be read: it is longer than 16 MB",
                "set AWS_CONFIG_FILE",
            ),
        case(group, "`/dev/null` for none")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .credentials(&format!("[default]\n{TEAM}"))
            .signs("TEAM"),
        case(group, "a broken file, and keys in the environment")
            .keys("ENVIRONMENT")
            .config("what\n")
            .signs("ENVIRONMENT"),
    ]
}

fn roles() -> Vec<Case> {
    let group = "Roles";
    let role =
        |name: &str, more: &str| format!("[profile ops]\nrole_arn = arn:aws:iam::111122223333:role/{name}\n{more}\n");
    vec![
        case(group, "`source_profile`")
            .profile("ops")
            .config(&(role("Ops", "source_profile = base") + BASE))
            .signs("ROLEOpsBYBASE"),
        case(group, "two roles, one after the other")
            .profile("top")
            .config(
                &("[profile top]\nrole_arn = arn:aws:iam::111122223333:role/Top\nsource_profile = ops\n".to_owned()
                    + &role("Ops", "source_profile = base\nduration_seconds = 1800\nexternal_id = e")
                    + BASE),
            )
            .signs("ROLETopBYROLEOpsBYBASE"),
        case(group, "a role, and keys in the environment")
            .keys("ENVIRONMENT")
            .profile("ops")
            .config(&(role("Ops", "source_profile = base") + BASE))
            .signs("ROLEOpsBYBASE"),
        case(group, "the profile itself as `source_profile`")
            .profile("ops")
            .config(&role("Ops", &format!("source_profile = ops\n{TEAM}")))
            .signs("ROLEOpsBYTEAM"),
        case(group, "the profile itself, without keys")
            .profile("ops")
            .config(&role("Ops", "source_profile = ops\ncredential_process = false"))
            .says("from itself, and has no keys", "source_profile"),
        case(group, "a source with keys and a process")
            .profile("ops")
            .config(&format!(
                "{}{BASE}credential_process = printf '%s' '{}'\n",
                role("Ops", "source_profile = base"),
                r#"{"Version":1,"AccessKeyId":"TOOL","SecretAccessKey":"s3cr3t"}"#
            ))
            .signs("ROLEOpsBYTOOL"),
        case(group, "a source with keys, and a role of its own")
            .profile("ops")
            .config(&format!(
                "{}{BASE}role_arn = arn:aws:iam::111122223333:role/Two\nsource_profile = nosuch\n",
                role("Ops", "source_profile = base")
            ))
            .signs("ROLEOpsBYBASE"),
        case(group, "a source with keys, and a web identity")
            .profile("ops")
            .config(&format!(
                "{}{BASE}role_arn = arn:aws:iam::111122223333:role/Two\nweb_identity_token_file = {{home}}/token\n",
                role("Ops", "source_profile = base")
            ))
            .file("token", "good")
            .signs("ROLEOpsBYWEBTwogood"),
        case(group, "fifteen profiles, one after the other")
            .profile("p0")
            .config(&chain_of(15))
            .signs(
                "ROLER0BYROLER1BYROLER2BYROLER3BYROLER4BYROLER5BYROLER6BYROLER7BYROLER8BYROLER9BYROLER10BYROLER11BYROLER12BY\
                 ROLER13BYROLER14BYTEAM",
            ),
        case(group, "hundreds")
            .profile("p0")
            .config(&chain_of(300))
            .says("profile p0 takes its credentials from more than 16 others", "nearer"),
        case(group, "a source whose name has a space")
            .profile("ops")
            .config(&(role("Ops", "source_profile = my team") + &format!("[profile \"my team\"]\n{TEAM}")))
            .signs("ROLEOpsBYTEAM"),
        case(group, "`source_profile` is misspelled")
            .profile("ops")
            .config(&(role("Ops", "source_profile = bsae") + BASE))
            .says(
                "profile ops takes its credentials from another (source_profile), but there is no profile bsae",
                "base",
            ),
        case(group, "`source_profile` in a circle")
            .profile("ops")
            .config(
                &(role("Ops", "source_profile = two")
                    + "[profile two]\nrole_arn = arn:aws:iam::111122223333:role/Two\nsource_profile = ops\n"),
            )
            .says("in a circle: ops, two, ops", "credentials of its own"),
        case(group, "a source without credentials")
            .profile("ops")
            .config(&(role("Ops", "source_profile = two") + "[profile two]\nregion = eu-west-1\n"))
            .says("from profile two, which has none", "aws configure --profile two"),
        case(group, "neither `source_profile` nor `credential_source`")
            .profile("ops")
            .config(&role("Ops", ""))
            .says("nothing to assume it with", "source_profile"),
        case(group, "both")
            .profile("ops")
            .config(&(role("Ops", "source_profile = base\ncredential_source = Environment") + BASE))
            .says("both source_profile and credential_source", "leave one"),
        case(group, "`credential_source = Environment`")
            .profile("ops")
            .keys("ENVIRONMENT")
            .config(&role("Ops", "credential_source = Environment"))
            .signs("ROLEOpsBYENVIRONMENT"),
        case(group, "the same without keys there")
            .profile("ops")
            .config(&role("Ops", "credential_source = Environment"))
            .says("the environment, which has none", "AWS_ACCESS_KEY_ID"),
        case(group, "`credential_source = EcsContainer`")
            .profile("ops")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .config(&role("Ops", "credential_source = EcsContainer"))
            .signs("ROLEOpsBYCONTAINER"),
        case(group, "`credential_source = Ec2InstanceMetadata`")
            .profile("ops")
            .without("AWS_EC2_METADATA_DISABLED")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{aws}")
            // A second is little on a machine that is busy with other tests.
            .env("AWS_METADATA_SERVICE_TIMEOUT", "20")
            .config(&role("Ops", "credential_source = Ec2InstanceMetadata"))
            .signs("ROLEOpsBYINSTANCE"),
        case(group, "an unknown `credential_source`")
            .profile("ops")
            .config(&role("Ops", "credential_source = Magic"))
            .says("`Magic`, which AWS doesn't know", "Ec2InstanceMetadata"),
        case(group, "`mfa_serial`")
            .profile("ops")
            .config(
                &(role(
                    "Ops",
                    "source_profile = base\nmfa_serial = arn:aws:iam::111122223333:mfa/joe",
                ) + BASE),
            )
            .says(
                "profile ops asks for an MFA code (mfa_serial)",
                "aws configure export-credentials --profile 'ops'",
            ),
        case(group, "a role that refuses")
            .profile("ops")
            .config(&(role("Closed", "source_profile = base") + BASE))
            .says("can't be assumed: AccessDenied", "trust policy"),
        case(group, "a service control policy that denies it")
            .profile("ops")
            .config(&(role("Ops", "source_profile = base") + BASE))
            .server(|request| match request.operation().as_str() {
                "AssumeRole" => aws::refusal(
                    403,
                    "AccessDenied",
                    "not authorized to perform: sts:AssumeRole with an explicit deny in a service control policy",
                ),
                _ => aws::answer(request),
            })
            .says(
                "can't be assumed: AccessDenied",
                "a service control policy of the organisation has to allow `sts:AssumeRole`",
            ),
        case(group, "sts can't be reached")
            .profile("ops")
            .env("AWS_ENDPOINT_URL", "http://{dead}")
            .config(&(role("Ops", "source_profile = base") + BASE))
            .says("sts can't be reached", "network"),
    ]
}

/// So many roles, one by the next, and keys at the end.
fn chain_of(roles: usize) -> String {
    let roles = (0..roles).map(|number| {
        format!(
            "[profile p{number}]\nrole_arn = arn:aws:iam::111122223333:role/R{number}\nsource_profile = p{}\n",
            number + 1
        )
    });
    let count = roles.len();
    roles.collect::<String>() + &format!("[profile p{count}]\n{TEAM}")
}

fn sign_ins() -> Vec<Case> {
    let group = "Sign-ins";
    let dev = |what| case(group, what).profile("dev");
    let good = sso_token("good", "2100-01-01T00:00:00Z");
    vec![
        dev("`sso_session`")
            .config(SSO)
            .file(SSO_CACHE, good.as_str())
            .signs("SSO"),
        dev("the same, and keys in the environment")
            .keys("ENVIRONMENT")
            .config(SSO)
            .file(SSO_CACHE, good.as_str())
            .signs("SSO"),
        dev("the same, expired")
            .config(SSO)
            .file(SSO_CACHE, sso_token("good", "2020-01-01T00:00:00Z"))
            .says(
                "the sign-in work of profile dev has expired",
                "run `aws sso login --profile dev`",
            ),
        dev("the same, expired, with a token to renew it")
            .config(SSO)
            .file(
                SSO_CACHE,
                sso_token("signed-out", "2020-01-01T00:00:00Z").replace(
                    "{\"accessToken\"",
                    "{\"clientId\": \"c\", \"clientSecret\": \"s3cr3t\", \"refreshToken\": \"r\",
                    \"registrationExpiresAt\": \"2100-01-01T00:00:00Z\", \"accessToken\"",
                ),
            )
            .signs("SSO"),
        dev("the same, never signed in").config(SSO).says(
            "the sign-in work of profile dev was never made",
            "run `aws sso login --profile dev`",
        ),
        dev("the same, signed out elsewhere")
            .config(SSO)
            .file(SSO_CACHE, sso_token("signed-out", "2100-01-01T00:00:00Z"))
            .says("isn't accepted any more", "run `aws sso login --profile dev`"),
        dev("the same, its file damaged")
            .config(SSO)
            .file(SSO_CACHE, "{")
            .says("a file that can't be read", "run `aws sso login --profile dev`"),
        dev("a missing `[sso-session]`")
            .config(SSO.split("[sso-session").next().unwrap_or_default())
            .says("no [sso-session work]", "aws configure sso"),
        dev("no `sso_account_id`")
            .config(&SSO.replace("sso_account_id = 111122223333\n", ""))
            .says("profile dev lacks sso_account_id", "aws configure sso"),
        dev("neither `sso_account_id` nor `sso_role_name`")
            .config(
                &SSO.replace("sso_account_id = 111122223333\n", "")
                    .replace("sso_role_name = Admin\n", ""),
            )
            .says("none in profile dev", "aws configure sso"),
        dev("a Region that is none")
            .config(&SSO.replace("us-east-1", "us east"))
            .file(SSO_CACHE, good.as_str())
            .says("the sso_region of profile dev is `us east`", "us-east-1"),
        dev("IAM Identity Center as before 2023")
            .config(LEGACY_SSO)
            .file(LEGACY_CACHE, good.as_str())
            .signs("SSO"),
        dev("the same, signed out")
            .config(LEGACY_SSO)
            .file(LEGACY_CACHE, sso_token("signed-out", "2100-01-01T00:00:00Z"))
            .says("isn't accepted any more", "run `aws sso login --profile dev`"),
        case(group, "a role by a sign-in")
            .profile("ops")
            .config(
                &(SSO.to_owned()
                    + "[profile ops]\nrole_arn = arn:aws:iam::111122223333:role/Ops\nsource_profile = dev\n"),
            )
            .file(SSO_CACHE, good.as_str())
            .signs("ROLEOpsBYSSO"),
        dev("`login_session` (`aws login`)")
            .config(LOGIN)
            .file(LOGIN_CACHE, login_token("2100-01-01T00:00:00Z"))
            .signs("LOGIN"),
        dev("the same, expired, with a token to renew it")
            .config(LOGIN)
            .file(
                LOGIN_CACHE,
                login_token("2020-01-01T00:00:00Z").replace("\"none\"", &format!("{:?}", read_text("dpop.key"))),
            )
            .signs("RENEWED"),
        dev("the same, the token isn't accepted")
            .config(LOGIN)
            .file(
                LOGIN_CACHE,
                login_token("2020-01-01T00:00:00Z").replace("\"none\"", &format!("{:?}", read_text("dpop.key"))),
            )
            .server(|request| match request.target.as_str() {
                "/v1/token" => Reply::Answer(
                    400,
                    vec![("x-amzn-errortype", "AccessDeniedException".to_owned())],
                    br#"{"error":"TOKEN_EXPIRED","message":"the refresh token has expired"}"#.to_vec(),
                ),
                _ => aws::answer(request),
            })
            .says(
                "the sign-in of profile dev (`aws login`)",
                "run `aws login --profile dev`",
            ),
        dev("the same, never signed in").config(LOGIN).says(
            "the sign-in of profile dev (`aws login`) was never made",
            "run `aws login --profile dev`",
        ),
        dev("the same, its file damaged")
            .config(LOGIN)
            .file(LOGIN_CACHE, "{}")
            .says("a file that can't be read", "run `aws login --profile dev`"),
    ]
}

fn programs() -> Vec<Case> {
    let group = "Programs, tokens, containers, instances";
    let process = |what, command: &str| {
        case(group, what)
            .profile("tool")
            .config(&format!("[profile tool]\ncredential_process = {command}\n"))
    };
    let print = |json: &str| format!("printf '%s' '{json}'");
    let role = "arn:aws:iam::111122223333:role/Ci";
    let instance = |what| {
        case(group, what)
            .without("AWS_EC2_METADATA_DISABLED")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{aws}")
            // A second is little on a machine that is busy with other tests.
            .env("AWS_METADATA_SERVICE_TIMEOUT", "20")
    };
    vec![
        process(
            "`credential_process`",
            &print(r#"{"Version":1,"AccessKeyId":"TOOL","SecretAccessKey":"s3cr3t"}"#),
        )
        .signs("TOOL"),
        process(
            "the same, with a `#` in it",
            &print(r#"{"Version":1,"AccessKeyId":"TOOL","SecretAccessKey":"s3cr3t","Note":"a #1"}"#),
        )
        .signs("TOOL"),
        process("it fails", "sh -c 'echo please run corp-login >&2; exit 3'").says(
            "the credential_process of profile tool ended with status 3: please run corp-login",
            "by hand",
        ),
        process("it isn't there", "/nonexistent/tool").says("can't be run: there is no /nonexistent/tool", "by hand"),
        process("it may not be run", "/etc/passwd").says("can't be run: /etc/passwd: Permission denied", "by hand"),
        process("it is killed", "sh -c 'kill -9 $$'").says("was ended by signal 9", "by hand"),
        process("it prints without end", "cat /dev/zero").says("prints more than 1 MB", "by hand"),
        process("what only a shell understands", "printf '%s' \"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"$HOME;x|y\\\",\\\"SecretAccessKey\\\":\\\"s3cr3t\\\"}\"")
            .signs("$HOME;x|y"),
        process("it prints no JSON", "echo hello").says("printed no credentials: it isn't JSON", "Version 1"),
        process("it prints half", &print(r#"{"Version":1,"AccessKeyId":"TOOL"}"#))
            .says("SecretAccessKey is missing", "Version 1"),
        process(
            "it prints another version",
            &print(r#"{"Version":2,"AccessKeyId":"TOOL","SecretAccessKey":"s"}"#),
        )
        .says("printed no credentials", "Version 1"),
        process(
            "it prints a line break in a key",
            &print(r#"{"Version":1,"AccessKeyId":"TO\nOL","SecretAccessKey":"s3cr3t"}"#),
        )
        .says(
            "the access key id from the credential_process of profile tool holds a line break",
            "again",
        ),
        process(
            "it prints expired ones",
            &print(r#"{"Version":1,"AccessKeyId":"T","SecretAccessKey":"s","Expiration":"2020-01-01T00:00:00Z"}"#),
        )
        .says(
            "the credentials from the credential_process of profile tool have expired",
            "by hand",
        ),
        case(group, "a role by a process with a line break in its key")
            .profile("ops")
            .config(&format!(
                "[profile ops]\nrole_arn = {role}\nsource_profile = tool\n[profile tool]\ncredential_process = {}\n",
                print(r#"{"Version":1,"AccessKeyId":"TO\nOL","SecretAccessKey":"s3cr3t"}"#)
            ))
            .says("holds a line break", "again"),
        case(group, "`AWS_WEB_IDENTITY_TOKEN_FILE`")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", role)
            .file("token", "good")
            .signs("WEBCigood"),
        case(group, "the same, and a default profile")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", role)
            .file("token", "good")
            .credentials(&format!("[default]\n{TEAM}"))
            .signs("WEBCigood"),
        case(group, "the same, and `--profile team`")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", role)
            .file("token", "good")
            .profile("team")
            .config(&with_profile(TEAM))
            .signs("TEAM"),
        case(group, "the file isn't there")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", role)
            .says(
                "the token file ~/token, which AWS_WEB_IDENTITY_TOKEN_FILE names, can't be read",
                "path",
            ),
        case(group, "it never ends")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/zero")
            .env("AWS_ROLE_ARN", role)
            .says("can't be read: it is longer than 64 KB", "path"),
        case(group, "it is empty")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", role)
            .file("token", "")
            .says("~/token, which AWS_WEB_IDENTITY_TOKEN_FILE names, is empty", "path"),
        case(group, "no `AWS_ROLE_ARN`")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .says("AWS_ROLE_ARN isn't", "AWS_ROLE_ARN"),
        case(group, "the token has expired")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", role)
            .file("token", "old")
            .says("isn't accepted: ExpiredTokenException", "new token"),
        case(group, "`web_identity_token_file` in a profile")
            .profile("ci")
            .config(&format!(
                "[profile ci]\nrole_arn = {role}\nweb_identity_token_file = {{home}}/token\n"
            ))
            .file("token", "good")
            .signs("WEBCigood"),
        case(group, "the same, the file isn't there")
            .profile("ci")
            .config(&format!(
                "[profile ci]\nrole_arn = {role}\nweb_identity_token_file = {{home}}/token\n"
            ))
            .says(
                "the token file ~/token, which web_identity_token_file of profile ci names, can't be read",
                "path",
            ),
        case(group, "the file in the profile, `AWS_ROLE_ARN` in the environment")
            .env("AWS_PROFILE", "ci")
            .env("AWS_ROLE_ARN", role)
            .config("[profile ci]\nweb_identity_token_file = {home}/token\n")
            .file("token", "good")
            .signs("WEBCigood"),
        case(group, "the same, and `--profile ci`")
            .profile("ci")
            .env("AWS_ROLE_ARN", role)
            .config("[profile ci]\nweb_identity_token_file = {home}/token\n")
            .file("token", "good")
            .says("profile ci has a web_identity_token_file, but no role_arn", "role_arn"),
        case(group, "a container (`AWS_CONTAINER_CREDENTIALS_FULL_URI`)")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .signs("CONTAINER"),
        case(group, "the same, behind a proxy that isn't asked for it")
            .env("HTTP_PROXY", "http://{proxy}")
            .proxy(|request| match request.target.contains("/container") {
                true => Reply::HangUp,
                false => aws::answer(request),
            })
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .signs("CONTAINER"),
        case(group, "the same, with a token in a file")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{home}/token")
            .file("token", "let me in")
            .signs("CONTAINER"),
        case(group, "a line break after that token")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{home}/token")
            .file("token", "let me in\n")
            .says("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE holds a line break", "without"),
        case(group, "a control character in that token")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let\u{1b}me in")
            .says("the token of AWS_CONTAINER_AUTHORIZATION_TOKEN holds a control character", "without"),
        case(group, "a letter beyond ASCII in that token")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{home}/token")
            .file("token", "lét me in")
            .says("the token of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE holds a letter beyond ASCII", "without"),
        case(group, "that file never ends")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/dev/zero")
            .says("can't be read: it is longer than 64 KB", "the token in this file"),
        case(group, "spaces around its address, and an empty `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", " {aws}/container\n")
            .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
            .signs("CONTAINER"),
        case(group, "nobody answers there")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://{dead}/container")
            .says(
                "the container's credentials service can't be reached: Connection refused",
                "check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI",
            ),
        case(group, "its service has none")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container-without")
            .says(
                "the container's credentials service answered 404",
                "AWS_CONTAINER_CREDENTIALS",
            ),
        case(group, "its address is none")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "container")
            .says("AWS_CONTAINER_CREDENTIALS_FULL_URI is `container`", "http://HOST/PATH"),
        case(group, "its path doesn't begin with `/`")
            .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x y")
            .says("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is `x y`", "begin with /"),
        case(group, "its service on the open network")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/x")
            .says(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor",
                "AWS_CONTAINER_CREDENTIALS",
            ),
        instance("an instance's role").signs("INSTANCE"),
        instance("the same, behind a proxy that isn't asked for it")
            .env("HTTP_PROXY", "http://{proxy}")
            .proxy(|request| match request.target.contains("/latest/") {
                true => Reply::HangUp,
                false => aws::answer(request),
            })
            .signs("INSTANCE"),
        instance("an instance without a role")
            .server(|request| match request.target.contains("/security-credentials/") {
                true => Reply::text(404, "Not Found"),
                false => aws::answer(request),
            })
            .says("this instance has no role", "aws sso login"),
        instance("its service refuses")
            .server(|request| match request.target.contains("/latest/") {
                true => Reply::text(403, "Forbidden"),
                false => aws::answer(request),
            })
            .says("the instance metadata service", "hop limit"),
        instance("its service fails")
            .server(|request| match request.target.contains("/security-credentials/") {
                true => Reply::text(500, "no"),
                false => aws::answer(request),
            })
            .says("the instance metadata service gave no answer: HTTP 500: no", "role"),
        instance("nobody answers there")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://{dead}")
            .says("no answer from the instance metadata service", "aws sso login"),
        instance("it takes 1.5 s, and `AWS_METADATA_SERVICE_TIMEOUT=5`")
            .env("AWS_METADATA_SERVICE_TIMEOUT", "5")
            .server(|request| {
                if request.method == "PUT" {
                    std::thread::sleep(Duration::from_millis(1500));
                }
                aws::answer(request)
            })
            .signs("INSTANCE"),
        instance("its address is none")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "metadata")
            .says("AWS_EC2_METADATA_SERVICE_ENDPOINT is `metadata`", "http://HOST"),
    ]
}

fn endpoints() -> Vec<Case> {
    let group = "Endpoints and Regions";
    let keys = |what| case(group, what).keys("ENVIRONMENT");
    vec![
        keys("`AWS_ENDPOINT_URL` with a path")
            .env("AWS_ENDPOINT_URL", "{aws}/aws/")
            .signs("ENVIRONMENT"),
        keys("without a scheme")
            .env("AWS_ENDPOINT_URL", "{host}")
            .says("AWS_ENDPOINT_URL is `HOST`", "http://"),
        keys("a port beyond all ports")
            .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:99999")
            .says("AWS_ENDPOINT_URL_STS is `http://127.0.0.1:99999`", "http://HOST:PORT"),
        keys("garbage for a service that billctl doesn't call")
            .env("AWS_ENDPOINT_URL_S3", "garbage")
            .env("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000")
            .signs("ENVIRONMENT"),
        case(group, "the same in the profile's `services`, and an empty `endpoint_url`")
            .profile("team")
            .config(&format!(
                "{}endpoint_url =\nservices = local\n[services local]\ndynamodb =\n  endpoint_url = localhost:8000\nsts =\n  \
                 endpoint_url =\n",
                with_profile(TEAM)
            ))
            .signs("TEAM"),
        keys("another scheme")
            .env("AWS_ENDPOINT_URL", "ftp://{host}")
            .says("AWS_ENDPOINT_URL is", "https://HOST"),
        keys("`AWS_ENDPOINT_URL_STS` for one service")
            .env("AWS_ENDPOINT_URL", "http://{dead}")
            .env("AWS_ENDPOINT_URL_STS", "{aws}")
            .signs("ENVIRONMENT"),
        case(group, "`endpoint_url` in the profile")
            .without("AWS_ENDPOINT_URL")
            .profile("team")
            .config(&format!("{}endpoint_url = {{aws}}\n", with_profile(TEAM)))
            .signs("TEAM"),
        case(group, "the same, without a scheme")
            .without("AWS_ENDPOINT_URL")
            .profile("team")
            .config(&format!("{}endpoint_url = localhost:1\n", with_profile(TEAM)))
            .says("endpoint_url of profile team is `localhost:1`", "http://"),
        case(group, "`services` in the profile")
            .without("AWS_ENDPOINT_URL")
            .profile("my team")
            .config(&format!(
                "[profile \"my team\"]\n{TEAM}services = local\n[services local]\nsts =\n  endpoint_url = {{aws}}\n"
            ))
            .signs("TEAM"),
        case(group, "the same, the section in quotes")
            .without("AWS_ENDPOINT_URL")
            .profile("team")
            .config(&format!(
                "{}services = my own\n[services 'my own']\nsts =\n  endpoint_url = {{aws}}\n",
                with_profile(TEAM)
            ))
            .signs("TEAM"),
        case(group, "the same, empty")
            .profile("team")
            .config(&format!("{}services =\n", with_profile(TEAM)))
            .signs("TEAM"),
        case(group, "the same, the section isn't there")
            .profile("team")
            .config(&format!("{}services = local\n", with_profile(TEAM)))
            .says(
                "profile team names services local, but there is no [services local]",
                "services",
            ),
        case(group, "the same, without a scheme")
            .profile("team")
            .config(&format!(
                "{}services = local\n[services local]\nsts =\n  endpoint_url = localhost:1\n",
                with_profile(TEAM)
            ))
            .says("endpoint_url of sts in [services local] is `localhost:1`", "http://"),
        keys("space around `AWS_ENDPOINT_URL`")
            .env("AWS_ENDPOINT_URL", " {aws} ")
            .says(
                "AWS_ENDPOINT_URL is ` http://HOST `, which is not an address",
                "http://HOST",
            ),
        keys("an empty `AWS_ENDPOINT_URL_STS`")
            .env("AWS_ENDPOINT_URL_STS", "")
            .signs("ENVIRONMENT"),
        case(group, "the same, and a web identity")
            .env("AWS_ENDPOINT_URL_STS", "")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/Ci")
            .file("token", "good")
            .says("AWS_ENDPOINT_URL_STS is set, but empty", "unset AWS_ENDPOINT_URL_STS"),
        keys("`AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true`, a proxy")
            .env("AWS_ENDPOINT_URL", "nowhere")
            .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
            .env("HTTPS_PROXY", "http://{proxy}")
            .proxy(|request| match request.target.as_str() {
                "sts.us-east-1.amazonaws.com:443" => Reply::text(403, "no"),
                _ => Reply::HangUp,
            })
            .says("refuses to connect", "NO_PROXY"),
        keys("nobody listens")
            .env("AWS_ENDPOINT_URL", "http://{dead}")
            .says("got no answer", "AWS_ENDPOINT_URL"),
        keys("a name that isn't known")
            .env("AWS_ENDPOINT_URL", "http://nosuch.invalid")
            .says("its host name can't be found", "AWS_ENDPOINT_URL"),
        keys("another `AWS_REGION`")
            .env("AWS_REGION", "eu-central-1")
            .signs("ENVIRONMENT"),
        keys("an `AWS_REGION` that is none")
            .env("AWS_REGION", "mars one")
            .signs("ENVIRONMENT"),
        case(group, "another `region` in the profile")
            .profile("team")
            .config(&format!("{}region = eu-central-1\n", with_profile(TEAM)))
            .signs("TEAM"),
        keys("a value that is none for `AWS_USE_FIPS_ENDPOINT`")
            .env("AWS_USE_FIPS_ENDPOINT", "perhaps")
            .signs("ENVIRONMENT"),
        keys("`AWS_USE_FIPS_ENDPOINT` and `AWS_ENDPOINT_URL`")
            .env("AWS_USE_FIPS_ENDPOINT", "true")
            .says("FIPS and custom endpoint", "AWS_USE_FIPS_ENDPOINT"),
        case(group, "`use_dualstack_endpoint` in the profile and `AWS_ENDPOINT_URL`")
            .profile("team")
            .config(&format!("{}use_dualstack_endpoint = true\n", with_profile(TEAM)))
            .says("Dualstack and custom endpoint", "use_dualstack_endpoint"),
        keys("a line break in `AWS_EXECUTION_ENV`")
            .env("AWS_EXECUTION_ENV", "a\nb")
            .says("AWS_EXECUTION_ENV holds a line break", "again"),
    ]
}

fn proxies() -> Vec<Case> {
    let group = "Proxies";
    let http = |what| {
        case(group, what)
            .keys("ENVIRONMENT")
            .env("HTTP_PROXY", "http://{proxy}")
            .server(|_| Reply::HangUp)
    };
    let https = |what| {
        case(group, what)
            .keys("ENVIRONMENT")
            .tls("server")
            .env("AWS_CA_BUNDLE", "{ca}")
            .env("HTTPS_PROXY", "http://{proxy}")
    };
    fn connect(request: &Request) -> Reply {
        match request.method.as_str() {
            "CONNECT" => Reply::Tunnel(String::new()),
            _ => Reply::text(400, "not a proxy's request"),
        }
    }
    vec![
        http("`HTTP_PROXY`, for an `http://` endpoint").signs("ENVIRONMENT"),
        http("it wants a password")
            .proxy(|_| Reply::text(407, "<html>who are you?</html>"))
            .says("HTTP 407", "USER:PASSWORD"),
        http("`NO_PROXY` has the host")
            .env("HTTP_PROXY", "http://{dead}")
            .env("NO_PROXY", "127.0.0.1")
            .server(aws::answer)
            .signs("ENVIRONMENT"),
        http("`NO_PROXY` has host and port")
            .env("HTTP_PROXY", "http://{dead}")
            .env("NO_PROXY", "example.com, {host}")
            .server(aws::answer)
            .signs("ENVIRONMENT"),
        http("`NO_PROXY` has its net")
            .env("HTTP_PROXY", "http://{dead}")
            .env("NO_PROXY", "127.0.0.0/8")
            .server(aws::answer)
            .signs("ENVIRONMENT"),
        http("`NO_PROXY=*`")
            .env("HTTP_PROXY", "http://{dead}")
            .env("NO_PROXY", "*")
            .server(aws::answer)
            .signs("ENVIRONMENT"),
        http("`NO_PROXY` has another port")
            .env("NO_PROXY", "127.0.0.1:1")
            .signs("ENVIRONMENT"),
        http("another one in `http_proxy`")
            .env("HTTP_PROXY", "http://{dead}")
            .env("http_proxy", "//{proxy}")
            .signs("ENVIRONMENT"),
        http("an empty `http_proxy`")
            .env("HTTP_PROXY", "http://{dead}")
            .env("http_proxy", "")
            .server(aws::answer)
            .signs("ENVIRONMENT"),
        http("nobody listens")
            .env("HTTP_PROXY", "http://{dead}")
            .says("got no answer", "http://NOBODY, which HTTP_PROXY"),
        https("AWS thinks for a while behind it")
            .proxy(connect)
            .server(|request| {
                std::thread::sleep(Duration::from_millis(200));
                aws::answer(request)
            })
            .signs("ENVIRONMENT"),
        https("`HTTPS_PROXY`").proxy(connect).signs("ENVIRONMENT"),
        https("`https_proxy`, without a scheme")
            .without("HTTPS_PROXY")
            .env("https_proxy", "{proxy}")
            .proxy(connect)
            .signs("ENVIRONMENT"),
        https("`ALL_PROXY`")
            .without("HTTPS_PROXY")
            .env("ALL_PROXY", "http://{proxy}")
            .proxy(connect)
            .signs("ENVIRONMENT"),
        https("the same, by SOCKS, which `HTTP_PROXY` and `HTTPS_PROXY` make needless")
            .env("ALL_PROXY", "socks5://{dead}")
            .env("HTTP_PROXY", "http://{dead}")
            .proxy(connect)
            .signs("ENVIRONMENT"),
        https("one that speaks TLS itself")
            .env("HTTPS_PROXY", "{tls-proxy}")
            .proxy_by_tls()
            .proxy(connect)
            .signs("ENVIRONMENT"),
        https("the same, with a certificate that isn't known")
            .without("AWS_CA_BUNDLE")
            .env("HTTPS_PROXY", "{tls-proxy}")
            .proxy_by_tls()
            .proxy(connect)
            .says("its issuer isn't known here", "AWS_CA_BUNDLE"),
        https("with user and password")
            .env("HTTPS_PROXY", "http://me%40corp:s3cr3t@{proxy}")
            .proxy(|request| match request.header("proxy-authorization") {
                // me@corp:s3cr3t
                "Basic bWVAY29ycDpzM2NyM3Q=" => connect(request),
                _ => Reply::text(407, ""),
            })
            .signs("ENVIRONMENT"),
        https("it wants a password").proxy(|_| Reply::text(407, "")).says(
            "the proxy http://PROXY, which HTTPS_PROXY names, wants a user and a password",
            "USER:PASSWORD",
        ),
        https("a wrong password")
            .env("HTTPS_PROXY", "http://me:s3cr3t@{proxy}")
            .proxy(|_| Reply::text(407, ""))
            .says("wants a user and a password", "USER:PASSWORD"),
        https("it refuses the host")
            .proxy(|_| Reply::text(403, "<html>blocked</html>"))
            .says(
                "the proxy http://PROXY, which HTTPS_PROXY names, refuses to connect to AWS",
                "NO_PROXY",
            ),
        https("it can't reach the host")
            .proxy(|_| Reply::text(503, ""))
            .says("refuses to connect", "NO_PROXY"),
        https("it hangs up")
            .proxy(|_| Reply::HangUp)
            .says("hung up", "HTTPS_PROXY"),
        https("nobody listens").env("HTTPS_PROXY", "http://{dead}").says(
            "the proxy http://NOBODY, which HTTPS_PROXY names, can't be reached",
            "HTTPS_PROXY",
        ),
        https("its name isn't known")
            .env("HTTPS_PROXY", "http://nosuch.invalid:3128")
            .says("can't be reached", "HTTPS_PROXY"),
        https("`https://` for one that speaks HTTP")
            .env("HTTPS_PROXY", "https://{proxy}")
            .proxy(connect)
            .says("got no answer", "HTTPS_PROXY"),
        https("SOCKS").env("HTTPS_PROXY", "socks5://me:s3cr3t@{proxy}").says(
            "HTTPS_PROXY is `socks5://PROXY`, a kind of proxy that billctl can't use",
            "HTTP proxy",
        ),
        https("a password with `#`")
            .env("HTTPS_PROXY", "http://me:s3cr3t#@{proxy}")
            .says("not a proxy's address", "%23 for #"),
        https("one that opens TLS with its own authority")
            .without("AWS_CA_BUNDLE")
            .proxy(connect)
            .says("its issuer isn't known here", "AWS_CA_BUNDLE"),
    ]
}

fn certificates() -> Vec<Case> {
    let group = "Certificates";
    let to = |certificate, what| case(group, what).keys("ENVIRONMENT").tls(certificate);
    vec![
        to("server", "a company's own authority in `AWS_CA_BUNDLE`")
            .env("AWS_CA_BUNDLE", "{ca}")
            .signs("ENVIRONMENT"),
        to("server", "in `SSL_CERT_FILE`")
            .env("SSL_CERT_FILE", "{ca}")
            .signs("ENVIRONMENT"),
        case(group, "as `ca_bundle` of the profile")
            .tls("server")
            .profile("team")
            .config(&format!("{}ca_bundle = {{ca}}\n", with_profile(TEAM)))
            .signs("TEAM"),
        to("server", "a folder of certificates")
            .env("AWS_CA_BUNDLE", "{home}/ca")
            .file("ca/a.pem", std::fs::read(tls("ca.pem")).unwrap())
            .file("ca/README", "hello")
            .signs("ENVIRONMENT"),
        to("server", "among broken ones and comments")
            .env("AWS_CA_BUNDLE", "{home}/ca.pem")
            .file(
                "ca.pem",
                [
                    b"# ours\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
                    b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_vec(),
                    std::fs::read(tls("ca.pem")).unwrap(),
                ]
                .concat(),
            )
            .signs("ENVIRONMENT"),
        to("server", "in one of several folders of `SSL_CERT_DIR`")
            .env("SSL_CERT_DIR", "/nowhere:{home}/ca:{home}")
            .file("ca/a.pem", std::fs::read(tls("ca.pem")).unwrap())
            .file("nowhere", "")
            .signs("ENVIRONMENT"),
        to("server", "a file without end")
            .env("AWS_CA_BUNDLE", "/dev/zero")
            .says(
                "/dev/zero, which AWS_CA_BUNDLE names, can't be read: it is longer than 16 MB",
                "PEM",
            ),
        to("server", "nowhere").says(
            "the other side's certificate isn't trusted: its issuer isn't known here",
            "AWS_CA_BUNDLE",
        ),
        to("server", "the file isn't there")
            .env("AWS_CA_BUNDLE", "{home}/nosuch.pem")
            .says("~/nosuch.pem, which AWS_CA_BUNDLE names, can't be read", "PEM"),
        to("server", "the file holds no certificate")
            .env("AWS_CA_BUNDLE", "{home}/x.pem")
            .file("x.pem", "hello")
            .says("~/x.pem, which AWS_CA_BUNDLE names, holds no certificate", "PEM"),
        to("server", "the same for `SSL_CERT_FILE`")
            .env("SSL_CERT_FILE", "{home}/nosuch.pem")
            .says("~/nosuch.pem, which SSL_CERT_FILE names, can't be read", "PEM"),
        to("other", "another host's certificate")
            .env("AWS_CA_BUNDLE", "{ca}")
            .says("it is another host's", "AWS_ENDPOINT_URL"),
        to("expired", "an expired one")
            .env("AWS_CA_BUNDLE", "{ca}")
            .says("it has expired", "clock"),
        to("early", "one of tomorrow")
            .env("AWS_CA_BUNDLE", "{ca}")
            .says("it isn't valid yet", "clock"),
        case(group, "`https://` for an endpoint without TLS")
            .keys("ENVIRONMENT")
            .env("AWS_ENDPOINT_URL", "https://{host}")
            .server(|_| Reply::text(400, "this is plain HTTP"))
            .says("doesn't speak TLS", "AWS_ENDPOINT_URL"),
    ]
}

fn answers() -> Vec<Case> {
    let group = "When the answer isn't AWS's";
    let to = |what, handler| case(group, what).keys("ENVIRONMENT").server(handler);
    vec![
        to("this machine's clock is slow", |_| {
            aws::refusal(
                403,
                "SignatureDoesNotMatch",
                "Signature expired: 20261127T100000Z is now earlier than 20261127T104500Z (20261127T110000Z - 15 min.)",
            )
        })
        .says("SignatureDoesNotMatch", "clock is wrong"),
        to("this machine's clock is fast", |_| {
            aws::refusal(
                403,
                "SignatureDoesNotMatch",
                "Signature not yet current: 20261127T120000Z is still later than",
            )
        })
        .says("SignatureDoesNotMatch", "clock is wrong"),
        to("`RequestTimeTooSkewed`", |_| {
            aws::refusal(403, "RequestTimeTooSkewed", "The difference is too large")
        })
        .says("RequestTimeTooSkewed", "clock is wrong"),
        to("a secret of another key", |_| {
            aws::refusal(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match",
            )
        })
        .says("SignatureDoesNotMatch", "doesn't belong to the access key id"),
        to("expired credentials", |_| {
            aws::refusal(403, "ExpiredToken", "The security token included is expired")
        })
        .says("ExpiredToken", "log in again"),
        to("unknown keys", |_| {
            aws::refusal(403, "InvalidClientTokenId", "The security token included is invalid")
        })
        .says("InvalidClientTokenId", "deleted"),
        to("a service control policy", |_| {
            aws::refusal(
                403,
                "AccessDenied",
                "not authorized to perform: sts:GetCallerIdentity with an explicit deny in a \
                service control policy: arn:aws:organizations::999999999999:policy/o-x/service_control_policy/p-1",
            )
        })
        .says(
            "AccessDenied",
            "a service control policy of the organisation has to allow",
        ),
        to("an explicit deny, as until MFA", |_| {
            aws::refusal(
                403,
                "AccessDenied",
                "not authorized with an explicit deny in an identity-based policy",
            )
        })
        .says("AccessDenied", "MFA"),
        to("a missing permission", |_| {
            aws::refusal(403, "AccessDenied", "not authorized to perform: it")
        })
        .says("AccessDenied", "allow `sts:GetCallerIdentity`"),
        to("a sign-in page", |_| {
            Reply::text(200, "<html><head><title>Guest WiFi</title></head></html>")
        })
        .says("an answer that isn't AWS's: HTTP 200: <html>", "sign-in in the browser"),
        to("the way to one", |_| {
            Reply::Answer(302, vec![("location", "http://wifi.example/".to_owned())], Vec::new())
        })
        .says(
            "HTTP 302 with no body, on to http://wifi.example/",
            "sign-in in the browser",
        ),
        to("a block page", |_| {
            Reply::text(403, "<html><body>this category is blocked</body></html>")
        })
        .says("HTTP 403: <html>", "proxy"),
        to("a server's trouble, each time", |_| {
            Reply::text(503, "<html>busy</html>")
        })
        .says("HTTP 503: <html>busy</html>", "later"),
        to("the same without a word", |_| Reply::text(502, ""))
            .says("got no answer: HTTP 502 with no body", "AWS_ENDPOINT_URL"),
        to("half an answer", |_| {
            Reply::Cut(
                200,
                b"<GetCallerIdentityResponse><GetCallerIdentityResult>".repeat(9),
                30,
            )
        })
        .says("got no answer", "AWS_ENDPOINT_URL"),
        to("half a document", |_| {
            Reply::text(
                200,
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::\
            111122223333:user/x</Arn><UserId>X</UserId><Account>111122223333</Account>",
            )
        })
        .says("it stops in the middle", "AWS_ENDPOINT_URL"),
        to("nothing", |_| Reply::text(200, "")).says("HTTP 200 with no body", "AWS_ENDPOINT_URL"),
        to("a connection that ends", |_| Reply::HangUp).says("got no answer", "AWS_ENDPOINT_URL"),
        to("credentials that expire in mid-run", |request| {
            match request.operation().as_str() {
                "DescribeOrganization" => aws::json_refusal("ExpiredTokenException", "The security token is expired"),
                _ => aws::answer(request),
            }
        })
        .says(
            "organizations:DescribeOrganization answered ExpiredTokenException",
            "log in again",
        ),
        to("a list whose pages come again and again", |request| {
            match request.operation().as_str() {
                "DescribeOrganization" => aws::organization(),
                "DescribeStackSet" | "ListStackInstances" => {
                    aws::refusal(404, "StackSetNotFoundException", "StackSet billctl not found")
                }
                "ListRoots" => Reply::text(
                    200,
                    r#"{"Roots": [{"Id": "r-abcd", "Name": "Root"}], "NextToken": "again"}"#,
                ),
                _ => aws::answer(request),
            }
        })
        .says(
            "organizations:ListRoots got an answer that can't be used: the same page token came twice",
            "",
        ),
        to("commands for the terminal", |request| {
            match request.operation().as_str() {
                "DescribeOrganization" => {
                    aws::json_refusal("Odd\u{1b}]52;c;AAAA\u{7}", "\u{1b}[2J\u{9b}2J\u{202e}gnirts")
                }
                _ => aws::answer(request),
            }
        })
        .coloured()
        .says("answered Odd ]52;c;AAAA :  [2J 2Jgnirts", ""),
    ]
}

/// What comes instead of an answer, where credentials are asked for.
fn instead() -> Vec<Case> {
    let group = "What comes instead of an answer, on the way to credentials";
    let role = "[profile ops]\nrole_arn = arn:aws:iam::111122223333:role/Ops\nsource_profile = base\n";
    let role = |what, server: Handler| {
        case(group, what)
            .profile("ops")
            .config(&format!("{role}{BASE}"))
            .server(server)
    };
    let web = |what, server: Handler| {
        case(group, what)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "{home}/token")
            .env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/Ci")
            .file("token", "good")
            .server(server)
    };
    let sign_in = |what, server: Handler| {
        case(group, what)
            .profile("dev")
            .config(SSO)
            .file(SSO_CACHE, sso_token("good", "2100-01-01T00:00:00Z"))
            .server(server)
    };
    let container = |what, server: Handler| {
        case(group, what)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{aws}/container")
            .server(server)
    };
    let instance = |what, server: Handler| {
        case(group, what)
            .without("AWS_EC2_METADATA_DISABLED")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{aws}")
            // A second is little on a machine that is busy with other tests.
            .env("AWS_METADATA_SERVICE_TIMEOUT", "20")
            .server(server)
    };
    const PAGE: &str = "<!DOCTYPE html><html><title>Guest WiFi</title></html>";
    let isnt = "gave an answer that isn't AWS's: ";
    vec![
        role("a role: a sign-in page", |_| Reply::text(200, PAGE)).says(
            "role/Ops of profile ops: sts gave an answer that isn't AWS's: HTTP 200: <!DOCTYPE html>",
            "sign-in in the browser",
        ),
        role("a server's trouble, each time", |_| Reply::text(503, "<html>busy</html>")).says(isnt, "later"),
        role("the same without a word", |_| Reply::text(503, ""))
            .says("sts gave no answer: HTTP 503 with no body", "AWS_ENDPOINT_URL"),
        role("the same once", |request| {
            static ASKED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            match ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => Reply::text(503, "<html>busy</html>"),
                1 => Reply::text(429, ""),
                _ => aws::answer(request),
            }
        })
        .signs("ROLEOpsBYBASE"),
        role("too much to do, each time", |_| Reply::text(429, ""))
            .says("sts has too much to do: HTTP 429 with no body", "later"),
        role("a block page", |_| Reply::text(403, "<html>blocked</html>")).says(isnt, "proxy"),
        role("the way to another page", |_| {
            Reply::Answer(302, vec![("location", "http://wifi.example/".to_owned())], Vec::new())
        })
        .says("HTTP 302 with no body, on to http://wifi.example/", "sign-in in the browser"),
        role("nothing", |_| Reply::text(200, "")).says("HTTP 200 with no body", "AWS_ENDPOINT_URL"),
        role("a document that stops in the middle", |request| match request.operation().as_str() {
            "AssumeRole" => Reply::text(
                200,
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>HALF</AccessKeyId><SecretAccessKey>\
                 s3cr3t</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>\
                 </Credentials>",
            ),
            _ => aws::answer(request),
        })
        .says("it stops in the middle", "AWS_ENDPOINT_URL"),
        role("keys in what isn't a document", |_| Reply::text(200, "s3cr3t"))
            .says("HTTP 200, which isn't shown, as keys may be in it", "AWS_ENDPOINT_URL"),
        role("a document without credentials", |_| aws::query("AssumeRole", ""))
            .says("the answer holds no credentials", "AWS_ENDPOINT_URL"),
        web("a web identity: a sign-in page", |_| Reply::text(200, PAGE)).says(isnt, "sign-in in the browser"),
        web("a server's trouble, each time", |_| Reply::text(500, "oops"))
            .says("sts gave no answer: HTTP 500: oops", "AWS_ENDPOINT_URL"),
        sign_in("a sign-in: a sign-in page", |_| Reply::text(200, PAGE))
            .says("IAM Identity Center gave an answer that isn't AWS's", "sign-in in the browser"),
        sign_in("a server's trouble, each time", |_| Reply::text(500, r#"{"message":"oops"}"#))
            .says("IAM Identity Center gave no answer: HTTP 500", "AWS_ENDPOINT_URL"),
        sign_in("half an object", |_| Reply::text(200, r#"{"x":"#)).says("it stops in the middle", "AWS_ENDPOINT_URL"),
        sign_in("nothing in it", |_| Reply::text(200, "{}")).says("the answer holds no credentials", "AWS_ENDPOINT_URL"),
        container("a container: a page", |_| Reply::text(200, PAGE))
            .says("the container's credentials service gave an answer that isn't AWS's", "_FULL_URI"),
        container("a server's trouble, each time", |_| Reply::text(503, ""))
            .says("the container's credentials service gave no answer: HTTP 503", "_FULL_URI"),
        container("nothing in it", |_| Reply::text(200, "{}"))
            .says("gives no credentials: AccessKeyId is missing", "_FULL_URI"),
        instance("an instance: a page", |_| Reply::text(200, PAGE))
            .says("the instance metadata service gave an answer that isn't AWS's: HTTP 200", "hop limit"),
        instance("a server's trouble, each time", |_| Reply::text(503, ""))
            .says("the instance metadata service gave no answer: HTTP 503", "hop limit"),
        instance("another service", |_| Reply::text(400, "what?"))
            .says("the instance metadata service gave an answer that isn't AWS's: HTTP 400: what?", "hop limit"),
    ]
}

fn cases() -> Vec<Case> {
    [
        environment(),
        profiles(),
        files(),
        roles(),
        sign_ins(),
        programs(),
        endpoints(),
        proxies(),
        certificates(),
        answers(),
        instead(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The table, from what really came.
fn table(results: &[(&Case, String)]) -> String {
    let mut text = String::new();
    let mut group = "";
    for (case, came) in results {
        if case.group != group {
            group = case.group;
            text.push_str(&format!(
                "\n### {group}\n\n| what is there | what happens |\n|---|---|\n"
            ));
        }
        let escaped = came.replace('|', "\\|").replace('<', "&lt;");
        text.push_str(&format!("| {} | {escaped} |\n", case.what));
    }
    text.push('\n');
    text
}

/// What a document says between the two marks, or the document with `made` there.
fn part(path: &Path, made: Option<&str>) -> String {
    const MARKS: (&str, &str) = ("<!-- made by tests/all/edge/matrix.rs -->\n", "<!-- end -->\n");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(MARKS.0).expect("the first mark");
    let (inside, after) = rest.split_once(MARKS.1).expect("the second mark");
    match made {
        Some(made) => {
            std::fs::write(path, format!("{before}{}{made}{}{after}", MARKS.0, MARKS.1)).unwrap();
            made.to_owned()
        }
        None => inside.to_owned(),
    }
}

#[test]
fn every_environment_signs_as_it_should_or_says_what_is_wrong() {
    let cases = cases();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let came = std::sync::Mutex::new(BTreeMap::new());
    // Few at a time: each is a process, and some wait.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.run()));
                    let result = result.unwrap_or_else(|_| Err("see above".to_owned()));
                    came.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    let came = came.into_inner().unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .zip(came.values())
        .filter_map(|(case, came)| Some(format!("{}: {}: {}", case.group, case.what, came.as_ref().err()?)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    let results: Vec<(&Case, String)> = cases.iter().zip(came.into_values().filter_map(Result::ok)).collect();
    let made = table(&results);
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/credentials.md"));
    let update = std::env::var_os("UPDATE").is_some();
    let there = part(path, update.then_some(made.as_str()));
    assert_eq!(
        there, made,
        "docs/credentials.md is behind; run the tests with UPDATE=1"
    );
}
