//! Ctrl-C, death, `--detach`, `--stop`, `--no-wait`, and two at once.

use super::{assert_right, bootstrapped, config, slow};
use crate::support::home::Home;

const PRODUCTION: &[&str] = &["Production"];
const PAYMENTS: (&str, &str, u32) = ("ou", "Root/Production/Payments", 300);
const DATA: (&str, &str, u32) = ("ou", "Root/Production/Data", 200);

/// A home whose deploy was stopped by Ctrl-C while its first operation was under way; and that operation.
fn interrupted() -> (Home, String) {
    let home = bootstrapped(&config(PRODUCTION, 100, &[PAYMENTS]));
    slow(&home, 150);
    let mut deploy = home.start("deploy");
    let told = deploy.until("operation billctl-");
    deploy.interrupt();
    let ended = deploy.end().code(130);
    let id = told.trim().trim_start_matches("operation ").to_owned();
    assert!(ended.stderr.contains("goes on in AWS"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&id), "{id}: {}", ended.stderr);
    assert!(ended.stderr.contains("--stop"), "{}", ended.stderr);
    slow(&home, 0);
    (home, id)
}

#[test]
fn ctrl_c_stops_watching_and_the_next_run_follows_the_same_operation() {
    let (home, id) = interrupted();
    let again = home.run("deploy").code(0);
    assert!(again.stderr.contains(&id), "{}", again.stderr);
    let operations = home.operations();
    assert_eq!(operations.iter().filter(|one| **one == id).count(), 1);
    assert_eq!(operations.len(), 2, "{operations:?}");
    assert_right(&home);
}

#[test]
fn with_no_wait_an_operation_under_way_ends_the_run_with_five() {
    let (home, id) = interrupted();
    let ended = home.run("deploy --no-wait").code(5);
    assert!(ended.stderr.contains(&id), "{}", ended.stderr);
    assert_eq!(home.operations(), [id]);
}

#[test]
fn stop_stops_the_operation_and_deploy_takes_up_the_rest() {
    let (home, id) = interrupted();
    let ended = home.run("deploy --stop").code(0);
    assert!(
        ended.stdout.contains(&format!("operation {id} is stopped")),
        "{}",
        ended.stdout
    );
    let ended = home.run("deploy --stop").code(0);
    assert!(ended.stdout.contains("no operation is under way"), "{}", ended.stdout);
    home.run("deploy").code(0);
    assert_right(&home);
}

#[test]
fn a_run_that_is_stopped_by_another_says_so() {
    let home = bootstrapped(&config(PRODUCTION, 100, &[]));
    slow(&home, 200);
    let mut deploy = home.start("deploy");
    deploy.until("operation billctl-");
    home.run("deploy --stop").code(0);
    let ended = deploy.end().code(1);
    assert!(ended.stderr.contains("was stopped"), "{}", ended.stderr);
    slow(&home, 0);
    home.run("deploy").code(0);
    assert_right(&home);
}

#[test]
fn detach_submits_and_leaves_and_the_next_run_does_the_rest() {
    let home = bootstrapped(&config(PRODUCTION, 100, &[PAYMENTS]));
    let ended = home.run("deploy --detach").code(0);
    let operations = home.operations();
    assert_eq!(operations.len(), 1);
    assert!(ended.stdout.contains(&operations[0]), "{}", ended.stdout);
    home.run("deploy --detach").code(5);
    home.run("deploy").code(0);
    assert_eq!(home.operations().len(), 2);
    assert_right(&home);
}

#[test]
fn two_deploys_at_once_both_end_right() {
    let home = bootstrapped(&config(PRODUCTION, 100, &[PAYMENTS]));
    home.run("deploy").code(0);
    home.config(&config(PRODUCTION, 150, &[DATA]));
    slow(&home, 10);
    let one = home.start("deploy");
    let other = home.start("deploy");
    one.end().code(0);
    other.end().code(0);
    assert_right(&home);
}

#[test]
fn a_change_of_everything_at_once_survives_death_at_any_call() {
    let before = config(
        PRODUCTION,
        100,
        &[PAYMENTS, ("ou", "Root/Production/Data/Science", 700)],
    );
    // The default, another parameter, a new override, a changed one, and overrides that go.
    let after = config(PRODUCTION, 150, &[DATA, ("ou", "Root/Production/Data/Science", 900)])
        .replace("[alarm]\n", "[alarm]\nmeasure = \"six-hourly\"\n");
    let home = bootstrapped(&before);
    home.run("deploy").code(0);
    home.config(&after);
    home.run("bootstrap --yes").code(0);
    let world = home.path().join("sandbox.json");
    let start = std::fs::read(&world).expect("the sandbox");
    home.run("deploy").code(0);
    let uninterrupted = home.overrides();
    let operations = home.operations().len();
    assert!(uninterrupted.values().any(|threshold| *threshold == Some(900.0)));
    // To die before a call is to die after the one before it.
    for k in 1.. {
        std::fs::write(&world, &start).expect("the sandbox");
        home.run(&format!("sandbox fail die-at {k} --after")).code(0);
        let died = home.run("deploy");
        home.run("sandbox fail none").code(0);
        home.run("deploy").code(0);
        assert_eq!(home.overrides(), uninterrupted, "died after call {k}");
        assert_eq!(
            home.operations().len(),
            operations,
            "died after call {k}: {:?}",
            home.operations()
        );
        if died.code == 0 {
            assert!(k > 30, "the whole run has more than {k} calls");
            break;
        }
        assert_eq!(died.code, 137, "{died:?}");
    }
}
