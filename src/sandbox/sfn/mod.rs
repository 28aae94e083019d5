//! Step Functions of the payer: state machines, and executions that are run by `asl`.

mod execution;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use execution::{start, start_from_rule};

use super::asl;
use super::policy::RequestContext;
use super::{Sandbox, World};
use crate::model::{Arn, REGION};
use crate::service::sfn::{
    CREATE_STATE_MACHINE, DELETE_STATE_MACHINE, DESCRIBE_EXECUTION, DESCRIBE_STATE_MACHINE,
    Execution, ExecutionStatus, GET_EXECUTION_HISTORY, HistoryEvent, LIST_EXECUTIONS,
    NewStateMachine, StateMachine, StepFunctions, UPDATE_STATE_MACHINE,
};
use crate::service::{Kind, Operation, Page, Result, ServiceError, Tags};

pub(super) const STATES_SERVICE: &str = "states.amazonaws.com";
/// Items of a page.
const PAGE_SIZE: usize = 100;
/// State machines and their executions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    machines: BTreeMap<String, StoredMachine>,
    /// Oldest first.
    executions: Vec<StoredExecution>,
    calls: u64,
    #[serde(skip)]
    nesting: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredMachine {
    arn: Arn,
    definition: Value,
    role: Arn,
    tags: Tags,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredExecution {
    machine: String,
    name: String,
    status: ExecutionStatus,
    started: Timestamp,
    stopped: Timestamp,
    input: Value,
    output: Option<Value>,
    error: Option<(String, String)>,
    history: Vec<StoredEvent>,
}

/// A [`HistoryEvent`] as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredEvent {
    kind: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<(String, String)>,
}

impl State {
    /// When executions of the machine ended so.
    pub(super) fn ended(
        &self,
        machine: &str,
        how: ExecutionStatus,
    ) -> impl Iterator<Item = Timestamp> {
        let mut times: Vec<Timestamp> = self
            .executions
            .iter()
            .filter(|execution| machine.rsplit(':').next() == Some(execution.machine.as_str()))
            .filter(|execution| execution.status == how)
            .map(|execution| execution.stopped)
            .collect();
        times.sort_unstable();
        times.into_iter()
    }

    /// The number of the next call that a state machine makes: faults depend on it.
    pub(super) fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    fn machine(&self, operation: Operation, arn: &Arn) -> Result<(&str, &StoredMachine)> {
        self.machines
            .iter()
            .find(|(_, machine)| machine.arn == *arn)
            .map(|(name, machine)| (name.as_str(), machine))
            .ok_or_else(|| {
                ServiceError::new(
                    operation,
                    Kind::NotFound,
                    "StateMachineDoesNotExist",
                    format!("State Machine Does Not Exist: '{arn}'"),
                )
            })
    }
}

impl StoredExecution {
    fn described(&self, world: &World, whole: bool) -> Execution {
        // It was run at once, on a clock of its own: until the world's reaches its end, it is running.
        let running = self.stopped > world.now;
        let whole_and_over = whole && !running;
        Execution {
            arn: world.execution_arn(&self.machine, &self.name),
            name: self.name.clone(),
            status: if running {
                ExecutionStatus::Running
            } else {
                self.status
            },
            started: self.started,
            stopped: (!running).then_some(self.stopped),
            input: whole.then(|| self.input.clone()),
            output: self.output.clone().filter(|_| whole_and_over),
            error: self
                .error
                .as_ref()
                .filter(|_| whole_and_over)
                .map(|(error, _)| error.clone()),
            cause: self
                .error
                .as_ref()
                .filter(|_| whole_and_over)
                .map(|(_, cause)| cause.clone()),
        }
    }
}

impl World {
    fn machine_arn(&self, name: &str) -> Arn {
        Arn::new(
            "states",
            REGION,
            self.management_account(),
            &format!("stateMachine:{name}"),
        )
    }

    fn execution_arn(&self, machine: &str, name: &str) -> Arn {
        Arn::new(
            "states",
            REGION,
            self.management_account(),
            &format!("execution:{machine}:{name}"),
        )
    }

    fn execution(&self, operation: Operation, arn: &Arn) -> Result<&StoredExecution> {
        self.sfn
            .executions
            .iter()
            .find(|one| self.execution_arn(&one.machine, &one.name) == *arn)
            .ok_or_else(|| {
                ServiceError::new(
                    operation,
                    Kind::NotFound,
                    "ExecutionDoesNotExist",
                    format!("Execution Does Not Exist: '{arn}'"),
                )
            })
    }
}

/// What trust policies can ask about when Step Functions assumes a role.
pub(super) fn assume_context(world: &World, machine: &Arn) -> RequestContext {
    RequestContext::default()
        .with("aws:SourceArn", machine)
        .with("aws:SourceAccount", world.management_account())
}

/// Names of machines and executions: 1 to 80 characters without spaces, brackets, wildcards and control characters
/// (API reference).
fn valid_name(operation: Operation, name: &str) -> Result<()> {
    let valid = (1..=80).contains(&name.len())
        && name.is_ascii()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c));
    if valid {
        Ok(())
    } else {
        Err(ServiceError::new(
            operation,
            Kind::Invalid,
            "InvalidName",
            format!("Invalid Name: '{name}'"),
        ))
    }
}

fn check_definition(operation: Operation, definition: &Value) -> Result<()> {
    asl::check(definition).map_err(|why| {
        ServiceError::new(
            operation,
            Kind::Invalid,
            "InvalidDefinition",
            format!("Invalid State Machine Definition: '{why}'"),
        )
    })
}

/// Step Functions looks at once whether it can assume the role: also a role made a moment ago is refused so.
fn check_role(world: &World, operation: Operation, machine: &Arn, role: &Arn) -> Result<()> {
    let context = assume_context(world, machine);
    if world
        .iam
        .assumable(role, STATES_SERVICE, &context, world.now)
    {
        return Ok(());
    }
    Err(ServiceError::new(
        operation,
        Kind::Denied,
        "AccessDeniedException",
        format!(
            "Neither the global service principal {STATES_SERVICE}, nor the regional one is authorized to assume the \
             provided role."
        ),
    ))
}

fn create(world: &mut World, new: &NewStateMachine) -> Result<Arn> {
    valid_name(CREATE_STATE_MACHINE, &new.name)?;
    check_definition(CREATE_STATE_MACHINE, &new.definition)?;
    let arn = world.machine_arn(&new.name);
    check_role(world, CREATE_STATE_MACHINE, &arn, &new.role_arn)?;
    if let Some(there) = world.sfn.machines.get(&new.name) {
        // The same again is no error (API reference: CreateStateMachine is idempotent).
        return if there.definition == new.definition && there.role == new.role_arn {
            Ok(arn)
        } else {
            Err(ServiceError::new(
                CREATE_STATE_MACHINE,
                Kind::Exists,
                "StateMachineAlreadyExists",
                format!("State Machine Already Exists: '{arn}'"),
            ))
        };
    }
    world.sfn.machines.insert(
        new.name.clone(),
        StoredMachine {
            arn: arn.clone(),
            definition: new.definition.clone(),
            role: new.role_arn.clone(),
            tags: new.tags.clone(),
        },
    );
    Ok(arn)
}

/// A page of items, from the token on.
fn page<T>(operation: Operation, items: Vec<T>, token: Option<&str>) -> Result<Page<T>> {
    let skip: usize = match token {
        None => 0,
        Some(token) => token.parse().map_err(|_| {
            ServiceError::new(
                operation,
                Kind::Invalid,
                "InvalidToken",
                format!("Invalid Token: '{token}'"),
            )
        })?,
    };
    let next = (items.len() > skip + PAGE_SIZE).then(|| (skip + PAGE_SIZE).to_string());
    Ok(Page {
        items: items.into_iter().skip(skip).take(PAGE_SIZE).collect(),
        next,
    })
}

/// How an execution ended, once it was run, with its error and cause.
pub(super) fn outcome(
    world: &World,
    execution: &Arn,
) -> Option<(ExecutionStatus, Option<(String, String)>)> {
    let found = world.execution(DESCRIBE_EXECUTION, execution).ok()?;
    Some((found.status, found.error.clone()))
}

#[async_trait]
impl StepFunctions for Sandbox {
    async fn describe_state_machine(&self, arn: &Arn) -> Result<StateMachine> {
        self.read(DESCRIBE_STATE_MACHINE, |world| {
            let (name, machine) = world.sfn.machine(DESCRIBE_STATE_MACHINE, arn)?;
            Ok(StateMachine {
                name: name.to_owned(),
                arn: machine.arn.clone(),
                definition: machine.definition.clone(),
                role_arn: machine.role.clone(),
            })
        })
        .await
    }

    async fn create_state_machine(&self, machine: &NewStateMachine) -> Result<Arn> {
        self.call(CREATE_STATE_MACHINE, |world| create(world, machine))
            .await
    }

    async fn update_state_machine(
        &self,
        arn: &Arn,
        definition: &Value,
        role_arn: &Arn,
    ) -> Result<()> {
        self.call(UPDATE_STATE_MACHINE, |world| {
            let (name, _) = world.sfn.machine(UPDATE_STATE_MACHINE, arn)?;
            let name = name.to_owned();
            check_definition(UPDATE_STATE_MACHINE, definition)?;
            check_role(world, UPDATE_STATE_MACHINE, arn, role_arn)?;
            if let Some(machine) = world.sfn.machines.get_mut(&name) {
                machine.definition = definition.clone();
                machine.role = role_arn.clone();
            }
            Ok(())
        })
        .await
    }

    async fn delete_state_machine(&self, arn: &Arn) -> Result<()> {
        self.call(DELETE_STATE_MACHINE, |world| {
            // Deleting one that isn't there is no error: the operation declares none (API model).
            world.sfn.machines.retain(|_, machine| machine.arn != *arn);
            Ok(())
        })
        .await
    }

    async fn list_executions(
        &self,
        machine: &Arn,
        status: Option<ExecutionStatus>,
        token: Option<String>,
    ) -> Result<Page<Execution>> {
        self.read(LIST_EXECUTIONS, |world| {
            let (name, _) = world.sfn.machine(LIST_EXECUTIONS, machine)?;
            let mut found: Vec<Execution> = world
                .sfn
                .executions
                .iter()
                .filter(|one| one.machine == name)
                .map(|one| one.described(world, false))
                .filter(|one| status.is_none_or(|status| one.status == status))
                .collect();
            found.sort_by_key(|one| std::cmp::Reverse(one.started));
            page(LIST_EXECUTIONS, found, token.as_deref())
        })
        .await
    }

    async fn describe_execution(&self, arn: &Arn) -> Result<Execution> {
        self.read(DESCRIBE_EXECUTION, |world| {
            Ok(world
                .execution(DESCRIBE_EXECUTION, arn)?
                .described(world, true))
        })
        .await
    }

    async fn get_execution_history(
        &self,
        arn: &Arn,
        token: Option<String>,
    ) -> Result<Page<HistoryEvent>> {
        self.read(GET_EXECUTION_HISTORY, |world| {
            let events: Vec<HistoryEvent> = world
                .execution(GET_EXECUTION_HISTORY, arn)?
                .history
                .iter()
                .filter(|event| event.at <= world.now)
                .cloned()
                .map(HistoryEvent::from)
                .collect();
            page(GET_EXECUTION_HISTORY, events, token.as_deref())
        })
        .await
    }
}

#[cfg(test)]
mod tests;
