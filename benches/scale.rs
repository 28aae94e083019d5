//! billctl at scale: 10,000 accounts in 300 OUs at 50 ms a call with AWS's page sizes. Prints the figures of
//! docs/performance.md, and fails where a budget isn't met.
//!
//! `cargo bench --bench scale`; `cargo test --bench scale` is the short form that CI runs: a tenth of the accounts, not
//! optimised. What is counted has the same budgets there, time and memory (of a larger program) have [`SLACK`] times
//! theirs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "so a bench fails, and tells"
)]

#[path = "../tests/support/forced.rs"]
mod forced;
#[path = "../tests/support/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use billctl::config::Config;
use billctl::plan::Thresholds;
use billctl::plan::rollout::{AccountChange, Desired, Instance, Observed, Options, Override, Scope, plan};
use billctl::resource::stack_set;
use billctl_core::model::{Account, AccountId, AccountState, Organization, OrganizationalUnit, OuId};
use billctl_core::service::cloudformation::{
    CallAs, DriftStatus, InstanceStatus, OperationId, StackInstance, StackSet,
};
use billctl_sandbox::Sandbox;
use futures::executor::block_on;
use wait4::Wait4 as _;

use self::forced::Forced;
use self::served::Served;

const LATENCY: Duration = Duration::from_millis(50);
const ACCOUNTS: usize = 10_000;
const OUS: usize = 300;
/// What the short form is smaller by, and how many times the time and memory it may take.
const SHORTER: usize = 10;
const SLACK: (f64, f64) = (5.0, 1.5);
/// Accounts with a threshold of their own.
const OVERRIDDEN: usize = 200;
/// `status` takes at most so many times the longest chain of calls that AWS forces.
const MOST_TIMES_CHAIN: f64 = 1.3;
/// Memory of `status`, in MiB.
const MOST_MEMORY: f64 = 64.0;
/// The same of `spend`, and of what reads as much.
const MOST_MEMORY_OF_SPEND: f64 = 128.0;
/// Planning [`PLANNED`] accounts.
const MOST_PLANNING: Duration = Duration::from_millis(200);
const PLANNED: usize = 100_000;
/// The share of calls that are throttled, and how many more calls than that explains are no storm.
const THROTTLED: f64 = 0.3;
const MOST_RETRIES: f64 = 1.2;

/// Whether this is the whole bench: `cargo bench` says so.
fn is_whole() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

fn size(whole: usize) -> usize {
    if is_whole() { whole } else { whole / SHORTER }
}

/// Of time, and of memory.
fn slack() -> (f64, f64) {
    if is_whole() { (1.0, 1.0) } else { SLACK }
}

/// How a run of the binary went.
struct Ran {
    took: Duration,
    /// Peak memory in MiB.
    memory: f64,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// What `-v` counted in all.
    fn calls(&self) -> f64 {
        let line = self.stderr.lines().find(|line| line.contains(" API calls ("));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("run it with -v: {}", self.stderr))
    }

    fn says(&self, what: &str) -> Option<&str> {
        self.stderr.lines().find(|line| line.contains(what))
    }
}

/// The bench's own record of what held.
#[derive(Default)]
struct Verdict {
    broken: usize,
}

impl Verdict {
    fn check(&mut self, what: &str, holds: bool) {
        println!("  {} {what}", if holds { "ok  " } else { "OVER" });
        self.broken += usize::from(!holds);
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path();
    let file = home.join("sandbox.json");
    let mut verdict = Verdict::default();

    make(home, &file);
    let services = Sandbox::in_memory(open(&file).world()).services();
    let forced = block_on(Forced::walk(&services, "billctl"));
    println!(
        "forced: {} calls of Organizations, {} in their longest chain; {} pages of instances, one chain",
        forced.organization, forced.organization_chain, forced.instances
    );

    status_over_the_wire(home, services, forced, &mut verdict);
    set(&file, LATENCY, 0.0);
    let calls = status_on_the_sandbox(home, forced, &mut verdict);
    digest(home, forced, &mut verdict);
    deploy_without_changes(home, &mut verdict);
    set(&file, LATENCY, THROTTLED);
    status_under_throttling(home, calls, &mut verdict);
    planning(&mut verdict);
    set(&file, Duration::ZERO, 0.0);
    let ran = on_sandbox(home, "sandbox advance 1d");
    println!("a day of the sandbox, every account's alarm in it: {:.1?}", ran.took);

    if verdict.broken > 0 {
        println!("{} budgets are not met", verdict.broken);
        std::process::exit(1);
    }
    println!("every budget is met");
}

/// Makes the world, sets the billing side up and rolls out.
fn make(home: &Path, file: &Path) {
    let (accounts, ous) = (size(ACCOUNTS), size(OUS));
    let new = format!("sandbox new --accounts {accounts} --ous {ous} --depth 5 --seed 7");
    let ran = on_sandbox(home, &new);
    println!("sandbox new: {:.1?}", ran.took);
    let world = open(file).world();
    let management = world.management_account();
    let mut config = String::new();
    let members = world.organizations.account_ids();
    for account in members.filter(|id| *id != management).take(OVERRIDDEN) {
        writeln!(config, "[[threshold]]\naccount = \"{account}\"\nusd = 500\n").expect("a text");
    }
    config.push_str("[deploy]\nous = [\"Root\"]\n\n[mail]\nfrom = \"billing@example.com\"\n");
    std::fs::write(home.join("config.toml"), config).expect("a config");
    println!("bootstrap: {:.1?}", on_sandbox(home, "bootstrap").took);
    let ran = on_sandbox(home, "deploy -v");
    println!(
        "deploy to {accounts} accounts: {:.1?}, {} calls, {:.0} MiB with the sandbox",
        ran.took,
        ran.calls(),
        ran.memory
    );
    let bytes = std::fs::metadata(file).expect("the sandbox").len();
    let started = Instant::now();
    open(file);
    println!(
        "the sandbox's file: {} KiB, read in {:.0?}",
        bytes / 1024,
        started.elapsed()
    );
}

fn open(file: &Path) -> Sandbox {
    Sandbox::open(file, CallAs::Own).expect("the sandbox")
}

fn set(file: &Path, latency: Duration, throttle: f64) {
    open(file)
        .change(|world| {
            world.latency = latency;
            world.faults.throttle = throttle;
            Ok(())
        })
        .expect("the sandbox changes");
}

/// In a process of its own, which holds nothing of the sandbox: time and memory are billctl's.
fn status_over_the_wire(home: &Path, services: billctl_core::service::Services, forced: Forced, verdict: &mut Verdict) {
    let wire = Served::serve(services, LATENCY).expect("a port");
    let env = [
        ("AWS_ENDPOINT_URL", wire.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    for format in ["table", "json"] {
        let ran = run(home, &format!("status -v --format {format}"), &env);
        let times = times_chain(&ran, forced);
        println!(
            "status --format {format} over the wire: {} calls in {:.2?}, {times:.2} x the chain of {}, {:.1} MiB, \
             {} KiB of answer",
            ran.calls(),
            ran.took,
            forced.chain(),
            ran.memory,
            ran.stdout.len() / 1024
        );
        let counts = wire.take();
        let pages = counts.get("ListStackInstances").copied().unwrap_or(0) as usize;
        verdict.check("each page of instances once", pages == forced.instances);
        verdict.check("within 1.3 x the longest chain", times <= MOST_TIMES_CHAIN * slack().0);
        verdict.check("at most 64 MiB", ran.memory <= MOST_MEMORY * slack().1);
    }
}

fn times_chain(ran: &Ran, forced: Forced) -> f64 {
    let chain = LATENCY.as_secs_f64() * forced.chain() as f64;
    ran.took.as_secs_f64() / chain
}

/// With the billing side, whose reads follow those of the members. Answers how many calls it took.
fn status_on_the_sandbox(home: &Path, forced: Forced, verdict: &mut Verdict) -> f64 {
    let ran = on_sandbox(home, "status -v");
    let times = times_chain(&ran, forced);
    println!(
        "status on the sandbox: {} calls in {:.2?}, {times:.2} x the chain, {:.0} MiB with the sandbox",
        ran.calls(),
        ran.took,
        ran.memory
    );
    verdict.check("within 1.3 x the longest chain", times <= MOST_TIMES_CHAIN * slack().0);
    ran.calls()
}

/// It reads what `status` and `spend` read, each thing once: `status`'s chain, and `spend`'s memory.
fn digest(home: &Path, forced: Forced, verdict: &mut Verdict) {
    let ran = on_sandbox(home, "digest -v --preview digest");
    let times = times_chain(&ran, forced);
    let size = |ending: &str| {
        let file = home.join(format!("digest/digest.{ending}"));
        std::fs::metadata(file).expect("a part").len() / 1024
    };
    println!(
        "digest: {} calls in {:.2?}, {times:.2} x the chain, {:.0} MiB with the sandbox; HTML {} KiB, text {} KiB",
        ran.calls(),
        ran.took,
        ran.memory,
        size("html"),
        size("txt")
    );
    verdict.check("within 1.3 x the longest chain", times <= MOST_TIMES_CHAIN * slack().0);
    verdict.check("at most 128 MiB", ran.memory <= MOST_MEMORY_OF_SPEND * slack().1);
    let pages = ran.says("cloudformation:ListStackInstances ");
    let pages = pages.and_then(|line| line.split_whitespace().nth(2)?.parse().ok());
    verdict.check("each page of instances once", pages == Some(forced.instances));
}

fn deploy_without_changes(home: &Path, verdict: &mut Verdict) {
    let ran = on_sandbox(home, "deploy -v");
    println!("deploy without changes: {} calls in {:.2?}", ran.calls(), ran.took);
    let writes = ran
        .stderr
        .lines()
        .filter(|line| line.split_whitespace().nth(1) == Some("write"))
        .count();
    verdict.check("reads only", writes == 0);
    let asked = ran.says("cloudformation:DescribeStackInstance ");
    verdict.check("no instance asked for its override", asked.is_none());
}

/// `least` calls are made where none is throttled.
fn status_under_throttling(home: &Path, least: f64, verdict: &mut Verdict) {
    let ran = on_sandbox(home, "status -v");
    println!(
        "status with 30 % of calls throttled: {} calls ({least} without that) in {:.1?}",
        ran.calls(),
        ran.took
    );
    for line in ran.stderr.lines().filter(|line| line.starts_with("throttled by")) {
        println!("  {line}");
    }
    let most = least / (1.0 - THROTTLED) * MOST_RETRIES;
    verdict.check("no storm of retries", ran.calls() <= most);
    let adapted = ran.says("throttled by organizations").is_some();
    verdict.check("concurrency adapted", adapted);
}

/// A plan for 100,000 accounts, one in fifty of which gets another threshold.
fn planning(verdict: &mut Verdict) {
    let (config, organization, observed) = many();
    let thresholds = Thresholds::resolve(&config, &organization).expect("rules that fit");
    let started = Instant::now();
    let spec = stack_set::desired(&config, organization.management_account);
    let scope = Scope::default();
    let desired = Desired::new(&config, spec, &organization, &thresholds, &scope).expect("OUs that are there");
    let rollout = plan(&desired, &observed, &organization, &Options::default());
    let took = started.elapsed();
    let changed = rollout
        .accounts
        .values()
        .filter(|change| matches!(change, AccountChange::Change { .. }))
        .count();
    println!("planning {} accounts: {took:.0?}, {changed} to change", size(PLANNED));
    verdict.check("within 0.2 s", took <= MOST_PLANNING.mul_f64(slack().0));
    verdict.check("changes are planned", changed > 0);
}

fn many() -> (Config, Organization, Observed) {
    let id = |number: usize| AccountId::from_number(100_000_000_000 + number as u64).expect("twelve digits");
    let root: OuId = "r-ab12".parse().expect("an id");
    let ou = |number: usize| -> OuId { format!("ou-ab12-{number:08}").parse().expect("an id") };
    const UNITS: usize = 2_000;
    let mut ous = vec![OrganizationalUnit {
        id: root.clone(),
        name: "Root".to_owned(),
        parent: None,
    }];
    ous.extend((0..UNITS).map(|number| OrganizationalUnit {
        id: ou(number),
        name: format!("Unit {number}"),
        parent: Some(if number < 10 { root.clone() } else { ou(number / 10) }),
    }));
    let accounts = (0..size(PLANNED)).map(|number| {
        let account = Account {
            id: id(number + 1),
            name: format!("account-{number}"),
            email: format!("aws+{number}@example.com"),
            state: AccountState::Active,
            joined: None,
        };
        (account, ou(number % UNITS))
    });
    let organization = Organization::new("o-exampleorg".parse().expect("an id"), id(0), ous, accounts);
    let rules: String = (0..UNITS)
        .step_by(50)
        .map(|number| format!("[[threshold]]\nou = \"{}\"\nusd = 500\n\n", ou(number)))
        .collect();
    let config = Config::parse(
        "config.toml",
        &format!("{rules}[deploy]\nous = [\"Root\"]\n\n[mail]\nfrom = \"billing@example.com\"\n"),
    )
    .expect("a config");
    let spec = stack_set::desired(&config, organization.management_account);
    let instances: BTreeMap<AccountId, Instance> = organization
        .accounts()
        .map(|(account, parent)| {
            let listed = StackInstance {
                account: account.id,
                ou: Some(parent.clone()),
                stack_id: Some(format!("arn:aws:cloudformation:us-east-1:{}:stack/s/1", account.id)),
                status: InstanceStatus::Current,
                detailed_status: None,
                reason: String::new(),
                drift: DriftStatus::NotChecked,
                drift_checked: None,
                last_operation: Some(OperationId("billctl-default-1".to_owned())),
            };
            let threshold = Override::Known(None);
            (account.id, Instance { listed, threshold })
        })
        .collect();
    let live = StackSet {
        name: spec.name,
        description: spec.description,
        template: spec.template,
        parameters: spec.parameters,
        tags: spec.tags,
        auto_deployment: Some(spec.auto_deployment),
        managed_execution: true,
        service_managed: true,
        organizational_units: vec![root],
    };
    let observed = Observed {
        stack_set: Some(live),
        instances,
    };
    (config, organization, observed)
}

fn on_sandbox(home: &Path, line: &str) -> Ran {
    run(home, &format!("--sandbox=sandbox.json {line}"), &[])
}

/// Runs the binary to its end.
fn run(home: &Path, line: &str, env: &[(&str, &str)]) -> Ran {
    let (out, err) = (home.join("stdout"), home.join("stderr"));
    let to = |path: &Path| Stdio::from(std::fs::File::create(path).expect("a file"));
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_billctl"))
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied())
        .current_dir(home)
        .args(line.split(' '))
        .stdin(Stdio::null())
        .stdout(to(&out))
        .stderr(to(&err))
        .spawn()
        .expect("the binary runs");
    let ended = child.wait4().expect("it ends");
    let took = started.elapsed();
    let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let ran = Ran {
        took,
        memory: ended.rusage.maxrss as f64 / f64::from(1 << 20),
        stdout: text(&out),
        stderr: text(&err),
    };
    assert!(ended.status.success(), "{line}: {}\n{}", ended.status, ran.stderr);
    ran
}
