//! Ctrl-C in every command that works on AWS: it ends with 130, what was being written is finished or named, and what
//! goes on in AWS is named.

use crate::deploy::{bootstrapped, config, slow};
use crate::digest::digests;
use crate::support::home::{Ended, Home};

fn rolled_out() -> Home {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("deploy").code(0);
    home
}

fn organization(home: &Home) -> String {
    let shown = home.run("sandbox show").code(0).stdout;
    shown.split(',').next().unwrap_or_default().to_owned()
}

/// Interrupts a command as soon as it can be, while its first calls are under way.
fn interrupted(home: &Home, line: &str) -> Ended {
    slow(home, 1_500);
    let mut started = home.start(line);
    started.until_listening();
    started.interrupt();
    let ended = started.end().code(130);
    slow(home, 0);
    ended
}

#[test]
fn what_only_reads_stops_at_once_and_says_that_nothing_is_under_way() {
    let home = rolled_out();
    let account = crate::deploy::id(&home, "prod-web");
    let test_alert = format!("test-alert --account {account} --yes");
    for line in [
        "status",
        "spend",
        "doctor",
        "resend",
        "bootstrap",
        "deploy",
        &test_alert,
    ] {
        let ended = interrupted(&home, line);
        assert!(
            ended.stderr.contains("nothing was under way"),
            "{line}: {}",
            ended.stderr
        );
    }
}

/// A digest is claimed, then sent: Ctrl-C in between lets it go out, and says so.
#[test]
fn the_digest_is_sent_whole_or_not_begun_and_the_next_run_knows() {
    let config = format!(
        "{}[digest]\nto = [\"finops@example.com\"]\n",
        config(&["Production"], 100, &[])
    );
    let home = bootstrapped(&config);
    let ended = interrupted(&home, "digest");
    assert!(ended.stderr.contains("nothing was under way"), "{}", ended.stderr);
    assert!(digests(&home).is_empty());

    slow(&home, 500);
    let started = home.start("digest");
    // Its claim is there, and its mail under way.
    while !home.world()["sfn"].to_string().contains("digest_") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    started.interrupt();
    let ended = started.end().code(130);
    slow(&home, 0);
    assert!(
        ended.stderr.contains("the last thing done was to send the digest"),
        "{}",
        ended.stderr
    );
    assert_eq!(digests(&home).len(), 1, "it went out");
    let again = home.run("digest").code(1);
    assert!(again.stderr.contains("today's digest was sent at"), "{}", again.stderr);
}

#[test]
fn bootstrap_finishes_what_it_is_writing_names_it_and_is_taken_up_by_the_next_run() {
    let home = Home::with_sandbox(&config(&["Production"], 100, &[]));
    slow(&home, 300);
    let mut bootstrap = home.start("bootstrap --yes");
    // Steps are said when they are begun.
    bootstrap.until("[3/");
    bootstrap.interrupt();
    let ended = bootstrap.end().code(130);
    slow(&home, 0);
    let done = ended
        .stderr
        .split_once("the last thing done was to create ")
        .and_then(|(_, rest)| rest.split_once(';'))
        .map(|(what, _)| what.to_owned())
        .unwrap_or_else(|| panic!("{}", ended.stderr));
    // It is there, and something else isn't.
    let plan = home.run("bootstrap --plan").code(0).stdout;
    assert!(plan.contains("to create"), "{plan}");
    assert!(!plan.contains(&format!("+ {done}\n")), "{done} in {plan}");
    home.run("bootstrap --yes").code(0);
    assert!(
        home.run("bootstrap --plan")
            .code(0)
            .stdout
            .contains("nothing to change")
    );
}

#[test]
fn destroy_names_the_operation_that_goes_on_and_the_next_run_does_the_rest() {
    let home = rolled_out();
    let destroy = format!("destroy --organization {}", organization(&home));
    slow(&home, 150);
    let mut started = home.start(&destroy);
    let line = started.until("operation billctl-");
    started.interrupt();
    let ended = started.end().code(130);
    slow(&home, 0);
    let id = line.trim().trim_start_matches("operation ").to_owned();
    assert!(
        ended.stderr.contains(&id) && ended.stderr.contains("goes on in AWS"),
        "{id}: {}",
        ended.stderr
    );
    let again = home.run(&destroy).code(0);
    assert!(again.stderr.contains(&id), "it is waited for: {}", again.stderr);
    assert!(home.overrides().is_empty());
}

#[test]
fn destroy_plans_afresh_when_somebody_else_comes_in_between() {
    let home = rolled_out();
    home.edit_world(|world| {
        world["cloudformation"]["sets"]["billctl"]["managed_execution"] = false.into();
    });
    // An operation that is in the way, and not listed yet.
    home.run("sandbox fail lag 10").code(0);
    home.run("deploy --detach --ou Staging").code(0);
    home.edit_world(|world| {
        world["cloudformation"]["sets"]["billctl"]["managed_execution"] = false.into();
    });
    let ended = home
        .run(&format!("destroy --organization {}", organization(&home)))
        .code(0);
    assert!(ended.stderr.contains("planning again"), "{}", ended.stderr);
    assert!(home.overrides().is_empty(), "Staging's are gone too");
}
