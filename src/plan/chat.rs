//! Whether a chat hears of a mail: from what the config says and what SNS answers, pure.

use std::fmt;

use serde::Serialize;

use super::operations::MANAGED_KEY;
use billctl_core::error::advice;
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::Result;
use billctl_core::service::sns::{Attributes, KEY_ATTRIBUTE};

/// A topic that chat messages go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Channel {
    /// The topic.
    pub topic: Arn,
    /// As far as it can be seen.
    pub state: ChannelState,
    /// The key that it is encrypted with, where somebody has to let the notifier use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What to do, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What becomes of messages to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelState {
    /// It takes them, and somebody is subscribed.
    Heard,
    /// Nobody is subscribed.
    Unsubscribed,
    /// Encrypted with a key whose policy decides.
    PerhapsEncrypted,
    /// Another account's: its policy decides.
    Elsewhere,
    /// Another account's, and encrypted: the notifier's role has no right on that account's keys.
    Locked,
    /// It isn't there.
    Missing,
    /// It couldn't be read.
    Unread,
}

impl Channel {
    /// What becomes of messages to `topic`, which `role` publishes from `account`. `found` is what SNS said of it.
    pub fn of(topic: &Arn, account: AccountId, role: &Arn, found: Result<Option<Attributes>>) -> Self {
        let own = topic.account() == Some(account);
        let name = topic.resource();
        let attribute = |name: &str| found.as_ref().ok()?.as_ref()?.get(name);
        // The AWS managed key lets everybody of its own account in who may use the topic
        // (docs/aws-facts.md, "SNS topics").
        let lets_in = |key: &str| key.is_empty() || (own && key == MANAGED_KEY);
        let key = attribute(KEY_ATTRIBUTE).filter(|key| !lets_in(key)).cloned();
        let nobody = attribute("SubscriptionsConfirmed").is_some_and(|count| count == "0");
        let (state, remedy) = match (&found, own) {
            (_, false) if key.is_some() => (
                ChannelState::Locked,
                Some(format!(
                    "use a topic of account {account}, or take the encryption off {name}"
                )),
            ),
            // Mostly nobody may look at another account's topic.
            (_, false) => (
                ChannelState::Elsewhere,
                Some(format!(
                    "let {role} call sns:Publish in the policy of the topic, which must not be encrypted"
                )),
            ),
            (Ok(None), true) => (
                ChannelState::Missing,
                Some("make it in the SNS console, or name another under [[chat]]".to_owned()),
            ),
            (Err(error), true) => (ChannelState::Unread, advice(error)),
            (Ok(Some(_)), true) if nobody => (
                ChannelState::Unsubscribed,
                Some(format!(
                    "choose topic {name} for a channel in the Amazon Q Developer console (docs/chat.md), or subscribe somebody"
                )),
            ),
            (Ok(Some(_)), true) if key.is_some() => (
                ChannelState::PerhapsEncrypted,
                Some(format!(
                    "let {role} call kms:GenerateDataKey* and kms:Decrypt in the key's policy"
                )),
            ),
            (Ok(Some(_)), true) => (ChannelState::Heard, None),
        };
        Self {
            topic: topic.clone(),
            state,
            key,
            remedy,
        }
    }

    /// Whether messages are known not to arrive.
    pub fn is_lost(&self) -> bool {
        matches!(
            self.state,
            ChannelState::Missing | ChannelState::Unsubscribed | ChannelState::Locked
        )
    }
}

/// Where chat messages go, as a sentence without its end.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        let name = topic.resource();
        match self.state {
            ChannelState::Heard => write!(f, "chat messages go to topic {name}"),
            ChannelState::Unsubscribed => write!(
                f,
                "chat messages reach nobody: topic {name} has no confirmed subscription"
            ),
            ChannelState::PerhapsEncrypted => write!(
                f,
                "chat messages go to topic {name}, if the policy of its key {} lets the notifier use it",
                self.key.as_deref().unwrap_or_default()
            ),
            ChannelState::Elsewhere => write!(
                f,
                "chat messages go to {topic}, which is another account's, if its policy lets the notifier publish"
            ),
            ChannelState::Locked => write!(
                f,
                "chat messages reach nobody: {topic} is another account's and encrypted, and the notifier can't use \
                 that account's keys"
            ),
            ChannelState::Missing => write!(f, "chat messages reach nobody: there is no topic {name}"),
            ChannelState::Unread => write!(
                f,
                "whether chat messages arrive isn't known: topic {name} can't be read"
            ),
        }
    }
}
