//! The queue before a StackSet: only one operation at a time works on it.

use super::operation::{Pause, follow};
use crate::observe;
use billctl_core::error::{Error, ErrorKind, Result, WhileTrying};
use billctl_core::event::{Event, Listener};
use billctl_core::service::cloudformation::OperationId;
use billctl_core::service::{Kind, ServiceError, Services};

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

/// Refusals in a row while no operation is listed that could be the cause: about five minutes.
const MOST_REFUSALS: u32 = 18;
/// How many of them a refusal counts for that isn't about another operation: what was to be changed isn't there.
const NOT_BUSY: u32 = 6;

/// Takes turns: waits for other operations before each plan.
#[derive(Debug, Default)]
pub struct StackSetQueue {
    pause: Pause,
    refusals: u32,
    refusal: Option<ServiceError>,
    worked: bool,
}

impl StackSetQueue {
    /// An operation of this run was followed to its end: the next look waits until the lists have caught up.
    pub const fn worked(&mut self) {
        self.worked = true;
    }

    /// AWS refused a step because of what somebody else does or did.
    pub fn refused(&mut self, error: ServiceError) {
        self.refusals += if error.kind == Kind::Busy { 1 } else { NOT_BUSY };
        self.refusal = Some(error);
    }

    /// Waits until nothing holds the StackSet.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] unless [`Wait::Finish`] is asked for, or if AWS goes on refusing because of an operation
    /// that can't be seen; AWS's answers.
    pub async fn wait(
        &mut self,
        services: &Services,
        listener: &dyn Listener,
        stack_set: &str,
        wait: Wait,
    ) -> Result<()> {
        let mut waited = false;
        loop {
            let running = observe::stack_set::running(services, stack_set)
                .await
                .while_trying(format!("look for operations on StackSet {stack_set}"))?;
            self.worked |= running.behind;
            let Some(operation) = running.operations.first() else {
                break;
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
        if waited {
            self.pause = Pause::default();
            self.refusals = 0;
            self.refusal = None;
        } else if let Some(refusal) = &self.refusal {
            // The list of operations doesn't show the one that is in the way, yet.
            if self.refusals >= MOST_REFUSALS {
                return Err(Error::from(refusal.clone()).while_trying(format!("wait for StackSet {stack_set}")));
            }
            self.pause.sleep(services).await;
        }
        if waited || std::mem::take(&mut self.worked) {
            services.clock.sleep(observe::stack_set::SETTLE).await;
        }
        Ok(())
    }
}

fn busy(stack_set: &str, operation: &OperationId) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("operation {operation} holds StackSet {stack_set}"),
    )
    .remedy(
        "run again when it is over; without --no-wait and --detach deploy waits for it, and `billctl deploy --stop` \
         stops it",
    )
}
