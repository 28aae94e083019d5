//! SNS: the topic on which billctl's alarms are heard.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::operation::operations;
use super::{Page, Result, Tags};
use crate::model::Arn;

operations!(Sns:
    CREATE_TOPIC = write "CreateTopic";
    DELETE_TOPIC = write "DeleteTopic";
    GET_TOPIC_ATTRIBUTES = read "GetTopicAttributes";
    LIST_SUBSCRIPTIONS_BY_TOPIC = read "ListSubscriptionsByTopic";
    LIST_TAGS_FOR_RESOURCE = read "ListTagsForResource";
    SUBSCRIBE = write "Subscribe";
);

/// Attributes by AWS's names (`KmsMasterKeyId`, `Policy`, ...), as texts.
pub type Attributes = BTreeMap<String, String>;

/// The protocol of a mail to an address.
pub const EMAIL: &str = "email";
/// The attribute that names the key that a topic is encrypted with.
pub const KEY_ATTRIBUTE: &str = "KmsMasterKeyId";
/// What stands in place of a subscription's ARN until somebody has clicked the link (SNS API reference, Subscribe).
pub const PENDING: &str = "PendingConfirmation";

/// Who gets what is published to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// How, such as `email`.
    pub protocol: String,
    /// Where, such as an address.
    pub endpoint: String,
    /// Whether the link in AWS's mail has been clicked: nothing is sent before.
    pub confirmed: bool,
}

/// The operations of SNS that billctl uses.
#[async_trait]
pub trait Sns: Send + Sync {
    /// `GetTopicAttributes`.
    async fn get_topic_attributes(&self, topic: &Arn) -> Result<Attributes>;
    /// `ListTagsForResource`.
    async fn list_topic_tags(&self, topic: &Arn) -> Result<Tags>;
    /// `ListSubscriptionsByTopic`, without those that have ended.
    async fn list_subscriptions(&self, topic: &Arn, token: Option<String>) -> Result<Page<Subscription>>;
    /// `CreateTopic`: answers its ARN, also if it is there already.
    async fn create_topic(&self, name: &str, tags: &Tags) -> Result<Arn>;
    /// `Subscribe`: AWS mails a link to an address, which has to be clicked.
    async fn subscribe(&self, topic: &Arn, protocol: &str, endpoint: &str) -> Result<()>;
    /// `DeleteTopic`, with its subscriptions; no error where there is none (API reference).
    async fn delete_topic(&self, topic: &Arn) -> Result<()>;
}
