//! What every command makes sure of before it acts: the right account, organisation and partition.

use crate::config::CallAs;
use crate::error::{Context as _, Error, Result};
use crate::model::Organization;
use crate::service::sts::CallerIdentity;
use crate::service::{Services, all_pages};

use super::Context;

/// Who calls, in a partition that has billing metrics.
///
/// # Errors
/// No credentials, or a partition other than `aws`.
pub async fn caller(services: &Services) -> Result<CallerIdentity> {
    let caller = services
        .sts
        .get_caller_identity()
        .await
        .while_trying("find out whose credentials these are")?;
    match caller.arn.partition() {
        "aws" => Ok(caller),
        partition => Err(Error::failed(format!(
            "these credentials belong to partition {partition}, where AWS publishes billing metrics differently"
        ))
        .hint("billctl works in partition aws only")),
    }
}

/// That the caller may administer the organisation's StackSets, and that it is the organisation of the config.
///
/// # Errors
/// The wrong account or organisation.
pub async fn administrator(
    context: &Context,
    caller: &CallerIdentity,
    organization: &Organization,
) -> Result<()> {
    if let Some(wanted) = &context.config.organization
        && *wanted != organization.id
    {
        return Err(Error::failed(format!(
            "the config is for organisation {wanted}, these credentials for {}",
            organization.id
        ))
        .hint("choose other credentials with --profile, or another config with --config"));
    }
    let management = organization.management_account;
    match context.config.call_as {
        CallAs::Own if caller.account == management => Ok(()),
        CallAs::Own => Err(Error::failed(format!(
            "account {} is not the organisation's management account ({management})",
            caller.account
        ))
        .hint("use the management account's credentials, or set call-as = \"delegated-admin\" in the config")),
        CallAs::DelegatedAdmin => {
            let organizations = &context.services.organizations;
            let administrators = all_pages(|token| organizations.list_stacksets_administrators(token))
                .await
                .while_trying("list the delegated administrators")?;
            if administrators.contains(&caller.account) {
                Ok(())
            } else {
                Err(Error::failed(format!(
                    "account {} is not a delegated administrator for StackSets",
                    caller.account
                ))
                .hint(format!(
                    "in the management account run: aws organizations register-delegated-administrator \
                     --service-principal member.org.stacksets.cloudformation.amazonaws.com --account-id {}",
                    caller.account
                )))
            }
        }
    }
}
