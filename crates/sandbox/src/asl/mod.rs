//! Amazon States Language with JSONata: what Step Functions checks when a state machine is put, and how it runs.
//!
//! Task, Choice, Pass, Wait, Succeed, Fail and Parallel; Map, activities, callbacks and JSONPath are refused when
//! the state machine is put, because a half-run one would be worse than none.

mod definition;
mod query;
mod rehearsal;
mod run;
mod size;
mod tasks;
mod work;

pub(super) use definition::check;
pub use rehearsal::{Outcome, Rehearsal};
pub(super) use run::{Machine, Pause, Ran, Stand, Start, run};
pub(super) use size::is_within;
