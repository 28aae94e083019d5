//! The policies in use: commands run in a sandbox that denies every action outside their policy, and again
//! without each action in turn.

use std::collections::BTreeSet;

use billctl::resource::permissions::Job;
use billctl_core::service::{Service, member};

use crate::stage::{Stage, texts};

fn actions(job: Job) -> BTreeSet<String> {
    job.operations()
        .into_iter()
        .filter(|operation| operation.service != Service::Sts)
        .map(|operation| operation.iam_action())
        .collect()
}

/// Denies everything that billctl knows and the job's policy doesn't allow.
fn allow_only(stage: &Stage, job: Job) {
    let all = actions(Job::Operator);
    let denied: BTreeSet<String> = all.difference(&actions(job)).cloned().collect();
    stage.change(|world| world.faults.deny = denied);
}

/// The actions that a command used, as `-v` lists its calls.
fn used(stage: &Stage, arguments: &[&str]) -> BTreeSet<String> {
    let output = stage.run(&[&["--yes", "-v"], arguments].concat());
    let (out, err) = texts(&output);
    assert!(
        !err.contains("AccessDenied"),
        "{arguments:?} was denied something:\n{out}\n{err}"
    );
    assert!(
        output.status.success(),
        "{arguments:?}: {:?}\n{out}\n{err}",
        output.status
    );
    let all: Vec<_> = Job::Operator.operations().into_iter().collect();
    err.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|name| all.iter().find(|operation| operation.to_string() == name))
        .map(|operation| operation.iam_action())
        .collect()
}

/// Somebody who hears of failures.
const HEARD: &str = "[operations]\nmail = \"platform@example.com\"";

fn config(threshold: u32, ous: &str, more: &str) -> String {
    format!(
        "[alarm]\nthreshold = {threshold}\n[deploy]\nous = {ous}\nauto-deploy = false\n{more}\n\
         [mail]\nfrom = \"billing@example.com\"\n"
    )
}

#[test]
fn deploy_runs_under_its_policy_and_uses_all_of_it() {
    let stage = Stage::demo();
    stage.config(&config(100, "[\"Production\", \"Security\"]", ""));
    stage.succeeds(&["--yes", "bootstrap"]);
    allow_only(&stage, Job::Deploy);

    let own = "[[threshold]]\nou = \"Production/Payments\"\nusd = ";
    let mut called = used(&stage, &["deploy", "--plan"]);
    called.extend(used(&stage, &["deploy"]));
    stage.config(&config(120, "[\"Production\", \"Security\"]", &format!("{own}300")));
    called.extend(used(&stage, &["deploy"]));
    stage.config(&config(120, "[\"Production\", \"Security\"]", &format!("{own}400")));
    called.extend(used(&stage, &["deploy"]));
    stage.config(&config(120, "[\"Production\"]", &format!("{own}400")));
    called.extend(used(&stage, &["deploy", "--prune"]));

    let rest: Vec<String> = actions(Job::Deploy).difference(&called).cloned().collect();
    // Only from a delegated administrator; with --stop; where accounts failed; where overrides can't be told.
    let elsewhere = [
        "cloudformation:DescribeStackInstance",
        "cloudformation:ListStackSetOperationResults",
        "cloudformation:StopStackSetOperation",
        "organizations:ListDelegatedAdministrators",
    ];
    assert!(
        rest.iter().all(|action| elsewhere.contains(&action.as_str())),
        "allowed, but never used: {rest:?}"
    );
}

#[test]
fn looking_runs_under_its_policy() {
    let stage = Stage::demo();
    stage.config(&config(100, "[\"Production\"]", HEARD));
    stage.succeeds(&["--yes", "bootstrap"]);
    stage.succeeds(&["--yes", "deploy"]);
    allow_only(&stage, Job::Status);
    used(&stage, &["status"]);
    used(&stage, &["status", "--deep"]);
    used(&stage, &["spend"]);
    let doctor = texts(&stage.run(&["doctor"])).0;
    assert!(!doctor.contains("AccessDenied"), "{doctor}");
}

#[test]
fn members_are_only_entered_where_that_was_asked_for() {
    let stage = Stage::demo();
    stage.config(&config(100, "[\"Production\"]", ""));
    stage.succeeds(&["--yes", "bootstrap"]);
    stage.succeeds(&["--yes", "deploy"]);
    allow_only(&stage, Job::Status);
    let enters = |arguments: &[&str]| {
        let (_, err) = texts(&stage.run(&[&["--yes", "-v"], arguments].concat()));
        err.contains(&member::ASSUME_ROLE.to_string())
    };
    for arguments in [&["status"][..], &["status", "--deep"], &["spend"]] {
        assert!(!enters(arguments), "{arguments:?}");
    }
    assert!(enters(&["status", "--probe"]));

    // The caller's policy has no way in: said, and everything else is shown.
    stage.change(|world| {
        let action = member::ASSUME_ROLE.iam_action();
        world.faults.deny.insert(action);
    });
    let out = stage.succeeds(&["status", "--probe"]);
    assert!(out.contains("no way into 15 accounts"), "{out}");
    assert!(out.contains("15 accounts covered"), "{out}");
}

#[test]
fn telling_runs_under_its_policy_and_uses_what_it_starts_with() {
    let stage = Stage::demo();
    stage.config(&config(5, "[\"Production\"]", ""));
    stage.succeeds(&["--yes", "bootstrap"]);
    stage.succeeds(&["sandbox", "advance", "48h"]);
    allow_only(&stage, Job::Tell);
    let called = used(&stage, &["spend", "--tell"]);
    assert!(called.contains("states:StartExecution"), "{called:?}");
    let called = used(&stage, &["spend", "--tell"]);
    assert!(!called.contains("states:StartExecution"), "{called:?}");
}

#[test]
fn bootstrap_names_each_action_that_it_lacks() {
    let text = config(100, "[\"Production\"]", HEARD);
    let stage = Stage::demo();
    stage.config(&text);
    let called = used(&stage, &["bootstrap"]);
    assert!(called.len() > 20, "{called:?}");
    for action in called.iter().filter(|action| !action.starts_with("sts:")) {
        let stage = Stage::demo();
        stage.config(&text);
        stage.change(|world| world.faults.deny = [action.clone()].into());
        let output = stage.run(&["--yes", "bootstrap"]);
        let err = texts(&output).1;
        assert!(!output.status.success(), "bootstrap doesn't need {action}");
        assert!(err.contains(action), "{action} isn't named:\n{err}");
    }
}
