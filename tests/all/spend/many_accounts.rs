//! What `spend` costs on a large organisation, in calls; `cargo bench --bench spend` measures time and memory.

use billctl::config::Measure;
use billctl::observe;
use billctl::observe::charges::{ChargeSeries, Window, histories};
use billctl_core::service::cloudwatch::{GET_METRIC_DATA, MAX_DATAPOINTS, MAX_QUERIES};
use billctl_sandbox::Sandbox;
use billctl_sandbox::seed::{self, Shape};

/// Accounts and OUs as in the budget; how much is read of each account doesn't change the number of calls.
const SHAPE: Shape = Shape {
    accounts: 10_000,
    ous: 300,
    depth: 5,
    seed: 7,
};

#[tokio::test]
async fn ten_thousand_accounts_are_read_in_calls_that_are_answered_in_one_page_and_none_twice() {
    let services = Sandbox::in_memory(seed::world(&SHAPE)).services();
    let organization = observe::organization(&services).await.unwrap();
    let series: Vec<ChargeSeries> = organization
        .accounts()
        .map(|(account, _)| ChargeSeries::Account(account.id))
        .collect();
    assert!(series.len() > SHAPE.accounts, "the management account too");
    let now = services.clock.now();
    let window = Window::of_days(3, Measure::Daily, now);
    let found = histories(&services, &series, &window).await.unwrap();
    assert_eq!(found.len(), series.len());
    let counts = services.gate.counts();
    let calls = usize::try_from(counts[&GET_METRIC_DATA].calls).unwrap();
    // From 30 January to 11 March, six publications a day at most, into 100,800 datapoints.
    let a_call = (MAX_DATAPOINTS / (41 * 6)).min(MAX_QUERIES);
    assert_eq!(calls, series.len().div_ceil(a_call));
    assert!(counts.values().all(|count| count.retries == 0));
}
