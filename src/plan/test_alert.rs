//! How a test went, hop by hop.

use serde::Serialize;

/// One hop of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Hop {
    /// Which one, such as `event bus billctl`.
    pub name: String,
    /// Whether the event got past it.
    pub status: HopStatus,
    /// What happened there.
    pub detail: String,
}

/// How a hop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HopStatus {
    /// Well.
    Ok,
    /// Not well, and the notifier went on without it.
    Missing,
    /// The way ended here.
    Failed,
}

/// How a test went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Journey {
    /// The event's id; null for one that CloudWatch sent, which nobody is told.
    pub event_id: Option<String>,
    /// The hops in order; the last one that failed is where the way ended.
    pub hops: Vec<Hop>,
    /// SES's id of the mail, if one went out.
    pub message_id: Option<String>,
    /// SNS's id of the message for a chat, if one was taken.
    pub chat_message_id: Option<String>,
    /// To whom the mail went.
    pub recipients: Vec<String>,
    /// What to do about the hop that failed.
    pub remedy: Option<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

impl Journey {
    /// The hop where the way ended, if it didn't end well.
    pub fn failed(&self) -> Option<&Hop> {
        let mut hops = self.hops.iter().rev();
        hops.find(|hop| hop.status == HopStatus::Failed)
    }
}
