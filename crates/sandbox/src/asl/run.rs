//! Runs an execution until it ends, or until a wait: then it is put away as a [`Pause`], and goes on when the world's
//! time has come. Between waits it runs at once on a clock of its own: transitions, calls and short pauses before
//! retries take simulated time, and whoever looks before that time has passed sees the execution running.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use jsonata_core::value::JValue;
use serde_json::{Map, Value};

use super::machine::{Failure, Machine, Pause, Ran, Stand, Start};
use super::query::{self, Bindings, object};
use super::size::is_within;
use crate::World;
use crate::faults::hash;
use crate::json::items;
use billctl_core::service::sfn::{ExecutionStatus, HistoryEvent};

/// Most events of an execution, and most bytes of a state's input or output
/// (docs/aws-facts.md, "Step Functions: executions").
const MAX_EVENTS: usize = 25_000;
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// What a transition and an API call take, roughly: tens of milliseconds.
const TRANSITION: SignedDuration = SignedDuration::from_millis(15);
pub(super) const CALL: SignedDuration = SignedDuration::from_millis(120);
/// A pause before a retry that is no longer passes on the execution's own clock.
pub(super) const SHORT_PAUSE: SignedDuration = SignedDuration::from_mins(10);

pub(super) type Variables = BTreeMap<String, JValue>;

/// What answers a Task's call.
pub(super) type Calls<'w> = dyn FnMut(&mut World, &Machine, &str, &Value) -> Result<Value, Failure> + 'w;

pub(super) struct Run<'w> {
    pub(super) world: &'w mut World,
    pub(super) calls: &'w mut Calls<'w>,
    pub(super) machine: &'w Machine,
    start: &'w Start,
    deadline: Option<Timestamp>,
    pub(super) now: Timestamp,
    history: Vec<HistoryEvent>,
    /// The events of before it went on.
    events: usize,
    /// What its chance starts from.
    seed: u64,
    /// How many Parallel states it is in.
    pub(super) depth: usize,
    /// Whether waits pass on its own clock.
    at_once: bool,
    /// `$states.context.Execution`, once it is asked for.
    context: OnceCell<JValue>,
}

/// A state, and what it was entered with.
#[derive(Clone, Copy)]
pub(super) struct State<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) fields: &'a Map<String, Value>,
    pub(super) input: &'a Value,
}

/// Where a state leads.
pub(super) enum Step {
    /// To the next one, or to the end; without an output of its own its input passes through.
    On(Option<Value>, Option<String>),
    /// To a pause.
    Pause {
        until: Timestamp,
        retries: Option<Vec<u32>>,
    },
}

impl Step {
    /// To the `Next` of a state, or of one of its choices or catchers.
    pub(super) fn next_of(rule: &Map<String, Value>, output: Option<Value>) -> Self {
        let next = rule.get("Next").and_then(Value::as_str);
        Self::On(output, next.map(str::to_owned))
    }
}

enum Flow {
    Output(Value),
    Paused(Pause),
}

/// Runs an execution from its start, or from where it paused, until it pauses or ends. `calls` answers its tasks;
/// `at_once` lets waits pass on its own clock. The world's time is the same afterwards.
pub(super) fn run_with<'w>(
    world: &'w mut World,
    machine: &'w Machine,
    start: &'w Start,
    from: Option<Pause>,
    at_once: bool,
    calls: &'w mut Calls<'w>,
) -> Ran {
    let before = world.now;
    let timeout = machine
        .definition
        .get("TimeoutSeconds")
        .and_then(Value::as_i64)
        .map(|seconds| {
            let limit = start.at.checked_add(SignedDuration::from_secs(seconds));
            limit.unwrap_or(Timestamp::MAX)
        });
    let mut run = Run {
        deadline: from.as_ref().map_or(timeout, |pause| pause.deadline),
        seed: hash(&["execution", start.arn.as_str()]),
        world,
        calls,
        machine,
        start,
        now: from.as_ref().map_or(start.at, |pause| pause.until),
        history: Vec::new(),
        events: from.as_ref().map_or(0, |pause| pause.events),
        depth: 0,
        at_once,
        context: OnceCell::new(),
    };
    run.world.now = run.now;
    let stand = match run.whole(from) {
        Ok(Flow::Paused(pause)) => Stand::Paused(pause),
        Ok(Flow::Output(output)) => {
            run.record("ExecutionSucceeded", None, |event| {
                event.output = Some(output.clone());
            });
            Stand::Ended {
                status: ExecutionStatus::Succeeded,
                output: Some(output),
                error: None,
            }
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
            Stand::Ended {
                status,
                output: None,
                error: Some(error),
            }
        }
    };
    run.world.now = before;
    Ran {
        at: run.now,
        history: run.history,
        stand,
    }
}

impl Run<'_> {
    pub(super) fn record(&mut self, kind: &str, state: Option<&str>, fill: impl FnOnce(&mut HistoryEvent)) {
        let mut event = HistoryEvent {
            kind: kind.to_owned(),
            at: self.now,
            state: state.map(str::to_owned),
            ..HistoryEvent::default()
        };
        fill(&mut event);
        self.history.push(event);
    }

    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.now >= deadline)
    }

    /// Not beyond the deadline: the execution ends there.
    fn no_later(&self, at: Timestamp) -> Timestamp {
        self.deadline.map_or(at, |deadline| at.min(deadline))
    }

    fn set_time(&mut self, at: Timestamp) {
        self.now = at;
        self.world.now = at;
    }

    /// What a transition or a call takes; nothing in a rehearsal, whose times are compared with other engines'.
    pub(super) fn spend(&mut self, time: SignedDuration) {
        if !self.at_once {
            self.pass_time(time);
        }
    }

    pub(super) fn pass_time(&mut self, by: SignedDuration) {
        self.set_time(self.now.checked_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Whether a wait puts the execution away: not inside a Parallel state, where the branches run one after the other.
    pub(super) fn may_pause(&self) -> bool {
        self.depth == 0 && !self.at_once
    }

    /// Runs from the start, or from a pause.
    fn whole(&mut self, from: Option<Pause>) -> Result<Flow, Failure> {
        let definition = &self.machine.definition;
        let Some(pause) = from else {
            self.record("ExecutionStarted", None, |_| {});
            let input = self.start.input.clone();
            return self.states_from(definition, start_at(definition), input, &mut Variables::new(), None);
        };
        if self.is_late() {
            return Err(too_late());
        }
        let variables = pause.variables.into_iter();
        let mut variables = variables.map(|(name, value)| (name, JValue::from(value))).collect();
        self.states_from(
            definition,
            pause.state,
            pause.input,
            &mut variables,
            Some(pause.retries),
        )
    }

    /// Runs a branch of a Parallel state to its end; the output of the last state.
    pub(super) fn branch(
        &mut self,
        definition: &Value,
        input: Value,
        variables: &mut Variables,
    ) -> Result<Value, Failure> {
        match self.states_from(definition, start_at(definition), input, variables, None)? {
            Flow::Output(output) => Ok(output),
            Flow::Paused(_) => Err(Failure::new("States.Runtime", "a branch can't be put away")),
        }
    }

    /// Runs from this state on. `resumed` is what the first one had tried when it paused.
    fn states_from(
        &mut self,
        definition: &Value,
        mut name: String,
        mut input: Value,
        variables: &mut Variables,
        mut resumed: Option<Option<Vec<u32>>>,
    ) -> Result<Flow, Failure> {
        loop {
            // Checked when the definition was put; a damaged file ends here.
            let fields = definition
                .get("States")
                .and_then(|states| states.get(&name))
                .and_then(Value::as_object)
                .ok_or_else(|| Failure::new("States.Runtime", format!("no state `{name}`")))?;
            let kind = fields.get("Type").and_then(Value::as_str).unwrap_or_default();
            let state = State {
                kind,
                name: &name,
                fields,
                input: &input,
            };
            let step = match resumed.take() {
                Some(Some(retries)) => self.work(state, variables, retries)?,
                Some(None) => self.pass(state, variables)?,
                None => {
                    self.enter(kind, &name)?;
                    self.state(state, variables)?
                }
            };
            let (output, next) = match step {
                Step::On(output, next) => (output, next),
                Step::Pause { until, retries } => {
                    return Ok(Flow::Paused(Pause {
                        until: self.no_later(until),
                        state: name,
                        input,
                        variables: std::mem::take(variables)
                            .into_iter()
                            .filter_map(|(name, value)| Some((name, serde_json::to_value(&value).ok()?)))
                            .collect(),
                        retries,
                        deadline: self.deadline,
                        events: self.events + self.history.len(),
                    }));
                }
            };
            let told = output.clone();
            if let Some(output) = output {
                if !is_within(&output, MAX_BYTES) {
                    return Err(Failure::new(
                        "States.DataLimitExceeded",
                        format!(
                            "The state '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
                        ),
                    ));
                }
                input = output;
            }
            self.record(&format!("{kind}StateExited"), Some(&name), |event| {
                event.output = told;
            });
            match next {
                Some(next) => name = next,
                None => return Ok(Flow::Output(input)),
            }
        }
    }

    fn enter(&mut self, kind: &str, name: &str) -> Result<(), Failure> {
        self.spend(TRANSITION);
        if self.is_late() {
            return Err(too_late());
        }
        if self.events + self.history.len() >= MAX_EVENTS {
            return Err(Failure::new(
                "States.Runtime",
                format!("The execution reached the maximum number of history events ({MAX_EVENTS})."),
            ));
        }
        self.record(&format!("{kind}StateEntered"), Some(name), |_| {});
        Ok(())
    }

    fn state(&mut self, state: State<'_>, variables: &mut Variables) -> Result<Step, Failure> {
        match state.kind {
            "Task" | "Parallel" => self.work(state, variables, Vec::new()),
            "Fail" => {
                let states = self.states(state, None);
                let text = |field: &str| {
                    let value = state.fields.get(field).unwrap_or(&Value::Null);
                    self.fill(value, variables, &states)
                        .map(|filled| filled.as_str().map(str::to_owned).unwrap_or_default())
                };
                Err(Failure::new(text("Error")?, text("Cause")?))
            }
            "Choice" => self.choose(state, variables),
            "Wait" => {
                let until = self.waits_until(state, variables)?;
                if until > self.now && self.may_pause() {
                    return Ok(Step::Pause { until, retries: None });
                }
                self.set_time(self.no_later(until).max(self.now));
                self.pass(state, variables)
            }
            _ => self.pass(state, variables),
        }
    }

    /// Leaves a state that does nothing (any more).
    fn pass(&self, state: State<'_>, variables: &mut Variables) -> Result<Step, Failure> {
        let output = self.leave(state.fields, variables, &self.states(state, None))?;
        Ok(Step::next_of(state.fields, output))
    }

    /// `$states`: input and context, and what else the place has.
    pub(super) fn states<'a>(&'a self, state: State<'a>, more: Option<(&'static str, &'a Value)>) -> States<'a> {
        States {
            machine: self.machine,
            start: self.start,
            execution: &self.context,
            now: self.now,
            state,
            more,
            made: OnceCell::new(),
        }
    }

    pub(super) fn fill(&self, value: &Value, variables: &Variables, states: &States<'_>) -> Result<Value, Failure> {
        query::fill(value, &self.bindings(variables, &|| states.value())).map_err(Failure::query)
    }

    /// What expressions see here.
    fn bindings<'a>(&self, variables: &'a Variables, states: &'a dyn Fn() -> JValue) -> Bindings<'a> {
        let events = self.events + self.history.len();
        Bindings {
            variables,
            states,
            now: self.now,
            seed: self.seed.wrapping_add(events as u64),
        }
    }

    /// `Assign` and `Output` of a state, or of one of its choices or catchers: both see the variables as they were.
    pub(super) fn leave(
        &self,
        rule: &Map<String, Value>,
        variables: &mut Variables,
        states: &States<'_>,
    ) -> Result<Option<Value>, Failure> {
        let output = rule.get("Output");
        let output = output.map(|output| self.fill(output, variables, states)).transpose()?;
        let mut assigned = Vec::new();
        for (name, value) in rule.get("Assign").and_then(Value::as_object).into_iter().flatten() {
            let value =
                query::fill_variable(value, &self.bindings(variables, &|| states.value())).map_err(Failure::query)?;
            assigned.push((name.clone(), value));
        }
        variables.extend(assigned);
        Ok(output)
    }

    fn choose(&self, state: State<'_>, variables: &mut Variables) -> Result<Step, Failure> {
        let name = state.name;
        let states = self.states(state, None);
        for choice in items(state.fields.get("Choices")).filter_map(Value::as_object) {
            let condition = choice.get("Condition").unwrap_or(&Value::Null);
            let met = self.fill(condition, variables, &states)?;
            match met.as_bool() {
                Some(false) => {}
                Some(true) => {
                    let output = self.leave(choice, variables, &states)?;
                    return Ok(Step::next_of(choice, output));
                }
                None => {
                    let why = format!("The Condition of '{name}' returned {met}, not a boolean.");
                    return Err(Failure::query(why));
                }
            }
        }
        let Some(default) = state.fields.get("Default").and_then(Value::as_str) else {
            let why = format!("No choice of '{name}' matched and there is no Default.");
            return Err(Failure::new("States.NoChoiceMatched", why));
        };
        let output = self.leave(state.fields, variables, &states)?;
        Ok(Step::On(output, Some(default.to_owned())))
    }

    fn waits_until(&self, state: State<'_>, variables: &Variables) -> Result<Timestamp, Failure> {
        let name = state.name;
        let states = self.states(state, None);
        if let Some(seconds) = state.fields.get("Seconds") {
            let seconds = self.fill(seconds, variables, &states)?;
            let seconds = seconds
                .as_i64()
                .filter(|seconds| (0..=99_999_999).contains(seconds))
                .ok_or_else(|| Failure::query(format!("Seconds of '{name}' is {seconds}.")))?;
            let by = SignedDuration::from_secs(seconds);
            return Ok(self.now.checked_add(by).unwrap_or(Timestamp::MAX));
        }
        let Some(until) = state.fields.get("Timestamp") else {
            return Ok(self.now);
        };
        let until = self.fill(until, variables, &states)?;
        until
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Failure::query(format!("Timestamp of '{name}' is {until}.")))
    }
}

/// What an expression of a state sees as `$states`, made when the first one asks for it.
pub(super) struct States<'a> {
    machine: &'a Machine,
    start: &'a Start,
    /// The part that all states share.
    execution: &'a OnceCell<JValue>,
    now: Timestamp,
    state: State<'a>,
    more: Option<(&'static str, &'a Value)>,
    made: OnceCell<JValue>,
}

impl States<'_> {
    fn value(&self) -> JValue {
        self.made.get_or_init(|| self.make()).clone()
    }

    fn make(&self) -> JValue {
        let text = |text: &str| JValue::string(text);
        let execution = self.execution.get_or_init(|| {
            object([
                ("Id", text(self.start.arn.as_str())),
                ("Name", text(&self.start.name)),
                ("Input", query::value(&self.start.input)),
                ("RoleArn", text(self.machine.role.as_str())),
                ("StartTime", text(&query::millis_text(self.start.at))),
                ("RedriveCount", JValue::Number(0.0)),
            ])
        });
        let state = object([
            ("Name", text(self.state.name)),
            ("EnteredTime", text(&query::millis_text(self.now))),
            ("RetryCount", JValue::Number(0.0)),
        ]);
        let machine = object([
            ("Id", text(self.machine.arn.as_str())),
            ("Name", text(&self.machine.name)),
        ]);
        let context = object([
            ("Execution", execution.clone()),
            ("State", state),
            ("StateMachine", machine),
        ]);
        let own = [("input", query::value(self.state.input)), ("context", context)];
        let more = self.more.map(|(name, value)| (name, query::value(value)));
        object(own.into_iter().chain(more))
    }
}

fn start_at(definition: &Value) -> String {
    definition
        .get("StartAt")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn too_late() -> Failure {
    Failure::new("States.Timeout", "the execution took too long")
}
