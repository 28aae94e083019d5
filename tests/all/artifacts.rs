//! The shipped artifacts, judged by their field's own checkers.

use std::process::Command;

use serde_json::Value;

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
    let size = std::fs::metadata(MEMBER_TEMPLATE)
        .expect("the template")
        .len();
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
    for job in ["operator", "deploy", "status"] {
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
