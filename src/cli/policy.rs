use clap::Args;

use super::GlobalArgs;
use crate::config::Config;
use crate::resource::permissions::{self, Job};
use crate::resource::stack_set::TEMPLATE;
use billctl_core::error::{Error, Result};
use billctl_core::model::AccountId;
/// Arguments of `policy`.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    /// Who is to get the policy.
    #[arg(value_enum)]
    pub job: Job,
    /// The account that it is for: the management account, or the delegated administrator. By id, as this calls nothing
    /// that knows names. Without it, the ARNs leave the account open.
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,
    /// With the way into members, which `status --probe`, `doctor` and (for the operator) `test-alert --from-member`
    /// use: sts:AssumeRole of the role of `[members]` in the organisation's accounts.
    #[arg(long)]
    pub probe: bool,
}

/// Prints the least IAM policy for a job, with the names of the config. Calls nothing: it is what one needs before
/// one may call anything.
///
/// # Errors
/// A config that is missing or wrong.
pub(super) fn run(args: &PolicyArgs, global: &GlobalArgs) -> Result<()> {
    let config = Config::load(&global.config)?;
    let types = permissions::resource_types(TEMPLATE);
    let job = args.job;
    let mut policy = permissions::policy(job, &config, args.account, &types);
    // Not hushed by --quiet: whoever attaches this has to know it.
    if let Some(what) = job.amounts_to() {
        aside!("warning: guard this policy like an administrator's: {what}");
    }
    if args.probe {
        if matches!(args.job, Job::Deploy | Job::Thresholds | Job::Tell | Job::Digest) {
            return Err(
                Error::usage("this job never goes into members, so its policy has no way into them")
                    .remedy("`billctl policy status --probe` and `policy operator --probe` have it"),
            );
        }
        policy = permissions::with_probe(policy, &config);
        let role = &config.members.role;
        aside!(
            "warning: whoever has this policy can become {role} in any member. {role} may do whatever its own \
             policies allow there: Organizations makes it an administrator. billctl itself allows its sessions only to \
             look at the alarm, its data and its rule (and to set that alarm's state in `test-alert --from-member`), but \
             the policy can't hold others to that"
        );
    }
    say!("{policy:#}")?;
    let size = permissions::size(&policy);
    if size > permissions::MANAGED_POLICY_LIMIT && !global.quiet {
        aside!(
            "note: {size} characters, more than a managed policy may have ({}); add it to the role as an inline \
             policy (aws iam put-role-policy), which may have 10,240",
            permissions::MANAGED_POLICY_LIMIT
        );
    }
    Ok(())
}
