//! What billctl's verbs say of one world agrees, and what a remedy names clears what it is named for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::home::{Ended, Home};

const MAIL: &str = "[status]\ndrift-every = \"never\"\n[mail]\nfrom = \"billing@example.com\"\n";
const BASE: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\", \"Sandboxes\", \"Staging\"]\n";

/// Set up and rolled out, with this before the mail's part of the config.
fn rolled_out(config: &str) -> Home {
    let home = Home::with_sandbox(&format!("{config}{MAIL}"));
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("deploy --yes").code(0);
    home
}

fn well() -> Home {
    rolled_out(BASE)
}

fn json_of(home: &Home, line: &str) -> Value {
    let ended = home.run(&format!("{line} --format json"));
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{line}: {ended:?}"))
}

fn kinds(home: &Home, line: &str) -> Vec<String> {
    let status = json_of(home, line);
    let found = status["findings"].as_array().expect("findings").iter();
    found
        .map(|finding| finding["kind"].as_str().expect("a kind").to_owned())
        .collect()
}

/// The remedy of the finding of this kind, and the commands in it.
fn remedy(home: &Home, line: &str, kind: &str) -> (String, Vec<String>) {
    let status = json_of(home, line);
    let finding = status["findings"]
        .as_array()
        .and_then(|all| all.iter().find(|finding| finding["kind"] == kind).cloned())
        .unwrap_or_else(|| panic!("{kind}: {}", status["findings"]));
    let remedy = finding["remedy"].as_str().expect("a remedy").to_owned();
    let commands = printed(&remedy);
    (remedy, commands)
}

/// The commands of billctl in a text.
fn printed(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts
        .filter_map(|part| part.strip_prefix("billctl "))
        .map(str::to_owned)
        .collect()
}

fn accounts(values: &Value, holds: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let values = values.as_array().into_iter().flatten();
    values
        .filter(|value| holds(value))
        .map(|value| value["account"].as_str().expect("an account").to_owned())
        .collect()
}

#[track_caller]
fn says(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(
            ended.stdout.contains(word) || ended.stderr.contains(word),
            "{word}\n{}\n{}",
            ended.stdout,
            ended.stderr
        );
    }
}

/// A few numbers that are always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % most
    }
}

#[test]
fn whoever_is_above_is_above_for_every_verb() {
    let ous = ["Production", "Sandboxes", "Staging", "Infrastructure", "Suspended"];
    let names = [
        "prod-web",
        "payments-prod",
        "data-lake",
        "sandbox-hugo",
        "staging-web",
        "shared-images",
        "old-campaign",
        "nimbus-shop",
        "billing",
    ];
    let mut above = 0;
    for seed in 1..=4 {
        let mut random = Random(seed);
        let from = random.below(3);
        let chosen: Vec<String> = ous[from..from + 3].iter().map(|ou| format!("{ou:?}")).collect();
        let targets = match seed {
            // Nothing is said: everybody is watched.
            4 => String::new(),
            _ => format!("ous = [{}]\n", chosen.join(", ")),
        };
        let config = |threshold: usize, excluded: &str| {
            format!("[alarm]\nthreshold = {threshold}\n[deploy]\n{targets}exclude-accounts = [{excluded}]\n{MAIL}")
        };
        let home = Home::with_sandbox(&config(100, ""));
        home.run("bootstrap --yes").code(0);
        home.run("sandbox verify billing@example.com").code(0);
        home.run(if seed == 4 {
            "deploy --ou Production --yes"
        } else {
            "deploy --yes"
        })
        .code(0);
        for name in names {
            let daily = [20, 90, 130, 500][random.below(4)];
            home.run(&format!("sandbox spend --name {name} --daily {daily}"))
                .code(0);
        }
        home.run("sandbox advance 40h").code(0);
        home.run("sandbox suspend --name payments-prod").code(0);
        // Config says who counts and what the limit is, also where nothing is deployed of it yet.
        let rows = json_of(&home, "spend");
        let left_out = names[random.below(3) * 2];
        let excluded = accounts(&rows["rows"], |row| row["name"] == left_out);
        let excluded: Vec<String> = excluded.iter().map(|id| format!("{id:?}")).collect();
        home.config(&config([60, 100, 200][random.below(3)], &excluded.join(", ")));

        let status = accounts(&json_of(&home, "status")["above"], |_| true);
        let digest = json_of(&home, "digest --preview digest");
        let report = accounts(&json_of(&home, "spend")["rows"], |row| row["over_threshold"] == true);
        let is_above = home.run("spend --check").code == 4;
        let told = accounts(&json_of(&home, "spend --tell")["told"]["accounts"], |_| true);
        assert_eq!(status, report, "{seed}");
        assert_eq!(status, told, "{seed}");
        assert_eq!(status, accounts(&digest["above"], |_| true), "{seed}");
        assert_eq!(is_above, !status.is_empty(), "{seed}");
        let subject = digest["mail"]["subject"].as_str().expect("a subject");
        let said = match status.len() {
            0 => "none above the limit".to_owned(),
            some => format!("{some} above the limit"),
        };
        assert!(subject.ends_with(&said), "{subject}: {said}");
        above += status.len();
        // Who was told is found no more.
        home.run("sandbox advance 5m").code(0);
        assert!(!kinds(&home, "status").contains(&"untold".to_owned()), "{seed}");
    }
    assert!(above > 5, "{above}");
}

#[test]
fn what_is_broken_in_a_member_is_mended_by_what_is_printed() {
    let home = well();
    let account = json_of(&home, "spend")["rows"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["name"] == "payments-prod").cloned())
        .expect("payments-prod");
    let account = account["account"].as_str().expect("an id").to_owned();
    for broken in ["alarm-delete", "alarm-edit", "rule-disable"] {
        let more = if broken == "alarm-edit" {
            " --threshold 9999"
        } else {
            ""
        };
        let broke = format!("sandbox break {broken} --name payments-prod{more}");
        // Whichever command found it.
        home.run(&broke).code(0);
        home.run("status --probe --check").code(4);
        let (_, commands) = remedy(&home, "status --probe", "probe");
        home.run(&format!("{} --yes", commands[0])).code(0);
        home.run("status --probe --check").code(0);

        if broken == "alarm-edit" {
            continue;
        }
        home.run(&broke).code(0);
        let test = format!("test-alert --account {account} --from-member --yes");
        let ended = home.run(&test).code(1);
        home.run(&format!("{} --yes", printed(&ended.stderr)[0])).code(0);
        home.run("status --probe --check").code(0);
    }
    // The doctor looks into three.
    for name in json_of(&home, "status")["accounts"].as_array().expect("accounts") {
        if name["coverage"] == "covered" {
            home.run(&format!(
                "sandbox break alarm-delete --account {}",
                name["account"].as_str().expect("an id")
            ))
            .code(0);
        }
    }
    let member_alarms = |home: &Home| -> Value {
        let checks = json_of(home, "doctor")["checks"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        checks
            .into_iter()
            .find(|check| check["name"] == "member-alarms")
            .expect("a check")
    };
    let check = member_alarms(&home);
    assert_eq!(check["verdict"], "failed", "{check}");
    let commands = printed(check["remedy"].as_str().expect("a remedy"));
    home.run(&format!("{} --yes", commands[0])).code(0);
    assert_eq!(member_alarms(&home)["verdict"], "ok");
    // Where there are too many to be named, all that is printed is done in its order.
    let (_, commands) = remedy(&home, "status --probe", "probe");
    for command in commands {
        home.run(&format!("{command} --yes")).code(0);
    }
    home.run("status --probe --check").code(0);
}

#[test]
fn operations_that_nobody_hears_are_a_finding_until_the_link_is_clicked() {
    let home = rolled_out(&format!("[operations]\nmail = \"ops@example.com\"\n{BASE}"));
    assert_eq!(kinds(&home, "status"), ["operations-unheard"]);
    let ended = home.run("status --check").code(4);
    assert!(!ended.stdout.contains("all well"), "{}", ended.stdout);
    says(&ended, &["ops@example.com", "click the link"]);
    home.run("sandbox verify ops@example.com").code(0);
    home.run("status --check").code(0);
}

#[test]
fn a_chat_that_is_not_told_is_a_finding_until_it_takes_a_test() {
    let topic = "arn:aws:sns:us-east-1:100000000011:spend";
    let chat = format!("[[chat]]\ntopic = \"{topic}\"\n");
    let home = rolled_out(&format!("{chat}{BASE}"));
    assert_eq!(kinds(&home, "status"), ["chat-unheard"]);
    home.run("sandbox spend --name prod-web --daily 400").code(0);
    home.run("sandbox advance 24h").code(0);
    // The message is lost; then there is a topic, of which nobody knows yet whether it is heard.
    home.run("sandbox add-topic spend").code(0);
    home.run("sandbox advance 2h").code(0);
    assert_eq!(kinds(&home, "status"), ["chat-lost"]);
    let (remedy, _) = remedy(&home, "status", "chat-lost");
    assert!(remedy.contains("`billctl test-alert --account ACCOUNT`"), "{remedy}");
    home.run("test-alert --account prod-web --yes").code(0);
    home.run("status --check").code(0);
}

#[test]
fn the_doctor_fails_where_a_call_does_and_says_what_it_left() {
    let home = well();
    for action in ["organizations:ListRoots", "ses:GetEmailIdentity"] {
        home.run(&format!("sandbox fail deny {action}")).code(0);
        let ended = home.run("doctor").code(1);
        assert!(!ended.stdout.contains("Nothing is in the way"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("Everything is in place"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("nothing is rolled out yet"), "{}", ended.stdout);
        home.run("sandbox fail none").code(0);
    }
    home.run("sandbox delegate --name security-tooling").code(0);
    home.run("sandbox login --name security-tooling").code(0);
    home.config(&format!("call-as = \"delegated-admin\"\n{BASE}{MAIL}"));
    let ended = home.run("doctor");
    let first = ended.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("not looked at"), "{}", ended.stdout);
    assert!(!first.contains("Nothing is in the way"), "{first}");
}

#[test]
fn a_test_of_the_management_account_looks_at_the_way_of_its_own_alarm() {
    let home = well();
    let test = "test-alert --account billing --to ann@example.com";
    home.run("sandbox verify ann@example.com").code(0);
    let ended = home.run(test).code(0);
    says(
        &ended,
        &["default/billctl-own-alarm: is there", "the inbox of ann@example.com"],
    );
    home.edit_world(|world| {
        let rules = world["eventbridge"]["buses"]["default"]["rules"].as_object_mut();
        rules.expect("rules").remove("billctl-own-alarm").expect("the rule");
    });
    let ended = home.run(test).code(1);
    says(
        &ended,
        &["default/billctl-own-alarm: is not there", "`billctl bootstrap`"],
    );
    home.run("bootstrap --yes").code(0);
    home.run(test).code(0);
}

#[test]
fn what_a_call_failed_for_is_a_finding_and_not_well() {
    let home = well();
    for action in [
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "cloudformation:ListStackSetOperations",
    ] {
        home.run(&format!("sandbox fail deny {action}")).code(0);
        let ended = home.run("status --check").code(4);
        assert!(!ended.stdout.contains("all well"), "{action}: {}", ended.stdout);
        assert!(kinds(&home, "status").contains(&"unread".to_owned()), "{action}");
        home.run("sandbox fail none").code(0);
    }
    home.run("status --check").code(0);
}

#[test]
fn a_test_without_a_bus_names_what_makes_one() {
    let home = well();
    home.edit_world(|world| {
        let buses = world["eventbridge"]["buses"].as_object_mut().expect("buses");
        buses.remove("billctl").expect("the bus");
    });
    let ended = home.run("test-alert --account prod-web --yes").code(1);
    assert_eq!(printed(&ended.stderr), ["bootstrap"], "{}", ended.stderr);
    home.run("bootstrap --yes").code(0);
    home.run("test-alert --account prod-web --yes").code(0);
}

#[test]
fn a_months_first_hours_are_forecast_with_those_who_have_no_publication_yet() {
    let home = well();
    let now = json_of(&home, "spend")["generated_at"]
        .as_str()
        .expect("a time")
        .to_owned();
    let day: i64 = now[8..10].parse().expect("a day");
    home.run(&format!("sandbox advance {}d", 31 - day)).code(0);
    let before = json_of(&home, "spend")["total"]["forecast"]
        .as_f64()
        .expect("a forecast");
    let mut known = 0;
    for _ in 0..24 {
        home.run("sandbox advance 1h").code(0);
        let spend = json_of(&home, "spend");
        let (month, forecast) = (&spend["total"]["month_to_date"], &spend["total"]["forecast"]);
        if spend["generated_at"].as_str().is_none_or(|at| at[8..10] != *"01") || month.is_null() {
            continue;
        }
        known += 1;
        let forecast = forecast.as_f64().expect("a forecast");
        assert!((0.8..1.25).contains(&(forecast / before)), "{forecast} after {before}");
    }
    assert!(known > 3, "{known}");
}

#[test]
fn a_test_from_a_member_whose_owner_was_told_before_ends_well() {
    let home = well();
    home.run("sandbox spend --name prod-web --daily 400").code(0);
    home.run("sandbox advance 60h").code(0);
    // A day on which a reminder isn't due.
    home.run("sandbox advance 24h").code(0);
    home.run("sandbox advance 24h").code(0);
    let ended = home.run("test-alert --account prod-web --from-member --yes").code(0);
    says(&ended, &["reached the notifier"]);
}

#[test]
fn a_failed_test_and_its_event_are_cleared_by_what_status_says() {
    let home = well();
    home.edit_world(|world| {
        world["sesv2"]["verifies"] = json!(false);
        world["sesv2"]["identities"]["billing@example.com"]["verified"] = json!(false);
    });
    home.run("test-alert --yes --account prod-web").code(1);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("sandbox advance 2h").code(0);
    home.run("resend --yes");
    let (said, _) = remedy(&home, "status", "mails-failed");
    assert!(said.contains("`billctl test-alert --account ACCOUNT`"), "{said}");
    home.run("test-alert --yes --account prod-web").code(0);
    assert_eq!(kinds(&home, "status"), [""; 0]);
    // An event of a test that reached nobody.
    home.edit_world(|world| {
        let roles = world["iam"]["roles"].as_object_mut().expect("roles");
        roles.get_mut("billctl-start-notifier").expect("the rules' role")["inline"] = json!({});
    });
    home.run("test-alert --yes --account prod-web").code(1);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox advance 10m").code(0);
    assert!(kinds(&home, "status").contains(&"health-alarm".to_owned()));
    let (_, commands) = remedy(&home, "status", "queue");
    for command in commands {
        home.run(&format!("{command} --yes"));
    }
    // And the alarm ends with it.
    home.run("sandbox advance 30m").code(0);
    assert_eq!(kinds(&home, "status"), [""; 0]);
}

#[test]
fn since_when_an_account_is_above_is_what_its_mails_say() {
    let home = well();
    home.run("sandbox spend --name prod-web --daily 400").code(0);
    home.run("sandbox advance 20d").code(0);
    let status = json_of(&home, "status");
    let above = &status["above"][0];
    let since = above["told"]["since"].as_str().expect("a day").to_owned();
    assert_eq!(above["since"], since.as_str(), "{above}");
    assert!(above["days"].as_u64() >= Some(19), "{above}");
    assert_eq!(above["or_more"], false, "{above}");
    // Nobody was told: it is only known that it is no less.
    let home = Home::with_sandbox(&format!("{BASE}{MAIL}"));
    home.run("bootstrap --yes").code(0);
    home.run("sandbox spend --name prod-web --daily 400").code(0);
    home.run("sandbox advance 20d").code(0);
    let ended = home.run("status");
    says(&ended, &["is above its limit for 14 days or more"]);
}

#[test]
fn a_hand_edited_notifier_is_corrected_by_what_is_printed() {
    let home = well();
    let machine = |home: &Home, change: &dyn Fn(&mut Value)| {
        home.edit_world(|world| {
            let machines = world["sfn"]["machines"].as_object_mut().expect("machines");
            change(&mut machines.values_mut().next().expect("the notifier")["definition"]);
        });
    };
    machine(&home, &|definition| definition["Comment"] = json!("by hand"));
    let (_, commands) = remedy(&home, "status", "billing-differs");
    assert_eq!(commands, ["bootstrap"]);
    home.run("bootstrap --yes").code(0);
    home.run("status --check").code(0);
    // Another one altogether.
    machine(&home, &|definition| {
        *definition = json!({"Comment": "by hand", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}});
    });
    let (_, commands) = remedy(&home, "status", "billing-differs");
    home.run(&format!("{} --yes", commands[0])).code(0);
    home.run("status --check").code(0);
}

#[test]
fn a_boundary_that_somebody_set_on_the_notifiers_role_is_found_with_its_remedy() {
    let home = well();
    home.edit_world(|world| {
        world["iam"]["roles"]["billctl-notifier"]["boundary"] = json!("arn:aws:iam::100000000011:policy/org/Narrow");
    });
    assert_eq!(kinds(&home, "status"), ["role-limited"]);
    let (said, _) = remedy(&home, "status", "role-limited");
    assert!(said.contains("permissions-boundary under [bootstrap]"), "{said}");
    says(&home.run("bootstrap --plan"), &["org/Narrow"]);
    says(
        &home.run("doctor"),
        &["org/Narrow", "permissions-boundary under [bootstrap]"],
    );
    // Somebody means it.
    home.config(&format!(
        "[bootstrap]\npermissions-boundary = \"org/Narrow\"\n{BASE}{MAIL}"
    ));
    assert!(!kinds(&home, "status").contains(&"role-limited".to_owned()));
}

#[test]
fn a_deploy_of_another_threshold_names_the_management_accounts_own_alarm() {
    let home = well();
    home.config(&format!("{}{MAIL}", BASE.replace("100", "60")));
    let ended = home.run("deploy --yes").code(0);
    says(&ended, &["own alarm", "`billctl bootstrap`"]);
    home.run("bootstrap --yes").code(0);
    home.run("status --check").code(0);
}

#[test]
fn an_ou_whose_accounts_are_all_excluded_stays_the_target_that_it_is_called() {
    let home = well();
    let rows = json_of(&home, "spend");
    let staging = accounts(&rows["rows"], |row| {
        row["ou"].as_str().is_some_and(|ou| ou.starts_with("Root/Staging"))
    });
    let staging: Vec<String> = staging.iter().map(|id| format!("{id:?}")).collect();
    home.config(&format!("{BASE}exclude-accounts = [{}]\n{MAIL}", staging.join(", ")));
    says(
        &home.run("deploy --prune --yes").code(0),
        &["it is a target all the same"],
    );
    home.run("sandbox add-account --name fresh --ou Staging").code(0);
    home.run("sandbox advance 1h").code(0);
    let status = json_of(&home, "status");
    let fresh = accounts(&status["accounts"], |one| {
        one["name"] == "fresh" && one["coverage"] == "covered"
    });
    assert_eq!(fresh.len(), 1, "{}", status["accounts"]);
    home.run("deploy --plan --check").code(0);
}

#[test]
fn an_empty_ou_beside_config_is_called_what_it_is() {
    let home = well();
    home.run("sandbox add-ou --name Empty --parent Root");
    let ended = home.run("deploy --ou Empty --plan");
    says(
        &ended,
        &["which holds no account", "accounts that come to it get the alarm"],
    );
}
