use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountId, OuId, Time};

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
    /// The state of this name, as `State` or the older `Status` gives it; `None` for a name not known yet.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "PENDING_ACTIVATION" => Self::PendingActivation,
            "ACTIVE" => Self::Active,
            "SUSPENDED" => Self::Suspended,
            "PENDING_CLOSURE" => Self::PendingClosure,
            "CLOSED" => Self::Closed,
            _ => return None,
        })
    }

    /// Whether it is no longer in use: suspended, on its way to be closed, or closed.
    pub const fn is_closed(self) -> bool {
        match self {
            Self::Suspended | Self::PendingClosure | Self::Closed => true,
            Self::PendingActivation | Self::Active => false,
        }
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PendingActivation => "PENDING_ACTIVATION",
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
            Self::Closed => "CLOSED",
        })
    }
}

/// An account and the root or OU directly above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct PlacedAccount {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// Its parent.
    pub parent: OuId,
}
