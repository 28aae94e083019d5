//! Who is calling, and what they may do.

use std::collections::BTreeSet;

use super::{Check, Readings};
use crate::config::Config;
use crate::resource::permissions::{Job, actions};
use billctl_core::error::advice;
use billctl_core::model::PARTITION;
use billctl_core::service::cloudformation::{CallAs, OrganizationsAccess};
use billctl_core::service::organizations::OrganizationInfo;
use billctl_core::service::sts::CallerIdentity;
use billctl_core::service::{Kind, Result};

pub(super) fn credentials(caller: &Result<CallerIdentity>) -> Check {
    match caller {
        Ok(caller) => Check::ok(caller.arn.to_string()),
        Err(error) => Check {
            remedy: advice(error),
            ..Check::failed(error.to_string())
        },
    }
}

pub(super) fn partition(caller: &Result<CallerIdentity>) -> Check {
    match caller.as_ref().map(|caller| caller.arn.partition()) {
        Ok(PARTITION) => Check::ok(PARTITION),
        Ok(other) => Check::failed(format!("{other}: its billing metrics and StackSets differ"))
            .remedy("use credentials of an account in partition aws"),
        Err(_) => Check::skipped("needs credentials"),
    }
}

pub(super) fn organization(config: &Config, organization: &Result<OrganizationInfo>) -> Check {
    match organization {
        Ok(found) => match &config.organization {
            Some(wanted) if *wanted != found.id => {
                Check::failed(format!("{}, but the config is for {wanted}", found.id))
                    .remedy("use the right profile, or the right --config")
            }
            Some(_) => Check::ok(format!("{}, as the config says", found.id)),
            None => Check::ok(format!(
                "{0}; organization = \"{0}\" at the top of the config would guard against wrong credentials",
                found.id
            )),
        },
        Err(error) if error.kind == Kind::NotFound => Check::failed("the account belongs to no organisation")
            .remedy("use credentials of the organisation's management account"),
        Err(error) => Check::unread(error),
    }
}

pub(super) fn all_features(organization: &Result<OrganizationInfo>) -> Check {
    match organization {
        Ok(found) if found.all_features => Check::ok("on"),
        Ok(_) => Check::failed("the organisation has only consolidated billing")
            .remedy("console: AWS Organizations > Settings > Begin process to enable all features"),
        Err(error) if error.kind == Kind::NotFound => Check::skipped("needs an organisation"),
        Err(error) => Check::unread(error),
    }
}

pub(super) fn account(config: &Config, readings: &Readings) -> Check {
    let (Ok(caller), Ok(organization)) = (&readings.caller, &readings.organization) else {
        return Check::skipped("needs credentials of an account in an organisation");
    };
    let (account, management) = (caller.account, organization.management_account);
    match (config.call_as, &readings.administrators) {
        (CallAs::Own, _) if account == management => Check::ok(format!("{account} is the management account")),
        (CallAs::Own, Ok(administrators)) if administrators.contains(&account) => Check::failed(format!(
            "{account} is a delegated administrator, but the config says otherwise"
        ))
        .remedy("write call-as = \"delegated-admin\" at the top of the config"),
        (CallAs::Own, _) => Check::failed(format!("{account} is not the management account ({management})"))
            .remedy("use the management account's credentials (--profile)"),
        (CallAs::DelegatedAdmin, _) if account == management => Check::failed(format!(
            "{account} is the management account, but the config says delegated-admin"
        ))
        .remedy("take call-as out of the config, or use the delegated administrator's credentials"),
        (CallAs::DelegatedAdmin, Ok(administrators)) if administrators.contains(&account) => {
            Check::ok(format!("{account} is a delegated administrator for StackSets"))
        }
        (CallAs::DelegatedAdmin, Ok(_)) => {
            Check::failed(format!("{account} is not a delegated administrator for StackSets")).remedy(format!(
                "in the management account: aws organizations register-delegated-administrator \
                 --service-principal member.org.stacksets.cloudformation.amazonaws.com --account-id {account}"
            ))
        }
        (CallAs::DelegatedAdmin, Err(error)) => Check::unread(error),
    }
}

pub(super) fn trusted_access(access: &Result<OrganizationsAccess>) -> Check {
    match access {
        Ok(OrganizationsAccess::Enabled) => Check::ok("StackSets may act in the organisation"),
        Ok(OrganizationsAccess::Disabled) => Check::to_do("off for StackSets")
            .remedy("`billctl bootstrap` switches it on (aws cloudformation activate-organizations-access)"),
        Ok(OrganizationsAccess::DisabledPermanently) => {
            Check::failed("off for StackSets permanently").remedy("ask AWS Support to allow it again")
        }
        Err(error) => Check::unread(error),
    }
}

/// What each job would be refused, by IAM's simulator. It doesn't know the organisation's service control policies
/// or permissions boundaries of sessions (IAM user guide, "Testing IAM policies"), so "allowed" is no promise.
pub(super) fn permissions(config: &Config, denied: &Result<Option<BTreeSet<String>>>) -> Check {
    let denied = match denied {
        Ok(Some(denied)) if denied.is_empty() => {
            return Check::ok("every action that billctl needs is allowed");
        }
        Ok(Some(denied)) => denied,
        Ok(None) => {
            return Check::warning("unknown for this kind of identity")
                .remedy("compare its policy with `billctl policy operator`");
        }
        Err(error) => return Check::unread(error),
    };
    let lacking = |job| -> Vec<String> {
        let needed = actions(job, config);
        needed.intersection(denied).cloned().collect()
    };
    let jobs = [
        (Job::Status, "status", "looking (status, spend)"),
        (Job::Deploy, "deploy", "deploy"),
        (Job::Operator, "operator", "bootstrap, test-alert and destroy"),
    ];
    let (enough, short): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .map(|(job, word, what)| (word, what, lacking(job)))
        .partition(|(_, _, lacking)| lacking.is_empty());
    let mut parts: Vec<String> = short
        .iter()
        .map(|(_, what, lacking)| format!("{what} would be denied {}", lacking.join(", ")))
        .collect();
    if !enough.is_empty() {
        let enough: Vec<&str> = enough.iter().map(|(_, what, _)| *what).collect();
        parts.insert(0, format!("enough for {}", enough.join(" and ")));
    }
    let policies: Vec<String> = short
        .iter()
        .map(|(job, ..)| format!("`billctl policy {job}`"))
        .collect();
    Check::warning(parts.join("; ")).remedy(format!(
        "if this identity is meant to do it, give it what {} prints",
        policies.join(" or ")
    ))
}
