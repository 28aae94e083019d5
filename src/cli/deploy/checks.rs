use super::DeployArgs;
use super::parts::Part;
use crate::cli::Context;
use crate::config::Config;
use crate::plan::rollout::targets;
use crate::resource::stack_set;
use billctl_core::error::{Error, Result};
use billctl_core::model::{AccountId, Organization, OuId};
use billctl_core::service::cloudformation::{OrganizationsAccess, StackSet};

/// That the accounts named on the command line are in the OUs of the run, and can have an instance.
///
/// # Errors
/// The first that isn't.
pub(super) fn named_accounts<'a>(
    named: impl Iterator<Item = &'a AccountId>,
    parts: &[Part],
    organization: &Organization,
) -> Result<()> {
    let ous: Vec<OuId> = targets(parts.iter().flat_map(|part| &part.scope.ous), organization)?
        .into_iter()
        .collect();
    let reached = organization.accounts_below(&ous);
    for account in named {
        if *account == organization.management_account {
            return Err(Error::usage(format!(
                "account {account} is the management account, which StackSets never reach"
            ))
            .remedy("`billctl bootstrap` makes its alarm"));
        }
        if reached.contains(account) {
            continue;
        }
        let found = organization.account(*account);
        let parent = found.map_or_else(String::new, |(_, parent)| organization.path(parent));
        return Err(Error::usage(format!(
            "account {account} is outside the OUs of this deploy: it is in {parent}"
        ))
        .remedy("name its OU with --ou, or add it to [deploy] ous"));
    }
    Ok(())
}

/// The OUs that the command line names and config doesn't target, by path: `status` and prune go by config, if that
/// names any OU.
///
/// # Errors
/// A selector that doesn't name exactly one OU.
pub(super) fn outside_config(args: &DeployArgs, config: &Config, organization: &Organization) -> Result<Vec<String>> {
    let configured = targets(config.ous(), organization)?;
    if configured.is_empty() {
        return Ok(Vec::new());
    }
    let named = targets(&args.ou, organization)?;
    let outside = named
        .iter()
        .filter(|ou| !organization.ancestry(ou).any(|above| configured.contains(above)));
    Ok(outside.map(|ou| organization.path(ou)).collect())
}

/// What becomes of an OU that config doesn't target.
pub(super) fn not_in_config(path: &str, organization: &Organization) -> String {
    let ou = organization.ous().find(|ou| organization.path(&ou.id) == path);
    if ou.is_some_and(|ou| organization.accounts_below(std::slice::from_ref(&ou.id)).is_empty()) {
        return format!(
            "config doesn't target {path}, which holds no account: it is a target all the same, so accounts that come to \
             it get the alarm until `deploy --prune` removes theirs; to keep them, add \"{path}\" to [deploy] ous"
        );
    }
    format!(
        "config doesn't target {path}: `status` will call its instances \"not in config\", and `deploy --prune` \
         removes them; to keep them, add \"{path}\" to [deploy] ous"
    )
}

/// That the StackSet of this name is billctl's to change.
///
/// # Errors
/// It isn't.
pub(super) fn ours(live: Option<&StackSet>) -> Result<()> {
    match live.and_then(|live| Some((&live.name, stack_set::foreign(live)?))) {
        None => Ok(()),
        Some((name, why)) => Err(
            Error::failed(format!("there is a StackSet {name} that isn't billctl's: {why}"))
                .remedy("choose another name in [deploy] stack-set, or delete that StackSet"),
        ),
    }
}

/// Whether StackSets may act in the organisation: what to say, if they may not and a StackSet is refused. It isn't
/// reason enough to give up beforehand: StackSets can also have been let in by Organizations' own
/// EnableAWSServiceAccess, and a delegated administrator need not see what the management account has switched on (both
/// unverified on AWS: docs/aws-facts.md, "StackSets: setup").
pub(super) async fn access(context: &Context) -> Option<Error> {
    match context.services.cloudformation.describe_organizations_access().await {
        Ok(OrganizationsAccess::Enabled) => None,
        Ok(OrganizationsAccess::Disabled) => Some(
            Error::failed("trusted access of StackSets to the organisation is off")
                .remedy("run `billctl bootstrap` in the management account, which switches it on"),
        ),
        Ok(OrganizationsAccess::DisabledPermanently) => Some(
            Error::failed("trusted access of StackSets to the organisation is disabled permanently")
                .remedy("ask AWS support to lift it"),
        ),
        // Not every engine has this call; StackSets itself refuses where access is off.
        Err(error) => {
            context.warn(format!("trusted access could not be checked: {error}"));
            None
        }
    }
}
