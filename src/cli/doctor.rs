use std::time::Instant;

use clap::Args;

use super::context::STAND_IN;
use super::{Context, GlobalArgs, report_calls};
use crate::config::Config;
use crate::plan::doctor::{self, Verdict};
use crate::{observe, render};
use billctl_core::error::{Error, Result};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Look at whom the mails of all members go to, one or two calls each; by default of the few that are looked into.
    #[arg(long)]
    pub deep: bool,
    /// Go through the first hour on AWS instead (docs/first-hour.md): what reading can show, and the commands
    /// for the rest.
    #[arg(long, conflicts_with = "deep")]
    pub first_hour: bool,
}

/// Checks every precondition and says how to fix what is missing. Changes nothing.
///
/// # Errors
/// A check failed; they are all shown before.
pub(super) async fn run(args: &DoctorArgs, global: &GlobalArgs, started: Instant) -> Result<()> {
    let (config, fault) = match Config::load(&global.config) {
        Ok(config) => (config, None),
        // Its steps begin with a config.
        Err(fault) if args.first_hour => return Err(fault),
        // So that everything else is looked at all the same; what it says of the mail is not looked at.
        Err(fault) => (Config::parse("stand-in", STAND_IN)?, Some(fault)),
    };
    let context = Context::with_config(global, config).await?;
    let readings = async { Ok(observe::doctor::readings(&context.services, &context.config, args.deep).await) };
    let readings = context.watched.until_interrupted(readings).await?;
    if args.first_hour {
        let more = async { Ok(observe::doctor::first_hour(&context.services, &context.config, &readings).await) };
        let more = context.watched.until_interrupted(more).await?;
        report_calls(global, &context.services, started);
        let checks = doctor::first_hour(&context.config, &readings, &more);
        let next = "docs/first-hour.md says what to expect of each step; please report what differs";
        return say!("{}", render::doctor(global.format, &checks, next, global.quiet));
    }
    report_calls(global, &context.services, started);
    let mut checks = doctor::examine(&context.config, &readings);
    if let Some(fault) = &fault {
        // All of its problems, underlined; the check below only says that there are some.
        aside!("{}", render::error(fault));
        doctor::without_config(&mut checks, fault.to_string(), fault.remedy.clone());
    }
    let next = doctor::next(&readings, &checks);
    say!("{}", render::doctor(global.format, &checks, next, global.quiet))?;
    if checks.iter().any(|check| check.verdict == Verdict::Failed) {
        return Err(Error::failed("a precondition is missing; see above"));
    }
    if checks.iter().any(|check| check.unread) {
        return Err(Error::failed("a precondition couldn't be looked at; see above"));
    }
    Ok(())
}
