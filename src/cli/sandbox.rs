mod arguments;
mod edit;
mod fail;
mod show;

pub(super) use self::show::Picture;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};

use jiff::SignedDuration;

use self::arguments::{Who, advance as how_far, hours, latency, missing, payer_late, share, time_of_day};
use super::{GlobalArgs, SANDBOX_FILE};
use billctl_core::error::{Error, Result};
use billctl_core::model::Usd;
use billctl_core::service::cloudformation::CallAs;
use billctl_sandbox::metrics::Hours;
use billctl_sandbox::publications::Publications;
use billctl_sandbox::seed::{MAX_ACCOUNTS, MAX_OUS, Origin, Shape};
use billctl_sandbox::{Sandbox, World, metrics};

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Make an organisation: by default the demo's, or one of a given size.
    New(NewArgs),
    /// Show the organisation, its StackSets, its mails and what is set to go wrong.
    Show,
    /// Let time pass: metrics are published, alarms fire, mails are sent.
    Advance {
        /// How long, such as 6h or 2d.
        #[arg(value_name = "TIME", value_parser = how_far)]
        by: Duration,
    },
    #[command(flatten)]
    Edit(edit::Edit),
}

#[derive(Debug, Args)]
struct NewArgs {
    /// Accounts, without the management account.
    #[arg(long, value_name = "N", value_parser = up_to(MAX_ACCOUNTS))]
    accounts: Option<usize>,
    /// OUs, without the root.
    #[arg(long, value_name = "N", value_parser = up_to(MAX_OUS))]
    ous: Option<usize>,
    /// Levels of OUs, 1 to 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    depth: Option<u8>,
    /// Decides names, ids, who is where, and which calls fail.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How long every API call takes, such as 50ms.
    #[arg(long, value_name = "TIME", value_parser = latency, default_value = "0ms")]
    latency: Duration,
    /// The share of API calls that are throttled, such as 30%.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0%")]
    throttle: f64,
    /// How often charges are published, and by how much early or late, such as 6h~40m or 12h.
    #[arg(long, value_name = "CADENCE~JITTER", default_value = "6h~20m")]
    publications: Publications,
    /// The share of publications that never come, such as 10%.
    #[arg(long, value_name = "SHARE", value_parser = missing, default_value = "0%")]
    missing: f64,
    /// How much later than the member the payer sees a publication, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = payer_late, default_value = "0h")]
    payer_late: Duration,
    /// Replace an existing sandbox.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct SpendArgs {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    amount: Amount,
    /// With --daily: all at once at this time of every day, UTC, such as 13:30.
    #[arg(long, value_name = "TIME", value_parser = time_of_day, conflicts_with_all = ["once", "between"])]
    at: Option<Hours>,
    /// With --daily: evenly in these hours of every day, UTC, such as 08:00-20:00.
    #[arg(long, value_name = "TIME-TIME", value_parser = hours, conflicts_with = "once")]
    between: Option<Hours>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Amount {
    /// This many dollars a day, from now on.
    #[arg(long, value_name = "USD")]
    daily: Option<Usd>,
    /// This many dollars at once, now; a negative amount is a credit.
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    once: Option<Usd>,
}

/// A count of at most so many.
fn up_to(most: usize) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=most as u64)
}

/// Makes, shows and changes the sandbox that `--sandbox` works on.
///
/// # Errors
/// There is no sandbox, or one that can't be read; arguments that don't fit it.
#[expect(clippy::unused_async, reason = "every verb's run is async")]
pub(super) async fn run(args: &SandboxArgs, global: &GlobalArgs) -> Result<()> {
    let path = global
        .sandbox()
        .map_or_else(|| PathBuf::from(SANDBOX_FILE), Path::to_owned);
    let open = || Sandbox::open(&path, CallAs::Own);
    let said = match &args.command {
        SandboxCommand::New(args) => new(args, &path)?,
        SandboxCommand::Show => return say!("{}", show::show(&open()?, global.format)),
        SandboxCommand::Advance { by } => advance(&open()?, *by)?,
        SandboxCommand::Edit(edit) => open()?.change(|world| edit.make(world))?,
    };
    global.notice(said)
}

fn new(args: &NewArgs, path: &Path) -> Result<String> {
    let sized = args.accounts.is_some() || args.ous.is_some() || args.depth.is_some();
    let origin = if sized {
        let accounts = args.accounts.unwrap_or(40);
        Origin::Shape(Shape {
            accounts,
            // OUs of about 30 accounts where nothing is said.
            ous: args.ous.unwrap_or_else(|| (accounts / 30).clamp(1, 300)),
            depth: usize::from(args.depth.unwrap_or(3)),
            seed: args.seed,
        })
    } else {
        Origin::Demo
    };
    let mut world = origin.world();
    world.latency = args.latency;
    world.faults.seed = args.seed;
    world.faults.throttle = args.throttle;
    world.publications = args
        .publications
        .with_missing(args.missing)
        .and_then(|publications| publications.with_payer_late(args.payer_late))
        .map_err(Error::usage)?;
    let said = show::made(path, &world);
    Sandbox::create(path, world, args.force)?;
    Ok(said)
}

fn advance(sandbox: &Sandbox, by: Duration) -> Result<String> {
    let before = sandbox.peek(show::Snapshot::of);
    sandbox.change(|world| {
        let to = SignedDuration::try_from(by)
            .ok()
            .and_then(|by| world.now.checked_add(by).ok());
        if !to.is_some_and(World::is_time) {
            return Err(Error::usage("the sandbox's time ends with the year 2099")
                .remedy("`billctl sandbox reset` begins again"));
        }
        world.advance(by);
        Ok(())
    })?;
    Ok(sandbox.peek(|world| before.news(world)))
}

fn spend(world: &mut World, args: &SpendArgs) -> Result<String> {
    let (id, name) = args.who.find(world)?;
    match (args.amount.daily, args.amount.once) {
        (Some(usd), _) if usd < Usd::ZERO => Err(Error::usage(format!(
            "an account can't spend {usd} a day; a credit is --once with less than nothing"
        ))),
        (Some(usd), _) => {
            let when = match (args.at, args.between) {
                (Some(at), _) => format!(", at {}", clock(at.from)),
                (None, Some(hours)) => format!(", from {} to {}", clock(hours.from), clock(hours.to)),
                (None, None) => String::new(),
            };
            metrics::set_daily_in(world, id, usd, args.at.or(args.between));
            Ok(format!("{name} ({id}) spends {usd} a day{when} from now on."))
        }
        (None, Some(usd)) => {
            metrics::add_once(world, id, usd);
            Ok(format!("{name} ({id}) spends {usd} at once, now."))
        }
        (None, None) => Err(Error::usage("give --daily or --once")),
    }
}

/// Seconds since midnight as people write them.
fn clock(seconds: u32) -> String {
    format!("{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60)
}
