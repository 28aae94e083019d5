//! Killed at any call, the same command again ends where it would have, and touches nothing that it isn't about.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{ALL, alarms, changed, everywhere};
use super::{config, id};
use crate::support::home::Home;

/// Kills `line` at every call in turn; each time it is run again, and has to end as `done` says. `within` are the accounts
/// that it may touch. What the second run can't know is for `then`, if anything is.
#[track_caller]
fn survives(home: &Home, line: &str, within: &BTreeSet<String>, then: Option<&str>) {
    let world = home.path().join("sandbox.json");
    let start = std::fs::read(&world).expect("the sandbox");
    let before = alarms(home);
    home.run(line).code(0);
    let (after, overrides) = (alarms(home), home.overrides());
    let submitted = home.operations().len();
    let moved = changed(&before, &after);
    assert!(moved.is_subset(within), "{line}: {moved:?}");
    let outside = |alarms: &BTreeMap<String, (f64, String)>| changed(&before, alarms).is_subset(within);
    let mut calls = 0;
    for k in 1.. {
        std::fs::write(&world, &start).expect("the sandbox");
        home.run(&format!("sandbox fail die-at {k} --after")).code(0);
        let died = home.run(line);
        assert!(outside(&alarms(home)), "{line}: killed after call {k}");
        home.run("sandbox fail none").code(0);
        home.run(line).code(0);
        if let Some(then) = then {
            home.run(then).code(0);
        }
        assert_eq!(alarms(home), after, "{line}: killed after call {k}");
        assert_eq!(home.overrides(), overrides, "{line}: killed after call {k}");
        assert_eq!(home.operations().len(), submitted, "{line}: killed after call {k}");
        if died.code == 0 {
            break;
        }
        assert_eq!(died.code, 137, "{died:?}");
        calls = k;
    }
    assert!(calls > 10, "{line} makes only {calls} calls");
    std::fs::write(&world, &start).expect("the sandbox");
}

fn ids(home: &Home, names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| id(home, name)).collect()
}

#[test]
fn a_scoped_run_and_one_of_thresholds_alone_survive_death_at_any_call() {
    let home = everywhere();
    let staging = ids(
        &home,
        &[
            "staging-gateway",
            "staging-web",
            "staging-data-lake",
            "staging-payments-api",
            "staging-payments-ledger",
        ],
    );
    // Another default, an override that goes and one that comes: inside of the scope and outside of it.
    let rules = [("ou", "Root/Staging/Data", 700), ("ou", "Root/Production/Data", 200)];
    home.config(&config(ALL, 60, &rules));
    survives(&home, "deploy --ou Staging", &staging, None);
    let all = alarms(&home).into_keys().collect();
    survives(&home, "deploy --instances-only", &all, None);
}

#[test]
fn a_prune_survives_death_at_any_call() {
    let home = everywhere();
    let gone = ids(&home, &["staging-gateway", "staging-web"]);
    let excluded: Vec<&String> = gone.iter().collect();
    let text = config(ALL, 100, &[("ou", "Root/Production/Payments", 300)]);
    home.config(&text.replace("[deploy]\n", &format!("[deploy]\nexclude-accounts = {excluded:?}\n")));
    survives(&home, "deploy --prune --yes", &gone, None);
}

#[test]
fn a_repair_survives_death_at_any_call_and_names_whom_it_left_without_an_instance() {
    let home = everywhere();
    let broken = ids(&home, &["prod-web"]);
    let account = broken.first().expect("one").clone();
    home.run("sandbox break alarm-edit --name prod-web --threshold 9999")
        .code(0);
    home.run("status --drift --check").code(4);
    // A change that waits is none of its business, however it ends.
    home.config(&config(ALL, 60, &[("ou", "Root/Production/Payments", 300)]));
    let then = format!("deploy --account {account}");
    survives(&home, "deploy --repair --yes", &broken, Some(&then));

    home.run("deploy --repair --yes").code(0);
    home.edit_world(|world| {
        let instances = &mut world["cloudformation"]["sets"]["billctl"]["instances"];
        instances.as_object_mut().expect("instances").remove(&account);
    });
    let told = home.run("deploy --repair").code(0);
    assert!(
        told.stdout.contains("1 account has no instance") && told.stdout.contains(&account),
        "{}",
        told.stdout
    );
}
