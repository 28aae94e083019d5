use async_trait::async_trait;
use aws_sdk_billing::Client;
use aws_sdk_billing::types::{BillingFeature, PreferenceValue};

use super::call::Caller;
use super::convert::page;
use billctl_core::service::billing::{Billing, GET_BILLING_PREFERENCES};
use billctl_core::service::{Result, all_pages};

#[async_trait]
impl Billing for Caller<Client> {
    async fn billing_alerts_enabled(&self) -> Result<Option<bool>> {
        let op = GET_BILLING_PREFERENCES;
        let list = |token| async move {
            let request = self
                .client
                .get_billing_preferences()
                .features(BillingFeature::BillingAlerts)
                .set_next_token(token);
            let answer = self.call(op, || request.clone().send()).await?;
            let found = answer.billing_preferences().iter().cloned();
            page(found.map(Ok), answer.next_token())
        };
        let found = all_pages(op, list).await?.into_iter();
        // "Format depends on the feature", says the API reference of the keys, and not how this feature's look
        // (unverified: docs/aws-facts.md, "Charges of linked accounts"): it is on if any of its keys is.
        let alerts = found.filter(|one| *one.feature() == BillingFeature::BillingAlerts);
        Ok(alerts
            .map(|one| *one.value() == PreferenceValue::Enabled)
            .reduce(|any, one| any || one))
    }
}
