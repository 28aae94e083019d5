use async_trait::async_trait;
use aws_sdk_billing::Client;
use aws_sdk_billing::types::{BillingFeature, PreferenceValue};

use super::call::Caller;
use super::convert::token as next;
use billctl_core::service::billing::{Billing, GET_BILLING_PREFERENCES};
use billctl_core::service::{Result, Tokens};

#[async_trait]
impl Billing for Caller<Client> {
    async fn billing_alerts_enabled(&self) -> Result<Option<bool>> {
        let op = GET_BILLING_PREFERENCES;
        let mut enabled = None;
        let mut tokens = Tokens::new(op);
        let mut token = None;
        loop {
            let request = self
                .client
                .get_billing_preferences()
                .features(BillingFeature::BillingAlerts)
                .set_next_token(token);
            let answer = self.call(op, || request.clone().send()).await?;
            // "Format depends on the feature", says the API reference of the keys, and not how this feature's look
            // (unverified: docs/aws-facts.md, "Charges of linked accounts"): it is on if any of its keys is.
            for found in answer.billing_preferences() {
                if *found.feature() == BillingFeature::BillingAlerts {
                    let on = *found.value() == PreferenceValue::Enabled;
                    enabled = Some(on || enabled == Some(true));
                }
            }
            token = tokens.next(next(answer.next_token))?;
            if token.is_none() {
                return Ok(enabled);
            }
        }
    }
}
