mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::ctrl_c;

pub(super) use look::look;

use super::output::Outputs;
use super::{Context, Format, complete};
use crate::observe;
use crate::plan::coverage::{AccountStatus, Coverage};
use crate::plan::status::Status;
use crate::render::{self, Shown};
use crate::spend::Charges;
use billctl_core::error::{Error, ErrorKind, Result};
use billctl_core::model::AccountId;

/// Arguments of `status`.
#[derive(Debug, Default, Args)]
pub(super) struct StatusArgs {
    /// Exit with code 4 if anything isn't as it should be; looks for drift where that is due ([status] drift-every).
    #[arg(long)]
    pub check: bool,
    /// Read every threshold that the listing doesn't give, however many (about two a second), and look for every
    /// account's charges in the billing account.
    #[arg(long)]
    pub deep: bool,
    /// List every account, however many; by default those that are well are only counted beyond 100.
    #[arg(long)]
    pub all: bool,
    /// Only the accounts below this OU: its id, path (Root/Production) or unique name; repeatable.
    #[arg(long, value_name = "OU", add = complete::ous())]
    pub ou: Vec<String>,
    /// Only this account: its id, or its name if it is unique; repeatable.
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    pub account: Vec<String>,
    /// List only accounts of this kind; repeatable. The verdict is about all of them.
    #[arg(long, value_name = "KIND", value_enum)]
    pub only: Vec<Only>,
    /// Have CloudFormation compare every resource with its template, and show what differs.
    #[arg(long)]
    pub drift: bool,
    /// Look into all covered accounts, or into N of them spread over the OUs, by the role of `[members]`: the alarm as
    /// it is there, whether it has data, and the rule.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        value_parser = many
    )]
    pub probe: Option<usize>,
    /// Look again every so many seconds, until Ctrl-C.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with_all = ["check", "drift"]
    )]
    pub watch: Option<u16>,
}

/// Which accounts are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Only {
    /// Any of those that `--check` fails on.
    Findings,
    /// Above its limit by the billing account's figures.
    Above,
    /// It should have an instance and has none.
    #[value(alias = "missing")]
    Uncovered,
    /// Its instance is broken, or failed.
    Failed,
    /// Its instance is behind.
    Outdated,
    /// Its threshold isn't config's.
    WrongThreshold,
    /// Its resources were changed by hand.
    Drifted,
    /// It has an instance that config doesn't ask for.
    #[value(alias = "stray")]
    NotInConfig,
    /// Its alarm has no data.
    NoData,
    /// An operation works on it.
    InProgress,
    /// As it should be.
    Covered,
    /// Suspended or closed.
    NotActive,
    /// Config excludes it.
    Excluded,
    /// No OU that it is in is targeted.
    NotTargeted,
}

impl Only {
    fn holds(self, account: &AccountStatus, above: &BTreeSet<AccountId>) -> bool {
        let is = |coverage| account.coverage == coverage;
        match self {
            Self::Findings => account.coverage.is_finding(),
            Self::Above => above.contains(&account.account),
            Self::Uncovered => is(Coverage::Missing),
            Self::Failed => is(Coverage::Failed),
            Self::Outdated => is(Coverage::Outdated),
            Self::WrongThreshold => is(Coverage::WrongThreshold),
            Self::Drifted => is(Coverage::Drifted),
            Self::NotInConfig => is(Coverage::Stray),
            Self::NoData => is(Coverage::NoData),
            Self::InProgress => is(Coverage::InProgress),
            Self::Covered => is(Coverage::Covered),
            Self::NotActive => is(Coverage::NotActive),
            Self::Excluded => is(Coverage::Excluded),
            Self::NotTargeted => is(Coverage::NotTargeted),
        }
    }
}

/// How many accounts at most, of which there are never more than for `all`.
fn many(text: &str) -> Result<usize, &'static str> {
    match text {
        "all" => Ok(usize::MAX),
        text => text
            .parse()
            .map(NonZeroUsize::get)
            .map_err(|_| "give a number of accounts, at least 1, or nothing for all"),
    }
}

/// Shows where every account stands.
///
/// # Errors
/// AWS's answer, or with `--check` a finding.
pub(super) async fn run(args: &StatusArgs, context: &Context) -> Result<()> {
    let (status, _) = look(args, context, async |accounts| judged(context, accounts).await).await?;
    print(args, context, &status)?;
    if args.check && !status.findings.is_empty() {
        return Err(Error::new(ErrorKind::Check, "the check found something; see above"));
    }
    Ok(())
}

/// Shows it again every so many `seconds`, until Ctrl-C, which is its good end.
///
/// # Errors
/// AWS's answer.
pub(super) async fn watch(args: &StatusArgs, context: &Context, seconds: u16) -> Result<()> {
    let mut ctrl_c = pin!(ctrl_c());
    loop {
        let status = tokio::select! {
            looked = look(args, context, async |accounts| judged(context, accounts).await) => looked?.0,
            _ = &mut ctrl_c => return Ok(()),
        };
        // A person wants to see the newest; a file has all of them.
        if std::io::stdout().is_terminal() {
            Outputs::print(CLEAR)?;
        }
        print(args, context, &status)?;
        context.phase(format!("looking again in {seconds} s; Ctrl-C ends it"));
        // Real time also in the sandbox: who watches doesn't move the world.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds.into())) => {}
            _ = &mut ctrl_c => return Ok(()),
        }
    }
}

/// Clears the screen, and goes to its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

fn print(args: &StatusArgs, context: &Context, status: &Status) -> Result<()> {
    let above: BTreeSet<AccountId> = status.members.above.iter().map(|above| above.account).collect();
    let only = |account: &AccountStatus| args.only.iter().any(|only| only.holds(account, &above));
    let mut shown = Shown {
        all: args.all,
        only: (!args.only.is_empty()).then_some(&only),
        quiet: context.global.quiet,
        width: Outputs::width(),
    };
    let text = render::status(context.global.format, status, &shown);
    if !text.is_empty() {
        say!("{text}")?;
    }
    if args.watch.is_none() {
        shown.quiet = false;
        shown.width = None;
        context.summarize(|| render::status(Format::Markdown, status, &shown));
    }
    Ok(())
}

/// How each of these accounts stands, by the billing account's figures.
async fn judged(context: &Context, accounts: BTreeSet<AccountId>) -> Result<BTreeMap<AccountId, Charges>> {
    let measure = context.config.alarm.measure;
    let now = context.services.clock.now();
    observe::charges::of(&context.services, accounts, measure, now).await
}
