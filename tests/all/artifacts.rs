//! The shipped artifacts, judged by their field's own checkers.

use std::process::Command;

use billctl::config::Config;
use billctl::resource::{self, Facts, Naming, Resource, mail_setup};
use billctl_core::service::sesv2::SesAccount;
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::venv;

const MEMBER_TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/member-template.yaml");

#[test]
fn cfn_lint_finds_nothing_in_the_member_template() {
    let Some(venv) = venv::shared("cfn-lint on the member template") else {
        return;
    };
    let output = Command::new(venv.tool("cfn-lint"))
        .args(["--include-checks", "I", "--template", MEMBER_TEMPLATE])
        .output()
        .expect("cfn-lint runs");
    let findings = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && findings.trim().is_empty(),
        "{findings}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_member_template_fits_into_one_request() {
    let size = std::fs::metadata(MEMBER_TEMPLATE).expect("the template").len();
    assert!(
        size <= 51_200,
        "{size} bytes: CloudFormation takes 51,200 in TemplateBody"
    );
}

#[test]
fn parliament_finds_nothing_in_the_policies_that_billctl_prints() {
    let Some(venv) = venv::shared("parliament on the policies") else {
        return;
    };
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    for job in ["operator", "deploy", "thresholds", "status", "tell", "digest"] {
        let policy = home.run(&format!("policy {job}")).code(0).stdout;
        let parsed: Value = serde_json::from_str(&policy).expect("JSON");
        assert!(parsed["Statement"].is_array(), "{job}: {policy}");
        let file = home.path().join(format!("{job}.json"));
        std::fs::write(&file, &policy).expect("a policy");
        let output = Command::new(venv.tool("parliament"))
            .stdin(std::fs::File::open(&file).expect("the policy"))
            .output()
            .expect("parliament runs");
        let findings = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && findings.trim().is_empty(),
            "{job}: {findings}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Every policy that bootstrap writes or prints, by a name. A trust policy names no resource, which parliament takes
/// for a fault: the role stands in for it.
fn written_policies() -> Vec<(String, Value)> {
    let text = "[mail]\nfrom = \"billing@example.com\"\n\
                identity-arn = \"arn:aws:ses:us-east-1:222222222222:identity/example.com\"\n";
    let config = Config::parse("config.toml", text).expect("a config");
    let facts = Facts {
        organization: "o-a1b2c3d4e5".parse().expect("an id"),
        management_account: "111111111111".parse().expect("an id"),
        own_threshold: billctl_core::model::Usd::dollars(100),
        chat: resource::Chat {
            default: "arn:aws:sns:us-east-1:111111111111:spend".parse().ok(),
            ..Default::default()
        },
    };
    let naming = Naming {
        config: &config,
        facts: &facts,
    };
    let mut policies = Vec::new();
    for thing in resource::desired(&naming) {
        match thing {
            Resource::Role(role) => {
                let mut trust = role.trust;
                for statement in trust["Statement"].as_array_mut().expect("statements") {
                    statement["Resource"] = json!(format!("arn:aws:iam::111111111111:role/{}", role.name));
                }
                policies.push((format!("{}-trust", role.name), trust));
                policies.extend(
                    role.policies
                        .into_iter()
                        .map(|(name, policy)| (format!("{}-{name}", role.name), policy)),
                );
            }
            Resource::EventBus(bus) => policies.push(("bus".into(), bus.policy.expect("a policy"))),
            Resource::Queue(queue) => {
                let policy = serde_json::from_str(&queue.attributes["Policy"]).expect("JSON");
                policies.push(("queue".into(), policy));
            }
            _ => {}
        }
    }
    let account = SesAccount {
        production_access: true,
        sending_enabled: true,
        max_24_hour_send: 200.0,
        sent_last_24_hours: 0.0,
        max_send_rate: 1.0,
    };
    let setup = mail_setup::MailSetup::new(&naming, &account, None);
    policies.push(("core".into(), setup.core_policy.expect("a policy").policy));
    policies
}

/// What parliament says that isn't so, each with what it is about.
const NOT_SO: [(&str, &str); 2] = [
    // The Service Authorization Reference calls this key a string; its values are true and false.
    ("bus", "Bool requires a value of type Bool but given String"),
    // Its table names the template alone; a sending authorization policy stands on the identity (SES developer
    // guide, "Sending authorization policy").
    ("core", "'action': 'ses:SendTemplatedEmail'"),
];

#[test]
fn parliament_finds_nothing_in_the_policies_that_bootstrap_writes() {
    let Some(venv) = venv::shared("parliament on bootstrap's policies") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let policies = written_policies();
    assert_eq!(policies.len(), 7, "{policies:#?}");
    let open = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:s3:::bucket"}
    ]});
    for (name, policy) in policies.iter().chain([&("control".to_owned(), open)]) {
        let text = serde_json::to_string_pretty(policy).expect("JSON");
        std::fs::write(folder.path().join(format!("{name}.json")), text).expect("a file");
    }
    let output = Command::new(venv.tool("parliament"))
        .arg("--directory")
        .arg(folder.path())
        .output()
        .expect("parliament runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let findings: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    // A policy with a fault, so that silence means something.
    let about = |line: &str, name: &str| line.contains(&format!("{name}.json"));
    assert!(findings.iter().any(|line| about(line, "control")), "{said}");
    let left: Vec<&&str> = findings
        .iter()
        .filter(|line| !about(line, "control"))
        .filter(|line| {
            !NOT_SO
                .iter()
                .any(|(name, words)| about(line, name) && line.contains(words))
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}
