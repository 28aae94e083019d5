use std::collections::BTreeMap;

use serde::Serialize;

use super::{AccountChange, Instance, Observed, Override, Rollout, SetStep, Step, StepAction};
use crate::resource::stack_set::{self, FieldChange};
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::service::cloudformation::{
    DriftStatus, InstanceStatus, OperationId, StackInstance, StackSet, StackSetSpec,
};

/// A rollout in parts, in their order. Each is planned for what the ones before it will leave.
#[derive(Debug, Clone, Default)]
pub struct Waves {
    /// The parts.
    pub waves: Vec<Wave>,
    /// What accounts have spent lately that get a threshold at or below that: their alarm will go off at once.
    pub above: BTreeMap<AccountId, Usd>,
    /// What the user should know besides what the waves say.
    pub notes: Vec<String>,
}

/// A part of a rollout.
#[derive(Debug, Clone)]
pub struct Wave {
    /// Its name in config, if it has one.
    pub name: Option<String>,
    /// What it does.
    pub rollout: Rollout,
}

/// One account's line in a plan.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct AccountLine {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub ou: String,
    /// What happens to it.
    #[serde(flatten)]
    pub change: AccountChange,
    /// What it has spent lately, if that is above its new threshold: its alarm will go off at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub already_spent: Option<Usd>,
}

/// How many accounts have something happen to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Instances made.
    pub create: usize,
    /// Instances changed: another threshold, or what comes with a change of the StackSet.
    pub change: usize,
    /// Failed operations tried again, and instances made anew.
    pub repair: usize,
    /// Instances removed.
    pub remove: usize,
    /// Accounts skipped.
    pub skip: usize,
    /// Accounts that stay as they are.
    pub leave: usize,
}

impl Counts {
    fn of<'a>(changes: impl Iterator<Item = &'a AccountChange>) -> Self {
        let mut counts = Self::default();
        for change in changes {
            *match change {
                AccountChange::Create { .. } => &mut counts.create,
                AccountChange::Change { .. }
                | AccountChange::Reset { .. }
                | AccountChange::Follow { .. }
                | AccountChange::Update { .. } => &mut counts.change,
                AccountChange::Retry { .. } | AccountChange::Recreate { .. } => &mut counts.repair,
                AccountChange::Remove { .. } => &mut counts.remove,
                AccountChange::Skip { .. } => &mut counts.skip,
                AccountChange::Leave { .. } => &mut counts.leave,
            } += 1;
        }
        counts
    }
}

impl From<Wave> for Waves {
    fn from(wave: Wave) -> Self {
        Self {
            waves: vec![wave],
            ..Self::default()
        }
    }
}

impl Wave {
    /// How many accounts have something happen to them in it.
    pub fn counts(&self) -> Counts {
        Counts::of(self.rollout.accounts.values())
    }
}

impl Waves {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.waves.iter().all(|wave| wave.rollout.is_empty())
    }

    /// Whether the StackSet is made.
    pub fn creates_stack_set(&self) -> bool {
        self.waves.iter().any(|wave| wave.rollout.creates_stack_set)
    }

    /// What changes on a StackSet that is there, in all parts together.
    pub fn stack_set(&self) -> Vec<&FieldChange> {
        let mut all: Vec<&FieldChange> = Vec::new();
        for change in self.waves.iter().flat_map(|wave| &wave.rollout.stack_set) {
            if all.iter().all(|known| known.field != change.field) {
                all.push(change);
            }
        }
        all
    }

    /// What happens to each account. One that lies in several waves is the first one's business.
    pub fn accounts(&self) -> BTreeMap<AccountId, &AccountChange> {
        let mut accounts = BTreeMap::new();
        for (account, change) in self.waves.iter().flat_map(|wave| &wave.rollout.accounts) {
            let known = accounts.entry(*account).or_insert(change);
            if matches!(known, AccountChange::Leave { .. }) {
                *known = change;
            }
        }
        accounts
    }

    /// The accounts that lose their instance, for good or for a moment.
    pub fn removed_or_recreated(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.waves.iter().flat_map(|wave| {
            let goes = |change: &_| matches!(change, AccountChange::Remove { .. } | AccountChange::Recreate { .. });
            wave.rollout.accounts_with(goes)
        })
    }

    /// The accounts whose alarm is made or changed, with the threshold that it will have.
    pub fn new_thresholds(&self) -> BTreeMap<AccountId, Usd> {
        let alarm_changes = self
            .stack_set()
            .iter()
            .any(|change| change.concerns_stacks() && change.field != stack_set::DEFAULT_THRESHOLD);
        self.accounts()
            .into_iter()
            .filter_map(|(account, change)| match change {
                AccountChange::Create { threshold, .. } | AccountChange::Recreate { threshold, .. } => {
                    Some((account, *threshold))
                }
                AccountChange::Change { to, .. }
                | AccountChange::Reset { to, .. }
                | AccountChange::Follow { to, .. } => Some((account, *to)),
                AccountChange::Update { threshold } if alarm_changes => Some((account, (*threshold)?)),
                AccountChange::Update { .. }
                | AccountChange::Retry { .. }
                | AccountChange::Leave { .. }
                | AccountChange::Skip { .. }
                | AccountChange::Remove { .. } => None,
            })
            .collect()
    }

    /// Marks the accounts whose alarm will go off at once: an alarm that is made, or changed, while the spend is above
    /// its threshold does (docs/aws-facts.md, "Alarms on charges").
    pub fn warn_of(&mut self, spent: BTreeMap<AccountId, Usd>) {
        let thresholds = self.new_thresholds();
        self.above = spent
            .into_iter()
            .filter(|(account, spent)| thresholds.get(account).is_some_and(|threshold| spent > threshold))
            .collect();
    }

    /// What the user should know beforehand, each once.
    pub fn notes(&self) -> Vec<&str> {
        let mut notes: Vec<&str> = Vec::new();
        let waves = self.waves.iter().flat_map(|wave| &wave.rollout.notes);
        for note in waves.chain(&self.notes) {
            if !notes.contains(&note.as_str()) {
                notes.push(note);
            }
        }
        notes
    }

    /// How many accounts have something happen to them.
    pub fn counts(&self) -> Counts {
        Counts::of(self.accounts().into_values())
    }

    /// A line for each account, with its name and place.
    pub fn lines(&self, organization: &Organization) -> Vec<AccountLine> {
        self.accounts()
            .into_iter()
            .map(|(account, change)| {
                let (name, ou) = organization.account(account).map_or_else(
                    || (String::new(), String::new()),
                    |(account, parent)| (account.name.clone(), organization.path(parent)),
                );
                AccountLine {
                    account,
                    name,
                    ou,
                    change: change.clone(),
                    already_spent: self.above.get(&account).copied(),
                }
            })
            .collect()
    }
}

impl Rollout {
    /// The accounts that such a change happens to.
    fn accounts_with(&self, wanted: impl Fn(&AccountChange) -> bool) -> impl Iterator<Item = AccountId> {
        let accounts = self.accounts.iter();
        accounts.filter_map(move |(account, change)| wanted(change).then_some(*account))
    }

    /// The accounts that lose their instance for good.
    pub fn removed(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts_with(|change| matches!(change, AccountChange::Remove { .. }))
    }

    /// Those of them in which the stack stays.
    pub fn retained(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts_with(|change| matches!(change, AccountChange::Remove { retain: true }))
    }
}

impl Observed {
    /// What will be there when `rollout` has gone well: what the next wave is planned for.
    pub fn after(mut self, rollout: &Rollout) -> Self {
        if rollout.is_empty() {
            return self;
        }
        let default = stack_set::threshold(&rollout.spec.parameters);
        for step in &rollout.steps {
            match step {
                Step::CreateStackSet => self.stack_set = Some(made(&rollout.spec, Vec::new())),
                Step::EnableManagedExecution => {
                    if let Some(live) = &mut self.stack_set {
                        live.managed_execution = true;
                    }
                }
                Step::UpdateStackSet(step) => self.updated(step),
                Step::Instances(step) => {
                    if let (StepAction::Create, Some(live)) = (step.action, &mut self.stack_set) {
                        for ou in &step.targets.ous {
                            if !live.organizational_units.contains(ou) {
                                live.organizational_units.push(ou.clone());
                            }
                        }
                    }
                }
            }
        }
        for (account, change) in &rollout.accounts {
            let threshold = match change {
                AccountChange::Remove { .. } => {
                    self.instances.remove(account);
                    continue;
                }
                AccountChange::Leave { .. } | AccountChange::Skip { .. } => continue,
                AccountChange::Create { threshold, .. }
                | AccountChange::Retry { threshold }
                | AccountChange::Recreate { threshold, .. } => Some(*threshold),
                AccountChange::Change { to, .. }
                | AccountChange::Reset { to, .. }
                | AccountChange::Follow { to, .. } => Some(*to),
                AccountChange::Update { threshold } => *threshold,
            };
            let instance = self.instances.entry(*account).or_insert_with(|| Instance {
                listed: fresh(*account),
                threshold: Override::Unknown,
            });
            instance.listed.status = InstanceStatus::Current;
            instance.listed.detailed_status = None;
            instance.listed.stack_id.get_or_insert_default();
            if matches!(change, AccountChange::Recreate { .. }) {
                instance.listed.last_operation = Some(OperationId("foreseen".to_owned()));
            }
            instance.threshold = match threshold {
                Some(_) if threshold == default => Override::Known(None),
                Some(_) => Override::Known(threshold),
                None => Override::Unknown,
            };
        }
        self
    }

    /// What an update of the StackSet does to it and to the instances that it isn't for.
    fn updated(&mut self, step: &SetStep) {
        let Some(live) = self.stack_set.take() else { return };
        let changes = stack_set::diff(&step.spec, &live);
        if changes.iter().any(FieldChange::concerns_stacks) {
            for instance in self.instances.values_mut() {
                if instance.listed.status == InstanceStatus::Current {
                    instance.listed.status = InstanceStatus::Outdated;
                }
            }
        }
        let auto_deployment = match step.targets {
            None => Some(step.spec.auto_deployment),
            Some(_) => live.auto_deployment,
        };
        self.stack_set = Some(StackSet {
            auto_deployment,
            managed_execution: live.managed_execution,
            ..made(&step.spec, live.organizational_units)
        });
    }
}

fn made(spec: &StackSetSpec, organizational_units: Vec<OuId>) -> StackSet {
    StackSet {
        name: spec.name.clone(),
        description: spec.description.clone(),
        template: spec.template.clone(),
        parameters: spec.parameters.clone(),
        tags: spec.tags.clone(),
        auto_deployment: Some(spec.auto_deployment),
        managed_execution: true,
        service_managed: true,
        organizational_units,
    }
}

fn fresh(account: AccountId) -> StackInstance {
    StackInstance {
        account,
        ou: None,
        stack_id: None,
        status: InstanceStatus::Current,
        detailed_status: None,
        reason: String::new(),
        drift: DriftStatus::NotChecked,
        drift_checked: None,
        last_operation: None,
    }
}
