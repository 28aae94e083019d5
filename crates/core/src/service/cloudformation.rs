//! CloudFormation StackSets with service-managed permissions: docs/aws-facts.md has a heading for each part of them.
//!
//! The implementation adds `CallAs` to every call that takes it, so no caller can forget it.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::operations;
use super::{Page, Result, Tags};
use crate::model::{AccountId, OuId};

operations!(CloudFormation:
    ACTIVATE_ORGANIZATIONS_ACCESS = write "ActivateOrganizationsAccess";
    CREATE_STACK_INSTANCES = write "CreateStackInstances";
    CREATE_STACK_SET = write "CreateStackSet";
    DELETE_STACK_INSTANCES = write "DeleteStackInstances";
    DELETE_STACK_SET = write "DeleteStackSet";
    DESCRIBE_ORGANIZATIONS_ACCESS = read "DescribeOrganizationsAccess";
    DESCRIBE_STACK_INSTANCE = read "DescribeStackInstance";
    DESCRIBE_STACK_SET = read "DescribeStackSet";
    DESCRIBE_STACK_SET_OPERATION = read "DescribeStackSetOperation";
    DETECT_STACK_SET_DRIFT = write "DetectStackSetDrift";
    LIST_STACK_INSTANCE_RESOURCE_DRIFTS = read "ListStackInstanceResourceDrifts";
    LIST_STACK_INSTANCES = read "ListStackInstances";
    LIST_STACK_SET_OPERATION_RESULTS = read "ListStackSetOperationResults";
    LIST_STACK_SET_OPERATIONS = read "ListStackSetOperations";
    STOP_STACK_SET_OPERATION = write "StopStackSetOperation";
    UPDATE_STACK_INSTANCES = write "UpdateStackInstances";
    UPDATE_STACK_SET = write "UpdateStackSet";
);

/// Most items of a page in any StackSet listing (docs/aws-facts.md, "StackSets: instances").
pub const PAGE_SIZE: usize = 100;
/// Most OUs in one operation (docs/aws-facts.md, "StackSets: targets").
pub const MAX_OUS: usize = 50;
/// Largest template body in bytes (docs/aws-facts.md, "StackSets: setup").
pub const MAX_TEMPLATE_BYTES: usize = 51_200;

/// As whom the StackSet calls are made (`CallAs`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallAs {
    /// From the management account.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// From a delegated administrator.
    DelegatedAdmin,
}

/// Parameter names and values.
pub type Parameters = BTreeMap<String, String>;

/// Whether StackSets may act in the organisation's accounts ("trusted access").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrganizationsAccess {
    /// On.
    Enabled,
    /// Off.
    #[default]
    Disabled,
    /// Off, and only AWS support can switch it on.
    DisabledPermanently,
}

/// Whether accounts that come to a targeted OU get the stack by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
pub struct AutoDeployment {
    /// On or off, for the whole StackSet.
    pub enabled: bool,
    /// Whether an account that leaves keeps its stack.
    pub retain_stacks: bool,
}

/// A StackSet as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSet {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its template's text.
    pub template: String,
    /// Its parameters' values: what instances without an override have.
    pub parameters: Parameters,
    /// Its tags, which its stacks bear too.
    pub tags: Tags,
    /// Auto-deployment, of a service-managed StackSet.
    pub auto_deployment: Option<AutoDeployment>,
    /// Whether conflicting operations queue instead of being refused.
    pub managed_execution: bool,
    /// Whether StackSets makes the roles itself.
    pub service_managed: bool,
    /// The OUs it is deployed to.
    pub organizational_units: Vec<OuId>,
}

/// A StackSet as it should be: what Create and Update take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSetSpec {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its template's text.
    pub template: String,
    /// Its parameters' values.
    pub parameters: Parameters,
    /// Its tags: an update replaces the whole list.
    pub tags: Tags,
    /// Auto-deployment.
    pub auto_deployment: AutoDeployment,
}

/// An operation's id: chosen by the caller, and an idempotency token (docs/aws-facts.md, "StackSets: operations").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
pub struct OperationId(pub String);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Which accounts of the OUs an operation is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "filter", content = "accounts")]
pub enum AccountFilter {
    /// All of them.
    None,
    /// Only these.
    Intersection(Vec<AccountId>),
    /// All but these.
    Difference(Vec<AccountId>),
}

/// Where an operation takes place. The Region is always [`REGION`](crate::model::REGION).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct Targets {
    /// The OUs, their children included; at most [`MAX_OUS`].
    pub ous: Vec<OuId>,
    /// Which of their accounts.
    pub accounts: AccountFilter,
}

/// A number of accounts, or a share of them in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
pub enum CountOrPercent {
    /// So many accounts.
    Count(u32),
    /// Percent, 0 to 100; AWS rounds down.
    Percent(u32),
}

impl fmt::Display for CountOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// How concurrency and tolerance go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConcurrencyMode {
    /// Never more accounts under way than the tolerance and one.
    #[serde(alias = "Strict")]
    Strict,
    /// Always `max-concurrent`, even if more may fail than the tolerance before the operation stops.
    #[serde(alias = "Soft")]
    Soft,
}

/// How carefully an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
pub struct Preferences {
    /// Failures after which the operation stops.
    pub tolerance: CountOrPercent,
    /// Accounts at once.
    pub concurrency: CountOrPercent,
    /// How the two go together.
    pub mode: ConcurrencyMode,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationAction {
    /// Makes instances.
    Create,
    /// Updates instances.
    Update,
    /// Removes instances.
    Delete,
    /// Looks for drift.
    DetectDrift,
}

/// How an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationStatus {
    /// Under way.
    Running,
    /// Ended within its tolerance: instances may have failed all the same.
    Succeeded,
    /// Ended beyond its tolerance.
    Failed,
    /// Being stopped.
    Stopping,
    /// Stopped.
    Stopped,
    /// Waiting for another one.
    Queued,
}

impl OperationStatus {
    /// Whether nothing more will happen.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Stopped)
    }
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSetOperation {
    /// Its id.
    pub id: OperationId,
    /// What it does.
    pub action: OperationAction,
    /// How it stands.
    pub status: OperationStatus,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How many instances failed, where AWS says so.
    pub failed_instances: Option<u32>,
    /// Where; only from `DescribeStackSetOperation`.
    pub targets: Option<Targets>,
    /// Why it failed as a whole, where AWS says so.
    pub reason: Option<String>,
}

/// How an operation ended in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationResult {
    /// The account.
    pub account: AccountId,
    /// How it stands there.
    pub status: DetailedStatus,
    /// Why, in CloudFormation's words.
    pub reason: String,
}

/// A stack instance's status against its StackSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// As the StackSet says.
    Current,
    /// Behind: an update failed or hasn't reached it.
    Outdated,
    /// Broken: excluded from updates until it is deleted with its stack retained.
    Inoperable,
}

/// What the last operation did with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DetailedStatus {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Failed.
    Failed,
    /// Not begun, because the operation stopped.
    Cancelled,
    /// Broken.
    Inoperable,
    /// The account is suspended.
    SkippedSuspendedAccount,
    /// An import failed.
    FailedImport,
}

/// Whether a stack is as its template says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DriftStatus {
    /// It isn't.
    Drifted,
    /// It is.
    InSync,
    /// Never looked.
    NotChecked,
    /// The look failed.
    Unknown,
}

/// A stack instance as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackInstance {
    /// Its account.
    pub account: AccountId,
    /// The OU through which it was targeted, where AWS says so.
    pub ou: Option<OuId>,
    /// Its stack's id, once there is one.
    pub stack_id: Option<String>,
    /// Its status against the StackSet.
    pub status: InstanceStatus,
    /// What the last operation did with it.
    pub detailed_status: Option<DetailedStatus>,
    /// Why it is behind or broken.
    pub reason: String,
    /// The last drift result.
    pub drift: DriftStatus,
    /// When drift was last looked for.
    pub drift_checked: Option<Timestamp>,
    /// The last operation on it.
    pub last_operation: Option<OperationId>,
}

/// A filter of [`CloudFormation::list_stack_instances`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceFilter {
    /// Only those whose last operation is this one.
    LastOperation(OperationId),
    /// Only those with this drift status.
    Drift(DriftStatus),
}

/// A property that differs from the template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct PropertyDifference {
    /// JSON pointer into the resource's properties.
    pub path: String,
    /// What the template says.
    pub expected: String,
    /// What is there.
    pub actual: String,
}

/// A drifted resource of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct ResourceDrift {
    /// Its logical id in the template.
    pub logical_id: String,
    /// Its type, such as `AWS::CloudWatch::Alarm`.
    pub resource_type: String,
    /// AWS's word: `MODIFIED`, `DELETED`, `IN_SYNC`, ...
    pub status: String,
    /// The properties that differ.
    pub differences: Vec<PropertyDifference>,
}

/// What Create- and UpdateStackInstances take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstancesRequest {
    /// The StackSet.
    pub stack_set: String,
    /// Where.
    pub targets: Targets,
    /// Parameter overrides. `None` leaves them as they are; in an update a list without a key resets that parameter to
    /// the StackSet's value (docs/aws-facts.md, "StackSets: create and update").
    pub overrides: Option<Parameters>,
    /// How carefully.
    pub preferences: Preferences,
    /// The idempotency token.
    pub operation_id: OperationId,
}

/// The StackSet operations that billctl uses. Lists answer in pages of at most [`PAGE_SIZE`].
///
/// What starts an operation answers its id: AWS takes the id of the request, but an emulator may choose its own.
#[async_trait]
pub trait CloudFormation: Send + Sync {
    /// `DescribeOrganizationsAccess`.
    async fn describe_organizations_access(&self) -> Result<OrganizationsAccess>;
    /// `ActivateOrganizationsAccess`: management account only.
    async fn activate_organizations_access(&self) -> Result<()>;
    /// `DescribeStackSet`; strongly consistent.
    async fn describe_stack_set(&self, name: &str) -> Result<StackSet>;
    /// `CreateStackSet`, service-managed, with managed execution on and the capability for named IAM roles. The
    /// token makes a repeated request harmless.
    async fn create_stack_set(&self, spec: &StackSetSpec, token: &str) -> Result<()>;
    /// `UpdateStackSet`. Without `targets` everything of the spec, on all instances; with `targets` everything but
    /// auto-deployment, which can't be sent together with them, on those instances: a new template or parameter marks
    /// all others OUTDATED, to be taken up by a later operation (docs/aws-facts.md, "StackSets: create and update").
    async fn update_stack_set(
        &self,
        spec: &StackSetSpec,
        targets: Option<Targets>,
        preferences: &Preferences,
        operation_id: &OperationId,
    ) -> Result<OperationId>;
    /// `UpdateStackSet` with `ManagedExecution` alone, which can't be set together with the template.
    async fn set_managed_execution(&self, name: &str, active: bool) -> Result<()>;
    /// `DeleteStackSet`: it must be empty.
    async fn delete_stack_set(&self, name: &str) -> Result<()>;
    /// `ListStackInstances`: without overrides.
    async fn list_stack_instances(
        &self,
        stack_set: &str,
        filter: Option<InstanceFilter>,
        token: Option<String>,
    ) -> Result<Page<StackInstance>>;
    /// `DescribeStackInstance`: the overrides of one instance; about two calls a second
    /// (docs/aws-facts.md, "StackSets: instances").
    async fn describe_overrides(&self, stack_set: &str, account: AccountId) -> Result<Parameters>;
    /// `CreateStackInstances`.
    async fn create_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId>;
    /// `UpdateStackInstances`.
    async fn update_stack_instances(&self, request: &InstancesRequest) -> Result<OperationId>;
    /// `DeleteStackInstances`; `retain` keeps the stacks in their accounts.
    async fn delete_stack_instances(
        &self,
        stack_set: &str,
        targets: &Targets,
        retain: bool,
        preferences: &Preferences,
        operation_id: &OperationId,
    ) -> Result<OperationId>;
    /// `ListStackSetOperations`; eventually consistent, and in no order that AWS promises.
    async fn list_operations(&self, stack_set: &str, token: Option<String>) -> Result<Page<StackSetOperation>>;
    /// `DescribeStackSetOperation`; strongly consistent.
    async fn describe_operation(&self, stack_set: &str, id: &OperationId) -> Result<StackSetOperation>;
    /// `ListStackSetOperationResults`, all or those of one status; eventually consistent.
    async fn list_operation_results(
        &self,
        stack_set: &str,
        id: &OperationId,
        status: Option<DetailedStatus>,
        token: Option<String>,
    ) -> Result<Page<OperationResult>>;
    /// `StopStackSetOperation`.
    async fn stop_operation(&self, stack_set: &str, id: &OperationId) -> Result<()>;
    /// `DetectStackSetDrift`: one a StackSet at a time.
    async fn detect_drift(
        &self,
        stack_set: &str,
        preferences: &Preferences,
        operation_id: &OperationId,
    ) -> Result<OperationId>;
    /// `ListStackInstanceResourceDrifts` of one instance, found by that drift operation.
    async fn list_resource_drifts(
        &self,
        stack_set: &str,
        account: AccountId,
        drift_operation: &OperationId,
        token: Option<String>,
    ) -> Result<Page<ResourceDrift>>;
}
