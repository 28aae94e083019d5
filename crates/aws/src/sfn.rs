use async_trait::async_trait;
use aws_sdk_sfn::{Client, types as sdk};
use jiff::Timestamp;
use serde_json::Value;

use super::call::{Caller, json, parsed, required};
use super::convert::{page, timestamp};
use billctl_core::model::Arn;
use billctl_core::service::sfn::{
    CREATE_STATE_MACHINE, DELETE_STATE_MACHINE, DESCRIBE_EXECUTION, DESCRIBE_STATE_MACHINE, Execution, ExecutionStatus,
    GET_EXECUTION_HISTORY, HistoryEvent, LIST_EXECUTIONS, NewStateMachine, START_EXECUTION, StateMachine,
    StepFunctions, UPDATE_STATE_MACHINE,
};
use billctl_core::service::{Operation, Page, Result};
use billctl_core::words::{meaning, word};

/// Executions of a page.
const EXECUTIONS_PAGE: i32 = 100;
/// Most events of a page of history (API reference).
const HISTORY_PAGE: i32 = 1000;

#[async_trait]
impl StepFunctions for Caller<Client> {
    async fn describe_state_machine(&self, arn: &Arn) -> Result<StateMachine> {
        let op = DESCRIBE_STATE_MACHINE;
        let request = self.client.describe_state_machine().state_machine_arn(arn.as_str());
        let answer = self.call(op, || request.clone().send()).await?;
        Ok(StateMachine {
            name: answer.name().to_owned(),
            arn: parsed(op, Some(answer.state_machine_arn()), "stateMachineArn")?,
            definition: json(op, answer.definition(), "definition")?,
            role_arn: parsed(op, Some(answer.role_arn()), "roleArn")?,
        })
    }

    async fn create_state_machine(&self, machine: &NewStateMachine) -> Result<Arn> {
        let op = CREATE_STATE_MACHINE;
        let tags = machine
            .tags
            .iter()
            .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
        let request = self
            .client
            .create_state_machine()
            .name(&machine.name)
            .definition(machine.definition.to_string())
            .role_arn(machine.role_arn.as_str())
            .r#type(sdk::StateMachineType::Standard)
            .set_tags(Some(tags.collect()));
        let answer = self.call(op, || request.clone().send()).await?;
        parsed(op, Some(answer.state_machine_arn()), "stateMachineArn")
    }

    async fn update_state_machine(&self, arn: &Arn, definition: &Value, role_arn: &Arn) -> Result<()> {
        let request = self
            .client
            .update_state_machine()
            .state_machine_arn(arn.as_str())
            .definition(definition.to_string())
            .role_arn(role_arn.as_str());
        self.command(UPDATE_STATE_MACHINE, || request.clone().send()).await
    }

    async fn delete_state_machine(&self, arn: &Arn) -> Result<()> {
        let request = self.client.delete_state_machine().state_machine_arn(arn.as_str());
        self.command(DELETE_STATE_MACHINE, || request.clone().send()).await
    }

    async fn list_executions(
        &self,
        machine: &Arn,
        status: Option<ExecutionStatus>,
        token: Option<String>,
    ) -> Result<Page<Execution>> {
        let op = LIST_EXECUTIONS;
        let request = self
            .client
            .list_executions()
            .state_machine_arn(machine.as_str())
            .set_status_filter(status.map(|status| word(&status).as_str().into()))
            .max_results(EXECUTIONS_PAGE)
            .set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer.executions().iter().map(|found| {
            Ok(Execution {
                arn: parsed(op, Some(found.execution_arn()), "executionArn")?,
                name: found.name().to_owned(),
                status: execution_status(found.status()),
                started: time(op, found.start_date(), "startDate")?,
                stopped: found.stop_date().and_then(timestamp),
                input: None,
                output: None,
                error: None,
                cause: None,
            })
        });
        page(items, answer.next_token())
    }

    async fn start_execution(&self, machine: &Arn, name: &str, input: &Value) -> Result<Arn> {
        let op = START_EXECUTION;
        let request = self
            .client
            .start_execution()
            .state_machine_arn(machine.as_str())
            .name(name)
            .input(input.to_string());
        let answer = self.call(op, || request.clone().send()).await?;
        parsed(op, Some(answer.execution_arn()), "executionArn")
    }

    async fn describe_execution(&self, arn: &Arn) -> Result<Execution> {
        let op = DESCRIBE_EXECUTION;
        let request = self.client.describe_execution().execution_arn(arn.as_str());
        let answer = self.call(op, || request.clone().send()).await?;
        Ok(Execution {
            arn: parsed(op, Some(answer.execution_arn()), "executionArn")?,
            name: answer.name().unwrap_or_default().to_owned(),
            status: execution_status(answer.status()),
            started: time(op, answer.start_date(), "startDate")?,
            stopped: answer.stop_date().and_then(timestamp),
            input: answer.input().map(value),
            output: answer.output().map(value),
            error: answer.error().map(str::to_owned),
            cause: answer.cause().map(str::to_owned),
        })
    }

    async fn get_execution_history(&self, arn: &Arn, token: Option<String>) -> Result<Page<HistoryEvent>> {
        let op = GET_EXECUTION_HISTORY;
        let request = self
            .client
            .get_execution_history()
            .execution_arn(arn.as_str())
            .max_results(HISTORY_PAGE)
            .set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer.events().iter().map(|found| event(op, found));
        page(items, answer.next_token())
    }
}

fn time(op: Operation, found: &aws_smithy_types::DateTime, name: &str) -> Result<Timestamp> {
    required(op, timestamp(found), name)
}

/// JSON, or the text itself where somebody else's execution holds something else.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// One that isn't known (or waits for its redrive) isn't over.
fn execution_status(found: &sdk::ExecutionStatus) -> ExecutionStatus {
    meaning(found.as_str()).unwrap_or(ExecutionStatus::Running)
}

/// The parts of a history event, which AWS spreads over one field for each type of event.
fn event(op: Operation, found: &sdk::HistoryEvent) -> Result<HistoryEvent> {
    let entered = found.state_entered_event_details();
    let exited = found.state_exited_event_details();
    let evaluation = found.evaluation_failed_event_details();
    let scheduled = found.task_scheduled_event_details();
    let submitted = found.task_submitted_event_details();
    let succeeded = found.task_succeeded_event_details();
    let failed = found.task_failed_event_details();
    let timed_out = found.task_timed_out_event_details();
    let finished = found.execution_succeeded_event_details();

    let state = entered
        .map(|details| details.name())
        .or_else(|| exited.map(|details| details.name()))
        .or_else(|| evaluation.map(|details| details.state()));
    let resource = scheduled
        .map(|details| details.resource())
        .or_else(|| submitted.map(|details| details.resource()))
        .or_else(|| succeeded.map(|details| details.resource()))
        .or_else(|| failed.map(|details| details.resource()))
        .or_else(|| timed_out.map(|details| details.resource()));
    let output = succeeded
        .and_then(|details| details.output())
        .or_else(|| submitted?.output())
        .or_else(|| exited?.output())
        .or_else(|| finished?.output());
    let whole_failed = found.execution_failed_event_details();
    let aborted = found.execution_aborted_event_details();
    let whole_timed_out = found.execution_timed_out_event_details();
    let error = failed
        .map(|details| (details.error(), details.cause()))
        .or_else(|| timed_out.map(|details| (details.error(), details.cause())))
        .or_else(|| evaluation.map(|details| (details.error(), details.cause())))
        .or_else(|| whole_failed.map(|details| (details.error(), details.cause())))
        .or_else(|| aborted.map(|details| (details.error(), details.cause())))
        .or_else(|| whole_timed_out.map(|details| (details.error(), details.cause())));
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(HistoryEvent {
        kind: found.r#type().as_str().to_owned(),
        at: time(op, found.timestamp(), "timestamp")?,
        state: state.map(str::to_owned),
        resource: resource.map(str::to_owned),
        output: output.map(value),
        error: error.map(|(error, cause)| (text(error), text(cause))),
    })
}
