//! What `spend` writes for other programs: metrics, as parsers of others read them, and the summary of a CI step.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::support::home::Home;
use crate::support::{install, venv};

const CONFIG: &str = "[alarm]\nthreshold = 50\n[mail]\nfrom = \"billing@example.com\"\n";

/// An organisation with spend, in which a name holds what a label must escape.
fn home() -> Home {
    let home = Home::with_sandbox(CONFIG);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    let words = [
        "sandbox",
        "add-account",
        "--name",
        "a \"b\" \\ c\nd",
        "--ou",
        "Production",
    ];
    home.end(home.command().arg("--sandbox=sandbox.json").args(words))
        .code(0);
    home.run("sandbox advance 48h").code(0);
    home
}

/// What prometheus_client's parsers read: the older format's and OpenMetrics', each as metric, labels, value.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as older
text = open(sys.argv[1], encoding='utf-8').read()
def read(families):
    return [{'name': f.name, 'type': f.type, 'unit': f.unit, 'help': f.documentation,
             'samples': [[s.name, s.labels, s.value, s.timestamp] for s in f.samples]} for f in families]
json.dump({'openmetrics': read(openmetrics(text)), 'older': read(older(text))}, sys.stdout)
";

fn parsed(home: &Home, file: &str) -> Option<Value> {
    let venv = venv::shared("prometheus_client on the metrics")?;
    let mut python = Command::new(venv.python());
    python.args(["-c", PARSE, file]).current_dir(home.path());
    let output = install::run(&mut python).expect("the parsers take it");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn metrics_are_read_by_prometheus_own_parsers_and_are_those_of_spend() {
    let home = home();
    home.run("spend --openmetrics billctl.prom --json spend.json").code(0);
    let Some(read) = parsed(&home, "billctl.prom") else {
        return;
    };
    let spend = std::fs::read_to_string(home.path().join("spend.json")).expect("a file");
    let spend: Value = serde_json::from_str(&spend).expect("JSON");
    let samples = |format: &str| -> BTreeMap<(String, String), f64> {
        let families = read[format].as_array().expect("families").iter();
        let samples = families.flat_map(|family| family["samples"].as_array().expect("samples"));
        samples
            .map(|sample| {
                assert!(sample[3].is_null(), "a collector refuses timestamps: {sample}");
                let account = sample[1]["account"].as_str().unwrap_or_default().to_owned();
                let name = sample[0].as_str().expect("a name").to_owned();
                ((name, account), sample[2].as_f64().expect("a number"))
            })
            .collect()
    };
    let (ours, older) = (samples("openmetrics"), samples("older"));
    assert_eq!(ours, older, "both formats say the same");
    for family in read["openmetrics"].as_array().expect("families") {
        assert_eq!(family["type"], "gauge", "{family}");
        let (name, unit) = (
            family["name"].as_str().expect("a name"),
            family["unit"].as_str().expect("a unit"),
        );
        assert!(name.ends_with(unit) && name.starts_with("billctl_"), "{family}");
        assert!(!family["help"].as_str().expect("help").is_empty());
    }
    let rows = spend["rows"].as_array().expect("rows");
    assert!(rows.len() > 10);
    let mut compared = 0;
    for row in rows {
        let account = row["account"].as_str().expect("an id").to_owned();
        for (metric, value) in [
            ("billctl_account_spend_usd", &row["last_24_hours"]["spend"]),
            ("billctl_account_spend_yesterday_usd", &row["yesterday"]),
            ("billctl_account_spend_today_usd", &row["today_so_far"]),
            ("billctl_account_spend_average_usd", &row["average_7_days"]),
            ("billctl_account_month_to_date_usd", &row["month_to_date"]),
            ("billctl_account_month_forecast_usd", &row["forecast"]),
            ("billctl_account_threshold_usd", &row["threshold"]),
        ] {
            let told = ours.get(&(metric.to_owned(), account.clone())).copied();
            assert_eq!(told, value.as_f64(), "{metric} of {account}");
            compared += usize::from(told.is_some());
        }
        // Without an alarm there is no threshold to be above.
        let above = ours.get(&("billctl_account_above_threshold".to_owned(), account));
        assert_eq!(above.is_some(), !row["threshold"].is_null());
        assert_eq!(above == Some(&1.0), row["over_threshold"] == true);
    }
    assert!(compared > 50, "{compared}");
    // A name comes through whatever is in it, but for line ends, which nothing shows.
    let labels = |sample: &Value| sample[1]["name"] == "a \"b\" \\ c d";
    let families = read["openmetrics"].as_array().expect("families");
    assert!(
        families
            .iter()
            .any(|family| family["samples"].as_array().expect("samples").iter().any(labels))
    );
}

#[test]
fn ous_and_services_are_metrics_too_and_a_file_is_replaced_as_a_whole() {
    let home = home();
    std::fs::write(home.path().join("billctl.prom"), "what was there").expect("a file");
    for (by, metric) in [
        ("ou", "billctl_ou_spend_usd{ou_id=\"ou-"),
        ("service", "billctl_service_spend_usd{service=\"Amazon"),
    ] {
        home.run(&format!("spend --by {by} --openmetrics billctl.prom")).code(0);
        let text = std::fs::read_to_string(home.path().join("billctl.prom")).expect("a file");
        assert!(text.contains(metric) && text.ends_with("\n# EOF\n"), "{text}");
    }
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("a folder").collect();
    let left = left
        .iter()
        .map(|one| one.as_ref().expect("a file").file_name().into_string().expect("a name"));
    let prom: Vec<String> = left.filter(|name| name.contains(".prom")).collect();
    assert_eq!(prom, ["billctl.prom"]);
    let ended = home.run("spend --openmetrics -").code(0);
    assert!(
        ended.stdout.starts_with("# TYPE billctl_account_spend_usd gauge\n"),
        "{}",
        ended.stdout
    );
    home.run("spend --openmetrics nowhere/billctl.prom").code(2);
    home.run("spend --openmetrics - --json -").code(2);
    home.run("spend --suggest --openmetrics -").code(2);
}

#[test]
fn spend_goes_into_the_steps_summary_and_no_longer_than_anyone_reads() {
    let home = Home::empty();
    home.run("sandbox new --accounts 130 --ous 4 --seed 3").code(0);
    home.config(CONFIG);
    let mut command = home.command();
    command.env("GITHUB_STEP_SUMMARY", home.path().join("summary.md"));
    home.end(command.args(["--sandbox=sandbox.json", "spend", "--format", "json"]))
        .code(0);
    let summary = std::fs::read_to_string(home.path().join("summary.md")).expect("a summary");
    assert!(summary.starts_with("### billctl spend\n"), "{summary}");
    let rows = summary.lines().filter(|line| line.starts_with('|')).count();
    // Head and rule, a hundred rows, the total.
    assert!((102..=104).contains(&rows), "{rows}");
    assert!(summary.contains("more"), "{summary}");
    assert!(!summary.contains('\u{1b}'));
}

const COMMENTED: &str = "# Whose this is\n[alarm]\nthreshold = 100 # a day\n\n[[threshold]] # theirs\nou = \"Sandboxes\"\nusd = 1 # too low\n\n\
                         [mail] # who\nfrom = \"billing@example.com\"\n";

#[test]
fn proposed_thresholds_are_merged_into_the_config_and_comments_stay() {
    let home = Home::with_sandbox(COMMENTED);
    home.run("sandbox advance 20d").code(0);
    let config = || std::fs::read_to_string(home.path().join("config.toml")).expect("a config");
    // Nobody can be asked, so nothing is written.
    let ended = home.run("spend --suggest --write").code(2);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("-threshold = 100 # a day\n+threshold = "),
        "{}",
        ended.stdout
    );
    assert_eq!(config(), COMMENTED);
    let proposed = home.run("spend --suggest").code(0).stdout;
    home.run("spend --suggest --write --yes").code(0);
    let after = config();
    for comment in [
        "# Whose this is\n",
        " # a day\n",
        "[[threshold]] # theirs\n",
        " # too low\n",
        "[mail] # who\n",
    ] {
        assert!(after.contains(comment), "{comment}: {after}");
    }
    // Each proposed threshold is in force, and the others stay.
    let parsed = |text: &str| billctl::config::Config::parse("config.toml", text).expect("a config");
    let (after, proposed) = (
        parsed(&after),
        parsed(&format!("{proposed}\n[mail]\nfrom = \"billing@example.com\"\n")),
    );
    assert_eq!(after.alarm.threshold, proposed.alarm.threshold);
    let organization = home.sandbox().peek(|world| world.organizations.organization());
    let thresholds = |config| billctl::plan::Thresholds::resolve(config, &organization).expect("thresholds");
    let (ours, theirs) = (thresholds(&after), thresholds(&proposed));
    let sandboxes = organization.select("Sandboxes").expect("an OU").id.clone();
    for (account, parent) in organization.accounts().filter(|(_, parent)| **parent != sandboxes) {
        let of = |one: &billctl::plan::Thresholds| one.of(account.id, parent, &organization);
        assert_eq!(of(&ours), of(&theirs), "{}", account.name);
    }
    // Once more: nothing is left to do.
    let ended = home.run("spend --suggest --write --yes").code(0);
    assert!(
        ended.stdout.contains("has these thresholds already"),
        "{}",
        ended.stdout
    );
    let beside = std::fs::read_dir(home.path()).expect("a folder");
    let names = beside.map(|one| one.expect("a file").file_name().into_string().expect("a name"));
    assert_eq!(names.filter(|name| name.starts_with("config")).count(), 1);
    home.run("spend --write").code(2);
    std::fs::remove_file(home.path().join("config.toml")).expect("a config");
    home.run("spend --suggest --write --yes").code(2);
}
