//! Amazon States Language with JSONata: what Step Functions checks when a state machine is put, and how it runs.
//!
//! Task, Choice, Pass, Wait, Succeed, Fail and Parallel; Map, activities, callbacks and JSONPath are refused when
//! the state machine is put, because a half-run one would be worse than none.

mod definition;
mod machine;
mod query;
mod rehearsal;
mod run;
mod size;
mod tasks;
mod work;

pub(super) use definition::check;
pub(super) use machine::{Machine, Pause, Ran, Stand, Start};
pub use rehearsal::{Outcome, Rehearsal};
pub(super) use size::is_within;

use crate::World;

/// Runs an execution until it pauses or ends, with the world's own services behind its tasks.
pub(super) fn run(world: &mut World, machine: &Machine, start: &Start, from: Option<Pause>) -> Ran {
    run::run_with(world, machine, start, from, false, &mut tasks::call)
}
