//! CI: the workflow files are well-formed, their commands work, and nothing asks or paints where nobody looks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use serde_json::json;
use yaml_serde::Value;

use crate::support::home::{Ended, Home};
use crate::support::install;

const GITHUB: &str = include_str!("../../docs/ci/github.yml");
const GITLAB: &str = include_str!("../../docs/ci/gitlab.yml");
const ACTION: &str = include_str!("../../.github/actions/billctl/action.yml");
const TARGET: &str = "x86_64-unknown-linux-gnu";
const VERSION: &str = env!("CARGO_PKG_VERSION");

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";

/// GitHub's command line, as far as the action uses it: comments are kept in a file, and jq itself answers.
const GH: &str = r#"#!/usr/bin/env python3
import json, os, subprocess, sys
store, arguments = os.environ["GH_STORE"], sys.argv[1:]
comments = json.load(open(store))
assert os.environ["GH_TOKEN"] and arguments.pop(0) == "api"
def option(name):
    if name in arguments:
        at = arguments.index(name)
        arguments.pop(at)
        return arguments.pop(at)
method, filter, field = option("--method") or "GET", option("--jq"), option("--field")
pages, silent = "--paginate" in arguments, "--silent" in arguments
[path] = [word for word in arguments if not word.startswith("--")]
if method == "GET":
    assert path == "repos/acme/billing/issues/7/comments" and pages, path
    sys.exit(subprocess.run(["jq", "-r", filter], input=json.dumps(comments), text=True).returncode)
name, _, file = field.partition("=@")
assert name == "body" and silent
body = open(file, encoding="utf-8").read()
if len(body) > 65536:
    sys.exit("HTTP 422: Body is too long")
if method == "POST":
    assert path == "repos/acme/billing/issues/7/comments", path
    comments.append({"id": 100 + len(comments), "user": {"type": "Bot"}, "body": body})
else:
    [own] = [one for one in comments if path == f"repos/acme/billing/issues/comments/{one['id']}"]
    assert method == "PATCH"
    own["body"] = body
json.dump(comments, open(store, "w"))
"#;

/// A runner: a folder with programs of its own, which see nothing of the machine's settings.
struct Runner {
    home: Home,
}

impl Runner {
    fn new() -> Self {
        let home = Home::demo();
        home.config(CONFIG);
        for folder in ["bin", "shipped", "temp"] {
            fs::create_dir(home.file(folder)).unwrap();
        }
        let runner = Self { home };
        runner.program("bin/gh", GH);
        fs::write(runner.home.file("comments.json"), "[]").unwrap();
        // What is shipped as `billctl` is the one that was built, on the sandbox.
        let real = assert_cmd::cargo::cargo_bin!("billctl");
        let sandbox = runner.home.file("sandbox.json");
        let script = format!(
            "#!/bin/sh\nexec {} --sandbox={} \"$@\"\n",
            real.display(),
            sandbox.display()
        );
        runner.program("shipped/billctl", &script);
        runner
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.home.file(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a script as the runner does: a shell that ends at the first failure.
    fn run(&self, script: &str, env: &BTreeMap<String, String>) -> Ended {
        let path = std::env::var("PATH").unwrap();
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script])
            .env_clear()
            .env("PATH", format!("{}:{path}", self.home.file("bin").display()))
            .envs(env)
            .current_dir(self.home.path())
            .output();
        Ended::from(output.unwrap())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.file(name)).unwrap_or_default()
    }

    /// The bodies of the pull request's comments.
    fn comments(&self) -> Vec<String> {
        let comments: serde_json::Value = serde_json::from_str(&self.read("comments.json")).unwrap();
        let bodies = comments.as_array().unwrap().iter();
        bodies.map(|one| one["body"].as_str().unwrap().to_owned()).collect()
    }

    /// Releases what is shipped, by the script that makes releases, in a folder that a server serves: its checksums.
    fn release(&self, server: &Server) -> String {
        let place = server.folder.join(format!("v{VERSION}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/release.py");
        let run = |arguments: &[&str]| {
            let mut command = Command::new("python3");
            install::run(command.arg(&script).args(arguments)).unwrap();
        };
        let (binary, folder) = (self.home.file("shipped/billctl"), place.display().to_string());
        run(&["archive", &binary.display().to_string(), TARGET, "--to", &folder]);
        run(&["sums", &folder]);
        fs::read_to_string(place.join("SHA256SUMS")).unwrap()
    }
}

/// Something on loopback that serves a folder, and the API of a GitLab with one merge request.
struct Server {
    url: String,
    folder: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    notes: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Server {
    fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            folder,
            asked: Arc::default(),
            notes: Arc::default(),
        };
        let (folder, asked, notes) = (
            server.folder.clone(),
            Arc::clone(&server.asked),
            Arc::clone(&server.notes),
        );
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(&mut stream.unwrap(), &folder, &asked, &notes);
            }
        });
        server
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    stream: &mut TcpStream,
    folder: &Path,
    asked: &Mutex<Vec<String>>,
    notes: &Mutex<Vec<serde_json::Value>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let found = lines.iter().filter_map(|line| line.split_once(": "));
        let mut found = found.filter(|(there, _)| there.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body)?;
    let words: Vec<&str> = lines[0].split(' ').collect();
    let (method, path) = (words[0], words[1]);
    asked.lock().unwrap().push(format!("{method} {path}"));
    let told = |value: &serde_json::Value| (200, value.to_string().into_bytes());
    let mut notes = notes.lock().unwrap();
    const NOTES: &str = "/api/v4/projects/3/merge_requests/7/notes";
    let (status, content) = match (method, path.strip_prefix(NOTES)) {
        ("GET", None) if path == "/api/v4/user" => told(&json!({"id": 5})),
        ("GET", Some(query)) => {
            // Pages of one, so that later ones are asked for too.
            let page: usize = query.rsplit_once("page=").unwrap().1.parse().unwrap();
            told(&json!(notes.iter().skip(page - 1).take(1).collect::<Vec<_>>()))
        }
        (_, Some(id)) => {
            assert_eq!(header("private-token").as_deref(), Some("secret"));
            let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let note = json!({"id": 40 + notes.len(), "author": {"id": 5}, "body": sent["body"]});
            match id.strip_prefix('/') {
                None => notes.push(note.clone()),
                Some(id) => {
                    let id: serde_json::Value = id.parse().unwrap();
                    let found = notes.iter_mut().find(|note| note["id"] == id).unwrap();
                    found["body"] = sent["body"].clone();
                }
            }
            told(&note)
        }
        _ => match fs::read(folder.join(path.trim_start_matches('/'))) {
            Ok(content) => (200, content),
            Err(_) => (404, Vec::new()),
        },
    };
    write!(
        stream,
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    )?;
    stream.write_all(&content)
}

/// What an expression in an action stands for: the first of the names that has a value.
fn value_of(text: &str, known: &BTreeMap<String, String>) -> String {
    match text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")) {
        None => text.to_owned(),
        Some(expression) => {
            let mut values = expression.split("||").filter_map(|name| known.get(name.trim()));
            values.find(|value| !value.is_empty()).cloned().unwrap_or_default()
        }
    }
}

/// Runs the action as a runner does, with these inputs: what its steps printed, and the code of the last one that ran.
fn act(runner: &Runner, inputs: &[(&str, &str)], pull_request: &str) -> Ended {
    let action: Value = yaml_serde::from_str(ACTION).unwrap();
    let mut known = BTreeMap::from([
        ("github.repository".to_owned(), "acme/billing".to_owned()),
        ("github.token".to_owned(), "ghs_token".to_owned()),
        ("github.event.pull_request.number".to_owned(), pull_request.to_owned()),
    ]);
    for (name, input) in action["inputs"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let default = input["default"].as_str().unwrap_or_default();
        let given = inputs.iter().find(|(given, _)| *given == name).map(|(_, value)| *value);
        known.insert(format!("inputs.{name}"), value_of(given.unwrap_or(default), &known));
    }
    for (name, _) in inputs {
        assert!(known.contains_key(&format!("inputs.{name}")), "{name} is no input");
    }
    let mut all = Ended {
        code: 0,
        stdout: String::new(),
        stderr: String::new(),
    };
    for (number, step) in action["runs"]["steps"].as_sequence().unwrap().iter().enumerate() {
        // The cache keeps what is there, and finds what was kept: the same folder.
        let Some(script) = step["run"].as_str() else { continue };
        let wanted = match step["if"].as_str() {
            None => true,
            Some("inputs.run != 'install'") => known["inputs.run"] != "install",
            Some("inputs.run == 'plan' && github.event.pull_request.number") => {
                known["inputs.run"] == "plan" && !pull_request.is_empty()
            }
            Some(other) => panic!("the test doesn't know the condition {other}"),
        };
        if !wanted {
            continue;
        }
        let output = runner.home.file(&format!("output-{number}"));
        let _ = fs::remove_file(&output);
        let mut env = BTreeMap::from(
            [
                ("CI", "true"),
                ("RUNNER_OS", "Linux"),
                ("RUNNER_ARCH", "X64"),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "acme/billing"),
                ("GITHUB_RUN_ID", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        for (name, file) in [
            ("RUNNER_TEMP", runner.home.file("temp")),
            ("GITHUB_OUTPUT", output.clone()),
            ("GITHUB_PATH", runner.home.file("added-path")),
            ("GITHUB_STEP_SUMMARY", runner.home.file("summary.md")),
            ("GH_STORE", runner.home.file("comments.json")),
        ] {
            env.insert(name.to_owned(), file.display().to_string());
        }
        for (name, text) in step["env"].as_mapping().into_iter().flatten() {
            env.insert(
                name.as_str().unwrap().to_owned(),
                value_of(text.as_str().unwrap(), &known),
            );
        }
        let ended = runner.run(script, &env);
        all.code = ended.code;
        all.stdout += &ended.stdout;
        all.stderr += &ended.stderr;
        if ended.code != 0 {
            break;
        }
        if let Some(id) = step["id"].as_str() {
            for (name, value) in fs::read_to_string(&output)
                .unwrap_or_default()
                .lines()
                .filter_map(|line| line.split_once('='))
            {
                known.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
            }
        }
    }
    all
}

/// What is needed here and can't be had below `target/`.
fn has_jq(test: &str) -> bool {
    let found = install::run(Command::new("jq").arg("--version"));
    if let Err(reason) = &found {
        install::skip(test, reason);
    }
    found.is_ok()
}

/// The job's own `run:` of the action.
fn runs(job: &str) -> String {
    let workflow: Value = yaml_serde::from_str(GITHUB).unwrap();
    let steps = workflow["jobs"][job]["steps"].as_sequence().unwrap();
    let last = steps.last().unwrap();
    assert!(
        last["uses"]
            .as_str()
            .unwrap()
            .starts_with("example/billctl/.github/actions/billctl@"),
        "{job}"
    );
    last["with"]["run"].as_str().unwrap_or("install").to_owned()
}

fn texts_of<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    match &value[key] {
        Value::Sequence(lines) => lines.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

#[test]
fn the_action_runs_only_what_has_the_checksum() {
    let runner = Runner::new();
    let server = Server::start(runner.home.file("releases"));
    let sums = runner.release(&server);
    let install = |version: &str, sha256: &str| {
        let ended = act(
            &runner,
            &[("version", version), ("sha256", sha256), ("base-url", &server.url)],
            "",
        );
        (ended.code, ended.stdout)
    };
    // Another checksum, and none: nothing is unpacked, and nothing put on the path.
    for wrong in ["0".repeat(64), String::new()] {
        let (code, out) = install(VERSION, &wrong);
        assert!(code == 1 && out.contains("none of those given"), "{code} {out}");
        assert!(runner.read("added-path").is_empty());
        assert!(
            !runner
                .home
                .file(&format!("temp/billctl-{VERSION}/billctl-{VERSION}-{TARGET}"))
                .exists()
        );
    }
    // A line of SHA256SUMS, or the sum alone, in capitals or not.
    assert_eq!(install(VERSION, &sums).0, 0);
    let asked = server.asked().len();
    assert_eq!(install(VERSION, &sums[..64].to_uppercase()).0, 0);
    assert_eq!(server.asked().len(), asked, "what is in the cache isn't fetched again");
    let path = runner.read("added-path");
    let shown = runner.run(
        &format!("PATH={}:$PATH; billctl --version", path.lines().next().unwrap()),
        &BTreeMap::new(),
    );
    assert!(shown.code == 0 && shown.stdout.contains(VERSION), "{shown:?}");
    // A cache that somebody spoiled is fetched anew.
    let archive = runner
        .home
        .file(&format!("temp/billctl-{VERSION}/billctl-{VERSION}-{TARGET}.tar.gz"));
    fs::write(&archive, "something else").unwrap();
    assert_eq!(install(VERSION, &sums).0, 0);
    assert_eq!(server.asked().len(), asked + 1);
    // No such release, and what is no version.
    let (code, out) = install("9.9.9", &sums);
    assert!(
        code == 1 && out.contains("v9.9.9") && out.contains("can't be fetched"),
        "{code} {out}"
    );
    assert_eq!(install("../../x", &sums).0, 2);
}

#[test]
fn the_github_workflow_plans_deploys_and_checks() {
    if !has_jq("the GitHub workflow") {
        return;
    }
    let runner = Runner::new();
    let server = Server::start(runner.home.file("releases"));
    let sums = runner.release(&server);
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    // A person has made the StackSet, for a part.
    runner.home.succeeds(&["deploy", "--ou", "Production/Payments"]);
    let job = |job: &str, pull_request: &str| {
        let run = runs(job);
        let inputs = [
            ("version", VERSION),
            ("sha256", &sums),
            ("base-url", &server.url),
            ("run", &run),
        ];
        act(&runner, &inputs, pull_request)
    };
    // Somebody, and another workflow, have said something before.
    let before = json!([
        {"id": 1, "user": {"type": "User"}, "body": "<!-- billctl plan: config.toml -->\nmine, says somebody"},
        {"id": 2, "user": {"type": "Bot"}, "body": "another workflow's"},
    ]);
    fs::write(runner.home.file("comments.json"), before.to_string()).unwrap();
    job("plan", "7").code(0);
    let comments = runner.comments();
    assert_eq!(comments.len(), 3, "{comments:?}");
    assert!(
        comments[2].starts_with("<!-- billctl plan: config.toml -->\n### billctl deploy"),
        "{comments:?}"
    );
    assert!(
        comments[2].contains("to create") && !comments[2].contains('\u{1b}'),
        "{comments:?}"
    );
    // The next push writes into the same comment, and into no other.
    runner.home.config(&CONFIG.replace("100", "130"));
    job("plan", "7").code(0);
    let again = runner.comments();
    assert_eq!(again[..2], comments[..2]);
    assert!(
        again.len() == 3 && again[2] != comments[2] && again[2].contains("130"),
        "{again:?}"
    );

    runner.home.config(CONFIG);
    job("deploy", "").code(0);
    job("check", "").code(0);
    let summary = runner.read("summary.md");
    for part in ["to create", "covered"] {
        assert!(summary.contains(part), "{part} in\n{summary}");
    }
    assert!(!summary.contains('\u{1b}'), "{summary}");
    // The plans of the pull request and the one of the merge, each once.
    assert_eq!(summary.matches(" to create, ").count(), 3, "{summary}");

    // A threshold that nobody rolled out: the check is red, and says so where people look.
    runner.home.config(&CONFIG.replace("100", "250"));
    job("check", "").code(4);
    let summary = runner.read("summary.md");
    assert!(summary.contains("the check found something"), "{summary}");
    // The digest goes out once a day, however often the job runs.
    runner
        .home
        .config(&format!("{CONFIG}[digest]\nto = [\"finops@example.com\"]\n"));
    job("digest", "").code(0);
    job("digest", "").code(1);
    let summary = runner.read("summary.md");
    assert!(
        summary.contains("sent to") && summary.contains("was sent at"),
        "{summary}"
    );
    assert_eq!(runner.comments().len(), 3, "nothing else comments");
}

#[test]
fn a_plan_that_fails_or_is_too_long_is_commented_as_such() {
    if !has_jq("comments on plans") {
        return;
    }
    let runner = Runner::new();
    let server = Server::start(runner.home.file("releases"));
    let sums = runner.release(&server);
    let plan = || {
        let inputs = [
            ("version", VERSION),
            ("sha256", &sums),
            ("base-url", &server.url),
            ("run", "plan"),
        ];
        act(&runner, &inputs, "7")
    };
    runner.home.config("[mail]\nform = \"a@example.com\"\n");
    plan().code(2);
    let comments = runner.comments();
    assert!(
        comments.len() == 1 && comments[0].contains("failed with exit code 2"),
        "{comments:?}"
    );

    // Longer than GitHub takes: cut at a line, with the way to the rest.
    let line = "| ~ | 111122223333 | ünnämed account | $100 to $500 |";
    let script = format!("#!/bin/sh\nyes '{line}' | head -n 2000\n");
    let place = format!("temp/billctl-{VERSION}/billctl-{VERSION}-{TARGET}/billctl");
    let archive = runner
        .home
        .file(&format!("temp/billctl-{VERSION}/billctl-{VERSION}-{TARGET}.tar.gz"));
    runner.program(&place, &script);
    let folder = runner.home.file(&format!("temp/billctl-{VERSION}"));
    let mut packed = Command::new("tar");
    install::run(
        packed
            .arg("-czf")
            .arg(&archive)
            .arg("-C")
            .arg(folder)
            .arg(format!("billctl-{VERSION}-{TARGET}")),
    )
    .unwrap();
    let sum = install::run(Command::new("sha256sum").arg(&archive)).unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let inputs = [
        ("version", VERSION),
        ("sha256", &sum),
        ("base-url", &server.url),
        ("run", "plan"),
    ];
    act(&runner, &inputs, "7").code(0);
    let comments = runner.comments();
    assert_eq!(comments.len(), 1, "the same comment");
    let body = &comments[0];
    assert!(body.len() < 65_536 && body.len() > 60_000, "{}", body.len());
    assert!(
        body.trim_end()
            .ends_with("[the job's summary](https://github.com/acme/billing/actions/runs/1)."),
        "{body}"
    );
    assert!(
        body.lines()
            .skip(1)
            .filter(|there| there.starts_with('|'))
            .all(|there| there == line)
    );
}

#[test]
fn a_new_account_has_its_own_limit_an_hour_after_it_joined() {
    let runner = Runner::new();
    let server = Server::start(runner.home.file("releases"));
    let sums = runner.release(&server);
    let rules = "[[threshold]]\nou = \"Production/Payments\"\nusd = 300\n";
    runner.home.config(&format!("{rules}{CONFIG}"));
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    runner.home.succeeds(&["deploy"]);
    let run = |job: &str| {
        let run = runs(job);
        let inputs = [
            ("version", VERSION),
            ("sha256", &sums),
            ("base-url", &server.url),
            ("run", &run),
        ];
        act(&runner, &inputs, "").code(0);
    };
    let limit = |name: &str| {
        let told = runner.home.succeeds(&["--format", "json", "status", "--account", name]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        told["accounts"][0]["effective"].as_f64()
    };
    // It joins at any minute of an hour; what StackSets does by itself takes a few.
    for (minutes, name) in [(0, "first"), (17, "second"), (40, "third")] {
        runner.home.succeeds(&["sandbox", "advance", &format!("{minutes}m")]);
        let new = ["sandbox", "add-account", "--name", name, "--ou", "Production/Payments"];
        runner
            .home
            .succeeds(&[&new[..], &["--owner", "a@example.com"]].concat());
        runner
            .home
            .succeeds(&["sandbox", "advance", &format!("{}m", 60 - minutes)]);
        assert_eq!(limit(name), Some(100.0), "StackSets gives it the default");
        run("cover");
        run("check");
        assert_eq!(limit(name), Some(300.0), "{name}");
    }
    // While something else works on the StackSet, it is left to the next hour, and that is no failure.
    runner.home.config(&format!("{rules}{}", CONFIG.replace("100", "120")));
    runner.home.succeeds(&["--yes", "bootstrap"]);
    runner.home.succeeds(&["--yes", "deploy", "--detach"]);
    run("cover");
    run("check");
}

#[test]
fn actions_are_pinned_by_commit_and_what_downloads_or_compiles_has_no_token() {
    let own = ["ci", "monthly", "release", "weekly"].map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".github/workflows/{name}.yml"));
        fs::read_to_string(path).unwrap()
    });
    let texts = own.iter().map(String::as_str).chain([GITHUB]);
    for text in texts {
        let workflow: Value = yaml_serde::from_str(text).unwrap();
        assert_eq!(
            workflow["permissions"]["contents"], "read",
            "what is more is each job's own"
        );
        assert_eq!(workflow["permissions"].as_mapping().unwrap().len(), 1);
        for (name, job) in workflow["jobs"].as_mapping().unwrap() {
            let rights = job["permissions"].as_mapping().into_iter().flatten();
            let writes = rights.filter(|(_, right)| right.as_str() == Some("write")).count();
            for step in job["steps"].as_sequence().unwrap() {
                pinned(step);
                let lines = step["run"].as_str().unwrap_or_default().lines().map(str::trim);
                let compiles = lines
                    .into_iter()
                    .any(|line| line.starts_with("cargo ") || line == ".ci/run");
                assert!(!compiles || writes == 0, "{name:?} compiles with a token");
            }
        }
    }
    let action: Value = yaml_serde::from_str(ACTION).unwrap();
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        pinned(step);
        assert!(
            !step["run"].as_str().is_some_and(|script| script.contains("${{")),
            "{step:?}"
        );
    }
    // The samples: what downloads comes first, without a token, and everything else waits for it.
    let workflow: Value = yaml_serde::from_str(GITHUB).unwrap();
    for (name, job) in workflow["jobs"].as_mapping().unwrap() {
        let fetches = name.as_str() == Some("fetch");
        assert_eq!(job["permissions"]["id-token"].is_null(), fetches, "{name:?}");
        assert_eq!(job["needs"].is_null(), fetches, "{name:?}");
    }
    let pipeline: Value = yaml_serde::from_str(GITLAB).unwrap();
    for (name, job) in pipeline.as_mapping().unwrap() {
        let lines = [texts_of(job, "script"), texts_of(job, "before_script")]
            .concat()
            .join("\n");
        let outside = lines.contains("curl") || lines.contains("python3");
        let token = !job["id_tokens"].is_null() || job["extends"] == ".billctl";
        assert!(!(outside && token), "{name:?}");
    }
}

#[track_caller]
fn pinned(step: &Value) {
    if let Some(uses) = step["uses"].as_str() {
        let commit = uses.split_once('@').map(|(_, commit)| commit).unwrap_or_default();
        assert!(
            commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{uses}"
        );
    }
}

#[test]
fn the_hourly_workflow_tells_each_owner_once() {
    let runner = Runner::new();
    let server = Server::start(runner.home.file("releases"));
    let sums = runner.release(&server);
    runner.home.config(&CONFIG.replace("100", "5"));
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    runner.home.succeeds(&["sandbox", "advance", "48h"]);
    let run = runs("tell");
    let tell = || {
        let inputs = [
            ("version", VERSION),
            ("sha256", &sums),
            ("base-url", &server.url),
            ("run", &run),
        ];
        act(&runner, &inputs, "").code(0).stdout
    };
    let told = tell();
    assert!(told.contains(" started") && !told.contains(", 0 started"), "{told}");
    let told = tell();
    assert!(told.contains(", 0 started"), "{told}");
}

#[test]
fn the_gitlab_pipeline_plans_deploys_and_checks() {
    let pipeline: Value = yaml_serde::from_str(GITLAB).unwrap();
    let runner = Runner::new();
    let server = Server::start(runner.home.file("releases"));
    let sums = runner.release(&server);
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    runner.home.succeeds(&["deploy", "--ou", "Production/Payments"]);
    // A system's certificates, as the image has them.
    let env = |sha256: &str| {
        let folder = runner.home.path().display().to_string();
        let pairs = [
            ("CI_PROJECT_DIR", folder.as_str()),
            ("BILLCTL_VERSION", VERSION),
            ("BILLCTL_SHA256", sha256),
            ("BILLCTL_RELEASES", &server.url),
            ("BILLCTL_COMMENT_TOKEN", "secret"),
            ("AWS_ID_TOKEN", "token"),
            ("CI_API_V4_URL", &format!("{}/api/v4", server.url)),
            ("CI_PROJECT_ID", "3"),
            ("CI_MERGE_REQUEST_IID", "7"),
        ];
        let mut env: BTreeMap<String, String> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        env.insert("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), format!("{folder}/token"));
        env
    };
    let script = |job: &str| {
        let before = match pipeline[job]["extends"].as_str() {
            Some(base) => texts_of(&pipeline[base], "before_script"),
            None => Vec::new(),
        };
        [before, texts_of(&pipeline[job], "script")].concat().join("\n")
    };
    // Another archive than the one whose checksum was written down.
    let refused = runner.run(&script("fetch"), &env(&"0".repeat(64)));
    assert!(refused.code != 0 && !runner.home.file("tools").exists(), "{refused:?}");
    runner
        .home
        .config(&format!("{CONFIG}[digest]\nto = [\"finops@example.com\"]\n"));
    for job in ["fetch", "plan", "comment", "deploy", "cover", "check", "tell", "digest"] {
        let ended = runner.run(&script(job), &env(&sums[..64]));
        assert!(ended.code == 0, "{job}: {:?}", ended.texts());
    }
    assert_eq!(runner.read("token"), "token");
    let bodies = || -> Vec<String> {
        let notes = server.notes.lock().unwrap();
        notes
            .iter()
            .map(|note| note["body"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = bodies();
    assert!(
        first.len() == 1 && first[0].starts_with("<!-- billctl plan -->\n### billctl deploy"),
        "{first:?}"
    );
    // The next push, after somebody else said something: the same note again, the other one untouched. And a plan that
    // failed is told there too.
    let foreign = json!({"id": 1, "author": {"id": 9}, "body": "<!-- billctl plan -->\nmine"});
    server.notes.lock().unwrap().insert(0, foreign);
    fs::write(runner.home.file("plan.md"), "").unwrap();
    let ended = runner.run(&script("comment"), &env(&sums[..64]));
    assert!(ended.code == 0, "{:?}", ended.texts());
    let second = bodies();
    assert!(
        second.len() == 2 && second[0].ends_with("mine") && second[1].contains("failed: see the job's log"),
        "{second:?}"
    );
}

#[test]
fn a_summary_that_cant_be_written_fails_nothing() {
    let runner = Runner::new();
    let env = BTreeMap::from([("GITHUB_STEP_SUMMARY".to_owned(), "/nowhere/summary".to_owned())]);
    let output = runner.run("shipped/billctl bootstrap --plan", &env);
    let (_, err) = output.texts();
    assert!(output.code == 0, "{err}");
    assert!(err.contains("step summary /nowhere/summary can't be written"), "{err}");
}

#[test]
fn the_trust_policies_trust_one_branch_of_one_repository() {
    for file in ["github-trust.json", "gitlab-trust.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(file);
        let policy: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let equals = policy["Statement"][0]["Condition"]["StringEquals"].as_object().unwrap();
        assert_eq!(equals.len(), 2, "audience and subject: {policy}");
        assert!(!policy.to_string().contains('*'), "{policy}");
    }
}
