//! Runs an execution from start to end at once, on a clock of its own: waits and retries take simulated time, and
//! whoever looks before that time has passed sees the execution running.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use jsonata_core::value::JValue;
use serde_json::{Map, Value, json};

use super::query::{self, QUERY_ERROR, Scope};
use super::tasks;
use crate::model::Arn;
use crate::sandbox::World;
use crate::service::sfn::{ExecutionStatus, HistoryEvent};

/// Most events of an execution, and most bytes of a state's input or output (AWS-FACTS 5).
const MAX_EVENTS: usize = 25_000;
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// What a transition and an API call take, roughly: tens of milliseconds.
const TRANSITION: SignedDuration = SignedDuration::from_millis(15);
pub(super) const CALL: SignedDuration = SignedDuration::from_millis(120);

/// The state machine that runs.
pub(in crate::sandbox) struct Machine {
    pub(in crate::sandbox) arn: Arn,
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) role: Arn,
    pub(in crate::sandbox) definition: Value,
}

/// What starts.
pub(in crate::sandbox) struct Start {
    pub(in crate::sandbox) arn: Arn,
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) at: Timestamp,
    pub(in crate::sandbox) input: Value,
}

/// How it ended.
pub(in crate::sandbox) struct Ended {
    pub(in crate::sandbox) status: ExecutionStatus,
    pub(in crate::sandbox) at: Timestamp,
    pub(in crate::sandbox) output: Option<Value>,
    pub(in crate::sandbox) error: Option<(String, String)>,
    pub(in crate::sandbox) history: Vec<HistoryEvent>,
}

/// An error of Step Functions: a name that retriers and catchers know, and a cause.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) cause: String,
}

impl Failure {
    pub(super) fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            cause: cause.into(),
        }
    }

    fn query(cause: String) -> Self {
        Self::new(QUERY_ERROR, cause)
    }
}

pub(super) type Variables = BTreeMap<String, JValue>;

/// What answers a Task's call.
pub(super) type Calls<'w> =
    dyn FnMut(&mut World, &Machine, &str, &Value) -> Result<Value, Failure> + 'w;

pub(super) struct Run<'w> {
    pub(super) world: &'w mut World,
    pub(super) calls: &'w mut Calls<'w>,
    pub(super) machine: &'w Machine,
    start: &'w Start,
    deadline: Option<Timestamp>,
    now: Timestamp,
    history: Vec<HistoryEvent>,
    seed: u64,
}

/// Runs an execution to its end. The world's time is the same afterwards.
pub(in crate::sandbox) fn run(world: &mut World, machine: &Machine, start: &Start) -> Ended {
    run_with(world, machine, start, &mut tasks::call)
}

pub(super) fn run_with<'w>(
    world: &'w mut World,
    machine: &'w Machine,
    start: &'w Start,
    calls: &'w mut Calls<'w>,
) -> Ended {
    let before = world.now;
    let timeout = machine
        .definition
        .get("TimeoutSeconds")
        .and_then(Value::as_i64);
    let mut run = Run {
        deadline: timeout.map(|seconds| start.at + SignedDuration::from_secs(seconds)),
        seed: query::seed(start.arn.as_str()),
        world,
        calls,
        machine,
        start,
        now: start.at,
        history: Vec::new(),
    };
    run.record("ExecutionStarted", None, |_| {});
    let mut variables = Variables::new();
    let outcome = run.machine(&machine.definition, start.input.clone(), &mut variables);
    let (status, output, error) = match outcome {
        Ok(output) => {
            run.record("ExecutionSucceeded", None, |event| {
                event.output = Some(output.clone());
            });
            (ExecutionStatus::Succeeded, Some(output), None)
        }
        Err(failure) => {
            let timed_out = failure.error == "States.Timeout" && run.is_late();
            let (status, kind) = if timed_out {
                (ExecutionStatus::TimedOut, "ExecutionTimedOut")
            } else {
                (ExecutionStatus::Failed, "ExecutionFailed")
            };
            let error = (failure.error, failure.cause);
            run.record(kind, None, |event| event.error = Some(error.clone()));
            (status, None, Some(error))
        }
    };
    let ended = Ended {
        status,
        at: run.now,
        output,
        error,
        history: std::mem::take(&mut run.history),
    };
    run.world.now = before;
    ended
}

impl Run<'_> {
    pub(super) fn record(
        &mut self,
        kind: &str,
        state: Option<&str>,
        fill: impl FnOnce(&mut HistoryEvent),
    ) {
        let mut event = HistoryEvent {
            kind: kind.to_owned(),
            at: self.now,
            state: state.map(str::to_owned),
            resource: None,
            output: None,
            error: None,
        };
        fill(&mut event);
        self.history.push(event);
    }

    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.now >= deadline)
    }

    pub(super) fn pass_time(&mut self, by: SignedDuration) {
        self.now = self.now.checked_add(by).unwrap_or(Timestamp::MAX);
        self.world.now = self.now;
    }

    /// Runs from `StartAt` to an end; the output of the last state.
    pub(super) fn machine(
        &mut self,
        definition: &Value,
        input: Value,
        variables: &mut Variables,
    ) -> Result<Value, Failure> {
        let mut name = definition
            .get("StartAt")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut input = input;
        loop {
            // Checked when the definition was put; a damaged file ends here.
            let state = definition
                .get("States")
                .and_then(|states| states.get(&name))
                .and_then(Value::as_object)
                .ok_or_else(|| Failure::new("States.Runtime", format!("no state `{name}`")))?;
            self.pass_time(TRANSITION);
            if self.is_late() {
                return Err(Failure::new(
                    "States.Timeout",
                    "the execution took too long",
                ));
            }
            if self.history.len() >= MAX_EVENTS {
                return Err(Failure::new(
                    "States.Runtime",
                    format!(
                        "The execution reached the maximum number of history events ({MAX_EVENTS})."
                    ),
                ));
            }
            let kind = state
                .get("Type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            self.record(&format!("{kind}StateEntered"), Some(&name), |_| {});
            let (output, next) = self.state(kind, &name, state, &input, variables)?;
            if output.to_string().len() > MAX_BYTES {
                return Err(Failure::new(
                    "States.DataLimitExceeded",
                    format!(
                        "The state '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
                    ),
                ));
            }
            self.record(&format!("{kind}StateExited"), Some(&name), |event| {
                event.output = Some(output.clone());
            });
            match next {
                Some(next) => {
                    input = output;
                    name = next;
                }
                None => return Ok(output),
            }
        }
    }

    fn state(
        &mut self,
        kind: &str,
        name: &str,
        state: &Map<String, Value>,
        input: &Value,
        variables: &mut Variables,
    ) -> Result<(Value, Option<String>), Failure> {
        match kind {
            "Task" | "Parallel" => return self.work(kind, name, state, input, variables),
            "Fail" => {
                let states = self.states(name, input, &[]);
                let text = |field: &str| {
                    let value = state.get(field).cloned().unwrap_or(Value::Null);
                    self.fill(&value, variables, &states)
                        .map(|filled| filled.as_str().map(str::to_owned).unwrap_or_default())
                };
                return Err(Failure::new(text("Error")?, text("Cause")?));
            }
            "Choice" => return self.choose(name, state, input, variables),
            "Wait" => self.wait(name, state, input, variables)?,
            _ => {}
        }
        let states = self.states(name, input, &[]);
        let output = self.leave(state, input.clone(), variables, &states)?;
        Ok((output, next(state)))
    }

    /// `$states`: input and context, and what else the place has.
    pub(super) fn states(&self, state: &str, input: &Value, more: &[(&str, &Value)]) -> Value {
        let mut states = json!({
            "input": input,
            "context": {
                "Execution": {
                    "Id": self.start.arn,
                    "Name": self.start.name,
                    "Input": self.start.input,
                    "RoleArn": self.machine.role,
                    "StartTime": query::millis_text(self.start.at),
                    "RedriveCount": 0,
                },
                "State": {"Name": state, "EnteredTime": query::millis_text(self.now), "RetryCount": 0},
                "StateMachine": {"Id": self.machine.arn, "Name": self.machine.name},
            },
        });
        for (key, value) in more {
            states[*key] = (*value).clone();
        }
        states
    }

    pub(super) fn fill(
        &self,
        value: &Value,
        variables: &Variables,
        states: &Value,
    ) -> Result<Value, Failure> {
        query::fill(
            value,
            &Scope {
                variables,
                states,
                now: self.now,
                seed: self.seed.wrapping_add(self.history.len() as u64),
            },
        )
        .map_err(Failure::query)
    }

    /// `Assign` and `Output` of a state, or of one of its choices or catchers: both see the variables as they were.
    pub(super) fn leave(
        &self,
        rule: &Map<String, Value>,
        otherwise: Value,
        variables: &mut Variables,
        states: &Value,
    ) -> Result<Value, Failure> {
        let output = match rule.get("Output") {
            Some(output) => self.fill(output, variables, states)?,
            None => otherwise,
        };
        let mut assigned = Vec::new();
        for (name, value) in rule
            .get("Assign")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            assigned.push((name.clone(), self.fill(value, variables, states)?));
        }
        for (name, value) in assigned {
            variables.insert(name, JValue::from(value));
        }
        Ok(output)
    }

    fn choose(
        &self,
        name: &str,
        state: &Map<String, Value>,
        input: &Value,
        variables: &mut Variables,
    ) -> Result<(Value, Option<String>), Failure> {
        let states = self.states(name, input, &[]);
        let choices = state.get("Choices").and_then(Value::as_array);
        for choice in choices.into_iter().flatten().filter_map(Value::as_object) {
            let condition = choice.get("Condition").cloned().unwrap_or(Value::Null);
            let met = self.fill(&condition, variables, &states)?;
            match met.as_bool() {
                Some(false) => {}
                Some(true) => {
                    let output = self.leave(choice, input.clone(), variables, &states)?;
                    return Ok((output, next(choice)));
                }
                None => {
                    return Err(Failure::query(format!(
                        "The Condition of '{name}' returned {met}, not a boolean."
                    )));
                }
            }
        }
        match state.get("Default").and_then(Value::as_str) {
            Some(default) => {
                let output = self.leave(state, input.clone(), variables, &states)?;
                Ok((output, Some(default.to_owned())))
            }
            None => Err(Failure::new(
                "States.NoChoiceMatched",
                format!("No choice of '{name}' matched and there is no Default."),
            )),
        }
    }

    fn wait(
        &mut self,
        name: &str,
        state: &Map<String, Value>,
        input: &Value,
        variables: &Variables,
    ) -> Result<(), Failure> {
        let states = self.states(name, input, &[]);
        if let Some(seconds) = state.get("Seconds") {
            let seconds = self.fill(seconds, variables, &states)?;
            let seconds = seconds
                .as_i64()
                .filter(|seconds| (0..=99_999_999).contains(seconds))
                .ok_or_else(|| Failure::query(format!("Seconds of '{name}' is {seconds}.")))?;
            self.pass_time(SignedDuration::from_secs(seconds));
        }
        if let Some(until) = state.get("Timestamp") {
            let until = self.fill(until, variables, &states)?;
            let until: Timestamp = until
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Failure::query(format!("Timestamp of '{name}' is {until}.")))?;
            self.pass_time(until.duration_since(self.now).max(SignedDuration::ZERO));
        }
        Ok(())
    }
}

pub(super) fn next(rule: &Map<String, Value>) -> Option<String> {
    rule.get("Next").and_then(Value::as_str).map(str::to_owned)
}
