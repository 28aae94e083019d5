//! Carries out the billing side's plan, step after step.

use crate::live::Writer;
use crate::plan::billing::{Action, Plan};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::event::{Event, Listener};
use billctl_core::service::Services;

/// Carries out every step in order. Running it again after a failure carries on: what is there already is
/// compared, not made again.
///
/// # Errors
/// The first step that fails, named.
pub async fn run(plan: &Plan, services: &Services, listener: &dyn Listener) -> Result<()> {
    let mut writer = Writer::new(services, listener);
    let total = plan.steps.len();
    for (number, step) in (1..).zip(&plan.steps) {
        let verb = match step.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "remove",
        };
        let title = format!("{verb} {}", step.id);
        listener.on(Event::StepStarted {
            number,
            total,
            title: title.clone(),
        });
        match step.action {
            Action::Create => writer.create(&step.resource).await,
            Action::Update => writer.update(&step.resource, &step.fields).await,
            Action::Delete => writer.delete(&step.resource).await,
        }
        .while_trying(title.clone())?;
        listener.on(Event::StepDone { title });
        // Whoever wants to stop comes before the next step.
        tokio::task::yield_now().await;
    }
    Ok(())
}
