//! The scenarios. See `mod.rs` for where they run, and what isn't to be had there.

use super::stage::Stage;

/// `A` with two accounts, `A/B` with two more.
fn two_levels(stage: &mut Stage<'_>) {
    stage.ous(&["A", "A/B"]);
    stage.accounts("A", &["web", "api"]);
    stage.accounts("A/B", &["ledger", "fraud"]);
}

const PLAN: &str = "deploy --plan --format json";

/// That the next run has nothing to do, and does nothing.
fn is_at_rest(stage: &mut Stage<'_>) {
    let before = stage.operations();
    let ended = stage.run("deploy -v").code(0);
    assert!(ended.stdout.contains("nothing to change"), "{}", ended.stdout);
    assert_eq!(ended.calls("write"), 0, "{}", ended.stderr);
    assert_eq!(stage.operations(), before);
    assert!(stage.touched(PLAN).is_empty());
}

pub(super) fn the_whole_of_an_ou_gets_the_alarm_and_a_second_run_starts_nothing(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.ous(&["Elsewhere"]);
    stage.accounts("Elsewhere", &["play"]);
    stage.config(100, &[], &["A"]);
    assert_eq!(stage.touched(PLAN), ["api", "fraud", "ledger", "web"]);
    assert_eq!(stage.operations(), 0, "a plan starts nothing");
    stage.run("deploy").code(0);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 100), ("fraud", 100)]);
    is_at_rest(stage);
    for name in ["web", "ledger"] {
        assert_eq!(stage.status(name)["coverage"], "covered");
        assert_eq!(stage.status(name)["effective"], 100.0);
    }
    assert_eq!(stage.status("play")["coverage"], "not-targeted");
}

pub(super) fn the_deepest_rule_gives_the_threshold(stage: &mut Stage<'_>) {
    stage.ous(&["A", "A/B", "A/B/C", "A/B/C/D", "Z"]);
    stage.accounts("A", &["top"]);
    stage.accounts("A/B", &["middle"]);
    stage.accounts("A/B/C/D", &["bottom", "special"]);
    stage.accounts("Z", &["other"]);
    let rules = [("ou", "A/B", 300), ("account", "special", 700)];
    stage.config(100, &rules, &["A"]);
    stage.run("deploy").code(0);
    stage.has(&[("top", 100), ("middle", 300), ("bottom", 300), ("special", 700)]);
    is_at_rest(stage);
    assert_eq!(stage.status("special")["overridden"], true);
    assert_eq!(stage.status("top")["overridden"], false);
}

pub(super) fn changed_and_reset_thresholds_touch_only_their_accounts(stage: &mut Stage<'_>) {
    two_levels(stage);
    let rules = [("ou", "A/B", 300), ("account", "api", 500)];
    stage.config(100, &rules, &["A"]);
    stage.run("deploy").code(0);
    stage.has(&[("web", 100), ("api", 500), ("ledger", 300), ("fraud", 300)]);

    stage.config(100, &[("ou", "A/B", 400), ("account", "api", 500)], &["A"]);
    assert_eq!(stage.touched(PLAN), ["fraud", "ledger"]);
    stage.run("deploy").code(0);
    stage.has(&[("web", 100), ("api", 500), ("ledger", 400), ("fraud", 400)]);
    is_at_rest(stage);

    stage.config(100, &[("ou", "A/B", 400)], &["A"]);
    assert_eq!(stage.touched(PLAN), ["api"]);
    stage.run("deploy").code(0);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 400), ("fraud", 400)]);
    assert_eq!(stage.status("api")["overridden"], false);
    is_at_rest(stage);
}

pub(super) fn a_changed_default_leaves_overrides_as_they_are(stage: &mut Stage<'_>) {
    two_levels(stage);
    let rules = [("ou", "A/B", 300)];
    stage.config(100, &rules, &["A"]);
    stage.run("deploy").code(0);
    stage.config(150, &rules, &["A"]);
    stage.run("deploy").code(0);
    stage.has(&[("web", 150), ("api", 150), ("ledger", 300), ("fraud", 300)]);
    is_at_rest(stage);
}

pub(super) fn a_new_account_is_covered_with_its_own_threshold(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.config(100, &[("ou", "A/B", 300)], &["A"]);
    stage.run("deploy").code(0);
    stage.accounts("A/B", &["novel"]);
    stage.settle("novel");
    // By auto-deployment with the default threshold, or not at all yet: wrong in either way.
    let said = stage.status("novel");
    assert!(
        said["coverage"] == "wrong-threshold" || said["coverage"] == "missing",
        "{said}"
    );
    assert_eq!(stage.touched(PLAN), ["novel"]);
    stage.run("deploy").code(0);
    stage.has(&[
        ("web", 100),
        ("api", 100),
        ("ledger", 300),
        ("fraud", 300),
        ("novel", 300),
    ]);
    is_at_rest(stage);
}

pub(super) fn a_moved_account_gets_the_threshold_of_its_new_place(stage: &mut Stage<'_>) {
    stage.ous(&["A", "C"]);
    stage.accounts("A", &["stays", "moves"]);
    stage.accounts("C", &["there"]);
    let rules = [("ou", "C", 300)];
    stage.config(100, &rules, &["A", "C"]);
    stage.run("deploy").code(0);
    stage.has(&[("stays", 100), ("moves", 100), ("there", 300)]);
    stage.move_account("moves", "C");
    stage.settle("moves");
    assert_eq!(stage.touched(PLAN), ["moves"]);
    stage.run("deploy").code(0);
    stage.has(&[("stays", 100), ("moves", 300), ("there", 300)]);
    is_at_rest(stage);
}

pub(super) fn a_suspended_account_is_skipped(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.ous(&["Gone"]);
    stage.accounts("Gone", &["last"]);
    stage.suspend("fraud");
    stage.suspend("last");
    stage.config(100, &[("ou", "A/B", 300)], &["A", "Gone"]);
    assert_eq!(stage.touched(PLAN), ["api", "ledger", "web"]);
    let ended = stage.run("deploy").code(0);
    assert!(ended.stdout.contains("Gone"), "{}", ended.stdout);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 300)]);
    assert_eq!(stage.status("fraud")["coverage"], "not-active");
    is_at_rest(stage);
}

pub(super) fn an_empty_ou_is_said_and_covered_once_it_holds_an_account(stage: &mut Stage<'_>) {
    stage.ous(&["Full", "Empty"]);
    stage.accounts("Full", &["web"]);
    stage.config(100, &[], &["Full", "Empty"]);
    let ended = stage.run("deploy").code(0);
    assert!(ended.stdout.contains("Empty holds no account yet"), "{}", ended.stdout);
    stage.has(&[("web", 100)]);
    is_at_rest(stage);
    stage.accounts("Empty", &["first"]);
    // By itself, where accounts are followed.
    stage.run("deploy").code(0);
    stage.has(&[("web", 100), ("first", 100)]);
    is_at_rest(stage);
}

pub(super) fn an_account_that_fails_is_named_and_taken_up_again(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.config(100, &[("ou", "A/B", 300)], &["A"]);
    stage.obstruct("ledger");
    let ended = stage.run("deploy --tolerance 1").code(3);
    assert!(ended.stdout.contains("ledger"), "{}", ended.stdout);
    stage.has(&[("web", 100), ("api", 100), ("fraud", 300)]);
    assert_eq!(stage.status("ledger")["coverage"], "failed");
    stage.clear("ledger");
    assert_eq!(stage.touched(PLAN), ["ledger"]);
    stage.run("deploy").code(0);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 300), ("fraud", 300)]);
    is_at_rest(stage);
}

pub(super) fn prune_removes_what_config_no_longer_targets(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.ous(&["Old"]);
    stage.accounts("Old", &["legacy"]);
    stage.config(100, &[("ou", "A/B", 300)], &["A", "Old"]);
    stage.run("deploy").code(0);
    stage.config(100, &[("ou", "A/B", 300)], &["A"]);
    assert_eq!(stage.status("legacy")["coverage"], "stray");
    // Not without being told to, and not without a yes.
    is_at_rest(stage);
    stage.run("deploy --prune").code(2);
    stage.run("deploy --prune --yes").code(0);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 300), ("fraud", 300)]);
    assert_eq!(stage.status("legacy")["coverage"], "not-targeted");
    is_at_rest(stage);
}

pub(super) fn a_delegated_administrator_rolls_out(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.ous(&["Tools"]);
    stage.accounts("Tools", &["admin"]);
    stage.delegate("admin");
    stage.config(100, &[("ou", "A/B", 300)], &["A"]);
    stage.run("deploy").code(0);
    let said = stage.status("ledger");
    assert_eq!(said["coverage"], "covered", "{said}");
    assert_eq!(said["effective"], 300.0, "{said}");
    let ended = stage.run("deploy -v").code(0);
    assert!(ended.stdout.contains("nothing to change"), "{}", ended.stdout);
    assert_eq!(ended.calls("write"), 0, "{}", ended.stderr);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 300), ("fraud", 300)]);
}

pub(super) fn an_alarm_deleted_by_hand_is_named_and_recreated(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.config(100, &[], &["A"]);
    stage.run("deploy").code(0);
    stage.delete_alarm("ledger");
    // CloudFormation's next update of that stack fails: the account is named, with the way to fix it.
    stage.config(100, &[("account", "ledger", 700)], &["A"]);
    let ended = stage.run("deploy --tolerance 1");
    let id = stage.id("ledger");
    assert!(
        ended.stdout.contains("ledger") && ended.stdout.contains("--recreate"),
        "{ended:?}"
    );
    stage.run(&format!("deploy --recreate {id} --yes")).code(0);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 700), ("fraud", 100)]);
    is_at_rest(stage);
}

pub(super) fn an_alarm_edited_by_hand_is_put_right_by_making_it_anew(stage: &mut Stage<'_>) {
    two_levels(stage);
    stage.config(100, &[], &["A"]);
    stage.run("deploy").code(0);
    stage.edit_alarm("ledger", 9_000);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 9_000), ("fraud", 100)]);
    // CloudFormation doesn't know of it, so neither does a plan.
    is_at_rest(stage);
    let id = stage.id("ledger");
    stage.run(&format!("deploy --recreate {id} --yes")).code(0);
    stage.has(&[("web", 100), ("api", 100), ("ledger", 100), ("fraud", 100)]);
    is_at_rest(stage);
}
