//! Has CloudFormation look for drift, and collects what it finds.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::operation::follow;
use super::stack_set_queue::{StackSetQueue, Wait};
use crate::observe;
use crate::plan::operation_id::Mark;
use crate::plan::outcome::Outcome;
use crate::plan::rollout::Observed;
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::event::{Event, Listener};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{
    CountOrPercent, DriftStatus, LIST_STACK_INSTANCE_RESOURCE_DRIFTS, OperationId, Preferences, ResourceDrift,
};
use billctl_core::service::{Kind, PARALLEL, Services, all_pages};

/// A resource that is as its template says.
const IN_SYNC: &str = "IN_SYNC";

/// What drift detection found.
#[derive(Debug)]
pub struct Drift {
    /// How the detection went: an account that fails is one whose stack could not be looked at.
    pub outcome: Outcome,
    /// The instances afterwards.
    pub observed: Observed,
    /// The resources that differ, of each account that has any.
    pub resources: BTreeMap<AccountId, Vec<ResourceDrift>>,
}

/// Detects drift of a whole StackSet. `before` is what was known of it: detection changes no override, but may hide
/// which operation was the last one before it (whether it does is unverified:
/// docs/aws-facts.md, "StackSets: instances").
///
/// # Errors
/// AWS's answers.
pub async fn detect(
    services: &Services,
    listener: &dyn Listener,
    stack_set: &str,
    before: &Observed,
    preferences: &Preferences,
) -> Result<Drift> {
    let preferences = Preferences {
        // Every account is to be looked at, whatever is the matter with others.
        tolerance: CountOrPercent::Percent(100),
        ..*preferences
    };
    let id = start(services, listener, stack_set, &preferences).await?;
    let outcome = follow(services, listener, stack_set, &id, Some(before.instances.len())).await?;
    let mut observed = observe::stack_set::observe_settled(services, stack_set).await?;
    observed.keep_known(before, &id);
    let resources = resources(services, stack_set, &observed, &id).await?;
    Ok(Drift {
        outcome,
        observed,
        resources,
    })
}

/// Starts the detection, when it is its turn: a StackSet has one at a time.
async fn start(
    services: &Services,
    listener: &dyn Listener,
    stack_set: &str,
    preferences: &Preferences,
) -> Result<OperationId> {
    let mut queue = StackSetQueue::default();
    let id = Mark::Drift.operation_id(&Uuid::new_v4().simple().to_string());
    loop {
        queue.wait(services, listener, stack_set, Wait::Finish).await?;
        listener.on(Event::Phase("looking for drift ...".to_owned()));
        let answer = services.cloudformation.detect_drift(stack_set, preferences, &id).await;
        match answer {
            Ok(id) => return Ok(id),
            // The answer to an earlier attempt got lost.
            Err(error) if error.kind == Kind::Exists => return Ok(id),
            Err(error) if error.kind == Kind::Busy => {
                let ours = services.cloudformation.describe_operation(stack_set, &id);
                if ours.await.is_ok() {
                    return Ok(id);
                }
                queue.refused(error);
            }
            Err(error) => {
                return Err(Error::from(error).while_trying(format!("look for drift of StackSet {stack_set}")));
            }
        }
    }
}

async fn resources(
    services: &Services,
    stack_set: &str,
    observed: &Observed,
    id: &OperationId,
) -> Result<BTreeMap<AccountId, Vec<ResourceDrift>>> {
    let instances = observed.instances.iter();
    let drifted = instances.filter(|(_, instance)| instance.listed.drift == DriftStatus::Drifted);
    let drifted: Vec<AccountId> = drifted.map(|(account, _)| *account).collect();
    stream::iter(drifted)
        .map(|account| async move {
            let pages = all_pages(LIST_STACK_INSTANCE_RESOURCE_DRIFTS, |token| {
                services
                    .cloudformation
                    .list_resource_drifts(stack_set, account, id, token)
            });
            let found = pages
                .await
                .while_trying(format!("read what has drifted in account {account}"))?;
            let differing = found.into_iter().filter(|drift| drift.status != IN_SYNC);
            Ok::<_, Error>((account, differing.collect()))
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}
