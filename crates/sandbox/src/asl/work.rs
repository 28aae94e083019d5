//! States that do something: a Task makes a call, a Parallel runs its branches; both are tried again and caught.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::machine::Failure;
use super::run::{CALL, MAX_BYTES, Run, SHORT_PAUSE, State, Step, Variables};
use super::size::is_within;
use crate::json::{items, texts};

impl Run<'_> {
    /// A Task or Parallel state: tried, tried again as its retriers say, and caught as its catchers say. `retries` is
    /// how often each retrier has tried again before a long pause.
    pub(super) fn work(
        &mut self,
        state: State<'_>,
        variables: &mut Variables,
        mut retries: Vec<u32>,
    ) -> Result<Step, Failure> {
        retries.resize(list(state.fields, "Retry").count(), 0);
        loop {
            let tried = self.attempt(state, variables).and_then(|result| {
                let states = self.states(state, Some(("result", &result)));
                let output = self.leave(state.fields, variables, &states)?;
                Ok(output.unwrap_or(result))
            });
            let failure = match tried {
                Ok(output) => return Ok(Step::next_of(state.fields, Some(output))),
                Err(failure) => failure,
            };
            if self.is_late() {
                return Err(failure);
            }
            if let Some(pause) = self.pause_before_retry(state.fields, &failure, &mut retries) {
                if pause > SHORT_PAUSE && self.may_pause() {
                    return Ok(Step::Pause {
                        until: self.now.checked_add(pause).unwrap_or(Timestamp::MAX),
                        retries: Some(retries),
                    });
                }
                self.pass_time(pause);
                continue;
            }
            let error = json!({"Error": failure.error, "Cause": failure.cause});
            let states = self.states(state, Some(("errorOutput", &error)));
            for catcher in list(state.fields, "Catch") {
                if names(catcher, &failure.error) {
                    let output = self.leave(catcher, variables, &states)?;
                    return Ok(Step::next_of(catcher, Some(output.unwrap_or(error))));
                }
            }
            return Err(failure);
        }
    }

    fn attempt(&mut self, state: State<'_>, variables: &Variables) -> Result<Value, Failure> {
        let State {
            kind,
            name,
            fields,
            input,
        } = state;
        let states = self.states(state, None);
        let arguments = fields.get("Arguments");
        let arguments = arguments
            .map(|arguments| self.fill(arguments, variables, &states))
            .transpose()?;
        if kind == "Parallel" {
            let input = arguments.unwrap_or_else(|| input.clone());
            self.depth += 1;
            let outputs: Result<Vec<Value>, Failure> = items(fields.get("Branches"))
                // What a branch assigns stays in it.
                .map(|branch| self.branch(branch, input.clone(), &mut variables.clone()))
                .collect();
            self.depth -= 1;
            return outputs.map(Value::Array);
        }
        let resource = fields.get("Resource").and_then(Value::as_str).unwrap_or_default();
        let action = resource.rsplit(':').next().unwrap_or_default().to_owned();
        self.record("TaskScheduled", Some(name), |event| {
            event.resource = Some(action.clone());
        });
        self.spend(CALL);
        let answer = (self.calls)(
            self.world,
            self.machine,
            resource,
            &arguments.unwrap_or_else(|| json!({})),
        );
        match answer {
            Ok(result) => {
                if !is_within(&result, MAX_BYTES) {
                    return Err(Failure::new(
                        "States.DataLimitExceeded",
                        format!("The task '{name}' returned more than {MAX_BYTES} bytes."),
                    ));
                }
                self.record("TaskSucceeded", Some(name), |event| {
                    event.resource = Some(action);
                    event.output = Some(result.clone());
                });
                Ok(result)
            }
            Err(failure) => {
                self.record("TaskFailed", Some(name), |event| {
                    event.resource = Some(action);
                    event.error = Some((failure.error.clone(), failure.cause.clone()));
                });
                Err(failure)
            }
        }
    }

    /// How long to wait before the next try, if a retrier is for this error and has tries left. Jitter isn't drawn:
    /// the longest pause is what a test should reckon with.
    fn pause_before_retry(
        &self,
        state: &Map<String, Value>,
        failure: &Failure,
        retries: &mut [u32],
    ) -> Option<SignedDuration> {
        let (retrier, count) = list(state, "Retry")
            .zip(retries)
            .find(|(retrier, _)| names(retrier, &failure.error))?;
        let number = |field: &str, default: f64| retrier.get(field).and_then(Value::as_f64).unwrap_or(default);
        if f64::from(*count) >= number("MaxAttempts", 3.0) {
            return None;
        }
        let pause = number("IntervalSeconds", 1.0) * number("BackoffRate", 2.0).powf(f64::from(*count));
        *count += 1;
        let pause = pause.min(number("MaxDelaySeconds", 31_622_400.0));
        SignedDuration::try_from_secs_f64(pause).ok()
    }
}

fn list<'a>(state: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    items(state.get(field)).filter_map(Value::as_object)
}

/// Whether a retrier or catcher is for this error.
fn names(rule: &Map<String, Value>, error: &str) -> bool {
    texts(rule.get("ErrorEquals")).any(|name| match name {
        // These two end an execution whatever it catches (developer guide, "Handling errors").
        "States.ALL" => !matches!(error, "States.DataLimitExceeded" | "States.Runtime"),
        "States.TaskFailed" => error != "States.Timeout" && !error.starts_with("States."),
        name => name == error,
    })
}
