//! StackSets in memory (AWS-FACTS 8).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::World;
use crate::model::{AccountId, OuId};

/// What the sandbox keeps for this service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}

/// Lets StackSet operations go on until `to`.
pub(super) fn advance(_world: &mut World, _to: Timestamp) {}

/// An account was created, or moved from `old`.
pub(super) fn account_arrived(_world: &mut World, _account: AccountId, _old: Option<&OuId>) {}
