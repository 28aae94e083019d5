//! What is set to go wrong.

use clap::{Args, Subcommand};

use super::arguments::{find, share};
use super::show::faults;
use crate::cli::complete;
use billctl_core::error::Result;
use billctl_sandbox::World;
use billctl_sandbox::faults::{DESCRIBE_RATES, Die, Faults, MOST_LAG};

#[derive(Debug, Subcommand)]
pub(super) enum FailCommand {
    /// Throttle a share of all API calls.
    Throttle(Share),
    /// Answer a share of all API calls with a 5xx.
    ServerError(Share),
    /// Don't answer a share of all API calls; they have no effect.
    Timeout(Share),
    /// Lose the answers of a share of all API calls; they take effect.
    Drop(Share),
    /// Refuse an IAM action, such as iam:CreateRole or iam:*.
    Deny {
        /// The action.
        action: String,
    },
    /// Let every stack operation in an account fail.
    Account {
        /// The account's id or name.
        #[arg(add = complete::accounts())]
        account: String,
        /// Why, in CloudFormation's place.
        #[arg(required = true)]
        reason: Vec<String>,
    },
    /// Let stack operations in an account work again.
    Fix {
        /// The account's id or name.
        #[arg(add = complete::accounts())]
        account: String,
    },
    /// Let the next billctl die at its so many-th API call.
    DieAt {
        /// The call's number, from one; retries count.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        call: u64,
        /// After the call took effect, not before.
        #[arg(long)]
        after: bool,
    },
    /// Answer only so many DescribeStackInstance calls a second, as AWS does (about 2).
    DescribeRate {
        /// Calls a second.
        #[arg(value_parser = rate)]
        rate: f64,
    },
    /// Let the lists of StackSets be behind, in the sandbox's time.
    Lag {
        /// Seconds.
        #[arg(value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_LAG)))]
        seconds: u32,
    },
    /// Let members have no EstimatedCharges of their own; the payer sees them.
    MemberMetric {
        /// They have them again.
        #[arg(long)]
        off: bool,
    },
    /// Take the role from every member that lets the management account in.
    MemberRole,
    /// Nothing goes wrong any more.
    None,
}

#[derive(Debug, Args)]
pub(super) struct Share {
    /// Such as 30%.
    #[arg(value_name = "SHARE", value_parser = share)]
    share: f64,
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|rate| DESCRIBE_RATES.contains(rate))
        .ok_or_else(|| {
            let (least, most) = (DESCRIBE_RATES.start(), DESCRIBE_RATES.end());
            format!("give a number of calls a second, from {least} to {most}")
        })
}

/// Sets it, and says what goes wrong now.
///
/// # Errors
/// There is no such account, or there are several.
pub(super) fn run(world: &mut World, command: &FailCommand) -> Result<String> {
    let set = &mut world.faults;
    match command {
        FailCommand::Throttle(Share { share }) => set.throttle = *share,
        FailCommand::ServerError(Share { share }) => set.server_error = *share,
        FailCommand::Timeout(Share { share }) => set.timeout = *share,
        FailCommand::Drop(Share { share }) => set.drop = *share,
        FailCommand::Deny { action } => {
            set.deny.insert(action.clone());
        }
        FailCommand::Account { account, reason } => {
            let (id, _) = find(account, world)?;
            world.faults.accounts.insert(id, reason.join(" "));
        }
        FailCommand::Fix { account } => {
            let (id, _) = find(account, world)?;
            world.faults.accounts.remove(&id);
        }
        FailCommand::DieAt { call, after } => {
            let (at, after) = (*call, *after);
            set.die = Some(Die { at, after });
        }
        FailCommand::DescribeRate { rate } => set.describe_instance_rate = Some(*rate),
        FailCommand::Lag { seconds } => set.lag = *seconds,
        FailCommand::MemberMetric { off } => set.member_metric = !off,
        FailCommand::MemberRole => set.no_member_role = true,
        FailCommand::None => {
            *set = Faults {
                seed: set.seed,
                ..Faults::default()
            };
        }
    }
    Ok(faults(&world.faults))
}
