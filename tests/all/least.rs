//! The policies in use: commands run in a sandbox that denies every action outside their policy, and again
//! without each action in turn.

use std::collections::BTreeSet;

use billctl::resource::permissions::Job;
use billctl_core::service::cloudformation::{CallAs, OperationId};
use billctl_core::service::{Kind, Service, member};
use billctl_sandbox::Sandbox;

use crate::support::home::{Ended, Home};

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
    let all: BTreeSet<_> = Job::Operator.operations();
    let all: Vec<_> = all.union(&Job::Digest.operations()).copied().collect();
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

/// What CI's role does: covers accounts and moves thresholds, with nothing of the StackSet itself.
fn thresholds(home: &Home, without: Option<&str>) -> Vec<Ended> {
    let own = "[[threshold]]\nou = \"Production/Payments\"\nusd = ";
    home.config(&config(100, "[\"Production\", \"Security\"]", ""));
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["--yes", "deploy", "--ou", "Production"]);
    allow_only(home, Job::Thresholds);
    home.change(|world| world.faults.deny.extend(without.map(str::to_owned)));
    let deploy = |more: &str| home.run(&["--yes", "-v", "deploy", "--instances-only", more]);
    let mut ran = vec![deploy("--prune")];
    for (default, more) in [
        (120, format!("{own}300")),
        (120, format!("{own}400")),
        (80, format!("{own}400")),
    ] {
        home.config(&config(default, "[\"Production\", \"Security\"]", &more));
        ran.push(deploy("--prune"));
    }
    home.config(&config(80, "[\"Production\"]", &format!("{own}400")));
    ran.push(deploy("--prune"));
    ran
}

#[test]
fn thresholds_are_moved_and_accounts_covered_under_their_policy_and_all_of_it_is_used() {
    let home = Home::demo();
    let mut called = BTreeSet::new();
    let all: Vec<_> = Job::Operator.operations().into_iter().collect();
    for output in thresholds(&home, None) {
        let (out, err) = output.texts();
        assert!(output.code == 0, "{out}\n{err}");
        let names = err.lines().filter_map(|line| line.split_whitespace().next());
        let found = names.filter_map(|name| all.iter().find(|operation| operation.to_string() == name));
        called.extend(found.map(|operation| operation.iam_action()));
    }
    let rest: Vec<String> = actions(Job::Thresholds).difference(&called).cloned().collect();
    // Only from a delegated administrator, with --stop, where accounts failed, where overrides can't be told, and where
    // a StackSet is made.
    let elsewhere = [
        "cloudformation:DescribeOrganizationsAccess",
        "cloudformation:DescribeStackInstance",
        "cloudformation:ListStackSetOperationResults",
        "cloudformation:StopStackSetOperation",
        "organizations:ListDelegatedAdministrators",
    ];
    assert!(
        rest.iter().all(|action| elsewhere.contains(&action.as_str())),
        "{rest:?}"
    );
    // The thresholds are there, by overrides, and the StackSet is as it was.
    let (default, effective) = (
        Sandbox::open(home.file("sandbox.json"), CallAs::Own).unwrap(),
        |name: &str| {
            let out = home.run(&["--format", "json", "status", "--account", name]).texts().0;
            let told: serde_json::Value = serde_json::from_str(&out).unwrap();
            told["accounts"][0]["effective"].as_f64()
        },
    );
    home.change(|world| world.faults.deny.clear());
    assert_eq!(effective("payments-prod"), Some(400.0));
    assert_eq!(effective("prod-web"), Some(80.0));
    assert_eq!(effective("security-audit"), None);
    let services = default.services();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let live = runtime
        .block_on(services.cloudformation.describe_stack_set("billctl"))
        .unwrap();
    assert_eq!(live.parameters["Threshold"], "100");

    // Each of them is needed, and named where it lacks.
    for action in called
        .iter()
        .filter(|action| !action.starts_with("sts:") && *action != "cloudwatch:GetMetricData")
    {
        let home = Home::demo();
        let failed: Vec<_> = thresholds(&home, Some(action))
            .into_iter()
            .filter(|output| output.code != 0)
            .collect();
        assert!(!failed.is_empty(), "it doesn't need {action}");
        assert!(
            failed.iter().all(|output| output.texts().1.contains(action.as_str())),
            "{action}: {failed:?}"
        );
    }
}

#[test]
fn with_the_policy_for_thresholds_nothing_else_is_put_into_members() {
    let home = Home::demo();
    home.config(&config(100, "[\"Production\"]", ""));
    home.succeeds(&["--yes", "bootstrap"]);
    allow_only(&home, Job::Thresholds);
    // No StackSet is made.
    let (_, err) = home.run(&["--yes", "deploy", "--instances-only"]).texts();
    assert!(err.contains("there is no StackSet billctl yet"), "{err}");
    let (_, err) = home.run(&["--yes", "deploy"]).texts();
    assert!(err.contains("cloudformation:CreateStackSet"), "{err}");
    home.change(|world| world.faults.deny.clear());
    home.succeeds(&["--yes", "deploy"]);

    // A change of the StackSet is left and said, or denied.
    allow_only(&home, Job::Thresholds);
    home.config(&config(100, "[\"Production\"]", "[names]\nmember-role = \"another\""));
    let out = home.succeeds(&["--yes", "deploy", "--instances-only"]);
    assert!(
        out.contains("Parameters.RoleName") && out.contains("stays as it is"),
        "{out}"
    );
    let (_, err) = home.run(&["--yes", "deploy"]).texts();
    assert!(err.contains("cloudformation:UpdateStackSet"), "{err}");

    // Nor by the API itself: a template with a role of one's own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let services = Sandbox::open(home.file("sandbox.json"), CallAs::Own)
            .unwrap()
            .services();
        let cloudformation = &services.cloudformation;
        let live = cloudformation.describe_stack_set("billctl").await.unwrap();
        let mut spec = billctl::resource::stack_set::as_it_is(&live);
        spec.template += "  Mine:\n    Type: AWS::IAM::Role\n    Properties: {}\n";
        let preferences = billctl::config::DeployConfig::default().preferences;
        let id = OperationId("mine".to_owned());
        let updated = cloudformation.update_stack_set(&spec, None, &preferences, &id).await;
        assert_eq!(updated.unwrap_err().kind, Kind::Denied);
        spec.name = "mine".to_owned();
        let created = cloudformation.create_stack_set(&spec, "mine").await;
        assert_eq!(created.unwrap_err().kind, Kind::Denied);
        let switched = cloudformation.set_managed_execution("billctl", false).await;
        assert_eq!(switched.unwrap_err().kind, Kind::Denied);
    });
}

#[test]
fn looking_runs_under_its_policy() {
    let home = Home::demo();
    home.config(&config(100, "[\"Production\"]", HEARD));
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["--yes", "deploy"]);
    // Without it Account Management refuses whatever the policy allows.
    home.change(|world| world.account.trusted = true);
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
fn a_digest_runs_under_its_policy_and_uses_all_of_it() {
    let home = Home::demo();
    let digest = "[digest]\nto = [\"finops@example.com\"]\n[operations]\nmail = \"platform@example.com\"";
    home.config(&config(5, "[\"Production\", \"Security\"]", digest));
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    home.succeeds(&["--yes", "deploy"]);
    home.succeeds(&["sandbox", "advance", "48h"]);
    home.change(|world| world.sesv2.production_access = false);
    home.succeeds(&["sandbox", "verify", "finops@example.com"]);
    allow_only(&home, Job::Digest);
    let called = used(&home, &["digest"]);
    home.succeeds(&["sandbox", "advance", "1m"]);
    let again = home.succeeds(&["digest", "--again", "--format", "json"]);
    assert!(!again.contains("billing-unread"), "everything could be read: {again}");
    let rest: Vec<String> = actions(Job::Digest).difference(&called).cloned().collect();
    // Only where overrides can't be told, where messages wait, and where a day is still trying.
    let elsewhere = [
        "cloudformation:DescribeStackInstance",
        "sqs:ReceiveMessage",
        "states:GetExecutionHistory",
    ];
    assert!(
        rest.iter().all(|action| elsewhere.contains(&action.as_str())),
        "allowed, but never used: {rest:?}"
    );
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
