//! Executions: how they start, and what is kept of them.

use jiff::Timestamp;
use serde_json::Value;

use super::{StoredEvent, StoredExecution, valid_name};
use crate::model::Arn;
use crate::sandbox::World;
use crate::sandbox::asl::{self, Machine, Start};
use crate::service::sfn::{ExecutionStatus, HistoryEvent};
use crate::service::{Kind, Operation, Result, Service, ServiceError};

/// What nobody of the sandbox's callers makes, but rules and state machines do.
const START_EXECUTION: Operation = Operation::write(Service::StepFunctions, "StartExecution");
/// Executions kept; AWS keeps 90 days of them. The histories of the latest are kept too.
const MAX_EXECUTIONS: usize = 2_000;
const MAX_HISTORIES: usize = 50;
/// State machines that start one another end here.
const DEEPEST_NESTING: usize = 5;

/// EventBridge starts an execution with an event: each delivery has a name of its own.
pub(in crate::sandbox) fn start_from_rule(
    world: &mut World,
    machine: &Arn,
    event: &Value,
) -> Result<Arn> {
    let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
    let delivery = world.fresh_event_id();
    start(
        world,
        machine,
        Some(format!("{id}_{delivery}")),
        event.clone(),
    )
}

/// `StartExecution`: answers its ARN. It has run when this returns, in simulated time yet to come.
pub(in crate::sandbox) fn start(
    world: &mut World,
    machine: &Arn,
    name: Option<String>,
    input: Value,
) -> Result<Arn> {
    let refuse = |kind, code: &str, message: String| {
        Err(ServiceError::new(START_EXECUTION, kind, code, message))
    };
    let (machine_name, stored) = world.sfn.machine(START_EXECUTION, machine)?;
    let (machine_name, stored) = (machine_name.to_owned(), stored.clone());
    let name = match name {
        Some(name) => name,
        None => world.fresh_event_id(),
    };
    valid_name(START_EXECUTION, &name)?;
    let arn = world.execution_arn(&machine_name, &name);
    if let Ok(there) = world.execution(START_EXECUTION, &arn) {
        // The same name with the same input, while it runs, is the same execution (API reference).
        return if there.stopped > world.now && there.input == input {
            Ok(arn)
        } else {
            refuse(
                Kind::Exists,
                "ExecutionAlreadyExists",
                format!("Execution Already Exists: '{arn}'"),
            )
        };
    }
    if world.sfn.nesting >= DEEPEST_NESTING {
        return refuse(
            Kind::Quota,
            "ExecutionLimitExceeded",
            "state machines start one another too deeply for the sandbox".to_owned(),
        );
    }
    let started = world.now;
    // Its name is taken from now on, also for the executions that it starts itself.
    world.sfn.executions.push(StoredExecution {
        machine: machine_name.clone(),
        name: name.clone(),
        status: ExecutionStatus::Running,
        started,
        stopped: Timestamp::MAX,
        input: input.clone(),
        output: None,
        error: None,
        history: Vec::new(),
    });
    world.sfn.nesting += 1;
    let ended = asl::run(
        world,
        &Machine {
            arn: stored.arn,
            name: machine_name.clone(),
            role: stored.role,
            definition: stored.definition,
        },
        &Start {
            arn: arn.clone(),
            name: name.clone(),
            at: started,
            input,
        },
    );
    world.sfn.nesting -= 1;
    let record = world
        .sfn
        .executions
        .iter_mut()
        .rev()
        .find(|one| one.name == name && one.machine == machine_name);
    if let Some(record) = record {
        record.status = ended.status;
        record.stopped = ended.at;
        record.output = ended.output;
        record.error = ended.error;
        record.history = ended.history.into_iter().map(StoredEvent::from).collect();
    }
    forget_old(&mut world.sfn.executions);
    Ok(arn)
}

fn forget_old(executions: &mut Vec<StoredExecution>) {
    if executions.len() > MAX_EXECUTIONS {
        executions.drain(..executions.len() - MAX_EXECUTIONS);
    }
    let old = executions.len().saturating_sub(MAX_HISTORIES);
    for execution in executions.iter_mut().take(old) {
        execution.history.clear();
    }
}

impl From<HistoryEvent> for StoredEvent {
    fn from(event: HistoryEvent) -> Self {
        Self {
            kind: event.kind,
            at: event.at,
            state: event.state,
            resource: event.resource,
            output: event.output,
            error: event.error,
        }
    }
}

impl From<StoredEvent> for HistoryEvent {
    fn from(event: StoredEvent) -> Self {
        Self {
            kind: event.kind,
            at: event.at,
            state: event.state,
            resource: event.resource,
            output: event.output,
            error: event.error,
        }
    }
}
