//! Executions: how they start, and what is kept of them.

use jiff::Timestamp;
use serde_json::Value;

use super::{StoredExecution, valid_name};
use crate::World;
use crate::asl::{self, Machine, Pause, Ran, Stand, Start};
use crate::refusal::{Answer, Refusal};
use billctl_core::model::Arn;
use billctl_core::service::Kind;
use billctl_core::service::sfn::{ExecutionStatus, HistoryEvent};

/// Most bytes of a task's output that its history keeps: a world of weeks is one file.
const MAX_OUTPUT: usize = 4 * 1024;
/// State machines that start one another end here.
const DEEPEST_NESTING: usize = 5;

/// EventBridge starts an execution with an event: each delivery has a name of its own.
pub(crate) fn start_from_rule(world: &mut World, machine: &Arn, event: &Value) -> Answer<Arn> {
    let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
    let delivery = world.fresh_event_id();
    start(world, machine, Some(format!("{id}_{delivery}")), event.clone())
}

/// `StartExecution`: answers its ARN. It has run to its end or first wait when this returns, in simulated time yet to
/// come.
pub(crate) fn start(world: &mut World, machine: &Arn, name: Option<String>, input: Value) -> Answer<Arn> {
    let machine_name = world.sfn.machine(machine)?.0.to_owned();
    let name = name.unwrap_or_else(|| world.fresh_event_id());
    valid_name(&name)?;
    let arn = world.execution_arn(&machine_name, &name);
    world.sfn.executions.forget(world.now, &machine_name, &name);
    if let Some(there) = world.sfn.executions.find(&machine_name, &name) {
        // The same name with the same input, while it runs, is the same execution
        // (docs/aws-facts.md, "Step Functions: executions").
        return if there.runs_at(world.now) && there.input == input {
            Ok(arn)
        } else {
            let why = format!("Execution Already Exists: '{arn}'");
            Err(Refusal::exists("ExecutionAlreadyExists", why))
        };
    }
    if world.sfn.nesting >= DEEPEST_NESTING {
        let why = "state machines start one another too deeply for the sandbox";
        return Err(Refusal::new(Kind::Quota, "ExecutionLimitExceeded", why));
    }
    // Its name is taken from now on, also for the executions that it starts itself.
    let number = world.sfn.executions.insert(StoredExecution {
        machine: machine_name,
        name,
        status: ExecutionStatus::Running,
        started: world.now,
        stopped: None,
        input,
        output: None,
        error: None,
        history: Vec::new(),
        paused: None,
        began_with: None,
    });
    go_on(world, number, None);
    Ok(arn)
}

/// Wakes the executions whose time comes until `to`, in its order. The world's time is that of the last one then.
pub(crate) fn wake(world: &mut World, to: Timestamp) {
    while let Some((at, number)) = world.sfn.executions.due(to) {
        let mut pause = None;
        let executions = &mut world.sfn.executions;
        executions.change(number, |execution| pause = execution.paused.take());
        world.now = at;
        go_on(world, number, pause);
    }
}

/// Runs an execution on until it ends or waits again.
fn go_on(world: &mut World, number: u64, from: Option<Pause>) {
    let Some(execution) = world.sfn.executions.get(number) else {
        return;
    };
    let Some(stored) = world.sfn.machines.get(&execution.machine) else {
        return;
    };
    let (definition, role) = match &execution.began_with {
        Some(began) => (&began.definition, &began.role),
        None => (&stored.definition, &stored.role),
    };
    let machine = Machine {
        arn: stored.arn.clone(),
        name: execution.machine.clone(),
        role: role.clone(),
        definition: definition.0.clone(),
    };
    let start = Start {
        arn: world.execution_arn(&execution.machine, &execution.name),
        name: execution.name.clone(),
        at: execution.started,
        input: execution.input.clone(),
    };
    world.sfn.nesting += 1;
    let ran = asl::run(world, &machine, &start, from);
    world.sfn.nesting -= 1;
    world.sfn.executions.change(number, |execution| execution.follow(ran));
}

/// Stops the executions of a machine that wait: it is deleted.
pub(super) fn stop_all(world: &mut World, machine: &str) {
    let now = world.now;
    world.sfn.executions.change_running(machine, |execution| {
        execution.paused = None;
        execution.began_with = None;
        execution.status = ExecutionStatus::Aborted;
        execution.stopped = Some(now);
        execution.history.push(HistoryEvent {
            kind: "ExecutionAborted".to_owned(),
            at: now,
            ..HistoryEvent::default()
        });
    });
}

impl StoredExecution {
    /// Whether it is running to whoever looks at this time.
    pub(super) fn runs_at(&self, now: Timestamp) -> bool {
        self.stopped.is_none_or(|stopped| stopped > now)
    }

    /// How it stands for whoever looks at this time: until it reaches its end, it is running.
    pub(super) fn status_at(&self, now: Timestamp) -> ExecutionStatus {
        if self.runs_at(now) {
            ExecutionStatus::Running
        } else {
            self.status
        }
    }

    fn follow(&mut self, ran: Ran) {
        self.history.extend(ran.history.into_iter().map(|event| HistoryEvent {
            output: event.output.filter(|output| asl::is_within(output, MAX_OUTPUT)),
            ..event
        }));
        match ran.stand {
            Stand::Paused(pause) => self.paused = Some(pause),
            Stand::Ended { status, output, error } => {
                self.status = status;
                self.stopped = Some(ran.at);
                self.output = output;
                self.error = error;
                self.began_with = None;
            }
        }
    }
}
