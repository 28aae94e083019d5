//! What is kept of executions, so that ten thousand in an hour stay cheap: they are found by name, woken by time and
//! counted by end without looking through all.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoredExecution;
use billctl_core::service::sfn::ExecutionStatus;

/// AWS keeps an execution, and its name stays taken, for 90 days after its end
/// (docs/aws-facts.md, "Step Functions: executions").
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Of ended executions the latest have their input, and the latest that together have so many events their history.
const MAX_INPUTS: usize = 2_000;
const MAX_EVENTS: usize = 20_000;

/// Executions by number, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<StoredExecution>", into = "Vec<StoredExecution>")]
pub(super) struct Executions {
    kept: BTreeMap<u64, StoredExecution>,
    next: u64,
    /// By machine and name.
    numbers: HashMap<String, HashMap<String, u64>>,
    /// Which are to wake, and when.
    waiting: BTreeSet<(Timestamp, u64)>,
    /// When those of a machine ended, and how.
    ends: HashMap<String, BTreeMap<(Timestamp, u64), ExecutionStatus>>,
    /// Ended ones that have their input, and those that have a history, oldest end first.
    with_input: VecDeque<u64>,
    with_history: VecDeque<u64>,
    /// Events of those.
    events: usize,
}

impl Executions {
    /// Keeps a new one; its number.
    pub(super) fn insert(&mut self, execution: StoredExecution) -> u64 {
        let number = self.next;
        self.next += 1;
        self.numbers
            .entry(execution.machine.clone())
            .or_default()
            .insert(execution.name.clone(), number);
        if let Some(pause) = &execution.paused {
            self.waiting.insert((pause.until, number));
        }
        self.kept.insert(number, execution);
        self.settle(number);
        number
    }

    pub(super) fn get(&self, number: u64) -> Option<&StoredExecution> {
        self.kept.get(&number)
    }

    pub(super) fn find(&self, machine: &str, name: &str) -> Option<&StoredExecution> {
        self.get(*self.numbers.get(machine)?.get(name)?)
    }

    /// Those of a machine, oldest first, with their numbers.
    pub(super) fn of<'a>(&'a self, machine: &'a str) -> impl Iterator<Item = (u64, &'a StoredExecution)> {
        let all = self.kept.iter().map(|(number, one)| (*number, one));
        all.filter(move |(_, one)| one.machine == machine)
    }

    /// Changes one; it may pause or end by that.
    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut StoredExecution)) {
        let Some(execution) = self.kept.get_mut(&number) else {
            return;
        };
        let before = execution.paused.as_ref().map(|pause| pause.until);
        change(execution);
        let after = execution.paused.as_ref().map(|pause| pause.until);
        if let Some(until) = before {
            self.waiting.remove(&(until, number));
        }
        if let Some(until) = after {
            self.waiting.insert((until, number));
        }
        self.settle(number);
    }

    /// Changes those of a machine that haven't ended.
    pub(super) fn change_running(&mut self, machine: &str, change: impl Fn(&mut StoredExecution)) {
        let running = self.of(machine).filter(|(_, one)| one.stopped.is_none());
        let running: Vec<u64> = running.map(|(number, _)| number).collect();
        for number in running {
            self.change(number, &change);
        }
    }

    /// Notes an end, and drops of the oldest ones what is too much.
    fn settle(&mut self, number: u64) {
        let Some(execution) = self.kept.get(&number) else {
            return;
        };
        let Some(stopped) = execution.stopped else {
            return;
        };
        let ends = self.ends.entry(execution.machine.clone()).or_default();
        if ends.insert((stopped, number), execution.status).is_some() {
            return;
        }
        if !execution.input.is_null() {
            self.with_input.push_back(number);
        }
        if !execution.history.is_empty() {
            self.with_history.push_back(number);
            self.events += execution.history.len();
        }
        if self.with_input.len() > MAX_INPUTS
            && let Some(old) = self.with_input.pop_front()
            && let Some(old) = self.kept.get_mut(&old)
        {
            old.input = Value::Null;
        }
        while self.events > MAX_EVENTS
            && self.with_history.len() > 1
            && let Some(old) = self.with_history.pop_front()
        {
            if let Some(old) = self.kept.get_mut(&old) {
                self.events -= old.history.len();
                old.history = Vec::new();
            }
        }
    }

    /// Forgets the oldest ones that ended 90 days ago, and this one if it did: its name is free then.
    pub(super) fn forget(&mut self, now: Timestamp, machine: &str, name: &str) {
        let named = self.numbers.get(machine).and_then(|names| names.get(name)).copied();
        let over = |one: &StoredExecution| one.stopped.is_some_and(|at| at < now - KEPT);
        if let Some(number) = named
            && self.kept.get(&number).is_some_and(over)
        {
            self.remove(number);
        }
        while let Some((number, oldest)) = self.kept.first_key_value()
            && over(oldest)
        {
            let number = *number;
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(old) = self.kept.remove(&number) else {
            return;
        };
        if let Some(names) = self.numbers.get_mut(&old.machine) {
            names.remove(&old.name);
        }
        if let (Some(ends), Some(stopped)) = (self.ends.get_mut(&old.machine), old.stopped) {
            ends.remove(&(stopped, number));
        }
        if !old.history.is_empty() {
            self.with_history.retain(|kept| *kept != number);
            self.events -= old.history.len();
        }
    }

    /// The next that is to wake by then, and when.
    pub(super) fn due(&self, by: Timestamp) -> Option<(Timestamp, u64)> {
        self.waiting.first().filter(|(at, _)| *at <= by).copied()
    }

    /// When executions of the machine ended so, in `[start, end)`.
    pub(super) fn ended(
        &self,
        machine: &str,
        status: ExecutionStatus,
        start: Timestamp,
        end: Timestamp,
    ) -> Vec<Timestamp> {
        let Some(ends) = self.ends.get(machine).filter(|_| start < end) else {
            return Vec::new();
        };
        ends.range((start, 0)..(end, 0))
            .filter(|(_, so)| **so == status)
            .map(|((at, _), _)| *at)
            .collect()
    }
}

impl From<Vec<StoredExecution>> for Executions {
    fn from(kept: Vec<StoredExecution>) -> Self {
        let mut executions = Self::default();
        let count = kept.len() as u64;
        let mut numbered: Vec<(u64, StoredExecution)> = (0..).zip(kept).collect();
        // In the order in which they ended, so that it is the oldest whose inputs and histories go first.
        numbered.sort_by_key(|(_, execution)| execution.stopped);
        for (number, execution) in numbered {
            executions.next = number;
            executions.insert(execution);
        }
        executions.next = count;
        executions
    }
}

impl From<Executions> for Vec<StoredExecution> {
    fn from(executions: Executions) -> Self {
        executions.kept.into_values().collect()
    }
}
