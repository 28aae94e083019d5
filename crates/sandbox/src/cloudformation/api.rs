//! The trait's calls.

use std::ops::Bound;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::checks::{self, invalid};
use super::operation::{stop, submit};
use super::record::{Reach, SetChange, SetRecord, Work};
use super::{Revision, with_set};
use crate::refusal::{Answer, Refusal};
use crate::{Sandbox, World, listing};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{
    ACTIVATE_ORGANIZATIONS_ACCESS, CREATE_STACK_INSTANCES, CREATE_STACK_SET, DELETE_STACK_INSTANCES, DELETE_STACK_SET,
    DESCRIBE_ORGANIZATIONS_ACCESS, DESCRIBE_STACK_INSTANCE, DESCRIBE_STACK_SET, DESCRIBE_STACK_SET_OPERATION,
    DETECT_STACK_SET_DRIFT, DetailedStatus, InstanceFilter, InstancesRequest, LIST_STACK_INSTANCE_RESOURCE_DRIFTS,
    LIST_STACK_INSTANCES, LIST_STACK_SET_OPERATION_RESULTS, LIST_STACK_SET_OPERATIONS, OperationAction, OperationId,
    OperationResult, OperationStatus, OrganizationsAccess, PAGE_SIZE, Parameters, Preferences, ResourceDrift,
    STOP_STACK_SET_OPERATION, StackInstance, StackSet, StackSetOperation, StackSetSpec, Targets,
    UPDATE_STACK_INSTANCES, UPDATE_STACK_SET,
};
use billctl_core::service::{CloudFormation, Kind, Operation, Page, Result};

/// The account after which a page begins.
fn after(token: Option<&str>) -> Answer<Bound<AccountId>> {
    listing::after(token).ok_or_else(|| invalid("The NextToken is not valid"))
}

/// The youngest moment that lists know of.
fn horizon(world: &World) -> Timestamp {
    world
        .now
        .checked_sub(SignedDuration::from_secs(world.faults.lag.into()))
        .unwrap_or(Timestamp::MIN)
}

impl Sandbox {
    /// Checks an operation and puts it in line.
    async fn start(
        &self,
        call: Operation,
        stack_set: &str,
        id: &OperationId,
        preferences: &Preferences,
        reach: Reach,
        work: Work,
    ) -> Result<OperationId> {
        self.call(call, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            checks::may_manage(world, self.call_as())?;
            if let Reach::Targets(targets) = &reach {
                checks::targets(world, targets)?;
            }
            checks::preferences(preferences)?;
            checks::operation_id(set, id)?;
            checks::may_submit(set, &work)?;
            if let Some(overrides) = work.overrides() {
                checks::overrides(&world.cloudformation, set, overrides)?;
            }
            if let Work::UpdateSet { change } = &work {
                checks::template(&change.template, &change.parameters)?;
            }
            if work.action() == OperationAction::Update {
                checks::has_instances(world, set, &reach)?;
            }
            with_set(world, stack_set, |world, set| {
                submit(world, set, id.clone(), work.clone(), reach.clone(), *preferences);
            });
            Ok(id.clone())
        })
        .await
    }

    /// The same for what a request says.
    async fn start_on(&self, call: Operation, request: &InstancesRequest, work: Work) -> Result<OperationId> {
        self.start(
            call,
            &request.stack_set,
            &request.operation_id,
            &request.preferences,
            Reach::Targets(request.targets.clone()),
            work,
        )
        .await
    }
}

#[async_trait]
impl CloudFormation for Sandbox {
    async fn describe_organizations_access(&self) -> Result<OrganizationsAccess> {
        self.read(DESCRIBE_ORGANIZATIONS_ACCESS, |world| {
            checks::may_see_access(world, self.call_as())
        })
        .await
    }

    async fn activate_organizations_access(&self) -> Result<()> {
        self.call(ACTIVATE_ORGANIZATIONS_ACCESS, |world| {
            let why = if world.caller != world.management_account() {
                "Only the management account can activate organizations access"
            } else if !world.organizations.all_features {
                "The organization must have all features enabled"
            } else if world.cloudformation.access == OrganizationsAccess::DisabledPermanently {
                "Organizations access is disabled permanently"
            } else {
                world.cloudformation.access = OrganizationsAccess::Enabled;
                return Ok(());
            };
            Err(Refusal::invalid("InvalidOperationException", why))
        })
        .await
    }

    async fn describe_stack_set(&self, name: &str) -> Result<StackSet> {
        self.read(DESCRIBE_STACK_SET, |world| {
            let set = checks::set(world, self.call_as(), name)?;
            let revision = world.cloudformation.revisions.get(&set.revision);
            let Revision { template, parameters } = revision.cloned().unwrap_or_default();
            Ok(StackSet {
                name: set.name.clone(),
                description: set.description.clone(),
                template,
                parameters,
                tags: set.tags.clone(),
                auto_deployment: Some(set.auto_deployment),
                managed_execution: set.managed_execution,
                service_managed: true,
                organizational_units: set.targets.iter().cloned().collect(),
            })
        })
        .await
    }

    async fn create_stack_set(&self, spec: &StackSetSpec, token: &str) -> Result<()> {
        self.call(CREATE_STACK_SET, |world| {
            checks::may_manage(world, self.call_as())?;
            checks::template(&spec.template, &spec.parameters)?;
            if let Some(set) = world.cloudformation.sets.get(&spec.name) {
                if set.token == token {
                    return Ok(());
                }
                let why = format!("StackSet {} already exists", spec.name);
                return Err(Refusal::exists("NameAlreadyExistsException", why));
            }
            let revision = world.cloudformation.revision(&spec.template, &spec.parameters);
            world.cloudformation.sets.insert(
                spec.name.clone(),
                SetRecord {
                    name: spec.name.clone(),
                    description: spec.description.clone(),
                    tags: spec.tags.clone(),
                    auto_deployment: spec.auto_deployment,
                    managed_execution: true,
                    token: token.to_owned(),
                    revision,
                    targets: Default::default(),
                    instances: Default::default(),
                    operations: Vec::new(),
                },
            );
            Ok(())
        })
        .await
    }

    async fn update_stack_set(
        &self,
        spec: &StackSetSpec,
        targets: Option<Targets>,
        preferences: &Preferences,
        id: &OperationId,
    ) -> Result<OperationId> {
        let change = Box::new(SetChange {
            description: spec.description.clone(),
            template: spec.template.clone(),
            parameters: spec.parameters.clone(),
            tags: spec.tags.clone(),
            auto_deployment: targets.is_none().then_some(spec.auto_deployment),
        });
        let (reach, work) = (targets.map_or(Reach::All, Reach::Targets), Work::UpdateSet { change });
        self.start(UPDATE_STACK_SET, &spec.name, id, preferences, reach, work)
            .await
    }

    async fn set_managed_execution(&self, name: &str, active: bool) -> Result<()> {
        self.call(UPDATE_STACK_SET, |world| {
            let set = checks::set(world, self.call_as(), name)?;
            if set.managed_execution != active && set.is_busy() {
                return Err(checks::in_progress(set));
            }
            if let Some(set) = world.cloudformation.sets.get_mut(name) {
                set.managed_execution = active;
            }
            Ok(())
        })
        .await
    }

    async fn delete_stack_set(&self, name: &str) -> Result<()> {
        self.call(DELETE_STACK_SET, |world| {
            let set = match checks::set(world, self.call_as(), name) {
                Ok(set) => set,
                // What isn't there is deleted: the API has no error for it.
                Err(error) if error.kind == Kind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            if set.is_busy() {
                return Err(checks::in_progress(set));
            }
            if !set.instances.is_empty() {
                let why = "StackSet is not empty";
                return Err(Refusal::new(Kind::Other, "StackSetNotEmptyException", why));
            }
            world.cloudformation.sets.remove(name);
            Ok(())
        })
        .await
    }

    async fn list_stack_instances(
        &self,
        stack_set: &str,
        filter: Option<InstanceFilter>,
        token: Option<String>,
    ) -> Result<Page<StackInstance>> {
        self.read(LIST_STACK_INSTANCES, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            let from = after(token.as_deref())?;
            let items = set
                .instances
                .range((from, Bound::Unbounded))
                .filter(|(_, instance)| match &filter {
                    None => true,
                    Some(InstanceFilter::LastOperation(id)) => instance.last_operation == *id,
                    Some(InstanceFilter::Drift(status)) => instance.drift == *status,
                })
                .filter_map(|(account, instance)| {
                    let listed = instance.listed_at(stack_set, *account, horizon(world))?;
                    Some((*account, listed))
                });
            Ok(listing::page(items, PAGE_SIZE))
        })
        .await
    }

    async fn describe_overrides(&self, stack_set: &str, account: AccountId) -> Result<Parameters> {
        self.read(DESCRIBE_STACK_INSTANCE, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            Ok(checks::instance(set, account)?.overrides.clone())
        })
        .await
    }

    async fn create_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId> {
        let overrides = request.overrides.clone();
        self.start_on(CREATE_STACK_INSTANCES, request, Work::Create { overrides })
            .await
    }

    async fn update_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId> {
        let overrides = request.overrides.clone();
        self.start_on(UPDATE_STACK_INSTANCES, request, Work::Update { overrides })
            .await
    }

    async fn delete_stack_instances(
        &self,
        stack_set: &str,
        targets: &Targets,
        retain: bool,
        preferences: &Preferences,
        id: &OperationId,
    ) -> Result<OperationId> {
        let (reach, work) = (Reach::Targets(targets.clone()), Work::Delete { retain });
        self.start(DELETE_STACK_INSTANCES, stack_set, id, preferences, reach, work)
            .await
    }

    async fn list_operations(&self, stack_set: &str, token: Option<String>) -> Result<Page<StackSetOperation>> {
        self.read(LIST_STACK_SET_OPERATIONS, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            let skip: usize = match token.as_deref() {
                None => 0,
                Some(token) => token
                    .strip_prefix("skip:")
                    .and_then(|count| count.parse().ok())
                    .ok_or_else(|| invalid("The NextToken is not valid"))?,
            };
            let known: Vec<_> = set
                .operations
                .iter()
                .rev()
                .filter_map(|operation| operation.listed_at(horizon(world)))
                .collect();
            let items: Vec<_> = known.iter().skip(skip).take(PAGE_SIZE).cloned().collect();
            let seen = skip.saturating_add(items.len());
            Ok(Page {
                items,
                next: (seen < known.len()).then(|| format!("skip:{seen}")),
            })
        })
        .await
    }

    async fn describe_operation(&self, stack_set: &str, id: &OperationId) -> Result<StackSetOperation> {
        self.read(DESCRIBE_STACK_SET_OPERATION, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            Ok(checks::operation(set, id)?.described())
        })
        .await
    }

    async fn list_operation_results(
        &self,
        stack_set: &str,
        id: &OperationId,
        status: Option<DetailedStatus>,
        token: Option<String>,
    ) -> Result<Page<OperationResult>> {
        self.read(LIST_STACK_SET_OPERATION_RESULTS, |world| {
            let from = after(token.as_deref())?;
            let set = checks::set(world, self.call_as(), stack_set)?;
            let items = checks::operation(set, id)?
                .outcomes
                .range((from, Bound::Unbounded))
                .map(|(account, outcome)| (*account, outcome.listed_at(*account, horizon(world))))
                .filter(|(_, result)| status.is_none_or(|status| result.status == status));
            Ok(listing::page(items, PAGE_SIZE))
        })
        .await
    }

    async fn stop_operation(&self, stack_set: &str, id: &OperationId) -> Result<()> {
        self.call(STOP_STACK_SET_OPERATION, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            let status = checks::operation(set, id)?.status;
            if !matches!(status, OperationStatus::Running | OperationStatus::Queued) {
                let why = format!("Operation {id} is not in a state in which it can be stopped");
                return Err(Refusal::invalid("InvalidOperationException", why));
            }
            with_set(world, stack_set, |world, set| stop(world, set, id));
            Ok(())
        })
        .await
    }

    async fn detect_drift(&self, stack_set: &str, preferences: &Preferences, id: &OperationId) -> Result<OperationId> {
        let (reach, work) = (Reach::All, Work::Drift);
        self.start(DETECT_STACK_SET_DRIFT, stack_set, id, preferences, reach, work)
            .await
    }

    async fn list_resource_drifts(
        &self,
        stack_set: &str,
        account: AccountId,
        drift_operation: &OperationId,
        _token: Option<String>,
    ) -> Result<Page<ResourceDrift>> {
        self.read(LIST_STACK_INSTANCE_RESOURCE_DRIFTS, |world| {
            let set = checks::set(world, self.call_as(), stack_set)?;
            checks::instance(set, account)?;
            let operation = set
                .operation(drift_operation)
                .filter(|operation| matches!(operation.work, Work::Drift))
                .ok_or_else(|| checks::operation_not_found(drift_operation))?;
            // A template has few resources: they always fit in a page.
            Ok(Page::last(operation.drifts.get(&account).cloned().unwrap_or_default()))
        })
        .await
    }
}
