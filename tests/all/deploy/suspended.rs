//! Accounts that go out of use while they hold an instance: StackSets takes no stack out of them.

use super::{bootstrapped, config, id, line, plan};
use crate::support::home::Home;

/// The alarm everywhere in Production, and one of its accounts suspended since.
fn suspended() -> (Home, String) {
    let home = bootstrapped(&config(&["Production", "Security"], 100, &[]));
    home.run("deploy").code(0);
    let account = id(&home, "prod-web");
    home.run("sandbox suspend --name prod-web").code(0);
    (home, account)
}

#[test]
fn prune_lets_go_of_a_suspended_account_once_and_says_that_its_stack_stays() {
    let (home, _) = suspended();
    home.config(&config(&["Security"], 100, &[]));
    let told = plan(&home, "deploy --prune");
    assert_eq!(line(&told, "prod-web")["action"], "remove", "{told}");
    assert_eq!(line(&told, "prod-web")["retain"], true, "{told}");
    assert_eq!(line(&told, "data-lake")["retain"], false, "{told}");
    let ended = home.run("deploy --prune --yes").code(0);
    assert!(ended.stdout.contains("its stack stays in the account"), "{ended:?}");
    assert!(ended.stdout.contains("removed"), "{ended:?}");
    // Nothing is left to do, for good.
    home.run("deploy --prune --plan --check").code(0);
}

#[test]
fn destroy_ends_where_an_account_is_suspended_and_names_it() {
    let (home, account) = suspended();
    let organization = home.run("sandbox show").code(0).stdout;
    let organization = organization.split(',').next().unwrap_or_default();
    let ended = home.run(&format!("destroy --organization {organization}")).code(0);
    assert!(
        ended.stderr.contains(&format!("the stack stays in {account}")),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("except the stacks named above"), "{ended:?}");
    let sets = &home.world()["cloudformation"]["sets"];
    assert!(sets.as_object().is_some_and(serde_json::Map::is_empty), "{sets}");
}
