//! Step Functions: the notifier.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::operations;
use super::{Page, Result, Tags};
use crate::model::Arn;

operations!(StepFunctions:
    CREATE_STATE_MACHINE = write "CreateStateMachine";
    DELETE_STATE_MACHINE = write "DeleteStateMachine";
    DESCRIBE_EXECUTION = read "DescribeExecution";
    DESCRIBE_STATE_MACHINE = read "DescribeStateMachine";
    GET_EXECUTION_HISTORY = read "GetExecutionHistory";
    LIST_EXECUTIONS = read "ListExecutions";
    START_EXECUTION = write "StartExecution";
    UPDATE_STATE_MACHINE = write "UpdateStateMachine";
);

/// A Standard state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachine {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// Its definition (Amazon States Language).
    pub definition: Value,
    /// The role it runs with.
    pub role_arn: Arn,
}

/// What [`StepFunctions::create_state_machine`] takes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStateMachine {
    /// Its name.
    pub name: String,
    /// Its definition.
    pub definition: Value,
    /// The role it runs with.
    pub role_arn: Arn,
    /// Its tags.
    pub tags: Tags,
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Under way.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Took too long.
    TimedOut,
    /// Stopped by somebody.
    Aborted,
}

/// An execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub status: ExecutionStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Option<Timestamp>,
    /// Its input; only from `DescribeExecution`.
    pub input: Option<Value>,
    /// Its output; only from `DescribeExecution`.
    pub output: Option<Value>,
    /// The error's name; only from `DescribeExecution`.
    pub error: Option<String>,
    /// The error's cause; only from `DescribeExecution`.
    pub cause: Option<String>,
}

/// An event of an execution's history, as far as billctl shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// Its type, such as `TaskSucceeded` or `TaskFailed`.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// The state's name, where the event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The task's resource, such as `sendEmail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Output of the task or state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Error and cause of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<(String, String)>,
}

/// The operations of Step Functions that billctl uses.
#[async_trait]
pub trait StepFunctions: Send + Sync {
    /// `DescribeStateMachine`.
    async fn describe_state_machine(&self, arn: &Arn) -> Result<StateMachine>;
    /// `CreateStateMachine`, type Standard.
    async fn create_state_machine(&self, machine: &NewStateMachine) -> Result<Arn>;
    /// `UpdateStateMachine`: definition and role.
    async fn update_state_machine(&self, arn: &Arn, definition: &Value, role_arn: &Arn) -> Result<()>;
    /// `DeleteStateMachine`.
    async fn delete_state_machine(&self, arn: &Arn) -> Result<()>;
    /// `ListExecutions`, newest first, of one status or of all; pages of at most 100 here.
    async fn list_executions(
        &self,
        machine: &Arn,
        status: Option<ExecutionStatus>,
        token: Option<String>,
    ) -> Result<Page<Execution>>;
    /// `StartExecution`: the new execution's ARN, or that of the one that runs by this name with the same input.
    ///
    /// # Errors
    /// The name was used within 90 days: `Kind::Exists`.
    async fn start_execution(&self, machine: &Arn, name: &str, input: &Value) -> Result<Arn>;
    /// `DescribeExecution`.
    async fn describe_execution(&self, arn: &Arn) -> Result<Execution>;
    /// `GetExecutionHistory`, oldest first.
    async fn get_execution_history(&self, arn: &Arn, token: Option<String>) -> Result<Page<HistoryEvent>>;
}
