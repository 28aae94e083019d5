use crate::apply::operation::follow;
use crate::cli::Context;
use crate::observe;
use billctl_core::error::{Result, WhileTrying};
use billctl_core::service::Kind;
use billctl_core::service::cloudformation::OperationStatus;

const NEXT: &str = "`billctl status` shows what is behind, `billctl deploy` takes up the rest";

/// `--stop`: stops what is under way, and what waits for its turn.
///
/// # Errors
/// AWS's answers.
pub(super) async fn run(context: &Context) -> Result<()> {
    let name = &context.config.deploy.stack_set;
    let services = &context.services;
    let running = observe::stack_set::running(services, name)
        .await
        .while_trying(format!("look for operations on StackSet {name}"))?
        .operations;
    if running.is_empty() {
        let none = format!("no operation is under way on StackSet {name}");
        context.global.notice(none)?;
        return context.global.conclude("", NEXT);
    }
    // What waits first: else it would begin when the one before it is stopped.
    for operation in running.iter().rev() {
        match services.cloudformation.stop_operation(name, &operation.id).await {
            // It has ended, or is being stopped, meanwhile.
            Err(error) if error.kind == Kind::Invalid => {}
            answer => answer.while_trying(format!("stop operation {}", operation.id))?,
        }
    }
    for operation in &running {
        let outcome = follow(services, &*context.watched, name, &operation.id, None).await?;
        let what = match outcome.status {
            OperationStatus::Stopped => "is stopped",
            _ => "ended before it could be stopped",
        };
        context.global.notice(format!("operation {} {what}", operation.id))?;
    }
    context.global.conclude("", NEXT)
}
