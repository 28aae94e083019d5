//! What happens by itself as time passes on the billing side: metrics are published, alarms evaluated, events
//! delivered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::World;

/// Lets the time from `from` to `to` pass.
pub fn tick(_world: &mut World, _from: Timestamp, _to: Timestamp) {}

/// What is remembered between ticks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {}
