//! The command on the sandbox: from AWS's answers to what is printed.

use assert_cmd::Command;
use billctl_core::model::{AccountId, Usd};
use billctl_sandbox::{World, metrics};
use serde_json::Value;

use crate::support::home::Home;

/// The demo organisation, changed, with a config.
fn demo(change: impl FnOnce(&mut World)) -> Home {
    let home = Home::demo();
    home.change(change);
    home.config(
        "[alarm]\nthreshold = 30\n\n[[threshold]]\nou = \"Production\"\nusd = 25\n\n[mail]\nfrom = \"billing@example.com\"\n",
    );
    home
}

fn spend(home: &Home, args: &[&str]) -> Command {
    let mut command = home.command();
    command.args(["spend", "--sandbox=sandbox.json"]).args(args);
    command
}

fn json(home: &Home, args: &[&str]) -> Value {
    serde_json::from_str(&stdout(spend(home, args).arg("--json"))).unwrap()
}

fn id_of(home: &Home, name: &str) -> AccountId {
    let world = home.sandbox().world();
    let mut accounts = world.organizations.accounts();
    accounts.find(|(account, _)| account.name == name).unwrap().0.id
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_account_is_shown_with_its_spend_and_threshold() {
    let home = demo(|_| {});
    insta::assert_snapshot!(stdout(&mut spend(&home, &["--top", "8"])));
}

#[test]
fn a_sudden_cost_stands_out_and_comes_first() {
    let home = demo(|world| {
        let account = world.organizations.account_ids().nth(9).unwrap();
        metrics::add_once(world, account, Usd::dollars(900));
        world.advance(std::time::Duration::from_secs(7 * 3_600));
    });
    let answer = json(&home, &[]);
    let first = &answer["rows"][0];
    assert_eq!(first["over_threshold"], true);
    let spend = first["stands_out"]["spend"].as_f64().unwrap();
    assert!((900.0..1_000.0).contains(&spend), "{spend}");
}

#[test]
fn check_fails_with_code_four_and_names_the_worst() {
    let home = demo(|world| {
        let account = world.organizations.account_ids().nth(9).unwrap();
        metrics::add_once(world, account, Usd::dollars(900));
        world.advance(std::time::Duration::from_secs(7 * 3_600));
    });
    home.config("[alarm]\nthreshold = 18\n[mail]\nfrom = \"billing@example.com\"\n");
    let answer = json(&home, &[]);
    let above = answer["total"]["accounts_over_threshold"].as_u64().unwrap();
    assert!(above > 1, "{above}");
    let first = &answer["rows"][0];
    assert_eq!(first["verdict"], "certain");
    let output = spend(&home, &["--check", "--top", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("Total"), "the answer comes all the same: {table}");
    let said = String::from_utf8(output.stderr).unwrap();
    let named = format!(
        "{above} accounts are above their thresholds: most of all {} ({}), $9",
        first["name"].as_str().unwrap(),
        first["account"].as_str().unwrap()
    );
    assert!(said.contains(&named), "{said}");
    // Accounts that aren't in scope don't count, and an OU's sum has no threshold.
    let mut rows = answer["rows"].as_array().unwrap().iter();
    let quiet = rows.rfind(|row| row["verdict"] == "not above");
    let quiet = quiet.unwrap()["account"].as_str().unwrap();
    spend(&home, &["--check", "--account", quiet]).assert().success();
    spend(&home, &["--check", "--by", "ou"]).assert().code(4);
}

#[test]
fn check_without_thresholds_is_a_usage_error() {
    let home = demo(|_| {});
    for args in [&["--by", "service"][..], &["--suggest"]] {
        spend(&home, &["--check"]).args(args).assert().code(2);
    }
    std::fs::remove_file(home.file("config.toml")).unwrap();
    let output = spend(&home, &["--check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no config.toml"), "{said}");
}

#[test]
fn thresholds_are_shown_where_config_puts_an_alarm_and_nowhere_else() {
    let home = demo(|_| {});
    let outside = id_of(&home, "sandbox-greta");
    let excluded = id_of(&home, "staging-web");
    let inside = id_of(&home, "staging-gateway");
    home.config(&format!(
        "[alarm]\nthreshold = 1\n[deploy]\nous = [\"Staging\"]\nexclude-accounts = [\"{excluded}\"]\n\
         [mail]\nfrom = \"billing@example.com\"\n"
    ));
    let answer = json(&home, &[]);
    let staging = home.sandbox().world();
    let organization = staging.organizations.accounts().count();
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), organization);
    let with: Vec<&Value> = rows.iter().filter(|row| !row["threshold"].is_null()).collect();
    // Four of the five of Staging, and the management account, whose alarm is bootstrap's.
    assert_eq!(with.len(), 5, "{with:?}");
    let one = |id: AccountId| rows.iter().find(|row| row["account"] == id.to_string()).unwrap();
    assert_eq!(one(inside)["threshold"], 1.0);
    for id in [outside, excluded] {
        assert!(one(id)["threshold"].is_null() && one(id)["verdict"].is_null(), "{id}");
        // Nobody watches it: it is no reason to fail.
        spend(&home, &["--check", "--account", &id.to_string()])
            .assert()
            .success();
    }
    spend(&home, &["--check", "--account", &inside.to_string()])
        .assert()
        .code(4);
    let table = stdout(&mut spend(&home, &["--account", &outside.to_string()]));
    assert!(table.contains("no alarm") && !table.contains('%'), "{table}");
}

#[test]
fn an_ou_costs_what_the_accounts_below_it_cost_and_the_total_counts_once() {
    let home = demo(|_| {});
    let accounts = json(&home, &[]);
    let ous = json(&home, &["--by", "ou"]);
    let spent = |row: &Value| row["month_to_date"].as_f64().unwrap_or_default();
    for ou in ous["rows"].as_array().unwrap() {
        let path = ou["name"].as_str().unwrap();
        let below = accounts["rows"].as_array().unwrap().iter().filter(|account| {
            let of = account["ou"].as_str().unwrap();
            of == path || of.starts_with(&format!("{path}/"))
        });
        let sum: f64 = below.clone().map(spent).sum();
        assert!((spent(ou) - sum).abs() < 0.000_1, "{path}: {} of {sum}", spent(ou));
        let others = ous["rows"].as_array().unwrap().iter();
        let inside = others.filter(|other| other["name"].as_str().unwrap().starts_with(&format!("{path}/")));
        assert!(
            inside.clone().all(|other| spent(other) <= spent(ou) + 0.000_1),
            "{path}"
        );
    }
    assert_eq!(ous["rows"][0]["name"], "Root");
    assert_eq!(spent(&ous["total"]), spent(&accounts["total"]));
    assert_eq!(spent(&ous["rows"][0]), spent(&accounts["total"]));
    // A part of the organisation: the OU above it would look as if it cost no more.
    let part = json(&home, &["--by", "ou", "--ou", "Production"]);
    let names = part["rows"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "Root/Production");
    assert!(
        names.iter().all(|name| name.starts_with("Root/Production")),
        "{names:?}"
    );
}

#[test]
fn the_months_days_add_up_to_the_month_to_date_of_every_account() {
    let home = demo(|_| {});
    let answer = json(&home, &["--days", "31"]);
    let month = answer["generated_at"].as_str().unwrap()[..7].to_owned();
    let buckets = answer["slots"].as_array().unwrap();
    let mut compared = 0;
    for row in answer["rows"].as_array().unwrap() {
        let Some(month_to_date) = row["month_to_date"].as_f64() else {
            continue;
        };
        let days = row["spend"].as_array().unwrap().iter().zip(buckets);
        let sum: f64 = days
            .filter(|(_, bucket)| bucket.as_str().unwrap().starts_with(&month))
            .filter_map(|(spend, _)| spend.as_f64())
            .sum();
        assert!(
            (sum - month_to_date).abs() < 0.000_001,
            "{}: {sum} of {month_to_date}",
            row["name"]
        );
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn services_are_listed_first_and_then_read() {
    let home = demo(|_| {});
    let all = json(&home, &["--by", "service"]);
    let names: Vec<&str> = all["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["service"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"AmazonEC2"), "{names:?}");

    let account = id_of(&home, "payments-ledger").to_string();
    let one = json(&home, &["--by", "service", "--account", &account]);
    let by_account = json(&home, &["--account", &account]);
    let sum = |answer: &Value| answer["total"]["month_to_date"].as_f64().unwrap();
    assert!((sum(&one) - sum(&by_account)).abs() < 0.01);
    assert!(one["rows"].as_array().unwrap().len() < names.len());
}

#[test]
fn an_ou_narrows_what_is_read() {
    let home = demo(|_| {});
    let answer = json(&home, &["--ou", "Production/Payments"]);
    assert_eq!(answer["metrics_requested"], 4);
    assert_eq!(answer["rows"].as_array().unwrap().len(), 4);
}

#[test]
fn billing_alerts_that_are_off_are_named() {
    let home = demo(|world| world.billing_alerts = false);
    let text = stdout(&mut spend(&home, &[]));
    assert!(text.contains("\"Receive CloudWatch billing alerts\" is off"), "{text}");
    assert!(!text.contains("$0.00"), "a silent zero: {text}");
}

#[test]
fn an_account_made_today_is_too_new() {
    let mut made = None;
    let home = demo(|world| {
        let account = world.organizations.account_ids().nth(5).unwrap();
        metrics::open(world, account);
        made = Some(account);
    });
    let answer = json(
        &home,
        &[
            "--account",
            &made.unwrap().to_string(),
            "--account",
            &id_of(&home, "payments-ledger").to_string(),
        ],
    );
    let last = &answer["rows"][1];
    assert_eq!(last["account"], made.unwrap().to_string());
    assert_eq!(last["missing"], "too-new");
    assert_eq!(last["spend"][0], Value::Null);
}

#[test]
fn an_account_asked_for_alone_is_told_from_an_organisation_without_data() {
    let mut made = None;
    let home = demo(|world| {
        let account = world.organizations.account_ids().nth(5).unwrap();
        metrics::open(world, account);
        made = Some(account.to_string());
    });
    let made = made.unwrap();
    let answer = json(&home, &["--account", &made]);
    assert_eq!(answer["rows"][0]["missing"], "too-new");
    let text = stdout(&mut spend(&home, &["--by", "service", "--account", &made]));
    assert!(text.contains("1 account without data: made less than"), "{text}");
    let csv = stdout(&mut spend(&home, &["--csv", "--days", "1", "--account", &made]));
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .ends_with(",unknown,false,30,too-new,,,unknown"),
        "{csv}"
    );
}

#[test]
fn services_without_data_are_no_silent_zero_either() {
    let home = demo(|world| world.billing_alerts = false);
    for scope in [&[][..], &["--ou", "Production"]] {
        let text = stdout(spend(&home, &["--by", "service"]).args(scope));
        assert!(text.contains("\"Receive CloudWatch billing alerts\" is off"), "{text}");
        assert!(text.contains("no charges by service"), "{text}");
    }
    let csv = stdout(&mut spend(&home, &["--csv", "--days", "1", "--top", "1"]));
    assert!(csv.contains(",unknown,false,30,billing-alerts-off"), "{csv}");
    let html = stdout(&mut spend(&home, &["--html", "-"]));
    assert!(html.contains("billing alerts are off") && !html.contains("$0.00"));
}

#[test]
fn a_member_is_told_that_only_the_payer_sees_everybody() {
    let home = demo(|world| {
        let member = world.organizations.account_ids().nth(3).unwrap();
        world.caller = member;
    });
    let output = spend(&home, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is not the management account"), "{said}");
    assert!(
        said.contains("the charges of all accounts are in account"),
        "where they are: {said}"
    );
}

#[test]
fn odd_values_are_refused_with_the_range_that_is_allowed() {
    let home = demo(|_| {});
    for (args, said) in [
        (["--days", "0"], "1..=400"),
        (["--days", "-3"], "1..=400"),
        (["--days", "99999999999"], "1..=400"),
        (["--days", "a week"], "invalid digit"),
        (["--top", "0"], "not in 1"),
        (["--top", "-1"], "not in 1"),
        (["--interval", "1h"], "1d, 6h"),
        (["--by", "team"], "account, ou, service"),
        (["--account", "12"], "twelve digits"),
        (["--ou", "Payments"], "names several OUs"),
        (["--html", "."], "is a folder"),
        (["--csv", "no/such/folder.csv"], "there is no folder"),
    ] {
        let output = spend(&home, &args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    for args in [
        &["--csv", "-", "--json", "-"][..],
        &["--csv", "x", "--html", "x"],
        &["--suggest", "--format", "json"],
        &["--suggest", "--top", "3"],
    ] {
        let output = spend(&home, args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
}

#[test]
fn what_isnt_there_is_a_usage_error() {
    let home = demo(|_| {});
    for args in [["--account", "999999999999"], ["--ou", "Prodution"]] {
        let output = spend(&home, &args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn files_are_written_beside_the_table() {
    let home = demo(|_| {});
    let table = stdout(&mut spend(&home, &["--html", "report.html", "--csv", "spend.csv"]));
    assert!(table.contains("Total"));
    let html = std::fs::read_to_string(home.file("report.html")).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("payments-api"));
    let csv = std::fs::read_to_string(home.file("spend.csv")).unwrap();
    assert!(csv.starts_with("slot_start,interval,key"));
    // Again: the old ones are replaced, and nothing is left beside them.
    spend(&home, &["-q", "--html", "report.html"]).assert().success();
    let entries = std::fs::read_dir(home.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("sandbox."))
        .collect();
    names.sort();
    assert_eq!(names, ["config.toml", "report.html", "spend.csv"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_crash() {
    let home = demo(|_| {});
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for args in [&[][..], &["--csv"], &["--suggest"]] {
        let mut command = home.process();
        let output = command
            .args(["spend", "--sandbox=sandbox.json", "-q"])
            .args(args)
            .stdout(full())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("failed to write to standard output"), "{said}");
    }
}

#[test]
fn thresholds_are_suggested_before_there_is_a_config() {
    let home = demo(|_| {});
    std::fs::remove_file(home.file("config.toml")).unwrap();
    let snippet = stdout(&mut spend(&home, &["--suggest"]));
    let text = format!("{snippet}\n[mail]\nfrom = \"billing@example.com\"\n");
    billctl::config::Config::parse("config.toml", &text).unwrap();
    assert!(stdout(&mut spend(&home, &[])).contains("There is no config.toml"));
}
