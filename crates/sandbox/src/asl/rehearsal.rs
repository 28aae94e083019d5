//! A state machine on its own: what it asks is answered from elsewhere, so that this interpreter can be compared with
//! others. Its waits pass at once, on its own clock.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::machine::{Failure, Machine, Stand, Start};
use super::run::run_with;
use crate::World;
use billctl_core::model::Arn;

/// A state machine and one execution of it.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Its ARN.
    pub machine: Arn,
    /// Its definition, without placeholders.
    pub definition: Value,
    /// The execution's name.
    pub execution: String,
    /// When it starts.
    pub at: Timestamp,
    /// What it starts with.
    pub input: Value,
}

/// How an execution ended: its output, or the error's name and cause.
pub type Outcome = std::result::Result<Value, (String, String)>;

impl Rehearsal {
    /// Runs it to its end. `answer` gets the time that it is in the execution, a call's resource and its arguments, and
    /// gives the result or the error's name and cause.
    pub fn run(&self, world: &mut World, answer: &mut dyn FnMut(Timestamp, &str, &Value) -> Outcome) -> Outcome {
        let name = self.machine.as_str().rsplit(':').next().unwrap_or_default();
        let machine = Machine {
            arn: self.machine.clone(),
            name: name.to_owned(),
            role: self.machine.clone(),
            definition: Arc::new(self.definition.clone()),
        };
        let start = Start {
            arn: self.machine.clone(),
            name: self.execution.clone(),
            at: self.at,
            input: self.input.clone(),
        };
        let mut calls = |world: &mut World, _: &Machine, resource: &str, arguments: &Value| {
            answer(world.now, resource, arguments).map_err(|(error, cause)| Failure::new(error, cause))
        };
        match run_with(world, &machine, &start, None, true, &mut calls).stand {
            Stand::Ended { error: Some(error), .. } => Err(error),
            Stand::Ended { output, .. } => Ok(output.unwrap_or(Value::Null)),
            Stand::Paused(_) => Err(("States.Runtime".to_owned(), "a rehearsal doesn't pause".to_owned())),
        }
    }
}
