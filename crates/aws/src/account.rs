use async_trait::async_trait;
use aws_sdk_account::Client;
use aws_sdk_account::types::AlternateContactType;

use super::call::{Caller, required};
use billctl_core::model::AccountId;
use billctl_core::service::Result;
use billctl_core::service::account::{AccountManagement, GET_ALTERNATE_CONTACT};

#[async_trait]
impl AccountManagement for Caller<Client> {
    async fn billing_contact(&self, member: Option<AccountId>) -> Result<String> {
        let op = GET_ALTERNATE_CONTACT;
        let request = self
            .client
            .get_alternate_contact()
            .alternate_contact_type(AlternateContactType::Billing)
            .set_account_id(member.map(|id| id.to_string()));
        let answer = self.call(op, || request.clone().send()).await?;
        let contact = answer.alternate_contact.and_then(|contact| contact.email_address);
        required(op, contact, "EmailAddress")
    }
}
