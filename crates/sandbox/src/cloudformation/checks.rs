//! What AWS refuses, with its error codes.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::State;
use super::record::{Instance, OperationRecord, Reach, SetRecord, Work};
use crate::World;
use crate::refusal::{Answer, Refusal};
use crate::template::Template;
use billctl_core::model::AccountId;
use billctl_core::service::Kind;
use billctl_core::service::cloudformation::{
    AccountFilter, CallAs, CountOrPercent, MAX_OUS, MAX_TEMPLATE_BYTES, OperationId, OrganizationsAccess, Parameters,
    Preferences, Targets,
};

/// Refuses a request that can't be right.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid("ValidationError", message)
}

pub(super) fn set_not_found(name: &str) -> Refusal {
    Refusal::not_found("StackSetNotFoundException", format!("StackSet {name} not found"))
}

fn is_administrator(world: &World) -> bool {
    world.organizations.stacksets_administrators.contains(&world.caller)
}

/// Whether the caller is who the request says. The management account acts for itself, a delegated administrator says
/// so on each call; a member that doesn't finds no service-managed StackSets (docs/aws-facts.md, "StackSets: setup").
fn speaks_truly(world: &World, call_as: CallAs) -> Answer<bool> {
    match call_as {
        CallAs::Own => Ok(world.caller == world.management_account()),
        CallAs::DelegatedAdmin if is_administrator(world) => Ok(true),
        CallAs::DelegatedAdmin => Err(invalid(
            "You must be a delegated administrator to call this operation with CallAs DELEGATED_ADMIN",
        )),
    }
}

/// The StackSet of this name, for a caller who may see it.
///
/// # Errors
/// There is none, or not for this caller.
pub(super) fn set<'a>(world: &'a World, call_as: CallAs, name: &str) -> Answer<&'a SetRecord> {
    if !speaks_truly(world, call_as)? {
        return Err(set_not_found(name));
    }
    world.cloudformation.sets.get(name).ok_or_else(|| set_not_found(name))
}

/// Making and changing needs trusted access, and somebody entitled.
pub(super) fn may_manage(world: &World, call_as: CallAs) -> Answer<()> {
    if !speaks_truly(world, call_as)? {
        return Err(invalid(
            "You must be the management account or delegated admin account of an organization before operating a \
             SERVICE_MANAGED stack set",
        ));
    }
    if world.cloudformation.access != OrganizationsAccess::Enabled {
        return Err(invalid(
            "You must enable organizations access to operate a service managed stack set",
        ));
    }
    Ok(())
}

/// Who may ask about trusted access.
pub(super) fn may_see_access(world: &World, call_as: CallAs) -> Answer<OrganizationsAccess> {
    if !speaks_truly(world, call_as)? {
        let why = "Only the management account or a delegated administrator can describe organizations access";
        return Err(Refusal::invalid("InvalidOperationException", why));
    }
    Ok(world.cloudformation.access)
}

/// The instance in this account.
///
/// # Errors
/// There is none.
pub(super) fn instance(set: &SetRecord, account: AccountId) -> Answer<&Instance> {
    set.instances
        .get(&account)
        .ok_or_else(|| instance_not_found(set, account))
}

fn instance_not_found(set: &SetRecord, what: impl Display) -> Refusal {
    let why = format!("Stack instance {what} not found in StackSet {}", set.name);
    Refusal::not_found("StackInstanceNotFoundException", why)
}

/// The operation of this id.
///
/// # Errors
/// There is none.
pub(super) fn operation<'a>(set: &'a SetRecord, id: &OperationId) -> Answer<&'a OperationRecord> {
    set.operation(id).ok_or_else(|| operation_not_found(id))
}

pub(super) fn operation_not_found(id: &OperationId) -> Refusal {
    Refusal::not_found("OperationNotFoundException", format!("Operation {id} not found"))
}

/// A template that CloudFormation takes, with parameters that fit it.
pub(super) fn template(text: &str, parameters: &Parameters) -> Answer<()> {
    if text.len() > MAX_TEMPLATE_BYTES {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have \
                 length less than or equal to {MAX_TEMPLATE_BYTES}"
        )));
    }
    Template::parse(text)
        .and_then(|template| template.check_parameters(parameters))
        .map_err(|error| invalid(error.0))
}

/// An override must be of a parameter that the StackSet has.
pub(super) fn overrides(state: &State, set: &SetRecord, overrides: &Parameters) -> Answer<()> {
    state
        .template(set.revision)
        .and_then(|template| template.check_overrides(overrides))
        .map_err(|error| invalid(error.0))
}

/// OUs that exist, not too many, and accounts where the filter needs some.
pub(super) fn targets(world: &World, targets: &Targets) -> Answer<()> {
    if targets.ous.is_empty() {
        return Err(invalid(
            "OrganizationalUnitIds are required for a service managed stack set",
        ));
    }
    if targets.ous.len() > MAX_OUS {
        return Err(invalid(format!(
            "An operation can have at most {MAX_OUS} organizational units"
        )));
    }
    if let Some(unknown) = targets.ous.iter().find(|ou| !world.organizations.has_ou(ou)) {
        return Err(invalid(format!("OrganizationalUnit {unknown} does not exist")));
    }
    match &targets.accounts {
        AccountFilter::Intersection(accounts) | AccountFilter::Difference(accounts) if accounts.is_empty() => {
            Err(invalid("Accounts are required with this AccountFilterType"))
        }
        _ => Ok(()),
    }
}

pub(super) fn preferences(preferences: &Preferences) -> Answer<()> {
    let refuse = |what: &str| {
        Err(invalid(format!(
            "Value at 'operationPreferences.{what}' is out of its range"
        )))
    };
    match (preferences.tolerance, preferences.concurrency) {
        (CountOrPercent::Percent(101..), _) => refuse("failureTolerancePercentage"),
        (_, CountOrPercent::Percent(0 | 101..)) => refuse("maxConcurrentPercentage"),
        (_, CountOrPercent::Count(0)) => refuse("maxConcurrentCount"),
        _ => Ok(()),
    }
}

/// An id that AWS takes, and that no operation of the StackSet has had.
pub(super) fn operation_id(set: &SetRecord, id: &OperationId) -> Answer<()> {
    let mut bytes = id.0.bytes();
    let well_formed = (1..=128).contains(&id.0.len())
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !well_formed {
        return Err(invalid(
            "Value at 'operationId' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             [a-zA-Z0-9][-a-zA-Z0-9]*",
        ));
    }
    if set.operation(id).is_some() {
        let why = format!("OperationId {id} has already been used");
        return Err(Refusal::exists("OperationIdAlreadyExistsException", why));
    }
    Ok(())
}

pub(super) fn in_progress(set: &SetRecord) -> Refusal {
    let running = set.unfinished().next().map_or("", |operation| operation.id.0.as_str());
    let why = format!("Another Operation on StackSet {} is in progress: {running}", set.name);
    Refusal::new(Kind::Busy, "OperationInProgressException", why)
}

/// Whether another operation may be put in line. With managed execution it queues; drift detection only once
/// (docs/aws-facts.md, "StackSets: drift").
pub(super) fn may_submit(set: &SetRecord, work: &Work) -> Answer<()> {
    let looks_for_drift = |work: &Work| matches!(work, Work::Drift);
    let twice = looks_for_drift(work) && set.unfinished().any(|open| looks_for_drift(&open.work));
    if twice || set.is_busy() && !set.managed_execution {
        return Err(in_progress(set));
    }
    Ok(())
}

/// The accounts that targets reach: OUs with all below, filtered; never the management account.
pub(super) fn reached(world: &World, targets: &Targets) -> BTreeSet<AccountId> {
    let mut accounts: BTreeSet<AccountId> = targets
        .ous
        .iter()
        .flat_map(|ou| world.organizations.accounts_below(ou))
        .collect();
    accounts.remove(&world.management_account());
    match &targets.accounts {
        AccountFilter::None => accounts,
        AccountFilter::Intersection(only) => &accounts & &only.iter().copied().collect(),
        AccountFilter::Difference(but) => &accounts - &but.iter().copied().collect(),
    }
}

/// An update must find what it updates: each account that is named, or at least one of the OUs'
/// (docs/aws-facts.md, "StackSets: create and update").
pub(super) fn has_instances(world: &World, set: &SetRecord, reach: &Reach) -> Answer<()> {
    let Reach::Targets(targets) = reach else {
        return Ok(());
    };
    let is_there = |account: &AccountId| set.instances.contains_key(account);
    match &targets.accounts {
        AccountFilter::Intersection(named) => named.iter().try_for_each(|account| instance(set, *account).map(drop)),
        _ if reached(world, targets).iter().any(is_there) => Ok(()),
        _ => Err(instance_not_found(set, "of these organizational units")),
    }
}
