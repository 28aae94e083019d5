//! Account Management: alternate contacts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::refusal::{Answer, Refusal};
use super::{Sandbox, World};
use billctl_core::model::AccountId;
use billctl_core::service::account::{AccountManagement, GET_ALTERNATE_CONTACT};
use billctl_core::service::{Kind, Result};

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
        let refuse = |kind, code, message: &str| Err(Refusal::new(kind, code, message));
        let payer = self.management_account();
        if let Some(member) = member {
            if caller != payer || !self.account.trusted {
                let why = "User is not authorized to perform: account:GetAlternateContact (Your organization must first \
                           enable trusted access with AWS Account Management.)";
                return refuse(Kind::Denied, "AccessDeniedException", why);
            }
            if member == payer {
                let why = "The management account can only be managed using the standalone context.";
                return refuse(Kind::Denied, "AccessDeniedException", why);
            }
            if !self.organizations.has_account(member) {
                return refuse(
                    Kind::Denied,
                    "AccessDeniedException",
                    "The account isn't in your organization.",
                );
            }
        }
        match self.account.billing.get(&member.unwrap_or(caller)) {
            Some(address) => Ok(address.clone()),
            None => refuse(
                Kind::NotFound,
                "ResourceNotFoundException",
                "No contact of the inputted alternate contact type found.",
            ),
        }
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
