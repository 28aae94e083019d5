use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountId, Time};

/// An account as Organizations describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name: free text chosen by whoever made it, so untrusted.
    pub name: String,
    /// The root user's mail address, often a group mailbox.
    pub email: String,
    /// Where it is in its life.
    pub state: AccountState,
    /// When it joined the organisation, where Organizations says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    pub joined: Option<Timestamp>,
}

/// An account's place in its life: Organizations' `State`, which replaces `Status`
/// (docs/aws-facts.md, "Organizations").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountState {
    /// Created, not yet usable.
    PendingActivation,
    /// In use.
    Active,
    /// Suspended by AWS: StackSets skip it.
    Suspended,
    /// On its way to be closed.
    PendingClosure,
    /// Closed.
    Closed,
}

impl AccountState {
    /// Whether it is no longer in use: suspended, on its way to be closed, or closed.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Suspended | Self::PendingClosure | Self::Closed)
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
