//! Billing preferences: whether the payer shares its metrics ("receive billing alerts").

use async_trait::async_trait;

use super::Result;
use super::operation::operations;

operations!(Billing: GET_BILLING_PREFERENCES = read "GetBillingPreferences";);

/// The operations of Billing that billctl uses.
#[async_trait]
pub trait Billing: Send + Sync {
    /// Whether "receive billing alerts" is on (`GetBillingPreferences`, feature `BILLING_ALERTS`,
    /// docs/aws-facts.md, "Charges of linked accounts"). `None` where the answer doesn't say.
    async fn billing_alerts_enabled(&self) -> Result<Option<bool>>;
}
