//! What may be told of scale without a clock: how many calls, how many of them wait for each other, and whether they
//! write. The figures at full size are `benches/scale.rs`'s (docs/performance.md).

#[path = "../support/forced.rs"]
mod forced;
#[path = "../support/served.rs"]
mod served;

use std::sync::OnceLock;
use std::time::Duration;

use billctl::config::Measure;
use billctl::observe;
use billctl::observe::charges::{ChargeSeries, Window, histories};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::organizations::PAGE_SIZE;
use billctl_core::service::{Service, cloudformation};
use billctl_sandbox::seed::{self, Shape};
use billctl_sandbox::{Sandbox, World};
use futures::try_join;

use self::forced::Forced;
use self::served::Served;
use crate::support::home::Home;

const LATENCY: Duration = Duration::from_millis(50);
const ACCOUNTS: usize = 400;
/// Accounts with a threshold of their own.
const OVERRIDDEN: usize = 40;
/// Times the longest chain of calls that AWS forces (the budget of docs/performance.md).
const BUDGET: f64 = 1.3;

/// A folder with a rolled-out sandbox, made once: the tests only read it.
fn rolled_out() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Home::empty();
        home.run(&format!(
            "sandbox new --accounts {ACCOUNTS} --ous 30 --depth 5 --seed 7"
        ))
        .code(0);
        let world = world(&home);
        let management = world.management_account();
        let rules: String = world
            .organizations
            .account_ids()
            .filter(|account| *account != management)
            .take(OVERRIDDEN)
            .map(|account| format!("[[threshold]]\naccount = \"{account}\"\nusd = 500\n\n"))
            .collect();
        home.config(&format!(
            "{rules}[deploy]\nous = [\"Root\"]\n\n[mail]\nfrom = \"billing@example.com\"\n"
        ));
        home.run("bootstrap").code(0);
        home.run("deploy").code(0);
        home
    })
}

fn world(home: &Home) -> World {
    Sandbox::open(home.path().join("sandbox.json"), CallAs::Own)
        .expect("the sandbox")
        .world()
}

/// Reads the organisation and the StackSet as `status` does, and how long their calls would have taken at
/// [`LATENCY`], in calls one after the other.
async fn read(mut world: World) -> (Sandbox, f64) {
    world.latency = LATENCY;
    let sandbox = Sandbox::in_simulated_time(world);
    let services = sandbox.services();
    try_join!(
        observe::organization(&services),
        observe::stack_set::observe(&services, "billctl"),
    )
    .expect("it can be read");
    let passed = sandbox.simulated_time().expect("simulated time");
    (sandbox, passed.as_secs_f64() / LATENCY.as_secs_f64())
}

fn calls(sandbox: &Sandbox, service: Service) -> usize {
    let counts = sandbox.gate().counts();
    let of_service = counts.iter().filter(|(operation, _)| operation.service == service);
    of_service.map(|(_, count)| count.calls as usize).sum()
}

#[tokio::test]
async fn reading_everything_takes_each_page_once_and_little_more_than_their_longest_chain() {
    let world = world(rolled_out());
    let forced = Forced::walk(&Sandbox::in_memory(world.clone()).services(), "billctl").await;
    assert!(forced.instances >= ACCOUNTS / cloudformation::PAGE_SIZE, "{forced:?}");
    let (sandbox, took) = read(world).await;
    assert_eq!(
        calls(&sandbox, Service::Organizations),
        forced.organization,
        "each page once"
    );
    assert_eq!(
        calls(&sandbox, Service::CloudFormation),
        forced.instances + 1,
        "each page once, and the StackSet"
    );
    let chain = forced.chain() as f64;
    assert!(took <= chain * BUDGET, "{took} calls after another, {forced:?}");
}

#[tokio::test]
async fn ten_thousand_accounts_that_hold_nothing_yet_are_read_along_their_longest_chain_too() {
    let world = seed::world(&Shape {
        accounts: 10_000,
        ous: 300,
        depth: 5,
        seed: 7,
    });
    let forced = Forced::walk(&Sandbox::in_memory(world.clone()).services(), "billctl").await;
    assert!(forced.organization > 10_000 / PAGE_SIZE, "{forced:?}");
    let (sandbox, took) = read(world).await;
    assert_eq!(calls(&sandbox, Service::Organizations), forced.organization);
    let chain = forced.chain() as f64;
    assert!(took.round() <= chain, "{took} calls after another, {forced:?}");
}

#[tokio::test]
async fn the_spend_of_ten_thousand_accounts_takes_no_longer_than_its_longest_chain() {
    let mut world = seed::world(&Shape {
        accounts: 10_000,
        ous: 300,
        depth: 5,
        seed: 7,
    });
    let forced = Forced::walk(&Sandbox::in_memory(world.clone()).services(), "billctl").await;
    world.latency = LATENCY;
    let sandbox = Sandbox::in_simulated_time(world);
    let services = sandbox.services();
    // As `spend` does: which accounts there are has to be known before their charges can be asked for.
    let organization = observe::organization(&services).await.expect("the tree");
    let series: Vec<ChargeSeries> = organization
        .accounts()
        .map(|(account, _)| ChargeSeries::Account(account.id))
        .collect();
    let now = services.clock.now();
    let window = Window::of_days(32, Measure::Daily, now);
    let found = histories(&services, &series, &window).await.expect("charges");
    assert_eq!(found.len(), series.len());
    let passed = sandbox.simulated_time().expect("simulated time");
    let took = passed.as_secs_f64() / LATENCY.as_secs_f64();
    // One answer of GetMetricData stands at the end: all batches can be asked for at once.
    let chain = (forced.organization_chain + 1) as f64;
    assert!(took.round() <= chain, "{took} calls after another, {forced:?}");
    // From 30 January to 11 March, six publications a day at most, into an answer of 100,800 datapoints.
    assert_eq!(
        calls(&sandbox, Service::CloudWatch),
        series.len().div_ceil(100_800 / (41 * 6))
    );
}

#[tokio::test]
async fn under_throttling_reading_finishes_with_no_more_calls_than_throttling_explains() {
    let world = world(rolled_out());
    let forced = Forced::walk(&Sandbox::in_memory(world.clone()).services(), "billctl").await;
    let mut throttled = world;
    throttled.faults.throttle = 0.3;
    let sandbox = Sandbox::in_memory(throttled);
    let services = sandbox.services();
    let (organization, observed) = try_join!(
        observe::organization(&services),
        observe::stack_set::observe(&services, "billctl"),
    )
    .expect("it can be read");
    assert_eq!(organization.accounts().count(), ACCOUNTS + 1);
    assert!(observed.instances.len() > ACCOUNTS * 9 / 10);
    let least = (forced.organization + forced.instances + 1) as f64;
    let made = (calls(&sandbox, Service::Organizations) + calls(&sandbox, Service::CloudFormation)) as f64;
    assert!(made > least, "something was throttled");
    assert!(made <= least / 0.7 * 1.2, "{made} calls, {least} without throttling");
    // A call in three is throttled whatever the speed: the limit goes down to its floor, and no further.
    let reports = sandbox.gate().concurrency_reports();
    let report = reports
        .iter()
        .find(|report| report.service == Service::Organizations)
        .expect("the organisation was read");
    assert!(report.cuts > 0 && report.limit < 20, "{report:?}");
}

#[test]
fn a_deploy_without_changes_reads_and_asks_no_instance_for_its_overrides() {
    let home = rolled_out();
    let ended = home.run("deploy -v").code(0);
    assert!(ended.stdout.contains("nothing to change"), "{}", ended.stdout);
    assert_eq!(ended.calls("write"), 0, "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("cloudformation:DescribeStackInstance "),
        "{} overrides are told by the listing: {}",
        OVERRIDDEN,
        ended.stderr
    );
}

#[test]
fn status_over_the_wire_takes_each_page_once() {
    let home = rolled_out();
    let services = Sandbox::in_memory(world(home)).services();
    let forced = futures::executor::block_on(Forced::walk(&services, "billctl"));
    let wire = Served::serve(services, Duration::ZERO).expect("a port");
    let mut command = home.command();
    command
        .env("AWS_ENDPOINT_URL", &wire.url)
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .args(["status", "--format", "json"]);
    let ended = home.end(&mut command).code(0);
    let status: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let accounts = status["accounts"].as_array().expect("accounts");
    assert_eq!(accounts.len(), ACCOUNTS + 1);
    let covered = accounts
        .iter()
        .filter(|account| account["coverage"] == "covered")
        .count();
    assert!(covered > ACCOUNTS * 9 / 10, "{covered} are covered");
    let counts = wire.take();
    let count = |name: &str| counts.get(name).copied().unwrap_or(0) as usize;
    assert_eq!(
        count("ListRoots")
            + count("DescribeOrganization")
            + count("ListOrganizationalUnitsForParent")
            + count("ListAccountsForParent"),
        forced.organization,
        "{counts:?}"
    );
    assert_eq!(count("ListStackInstances"), forced.instances, "{counts:?}");
    // Not even of the accounts that are suspended, whose overrides nothing tells.
    assert_eq!(count("DescribeStackInstance"), 0, "{counts:?}");
}
