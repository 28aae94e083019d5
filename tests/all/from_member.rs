//! The whole way from a member's alarm on, and what is seen of members from inside, on the sandbox.

use std::collections::BTreeSet;

use billctl::config::Config;
use billctl::observe::probe;
use billctl_core::service::Kind;
use billctl_core::service::cloudwatch::AlarmState;
use billctl_sandbox::cloudformation::HandEdit;
use billctl_sandbox::{Sandbox, World, seed};
use serde_json::{Value, json};

use crate::support::home::Home;

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\", \"Acquisitions\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";
const PAYER: &str = "100000000011";
const PROD_WEB: &str = "886563732113";

/// A notifier of the same names as ours: a watch of the account's hour, and where the account is above its limit its
/// day. `judgement` is the state that the watch is in after it has read the figures.
fn watching(judgement: &Value) -> Value {
    json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Which",
        "States": {
            "Which": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $exists($states.input.billctl) %}", "Next": "Read"},
                    {"Condition": "{% $states.input.detail.state.value != 'ALARM' %}", "Next": "Ignore"},
                ],
                "Default": "Hand on",
            },
            "Ignore": {"Type": "Pass", "Output": {"result": "ignored"}, "End": true},
            "Hand on": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution",
                "Arguments": {
                    "StateMachineArn": "{% $states.context.StateMachine.Id %}",
                    "Name": "{% 'watch_' & $states.input.account & '_' & $substring($states.input.time, 0, 13) %}",
                    "Input": {"billctl": "watch", "account": "{% $states.input.account %}"},
                },
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Duplicate"}],
                "Output": {"result": "handed-on"},
                "End": true,
            },
            "Duplicate": {"Type": "Pass", "Output": {"result": "duplicate"}, "End": true},
            "Read": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:cloudwatch:getMetricData",
                "Arguments": {
                    "StartTime": "2026-03-10T09:00:00Z",
                    "EndTime": "2026-03-11T09:00:00Z",
                    "MetricDataQueries": [{"Id": "m1", "MetricStat": {
                        "Metric": {"Namespace": "AWS/Billing", "MetricName": "EstimatedCharges", "Dimensions": [
                            {"Name": "Currency", "Value": "USD"},
                            {"Name": "LinkedAccount", "Value": "{% $states.input.account %}"},
                        ]},
                        "Period": 300, "Stat": "Maximum",
                    }}],
                },
                "Output": {"account": "{% $states.input.account %}", "amount": 12.5, "limit": 100},
                "Next": "Judge",
            },
            "Judge": judgement,
            "Not borne out": {"Type": "Pass", "Output": {"result": "not borne out"}, "End": true},
        },
    })
}

fn waits() -> Value {
    json!({"Type": "Wait", "Seconds": 43_200, "Next": "Not borne out"})
}

/// Everything rolled out.
fn deployed() -> Home {
    let home = Home::demo();
    home.config(CONFIG);
    home.succeeds(&["--yes", "bootstrap"]);
    home.succeeds(&["--yes", "deploy"]);
    home.succeeds(&["sandbox", "advance", "10m"]);
    home
}

/// The same with this notifier.
fn rolled_out(judgement: &Value) -> Home {
    let home = deployed();
    let services = home.sandbox().services();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let arn = format!("arn:aws:states:us-east-1:{PAYER}:stateMachine:billctl-notifier")
            .parse()
            .unwrap();
        let sfn = &services.sfn;
        let there = sfn.describe_state_machine(&arn).await.unwrap();
        sfn.update_state_machine(&arn, &watching(judgement), &there.role_arn)
            .await
            .unwrap();
    });
    home
}

fn test(home: &Home) -> (i32, String, String) {
    let output = home.run(&["test-alert", "--account", PROD_WEB, "--from-member"]);
    let (out, err) = output.texts();
    (output.code, out, err)
}

fn state(home: &Home) -> AlarmState {
    home.sandbox().peek(|world| {
        let account = PROD_WEB.parse().unwrap();
        world.member_alarm(account).unwrap().1.state
    })
}

#[test]
fn an_account_below_its_limit_ends_well_at_the_watch() {
    let home = rolled_out(&waits());
    let (code, out, err) = test(&home);
    assert_eq!(code, 0, "{out}{err}");
    for hop in [
        "role OrganizationAccountAccessRole: assumed in account 886563732113",
        "alarm Billing-Alarm: is there: above $100.00",
        "the member's rule billctl-forward-alarm: is enabled",
        "alarm Billing-Alarm: was set to ALARM",
        "bus billctl and rule billctl-member-alarms: the event came through: watch_886563732113_2026-03-11T09",
        "$12.50 is not above $100.00, so nobody is written to",
        "CloudWatch puts the alarm's state back by itself",
        "`billctl test-alert --account 886563732113` shows the rest of the way",
    ] {
        assert!(out.contains(hop), "{hop}\n{out}{err}");
    }
    home.succeeds(&["sandbox", "advance", "2m"]);
    assert_eq!(state(&home), AlarmState::Ok);
}

#[test]
fn a_second_test_in_the_same_hour_finds_the_watch_that_is_there() {
    let home = rolled_out(&waits());
    test(&home);
    let (code, out, err) = test(&home);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("the event came through; this hour's watch was there: watch_886563732113_"),
        "{out}{err}"
    );
}

#[test]
fn a_watch_that_fails_is_where_the_way_ends() {
    let fails = json!({"Type": "Fail", "Error": "Billctl.UnknownAccount", "Cause": "by hand"});
    let home = rolled_out(&fails);
    let (code, out, err) = test(&home);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("FAILED  notifier: Billctl.UnknownAccount: by hand"),
        "{out}{err}"
    );
}

#[test]
fn json_has_the_hops_and_the_notes() {
    let home = rolled_out(&waits());
    let output = home.run(&["--format", "json", "test-alert", "--account", PROD_WEB, "--from-member"]);
    let (out, err) = output.texts();
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert_eq!(json["event_id"], Value::Null);
    assert_eq!(json["notes"].as_array().unwrap().len(), 2);
    let hops = json["hops"].as_array().unwrap();
    assert!(hops.iter().all(|hop| hop["status"] == "ok"), "{hops:?}");
}

#[test]
fn each_hop_that_fails_has_its_remedy() {
    fn edit(world: &mut World, edit: &HandEdit) {
        world.edit_member(PROD_WEB.parse().unwrap(), edit).unwrap();
    }
    type Damage = fn(&mut World);
    let cases: [(Damage, &str, &str); 6] = [
        (
            |world| world.faults.no_member_role = true,
            "FAILED  role OrganizationAccountAccessRole",
            "[members] role",
        ),
        (
            |world| world.organizations.invite(PROD_WEB.parse().unwrap()),
            "FAILED  role OrganizationAccountAccessRole",
            "not in invited",
        ),
        (
            |world| {
                let action = "cloudwatch:SetAlarmState".to_owned();
                world.faults.deny.insert(action);
            },
            "FAILED  alarm Billing-Alarm",
            "service control policy",
        ),
        (
            |world| edit(world, &HandEdit::DeleteAlarm),
            "FAILED  alarm Billing-Alarm: isn't in the account",
            "billctl deploy",
        ),
        (
            |world| edit(world, &HandEdit::DisableRule),
            "FAILED  the member's rule billctl-forward-alarm: is disabled",
            "billctl deploy",
        ),
        (
            |world| edit(world, &HandEdit::DeleteRole),
            "FAILED  event bus billctl: there is no sign",
            "the bus's policy",
        ),
    ];
    let home = rolled_out(&waits());
    let file = home.file("sandbox.json");
    let sound = std::fs::read(&file).unwrap();
    for (damage, hop, remedy) in cases {
        std::fs::write(&file, &sound).unwrap();
        home.change(damage);
        let (code, out, err) = test(&home);
        assert_eq!(code, 1, "{hop}\n{out}{err}");
        assert!(out.contains(hop), "{hop}\n{out}{err}");
        assert!(err.contains(remedy), "{hop}: {remedy}\n{out}{err}");
    }
}

#[test]
fn an_account_outside_the_organisation_is_a_wrong_command_line() {
    let home = Home::demo();
    home.config(CONFIG);
    for more in [&[][..], &["--from-member"]] {
        let output = home.run(&[&["test-alert", "--account", "999999999999"], more].concat());
        let (_, err) = output.texts();
        assert_eq!(output.code, 2, "{err}");
        assert!(err.contains("isn't in the organisation"), "{err}");
    }
    let output = home.run(&["test-alert", "--account", PAYER, "--from-member"]);
    assert_eq!(output.code, 2, "{:?}", output.texts());
}

#[test]
fn status_looks_into_members() {
    let home = deployed();
    let out = home.succeeds(&["status", "--probe"]);
    assert!(out.contains("looked into 15 of 17 covered accounts by role"), "{out}");
    assert!(out.contains("no way into 2 accounts"), "{out}");
    // By hand, past CloudFormation: for the listing the account is as it should be.
    home.change(|world| {
        let account = PROD_WEB.parse().unwrap();
        for edit in [HandEdit::AlarmThreshold(5_000.0), HandEdit::DisableRule] {
            world.edit_member(account, &edit).unwrap();
        }
    });
    let output = home.run(&["status", "--probe", "--check"]);
    let (out, _) = output.texts();
    assert_eq!(output.code, 4, "{out}");
    assert!(out.contains("seen there: 1 wrong threshold, 1 rule off"), "{out}");
    let row = out.lines().find(|line| line.contains("$5,000.00"));
    let row = row.unwrap_or_else(|| panic!("{out}"));
    assert!(
        row.contains("prod-web") && row.contains("wrong threshold, rule off"),
        "{row}"
    );
    assert_eq!(home.run(&["status", "--check"]).code, 0);

    let markdown = home.succeeds(&["--format", "markdown", "status", "--probe"]);
    assert!(markdown.contains("| wrong threshold, rule off |"), "{markdown}");
    let json = |arguments: &[&str]| -> Value {
        let arguments = [&["--format", "json", "status"], arguments].concat();
        serde_json::from_str(&home.succeeds(&arguments)).unwrap()
    };
    let few = json(&["--probe=3"]);
    let accounts = few["probe"]["accounts"].as_array().unwrap();
    assert_eq!((accounts.len(), &few["probe"]["covered"]), (3, &17.into()));
    let ous: BTreeSet<&str> = accounts.iter().map(|one| one["ou"].as_str().unwrap()).collect();
    assert_eq!(ous.len(), 3, "spread over the OUs: {ous:?}");
    assert_eq!(json(&[]).get("probe"), None);
}

#[test]
fn members_without_a_series_are_told() {
    let home = deployed();
    home.succeeds(&["sandbox", "alerts", "off"]);
    let out = home.succeeds(&["status", "--probe"]);
    assert!(out.contains("15 no data"), "{out}");
    assert!(out.contains("`billctl spend --tell` covers it"), "{out}");
}

#[test]
fn an_alarm_that_is_in_alarm_already_is_set_off_all_the_same() {
    let home = rolled_out(&waits());
    home.change(|world| {
        let account = PROD_WEB.parse().unwrap();
        let mut state = world.member_alarm(account).unwrap().1.clone();
        state.state = AlarmState::Alarm;
        world.set_member_alarm_state(account, state);
    });
    let (code, out, err) = test(&home);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("now ALARM") && out.contains("the event came through"),
        "{out}{err}"
    );
}

#[tokio::test]
async fn a_session_that_may_only_look_can_not_set_the_alarm() {
    let sandbox = Sandbox::in_memory(seed::demo());
    let config = Config::parse("config.toml", CONFIG).unwrap();
    let account = PROD_WEB.parse().unwrap();
    let way = probe::way_in(&config, account, false);
    let member = sandbox.services().members.enter(&way).await.unwrap();
    let set = member.set_alarm_state("Billing-Alarm", AlarmState::Alarm, "a test");
    let error = set.await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert!(error.message.contains("no session policy allows"), "{error}");
    // Another alarm isn't its business either.
    let other = member.describe_alarm("Another-Alarm").await.unwrap_err();
    assert_eq!(other.kind, Kind::Denied);
    assert_eq!(member.describe_alarm("Billing-Alarm").await, Ok(None));
}

#[test]
fn the_policy_with_the_way_in_says_how_mighty_it_is() {
    let home = Home::demo();
    home.config(CONFIG);
    let output = home.run(&["--quiet", "policy", "status", "--probe"]);
    let (out, err) = output.texts();
    let policy: Value = serde_json::from_str(&out).unwrap();
    assert!(policy["Statement"].as_array().unwrap().len() > 3);
    assert!(
        out.contains("sts:AssumeRole") && err.contains("administrator"),
        "{out}{err}"
    );
    let plain = home.run(&["policy", "status"]);
    assert!(!plain.texts().0.contains("sts:AssumeRole"));
    let deploy = home.run(&["policy", "deploy", "--probe"]);
    assert_eq!(deploy.code, 2);
}
