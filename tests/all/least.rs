//! The policies in use: commands run in a sandbox that denies every action outside their policy, and again
//! without each action in turn.

use std::collections::BTreeSet;

use billctl::resource::permissions::Job;
use billctl_core::service::{Service, member};

use crate::support::home::Home;

fn actions(job: Job) -> BTreeSet<String> {
    job.operations()
        .into_iter()
        .filter(|operation| operation.service != Service::Sts)
        .map(|operation| operation.iam_action())
        .collect()
}

/// Denies everything that billctl knows and the job's policy doesn't allow.
fn allow_only(home: &Home, job: Job) {
    let all = actions(Job::Operator);
    let denied: BTreeSet<String> = all.difference(&actions(job)).cloned().collect();
    home.change(|world| world.faults.deny = denied);
}

/// The actions that a command used, as `-v` lists its calls.
fn used(home: &Home, arguments: &[&str]) -> BTreeSet<String> {
    let output = home.run(&[&["--yes", "-v"], arguments].concat());
    let (out, err) = output.texts();
    assert!(
        !err.contains("AccessDenied"),
        "{arguments:?} was denied something:\n{out}\n{err}"
    );
    assert!(output.code == 0, "{arguments:?}: {}\n{out}\n{err}", output.code);
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
    let home = Home::demo();
    home.config(&config(100, "[\"Production\", \"Security\"]", ""));
    home.succeeds(&["--yes", "bootstrap"]);
    allow_only(&home, Job::Deploy);

    let own = "[[threshold]]\nou = \"Production/Payments\"\nusd = ";
    let mut called = used(&home, &["deploy", "--plan"]);
    called.extend(used(&home, &["deploy"]));
    home.config(&config(120, "[\"Production\", \"Security\"]", &format!("{own}300")));
    called.extend(used(&home, &["deploy"]));
    home.config(&config(120, "[\"Production\", \"Security\"]", &format!("{own}400")));
    called.extend(used(&home, &["deploy"]));
    home.config(&config(120, "[\"Production\"]", &format!("{own}400")));
    called.extend(used(&home, &["deploy", "--prune"]));

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
    let home = Home::demo();
    home.config(&config(100, "[\"Production\"]", HEARD));
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["--yes", "deploy"]);
    allow_only(&home, Job::Status);
    used(&home, &["status"]);
    used(&home, &["status", "--deep"]);
    used(&home, &["spend"]);
    let doctor = home.run(&["doctor"]).texts().0;
    assert!(!doctor.contains("AccessDenied"), "{doctor}");
}

#[test]
fn members_are_only_entered_where_that_was_asked_for() {
    let home = Home::demo();
    home.config(&config(100, "[\"Production\"]", ""));
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["--yes", "deploy"]);
    allow_only(&home, Job::Status);
    let enters = |arguments: &[&str]| {
        let (_, err) = home.run(&[&["--yes", "-v"], arguments].concat()).texts();
        err.contains(&member::ASSUME_ROLE.to_string())
    };
    for arguments in [&["status"][..], &["status", "--deep"], &["spend"]] {
        assert!(!enters(arguments), "{arguments:?}");
    }
    assert!(enters(&["status", "--probe"]));

    // The caller's policy has no way in: said, and everything else is shown.
    home.change(|world| {
        let action = member::ASSUME_ROLE.iam_action();
        world.faults.deny.insert(action);
    });
    let out = home.succeeds(&["status", "--probe"]);
    assert!(out.contains("no way into 15 accounts"), "{out}");
    assert!(out.contains("15 accounts covered"), "{out}");
}

#[test]
fn telling_runs_under_its_policy_and_uses_what_it_starts_with() {
    let home = Home::demo();
    home.config(&config(5, "[\"Production\"]", ""));
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["sandbox", "advance", "48h"]);
    allow_only(&home, Job::Tell);
    let called = used(&home, &["spend", "--tell"]);
    assert!(called.contains("states:StartExecution"), "{called:?}");
    let called = used(&home, &["spend", "--tell"]);
    assert!(!called.contains("states:StartExecution"), "{called:?}");
}

#[test]
fn bootstrap_names_each_action_that_it_lacks() {
    let text = config(100, "[\"Production\"]", HEARD);
    let home = Home::demo();
    home.config(&text);
    let called = used(&home, &["bootstrap"]);
    assert!(called.len() > 20, "{called:?}");
    for action in called.iter().filter(|action| !action.starts_with("sts:")) {
        let home = Home::demo();
        home.config(&text);
        home.change(|world| world.faults.deny = [action.clone()].into());
        let output = home.run(&["--yes", "bootstrap"]);
        let err = output.texts().1;
        assert!(output.code != 0, "bootstrap doesn't need {action}");
        assert!(err.contains(action), "{action} isn't named:\n{err}");
    }
}
