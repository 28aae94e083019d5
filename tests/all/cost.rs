//! What billctl costs: worked out from what is shipped and from AWS's prices, and held against the documents' table.

use std::fs;
use std::path::Path;

use billctl::config::Config;
use billctl::resource::{self, Facts, Naming, Resource, stack_set};
use billctl_core::service::cloudwatch::QuerySource;
use serde_json::Value;

use crate::support::home::Home;

// Dollars: docs/aws-facts.md, "Prices".
const ALARM_METRIC: f64 = 0.10;
const DASHBOARD: f64 = 3.0;
const METRIC_READ: f64 = 0.01 / 1_000.0;
const TRANSITION: f64 = 0.025 / 1_000.0;
const MAIL: f64 = 0.10 / 1_000.0;

/// A month.
const DAYS: f64 = 30.0;
/// Hourly `status --check` and `spend --tell`: each reads a metric an account.
const HOURLY_RUNS: f64 = 2.0;
/// Metrics that a day above the limit reads: one at each judgement, and the services of one mail.
const READS_ABOVE: f64 = 27.0 + 60.0;
/// Of a hundred accounts, on any day.
const ABOVE: f64 = 2.0 / 100.0;
/// Mails of a month above the limit: docs/alerts.md.
const MAILS_A_MONTH: f64 = 7.0;

/// What a month costs, in dollars.
struct Month {
    alarms: f64,
    billing_side: f64,
    hourly: f64,
    above: f64,
}

impl Month {
    /// With an alarm in each of `accounts`, where a day above the limit takes so many transitions.
    fn of(accounts: f64, transitions: f64) -> Self {
        let above = accounts * ABOVE * DAYS;
        Self {
            alarms: accounts * member_metrics() * ALARM_METRIC,
            billing_side: billing_metrics() * ALARM_METRIC + DASHBOARD,
            hourly: accounts * HOURLY_RUNS * 24.0 * DAYS * METRIC_READ,
            above: above * (transitions * TRANSITION + READS_ABOVE * METRIC_READ + MAILS_A_MONTH / DAYS * MAIL),
        }
    }

    fn total(&self) -> f64 {
        self.alarms + self.billing_side + self.hourly + self.above
    }
}

/// Metrics that the members' alarm looks at, in the form of metric math; the other form is one plain metric.
fn member_metrics() -> f64 {
    let count = stack_set::TEMPLATE.matches(" MetricStat:").count();
    f64::from(u32::try_from(count).unwrap())
}

/// Metrics that the billing side's alarms look at.
fn billing_metrics() -> f64 {
    let config = Config::parse(
        "config.toml",
        "[mail]\nfrom = \"a@example.com\"\n[operations]\nmail = \"b@example.com\"\n",
    )
    .unwrap();
    let facts = Facts {
        organization: "o-a1b2c3d4e5".parse().unwrap(),
        management_account: "111111111111".parse().unwrap(),
        own_threshold: config.alarm.threshold,
        chat: resource::Chat::default(),
    };
    let things = resource::desired(&Naming {
        config: &config,
        facts: &facts,
    });
    let metrics = things.iter().map(|thing| match thing {
        Resource::Alarm(alarm) => {
            let of = alarm.0.metrics.iter();
            of.filter(|query| matches!(query.source, QuerySource::Stat { .. }))
                .count()
        }
        _ => 0,
    });
    f64::from(u32::try_from(metrics.sum::<usize>()).unwrap())
}

/// How many states were entered, in everything below `value`.
fn entered(value: &Value) -> u32 {
    match value {
        Value::Object(object) => {
            let own = object
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.ends_with("StateEntered"));
            u32::from(own) + object.values().map(entered).sum::<u32>()
        }
        Value::Array(items) => items.iter().map(entered).sum(),
        _ => 0,
    }
}

/// Transitions of a day above the limit, as the sandbox plays it, rounded up to ten.
fn transitions() -> f64 {
    let home = Home::with_sandbox(
        "[alarm]\nthreshold = 10000\n[deploy]\nous = [\"Production\"]\n[mail]\nfrom = \"billing@example.com\"\n\
         [[threshold]]\naccount = \"949215909568\"\nusd = 50\n",
    );
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    home.succeeds(&["sandbox", "spend", "--name", "data-lake", "--daily", "200"]);
    home.succeeds(&["sandbox", "advance", "3d"]);
    home.succeeds(&["deploy"]);
    home.succeeds(&["sandbox", "advance", "2d"]);
    let before = entered(&home.world()["sfn"]);
    let days = 5;
    home.succeeds(&["sandbox", "advance", &format!("{days}d")]);
    let made = entered(&home.world()["sfn"]) - before;
    assert!(made > 0, "the account is above its limit");
    f64::from(made.div_ceil(days).div_ceil(10) * 10)
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_documents_say_what_a_month_costs() {
    let transitions = transitions();
    let mut table = String::new();
    let mut totals = Vec::new();
    for (word, accounts) in [("10", 10.0), ("100", 100.0), ("1,000", 1_000.0), ("10,000", 10_000.0)] {
        let month = Month::of(accounts, transitions);
        let total = dollars(month.total());
        table += &format!(
            "| {word} | {} | {} | {} | {} | **{total}** |\n",
            dollars(month.alarms),
            dollars(month.billing_side),
            dollars(month.hourly),
            dollars(month.above),
        );
        totals.push(format!("| {word} | {total} |"));
    }
    let comparison = document("docs/comparison.md");
    assert!(comparison.contains(&table), "docs/comparison.md lacks\n{table}");
    let readme = document("README.md");
    for total in totals {
        assert!(readme.contains(&total), "README.md lacks {total}");
    }
    let days = format!("{transitions} transitions");
    assert!(comparison.contains(&days), "docs/comparison.md lacks {days}");
}

/// `$1,234`, or with cents below ten dollars.
fn dollars(amount: f64) -> String {
    if amount < 10.0 {
        return format!("${amount:.2}");
    }
    let whole = format!("{amount:.0}");
    match whole.len() {
        0..=3 => format!("${whole}"),
        length => format!("${},{}", &whole[..length - 3], &whole[length - 3..]),
    }
}
