//! Step Functions of the payer: state machines, and executions that are run by `asl`.

mod execution;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use execution::stop_all;
pub(super) use execution::{start, start_from_rule, wake};
use store::Executions;

use super::{Sandbox, World, asl};
use crate::refusal::{Answer, Refusal};
use billctl_core::model::Arn;
use billctl_core::service::sfn::{
    CREATE_STATE_MACHINE, DELETE_STATE_MACHINE, DESCRIBE_EXECUTION, DESCRIBE_STATE_MACHINE, Execution, ExecutionStatus,
    GET_EXECUTION_HISTORY, HistoryEvent, LIST_EXECUTIONS, NewStateMachine, START_EXECUTION, StateMachine,
    StepFunctions, UPDATE_STATE_MACHINE,
};
use billctl_core::service::{Page, Result, Tags};

pub(super) const STATES_SERVICE: &str = "states.amazonaws.com";
/// Items of a page.
const PAGE_SIZE: usize = 100;
/// State machines and their executions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    machines: BTreeMap<String, StoredMachine>,
    executions: Executions,
    calls: u64,
    #[serde(skip)]
    nesting: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredMachine {
    arn: Arn,
    definition: Definition,
    role: Arn,
    tags: Tags,
}

/// A definition that executions share.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Value")]
struct Definition(Arc<Value>);

impl From<Value> for Definition {
    fn from(definition: Value) -> Self {
        Self(Arc::new(definition))
    }
}

impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What an execution started with, where its machine has been changed since
/// (docs/aws-facts.md, "Step Functions: executions").
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BeganWith {
    definition: Definition,
    role: Arn,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredExecution {
    machine: String,
    name: String,
    status: ExecutionStatus,
    started: Timestamp,
    /// Known once it ended; in the world's future where it runs ahead.
    #[serde(default)]
    stopped: Option<Timestamp>,
    input: Value,
    output: Option<Value>,
    error: Option<(String, String)>,
    history: Vec<HistoryEvent>,
    /// Where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<asl::Pause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_with: Option<BeganWith>,
}

impl State {
    /// When executions of the machine ended so, in `[start, end)`.
    pub(super) fn ended(
        &self,
        machine: &str,
        status: ExecutionStatus,
        start: Timestamp,
        end: Timestamp,
    ) -> Vec<Timestamp> {
        let name = machine.rsplit(':').next().unwrap_or_default();
        self.executions.ended(name, status, start, end)
    }

    /// Gives a machine another definition and role. Executions under way keep what they started with
    /// (docs/aws-facts.md, "Step Functions: executions").
    fn replace(&mut self, name: &str, definition: &Value, role: &Arn) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let before = BeganWith {
            definition: machine.definition.clone(),
            role: machine.role.clone(),
        };
        if *before.definition.0 == *definition && before.role == *role {
            return;
        }
        machine.definition = definition.clone().into();
        machine.role = role.clone();
        self.executions.change_running(name, |one| {
            one.began_with.get_or_insert_with(|| before.clone());
        });
    }

    /// The number of the next call that a state machine makes: faults depend on it.
    pub(super) fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    fn machine(&self, arn: &Arn) -> Answer<(&str, &StoredMachine)> {
        self.machines
            .iter()
            .find(|(_, machine)| machine.arn == *arn)
            .map(|(name, machine)| (name.as_str(), machine))
            .ok_or_else(|| {
                let why = format!("State Machine Does Not Exist: '{arn}'");
                Refusal::not_found("StateMachineDoesNotExist", why)
            })
    }
}

impl StoredExecution {
    fn described(&self, world: &World, whole: bool) -> Execution {
        // Between waits it runs on a clock of its own: until the world's reaches its end, it is running.
        let over = !self.runs_at(world.now);
        let (error, cause) = self.error.clone().filter(|_| whole && over).unzip();
        Execution {
            arn: world.execution_arn(&self.machine, &self.name),
            name: self.name.clone(),
            status: self.status_at(world.now),
            started: self.started,
            stopped: self.stopped.filter(|_| over),
            input: whole.then(|| self.input.clone()),
            output: self.output.clone().filter(|_| whole && over),
            error,
            cause,
        }
    }
}

impl World {
    fn machine_arn(&self, name: &str) -> Arn {
        self.own_arn("states", &format!("stateMachine:{name}"))
    }

    fn execution_arn(&self, machine: &str, name: &str) -> Arn {
        self.own_arn("states", &format!("execution:{machine}:{name}"))
    }

    fn execution(&self, arn: &Arn) -> Answer<&StoredExecution> {
        let mut parts = arn.resource().trim_start_matches("execution:").splitn(2, ':');
        let found = match (parts.next(), parts.next()) {
            (Some(machine), Some(name)) => self.sfn.executions.find(machine, name),
            _ => None,
        };
        found
            .filter(|one| self.execution_arn(&one.machine, &one.name) == *arn)
            .ok_or_else(|| Refusal::not_found("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'")))
    }
}

/// Names of machines and executions: 1 to 80 characters without spaces, brackets, wildcards and control characters
/// (API reference).
fn valid_name(name: &str) -> Answer<()> {
    let valid = (1..=80).contains(&name.len())
        && name.is_ascii()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c));
    if valid {
        Ok(())
    } else {
        Err(Refusal::invalid("InvalidName", format!("Invalid Name: '{name}'")))
    }
}

fn check_definition(definition: &Value) -> Answer<()> {
    asl::check(definition).map_err(|why| {
        let why = format!("Invalid State Machine Definition: '{why}'");
        Refusal::invalid("InvalidDefinition", why)
    })
}

/// Step Functions looks at once whether it can assume the role: also a role made a moment ago is refused so.
fn check_role(world: &World, machine: &Arn, role: &Arn) -> Answer<()> {
    let context = world.assume_context(machine);
    if world.iam.assumable(role, STATES_SERVICE, &context, world.now) {
        return Ok(());
    }
    Err(Refusal::denied(
        "AccessDeniedException",
        format!(
            "Neither the global service principal {STATES_SERVICE}, nor the regional one is authorized to assume the \
             provided role."
        ),
    ))
}

fn create(world: &mut World, new: &NewStateMachine) -> Answer<Arn> {
    valid_name(&new.name)?;
    check_definition(&new.definition)?;
    let arn = world.machine_arn(&new.name);
    check_role(world, &arn, &new.role_arn)?;
    if let Some(there) = world.sfn.machines.get(&new.name) {
        // The same again is no error (API reference: CreateStateMachine is idempotent).
        return if *there.definition.0 == new.definition && there.role == new.role_arn {
            Ok(arn)
        } else {
            let why = format!("State Machine Already Exists: '{arn}'");
            Err(Refusal::exists("StateMachineAlreadyExists", why))
        };
    }
    world.sfn.machines.insert(
        new.name.clone(),
        StoredMachine {
            arn: arn.clone(),
            definition: new.definition.clone().into(),
            role: new.role_arn.clone(),
            tags: new.tags.clone(),
        },
    );
    Ok(arn)
}

/// A page of items, from the token on.
fn page<T>(items: Vec<T>, token: Option<&str>) -> Answer<Page<T>> {
    let token = token.unwrap_or("0");
    let skip = token.parse();
    let skip: usize = skip.map_err(|_| Refusal::invalid("InvalidToken", format!("Invalid Token: '{token}'")))?;
    let next = (items.len() > skip + PAGE_SIZE).then(|| (skip + PAGE_SIZE).to_string());
    Ok(Page {
        items: items.into_iter().skip(skip).take(PAGE_SIZE).collect(),
        next,
    })
}

/// How an execution ended, once it was run, with its error and cause.
pub(super) fn outcome(world: &World, execution: &Arn) -> Option<(ExecutionStatus, Option<(String, String)>)> {
    let found = world.execution(execution).ok()?;
    Some((found.status, found.error.clone()))
}

/// What an execution answered, once it was run and did.
pub(super) fn output<'a>(world: &'a World, execution: &Arn) -> Option<&'a Value> {
    world.execution(execution).ok()?.output.as_ref()
}

#[async_trait]
impl StepFunctions for Sandbox {
    async fn describe_state_machine(&self, arn: &Arn) -> Result<StateMachine> {
        self.read(DESCRIBE_STATE_MACHINE, |world| {
            let (name, machine) = world.sfn.machine(arn)?;
            Ok(StateMachine {
                name: name.to_owned(),
                arn: machine.arn.clone(),
                definition: (*machine.definition.0).clone(),
                role_arn: machine.role.clone(),
            })
        })
        .await
    }

    async fn create_state_machine(&self, machine: &NewStateMachine) -> Result<Arn> {
        self.call(CREATE_STATE_MACHINE, |world| create(world, machine)).await
    }

    async fn update_state_machine(&self, arn: &Arn, definition: &Value, role_arn: &Arn) -> Result<()> {
        self.call(UPDATE_STATE_MACHINE, |world| {
            let name = world.sfn.machine(arn)?.0.to_owned();
            check_definition(definition)?;
            check_role(world, arn, role_arn)?;
            world.sfn.replace(&name, definition, role_arn);
            Ok(())
        })
        .await
    }

    async fn delete_state_machine(&self, arn: &Arn) -> Result<()> {
        self.call(DELETE_STATE_MACHINE, |world| {
            // Deleting one that isn't there is no error: the operation declares none (API model).
            if let Ok((name, _)) = world.sfn.machine(arn) {
                let name = name.to_owned();
                stop_all(world, &name);
                world.sfn.machines.remove(&name);
            }
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
            let (name, _) = world.sfn.machine(machine)?;
            let mut found: Vec<(Timestamp, u64)> = world
                .sfn
                .executions
                .of(name)
                .filter(|(_, one)| status.is_none_or(|status| one.status_at(world.now) == status))
                .map(|(number, one)| (one.started, number))
                .collect();
            // Newest first; only a page of them is described.
            found.sort_unstable();
            found.reverse();
            let found = page(found, token.as_deref())?;
            Ok(Page {
                items: found
                    .items
                    .into_iter()
                    .filter_map(|(_, number)| world.sfn.executions.get(number))
                    .map(|one| one.described(world, false))
                    .collect(),
                next: found.next,
            })
        })
        .await
    }

    async fn start_execution(&self, machine: &Arn, name: &str, input: &Value) -> Result<Arn> {
        self.call(START_EXECUTION, |world| {
            start(world, machine, Some(name.to_owned()), input.clone())
        })
        .await
    }

    async fn describe_execution(&self, arn: &Arn) -> Result<Execution> {
        self.read(DESCRIBE_EXECUTION, |world| {
            Ok(world.execution(arn)?.described(world, true))
        })
        .await
    }

    async fn get_execution_history(&self, arn: &Arn, token: Option<String>) -> Result<Page<HistoryEvent>> {
        self.read(GET_EXECUTION_HISTORY, |world| {
            let events = world.execution(arn)?.history.iter();
            let events = events.filter(|event| event.at <= world.now).cloned();
            page(events.collect(), token.as_deref())
        })
        .await
    }
}

#[cfg(test)]
mod tests;
