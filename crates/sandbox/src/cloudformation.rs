//! StackSets with service-managed permissions, in memory: what docs/aws-facts.md says of them.
//!
//! `api` answers the calls, `checks` refuses what AWS refuses, `operation` lets operations take their time,
//! `stack` is what they do in an account, and `auto` follows the organisation's changes.

mod api;
mod auto;
mod blueprint;
mod checks;
mod operation;
mod record;
mod stack;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use auto::follow;
use blueprint::Blueprints;
use record::SetRecord;
pub use stack::HandEdit;

use super::World;
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{OrganizationsAccess, Parameters, StackInstance};

/// What the sandbox keeps for this service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Trusted access.
    pub access: OrganizationsAccess,
    #[serde(deserialize_with = "super::file::unique")]
    sets: BTreeMap<String, SetRecord>,
    /// What stacks are made from. Never changed: a new template or parameter makes a new one.
    revisions: BTreeMap<u32, Revision>,
    /// Counts everything that needs an id of its own: stacks, StackSets, operations that StackSets starts itself.
    serial: u64,
    #[serde(skip)]
    blueprints: Blueprints,
}

/// A template with the StackSet's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Revision {
    template: String,
    parameters: Parameters,
}

/// A StackSet in figures.
#[derive(Debug, Clone, Copy, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// Its instances.
    pub instances: usize,
    /// Its operations, over or not.
    pub operations: usize,
    /// Its operations that are not over.
    pub unfinished_operations: usize,
}

impl State {
    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The revision of this template and these parameters, new or known.
    fn revision(&mut self, template: &str, parameters: &Parameters) -> u32 {
        let wanted = Revision {
            template: template.to_owned(),
            parameters: parameters.clone(),
        };
        if let Some((number, _)) = self.revisions.iter().find(|(_, known)| **known == wanted) {
            return *number;
        }
        let number = self.revisions.keys().next_back().map_or(1, |last| last + 1);
        self.revisions.insert(number, wanted);
        number
    }

    /// The StackSets by name, in figures.
    pub fn summary(&self) -> impl Iterator<Item = (&str, Summary)> + '_ {
        self.sets.iter().map(|(name, set)| {
            let summary = Summary {
                instances: set.instances.len(),
                operations: set.operations.len(),
                unfinished_operations: set.unfinished().count(),
            };
            (name.as_str(), summary)
        })
    }

    /// A StackSet's instances as listed, each with its overrides, by account.
    pub fn instances(&self, stack_set: &str) -> Vec<(StackInstance, Parameters)> {
        let instances = self.sets.get(stack_set).into_iter().flat_map(|set| &set.instances);
        instances
            .map(|(account, instance)| (instance.listed(stack_set, *account), instance.overrides.clone()))
            .collect()
    }

    /// A StackSet's parameters, as `DescribeStackSet` gives them.
    pub(super) fn parameters(&self, stack_set: &str) -> Option<&Parameters> {
        let set = self.sets.get(stack_set)?;
        Some(&self.revisions.get(&set.revision)?.parameters)
    }

    /// The overrides of one instance, as `DescribeStackInstance` gives them.
    pub(super) fn overrides(&self, stack_set: &str, account: AccountId) -> Option<&Parameters> {
        Some(&self.sets.get(stack_set)?.instances.get(&account)?.overrides)
    }

    /// The accounts that have an instance of any StackSet.
    pub fn covered(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.sets.values().flat_map(|set| set.instances.keys().copied())
    }
}

/// Lets StackSet operations go on until `to`.
pub(super) fn advance(world: &mut World, to: Timestamp) {
    with_sets(world, |world, set| operation::run(world, set, to));
}

/// Takes the StackSets out of the world, so that it and each of them can be changed at once, and puts them back.
fn with_sets(world: &mut World, work: impl Fn(&mut World, &mut SetRecord)) {
    let mut sets = std::mem::take(&mut world.cloudformation.sets);
    for set in sets.values_mut() {
        work(world, set);
    }
    world.cloudformation.sets = sets;
}

/// The same with one of them.
fn with_set(world: &mut World, name: &str, work: impl FnOnce(&mut World, &mut SetRecord)) {
    if let Some(mut set) = world.cloudformation.sets.remove(name) {
        work(world, &mut set);
        world.cloudformation.sets.insert(name.to_owned(), set);
    }
}
