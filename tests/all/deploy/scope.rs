//! Scope means scope: what `--ou`, `--account`, `--recreate` and a wave change, read from every alarm itself.

use std::collections::{BTreeMap, BTreeSet};

use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::CallAs;
use billctl_sandbox::Sandbox;
use proptest::prelude::*;
use serde_json::Value;

use super::{assert_right, at_random, bootstrapped, config, id, line, plan};
use crate::support::home::Home;

/// Every alarm as it really is: its threshold, and everything about it.
pub(super) fn alarms(home: &Home) -> BTreeMap<String, (f64, String)> {
    let sandbox = Sandbox::open(home.path().join("sandbox.json"), CallAs::Own).expect("the sandbox");
    let world = sandbox.world();
    let ids: Vec<AccountId> = world.organizations.account_ids().collect();
    ids.into_iter()
        .filter_map(|account| {
            let (alarm, _) = world.member_alarm(account)?;
            Some((account.to_string(), (alarm.threshold, format!("{alarm:?}"))))
        })
        .collect()
}

/// The accounts whose alarm differs from what it was.
pub(super) fn changed(
    before: &BTreeMap<String, (f64, String)>,
    after: &BTreeMap<String, (f64, String)>,
) -> BTreeSet<String> {
    before
        .keys()
        .chain(after.keys())
        .filter(|account| before.get(*account) != after.get(*account))
        .cloned()
        .collect()
}

/// The accounts that a plan names.
fn named(plan: &Value) -> BTreeSet<String> {
    let lines = plan["accounts"].as_array().expect("accounts");
    lines
        .iter()
        .filter(|line| !matches!(line["action"].as_str(), Some("leave" | "skip")))
        .map(|line| line["account"].as_str().expect("an id").to_owned())
        .collect()
}

fn count(plan: &Value) -> u64 {
    let counts = &plan["counts"];
    ["create", "change", "repair", "remove"]
        .iter()
        .filter_map(|what| counts[what].as_u64())
        .sum()
}

pub(super) const ALL: &[&str] = &["Production", "Staging", "Sandboxes", "Security", "Infrastructure"];

pub(super) fn everywhere() -> Home {
    let home = bootstrapped(&config(ALL, 100, &[("ou", "Root/Production/Payments", 300)]));
    home.run("deploy").code(0);
    home
}

#[test]
fn a_changed_default_moves_in_the_ou_that_is_named_and_nowhere_else() {
    let home = everywhere();
    let before = alarms(&home);
    home.config(&config(ALL, 60, &[("ou", "Root/Production/Payments", 300)]));
    let told = plan(&home, "deploy --ou Staging");
    assert_eq!(told["counts"]["change"], 5, "{told}");
    assert_eq!(told["stack_set_changes"], serde_json::json!([]), "{told}");
    assert!(
        told["notes"].to_string().contains("default threshold stays 100"),
        "{told}"
    );
    home.run("deploy --ou Staging").code(0);
    let after = alarms(&home);
    let moved = changed(&before, &after);
    assert_eq!(moved, named(&told));
    assert!(moved.iter().all(|account| after[account].0 == 60.0));
    // The same for one account.
    let account = id(&home, "prod-web");
    home.run(&format!("deploy --account {account}")).code(0);
    assert_eq!(changed(&after, &alarms(&home)), BTreeSet::from([account]));
    // Without a scope the default moves, and with it everybody else.
    let told = plan(&home, "deploy");
    let before = alarms(&home);
    home.run("deploy").code(0);
    let after = alarms(&home);
    assert!(changed(&before, &after).is_subset(&named(&told)));
    let payments = id(&home, "payments-prod");
    assert_eq!(after[&payments].0, 300.0);
    assert!(
        after.values().all(|alarm| [60.0, 300.0].contains(&alarm.0)),
        "{after:?}"
    );
    assert_right(&home);
}

#[test]
fn a_changed_template_is_left_in_a_scope_unless_it_is_for_all_instances() {
    let home = everywhere();
    let six_hourly = config(ALL, 100, &[("ou", "Root/Production/Payments", 300)])
        .replace("[alarm]\n", "[alarm]\nmeasure = \"six-hourly\"\n");
    home.config(&six_hourly);
    let before = alarms(&home);
    let told = plan(&home, "deploy --ou Staging");
    assert_eq!(count(&told), 0, "{told}");
    assert!(told["notes"].to_string().contains("Parameters.Measure"), "{told}");
    home.run("deploy --ou Staging").code(0);
    assert_eq!(changed(&before, &alarms(&home)), BTreeSet::new());

    let told = plan(&home, "deploy --ou Staging --all-instances");
    assert_eq!(count(&told), before.len() as u64, "{told}");
    home.run("deploy --ou Staging --all-instances").code(0);
    assert_eq!(changed(&before, &alarms(&home)), named(&told));
    assert_right(&home);
}

#[test]
fn a_repair_of_one_account_carries_no_pending_change_to_others() {
    let home = everywhere();
    home.config(&config(ALL, 60, &[]).replace("[alarm]\n", "[alarm]\nmeasure = \"six-hourly\"\n"));
    let account = id(&home, "prod-web");
    let before = alarms(&home);
    let line = format!("deploy --recreate {account}");
    let told = plan(&home, &line);
    assert_eq!(told["counts"]["repair"], 1, "{told}");
    assert_eq!(count(&told), 1, "{told}");
    // What removes needs a yes.
    home.run(&line).code(2);
    home.run(&format!("{line} --yes")).code(0);
    let after = alarms(&home);
    assert_eq!(changed(&before, &after), BTreeSet::from([account.clone()]));
    assert_eq!(after[&account].0, 60.0);
}

fn waves(default: u32, measure: &str, tolerance: u32) -> String {
    format!(
        "[alarm]\nthreshold = {default}\nmeasure = \"{measure}\"\n\n[deploy]\nous = [\"Security\"]\n\n\
         [[wave]]\nname = \"sandboxes\"\nous = [\"Sandboxes\"]\nfailure-tolerance = {tolerance}\n\n\
         [[wave]]\nname = \"prod\"\nous = [\"Production\"]\n\n[mail]\nfrom = \"billing@example.com\"\n"
    )
}

#[test]
fn a_wave_that_fails_has_changed_nothing_in_the_waves_after_it() {
    for (default, measure) in [(60, "daily"), (100, "six-hourly"), (60, "six-hourly")] {
        let home = bootstrapped(&waves(100, "daily", 0));
        home.run("deploy").code(0);
        let before = alarms(&home);
        let in_the_wave: BTreeSet<String> = ["amira", "bastian", "chen", "divya", "emeka", "fatima", "greta", "hugo"]
            .iter()
            .map(|name| id(&home, &format!("sandbox-{name}")))
            .collect();
        home.config(&waves(default, measure, 0));
        let told = plan(&home, "deploy");
        assert_eq!(count(&told), before.len() as u64, "{told}");
        home.run("sandbox fail account sandbox-hugo something_odd").code(0);
        let ended = home.run("deploy").code(1);
        assert!(ended.stderr.contains("wave prod"), "{}", ended.stderr);
        let moved = changed(&before, &alarms(&home));
        assert!(!moved.is_empty() && moved.is_subset(&in_the_wave), "{moved:?}");
        home.run("sandbox fail none").code(0);
        home.run("deploy").code(0);
        assert_eq!(changed(&before, &alarms(&home)), before.keys().cloned().collect());
        assert_right(&home);
        // Nobody was left with an override that says what the default says.
        assert!(home.overrides().values().all(Option::is_none), "{:?}", home.overrides());
    }
}

#[test]
fn members_learn_no_account_ids_from_the_template() {
    let home = everywhere();
    home.config(&config(ALL, 50, &[("ou", "Root/Production/Payments", 300)]));
    home.run("deploy").code(0);
    let world = home.world();
    let revisions = world["cloudformation"]["revisions"].to_string();
    for account in home.overrides().keys() {
        assert!(!revisions.replace("event-bus", "").contains(account), "{account}");
    }
    // All the same, the listing alone tells every override.
    let status = home.run("status -v").code(0);
    assert!(
        !status.stderr.contains("cloudformation:DescribeStackInstance "),
        "{}",
        status.stderr
    );
}

#[test]
fn a_plan_with_check_ends_with_four_if_something_would_change() {
    let home = bootstrapped(&config(&["Staging"], 100, &[]));
    home.run("deploy --plan --check").code(4);
    home.run("deploy --plan").code(0);
    home.run("deploy").code(0);
    home.run("deploy --plan --check").code(0);
    home.run("deploy --check").code(2);
}

#[test]
fn an_ou_outside_the_config_is_said_before_anything_is_done() {
    let home = bootstrapped(&config(&["Staging"], 100, &[]));
    let ended = home.run("deploy --ou Production --plan").code(0);
    for part in [
        "config doesn't target Root/Production",
        "not in config",
        "--prune",
        "[deploy] ous",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let ended = home.run("deploy --ou Production --format json").code(0);
    assert!(ended.stderr.contains("config doesn't target"), "{}", ended.stderr);
    // What lies inside of what is targeted is not outside.
    let ended = home.run("deploy --ou Root/Staging/Data --plan").code(0);
    assert!(!ended.stdout.contains("config doesn't target"), "{}", ended.stdout);
    // Where config targets nothing, nothing is outside of it.
    home.config(&config(&[], 100, &[]));
    let ended = home.run("deploy --ou Production --plan").code(0);
    assert!(!ended.stdout.contains("config doesn't target"), "{}", ended.stdout);
}

#[test]
fn an_empty_ou_is_a_target_and_whoever_comes_gets_the_alarm() {
    let home = bootstrapped(&config(&["Staging", "Empty"], 100, &[]));
    home.run("deploy").code(0);
    assert_right(&home);
    home.run("sandbox add-account --name newcomer --ou Empty").code(0);
    home.run("sandbox advance 1h").code(0);
    home.run("status --check").code(0);
    let account = id(&home, "newcomer");
    assert_eq!(alarms(&home)[&account].0, 100.0);
}

#[test]
fn repair_mends_what_drifted_or_lost_something_and_touches_nothing_else() {
    let home = everywhere();
    let (edited, deleted, fine) = (
        id(&home, "prod-web"),
        id(&home, "data-lake"),
        id(&home, "payments-prod"),
    );
    let told = plan(&home, "deploy --repair");
    assert_eq!(count(&told), 0, "{told}");
    home.run("deploy --repair").code(0);
    home.run(&format!("sandbox break alarm-edit --account {edited} --threshold 9999"))
        .code(0);
    home.run(&format!("sandbox break alarm-delete --account {deleted}"))
        .code(0);
    let told = plan(&home, "deploy --repair");
    assert!(told["notes"].to_string().contains("never looked for"), "{told}");
    home.run("status --drift --check").code(4);
    // A change that waits is none of its business.
    home.config(&config(ALL, 60, &[]));
    let last = |account: &str| home.world()["cloudformation"]["sets"]["billctl"]["instances"][account].clone();
    let (before, untouched) = (alarms(&home), last(&fine));
    // Asks, or needs a yes.
    home.run("deploy --repair").code(2);
    home.run(&format!("deploy --repair --account {edited} --yes")).code(0);
    assert_eq!(changed(&before, &alarms(&home)), BTreeSet::from([edited.clone()]));
    let told = plan(&home, "deploy --repair");
    assert_eq!(named(&told), BTreeSet::from([deleted.clone()]), "{told}");
    home.run("deploy --repair --yes").code(0);
    assert_eq!(changed(&before, &alarms(&home)), BTreeSet::from([edited, deleted]));
    assert_eq!(last(&fine), untouched);
    home.run("deploy").code(0);
    home.run("bootstrap --yes").code(0);
    home.run("status --drift --check").code(0);
}

#[test]
fn an_inoperable_instance_is_let_go_and_made_anew_once_what_it_left_behind_is_gone() {
    let home = everywhere();
    let account = id(&home, "prod-web");
    let before = alarms(&home);
    // A removal that fails is what makes an instance INOPERABLE.
    home.run("sandbox fail account prod-web something_odd").code(0);
    let ended = home.run(&format!("deploy --recreate {account} --yes"));
    assert!(ended.code == 1 || ended.code == 3, "{ended:?}");
    home.run("sandbox fail none").code(0);
    let instance = || home.world()["cloudformation"]["sets"]["billctl"]["instances"][&account].clone();
    assert_eq!(instance()["status"], "INOPERABLE", "{}", instance());
    let told = home.run("status --check").code(4);
    assert!(told.stdout.contains("1 failed"), "{}", told.stdout);
    // No update reaches it, and deploy doesn't pretend to.
    let told = plan(&home, "deploy --repair");
    assert_eq!(line(&told, "prod-web")["retain"], true, "{told}");
    assert_eq!(named(&told), BTreeSet::from([account.clone()]), "{told}");
    // It is let go with its stack kept, and the new one collides with that: said, with what to do about it.
    let ended = home.run("deploy --repair --yes");
    assert!(ended.code == 1 || ended.code == 3, "{ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("already exists") && said.contains("remedy:"), "{said}");
    home.run("sandbox break leftovers-delete --name prod-web").code(0);
    home.run("deploy").code(0);
    assert_eq!(instance()["status"], "CURRENT", "{}", instance());
    // The others were never touched.
    let after = alarms(&home);
    assert!(changed(&before, &after).is_subset(&BTreeSet::from([account.clone()])));
    assert_eq!(after[&account].0, 100.0);
    home.run("bootstrap --yes").code(0);
    home.run("status --check").code(0);
}

#[test]
fn what_is_left_after_thresholds_alone_were_moved_is_no_finding() {
    let home = everywhere();
    home.config(&config(ALL, 60, &[("ou", "Root/Production/Payments", 300)]));
    home.run("bootstrap --yes").code(0);
    let told = home.run("status --check").code(4);
    assert!(told.stdout.contains("wrong threshold"), "{}", told.stdout);
    home.run("deploy --instances-only").code(0);
    // Every account has the config's threshold; who comes gets the old default, and the next run puts that right.
    let told = home.run("status --check").code(0);
    for part in [
        "all well",
        "default threshold is 100, config says 60",
        "`billctl deploy` of everything",
    ] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    home.run("sandbox add-account --name newcomer --ou Staging").code(0);
    home.run("sandbox advance 1h").code(0);
    let told = home.run("status --check").code(4);
    assert!(told.stdout.contains("1 wrong threshold"), "{}", told.stdout);
    home.run("deploy --instances-only").code(0);
    home.run("status --check").code(0);
    let newcomer = id(&home, "newcomer");
    assert_eq!(alarms(&home)[&newcomer].0, 60.0);
    // Another difference is a finding as before.
    home.config(&config(ALL, 60, &[]).replace("[alarm]\n", "[alarm]\nmeasure = \"six-hourly\"\n"));
    let told = home.run("status --check").code(4);
    assert!(
        told.stdout.contains("differs from config in Parameters.Measure"),
        "{}",
        told.stdout
    );
    home.config(&config(ALL, 60, &[("ou", "Root/Production/Payments", 300)]));
    home.run("deploy").code(0);
    let told = home.run("status --check").code(0);
    assert!(!told.stdout.contains("default threshold is"), "{}", told.stdout);
}

/// Configs, scopes and waves at random on an organisation at random, through the built binary: nothing that a run isn't
/// about changes, its plan names all that does, and in the end all is as it should be.
/// `BILLCTL_CHAOS=200 cargo test scope` plays so many.
#[test]
fn whatever_is_deployed_in_whichever_scope_only_that_changes() {
    let mut runner = at_random(5);
    let run = (0..6_usize, 1..5_u32, any::<bool>(), 0..100_usize, 0..100_usize);
    let played = (any::<u64>(), 4..25_usize, 3..9_usize, prop::collection::vec(run, 2..6));
    let result = runner.run(&played, |(seed, accounts, ous, runs)| {
        let home = Home::empty();
        let seed = seed % 1000;
        home.run(&format!("sandbox new --seed {seed} --accounts {accounts} --ous {ous}"))
            .code(0);
        let world = Sandbox::open(home.path().join("sandbox.json"), CallAs::Own)
            .expect("the sandbox")
            .world();
        let mut ous: Vec<_> = world.organizations.ous().filter(|ou| ou.parent.is_some()).collect();
        ous.sort_by(|a, b| a.id.cmp(&b.id));
        let pick = |number: usize| ous[number % ous.len()].id.clone();
        let written = |default: u32, six_hourly: bool, rule: usize| {
            let measure = if six_hourly { "six-hourly" } else { "daily" };
            format!(
                "[alarm]\nthreshold = {}\nmeasure = \"{measure}\"\n\n[[threshold]]\nou = \"{}\"\nusd = 700\n\n\
                 [deploy]\nous = [\"Root\"]\n\n[[wave]]\nname = \"first\"\nous = [\"{}\"]\nfailure-tolerance = 0\n\n\
                 [mail]\nfrom = \"billing@example.com\"\n",
                default * 100,
                pick(rule),
                pick(0),
            )
        };
        home.config(&written(1, false, 0));
        home.run("bootstrap --yes").code(0);
        home.run("deploy").code(0);
        for (what, default, six_hourly, rule, number) in runs {
            home.config(&written(default, six_hourly, rule));
            let below = |ou: &billctl_core::model::OuId| -> BTreeSet<String> {
                let accounts = world.organizations.accounts_below(ou);
                accounts.iter().map(ToString::to_string).collect()
            };
            let members: Vec<String> = home.overrides().into_keys().collect();
            let account = members[number % members.len()].clone();
            let ou = pick(number);
            let (line, scope) = match what {
                0 => (format!("deploy --ou {ou}"), Some(below(&ou))),
                1 => (format!("deploy --account {account}"), Some(BTreeSet::from([account]))),
                2 => (
                    format!("deploy --recreate {account} --yes"),
                    Some(BTreeSet::from([account])),
                ),
                3 => (format!("deploy --ou {ou} --all-instances"), None),
                // With a first wave that fails.
                4 => ("deploy".to_owned(), Some(below(&pick(0)))),
                _ => ("deploy".to_owned(), None),
            };
            if what == 4 {
                home.edit_world(|world| {
                    let faults = below(&pick(0))
                        .into_iter()
                        .map(|account| (account, "something odd".into()));
                    world["faults"]["accounts"] = Value::Object(faults.collect());
                });
            }
            let told = plan(&home, &line);
            let before = alarms(&home);
            let ended = home.run(&line);
            let moved = changed(&before, &alarms(&home));
            home.run("sandbox fail none").code(0);
            // The first wave failed, so nothing else was begun.
            let stopped = ended.stderr.contains("not begun") && ended.stderr.contains("all the rest");
            prop_assert!(ended.code == 0 || what == 4, "{ended:?}");
            prop_assert!(moved.is_subset(&named(&told)), "{line}: {moved:?} in {told}");
            if let Some(scope) = scope
                && (what != 4 || stopped)
            {
                prop_assert!(moved.is_subset(&scope), "{line}: {moved:?} in {scope:?}");
            }
        }
        home.run("deploy").code(0);
        home.run("deploy --all-instances").code(0);
        assert_right(&home);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
