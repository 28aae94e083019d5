//! What the billing side asks the core about the organisation.

use super::World;
use billctl_core::model::{AccountId, AccountState, Arn, REGION};

impl World {
    /// The ARN of something in the billing account.
    pub(super) fn own_arn(&self, service: &str, resource: &str) -> Arn {
        Arn::new(service, REGION, self.management_account(), resource)
    }

    /// Every account that can have charges, by id.
    pub(super) fn charged_accounts(&self) -> impl Iterator<Item = AccountId> {
        self.organizations
            .accounts()
            .filter(|(account, _)| !matches!(account.state, AccountState::Closed | AccountState::PendingActivation))
            .map(|(account, _)| account.id)
    }
}
