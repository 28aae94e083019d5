//! Carries out a rollout: one StackSet operation after the other.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::operation::follow;
use super::stack_set_queue::Wait;
use crate::observe;
use crate::plan::operation_id::Mark;
use crate::plan::outcome::Outcome;
use crate::plan::rollout::{InstanceStep, Observed, Rollout, SetStep, Step, StepAction};
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::event::{Event, Listener};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{InstancesRequest, OperationId, Preferences, UPDATE_STACK_SET};
use billctl_core::service::{Kind, ServiceError, Services};
use billctl_core::text::plural;

/// How a rollout went.
#[derive(Debug, Default)]
pub struct Report {
    /// Its operations, in order.
    pub outcomes: Vec<Outcome>,
    /// Steps that were not begun, because one before them failed.
    pub not_reached: usize,
    /// Somebody else got in between, as this answer of AWS shows: what is left has to be planned afresh.
    pub overtaken: Option<ServiceError>,
    /// The operation that was left running.
    pub detached: Option<OperationId>,
}

impl Report {
    /// Whether accounts failed, inside or outside the tolerance.
    pub fn has_failures(&self) -> bool {
        self.outcomes.iter().any(|outcome| !outcome.is_clean())
    }
}

/// Carries out the steps in order; stops at the first operation that fails beyond its tolerance. `planned` is what
/// the rollout was planned for.
///
/// # Errors
/// AWS's answer to a step; what was submitted before goes on in AWS.
pub async fn apply(
    services: &Services,
    listener: &dyn Listener,
    rollout: &Rollout,
    planned: &Observed,
    preferences: &Preferences,
    wait: Wait,
) -> Result<Report> {
    let mut report = Report::default();
    let mut run = Run {
        services,
        rollout,
        planned,
        preferences,
        own: BTreeSet::new(),
    };
    let total = rollout.steps.len();
    let stack_set = &rollout.spec.name;
    for (index, step) in rollout.steps.iter().enumerate() {
        let number = index + 1;
        let title = step.title(stack_set);
        listener.on(Event::StepStarted {
            number,
            total,
            title: title.clone(),
        });
        let operation = match run.submit(step).await {
            Err(error) if is_overtaken(&error) => {
                if wait == Wait::NotForOthers && error.kind == Kind::Busy {
                    return Err(Error::from(error).while_trying(&title));
                }
                report.not_reached = total - index;
                report.overtaken = Some(error);
                return Ok(report);
            }
            answer => answer.while_trying(&title)?,
        };
        if let Some(id) = operation {
            if wait == Wait::Detach {
                report.detached = Some(id);
                report.not_reached = total - number;
                return Ok(report);
            }
            let accounts = match step {
                Step::Instances(step) => Some(step.accounts.len()),
                Step::UpdateStackSet(step) => Some(step.accounts.len()),
                Step::CreateStackSet | Step::EnableManagedExecution => None,
            };
            let outcome = follow(services, listener, stack_set, &id, accounts).await?;
            run.own.insert(outcome.id.clone());
            let failed = !outcome.is_within_tolerance();
            report.outcomes.push(outcome);
            if failed {
                report.not_reached = total - number;
                return Ok(report);
            }
        }
        listener.on(Event::StepDone { title });
        // Whoever wants to stop comes before the next step.
        tokio::task::yield_now().await;
    }
    Ok(report)
}

/// Whether somebody else has changed what the plan was made for: another operation holds the StackSet, or an
/// instance that was to be changed has gone.
fn is_overtaken(error: &ServiceError) -> bool {
    error.kind == Kind::Busy || error.code.as_deref() == Some("StackInstanceNotFoundException")
}

/// A rollout being carried out.
struct Run<'a> {
    services: &'a Services,
    rollout: &'a Rollout,
    planned: &'a Observed,
    preferences: &'a Preferences,
    /// The operations of this run so far.
    own: BTreeSet<OperationId>,
}

impl Run<'_> {
    /// Sends one step; answers the id of the operation that it started.
    async fn submit(&self, step: &Step) -> Result<Option<OperationId>, ServiceError> {
        let cloudformation = &self.services.cloudformation;
        let spec = &self.rollout.spec;
        let unique = Uuid::new_v4().simple().to_string();
        match step {
            Step::CreateStackSet => match cloudformation.create_stack_set(spec, &unique).await {
                // Made by this request when its answer got lost, or by another run: the next look compares it.
                Err(error) if error.kind == Kind::Exists => Ok(None),
                answer => answer.map(|()| None),
            },
            Step::EnableManagedExecution => cloudformation
                .set_managed_execution(&spec.name, true)
                .await
                .map(|()| None),
            Step::UpdateStackSet(step) => {
                self.unchanged(step).await?;
                let id = step.mark.operation_id(&unique);
                let targets = step.targets.clone();
                let answer = cloudformation
                    .update_stack_set(&step.spec, targets, self.preferences, &id)
                    .await;
                self.started(answer, id).await.map(Some)
            }
            Step::Instances(step) => {
                let id = step.mark.operation_id(&unique);
                let answer = self.instances(step, &id).await;
                self.started(answer, id).await.map(Some)
            }
        }
    }

    /// That the instances that an update of the StackSet names are those that were planned for: it leaves their
    /// overrides, and its id says which these are.
    async fn unchanged(&self, step: &SetStep) -> Result<(), ServiceError> {
        let stack_set = &self.rollout.spec.name;
        let overtaken =
            |why: String| ServiceError::new(UPDATE_STACK_SET, Kind::Busy, "OperationInProgressException", why);
        // With managed execution a running operation doesn't refuse ours, but it may change an override before it.
        let running = observe::stack_set::running(self.services, stack_set).await?;
        if let Some(running) = running.operations.first() {
            return Err(overtaken(format!("operation {} is under way", running.id)));
        }
        if step.mark == Mark::StackSet {
            return Ok(());
        }
        let now = observe::stack_set::list(self.services, stack_set).await?;
        for account in &step.accounts {
            let last = |observed: &Observed| {
                let instance = observed.instances.get(account);
                instance.and_then(|instance| instance.listed.last_operation.clone())
            };
            let last_now = last(&now);
            let own = last_now.as_ref().is_some_and(|id| self.own.contains(id));
            if !own && last_now != last(self.planned) {
                return Err(overtaken(format!("account {account} has had another operation")));
            }
        }
        Ok(())
    }

    async fn instances(&self, step: &InstanceStep, id: &OperationId) -> Result<OperationId, ServiceError> {
        let cloudformation = &self.services.cloudformation;
        let stack_set = &self.rollout.spec.name;
        let request = InstancesRequest {
            stack_set: stack_set.clone(),
            targets: step.targets.clone(),
            overrides: step.overrides.clone(),
            preferences: *self.preferences,
            operation_id: id.clone(),
        };
        match step.action {
            StepAction::Create => cloudformation.create_stack_instances(&request).await,
            StepAction::Update => cloudformation.update_stack_instances(&request).await,
            StepAction::Delete { retain } => {
                cloudformation
                    .delete_stack_instances(stack_set, &step.targets, retain, self.preferences, id)
                    .await
            }
        }
    }

    /// The id of the operation that was started. A request that was sent again, because its answer got lost, can
    /// be refused in several ways: the id is known, the operation itself is in the way, what it removes is gone.
    /// Whether AWS has the operation is asked, not guessed.
    async fn started(
        &self,
        answer: Result<OperationId, ServiceError>,
        id: OperationId,
    ) -> Result<OperationId, ServiceError> {
        let Err(error) = answer else { return answer };
        if error.kind == Kind::Exists {
            return Ok(id);
        }
        let cloudformation = &self.services.cloudformation;
        let found = cloudformation.describe_operation(&self.rollout.spec.name, &id).await;
        found.map(|_| id).map_err(|_| error)
    }
}

impl Step {
    /// What it does; fits after "failed to".
    pub fn title(&self, stack_set: &str) -> String {
        let count = |accounts: &[AccountId]| plural(accounts.len(), "account");
        match self {
            Self::CreateStackSet => format!("create StackSet {stack_set}"),
            Self::EnableManagedExecution => format!("switch on managed execution of StackSet {stack_set}"),
            Self::UpdateStackSet(step) => match step.accounts.len() {
                0 => format!("update StackSet {stack_set}"),
                _ => format!("update StackSet {stack_set}, in {}", count(&step.accounts)),
            },
            Self::Instances(step) if step.accounts.is_empty() => match step.targets.ous.len() {
                1 => "make an OU without accounts a target, for those to come".to_owned(),
                ous => format!("make {ous} OUs without accounts targets, for those to come"),
            },
            Self::Instances(step) => {
                let accounts = count(&step.accounts);
                let threshold = match step.mark {
                    Mark::Override(Some(threshold)) => format!(" with threshold {threshold}"),
                    Mark::Override(None) => " with the default threshold".to_owned(),
                    _ => String::new(),
                };
                match step.action {
                    StepAction::Create => format!("create the alarm in {accounts}{threshold}"),
                    StepAction::Update => format!("update the alarm in {accounts}{threshold}"),
                    StepAction::Delete { retain: false } => format!("remove the alarm from {accounts}"),
                    StepAction::Delete { retain: true } => format!("release {accounts}, leaving what is in them"),
                }
            }
        }
    }
}

#[cfg(all(test, feature = "sandbox"))]
mod tests;
