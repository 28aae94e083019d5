//! Carries out a rollout: one StackSet operation after the other.

use uuid::Uuid;

use super::operation::{Outcome, follow};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Event, Listener};
use crate::observe;
use crate::plan::operation_id::Mark;
use crate::plan::rollout::{InstanceStep, Rollout, Step, StepAction};
use crate::service::cloudformation::{InstancesRequest, OperationId, OperationStatus, Preferences};
use crate::service::{Kind, ServiceError, Services};

/// What to do about time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wait {
    /// Wait for other operations, and for one's own.
    #[default]
    Finish,
    /// Don't wait for another's operation: fail with exit code 5.
    NotForOthers,
    /// Submit one's own and leave.
    Detach,
}

/// How a rollout went.
#[derive(Debug, Default)]
pub struct Report {
    /// Its operations, in order.
    pub outcomes: Vec<Outcome>,
    /// Steps that were not begun, because one before them failed.
    pub not_reached: usize,
    /// Another operation got in between: what is left has to be planned afresh.
    pub overtaken: bool,
    /// The operation that was left running.
    pub detached: Option<OperationId>,
}

impl Report {
    /// Whether an operation failed beyond its tolerance, or was stopped.
    pub fn failed(&self) -> bool {
        self.outcomes
            .iter()
            .any(|outcome| outcome.status != OperationStatus::Succeeded)
    }

    /// Whether accounts failed, inside or outside the tolerance.
    pub fn has_failures(&self) -> bool {
        self.outcomes.iter().any(|outcome| !outcome.is_clean())
    }
}

/// Waits for whatever holds the StackSet. Answers whether there was anything.
///
/// # Errors
/// [`ErrorKind::Busy`] with [`Wait::NotForOthers`], or AWS's answer.
pub async fn wait_for_others(
    services: &Services,
    listener: &dyn Listener,
    stack_set: &str,
    wait: Wait,
) -> Result<bool> {
    let mut waited = false;
    loop {
        let running = observe::stack_set::running(services, stack_set)
            .await
            .while_trying(format!("look for operations on StackSet {stack_set}"))?;
        let Some(operation) = running.first() else {
            return Ok(waited);
        };
        if wait != Wait::Finish {
            return Err(busy(stack_set, &operation.id));
        }
        listener.on(Event::Note(format!(
            "operation {} is under way: waiting for it",
            operation.id
        )));
        follow(services, listener, stack_set, &operation.id, None).await?;
        waited = true;
    }
}

fn busy(stack_set: &str, operation: &OperationId) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("operation {operation} holds StackSet {stack_set}"),
    )
    .hint("run again when it is over, leave out --no-wait to wait for it, or stop it with `billctl deploy --stop`")
}

/// Carries out the steps in order; stops at the first operation that fails beyond its tolerance.
///
/// # Errors
/// AWS's answer to a step; what was submitted before goes on in AWS.
pub async fn apply(
    services: &Services,
    listener: &dyn Listener,
    rollout: &Rollout,
    preferences: &Preferences,
    wait: Wait,
) -> Result<Report> {
    let mut report = Report::default();
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
        let submitted = submit(services, rollout, step, preferences).await;
        let operation = match submitted {
            Err(error) if error.kind == Kind::Busy => {
                if wait == Wait::NotForOthers {
                    return Err(Error::from(error).while_trying(&title));
                }
                report.not_reached = total - index;
                report.overtaken = true;
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
                _ => None,
            };
            let outcome = follow(services, listener, stack_set, &id, accounts).await?;
            let failed = outcome.status != OperationStatus::Succeeded;
            report.outcomes.push(outcome);
            if failed {
                report.not_reached = total - number;
                return Ok(report);
            }
        }
        listener.on(Event::StepDone {
            number,
            total,
            title,
        });
    }
    Ok(report)
}

/// Sends one step. The operation's id is an idempotency token: sent again after an answer got lost, AWS says that
/// it has the operation already, which is as good as the answer.
async fn submit(
    services: &Services,
    rollout: &Rollout,
    step: &Step,
    preferences: &Preferences,
) -> Result<Option<OperationId>, ServiceError> {
    let cloudformation = &services.cloudformation;
    let spec = &rollout.spec;
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
        Step::UpdateStackSet => {
            let id = Mark::StackSet.operation_id(&unique);
            let answer = cloudformation
                .update_stack_set(spec, preferences, &id)
                .await;
            known(answer, id).map(Some)
        }
        Step::Instances(step) => {
            let id = step.mark.operation_id(&unique);
            instances(services, &spec.name, step, preferences, id)
                .await
                .map(Some)
        }
    }
}

async fn instances(
    services: &Services,
    stack_set: &str,
    step: &InstanceStep,
    preferences: &Preferences,
    id: OperationId,
) -> Result<OperationId, ServiceError> {
    let cloudformation = &services.cloudformation;
    let request = InstancesRequest {
        stack_set: stack_set.to_owned(),
        targets: step.targets.clone(),
        overrides: step.overrides.clone(),
        preferences: *preferences,
        operation_id: id.clone(),
    };
    let answer = match step.action {
        StepAction::Create => cloudformation.create_stack_instances(&request).await,
        StepAction::Update => cloudformation.update_stack_instances(&request).await,
        StepAction::Delete { retain } => {
            cloudformation
                .delete_stack_instances(stack_set, &step.targets, retain, preferences, &id)
                .await
        }
    };
    known(answer, id)
}

fn known(
    answer: Result<OperationId, ServiceError>,
    id: OperationId,
) -> Result<OperationId, ServiceError> {
    match answer {
        Err(error) if error.kind == Kind::Exists => Ok(id),
        answer => answer,
    }
}

impl Step {
    /// What it does; fits after "failed to".
    pub fn title(&self, stack_set: &str) -> String {
        let accounts = |step: &InstanceStep| match step.accounts.len() {
            1 => "1 account".to_owned(),
            count => format!("{count} accounts"),
        };
        match self {
            Self::CreateStackSet => format!("create StackSet {stack_set}"),
            Self::EnableManagedExecution => {
                format!("switch on managed execution of StackSet {stack_set}")
            }
            Self::UpdateStackSet => format!("update StackSet {stack_set}"),
            Self::Instances(step) => {
                let threshold = match step.mark {
                    Mark::Override(Some(threshold)) => format!(" with threshold {threshold}"),
                    Mark::Override(None) => " with the default threshold".to_owned(),
                    _ => String::new(),
                };
                match step.action {
                    StepAction::Create => {
                        format!("create the alarm in {}{threshold}", accounts(step))
                    }
                    StepAction::Update => {
                        format!("update the alarm in {}{threshold}", accounts(step))
                    }
                    StepAction::Delete { retain: false } => {
                        format!("remove the alarm from {}", accounts(step))
                    }
                    StepAction::Delete { retain: true } => {
                        format!("release {}, leaving what is in them", accounts(step))
                    }
                }
            }
        }
    }
}
