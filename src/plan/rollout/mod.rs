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
pub use known::{Instance, Observed, Override};
pub use operations::{InstanceStep, StepAction};
pub use waves::{AccountLine, Counts, Wave, Waves};

use crate::plan::failure;
use crate::plan::operation_id::Mark;
use crate::resource::stack_set::{self, FieldChange};
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::service::cloudformation::{
    DetailedStatus, DriftStatus, InstanceStatus, OperationId, StackSet, StackSetSpec, Targets,
};
use billctl_core::text::plural;

/// What happens to one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum AccountChange {
    /// It gets an instance.
    Create {
        /// With this threshold.
        threshold: Usd,
        /// Whether that is an override.
        overridden: bool,
    },
    /// Its threshold changes: it gets an override.
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
    /// It goes along with a change of the StackSet, and keeps its threshold.
    Update {
        /// The threshold, where known.
        threshold: Option<Usd>,
    },
    /// It is behind: its last operation failed, or the StackSet changed without it. The same again.
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
    Remove {
        /// Whether its stack stays in the account: StackSets takes none out of an account that isn't in use (unverified
        /// on AWS; docs/aws-facts.md, "StackSets: instances"), nor where CloudFormation has given the instance up.
        retain: bool,
    },
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the StackSet.
    CreateStackSet,
    /// Let conflicting operations queue.
    EnableManagedExecution,
    /// Update the StackSet.
    UpdateStackSet(SetStep),
    /// An operation on instances.
    Instances(InstanceStep),
}

/// An update of the StackSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStep {
    /// The StackSet as it will be.
    pub spec: StackSetSpec,
    /// The instances that it updates; `None` for all that there are.
    pub targets: Option<Targets>,
    /// What its id says.
    pub mark: Mark,
    /// The accounts that it is meant for.
    pub accounts: Vec<AccountId>,
}

/// A rollout: what happens, and in which steps.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// The StackSet as it will be.
    pub spec: StackSetSpec,
    /// Whether the StackSet is made.
    pub creates_stack_set: bool,
    /// What changes on a StackSet that is there.
    pub stack_set: Vec<FieldChange>,
    /// What happens to each account that is touched or in scope.
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

/// Which changes a plan may hold.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Remove instances that config no longer targets.
    pub prune: bool,
    /// Remove and create the instances of these accounts, unless something has worked on them since they were asked
    /// for: each with its last operation as it was then.
    pub recreate: BTreeMap<AccountId, Option<OperationId>>,
    /// How much of the StackSet itself may change.
    pub extent: Extent,
    /// Accounts that are left as they are: they failed a moment ago.
    pub given_up: BTreeSet<AccountId>,
    /// A change of the StackSet takes every instance along, also those that the run isn't about.
    pub all_instances: bool,
    /// The StackSet itself is neither made nor changed in anything.
    pub instances_only: bool,
}

/// How much of the StackSet itself a run may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// Nothing, but for what all instances are to get: a run about some accounts.
    Accounts,
    /// The template and the parameters but for the default threshold, for the accounts of the run first: a wave.
    Wave,
    /// All of it: a run about everything.
    #[default]
    Everything,
}

/// What becomes of the StackSet itself.
struct SetPlan {
    /// As it will be.
    spec: StackSetSpec,
    /// The fields that change.
    changes: Vec<FieldChange>,
    /// The fields that differ from config and stay.
    left: Vec<FieldChange>,
}

impl SetPlan {
    fn new(desired: &Desired, live: Option<&StackSet>, options: &Options, has_instances: bool) -> Self {
        let Some(live) = live else {
            return Self {
                spec: desired.spec.clone(),
                changes: Vec::new(),
                left: Vec::new(),
            };
        };
        let wanted = stack_set::diff(&desired.spec, live);
        let body = |change: &FieldChange| change.concerns_stacks() && change.field != stack_set::DEFAULT_THRESHOLD;
        let goes = match options.extent {
            Extent::Everything => true,
            // To update nobody would be refused.
            Extent::Wave => has_instances && wanted.iter().any(body),
            Extent::Accounts => options.all_instances,
        };
        if !goes {
            return Self {
                spec: stack_set::as_it_is(live),
                changes: Vec::new(),
                left: wanted,
            };
        }
        let mut spec = stack_set::keeping_tags(desired.spec.clone(), live);
        if options.extent != Extent::Everything {
            let as_it_is = stack_set::as_it_is(live);
            spec.auto_deployment = as_it_is.auto_deployment;
            if let Some(default) = as_it_is.parameters.get(stack_set::THRESHOLD) {
                spec.parameters.insert(stack_set::THRESHOLD.to_owned(), default.clone());
            }
        }
        let changes = stack_set::diff(&spec, live);
        let left = wanted.into_iter().filter(|change| !changes.contains(change)).collect();
        Self { spec, changes, left }
    }

    /// Auto-deployment is switched: an update that is for every instance.
    fn switches(&self) -> bool {
        self.changes
            .iter()
            .any(|change| change.field == stack_set::AUTO_DEPLOYMENT)
    }

    /// Something else changes.
    fn updates(&self) -> bool {
        self.changes
            .iter()
            .any(|change| change.field != stack_set::AUTO_DEPLOYMENT)
    }

    /// What of the difference stays, and why.
    fn notes(&self, extent: Extent, instances: usize) -> Vec<String> {
        if extent != Extent::Accounts {
            return Vec::new();
        }
        let mut notes = Vec::new();
        let default = |change: &&FieldChange| change.field == stack_set::DEFAULT_THRESHOLD;
        if let Some(change) = self.left.iter().find(default) {
            notes.push(format!(
                "the StackSet's default threshold stays {}, which new accounts get: a deploy of everything \
                 makes it {}",
                change.before.as_deref().unwrap_or("as it is"),
                change.after.as_deref().unwrap_or("what config says"),
            ));
        }
        let others = self.left.iter().filter(|change| !default(change));
        let others: Vec<&str> = others.map(|change| change.field.as_str()).collect();
        if !others.is_empty() {
            notes.push(format!(
                "the StackSet differs from config ({}) and stays as it is, for a change of it concerns all of its \
                 {instances} instances: a deploy of everything makes it, or --all-instances",
                others.join(", ")
            ));
        }
        notes
    }
}

/// Plans the way from `observed` to `desired`.
///
/// No instance of an account that the run isn't about is in any operation, unless `options` or AWS (which switches
/// auto-deployment for all instances alone) say otherwise; then it is among the changes. An update of the StackSet
/// names the instances that go along with it, and marks all others OUTDATED; those of them that the run is about
/// follow, each once and with its own threshold. So no account holds a wrong threshold in between, and every
/// instance's last operation tells its override.
pub fn plan(desired: &Desired, observed: &Observed, organization: &Organization, options: &Options) -> Rollout {
    let live = observed.stack_set.as_ref();
    let instances = &observed.instances;
    let can_be_updated = |account: &AccountId| {
        instances.get(account).is_some_and(|instance| {
            instance.listed.stack_id.is_some()
                && !is_inoperable(instance)
                && !options.recreates(*account, instance)
                && !options.given_up.contains(account)
        })
    };
    let has_instances = desired.accounts.keys().any(can_be_updated);
    let set = SetPlan::new(desired, live, options, has_instances);
    let defaults = Defaults {
        now: live.and_then(|live| stack_set::threshold(&live.parameters)),
        then: stack_set::threshold(&set.spec.parameters),
    };
    let touches = !set.changes.is_empty();

    let mut accounts = BTreeMap::new();
    for (account, wanted) in &desired.accounts {
        let change = match instances.get(account) {
            _ if options.given_up.contains(account) => AccountChange::Leave {
                threshold: wanted.threshold,
            },
            None => AccountChange::Create {
                threshold: wanted.threshold,
                overridden: Some(wanted.threshold) != defaults.then,
            },
            Some(instance) => {
                let recreate = options.recreates(*account, instance);
                existing(instance, wanted, &defaults, touches, recreate)
            }
        };
        accounts.insert(*account, change);
    }
    for (account, reason) in &desired.skipped {
        accounts.insert(*account, AccountChange::Skip { reason: *reason });
    }
    if options.prune {
        for (account, instance) in instances {
            let in_scope = desired.scope.as_ref().is_none_or(|scope| scope.contains(account));
            if in_scope && !desired.covered.contains(account) {
                let known = organization.account(*account);
                let is_closed = known.is_some_and(|(account, _)| account.state.is_closed());
                let retain = is_inoperable(instance) || is_closed;
                accounts.insert(*account, AccountChange::Remove { retain });
            }
        }
    }
    let is_outside = |account: &&AccountId| match accounts.get(account) {
        None => true,
        Some(change) => matches!(change, AccountChange::Skip { reason: Skip::Excluded }),
    };
    let outside: Vec<AccountId> = instances.keys().filter(is_outside).copied().collect();
    // Where the run is about no instance, an update has to name others, or all.
    let takes_along = set.updates() && (options.all_instances || !has_instances);
    if takes_along || set.switches() {
        for account in &outside {
            if let Some(instance) = instances.get(account) {
                accounts.insert(*account, taken_along(instance, &defaults));
            }
        }
    }

    let mut builder = operations::Builder {
        desired,
        observed,
        organization,
        default: defaults.then,
        steps: Vec::new(),
    };
    let targets = builder.new_targets();
    if live.is_none() && !(accounts.is_empty() && targets.is_empty()) {
        builder.steps.push(Step::CreateStackSet);
    }
    let mut updates = builder.updates(&accounts);
    if let (true, Some(live)) = (set.switches(), live) {
        // By itself, and first: it can't be sent together with targets.
        builder.steps.push(Step::UpdateStackSet(SetStep {
            spec: StackSetSpec {
                auto_deployment: set.spec.auto_deployment,
                ..stack_set::as_it_is(live)
            },
            targets: None,
            mark: Mark::StackSet,
            accounts: instances.keys().copied().collect(),
        }));
        updates.retain(|account, _| takes_along || !outside.contains(account));
    }
    if set.updates() {
        builder.update_stack_set(&set.spec, &mut updates);
    }
    builder.instance_updates(updates);
    builder.removals(&accounts);
    builder.creations(&accounts, &targets);
    let mut steps = builder.steps;
    // A switch for operations to come, so it waits for a run that has one: it is no reason for a write by itself.
    if live.is_some_and(|live| !live.managed_execution) && !steps.is_empty() && !options.instances_only {
        steps.insert(0, Step::EnableManagedExecution);
    }

    let mut notes = desired.notes.clone();
    notes.extend(set.notes(options.extent, instances.len()));
    if options.extent == Extent::Everything && set.updates() && !takes_along && !outside.is_empty() {
        notes.push(format!(
            "{} that config doesn't target {} behind the StackSet: take the OUs into [deploy] ous, remove them with \
             --prune, or pass --all-instances",
            plural(outside.len(), "instance"),
            if outside.len() == 1 { "stays" } else { "stay" },
        ));
    }
    Rollout {
        spec: set.spec,
        creates_stack_set: live.is_none() && !steps.is_empty(),
        stack_set: set.changes,
        accounts,
        steps,
        notes,
    }
}

impl Options {
    /// Whether this instance is to be removed and made anew.
    fn recreates(&self, account: AccountId, instance: &Instance) -> bool {
        self.recreate.get(&account) == Some(&instance.listed.last_operation)
    }
}

/// The accounts of the run whose instance no update fixes: somebody has changed or deleted what is in it, as the last
/// look for drift or the last operation found, or CloudFormation has given it up.
pub fn broken(desired: &Desired, observed: &Observed) -> BTreeSet<AccountId> {
    desired
        .accounts
        .keys()
        .filter(|account| {
            observed.instances.get(account).is_some_and(|instance| {
                let listed = &instance.listed;
                is_inoperable(instance)
                    || listed.drift == DriftStatus::Drifted
                    || (listed.status == InstanceStatus::Outdated && failure::is_past_updates(&listed.reason))
            })
        })
        .copied()
        .collect()
}

fn is_inoperable(instance: &Instance) -> bool {
    instance.listed.status == InstanceStatus::Inoperable
        || instance.listed.detailed_status == Some(DetailedStatus::Inoperable)
}

/// The StackSet's own threshold.
struct Defaults {
    now: Option<Usd>,
    then: Option<Usd>,
}

/// What happens to an account of the run that has an instance. `touches`: the StackSet is updated, which takes along
/// those that need nothing else.
fn existing(instance: &Instance, wanted: &Wanted, defaults: &Defaults, touches: bool, recreate: bool) -> AccountChange {
    let to = wanted.threshold;
    let inoperable = is_inoperable(instance);
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
    if touches && instance.listed.stack_id.is_some() {
        return AccountChange::Update { threshold: Some(to) };
    }
    if instance.listed.status == InstanceStatus::Outdated {
        return AccountChange::Retry { threshold: to };
    }
    AccountChange::Leave { threshold: to }
}

/// What happens to an instance that the run isn't about and an update of the StackSet takes along: its override stays.
fn taken_along(instance: &Instance, defaults: &Defaults) -> AccountChange {
    let (from, to) = (instance.effective(defaults.now), instance.effective(defaults.then));
    match to {
        Some(to) if from != Some(to) => AccountChange::Follow { from, to },
        threshold => AccountChange::Update { threshold },
    }
}

/// The target among `targets` that holds an account below `parent`.
pub(crate) fn target_of<'a>(
    organization: &Organization,
    parent: &OuId,
    targets: &'a BTreeSet<OuId>,
) -> Option<&'a OuId> {
    organization.ancestry(parent).find_map(|ou| targets.get(ou))
}
