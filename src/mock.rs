//! Services with expectations, for what the sandbox can't be made to answer.

use std::collections::BTreeMap;

use async_trait::async_trait;
use billctl_core::model::AccountId;
use billctl_core::service::billing::*;
use billctl_core::service::cloudformation::*;
use billctl_core::service::cloudwatch::*;
use billctl_core::service::sts::*;
use billctl_core::service::{Page, Result, Tags};
use mockall::mock;
use serde_json::Value;

mock! {
    pub Billing {}
    #[async_trait]
    impl Billing for Billing {
        async fn billing_alerts_enabled(&self) -> Result<Option<bool>>;
    }
}

mock! {
    pub CloudFormation {}
    #[async_trait]
    impl CloudFormation for CloudFormation {
        async fn describe_organizations_access(&self) -> Result<OrganizationsAccess>;
        async fn activate_organizations_access(&self) -> Result<()>;
        async fn describe_stack_set(&self, name: &str) -> Result<StackSet>;
        async fn create_stack_set(&self, spec: &StackSetSpec, token: &str) -> Result<()>;
        async fn update_stack_set(
            &self,
            spec: &StackSetSpec,
            targets: Option<Targets>,
            preferences: &Preferences,
            operation_id: &OperationId,
        ) -> Result<OperationId>;
        async fn set_managed_execution(&self, name: &str, active: bool) -> Result<()>;
        async fn delete_stack_set(&self, name: &str) -> Result<()>;
        async fn list_stack_instances(
            &self,
            stack_set: &str,
            filter: Option<InstanceFilter>,
            token: Option<String>,
        ) -> Result<Page<StackInstance>>;
        async fn describe_overrides(&self, stack_set: &str, account: AccountId) -> Result<Parameters>;
        async fn create_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId>;
        async fn update_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId>;
        async fn delete_stack_instances(
            &self,
            stack_set: &str,
            targets: &Targets,
            retain: bool,
            preferences: &Preferences,
            operation_id: &OperationId,
        ) -> Result<OperationId>;
        async fn list_operations(
            &self,
            stack_set: &str,
            token: Option<String>,
        ) -> Result<Page<StackSetOperation>>;
        async fn describe_operation(
            &self,
            stack_set: &str,
            id: &OperationId,
        ) -> Result<StackSetOperation>;
        async fn list_operation_results(
            &self,
            stack_set: &str,
            id: &OperationId,
            status: Option<DetailedStatus>,
            token: Option<String>,
        ) -> Result<Page<OperationResult>>;
        async fn stop_operation(&self, stack_set: &str, id: &OperationId) -> Result<()>;
        async fn detect_drift(
            &self,
            stack_set: &str,
            preferences: &Preferences,
            operation_id: &OperationId,
        ) -> Result<OperationId>;
        async fn list_resource_drifts(
            &self,
            stack_set: &str,
            account: AccountId,
            drift_operation: &OperationId,
            token: Option<String>,
        ) -> Result<Page<ResourceDrift>>;
    }
}

mock! {
    pub CloudWatch {}
    #[async_trait]
    impl CloudWatch for CloudWatch {
        async fn describe_alarms(&self, names: &[String]) -> Result<Vec<AlarmStatus>>;
        async fn put_metric_alarm(&self, alarm: &Alarm, tags: &Tags) -> Result<()>;
        async fn delete_alarms(&self, names: &[String]) -> Result<()>;
        async fn get_metric_data(
            &self,
            request: &DataRequest,
            token: Option<String>,
        ) -> Result<Page<Series>>;
        async fn list_metrics(
            &self,
            namespace: &str,
            name: &str,
            dimensions: &BTreeMap<String, Option<String>>,
            token: Option<String>,
        ) -> Result<Page<Metric>>;
        async fn get_dashboard(&self, name: &str) -> Result<Value>;
        async fn put_dashboard(&self, name: &str, body: &Value) -> Result<()>;
        async fn delete_dashboards(&self, names: &[String]) -> Result<()>;
    }
}

mock! {
    pub Sts {}
    #[async_trait]
    impl Sts for Sts {
        async fn get_caller_identity(&self) -> Result<CallerIdentity>;
    }
}
