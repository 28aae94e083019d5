use serde::Serialize;

use super::{AccountChange, Rollout};
use crate::model::{AccountId, Organization};

/// One account's line in a plan.
#[derive(Debug, Clone, Serialize)]
pub struct AccountLine {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub ou: String,
    /// What happens to it.
    #[serde(flatten)]
    pub change: AccountChange,
}

/// How many accounts have something happen to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Instances made.
    pub create: usize,
    /// Thresholds changed, resets among them.
    pub change: usize,
    /// Failed operations tried again, and instances made anew.
    pub repair: usize,
    /// Instances removed.
    pub remove: usize,
    /// Accounts skipped.
    pub skip: usize,
    /// Accounts that stay as they are.
    pub leave: usize,
}

impl Rollout {
    /// How many accounts have something happen to them.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in self.accounts.values() {
            *match change {
                AccountChange::Create { .. } => &mut counts.create,
                AccountChange::Change { .. } | AccountChange::Reset { .. } => &mut counts.change,
                AccountChange::Retry { .. } | AccountChange::Recreate { .. } => &mut counts.repair,
                AccountChange::Remove => &mut counts.remove,
                AccountChange::Skip { .. } => &mut counts.skip,
                AccountChange::Leave { .. } => &mut counts.leave,
            } += 1;
        }
        counts
    }

    /// A line for each account, with its name and place.
    pub fn lines(&self, organization: &Organization) -> Vec<AccountLine> {
        self.accounts
            .iter()
            .map(|(account, change)| {
                let (name, ou) = organization.account(*account).map_or_else(
                    || (String::new(), String::new()),
                    |(account, parent)| (account.name.clone(), organization.path(parent)),
                );
                AccountLine {
                    account: *account,
                    name,
                    ou,
                    change: change.clone(),
                }
            })
            .collect()
    }
}
