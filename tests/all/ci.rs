//! CI: the workflow files are well-formed, their commands work, and nothing asks or paints where nobody looks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use yaml_serde::Value;

use crate::support::home::{Ended, Home};

const GITHUB: &str = include_str!("../../docs/ci/github.yml");
const GITHUB_TELL: &str = include_str!("../../docs/ci/github-tell.yml");
const GITHUB_DIGEST: &str = include_str!("../../docs/ci/github-digest.yml");
const GITLAB: &str = include_str!("../../docs/ci/gitlab.yml");

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";

/// A runner: the sandbox behind a `billctl` on the path, and everything else that the jobs call only noted.
struct Runner {
    home: Home,
}

impl Runner {
    fn new() -> Self {
        let home = Home::demo();
        home.config(CONFIG);
        fs::create_dir(home.file("bin")).unwrap();
        let runner = Self { home };
        let real = assert_cmd::cargo::cargo_bin!("billctl");
        let sandbox = runner.home.file("sandbox.json");
        runner.program(
            "billctl",
            &format!("exec {} --sandbox={} \"$@\"", real.display(), sandbox.display()),
        );
        fs::create_dir(runner.home.file("tools")).unwrap();
        fs::write(runner.home.file("tools/billctl"), "").unwrap();
        for other in ["gh", "cargo", "curl"] {
            let log = runner.home.file(other);
            // A body given as a file is kept, as it was when it was sent.
            runner.program(other, &format!("echo \"$@\" >> {0}; cat plan.md >> {0}", log.display()));
        }
        runner
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.home.file("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a job's script as the runner does: a shell that ends at the first failure.
    fn run(&self, script: &str, env: &BTreeMap<&str, String>) -> Ended {
        let output = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", script])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.home.file("bin").display()))
            .envs(env)
            .current_dir(self.home.path())
            .output();
        Ended::from(output.unwrap())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.file(name)).unwrap_or_default()
    }
}

fn texts_of<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    match &value[key] {
        Value::Sequence(lines) => lines.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

#[test]
fn the_github_workflow_plans_deploys_and_checks() {
    let workflow: Value = yaml_serde::from_str(GITHUB).unwrap();
    let runner = Runner::new();
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    // A person has made the StackSet, for a part.
    runner.home.succeeds(&["deploy", "--ou", "Production/Payments"]);
    let summary = runner.home.file("summary.md");
    let env = BTreeMap::from([
        ("GITHUB_STEP_SUMMARY", summary.display().to_string()),
        ("PULL_REQUEST", "7".to_owned()),
        ("CI", "true".to_owned()),
        ("GITHUB_PATH", runner.home.file("added-path").display().to_string()),
    ]);
    let run = |job: &str| -> Vec<Ended> {
        let steps = workflow["jobs"][job]["steps"].as_sequence().unwrap();
        let scripts = steps.iter().filter_map(|step| step["run"].as_str());
        scripts.map(|script| runner.run(script, &env)).collect()
    };

    let plan = run("plan");
    for output in &plan {
        assert!(output.code == 0, "{:?}", output.texts());
    }
    let comment = runner.read("gh");
    assert!(
        comment.contains("pr comment 7") && comment.contains("to create"),
        "{comment}"
    );
    assert!(!comment.contains('\u{1b}'), "{comment}");
    assert!(runner.read("cargo").is_empty(), "billctl was there already");

    let deploy = run("deploy");
    assert!(deploy.last().unwrap().code == 0, "{deploy:?}");
    let check = run("check");
    assert!(check.last().unwrap().code == 0, "{check:?}");
    let summary = runner.read("summary.md");
    for part in ["to create", "covered"] {
        assert!(summary.contains(part), "{part} in\n{summary}");
    }
    assert!(!summary.contains('\u{1b}'), "{summary}");
    // The plan of the pull request and the one of the merge, each once.
    assert_eq!(summary.matches(" to create, ").count(), 2, "{summary}");

    // A threshold that nobody rolled out: the check is red, and says so where people look.
    runner.home.config(&CONFIG.replace("100", "250"));
    let check = run("check");
    assert_eq!(check.last().unwrap().code, 4, "{check:?}");
    assert!(
        runner.read("summary.md").contains("the check found something"),
        "{}",
        runner.read("summary.md")
    );
}

#[test]
fn a_new_account_has_its_own_limit_an_hour_after_it_joined() {
    let workflow: Value = yaml_serde::from_str(GITHUB).unwrap();
    let runner = Runner::new();
    let rules = "[[threshold]]\nou = \"Production/Payments\"\nusd = 300\n";
    runner.home.config(&format!("{rules}{CONFIG}"));
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    runner.home.succeeds(&["deploy"]);
    let env = BTreeMap::from([("GITHUB_PATH", runner.home.file("added-path").display().to_string())]);
    let run = |job: &str| {
        let steps = workflow["jobs"][job]["steps"].as_sequence().unwrap();
        for script in steps.iter().filter_map(|step| step["run"].as_str()) {
            let output = runner.run(script, &env);
            assert!(output.code == 0, "{job}: {:?}", output.texts());
        }
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
fn actions_are_pinned_by_commit_and_what_compiles_has_no_token() {
    for text in [GITHUB, GITHUB_TELL] {
        let workflow: Value = yaml_serde::from_str(text).unwrap();
        for (name, job) in workflow["jobs"].as_mapping().unwrap() {
            let token = job["permissions"]["id-token"].as_str() == Some("write");
            for step in job["steps"].as_sequence().unwrap() {
                if let Some(uses) = step["uses"].as_str() {
                    let commit = uses.split_once('@').map(|(_, commit)| commit).unwrap_or_default();
                    assert!(
                        commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                        "{uses}"
                    );
                }
                let compiles = step["run"].as_str().is_some_and(|script| script.contains("cargo"));
                assert!(!(compiles && token), "{name:?} compiles with a token");
            }
        }
        assert!(
            workflow["permissions"]["id-token"].is_null(),
            "a token is each job's own"
        );
    }
    let pipeline: Value = yaml_serde::from_str(GITLAB).unwrap();
    assert!(pipeline["build"]["id_tokens"].is_null() && pipeline["build"]["extends"].is_null());
    assert!(
        !texts_of(&pipeline[".billctl"], "before_script")
            .concat()
            .contains("cargo")
    );
}

#[test]
fn the_hourly_workflow_tells_each_owner_once() {
    let workflow: Value = yaml_serde::from_str(GITHUB_TELL).unwrap();
    let runner = Runner::new();
    runner.home.config(&CONFIG.replace("100", "5"));
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    runner.home.succeeds(&["sandbox", "advance", "48h"]);
    let steps = workflow["jobs"]["tell"]["steps"].as_sequence().unwrap();
    let tell = || {
        let scripts = steps.iter().filter_map(|step| step["run"].as_str());
        let env = BTreeMap::from([("GITHUB_PATH", runner.home.file("added-path").display().to_string())]);
        let ran: Vec<Ended> = scripts.map(|script| runner.run(script, &env)).collect();
        let last = ran.last().unwrap();
        assert!(last.code == 0, "{:?}", last.texts());
        last.texts().0
    };
    assert!(!tell().contains(", 0 told now"));
    assert!(tell().contains(", 0 told now"));
}

#[test]
fn the_weekday_workflow_sends_one_digest_a_day() {
    let workflow: Value = yaml_serde::from_str(GITHUB_DIGEST).unwrap();
    let runner = Runner::new();
    runner
        .home
        .config(&format!("{CONFIG}[digest]\nto = [\"finops@example.com\"]\n"));
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    let steps = workflow["jobs"]["digest"]["steps"].as_sequence().unwrap();
    let digest = || {
        let scripts = steps.iter().filter_map(|step| step["run"].as_str());
        let file = |name: &str| runner.home.file(name).display().to_string();
        let env = BTreeMap::from([
            ("GITHUB_PATH", file("added-path")),
            ("GITHUB_STEP_SUMMARY", file("summary")),
        ]);
        let ran: Vec<Ended> = scripts.map(|script| runner.run(script, &env)).collect();
        ran.into_iter().next_back().unwrap()
    };
    let first = digest();
    assert!(first.code == 0, "{:?}", first.texts());
    assert_eq!(digest().code, 1);
    let summary = runner.read("summary");
    assert!(
        summary.contains("sent to") && summary.contains("was sent at"),
        "{summary}"
    );
}

#[test]
fn a_plan_that_fails_is_commented_as_such() {
    let workflow: Value = yaml_serde::from_str(GITHUB).unwrap();
    let runner = Runner::new();
    runner.home.config("[mail]\nform = \"a@example.com\"\n");
    let env = BTreeMap::from([("PULL_REQUEST", "7".to_owned())]);
    let steps = workflow["jobs"]["plan"]["steps"].as_sequence().unwrap();
    let script = |name: &str| {
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        runner.run(step["run"].as_str().unwrap(), &env)
    };
    assert_eq!(script("Plan").code, 2);
    assert!(script("Comment").code == 0);
    assert!(runner.read("gh").contains("failed: see the job's log"));
}

#[test]
fn the_gitlab_pipeline_plans_deploys_and_checks() {
    let pipeline: Value = yaml_serde::from_str(GITLAB).unwrap();
    let runner = Runner::new();
    runner.home.succeeds(&["bootstrap"]);
    runner.home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    runner.home.succeeds(&["deploy", "--ou", "Production/Payments"]);
    let env = BTreeMap::from([
        ("CARGO_HOME", runner.home.file("cargo-home").display().to_string()),
        ("CI_PROJECT_DIR", runner.home.file("").display().to_string()),
        ("AWS_ID_TOKEN", "token".to_owned()),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            runner.home.file("token").display().to_string(),
        ),
        ("CI_API_V4_URL", "https://gitlab.example.com/api/v4".to_owned()),
        ("CI_PROJECT_ID", "3".to_owned()),
        ("CI_MERGE_REQUEST_IID", "7".to_owned()),
    ]);
    for job in ["plan", "deploy", "cover", "check"] {
        assert_eq!(pipeline[job]["extends"], ".billctl");
        let lines = [
            texts_of(&pipeline[".billctl"], "before_script"),
            texts_of(&pipeline[job], "script"),
        ];
        let output = runner.run(&lines.concat().join("\n"), &env);
        assert!(output.code == 0, "{job}: {:?}", output.texts());
    }
    let comment = runner.read("curl");
    assert!(
        comment.contains("projects/3/merge_requests/7/notes") && comment.contains("to create"),
        "{comment}"
    );
    assert_eq!(runner.read("token"), "token");
}

#[test]
fn a_summary_that_cant_be_written_fails_nothing() {
    let runner = Runner::new();
    let env = BTreeMap::from([("GITHUB_STEP_SUMMARY", "/nowhere/summary".to_owned())]);
    let output = runner.run("billctl bootstrap --plan", &env);
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
