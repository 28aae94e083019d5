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
    use std::sync::Arc;

    use super::*;
    use crate::mock::MockCloudFormation;
    use billctl_core::service::cloudformation::DELETE_STACK_SET;
    use billctl_core::service::{Kind, ServiceError};
    use billctl_sandbox::{Sandbox, seed};

    /// Services whose StackSet is still counted as full for so many calls.
    fn services(full: usize) -> Services {
        let mut cloudformation = MockCloudFormation::new();
        let mut left = full;
        cloudformation.expect_delete_stack_set().returning(move |_| {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            let text = "StackSet is not empty";
            Err(ServiceError::new(DELETE_STACK_SET, Kind::Other, NOT_EMPTY, text))
        });
        Services {
            cloudformation: Arc::new(cloudformation),
            ..Sandbox::in_memory(seed::demo()).services()
        }
    }

    #[tokio::test]
    async fn instances_that_are_still_counted_are_waited_for_and_not_for_ever() {
        assert!(delete_stack_set(&services(3), "billctl").await.is_ok());
        let error = delete_stack_set(&services(100), "billctl").await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some(NOT_EMPTY));
    }
}
