mod read;
mod write;

use async_trait::async_trait;
use aws_sdk_cloudformation::{Client, types as sdk};

use super::call::{Caller, required};
use super::convert::page;
use billctl_core::model::{AccountId, REGION};
use billctl_core::service::cloudformation::{
    ACTIVATE_ORGANIZATIONS_ACCESS, CREATE_STACK_INSTANCES, CREATE_STACK_SET, CallAs, CloudFormation,
    DELETE_STACK_INSTANCES, DELETE_STACK_SET, DESCRIBE_ORGANIZATIONS_ACCESS, DESCRIBE_STACK_INSTANCE,
    DESCRIBE_STACK_SET, DESCRIBE_STACK_SET_OPERATION, DETECT_STACK_SET_DRIFT, DetailedStatus, InstanceFilter,
    InstancesRequest, LIST_STACK_INSTANCE_RESOURCE_DRIFTS, LIST_STACK_INSTANCES, LIST_STACK_SET_OPERATION_RESULTS,
    LIST_STACK_SET_OPERATIONS, OperationId, OperationResult, OrganizationsAccess, PAGE_SIZE, Parameters, Preferences,
    ResourceDrift, STOP_STACK_SET_OPERATION, StackInstance, StackSet, StackSetOperation, StackSetSpec, Targets,
    UPDATE_STACK_INSTANCES, UPDATE_STACK_SET,
};
use billctl_core::service::{Operation, Page, Result};
use billctl_core::words::meaning;

const PAGE: i32 = PAGE_SIZE as i32;

/// StackSets, as the management account or as its delegated administrator.
pub(super) struct StackSets {
    caller: Caller<Client>,
    call_as: sdk::CallAs,
}

impl StackSets {
    pub(super) fn new(caller: Caller<Client>, call_as: CallAs) -> Self {
        Self {
            caller,
            call_as: match call_as {
                CallAs::Own => sdk::CallAs::SelfValue,
                CallAs::DelegatedAdmin => sdk::CallAs::DelegatedAdmin,
            },
        }
    }
}

/// Builds a request that carries `CallAs`, and sends it. Every StackSets call but `ActivateOrganizationsAccess`
/// takes it, and one that forgets it answers 404 to a delegated administrator.
macro_rules! send {
    ($self:ident, $op:ident, $method:ident $(, $field:ident($value:expr))* $(,)?) => {{
        let request = $self
            .caller
            .client
            .$method()
            .call_as($self.call_as.clone())
            $(.$field($value))*;
        $self.caller.call($op, || request.clone().send()).await
    }};
}

#[async_trait]
impl CloudFormation for StackSets {
    async fn describe_organizations_access(&self) -> Result<OrganizationsAccess> {
        let op = DESCRIBE_ORGANIZATIONS_ACCESS;
        let answer = send!(self, op, describe_organizations_access)?;
        let status = required(op, answer.status(), "Status")?;
        Ok(meaning(status.as_str()).unwrap_or(OrganizationsAccess::Disabled))
    }

    async fn activate_organizations_access(&self) -> Result<()> {
        let request = self.caller.client.activate_organizations_access();
        self.caller
            .command(ACTIVATE_ORGANIZATIONS_ACCESS, || request.clone().send())
            .await
    }

    async fn describe_stack_set(&self, name: &str) -> Result<StackSet> {
        let op = DESCRIBE_STACK_SET;
        let answer = send!(self, op, describe_stack_set, stack_set_name(name))?;
        read::stack_set(op, required(op, answer.stack_set, "StackSet")?)
    }

    async fn create_stack_set(&self, spec: &StackSetSpec, token: &str) -> Result<()> {
        let op = CREATE_STACK_SET;
        send!(
            self,
            op,
            create_stack_set,
            stack_set_name(&spec.name),
            description(&spec.description),
            template_body(&spec.template),
            set_parameters(Some(write::parameters(&spec.parameters))),
            capabilities(sdk::Capability::CapabilityNamedIam),
            set_tags(Some(write::tags(spec))),
            permission_model(sdk::PermissionModels::ServiceManaged),
            auto_deployment(write::auto_deployment(spec)),
            managed_execution(write::managed_execution(true)),
            client_request_token(token),
        )
        .map(drop)
    }

    async fn update_stack_set(
        &self,
        spec: &StackSetSpec,
        targets: Option<Targets>,
        preferences: &Preferences,
        operation_id: &OperationId,
    ) -> Result<OperationId> {
        let op = UPDATE_STACK_SET;
        // AutoDeployment forbids DeploymentTargets and Regions
        // (docs/aws-facts.md, "StackSets: create and update").
        let answer = send!(
            self,
            op,
            update_stack_set,
            stack_set_name(&spec.name),
            description(&spec.description),
            template_body(&spec.template),
            set_parameters(Some(write::parameters(&spec.parameters))),
            capabilities(sdk::Capability::CapabilityNamedIam),
            set_tags(Some(write::tags(spec))),
            permission_model(sdk::PermissionModels::ServiceManaged),
            set_auto_deployment(targets.is_none().then(|| write::auto_deployment(spec))),
            set_regions(targets.as_ref().map(|_| vec![REGION.to_owned()])),
            set_deployment_targets(targets.as_ref().map(write::targets)),
            operation_preferences(write::operation_preferences(preferences)),
            operation_id(&operation_id.0),
        )?;
        started(op, answer.operation_id)
    }

    async fn set_managed_execution(&self, name: &str, active: bool) -> Result<()> {
        let op = UPDATE_STACK_SET;
        send!(
            self,
            op,
            update_stack_set,
            stack_set_name(name),
            use_previous_template(true),
            // Not needed for the setting itself; without it the request is refused should AWS look at the template.
            capabilities(sdk::Capability::CapabilityNamedIam),
            managed_execution(write::managed_execution(active)),
        )
        .map(drop)
    }

    async fn delete_stack_set(&self, name: &str) -> Result<()> {
        let op = DELETE_STACK_SET;
        send!(self, op, delete_stack_set, stack_set_name(name)).map(drop)
    }

    async fn list_stack_instances(
        &self,
        stack_set: &str,
        filter: Option<InstanceFilter>,
        token: Option<String>,
    ) -> Result<Page<StackInstance>> {
        let op = LIST_STACK_INSTANCES;
        let answer = send!(
            self,
            op,
            list_stack_instances,
            stack_set_name(stack_set),
            set_filters(filter.map(|filter| vec![write::instance_filter(filter)])),
            max_results(PAGE),
            set_next_token(token),
        )?;
        let items = answer.summaries().iter().map(|one| read::instance(op, one));
        page(items, answer.next_token())
    }

    async fn describe_overrides(&self, stack_set: &str, account: AccountId) -> Result<Parameters> {
        let op = DESCRIBE_STACK_INSTANCE;
        let answer = send!(
            self,
            op,
            describe_stack_instance,
            stack_set_name(stack_set),
            stack_instance_account(account),
            stack_instance_region(REGION),
        )?;
        let instance = required(op, answer.stack_instance, "StackInstance")?;
        Ok(read::parameters(instance.parameter_overrides()))
    }

    async fn create_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId> {
        let op = CREATE_STACK_INSTANCES;
        let answer = send!(
            self,
            op,
            create_stack_instances,
            stack_set_name(&request.stack_set),
            deployment_targets(write::targets(&request.targets)),
            regions(REGION),
            set_parameter_overrides(request.overrides.as_ref().map(write::parameters)),
            operation_preferences(write::operation_preferences(&request.preferences)),
            operation_id(&request.operation_id.0),
        )?;
        started(op, answer.operation_id)
    }

    async fn update_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId> {
        let op = UPDATE_STACK_INSTANCES;
        // An empty list of overrides is sent as one: it resets every override, while its absence keeps them.
        let answer = send!(
            self,
            op,
            update_stack_instances,
            stack_set_name(&request.stack_set),
            deployment_targets(write::targets(&request.targets)),
            regions(REGION),
            set_parameter_overrides(request.overrides.as_ref().map(write::parameters)),
            operation_preferences(write::operation_preferences(&request.preferences)),
            operation_id(&request.operation_id.0),
        )?;
        started(op, answer.operation_id)
    }

    async fn delete_stack_instances(
        &self,
        stack_set: &str,
        targets: &Targets,
        retain: bool,
        preferences: &Preferences,
        operation_id: &OperationId,
    ) -> Result<OperationId> {
        let op = DELETE_STACK_INSTANCES;
        let answer = send!(
            self,
            op,
            delete_stack_instances,
            stack_set_name(stack_set),
            deployment_targets(write::targets(targets)),
            regions(REGION),
            retain_stacks(retain),
            operation_preferences(write::operation_preferences(preferences)),
            operation_id(&operation_id.0),
        )?;
        started(op, answer.operation_id)
    }

    async fn list_operations(&self, stack_set: &str, token: Option<String>) -> Result<Page<StackSetOperation>> {
        let op = LIST_STACK_SET_OPERATIONS;
        let answer = send!(
            self,
            op,
            list_stack_set_operations,
            stack_set_name(stack_set),
            max_results(PAGE),
            set_next_token(token),
        )?;
        let items = answer.summaries().iter().map(|one| read::operation_summary(op, one));
        page(items, answer.next_token())
    }

    async fn describe_operation(&self, stack_set: &str, id: &OperationId) -> Result<StackSetOperation> {
        let op = DESCRIBE_STACK_SET_OPERATION;
        let answer = send!(
            self,
            op,
            describe_stack_set_operation,
            stack_set_name(stack_set),
            operation_id(&id.0),
        )?;
        read::operation(op, &required(op, answer.stack_set_operation, "StackSetOperation")?)
    }

    async fn list_operation_results(
        &self,
        stack_set: &str,
        id: &OperationId,
        status: Option<DetailedStatus>,
        token: Option<String>,
    ) -> Result<Page<OperationResult>> {
        let op = LIST_STACK_SET_OPERATION_RESULTS;
        let answer = send!(
            self,
            op,
            list_stack_set_operation_results,
            stack_set_name(stack_set),
            operation_id(&id.0),
            set_filters(status.map(|status| vec![write::result_filter(status)])),
            max_results(PAGE),
            set_next_token(token),
        )?;
        let items = answer.summaries().iter().map(|one| read::operation_result(op, one));
        page(items, answer.next_token())
    }

    async fn stop_operation(&self, stack_set: &str, id: &OperationId) -> Result<()> {
        let op = STOP_STACK_SET_OPERATION;
        send!(
            self,
            op,
            stop_stack_set_operation,
            stack_set_name(stack_set),
            operation_id(&id.0),
        )
        .map(drop)
    }

    async fn detect_drift(
        &self,
        stack_set: &str,
        preferences: &Preferences,
        operation_id: &OperationId,
    ) -> Result<OperationId> {
        let op = DETECT_STACK_SET_DRIFT;
        let answer = send!(
            self,
            op,
            detect_stack_set_drift,
            stack_set_name(stack_set),
            operation_preferences(write::operation_preferences(preferences)),
            operation_id(&operation_id.0),
        )?;
        started(op, answer.operation_id)
    }

    async fn list_resource_drifts(
        &self,
        stack_set: &str,
        account: AccountId,
        drift_operation: &OperationId,
        token: Option<String>,
    ) -> Result<Page<ResourceDrift>> {
        let op = LIST_STACK_INSTANCE_RESOURCE_DRIFTS;
        let answer = send!(
            self,
            op,
            list_stack_instance_resource_drifts,
            stack_set_name(stack_set),
            stack_instance_account(account),
            stack_instance_region(REGION),
            operation_id(&drift_operation.0),
            max_results(PAGE),
            set_next_token(token),
        )?;
        let items = answer.summaries().iter().map(|one| Ok(read::resource_drift(one)));
        page(items, answer.next_token())
    }
}

fn started(op: Operation, id: Option<String>) -> Result<OperationId> {
    required(op, id.filter(|id| !id.is_empty()), "OperationId").map(OperationId)
}
