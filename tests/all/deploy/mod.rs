//! `deploy` and `status` through the built binary, where things go another way than planned.

mod chaos;
mod drift;
mod interrupted;
mod killed;
mod late;
mod plans;
mod scope;
mod suspended;
mod waves;
mod whose;

use crate::support::home::Home;
use proptest::test_runner::{Config as ProptestConfig, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

/// A config that targets `ous`, with a default threshold and rules of `(key, whose, usd)`.
pub(crate) fn config(ous: &[&str], default: u32, rules: &[(&str, &str, u32)]) -> String {
    let rules: String = rules
        .iter()
        .map(|(key, whose, usd)| format!("[[threshold]]\n{key} = \"{whose}\"\nusd = {usd}\n\n"))
        .collect();
    format!(
        "[alarm]\nthreshold = {default}\n\n{rules}[deploy]\nous = {ous:?}\n\n[mail]\nfrom = \"billing@example.com\"\n"
    )
}

/// A home with the billing side made.
pub(crate) fn bootstrapped(config: &str) -> Home {
    let home = Home::with_sandbox(config);
    home.run("bootstrap").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home
}

/// Plays cases at random, the same in every run: `usual` of them, or as many as `BILLCTL_CHAOS` says.
pub(crate) fn at_random(usual: u32) -> TestRunner {
    let cases = std::env::var("BILLCTL_CHAOS").ok();
    let cases = cases.map_or(usual, |text| text.parse().expect("BILLCTL_CHAOS is a number"));
    TestRunner::new_with_rng(
        ProptestConfig {
            cases,
            failure_persistence: None,
            max_shrink_iters: 20,
            ..ProptestConfig::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    )
}

/// The plan as JSON.
#[track_caller]
pub(crate) fn plan(home: &Home, line: &str) -> Value {
    let ended = home.run(&format!("{line} --plan --format json"));
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// What a plan says of the account of this name.
pub(crate) fn line<'a>(plan: &'a Value, name: &str) -> &'a Value {
    plan["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|line| line["name"] == name))
        .unwrap_or(&Value::Null)
}

/// The id of the account of this name.
pub(crate) fn id(home: &Home, name: &str) -> String {
    let ended = home.run("status --format json");
    let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    line(&status, name)["account"].as_str().expect("an id").to_owned()
}

/// Lets every API call take a while from now on, so that a run can be met in the middle.
pub(crate) fn slow(home: &Home, millis: u32) {
    home.edit_world(|world| {
        world["latency"] = serde_json::json!({"secs": 0, "nanos": millis * 1_000_000});
    });
}

/// That nothing is left to do and nothing is wrong.
#[track_caller]
pub(crate) fn assert_right(home: &Home) {
    home.run("sandbox fail none").code(0);
    slow(home, 0);
    // The management account's own alarm follows the config too; a delegated administrator can't make it.
    home.run("bootstrap --yes");
    home.run("status --check --deep").code(0);
    let plan = plan(home, "deploy");
    assert_eq!(plan["operations"], serde_json::json!([]), "{plan}");
}
