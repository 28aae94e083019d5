//! Follows a StackSet operation to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::outcome::Outcome;
use crate::plan::status::is_open;
use billctl_core::error::{Result, WhileTrying};
use billctl_core::event::{Event, Listener};
use billctl_core::service::cloudformation::{
    DetailedStatus, LIST_STACK_SET_OPERATION_RESULTS, OperationId, OperationResult, OperationStatus, PAGE_SIZE,
    StackSetOperation,
};
use billctl_core::service::{Kind, OrAbsent, Services, all_pages};

/// The first pause between two looks at an operation; it grows by half up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause: operations take minutes to hours.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Pages of results that a look may cost on average. How many accounts are done is only in the results, and those
/// of 10,000 accounts are 100 pages: so many are read at every twentieth look.
const PAGES_A_LOOK: usize = 5;
/// Looks at the results of an operation that has ended, until they hold as many failures as AWS counts: results are
/// eventually consistent (docs/aws-facts.md, "StackSets: operations").
const LOOKS_FOR_FAILURES: usize = 6;

/// Pauses that grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    pub(super) async fn sleep(&mut self, services: &Services) {
        services.clock.sleep(self.0).await;
        self.0 = self.0.mul_f64(1.5).min(LONGEST_PAUSE);
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
    let followed = Followed {
        services,
        stack_set,
        id,
    };
    let mut operation = followed.describe().await?;
    listener.on(Event::OperationFollowed {
        id: id.clone(),
        accounts,
    });
    let mut pause = Pause::default();
    let mut progress = Tally {
        accounts,
        ..Tally::default()
    };
    while !operation.status.is_over() {
        pause.sleep(services).await;
        operation = followed.describe().await?;
        if !operation.status.is_over() {
            progress.look(&followed, &operation).await?;
            listener.on(progress.event());
        }
    }
    let outcome = followed.outcome(operation).await?;
    listener.on(Event::OperationEnded {
        status: outcome.status,
        failed: outcome.failures.len() + outcome.unlisted as usize,
    });
    Ok(outcome)
}

/// How far an operation is, as far as it is known for little.
#[derive(Default)]
struct Tally {
    /// How many accounts were asked for: AWS lists an operation's accounts as it gets to them.
    accounts: Option<usize>,
    listed: usize,
    done: usize,
    failed: usize,
    /// Looks that the last read of the results has used up.
    rest: usize,
}

impl Tally {
    async fn look(&mut self, followed: &Followed<'_>, operation: &StackSetOperation) -> Result<()> {
        self.rest = self.rest.saturating_sub(1);
        if self.rest == 0 {
            let results = followed.results(None).await?;
            let count =
                |wanted: fn(DetailedStatus) -> bool| results.iter().filter(|result| wanted(result.status)).count();
            self.listed = results.len();
            self.done = count(|status| status == DetailedStatus::Succeeded);
            self.failed = count(|status| status == DetailedStatus::Failed);
            self.rest = (results.len() / PAGE_SIZE + 1).div_ceil(PAGES_A_LOOK);
        }
        // Counted by AWS at every look, for nothing.
        if let Some(counted) = operation.failed_instances {
            self.failed = self.failed.max(counted as usize);
        }
        Ok(())
    }

    fn event(&self) -> Event {
        let total = self.accounts.unwrap_or(0).max(self.listed);
        Event::OperationProgress {
            done: self.done,
            failed: self.failed,
            total: Some(total).filter(|total| *total > 0),
        }
    }
}

/// An operation under way.
struct Followed<'a> {
    services: &'a Services,
    stack_set: &'a str,
    id: &'a OperationId,
}

impl Followed<'_> {
    async fn describe(&self) -> Result<StackSetOperation> {
        let cloudformation = &self.services.cloudformation;
        let operation = cloudformation.describe_operation(self.stack_set, self.id).await;
        operation.while_trying(format!("follow operation {}", self.id))
    }

    /// Its results, or those of one status.
    async fn results(&self, status: Option<DetailedStatus>) -> Result<Vec<OperationResult>> {
        let read = async |status| {
            let pages = all_pages(LIST_STACK_SET_OPERATION_RESULTS, |token| {
                self.services
                    .cloudformation
                    .list_operation_results(self.stack_set, self.id, status, token)
            });
            // Eventually consistent: a young operation may not be found yet.
            pages.await.or_absent()
        };
        let results = match read(status).await {
            // The filter is younger than the call: where it isn't known all results are read.
            Err(error) if status.is_some() && error.kind == Kind::Invalid => read(None).await,
            answer => answer,
        };
        Ok(results
            .while_trying(format!("read the results of operation {}", self.id))?
            .unwrap_or_default())
    }

    /// How it ended: only what failed and what wasn't begun is read, again until nothing is missing.
    async fn outcome(&self, operation: StackSetOperation) -> Result<Outcome> {
        let mut pause = Pause::default();
        let mut results = self.ended(&operation).await?;
        for _ in 1..LOOKS_FOR_FAILURES {
            if is_complete(&operation, &results) {
                break;
            }
            pause.sleep(self.services).await;
            results = self.ended(&operation).await?;
        }
        if operation.failed_instances.is_some() && operation.status != OperationStatus::Succeeded {
            results.extend(self.results(Some(DetailedStatus::Cancelled)).await?);
        }
        Ok(outcome(operation, results))
    }

    /// The failures, where AWS counts them; else every result has to be seen.
    async fn ended(&self, operation: &StackSetOperation) -> Result<Vec<OperationResult>> {
        let failed = operation.failed_instances.map(|_| DetailedStatus::Failed);
        self.results(failed).await
    }
}

fn is_complete(operation: &StackSetOperation, results: &[OperationResult]) -> bool {
    match operation.failed_instances {
        Some(counted) => results.iter().filter(|result| is_failure(result)).count() >= counted as usize,
        None => !results.iter().any(|result| is_open(result.status)),
    }
}

const fn is_failure(result: &OperationResult) -> bool {
    matches!(
        result.status,
        DetailedStatus::Failed | DetailedStatus::Inoperable | DetailedStatus::FailedImport
    )
}

fn outcome(operation: StackSetOperation, results: Vec<OperationResult>) -> Outcome {
    let mut failures = BTreeMap::new();
    let mut cancelled = Vec::new();
    for result in results {
        if is_failure(&result) {
            failures.insert(result.account, result.reason);
        } else if result.status == DetailedStatus::Cancelled {
            cancelled.push(result.account);
        }
    }
    cancelled.sort_unstable();
    cancelled.dedup();
    let listed = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    Outcome {
        id: operation.id,
        status: operation.status,
        unlisted: operation.failed_instances.unwrap_or(0).saturating_sub(listed),
        failures,
        cancelled,
        reason: operation.reason,
    }
}
