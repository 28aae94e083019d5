//! Follows a StackSet operation to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Context, Result};
use crate::event::{Event, Listener};
use crate::model::AccountId;
use crate::service::cloudformation::{
    DetailedStatus, OperationId, OperationResult, OperationStatus,
};
use crate::service::{OrAbsent, Services, all_pages};

/// The first pause between two looks at an operation; it grows by half up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause: operations take minutes to hours.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its id.
    pub id: OperationId,
    /// Its status. `Succeeded` can hide failures within the tolerance (AWS-FACTS 8).
    pub status: OperationStatus,
    /// The accounts that failed, with the reason in CloudFormation's words.
    pub failures: BTreeMap<AccountId, String>,
    /// The accounts that were not reached because the operation stopped.
    pub cancelled: Vec<AccountId>,
    /// Failures that AWS counts but doesn't list.
    pub unlisted: u32,
    /// Why the operation as a whole failed, where AWS says so.
    pub reason: Option<String>,
}

impl Outcome {
    /// Whether every account is as it should be.
    pub fn is_clean(&self) -> bool {
        self.status == OperationStatus::Succeeded && self.failures.is_empty() && self.unlisted == 0
    }
}

/// Waits until the operation is over, telling its progress, and reads how every account ended.
///
/// # Errors
/// AWS's answer to a look at the operation.
pub async fn follow(
    services: &Services,
    listener: &dyn Listener,
    stack_set: &str,
    id: &OperationId,
    accounts: Option<usize>,
) -> Result<Outcome> {
    let cloudformation = &services.cloudformation;
    let what = || format!("follow operation {id}");
    let mut pause = FIRST_PAUSE;
    let mut operation = cloudformation
        .describe_operation(stack_set, id)
        .await
        .while_trying(what())?;
    listener.on(Event::OperationFollowed {
        id: id.clone(),
        action: operation.action,
        accounts,
    });
    while !operation.status.is_over() {
        services.clock.sleep(pause).await;
        pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
        operation = cloudformation
            .describe_operation(stack_set, id)
            .await
            .while_trying(what())?;
        if !operation.status.is_over() {
            let results = results(services, stack_set, id).await?;
            listener.on(progress(id, operation.status, &results, accounts));
        }
    }
    let results = results(services, stack_set, id).await?;
    listener.on(progress(id, operation.status, &results, accounts));
    let outcome = outcome(
        id,
        operation.status,
        operation.failed_instances,
        operation.reason,
        results,
    );
    listener.on(Event::OperationEnded {
        id: id.clone(),
        status: outcome.status,
        failed: outcome.failures.len() + outcome.unlisted as usize,
    });
    Ok(outcome)
}

async fn results(
    services: &Services,
    stack_set: &str,
    id: &OperationId,
) -> Result<Vec<OperationResult>> {
    let results = all_pages(|token| {
        services
            .cloudformation
            .list_operation_results(stack_set, id, token)
    })
    .await
    // Eventually consistent: a young operation may not be found yet.
    .or_absent()
    .while_trying(format!("read the results of operation {id}"))?;
    Ok(results.unwrap_or_default())
}

fn progress(
    id: &OperationId,
    status: OperationStatus,
    results: &[OperationResult],
    accounts: Option<usize>,
) -> Event {
    let count = |wanted: fn(DetailedStatus) -> bool| {
        results
            .iter()
            .filter(|result| wanted(result.status))
            .count()
    };
    Event::OperationProgress {
        id: id.clone(),
        status,
        done: count(|status| {
            matches!(
                status,
                DetailedStatus::Succeeded | DetailedStatus::SkippedSuspendedAccount
            )
        }),
        failed: count(|status| {
            matches!(status, DetailedStatus::Failed | DetailedStatus::Inoperable)
        }),
        // AWS lists an operation's accounts as it gets to them, so what was asked for is the better total.
        total: accounts
            .map(|accounts| accounts.max(results.len()))
            .or(Some(results.len()).filter(|n| *n > 0)),
    }
}

fn outcome(
    id: &OperationId,
    status: OperationStatus,
    counted: Option<u32>,
    reason: Option<String>,
    results: Vec<OperationResult>,
) -> Outcome {
    let mut failures = BTreeMap::new();
    let mut cancelled = Vec::new();
    for result in results {
        match result.status {
            DetailedStatus::Failed | DetailedStatus::Inoperable | DetailedStatus::FailedImport => {
                failures.insert(result.account, result.reason);
            }
            // Suspended accounts are reported as cancelled by some engines; what AWS means by it is "not begun".
            DetailedStatus::Cancelled => cancelled.push(result.account),
            _ => {}
        }
    }
    let listed = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    Outcome {
        id: id.clone(),
        status,
        unlisted: counted.unwrap_or(0).saturating_sub(listed),
        failures,
        cancelled,
        reason,
    }
}
