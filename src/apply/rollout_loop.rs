//! The loop of every rollout: wait for one's turn, look, plan, apply, and plan afresh when somebody else came in between.

use super::rollout::{Report, apply};
use super::stack_set_queue::{StackSetQueue, Wait};
use crate::plan::rollout::{Observed, Rollout};
use billctl_core::error::Result;
use billctl_core::event::{Event, Listener};
use billctl_core::service::Services;
use billctl_core::service::cloudformation::Preferences;

/// Works on one StackSet, as often as it takes.
pub struct RolloutLoop<'a> {
    /// AWS, or the sandbox.
    services: &'a Services,
    /// Who listens to what happens.
    listener: &'a dyn Listener,
    /// The StackSet's name.
    stack_set: &'a str,
    /// What to do about time.
    wait: Wait,
    queue: StackSetQueue,
}

impl<'a> RolloutLoop<'a> {
    /// A loop on the StackSet of this name.
    pub fn new(services: &'a Services, listener: &'a dyn Listener, stack_set: &'a str, wait: Wait) -> Self {
        Self {
            services,
            listener,
            stack_set,
            wait,
            queue: StackSetQueue::default(),
        }
    }

    /// Waits until nothing else holds the StackSet.
    ///
    /// # Errors
    /// As [`StackSetQueue::wait`].
    pub async fn wait(&mut self) -> Result<()> {
        self.queue
            .wait(self.services, self.listener, self.stack_set, self.wait)
            .await
    }

    /// Carries a rollout out, until nothing of it is left or it failed. `first` is what was planned already, with what
    /// it was planned for; `afresh` looks and plans again, and answers
    /// nothing where there is nothing to work on any more. Before each plan but the first, its turn is waited for;
    /// `agree` may refuse one.
    ///
    /// # Errors
    /// AWS's answers, and what the two closures answer.
    pub async fn carry_out(
        &mut self,
        preferences: &Preferences,
        first: Option<(Observed, Rollout)>,
        mut afresh: impl AsyncFnMut() -> Result<Option<(Observed, Rollout)>>,
        mut agree: impl AsyncFnMut(&Rollout) -> Result<()>,
    ) -> Result<Report> {
        let mut given = first;
        let mut outcomes = Vec::new();
        loop {
            let (observed, rollout) = match given.take() {
                Some(given) => given,
                None => {
                    self.wait().await?;
                    let Some((observed, rollout)) = afresh().await? else {
                        return Ok(Report {
                            outcomes,
                            ..Report::default()
                        });
                    };
                    agree(&rollout).await?;
                    (observed, rollout)
                }
            };
            let mut report = apply(
                self.services,
                self.listener,
                &rollout,
                &observed,
                preferences,
                self.wait,
            )
            .await?;
            self.queue.worked();
            outcomes.append(&mut report.outcomes);
            let Some(error) = report.overtaken.take() else {
                return Ok(Report { outcomes, ..report });
            };
            self.listener.on(Event::Note(format!(
                "something changed in between ({error}): planning again"
            )));
            self.queue.refused(error);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests;
