//! Reads the StackSet, its instances and its operations.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use futures::try_join;
use jiff::Timestamp;

use crate::plan::rollout::{Observed, Override};
use crate::resource::stack_set::threshold;
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{LIST_STACK_INSTANCES, LIST_STACK_SET_OPERATIONS, StackSetOperation};
use billctl_core::service::{self, OrAbsent, Services, all_pages};

/// What is there, with every override known that the listing can tell (see [`Observed::from_listing`]).
///
/// # Errors
/// AWS's answer; an absent StackSet is not an error.
pub async fn observe(services: &Services, name: &str) -> Result<Observed> {
    list(services, name).await.while_trying(format!("read StackSet {name}"))
}

/// How long lists may be behind after an operation: its results and the list of operations are eventually consistent
/// (docs/aws-facts.md, "StackSets: operations"); whether the instances' statuses are is unverified, and to wait costs
/// little.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);

/// The same after an operation has ended: waits until lists have caught up.
///
/// # Errors
/// AWS's answer; an absent StackSet is not an error.
pub async fn observe_settled(services: &Services, name: &str) -> Result<Observed> {
    services.clock.sleep(SETTLE).await;
    observe(services, name).await
}

/// The same, with AWS's plain answer.
///
/// # Errors
/// AWS's answer; an absent StackSet is not an error.
pub async fn list(services: &Services, name: &str) -> service::Result<Observed> {
    let cloudformation = &services.cloudformation;
    let instances = all_pages(LIST_STACK_INSTANCES, |token| {
        cloudformation.list_stack_instances(name, None, token)
    });
    // Both at once: an absent StackSet is found out by either.
    let (stack_set, instances) = try_join!(
        async { cloudformation.describe_stack_set(name).await.or_absent() },
        async { instances.await.or_absent() },
    )?;
    Ok(Observed::from_listing(stack_set, instances.unwrap_or_default()))
}

/// Asks for the overrides of those of `accounts` whose instance doesn't tell them.
///
/// # Errors
/// AWS's answer; an instance that has gone meanwhile is taken out.
pub async fn read_overrides(
    services: &Services,
    name: &str,
    observed: &mut Observed,
    wanted: impl Fn(AccountId) -> bool,
) -> Result<()> {
    let unknown: Vec<AccountId> = observed
        .instances
        .iter()
        .filter(|(account, instance)| instance.threshold == Override::Unknown && wanted(**account))
        .map(|(account, _)| *account)
        .collect();
    let answers: Vec<_> = stream::iter(unknown)
        .map(|account| async move {
            let answer = services.cloudformation.describe_overrides(name, account).await;
            answer.or_absent().map(|overrides| (account, overrides))
        })
        // How many are really under way is the gate's business.
        .buffer_unordered(64)
        .try_collect()
        .await
        .while_trying(format!("read the overrides of StackSet {name}"))?;
    for (account, overrides) in answers {
        match overrides {
            Some(overrides) => {
                if let Some(instance) = observed.instances.get_mut(&account) {
                    instance.threshold = Override::Known(threshold(&overrides));
                }
            }
            None => {
                observed.instances.remove(&account);
            }
        }
    }
    Ok(())
}

/// The operations that hold a StackSet.
#[derive(Debug, Default)]
pub struct Running {
    /// Those under way and those that wait for their turn, oldest first.
    pub operations: Vec<StackSetOperation>,
    /// When the oldest operation was made that is still listed: AWS keeps them for 90 days.
    pub first: Option<Timestamp>,
    /// Whether the list still shows one as under way that is over: then other lists may be behind, too.
    pub behind: bool,
}

/// The operations that hold the StackSet now.
///
/// # Errors
/// AWS's answer; an absent StackSet has none.
pub async fn running(services: &Services, name: &str) -> service::Result<Running> {
    let cloudformation = &services.cloudformation;
    // Running operations are recent, and AWS's own example lists the newest first; but the order isn't promised,
    // so all pages are read. Operations are kept for 90 days.
    let listed = all_pages(LIST_STACK_SET_OPERATIONS, |token| {
        cloudformation.list_operations(name, token)
    })
    .await
    .or_absent()?
    .unwrap_or_default();
    let mut running = Running::default();
    for operation in listed {
        running.first = [running.first, operation.created].into_iter().flatten().min();
        if operation.status.is_over() {
            continue;
        }
        // The list is eventually consistent, this is not (docs/aws-facts.md, "StackSets: operations").
        let now = cloudformation
            .describe_operation(name, &operation.id)
            .await
            .or_absent()?;
        match now {
            Some(open) if !open.status.is_over() => running.operations.push(open),
            _ => running.behind = true,
        }
    }
    running.operations.sort_by_key(|operation| operation.created);
    Ok(running)
}
