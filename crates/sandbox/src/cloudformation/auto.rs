//! Auto-deployment: StackSets follow accounts that come, go and move (docs/aws-facts.md, "StackSets: auto-deployment").

use super::operation::submit;
use super::record::{Reach, SetRecord, Work};
use super::with_set;
use crate::{World, metrics};
use billctl_core::model::{AccountId, OuId};
use billctl_core::service::cloudformation::{ConcurrencyMode, CountOrPercent, OperationId, Preferences};

/// An account was created (`old` is `None`) or moved.
pub(crate) fn account_arrived(world: &mut World, account: AccountId, old: Option<&OuId>) {
    if old.is_none() {
        metrics::open(world, account);
    }
    let names: Vec<String> = world.cloudformation.sets.keys().cloned().collect();
    for name in names {
        with_set(world, &name, |world, set| follow(world, set, account));
    }
}

fn follow(world: &mut World, set: &mut SetRecord, account: AccountId) {
    if !set.auto_deployment.enabled || account == world.management_account() {
        return;
    }
    let target = world
        .organizations
        .parent(account)
        .and_then(|parent| world.organizations.ancestry(parent).find(|ou| set.targets.contains(ou)))
        .cloned();
    match (target, set.instances.get_mut(&account)) {
        // Account filters are ignored, and so are overrides: it gets the StackSet's defaults.
        (Some(ou), None) => start(world, set, account, ou, Work::Create { overrides: None }),
        // Between targeted OUs the stack stays, as it is.
        (Some(ou), Some(instance)) => instance.ou = ou,
        (None, Some(instance)) => {
            let ou = instance.ou.clone();
            let retain = set.auto_deployment.retain_stacks;
            start(world, set, account, ou, Work::Delete { retain });
        }
        (None, None) => {}
    }
}

fn start(world: &mut World, set: &mut SetRecord, account: AccountId, ou: OuId, work: Work) {
    let serial = world.cloudformation.next_serial();
    submit(
        world,
        set,
        OperationId(format!("{serial:08x}-0000-4000-a000-{account}")),
        work,
        Reach::Auto { account, ou },
        // The caller's preferences don't apply to it.
        Preferences {
            tolerance: CountOrPercent::Count(0),
            concurrency: CountOrPercent::Count(1),
            mode: ConcurrencyMode::Strict,
        },
    );
}
