use async_trait::async_trait;
use aws_sdk_billing::Client;

use super::call::Caller;
use crate::service::Result;
use crate::service::billing::Billing;

#[async_trait]
impl Billing for Caller<Client> {
    /// Not read yet: the SDK's release in Cargo.lock has no `GetBillingPreferences`.
    async fn billing_alerts_enabled(&self) -> Result<Option<bool>> {
        Ok(None)
    }
}
