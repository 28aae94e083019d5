//! The rollout: from what the config wants and what is there to the fewest StackSet operations between them.

mod desired;
mod operations;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use desired::{Desired, Scope, Skip, Wanted, targets};
pub use operations::{InstanceStep, StepAction};
pub use view::{AccountLine, Counts};

use crate::model::{AccountId, Organization, OuId, Usd};
use crate::plan::operation_id::Mark;
use crate::resource::stack_set::{self, FieldChange};
use crate::service::cloudformation::{
    DetailedStatus, InstanceStatus, StackInstance, StackSet, StackSetSpec,
};

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The StackSet, if it exists.
    pub stack_set: Option<StackSet>,
    /// Its instances by account.
    pub instances: BTreeMap<AccountId, Instance>,
}

/// A stack instance and what is known of its override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// As listed.
    pub listed: StackInstance,
    /// Its threshold override, as far as it is known.
    pub threshold: Override,
}

/// What is known of an instance's threshold override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    /// It has this one, or none.
    Known(Option<Usd>),
    /// Only DescribeStackInstance can tell.
    Unknown,
}

impl Instance {
    /// An instance as listed: its override is known if billctl's own operation was the last one on it and went
    /// well (see [`Mark`]).
    pub fn from_listing(listed: StackInstance) -> Self {
        let threshold = match listed.last_operation.as_ref().and_then(Mark::read) {
            Some(Mark::Override(threshold)) if listed.status == InstanceStatus::Current => {
                Override::Known(threshold)
            }
            Some(Mark::StackSet) if listed.status == InstanceStatus::Current => {
                Override::Known(None)
            }
            _ => Override::Unknown,
        };
        Self { listed, threshold }
    }

    /// The threshold in force when the StackSet's is `default`.
    pub fn effective(&self, default: Option<Usd>) -> Option<Usd> {
        match self.threshold {
            Override::Known(threshold) => threshold.or(default),
            Override::Unknown => None,
        }
    }
}

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
/// holds a wrong threshold in between. After an update of the StackSet every account with an override is updated
/// once more with the same value: its last operation then tells the override ([`Mark`]). So where
/// [`changes_stack_set`] holds, the overrides of all instances have to be known before.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    organization: &Organization,
    options: &Options,
) -> Rollout {
    let live = observed.stack_set.as_ref();
    let stack_set = live.map_or_else(Vec::new, |live| stack_set::diff(&desired.spec, live));
    let updates_stack_set = !stack_set.is_empty();
    let default = stack_set::threshold(&desired.spec.parameters);

    let mut accounts = BTreeMap::new();
    for (account, wanted) in &desired.accounts {
        let change = match observed.instances.get(account) {
            None => AccountChange::Create {
                threshold: wanted.threshold,
                overridden: Some(wanted.threshold) != default,
            },
            Some(instance) => existing(
                instance,
                wanted,
                default,
                updates_stack_set,
                options.recreate.contains(account),
            ),
        };
        accounts.insert(*account, change);
    }
    for (account, reason) in &desired.skipped {
        accounts.insert(*account, AccountChange::Skip { reason: *reason });
    }
    if options.prune {
        for account in observed.instances.keys() {
            if !desired.covered.contains(account) {
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
    if updates_stack_set {
        if has_parameter {
            builder.new_overrides(&accounts, &mut steps);
        }
        steps.push(Step::UpdateStackSet);
        builder.all_overrides(&accounts, &mut steps);
    } else {
        builder.new_overrides(&accounts, &mut steps);
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

/// Whether a plan for these would update the StackSet.
pub fn changes_stack_set(spec: &StackSetSpec, observed: &Observed) -> bool {
    observed
        .stack_set
        .as_ref()
        .is_some_and(|live| !stack_set::diff(spec, live).is_empty())
}

/// What happens to an account that has an instance.
fn existing(
    instance: &Instance,
    wanted: &Wanted,
    default: Option<Usd>,
    updates_stack_set: bool,
    recreate: bool,
) -> AccountChange {
    let threshold = wanted.threshold;
    let listed = &instance.listed;
    let inoperable = listed.status == InstanceStatus::Inoperable
        || listed.detailed_status == Some(DetailedStatus::Inoperable);
    if inoperable || recreate {
        return AccountChange::Recreate {
            retain: inoperable,
            threshold,
        };
    }
    // Compared with the StackSet's threshold as it will be: an instance without an override follows it.
    let from = instance.effective(default);
    if from != Some(threshold) {
        return if Some(threshold) == default {
            AccountChange::Reset {
                from,
                to: threshold,
            }
        } else {
            AccountChange::Change {
                from,
                to: threshold,
            }
        };
    }
    // An update of the StackSet takes OUTDATED instances along by itself.
    if listed.status == InstanceStatus::Outdated && !updates_stack_set {
        return AccountChange::Retry { threshold };
    }
    AccountChange::Leave { threshold }
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
