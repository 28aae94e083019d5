//! The rollout: from what the config wants and what is there to the fewest StackSet operations between them.

mod desired;
mod known;
mod operations;
#[cfg(test)]
mod tests;
mod waves;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use desired::{Desired, Scope, Skip, Wanted, targets};
pub use known::{Instance, Observed, Override, Own};
pub use operations::{InstanceStep, StepAction};
pub use waves::{AccountLine, Counts, Wave, Waves};

use crate::resource::stack_set::{self, FieldChange};
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::service::cloudformation::{DetailedStatus, InstanceStatus, StackSetSpec};

/// What happens to one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum AccountChange {
    /// It gets an instance.
    Create {
        /// With this threshold.
        threshold: Usd,
        /// Whether that is an override.
        overridden: bool,
    },
    /// Its threshold changes.
    Change {
        /// What it is now, where known.
        from: Option<Usd>,
        /// What it will be.
        to: Usd,
    },
    /// Its override goes away.
    Reset {
        /// What it is now, where known.
        from: Option<Usd>,
        /// The StackSet's threshold.
        to: Usd,
    },
    /// It has no override, and so goes along with the StackSet's own threshold.
    Follow {
        /// What it is now, where known.
        from: Option<Usd>,
        /// The StackSet's threshold as it will be.
        to: Usd,
    },
    /// Its last operation failed: the same again.
    Retry {
        /// The threshold that it will have.
        threshold: Usd,
    },
    /// Its instance is broken, or asked to be made anew: removed and created.
    Recreate {
        /// Whether the stack stays in the account when the instance goes (the only way out of INOPERABLE).
        retain: bool,
        /// The threshold that it will have.
        threshold: Usd,
    },
    /// Nothing.
    Leave {
        /// The threshold that it has.
        threshold: Usd,
    },
    /// It can't or shouldn't have an instance.
    Skip {
        /// Why.
        reason: Skip,
    },
    /// Its instance goes.
    Remove,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the StackSet.
    CreateStackSet,
    /// Let conflicting operations queue.
    EnableManagedExecution,
    /// Update the StackSet, and with it every instance.
    UpdateStackSet,
    /// An operation on instances.
    Instances(InstanceStep),
}

/// A rollout: what happens, and in which steps.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// The StackSet as it will be.
    pub spec: StackSetSpec,
    /// Whether the StackSet is made.
    pub creates_stack_set: bool,
    /// What changes on a StackSet that is there. Anything here touches every instance.
    pub stack_set: Vec<FieldChange>,
    /// What happens to each account in scope.
    pub accounts: BTreeMap<AccountId, AccountChange>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What the user should know beforehand.
    pub notes: Vec<String>,
}

impl Rollout {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Which of the optional changes a plan may hold.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Remove instances that config no longer targets.
    pub prune: bool,
    /// Remove and create the instances of these accounts.
    pub recreate: BTreeSet<AccountId>,
}

/// Plans the way from `observed` to `desired`.
///
/// Overrides are set before the StackSet's own threshold changes, and taken away after it, so that no account
/// holds a wrong threshold in between.
pub fn plan(desired: &Desired, observed: &Observed, organization: &Organization, options: &Options) -> Rollout {
    let live = observed.stack_set.as_ref();
    let stack_set = live.map_or_else(Vec::new, |live| stack_set::diff(&desired.spec, live));
    let updates_stack_set = !stack_set.is_empty();
    let default = stack_set::threshold(&desired.spec.parameters);

    let defaults = Defaults {
        now: live.and_then(|live| stack_set::threshold(&live.parameters)),
        then: default,
        updates: updates_stack_set,
    };
    let mut accounts = BTreeMap::new();
    for (account, wanted) in &desired.accounts {
        let change = match observed.instances.get(account) {
            None => AccountChange::Create {
                threshold: wanted.threshold,
                overridden: Some(wanted.threshold) != default,
            },
            Some(instance) => existing(instance, wanted, &defaults, options.recreate.contains(account)),
        };
        accounts.insert(*account, change);
    }
    for (account, reason) in &desired.skipped {
        accounts.insert(*account, AccountChange::Skip { reason: *reason });
    }
    if options.prune {
        for account in observed.instances.keys() {
            let in_scope = desired.scope.as_ref().is_none_or(|scope| scope.contains(account));
            if in_scope && !desired.covered.contains(account) {
                accounts.insert(*account, AccountChange::Remove);
            }
        }
    }

    let builder = operations::Builder::new(desired, observed, organization, default);
    let mut steps = Vec::new();
    if live.is_none() && !accounts.is_empty() {
        steps.push(Step::CreateStackSet);
    }
    let has_parameter = live.is_some_and(|live| live.parameters.contains_key(stack_set::THRESHOLD));
    // What isn't a parameter of the StackSet yet can't be overridden
    // (docs/aws-facts.md, "StackSets: create and update").
    if !updates_stack_set || has_parameter {
        builder.new_overrides(&accounts, &mut steps);
    }
    if updates_stack_set {
        steps.push(Step::UpdateStackSet);
        if !has_parameter {
            builder.new_overrides(&accounts, &mut steps);
        }
        builder.untold_overrides(&accounts, &mut steps);
    }
    builder.resets_and_retries(&accounts, &mut steps);
    builder.removals(&accounts, &mut steps);
    builder.creations(&accounts, &mut steps);
    // A switch for operations to come, so it waits for a run that has one: it is no reason for a write by itself.
    if live.is_some_and(|live| !live.managed_execution) && !steps.is_empty() {
        steps.insert(0, Step::EnableManagedExecution);
    }

    let mut notes = desired.notes.clone();
    if updates_stack_set && !observed.instances.is_empty() {
        notes.push(format!(
            "a change of the StackSet updates all of its {} instances",
            observed.instances.len()
        ));
    }
    Rollout {
        spec: desired.spec.clone(),
        creates_stack_set: live.is_none() && !steps.is_empty(),
        stack_set,
        accounts,
        steps,
        notes,
    }
}

/// The StackSet's own threshold.
struct Defaults {
    now: Option<Usd>,
    then: Option<Usd>,
    /// Whether the StackSet is updated, be it for something else.
    updates: bool,
}

/// What happens to an account that has an instance.
fn existing(instance: &Instance, wanted: &Wanted, defaults: &Defaults, recreate: bool) -> AccountChange {
    let to = wanted.threshold;
    let listed = &instance.listed;
    let inoperable =
        listed.status == InstanceStatus::Inoperable || listed.detailed_status == Some(DetailedStatus::Inoperable);
    if inoperable || recreate {
        return AccountChange::Recreate {
            retain: inoperable,
            threshold: to,
        };
    }
    let from = instance.effective(defaults.now);
    // Compared with the StackSet's threshold as it will be: an instance without an override follows it.
    if instance.effective(defaults.then) != Some(to) {
        return if Some(to) == defaults.then {
            AccountChange::Reset { from, to }
        } else {
            AccountChange::Change { from, to }
        };
    }
    if from != Some(to) {
        return AccountChange::Follow { from, to };
    }
    // An update of the StackSet takes OUTDATED instances along by itself.
    if listed.status == InstanceStatus::Outdated && !defaults.updates {
        return AccountChange::Retry { threshold: to };
    }
    AccountChange::Leave { threshold: to }
}

/// The parts of a list that one request can hold.
fn chunks<T: Clone>(list: &[T], most: usize) -> impl Iterator<Item = Vec<T>> {
    list.chunks(most).map(<[T]>::to_vec)
}

/// The target among `targets` that holds an account below `parent`.
pub(crate) fn target_of<'a>(
    organization: &Organization,
    parent: &OuId,
    targets: &'a BTreeSet<OuId>,
) -> Option<&'a OuId> {
    organization.ancestry(parent).find_map(|ou| targets.get(ou))
}
