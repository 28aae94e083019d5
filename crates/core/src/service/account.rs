//! Account Management: whom AWS writes to about an account's bills.

use async_trait::async_trait;

use super::Result;
use super::operation::operations;
use crate::model::AccountId;

operations!(Account: GET_ALTERNATE_CONTACT = read "GetAlternateContact";);

/// The type of contact that AWS writes to about bills.
pub const BILLING_CONTACT: &str = "BILLING";

/// The operations of Account Management that billctl uses.
#[async_trait]
pub trait AccountManagement: Send + Sync {
    /// The mail address of the billing contact (`GetAlternateContact`) of a member, or, without an account, of the
    /// caller's own; "not found" where there is no such contact (docs/aws-facts.md, "Alternate contacts").
    async fn billing_contact(&self, member: Option<AccountId>) -> Result<String>;
}
