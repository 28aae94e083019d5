//! Whose StackSet it is, and as whom it is worked on.

use super::{assert_right, bootstrapped, config};
use crate::support::home::Home;

fn foreign(change: impl FnOnce(&mut serde_json::Value)) -> Home {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("deploy").code(0);
    home.edit_world(|world| change(&mut world["cloudformation"]["sets"]["billctl"]));
    home.config(&config(&["Production"], 200, &[]));
    home
}

#[test]
fn a_stack_set_that_is_not_billctls_is_left_alone() {
    let home = foreign(|set| set["tags"] = serde_json::json!({}));
    let before = home.operations();
    for line in ["deploy", "deploy --plan", "deploy --prune --yes"] {
        let ended = home.run(line).code(1);
        assert!(
            ended.stderr.contains("isn't billctl's") && ended.stderr.contains("managed-by"),
            "{}",
            ended.stderr
        );
    }
    let organization = home.run("sandbox show").code(0).stdout;
    let organization = organization.split(',').next().unwrap_or_default();
    // It stays, whatever else goes.
    home.run(&format!("destroy --organization {organization}")).code(0);
    assert_eq!(home.operations(), before);
}

#[test]
fn a_delegated_administrator_deploys_as_one() {
    let home = bootstrapped(&config(
        &["Production"],
        100,
        &[("ou", "Root/Production/Payments", 300)],
    ));
    home.run("sandbox delegate --name security-tooling").code(0);
    home.run("sandbox login --name security-tooling").code(0);
    let ended = home.run("deploy").code(2);
    assert!(ended.stderr.contains("delegated-admin"), "{}", ended.stderr);
    let delegated = |default| {
        format!(
            "call-as = \"delegated-admin\"\n{}",
            config(&["Production"], default, &[("ou", "Root/Production/Payments", 300)])
        )
    };
    home.config(&delegated(100));
    home.run("deploy").code(0);
    home.config(&delegated(150));
    let ended = home.run("deploy").code(0);
    assert!(
        ended.stdout.contains("only be read in the management account"),
        "{}",
        ended.stdout
    );
    home.run("status --drift").code(0);
    assert_right(&home);
}
