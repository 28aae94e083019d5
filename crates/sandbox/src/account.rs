//! Account Management: alternate contacts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::refusal::{Answer, Refusal};
use super::{Sandbox, World};
use billctl_core::model::AccountId;
use billctl_core::service::Result;
use billctl_core::service::account::{AccountManagement, GET_ALTERNATE_CONTACT};

/// Contacts, and who may read them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Whether Organizations lets Account Management in (trusted access): off until somebody switches it on.
    pub trusted: bool,
    /// Addresses of billing contacts.
    pub billing: BTreeMap<AccountId, String>,
}

impl World {
    /// The billing contact of an account as `caller` may read it (docs/aws-facts.md, "Alternate contacts").
    pub(super) fn billing_contact(&self, caller: AccountId, member: Option<AccountId>) -> Answer<String> {
        let denied = |why: &str| Err(Refusal::denied("AccessDeniedException", why));
        let payer = self.management_account();
        if let Some(member) = member {
            if caller != payer || !self.account.trusted {
                let why = "User is not authorized to perform: account:GetAlternateContact (Your organization must first \
                           enable trusted access with AWS Account Management.)";
                return denied(why);
            }
            if member == payer {
                return denied("The management account can only be managed using the standalone context.");
            }
            if !self.organizations.has_account(member) {
                return denied("The account isn't in your organization.");
            }
        }
        let address = self.account.billing.get(&member.unwrap_or(caller)).cloned();
        address.ok_or_else(|| {
            let why = "No contact of the inputted alternate contact type found.";
            Refusal::not_found("ResourceNotFoundException", why)
        })
    }
}

#[async_trait]
impl AccountManagement for Sandbox {
    async fn billing_contact(&self, member: Option<AccountId>) -> Result<String> {
        self.read(GET_ALTERNATE_CONTACT, |world| {
            world.billing_contact(world.caller, member)
        })
        .await
    }
}
