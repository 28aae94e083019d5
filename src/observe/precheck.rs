//! What every command makes sure of before anything else: the right partition, organisation and account.

use std::pin::pin;

use futures::future::{Either, select};

use crate::config::Config;
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{AccountId, OrgId, PARTITION};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::organizations::{LIST_DELEGATED_ADMINISTRATORS, OrganizationInfo};
use billctl_core::service::{Kind, Services, all_pages};

/// What `read` answers, if `check` holds. They run side by side, and where both fail the check's error is reported: it
/// says why the other failed.
///
/// # Errors
/// The check's, else the read's.
pub async fn checked<C, T>(
    check: impl Future<Output = Result<C>>,
    read: impl Future<Output = Result<T>>,
) -> Result<(C, T)> {
    match select(pin!(check), pin!(read)).await {
        Either::Left((checked, read)) => Ok((checked?, read.await?)),
        Either::Right((answer, check)) => Ok((check.await?, answer?)),
    }
}

/// The organisation, if its management account is calling: the billing account's side is there and nowhere else.
///
/// # Errors
/// No credentials, another partition, no organisation, another one than the config's, another account.
pub async fn billing_account(services: &Services, config: &Config) -> Result<OrganizationInfo> {
    let (account, organization) = standing(services, config.organization.as_ref()).await?;
    if account != organization.management_account {
        return Err(not_management(account, &organization).remedy(format!(
            "the charges of all accounts are in account {} only; choose its credentials with --profile or AWS_PROFILE",
            organization.management_account
        )));
    }
    Ok(organization)
}

/// The organisation, if the caller may administer its StackSets as the config's `call-as` says.
///
/// # Errors
/// No credentials, another partition, no organisation, another one than the config's, another account.
pub async fn administrator(services: &Services, config: &Config) -> Result<OrganizationInfo> {
    let (account, organization) = standing(services, config.organization.as_ref()).await?;
    let is_management = account == organization.management_account;
    match config.call_as {
        CallAs::Own if is_management => Ok(organization),
        CallAs::Own => Err(not_management(account, &organization).remedy(
            "choose its credentials with --profile or AWS_PROFILE, or set `call-as = \"delegated-admin\"` in the \
             config if this account is a delegated administrator",
        )),
        CallAs::DelegatedAdmin if is_management => Err(Error::usage(format!(
            "account {account} is the organisation's management account, but the config says it is a delegated \
             administrator"
        ))
        .remedy("take `call-as` out of the config, or choose other credentials with --profile or AWS_PROFILE")),
        CallAs::DelegatedAdmin => {
            delegated(services, account).await?;
            Ok(organization)
        }
    }
}

/// As whom the caller may administer StackSets, where no config says; and of which organisation.
///
/// # Errors
/// No credentials, another partition, no organisation, an account that is neither.
pub async fn call_as(services: &Services) -> Result<(CallAs, OrganizationInfo)> {
    let (account, organization) = standing(services, None).await?;
    if account == organization.management_account {
        return Ok((CallAs::Own, organization));
    }
    delegated(services, account).await?;
    Ok((CallAs::DelegatedAdmin, organization))
}

/// Who is calling, and in which organisation.
async fn standing(services: &Services, wanted: Option<&OrgId>) -> Result<(AccountId, OrganizationInfo)> {
    let (caller, organization) = futures::join!(
        services.sts.get_caller_identity(),
        services.organizations.describe_organization(),
    );
    let caller = caller.while_trying("find out whose credentials these are")?;
    let account = caller.account;
    let partition = caller.arn.partition();
    if partition != PARTITION {
        return Err(Error::usage(format!(
            "account {account} is in partition `{partition}`, where billing metrics and StackSets work differently"
        ))
        .remedy(format!(
            "billctl works in partition `{PARTITION}` only; choose other credentials with --profile or AWS_PROFILE"
        )));
    }
    let organization = organization.map_err(|error| {
        if error.kind == Kind::NotFound {
            Error::usage(format!("account {account} belongs to no organisation"))
                .remedy("choose the credentials of an organisation's management account with --profile or AWS_PROFILE")
        } else {
            Error::from(error).while_trying("read the organisation")
        }
    })?;
    if let Some(wanted) = wanted.filter(|wanted| **wanted != organization.id) {
        return Err(Error::usage(format!(
            "the config is for organisation {wanted}, but account {account} belongs to {}",
            organization.id
        ))
        .remedy("choose other credentials with --profile or AWS_PROFILE, or another config with --config"));
    }
    Ok((account, organization))
}

fn not_management(account: AccountId, organization: &OrganizationInfo) -> Error {
    Error::usage(format!(
        "account {account} is not the management account ({}) of organisation {}",
        organization.management_account, organization.id
    ))
}

/// That this account is a delegated administrator for StackSets.
async fn delegated(services: &Services, account: AccountId) -> Result<()> {
    let organizations = &services.organizations;
    let register = format!(
        "in the management account run: aws organizations register-delegated-administrator \
         --service-principal member.org.stacksets.cloudformation.amazonaws.com --account-id {account}"
    );
    let administrators = all_pages(LIST_DELEGATED_ADMINISTRATORS, |token| {
        organizations.list_stacksets_administrators(token)
    });
    match administrators.await {
        Ok(administrators) if administrators.contains(&account) => Ok(()),
        Ok(_) => Err(Error::usage(format!(
            "account {account} is not a delegated administrator for StackSets"
        ))
        .remedy(register)),
        // A member account that administers nothing may not even ask (docs/aws-facts.md, "Organizations").
        Err(error) if error.kind == Kind::Denied => {
            let action = error.operation.iam_action();
            let error =
                Error::from(error).while_trying(format!("see whether account {account} is a delegated administrator"));
            Err(error.remedy(format!(
                "use the management account's credentials; or, if this account is to deploy, {register}, and allow \
                 `{action}`"
            )))
        }
        Err(error) => Err(error).while_trying("list the delegated administrators"),
    }
}
