use std::collections::{BTreeMap, BTreeSet};

use super::{AccountChange, Desired, Observed, Override, SetStep, Skip, Step};
use crate::plan::operation_id::Mark;
use crate::resource::stack_set;
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::service::cloudformation::{AccountFilter, MAX_OUS, Parameters, StackSetSpec, Targets};

/// Most accounts that billctl names in one request. AWS documents no limit for `Accounts`; this keeps a request near
/// 100 KB (unverified, docs/aws-facts.md, "StackSets: targets": change it here if AWS turns out to take fewer).
pub(super) const MAX_NAMED_ACCOUNTS: usize = 2_000;

/// An operation on instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceStep {
    /// What it does.
    pub action: StepAction,
    /// Where.
    pub targets: Targets,
    /// The overrides to send: `None` leaves them as they are.
    pub overrides: Option<Parameters>,
    /// What its id says.
    pub mark: Mark,
    /// The accounts that it is meant for.
    pub accounts: Vec<AccountId>,
}

/// What an operation on instances does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepAction {
    /// Make those that are missing.
    Create,
    /// Change those that are there.
    Update,
    /// Remove them; `retain` keeps their stacks.
    Delete {
        /// Whether the stacks stay.
        retain: bool,
    },
}

/// Accounts with the target OU of each.
type Reached = BTreeMap<AccountId, OuId>;

/// Turns account changes into operations: equal overrides together, sizes respected.
pub(super) struct Builder<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) organization: &'a Organization,
    /// The StackSet's own threshold as it will be.
    pub(super) default: Option<Usd>,
    /// The operations so far, in order.
    pub(super) steps: Vec<Step>,
}

impl Builder<'_> {
    /// The existing instances that are updated, each with the override that it ends with.
    pub(super) fn updates(&self, accounts: &BTreeMap<AccountId, AccountChange>) -> BTreeMap<AccountId, Override> {
        accounts
            .iter()
            .filter_map(|(account, change)| {
                let kept = self.observed.instances.get(account)?.threshold;
                let left = match change {
                    AccountChange::Change { to, .. } => Override::Known(Some(*to)),
                    AccountChange::Reset { .. } | AccountChange::Follow { .. } => Override::Known(None),
                    AccountChange::Retry { threshold } if self.has_stack(*account) => {
                        Override::Known(self.override_for(*threshold))
                    }
                    AccountChange::Update { .. } if !self.desired.accounts.contains_key(account) => kept,
                    AccountChange::Update { threshold } => {
                        threshold.map_or(kept, |threshold| Override::Known(self.override_for(threshold)))
                    }
                    _ => return None,
                };
                Some((*account, left))
            })
            .collect()
    }

    /// The update of the StackSet, which makes all instances OUTDATED that it doesn't name. It names those that follow
    /// its threshold and go on doing so, as many as one operation holds, and takes them out of `updates`. Where nobody
    /// does it needs one that it can name; that one's own update comes with the others'.
    pub(super) fn update_stack_set(&mut self, spec: &StackSetSpec, updates: &mut BTreeMap<AccountId, Override>) {
        let follows = Override::Known(None);
        let mut reached: Reached = updates
            .iter()
            .filter(|(account, left)| **left == follows && self.had(**account) == follows)
            .filter_map(|(account, _)| Some((*account, self.reached_through(*account)?)))
            .collect();
        let follow = !reached.is_empty();
        let mut mark = Mark::Override(None);
        if !follow
            && let Some(account) = updates.keys().next()
            && let Some(ou) = self.reached_through(*account)
        {
            reached.insert(*account, ou);
            mark = match self.had(*account) {
                Override::Known(threshold) => Mark::Override(threshold),
                Override::Unknown => Mark::StackSet,
            };
        }
        let (targets, mark, accounts) = match named(&reached).into_iter().next() {
            Some((targets, accounts)) => (Some(targets), mark, accounts),
            None => (None, Mark::StackSet, self.observed.instances.keys().copied().collect()),
        };
        if follow {
            for account in &accounts {
                updates.remove(account);
            }
        }
        self.steps.push(Step::UpdateStackSet(SetStep {
            spec: spec.clone(),
            targets,
            mark,
            accounts,
        }));
    }

    /// The override that an instance has, as far as it is known.
    fn had(&self, account: AccountId) -> Override {
        let instance = self.observed.instances.get(&account);
        instance.map_or(Override::Unknown, |instance| instance.threshold)
    }

    /// The OU that an update of this account's instance names.
    fn reached_through(&self, account: AccountId) -> Option<OuId> {
        match self.desired.accounts.get(&account) {
            Some(wanted) => Some(wanted.target.clone()),
            None => self.placed_in(account),
        }
    }

    /// Operations that leave equal overrides, equal ones together. Each is sent in full, also where an instance has it
    /// already, so that what the operation's id says is true whatever somebody else did meanwhile.
    pub(super) fn instance_updates(&mut self, updates: BTreeMap<AccountId, Override>) {
        let mut groups: BTreeMap<Override, Reached> = BTreeMap::new();
        for (account, left) in updates {
            if let Some(ou) = self.reached_through(account) {
                groups.entry(left).or_default().insert(account, ou);
            }
        }
        for (left, reached) in groups {
            let (overrides, mark) = match left {
                Override::Known(threshold) => (Some(overrides(threshold)), Mark::Override(threshold)),
                Override::Unknown => (None, Mark::StackSet),
            };
            self.named(StepAction::Update, &reached, overrides, mark);
        }
    }

    /// Instances to remove, and those to remove before they are made anew.
    pub(super) fn removals(&mut self, accounts: &BTreeMap<AccountId, AccountChange>) {
        let mut removed: BTreeMap<bool, Reached> = BTreeMap::new();
        let mut recreated: BTreeMap<bool, Reached> = BTreeMap::new();
        for (account, change) in accounts {
            let (groups, retain) = match change {
                AccountChange::Remove { retain } => (&mut removed, *retain),
                AccountChange::Recreate { retain, .. } => (&mut recreated, *retain),
                _ => continue,
            };
            if let Some(ou) = self.placed_in(*account) {
                groups.entry(retain).or_default().insert(*account, ou);
            }
        }
        for (retain, mut reached) in removed {
            self.whole_targets(retain, &mut reached);
            self.named(StepAction::Delete { retain }, &reached, None, Mark::Delete);
        }
        for (retain, reached) in recreated {
            self.named(StepAction::Delete { retain }, &reached, None, Mark::Delete);
        }
    }

    /// OUs that lose all of their instances and that config has left: they are named as a whole, for that ends their
    /// being a target, and with it auto-deployment to their future accounts (docs/aws-facts.md, "StackSets: targets").
    fn whole_targets(&mut self, retain: bool, reached: &mut Reached) {
        let mut left = Vec::new();
        let mut gone = BTreeSet::new();
        for target in self.live_targets() {
            let below = self.organization.accounts_below(std::slice::from_ref(target));
            let mut instances = below
                .iter()
                .filter(|account| self.observed.instances.contains_key(account))
                .peekable();
            // Nothing that stays, and nothing that is about to come.
            let is_left = !self.desired.targets.contains(target)
                && instances.peek().is_some()
                && instances.all(|account| reached.contains_key(account))
                && below.is_disjoint(&self.desired.covered);
            if is_left {
                left.push(target.clone());
                gone.extend(below.into_iter().filter(|account| reached.contains_key(account)));
            }
        }
        for ous in left.chunks(MAX_OUS) {
            let below = self.organization.accounts_below(ous);
            let accounts = gone.intersection(&below).copied().collect();
            self.whole(StepAction::Delete { retain }, Mark::Delete, ous, Vec::new(), accounts);
        }
        reached.retain(|account, _| !gone.contains(account));
    }

    /// The OUs that the StackSet targets by now.
    fn live_targets(&self) -> impl Iterator<Item = &OuId> {
        let live = self.observed.stack_set.iter();
        live.flat_map(|live| &live.organizational_units)
    }

    /// The OUs of the run that nobody in them makes a target: whoever comes to them is to get the alarm.
    pub(super) fn new_targets(&self) -> Vec<OuId> {
        let desired = self.desired;
        if desired.only_named || !desired.spec.auto_deployment.enabled {
            return Vec::new();
        }
        let populated: BTreeSet<&OuId> = desired.accounts.values().map(|wanted| &wanted.target).collect();
        let live: BTreeSet<&OuId> = self.live_targets().collect();
        // Where none is named though there are instances, targets aren't answered at all: nothing would ever be enough.
        if live.is_empty() && !self.observed.instances.is_empty() {
            return Vec::new();
        }
        desired
            .targets
            .iter()
            // Also below another target: that one may be left by this very run.
            .filter(|ou| !populated.contains(ou) && !live.contains(ou))
            .cloned()
            .collect()
    }

    /// Instances to make: those with an override first, then the rest, then targets for accounts to come.
    pub(super) fn creations(&mut self, accounts: &BTreeMap<AccountId, AccountChange>, targets: &[OuId]) {
        let mut groups: BTreeMap<Option<Usd>, Reached> = BTreeMap::new();
        for (account, change) in accounts {
            let threshold = match change {
                AccountChange::Create { threshold, .. } | AccountChange::Recreate { threshold, .. } => {
                    self.override_for(*threshold)
                }
                // A create leaves the override that is there, so the operation has to say that one.
                AccountChange::Retry { .. } if !self.has_stack(*account) => match self.had(*account) {
                    Override::Known(kept) => kept,
                    Override::Unknown => None,
                },
                _ => continue,
            };
            if let Some(wanted) = self.desired.accounts.get(account) {
                let reached = groups.entry(threshold).or_default();
                reached.insert(*account, wanted.target.clone());
            }
        }
        let plain = groups.remove(&None).unwrap_or_default();
        for (threshold, reached) in groups {
            let overrides = Some(overrides(threshold));
            self.named(StepAction::Create, &reached, overrides, Mark::Override(threshold));
        }
        self.plain_creations(plain);
        for ous in targets.chunks(MAX_OUS) {
            // Whoever is there already has a reason to have no instance.
            let skipped = self.organization.accounts_below(ous).into_iter().collect();
            self.whole(StepAction::Create, Mark::Override(None), ous, skipped, Vec::new());
        }
    }

    /// Instances without an override. OUs that hold none yet are targeted as a whole, so that AWS knows them as
    /// targets; in the others exactly the accounts that lack one are named.
    fn plain_creations(&mut self, mut plain: Reached) {
        if !self.desired.only_named {
            let started: BTreeSet<&OuId> = self
                .desired
                .accounts
                .iter()
                .filter(|(account, _)| self.observed.instances.contains_key(account))
                .map(|(_, wanted)| &wanted.target)
                .collect();
            let fresh: BTreeSet<&OuId> = plain.values().filter(|ou| !started.contains(ou)).collect();
            let fresh: Vec<OuId> = fresh.into_iter().cloned().collect();
            for ous in fresh.chunks(MAX_OUS) {
                let inside: BTreeSet<AccountId> = within(&plain, ous).collect();
                let others = self.others(ous, &inside);
                if others.len() > MAX_NAMED_ACCOUNTS {
                    // Too many to leave out by name: these accounts are named instead, below.
                    continue;
                }
                plain.retain(|account, _| !inside.contains(account));
                let accounts = inside.into_iter().collect();
                self.whole(StepAction::Create, Mark::Override(None), ous, others, accounts);
            }
        }
        self.named(StepAction::Create, &plain, None, Mark::Override(None));
    }

    /// The accounts below `ous` that an operation on `inside` must leave out: those placed by another operation,
    /// and those that config excludes. Accounts that StackSets itself skips don't have to be named.
    fn others(&self, ous: &[OuId], inside: &BTreeSet<AccountId>) -> Vec<AccountId> {
        self.organization
            .accounts_below(ous)
            .into_iter()
            .filter(|account| !inside.contains(account))
            .filter(|account| {
                self.desired.accounts.contains_key(account)
                    || self.desired.skipped.get(account) == Some(&Skip::Excluded)
            })
            .collect()
    }

    /// Operations on exactly these accounts (INTERSECTION).
    fn named(&mut self, action: StepAction, reached: &Reached, overrides: Option<Parameters>, mark: Mark) {
        for (targets, accounts) in named(reached) {
            self.steps.push(Step::Instances(InstanceStep {
                action,
                targets,
                overrides: overrides.clone(),
                mark,
                accounts,
            }));
        }
    }

    /// An operation on OUs as a whole without the accounts of `but`. It is meant for `accounts`.
    fn whole(&mut self, action: StepAction, mark: Mark, ous: &[OuId], but: Vec<AccountId>, accounts: Vec<AccountId>) {
        let filter = match but.is_empty() {
            true => AccountFilter::None,
            false => AccountFilter::Difference(but),
        };
        self.steps.push(Step::Instances(InstanceStep {
            action,
            targets: Targets {
                ous: ous.to_vec(),
                accounts: filter,
            },
            overrides: None,
            mark,
            accounts,
        }));
    }

    fn has_stack(&self, account: AccountId) -> bool {
        self.observed
            .instances
            .get(&account)
            .is_some_and(|instance| instance.listed.stack_id.is_some())
    }

    /// The override that gives this threshold: none if it is the StackSet's own.
    fn override_for(&self, threshold: Usd) -> Option<Usd> {
        (Some(threshold) != self.default).then_some(threshold)
    }

    /// The OU through which an instance is removed: the one that it was made through if the account is still
    /// below it, else the account's own parent.
    fn placed_in(&self, account: AccountId) -> Option<OuId> {
        let made_through = self.observed.instances.get(&account)?.listed.ou.clone();
        let parent = self.organization.account(account).map(|(_, parent)| parent);
        match (made_through, parent) {
            (Some(ou), Some(parent)) if !self.organization.ancestry(parent).any(|above| *above == ou) => {
                Some(parent.clone())
            }
            (Some(ou), _) => Some(ou),
            (None, Some(parent)) => Some(parent.clone()),
            (None, None) => self.organization.root().map(|root| root.id.clone()),
        }
    }
}

/// What sets this override; none takes away the one that is there.
fn overrides(threshold: Option<Usd>) -> Parameters {
    threshold
        .map(|threshold| (stack_set::THRESHOLD.to_owned(), threshold.to_decimal()))
        .into_iter()
        .collect()
}

/// Those that are reached through one of these OUs.
fn within(reached: &Reached, ous: &[OuId]) -> impl Iterator<Item = AccountId> {
    let inside = reached.iter().filter(|(_, ou)| ous.contains(ou));
    inside.map(|(account, _)| *account)
}

/// Exactly these accounts, in as many parts as they need.
fn named(reached: &Reached) -> Vec<(Targets, Vec<AccountId>)> {
    let ous: BTreeSet<&OuId> = reached.values().collect();
    let ous: Vec<OuId> = ous.into_iter().cloned().collect();
    let mut parts = Vec::new();
    for ous in ous.chunks(MAX_OUS) {
        let accounts: Vec<AccountId> = within(reached, ous).collect();
        for accounts in accounts.chunks(MAX_NAMED_ACCOUNTS) {
            let named: BTreeSet<&OuId> = accounts.iter().filter_map(|account| reached.get(account)).collect();
            let targets = Targets {
                ous: named.into_iter().cloned().collect(),
                accounts: AccountFilter::Intersection(accounts.to_vec()),
            };
            parts.push((targets, accounts.to_vec()));
        }
    }
    parts
}
