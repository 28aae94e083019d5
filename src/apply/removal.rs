//! Removes a StackSet whose instances were just removed.

use std::time::Duration;

use billctl_core::service::{Result, Services};

/// AWS's word while it still counts instances.
const NOT_EMPTY: &str = "StackSetNotEmptyException";
/// How often it is tried, and the pause between: lists are behind for seconds (docs/aws-facts.md).
const ATTEMPTS: u32 = 12;
const PAUSE: Duration = Duration::from_secs(5);

/// Deletes the StackSet, again for a minute while AWS still counts instances that are gone.
///
/// # Errors
/// AWS's answer.
pub async fn delete_stack_set(services: &Services, name: &str) -> Result<()> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match services.cloudformation.delete_stack_set(name).await {
            Err(error) if left > 0 && error.code.as_deref() == Some(NOT_EMPTY) => {
                services.clock.sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use billctl_core::service::cloudformation::DELETE_STACK_SET;
    use billctl_core::service::{Kind, ServiceError};
    use billctl_sandbox::faults::FaultAction;
    use billctl_sandbox::{Sandbox, seed};

    /// Services whose StackSet is still counted as full for so many calls.
    fn services(full: usize) -> Services {
        let calls = AtomicUsize::new(0);
        let sandbox = Sandbox::with_fates(seed::demo(), move |operation| {
            if calls.fetch_add(1, Ordering::Relaxed) >= full {
                return FaultAction::Pass;
            }
            assert_eq!(operation, DELETE_STACK_SET);
            let text = "StackSet is not empty";
            FaultAction::Refuse(ServiceError::new(operation, Kind::Other, NOT_EMPTY, text))
        });
        sandbox.services()
    }

    #[tokio::test]
    async fn instances_that_are_still_counted_are_waited_for_and_not_for_ever() {
        assert!(delete_stack_set(&services(3), "billctl").await.is_ok());
        let error = delete_stack_set(&services(100), "billctl").await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some(NOT_EMPTY));
    }
}
