//! Drift of the three kinds, in `status`; and what will alarm at once.

use serde_json::Value;

use super::{bootstrapped, config, id, line, plan};
use crate::support::home::Home;

fn rolled_out() -> Home {
    let home = bootstrapped(&config(
        &["Production"],
        100,
        &[("ou", "Root/Production/Payments", 300)],
    ));
    home.run("deploy").code(0);
    home
}

fn status(home: &Home, line: &str) -> Value {
    let ended = home.run(&format!("{line} --format json"));
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn an_alarm_edited_by_hand_is_shown_with_what_is_expected_and_what_is_there() {
    let home = rolled_out();
    let account = id(&home, "payments-prod");
    home.run(&format!(
        "sandbox break alarm-edit --account {account} --threshold 9999"
    ))
    .code(0);
    // Nobody has looked yet.
    home.run("status --check").code(0);

    let told = status(&home, "status --drift");
    let drifted = &line(&told, "payments-prod")["drifted_resources"][0];
    assert_eq!(drifted["resource_type"], "AWS::CloudWatch::Alarm", "{told}");
    assert_eq!(drifted["differences"][0]["path"], "/Threshold");
    let amount = |which: &str| {
        let text = drifted["differences"][0][which].as_str();
        text.and_then(|text| text.parse::<f64>().ok())
    };
    assert_eq!(amount("expected"), Some(300.0), "{told}");
    assert_eq!(amount("actual"), Some(9999.0), "{told}");
    assert_eq!(line(&told, "payments-prod")["coverage"], "drifted");
    assert_eq!(line(&told, "prod-web")["drift"], "IN_SYNC");

    for format in ["table", "markdown"] {
        let ended = home.run(&format!("status --drift --check --format {format}")).code(4);
        let row = ended
            .stdout
            .lines()
            .find(|line| line.contains("/Threshold"))
            .unwrap_or_default();
        assert!(
            row.contains(&account) && row.contains("300") && row.contains("9999"),
            "{}",
            ended.stdout
        );
    }
    // Also later, without looking again.
    home.run("status --check").code(4);
    home.run(&format!("deploy --recreate {account} --yes")).code(0);
    home.run("status --drift --check").code(0);
}

#[test]
fn a_deleted_resource_is_shown_as_deleted() {
    let home = rolled_out();
    let account = id(&home, "prod-web");
    home.run(&format!("sandbox break alarm-delete --account {account}"))
        .code(0);
    let told = status(&home, "status --drift");
    assert_eq!(line(&told, "prod-web")["drifted_resources"][0]["status"], "DELETED");
    let ended = home.run("status --drift --check").code(4);
    assert!(ended.stdout.contains("deleted"), "{}", ended.stdout);
}

#[test]
fn looking_for_drift_hides_no_threshold() {
    let home = rolled_out();
    let ended = home.run("status --drift -v").code(0);
    assert!(
        !ended.stderr.contains("cloudformation:DescribeStackInstance "),
        "{}",
        ended.stderr
    );
}

#[test]
fn drift_waits_for_an_operation_that_is_under_way() {
    let home = rolled_out();
    home.config(&config(
        &["Production"],
        100,
        &[("ou", "Root/Production/Payments", 400)],
    ));
    home.run("deploy --detach").code(0);
    let ended = home.run("status --drift").code(0);
    assert!(ended.stderr.contains("waiting for it"), "{}", ended.stderr);
    home.run("status --check").code(0);
}

#[test]
fn without_anybodys_charges_no_alarm_has_data() {
    let home = rolled_out();
    home.run("sandbox alerts off").code(0);
    let ended = home.run("status --check").code(4);
    assert!(ended.stdout.contains("no alarm has data"), "{}", ended.stdout);
    assert_eq!(status(&home, "status")["no_charges"], true);
}

#[test]
fn an_account_without_charges_is_told_and_is_a_finding() {
    let home = rolled_out();
    home.run("sandbox add-account --name novel --ou Production").code(0);
    home.run("deploy").code(0);
    // Too young for it to mean anything.
    home.run("status --check").code(0);
    let account = id(&home, "prod-web");
    home.edit_world(|world| {
        world["cloudwatch"]["ledger"]["published"] = serde_json::json!({account: {"total": [], "services": {}}});
    });
    let ended = home.run("status --check").code(4);
    assert!(ended.stdout.contains("1 no data"), "{}", ended.stdout);
    let told = status(&home, "status");
    assert_eq!(line(&told, "prod-web")["coverage"], "no-data");
    assert_eq!(line(&told, "novel")["coverage"], "covered");
}

#[test]
fn a_plan_warns_of_alarms_that_will_go_off_at_once() {
    let home = bootstrapped(&config(&["Production"], 100_000, &[]));
    home.run("sandbox spend --name prod-web --daily 5000").code(0);
    home.run("sandbox advance 3d").code(0);
    assert!(line(&plan(&home, "deploy"), "prod-web")["already_spent"].is_null());

    home.config(&config(&["Production"], 4_000, &[]));
    let told = plan(&home, "deploy");
    let spent = line(&told, "prod-web")["already_spent"].as_f64().unwrap_or_default();
    assert!((4_500.0..6_500.0).contains(&spent), "{spent}");
    assert!(line(&told, "data-lake")["already_spent"].is_null(), "{told}");
    for format in ["table", "markdown"] {
        let ended = home.run(&format!("deploy --plan --format {format}")).code(0);
        assert!(
            ended.stdout.contains("1 account above the new threshold already"),
            "{}",
            ended.stdout
        );
        assert!(ended.stdout.contains("will alarm at once"), "{}", ended.stdout);
    }
}

#[test]
fn spend_that_can_not_be_read_is_a_note_and_no_failure() {
    let home = bootstrapped(&config(&["Production"], 100, &[]));
    home.run("sandbox fail deny cloudwatch:GetMetricData").code(0);
    let ended = home.run("deploy").code(0);
    let notes = ended
        .stdout
        .lines()
        .filter(|line| line.contains("couldn't be read"))
        .count();
    assert_eq!(notes, 1, "{}", ended.stdout);
    // What doesn't change costs nothing.
    let ended = home.run("deploy --plan -v").code(0);
    assert!(!ended.stderr.contains("GetMetricData"), "{}", ended.stderr);
}
