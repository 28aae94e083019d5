mod checks;
mod parts;
mod roll;
mod stop;

use clap::Args;

use self::roll::Deploy;
use super::{Context, watch};
use crate::observe::{self, precheck};
use crate::plan::Thresholds;
use billctl_core::error::Result;
use billctl_core::event::Event;
use billctl_core::model::{AccountId, Organization};
use billctl_core::service::cloudformation::Amount;

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// An OU by id, path (Root/Production) or unique name; again for more. Without it: all that config targets.
    #[arg(long, value_name = "OU")]
    pub ou: Vec<String>,
    /// Only these accounts of the OUs.
    #[arg(long, value_name = "ID")]
    pub account: Vec<AccountId>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove instances of accounts that config no longer targets.
    #[arg(long)]
    pub prune: bool,
    /// Remove and create the instance of this account, to mend what an update can't.
    #[arg(long, value_name = "ID")]
    pub recreate: Vec<AccountId>,
    /// Failures after which an operation stops: a count, or a share such as 10%.
    #[arg(long, value_name = "N|N%", value_parser = amount)]
    pub tolerance: Option<Amount>,
    /// Accounts at once: a count, or a share such as 25%.
    #[arg(long, value_name = "N|N%", value_parser = amount)]
    pub concurrency: Option<Amount>,
    /// Don't wait for another operation on the StackSet: exit with code 5.
    #[arg(long)]
    pub no_wait: bool,
    /// Submit the first operation and leave it to AWS.
    #[arg(long, conflicts_with = "plan")]
    pub detach: bool,
    /// Stop the operation that is under way.
    #[arg(long, exclusive = true)]
    pub stop: bool,
}

/// A count, or a share in percent.
fn amount(text: &str) -> Result<Amount, String> {
    let number = |digits: &str| digits.parse::<u32>().map_err(|_| "expected 5 or 10%".to_owned());
    match text.strip_suffix('%') {
        Some(digits) => match number(digits)? {
            percent @ 0..=100 => Ok(Amount::Percent(percent)),
            _ => Err("a share is at most 100%".to_owned()),
        },
        None => number(text).map(Amount::Count),
    }
}

/// Rolls the alarm out.
///
/// # Errors
/// Anything that went wrong before, and accounts that failed.
pub async fn run(args: &DeployArgs, context: &Context) -> Result<()> {
    if args.stop {
        return stop::run(context).await;
    }
    let (organization, thresholds) = read(context).await?;
    let parts = parts::parts(args, &context.config)?;
    checks::named_accounts(args, &parts, &organization)?;
    let watched = watch::Watched::new(&context.listener);
    let deploy = Deploy {
        args,
        context,
        listener: &watched,
        organization: &organization,
        thresholds: &thresholds,
        parts: &parts,
    };
    if args.plan {
        return deploy.show().await;
    }
    watched.until_interrupted(deploy.roll_out()).await
}

/// The organisation and its thresholds, once it is clear that this caller may act.
async fn read(context: &Context) -> Result<(Organization, Thresholds)> {
    context
        .listener
        .on(Event::Phase("reading the organisation ...".to_owned()));
    let services = &context.services;
    let (info, tree) = precheck::checked(
        precheck::administrator(services, &context.config),
        observe::tree(services),
    )
    .await?;
    let organization = tree.organization(info)?;
    let thresholds = context.thresholds(&organization)?;
    Ok((organization, thresholds))
}
