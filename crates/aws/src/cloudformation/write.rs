//! Our types as StackSets' requests take them.

use aws_sdk_cloudformation::types as sdk;

use super::super::convert::number;
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{
    AccountFilter, ConcurrencyMode, CountOrPercent, DetailedStatus, InstanceFilter, Parameters, Preferences,
    StackSetSpec, Targets,
};
use billctl_core::words::word;

pub(super) fn parameters(values: &Parameters) -> Vec<sdk::Parameter> {
    values
        .iter()
        .map(|(key, value)| {
            sdk::Parameter::builder()
                .parameter_key(key)
                .parameter_value(value)
                .build()
        })
        .collect()
}

pub(super) fn tags(spec: &StackSetSpec) -> Vec<sdk::Tag> {
    spec.tags
        .iter()
        .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build())
        .collect()
}

/// What happens to the stacks of accounts that leave may only be said while auto-deployment is on.
pub(super) fn auto_deployment(spec: &StackSetSpec) -> sdk::AutoDeployment {
    let wanted = spec.auto_deployment;
    sdk::AutoDeployment::builder()
        .enabled(wanted.enabled)
        .set_retain_stacks_on_account_removal(wanted.enabled.then_some(wanted.retain_stacks))
        .build()
}

pub(super) fn managed_execution(active: bool) -> sdk::ManagedExecution {
    sdk::ManagedExecution::builder().active(active).build()
}

/// The filter is always said where accounts are given: left out it is `UNION`, which is refused on create. The
/// request's own `Accounts` is for self-managed StackSets and never used.
pub(super) fn targets(wanted: &Targets) -> sdk::DeploymentTargets {
    let ous = wanted.ous.iter().map(|ou| ou.as_str().to_owned()).collect();
    let builder = sdk::DeploymentTargets::builder().set_organizational_unit_ids(Some(ous));
    let ids = |accounts: &[AccountId]| Some(accounts.iter().map(AccountId::to_string).collect());
    match &wanted.accounts {
        AccountFilter::None => builder,
        AccountFilter::Intersection(accounts) => builder
            .account_filter_type(sdk::AccountFilterType::Intersection)
            .set_accounts(ids(accounts)),
        AccountFilter::Difference(accounts) => builder
            .account_filter_type(sdk::AccountFilterType::Difference)
            .set_accounts(ids(accounts)),
    }
    .build()
}

pub(super) fn operation_preferences(wanted: &Preferences) -> sdk::StackSetOperationPreferences {
    let mut builder = sdk::StackSetOperationPreferences::builder().concurrency_mode(match wanted.mode {
        ConcurrencyMode::Strict => sdk::ConcurrencyMode::StrictFailureTolerance,
        ConcurrencyMode::Soft => sdk::ConcurrencyMode::SoftFailureTolerance,
    });
    builder = match wanted.tolerance {
        CountOrPercent::Count(count) => builder.failure_tolerance_count(number(count)),
        CountOrPercent::Percent(percent) => builder.failure_tolerance_percentage(number(percent)),
    };
    match wanted.concurrency {
        CountOrPercent::Count(count) => builder.max_concurrent_count(number(count)),
        CountOrPercent::Percent(percent) => builder.max_concurrent_percentage(number(percent)),
    }
    .build()
}

pub(super) fn instance_filter(filter: InstanceFilter) -> sdk::StackInstanceFilter {
    let (name, values) = match filter {
        InstanceFilter::LastOperation(id) => (sdk::StackInstanceFilterName::LastOperationId, id.0),
        InstanceFilter::Drift(status) => (sdk::StackInstanceFilterName::DriftStatus, word(&status)),
    };
    sdk::StackInstanceFilter::builder().name(name).values(values).build()
}

pub(super) fn result_filter(status: DetailedStatus) -> sdk::OperationResultFilter {
    // The statuses of instances that results don't have are never asked for.
    let status = match status {
        DetailedStatus::SkippedSuspendedAccount => DetailedStatus::Cancelled,
        DetailedStatus::Inoperable | DetailedStatus::FailedImport => DetailedStatus::Failed,
        asked => asked,
    };
    sdk::OperationResultFilter::builder()
        .name(sdk::OperationResultFilterName::OperationResultStatus)
        .values(word(&status))
        .build()
}
