//! Operations take their time: so many accounts at once, until they are done, or too many failed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::record::{Behind, Instance, OperationRecord, Outcome, Reach, SetRecord, Work};
use super::{checks, stack};
use crate::World;
use crate::faults::chance;
use billctl_core::model::{AccountId, AccountState, OuId};
use billctl_core::service::cloudformation::{
    AccountFilter, ConcurrencyMode, CountOrPercent, DetailedStatus, DriftStatus, InstanceStatus, OperationId,
    OperationStatus, Parameters, Preferences,
};

/// Seconds that a stack takes at least; at most it is twice as many. Simulated, in the order of what AWS needs for
/// a stack of an alarm, a rule and a role.
const STACK_SECONDS: f64 = 20.0;
/// The same for drift detection.
const DRIFT_SECONDS: f64 = 5.0;

/// Puts an operation in line. It begins at once if nothing else is going on.
pub(super) fn submit(
    world: &mut World,
    set: &mut SetRecord,
    id: OperationId,
    work: Work,
    reach: Reach,
    preferences: Preferences,
) {
    // Two of the same moment could not be put in order by their times.
    let created = set.operations.last().map_or(world.now, |last| {
        let next = last.created.checked_add(SignedDuration::from_millis(1));
        world.now.max(next.unwrap_or(last.created))
    });
    set.operations.push(OperationRecord {
        id,
        status: OperationStatus::Queued,
        created,
        ended: None,
        work,
        reach,
        preferences,
        waiting: VecDeque::new(),
        under_way: BTreeSet::new(),
        outcomes: BTreeMap::new(),
        total: 0,
        failed: 0,
        drifts: BTreeMap::new(),
    });
    let now = world.now;
    run(world, set, now);
}

/// Lets a StackSet's operations go on until `to`, one after another.
pub(super) fn run(world: &mut World, set: &mut SetRecord, to: Timestamp) {
    // Taken out so that the rest of the set can be changed.
    let mut operations = std::mem::take(&mut set.operations);
    let mut at = world.now;
    while let Some(operation) = operations.iter_mut().find(|operation| !operation.status.is_over()) {
        if operation.status == OperationStatus::Queued {
            begin(world, set, operation);
            fill(world, &mut set.instances, operation, at);
        }
        match operation.under_way.first().copied() {
            Some((end, account)) if end <= to => {
                at = at.max(end);
                operation.under_way.remove(&(end, account));
                finish(world, set, operation, account, at);
                fill(world, &mut set.instances, operation, at);
            }
            Some(_) => break,
            None => close(operation, at),
        }
    }
    set.operations = operations;
}

/// Stops an operation: what it has begun goes on.
pub(super) fn stop(world: &mut World, set: &mut SetRecord, id: &OperationId) {
    let now = world.now;
    if let Some(operation) = set.operations.iter_mut().find(|open| open.id == *id) {
        if operation.status == OperationStatus::Queued {
            operation.status = OperationStatus::Stopped;
            operation.ended = Some(now.max(operation.created));
        } else {
            operation.status = OperationStatus::Stopping;
            cancel(
                &mut set.instances,
                operation,
                "Cancelled since the operation was stopped",
            );
        }
    }
    run(world, set, now);
}

/// Decides which accounts it is for, and marks their instances.
fn begin(world: &mut World, set: &mut SetRecord, operation: &mut OperationRecord) {
    operation.status = OperationStatus::Running;
    let before = set.revision;
    if let Work::UpdateSet { change } = &operation.work {
        set.description.clone_from(&change.description);
        set.tags.clone_from(&change.tags);
        set.auto_deployment = change.auto_deployment.unwrap_or(set.auto_deployment);
        // Stored whatever becomes of the operation (docs/aws-facts.md, "StackSets: create and update").
        set.revision = world.cloudformation.revision(&change.template, &change.parameters);
    }
    let accounts = accounts(world, set, operation);
    let is_change = !matches!(operation.work, Work::Drift);
    if is_change && world.faults.lag > 0 {
        fall_behind(world, set, &accounts);
    }
    // All, also those that it isn't for: a later operation takes them up (docs/aws-facts.md, "StackSets: create and update").
    if set.revision != before {
        for instance in set.instances.values_mut() {
            if instance.status == InstanceStatus::Current {
                instance.status = InstanceStatus::Outdated;
            }
        }
    }
    for account in &accounts {
        if is_change {
            mark(world, set, operation, *account);
        }
        operation
            .outcomes
            .insert(*account, Outcome::new(DetailedStatus::Pending, ""));
    }
    operation.total = u32::try_from(accounts.len()).unwrap_or(u32::MAX);
    operation.waiting = accounts.into();
    follow_targets(set, operation);
}

/// Deploying to an OU makes it a target; deleting from the whole of it ends that
/// (docs/aws-facts.md, "StackSets: targets").
fn follow_targets(set: &mut SetRecord, operation: &OperationRecord) {
    let Reach::Targets(targets) = &operation.reach else {
        return;
    };
    match operation.work {
        Work::Create { .. } => set.targets.extend(targets.ous.iter().cloned()),
        Work::Delete { .. } if targets.accounts == AccountFilter::None => {
            for ou in &targets.ous {
                set.targets.remove(ou);
            }
        }
        _ => {}
    }
}

fn accounts(world: &World, set: &SetRecord, operation: &OperationRecord) -> Vec<AccountId> {
    let reached: Vec<AccountId> = match &operation.reach {
        Reach::All => set.instances.keys().copied().collect(),
        Reach::Targets(targets) => checks::reached(world, targets).into_iter().collect(),
        Reach::Auto { account, .. } => vec![*account],
    };
    reached
        .into_iter()
        .filter(|account| match (&operation.work, set.instances.get(account)) {
            // Creates only what is missing, and tries again what is behind.
            (Work::Create { .. }, None) => true,
            (Work::Create { .. }, Some(instance)) => instance.status == InstanceStatus::Outdated,
            // What is broken is left out of updates of the whole set (docs/aws-facts.md, "StackSets: instances").
            (Work::UpdateSet { .. }, Some(instance)) => instance.status != InstanceStatus::Inoperable,
            (_, instance) => instance.is_some(),
        })
        .collect()
}

/// Lists go on showing instances as they are before an operation changes them.
fn fall_behind(world: &World, set: &mut SetRecord, accounts: &[AccountId]) {
    for account in accounts {
        if let Some(instance) = set.instances.get_mut(account) {
            instance.behind = Some(Box::new(Behind {
                changed: world.now,
                was: Some((instance.status, instance.detailed, instance.last_operation.clone())),
            }));
        }
    }
}

/// An instance takes on what is wanted of it when its operation begins, and is behind until that is done.
fn mark(world: &World, set: &mut SetRecord, operation: &OperationRecord, account: AccountId) {
    let instance = set.instances.entry(account).or_insert_with(|| Instance {
        ou: named_ou(world, &operation.reach, account),
        status: InstanceStatus::Outdated,
        detailed: DetailedStatus::Pending,
        reason: String::new(),
        overrides: Parameters::new(),
        drift: DriftStatus::NotChecked,
        drift_checked: None,
        last_operation: operation.id.clone(),
        stack: None,
        behind: (world.faults.lag > 0).then(|| {
            Box::new(Behind {
                changed: world.now,
                was: None,
            })
        }),
    });
    instance.detailed = DetailedStatus::Pending;
    instance.last_operation = operation.id.clone();
    if instance.status != InstanceStatus::Inoperable && !matches!(operation.work, Work::Delete { .. }) {
        instance.status = InstanceStatus::Outdated;
    }
    if let Some(overrides) = operation.work.overrides() {
        instance.overrides.clone_from(overrides);
    }
}

/// The OU that the request named and that holds the account: not necessarily its parent.
fn named_ou(world: &World, reach: &Reach, account: AccountId) -> OuId {
    let root = world.organizations.root();
    match reach {
        Reach::Auto { ou, .. } => ou.clone(),
        Reach::All => root.clone(),
        Reach::Targets(targets) => world
            .organizations
            .closest_above(account, |ou| targets.ous.contains(ou))
            .unwrap_or(root)
            .clone(),
    }
}

/// So many accounts; percentages round down (docs/aws-facts.md, "StackSets: preferences").
fn amount(amount: CountOrPercent, total: u32) -> u32 {
    match amount {
        CountOrPercent::Count(count) => count,
        CountOrPercent::Percent(percent) => {
            u32::try_from(u64::from(percent) * u64::from(total) / 100).unwrap_or(u32::MAX)
        }
    }
}

fn tolerance(operation: &OperationRecord) -> u32 {
    amount(operation.preferences.tolerance, operation.total)
}

/// How many accounts may be under way now.
fn places(operation: &OperationRecord) -> usize {
    let most = amount(operation.preferences.concurrency, operation.total).max(1);
    let most = match operation.preferences.mode {
        ConcurrencyMode::Soft => most,
        // Lowered as failures come, so that they never exceed the tolerance by more than one.
        ConcurrencyMode::Strict => most.min(tolerance(operation).saturating_add(1).saturating_sub(operation.failed)),
    };
    most as usize
}

/// Begins accounts while there is room.
fn fill(world: &World, instances: &mut BTreeMap<AccountId, Instance>, operation: &mut OperationRecord, at: Timestamp) {
    while operation.under_way.len() < places(operation) {
        let Some(account) = operation.waiting.pop_front() else {
            return;
        };
        if is_suspended(world, account) && !matches!(operation.work, Work::Delete { retain: true }) {
            // It takes no place and counts as no failure (docs/aws-facts.md, "StackSets: instances"). A result has no
            // status for it: of those that it can have, this is what an emulator of AWS gives.
            let status = DetailedStatus::SkippedSuspendedAccount;
            leave_out(instances, operation, account, status, "Account is suspended");
            continue;
        }
        let least = match operation.work {
            Work::Drift => DRIFT_SECONDS,
            _ => STACK_SECONDS,
        };
        let seconds = least * (1.0 + chance(&[&operation.id.0, &account.to_string()], 0));
        let end = at
            .checked_add(SignedDuration::from_secs(seconds as i64))
            .unwrap_or(Timestamp::MAX);
        operation.under_way.insert((end, account));
        if let Some(outcome) = operation.outcomes.get_mut(&account) {
            outcome.status = DetailedStatus::Running;
        }
        if !matches!(operation.work, Work::Drift)
            && let Some(instance) = instances.get_mut(&account)
        {
            instance.detailed = DetailedStatus::Running;
        }
    }
}

fn is_suspended(world: &World, account: AccountId) -> bool {
    !matches!(
        world.organizations.account_state(account),
        Some(AccountState::Active | AccountState::PendingActivation)
    )
}

/// Cancels an operation in an account in which it hasn't begun; `status` is the instance's afterwards.
fn leave_out(
    instances: &mut BTreeMap<AccountId, Instance>,
    operation: &mut OperationRecord,
    account: AccountId,
    status: DetailedStatus,
    reason: &str,
) {
    operation
        .outcomes
        .insert(account, Outcome::new(DetailedStatus::Cancelled, reason));
    if !matches!(operation.work, Work::Drift)
        && let Some(instance) = instances.get_mut(&account)
    {
        instance.detailed = status;
        instance.reason = reason.to_owned();
    }
}

/// Ends an operation in one account.
fn finish(world: &mut World, set: &mut SetRecord, operation: &mut OperationRecord, account: AccountId, at: Timestamp) {
    let Some(instance) = set.instances.get_mut(&account) else {
        return;
    };
    if let Some(behind) = &mut instance.behind {
        behind.changed = at;
    }
    let done = match &operation.work {
        Work::Create { .. } | Work::Update { .. } | Work::UpdateSet { .. } => {
            put(world, &set.name, set.revision, account, instance)
        }
        Work::Delete { retain } => {
            let deleted = stack::delete_stack(world, account, instance.stack, *retain);
            match &deleted {
                Ok(()) => {
                    set.instances.remove(&account);
                }
                Err(reason) => {
                    instance.status = InstanceStatus::Inoperable;
                    instance.detailed = DetailedStatus::Inoperable;
                    instance.reason.clone_from(reason);
                }
            }
            deleted
        }
        Work::Drift => detect(world, operation, instance, account, at),
    };
    let mut outcome = match done {
        Ok(()) => Outcome::new(DetailedStatus::Succeeded, ""),
        Err(reason) => {
            operation.failed += 1;
            Outcome::new(DetailedStatus::Failed, reason)
        }
    };
    outcome.at = Some(at);
    operation.outcomes.insert(account, outcome);
    if operation.failed > tolerance(operation) {
        cancel(
            &mut set.instances,
            operation,
            "Cancelled since failure tolerance has exceeded",
        );
    }
}

fn put(
    world: &mut World,
    stack_set: &str,
    revision: u32,
    account: AccountId,
    instance: &mut Instance,
) -> Result<(), String> {
    if instance.status == InstanceStatus::Inoperable {
        instance.detailed = DetailedStatus::Inoperable;
        return Err(
            "The stack instance is INOPERABLE and is excluded from updates; delete it with RetainStacks".into(),
        );
    }
    match stack::put_stack(world, stack_set, revision, account, instance) {
        Ok(serial) => {
            instance.stack = Some(serial);
            instance.status = InstanceStatus::Current;
            instance.detailed = DetailedStatus::Succeeded;
            instance.reason.clear();
            Ok(())
        }
        Err(reason) => {
            instance.detailed = DetailedStatus::Failed;
            instance.reason.clone_from(&reason);
            Err(reason)
        }
    }
}

fn detect(
    world: &World,
    operation: &mut OperationRecord,
    instance: &mut Instance,
    account: AccountId,
    at: Timestamp,
) -> Result<(), String> {
    instance.drift_checked = Some(at);
    let found = instance.stack.and_then(|serial| stack::drifts(world, account, serial));
    let Some(drifts) = found else {
        instance.drift = DriftStatus::Unknown;
        return Err("The stack does not exist".into());
    };
    if drifts.iter().all(|drift| drift.status == "IN_SYNC") {
        instance.drift = DriftStatus::InSync;
    } else {
        instance.drift = DriftStatus::Drifted;
        operation.drifts.insert(account, drifts);
    }
    Ok(())
}

/// Gives up the accounts that it hasn't begun.
fn cancel(instances: &mut BTreeMap<AccountId, Instance>, operation: &mut OperationRecord, reason: &str) {
    for account in std::mem::take(&mut operation.waiting) {
        leave_out(instances, operation, account, DetailedStatus::Cancelled, reason);
    }
}

fn close(operation: &mut OperationRecord, at: Timestamp) {
    operation.status = if operation.status == OperationStatus::Stopping {
        OperationStatus::Stopped
    } else if operation.failed > tolerance(operation) {
        OperationStatus::Failed
    } else {
        OperationStatus::Succeeded
    };
    operation.ended = Some(at.max(operation.created));
}
