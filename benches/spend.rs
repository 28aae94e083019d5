//! `spend` at scale: 10,000 accounts in 300 OUs over 30 days, on the sandbox at 50 ms a call with AWS's page sizes.
//! Fails where it takes more than 1.3 times the critical path, the longest chain of calls that AWS forces, or more
//! than 128 MiB.
//!
//! `cargo bench --bench spend`; `cargo test --bench spend` is the short form that CI runs: a tenth of the accounts, not
//! optimised. Memory has the same budget there, time ten times as much: most of it is reckoning then, not waiting.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "so a bench fails, and tells"
)]

#[allow(dead_code, reason = "the chain of all that `status` reads is no concern here")]
#[path = "../tests/support/forced.rs"]
mod forced;

use std::time::{Duration, Instant};

use billctl::observe::charges::{ChargeSeries, Window, histories};
use billctl::render::{spend_csv, spend_html};
use billctl::spend::{By, ReportInput, report};
use billctl::{config::Measure, observe};
use billctl_core::model::Usd;
use billctl_sandbox::Sandbox;
use billctl_sandbox::seed::{self, Shape};

use self::forced::Forced;

const LATENCY: Duration = Duration::from_millis(50);
const DAYS: usize = 30;
const SHAPE: Shape = Shape {
    accounts: 10_000,
    ous: 300,
    depth: 5,
    seed: 7,
};
/// Times the critical path, and MiB (the budgets).
const BUDGET: (f64, usize) = (1.3, 128);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let whole = std::env::args().any(|argument| argument == "--bench");
    let (shape, slack) = match whole {
        true => (SHAPE, 1.0),
        false => (
            Shape {
                accounts: SHAPE.accounts / 10,
                ous: SHAPE.ous / 10,
                ..SHAPE
            },
            10.0,
        ),
    };
    let mut world = seed::world(&shape);
    let walked = Sandbox::in_memory(world.clone()).services();
    let forced = runtime.block_on(Forced::walk(&walked, "billctl"));
    drop(walked);
    world.latency = LATENCY;
    let services = Sandbox::in_memory(world).services();
    let before = memory("VmRSS");

    let (read, charged, took, peak) = runtime.block_on(async {
        let started = Instant::now();
        let organization = observe::organization(&services).await.expect("an organisation");
        let read = started.elapsed();
        let now = services.clock.now();
        let window = Window::of_days(DAYS + 2, Measure::Daily, now);
        let series: Vec<ChargeSeries> = organization
            .accounts()
            .map(|(account, _)| ChargeSeries::Account(account.id))
            .collect();
        let found = histories(&services, &series, &window).await.expect("charges");
        let charged = started.elapsed();
        let made = report(ReportInput {
            organization: &organization,
            now,
            by: By::Account,
            days: window.days,
            shown: window.days.last_days(DAYS),
            measure: Measure::Daily,
            metrics: series.len(),
            histories: found,
            threshold: &|_, _| Some(Usd::dollars(100)),
            missing: Default::default(),
            top: None,
        });
        let took = started.elapsed();
        let peak = memory("VmHWM");
        let started = Instant::now();
        let html = spend_html(&made).expect("a page");
        let csv = spend_csv(&made).expect("lines");
        println!(
            "{} rows; HTML {} KiB and CSV {} KiB in {:.0?}",
            made.rows.len(),
            html.len() / 1024,
            csv.len() / 1024,
            started.elapsed()
        );
        (read, charged, took, peak)
    });
    // The organisation's longest chain, then one answer of GetMetricData, for which nothing has to be waited but that.
    let calls = forced.organization_chain + 1;
    let path = LATENCY * u32::try_from(calls).expect("few");
    let times = took.as_secs_f64() / path.as_secs_f64();
    println!(
        "organisation read in {read:.2?}, its charges by {charged:.2?}, all in {took:.2?}: {times:.2} x the critical path of {calls} calls ({path:.2?})"
    );
    println!(
        "peak memory {peak} MiB, of which the simulated organisation and the runtime had {before} MiB at the start"
    );
    let within = times <= BUDGET.0 * slack && peak <= BUDGET.1;
    println!("{}", if within { "within the budget" } else { "over the budget" });
    if !within {
        std::process::exit(1);
    }
}

/// A line of /proc/self/status in MiB.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| {
        rest.trim_matches([':', ' ', '\t'])
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    kib.unwrap_or(0) / 1024
}
