use async_trait::async_trait;

use super::Sandbox;
use super::refusal::Refusal;
use billctl_core::service::billing::GET_BILLING_PREFERENCES;
use billctl_core::service::{Billing, Result};

#[async_trait]
impl Billing for Sandbox {
    async fn billing_alerts_enabled(&self) -> Result<Option<bool>> {
        self.read(GET_BILLING_PREFERENCES, |world| {
            if world.caller != world.management_account() {
                let why = "only the management account can read the organization's billing preferences";
                return Err(Refusal::denied("AccessDeniedException", why));
            }
            Ok(Some(world.billing_alerts))
        })
        .await
    }
}
