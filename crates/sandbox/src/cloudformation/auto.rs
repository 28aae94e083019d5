//! Auto-deployment: StackSets follow accounts that come, go and move (docs/aws-facts.md, "StackSets: auto-deployment").

use super::operation::submit;
use super::record::{Reach, SetRecord, Work};
use super::with_sets;
use crate::World;
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{ConcurrencyMode, CountOrPercent, OperationId, Preferences};

/// Lets the StackSets follow an account that was created or moved.
pub(crate) fn follow(world: &mut World, account: AccountId) {
    with_sets(world, |world, set| follow_with(world, set, account));
}

fn follow_with(world: &mut World, set: &mut SetRecord, account: AccountId) {
    if !set.auto_deployment.enabled || account == world.management_account() {
        return;
    }
    let target = world
        .organizations
        .closest_above(account, |ou| set.targets.contains(ou))
        .cloned();
    let retain = set.auto_deployment.retain_stacks;
    let (ou, work) = match (target, set.instances.get_mut(&account)) {
        // Account filters are ignored, and so are overrides: it gets the StackSet's defaults.
        (Some(ou), None) => (ou, Work::Create { overrides: None }),
        // Between targeted OUs the stack stays, as it is.
        (Some(ou), Some(instance)) => {
            instance.ou = ou;
            return;
        }
        (None, Some(instance)) => (instance.ou.clone(), Work::Delete { retain }),
        (None, None) => return,
    };
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
