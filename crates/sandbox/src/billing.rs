use async_trait::async_trait;

use super::Sandbox;
use billctl_core::service::billing::GET_BILLING_PREFERENCES;
use billctl_core::service::{Billing, Kind, Result, ServiceError};

#[async_trait]
impl Billing for Sandbox {
    async fn billing_alerts_enabled(&self) -> Result<Option<bool>> {
        self.read(GET_BILLING_PREFERENCES, |world| {
            if world.caller != world.management_account() {
                return Err(ServiceError::new(
                    GET_BILLING_PREFERENCES,
                    Kind::Denied,
                    "AccessDeniedException",
                    "only the management account can read the organization's billing preferences",
                ));
            }
            Ok(Some(world.billing_alerts))
        })
        .await
    }
}
