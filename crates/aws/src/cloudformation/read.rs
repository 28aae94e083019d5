//! StackSets' answers in our types. A status that isn't known here is read as the one that makes billctl look again
//! rather than trust.

use aws_sdk_cloudformation::types as sdk;

use super::super::call::{parsed, required};
use super::super::convert::timestamp;
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, DetailedStatus, DriftStatus, InstanceStatus, OperationAction, OperationId,
    OperationResult, OperationStatus, Parameters, PropertyDifference, ResourceDrift, StackInstance, StackSet,
    StackSetOperation, Targets,
};
use billctl_core::service::{Kind, Operation, Result, ServiceError};
use billctl_core::words::{meaning, meaning_or};

pub(super) fn stack_set(op: Operation, found: sdk::StackSet) -> Result<StackSet> {
    // AWS answers "not found" for a deleted StackSet's name; some endpoints still describe it.
    if found.status() == Some(&sdk::StackSetStatus::Deleted) {
        return Err(ServiceError::new(
            op,
            Kind::NotFound,
            "StackSetNotFoundException",
            "the StackSet is deleted",
        ));
    }
    Ok(StackSet {
        parameters: parameters(found.parameters()),
        tags: found
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
        auto_deployment: found.auto_deployment().and_then(|auto| {
            Some(AutoDeployment {
                enabled: auto.enabled()?,
                retain_stacks: auto.retain_stacks_on_account_removal().unwrap_or(false),
            })
        }),
        managed_execution: found
            .managed_execution()
            .and_then(sdk::ManagedExecution::active)
            .unwrap_or(false),
        service_managed: found.permission_model() != Some(&sdk::PermissionModels::SelfManaged),
        organizational_units: found
            .organizational_unit_ids()
            .iter()
            .map(|ou| parsed(op, Some(ou), "OrganizationalUnitIds"))
            .collect::<Result<_>>()?,
        name: required(op, found.stack_set_name, "StackSetName")?,
        description: found.description.unwrap_or_default(),
        template: required(op, found.template_body, "TemplateBody")?,
    })
}

pub(super) fn parameters(found: &[sdk::Parameter]) -> Parameters {
    found
        .iter()
        .filter_map(|one| {
            Some((
                one.parameter_key()?.to_owned(),
                one.parameter_value().unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

pub(super) fn instance(op: Operation, found: &sdk::StackInstanceSummary) -> Result<StackInstance> {
    Ok(StackInstance {
        account: parsed(op, found.account(), "Account")?,
        ou: found.organizational_unit_id().and_then(|ou| ou.parse().ok()),
        stack_id: found.stack_id().filter(|id| !id.is_empty()).map(str::to_owned),
        status: meaning_or(found.status(), InstanceStatus::Outdated),
        detailed_status: found
            .stack_instance_status()
            .and_then(|status| meaning(status.detailed_status()?.as_str())),
        reason: found.status_reason().unwrap_or_default().to_owned(),
        drift: found.drift_status().map_or(DriftStatus::NotChecked, |status| {
            meaning(status.as_str()).unwrap_or(DriftStatus::Unknown)
        }),
        drift_checked: found.last_drift_check_timestamp().and_then(timestamp),
        last_operation: found.last_operation_id().map(|id| OperationId(id.to_owned())),
    })
}

/// One that isn't known isn't over: the next look will tell.
fn status(found: Option<&sdk::StackSetOperationStatus>) -> OperationStatus {
    meaning_or(found, OperationStatus::Running)
}

fn failed(details: Option<&sdk::StackSetOperationStatusDetails>) -> Option<u32> {
    u32::try_from(details?.failed_stack_instances_count()?).ok()
}

pub(super) fn operation_summary(op: Operation, found: &sdk::StackSetOperationSummary) -> Result<StackSetOperation> {
    Ok(StackSetOperation {
        id: OperationId(required(op, found.operation_id(), "OperationId")?.to_owned()),
        action: meaning_or(found.action(), OperationAction::Update),
        status: status(found.status()),
        created: found.creation_timestamp().and_then(timestamp),
        ended: found.end_timestamp().and_then(timestamp),
        failed_instances: failed(found.status_details()),
        targets: None,
        reason: found.status_reason().map(str::to_owned),
    })
}

pub(super) fn operation(op: Operation, found: &sdk::StackSetOperation) -> Result<StackSetOperation> {
    Ok(StackSetOperation {
        id: OperationId(required(op, found.operation_id(), "OperationId")?.to_owned()),
        action: meaning_or(found.action(), OperationAction::Update),
        status: status(found.status()),
        created: found.creation_timestamp().and_then(timestamp),
        ended: found.end_timestamp().and_then(timestamp),
        failed_instances: failed(found.status_details()),
        targets: found
            .deployment_targets()
            .map(|found| targets(op, found))
            .transpose()?
            .flatten(),
        reason: found.status_reason().map(str::to_owned),
    })
}

/// `None` for targets that aren't OUs, or are filtered in a way that billctl never uses.
fn targets(op: Operation, found: &sdk::DeploymentTargets) -> Result<Option<Targets>> {
    let accounts = found
        .accounts()
        .iter()
        .map(|account| parsed(op, Some(account), "Accounts"))
        .collect::<Result<Vec<_>>>()?;
    let accounts = match found.account_filter_type() {
        Some(sdk::AccountFilterType::Intersection) => AccountFilter::Intersection(accounts),
        Some(sdk::AccountFilterType::Difference) => AccountFilter::Difference(accounts),
        None | Some(sdk::AccountFilterType::None) if accounts.is_empty() => AccountFilter::None,
        _ => return Ok(None),
    };
    let ous = found
        .organizational_unit_ids()
        .iter()
        .map(|ou| parsed(op, Some(ou), "OrganizationalUnitIds"))
        .collect::<Result<Vec<_>>>()?;
    Ok((!ous.is_empty()).then_some(Targets { ous, accounts }))
}

pub(super) fn operation_result(op: Operation, found: &sdk::StackSetOperationResultSummary) -> Result<OperationResult> {
    Ok(OperationResult {
        account: parsed(op, found.account(), "Account")?,
        status: meaning_or(found.status(), DetailedStatus::Pending),
        reason: found.status_reason().unwrap_or_default().to_owned(),
    })
}

pub(super) fn resource_drift(found: &sdk::StackInstanceResourceDriftsSummary) -> ResourceDrift {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    ResourceDrift {
        logical_id: text(found.logical_resource_id()),
        resource_type: text(found.resource_type()),
        status: text(
            found
                .stack_resource_drift_status()
                .map(sdk::StackResourceDriftStatus::as_str),
        ),
        differences: found
            .property_differences()
            .iter()
            .map(|one| PropertyDifference {
                path: text(one.property_path()),
                expected: text(one.expected_value()),
                actual: text(one.actual_value()),
            })
            .collect(),
    }
}
