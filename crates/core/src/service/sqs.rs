//! SQS: the dead-letter queue.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::operation::operations;
use super::{Result, Tags};

operations!(Sqs:
    CHANGE_MESSAGE_VISIBILITY = write "ChangeMessageVisibility";
    CREATE_QUEUE = write "CreateQueue";
    DELETE_MESSAGE = write "DeleteMessage";
    DELETE_QUEUE = write "DeleteQueue";
    GET_QUEUE_ATTRIBUTES = read "GetQueueAttributes";
    GET_QUEUE_URL = read "GetQueueUrl";
    LIST_QUEUE_TAGS = read "ListQueueTags";
    RECEIVE_MESSAGE = read "ReceiveMessage";
    SET_QUEUE_ATTRIBUTES = write "SetQueueAttributes";
);

/// Attributes by AWS's names (`Policy`, `MessageRetentionPeriod`, ...), as texts.
pub type Attributes = BTreeMap<String, String>;

/// Most messages that one look gives (SQS API reference, ReceiveMessage: MaxNumberOfMessages).
pub const MOST_SEEN: usize = 10;

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its body.
    pub body: String,
    /// Its attributes; EventBridge says here why it could not deliver (`ERROR_CODE`, `ERROR_MESSAGE`, `RULE_ARN`).
    pub attributes: Attributes,
}

/// A message that was received: nobody else sees it for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// With what it is deleted or shown again.
    pub receipt: String,
}

/// The operations of SQS that billctl uses.
#[async_trait]
pub trait Sqs: Send + Sync {
    /// `GetQueueUrl`.
    async fn get_queue_url(&self, name: &str) -> Result<String>;
    /// `GetQueueAttributes`, all of them.
    async fn get_queue_attributes(&self, url: &str) -> Result<Attributes>;
    /// `ReceiveMessage` with a visibility timeout of zero: up to [`MOST_SEEN`] messages, which stay where and as they
    /// are.
    async fn peek_messages(&self, url: &str) -> Result<Vec<Message>>;
    /// `ReceiveMessage`: up to [`MOST_SEEN`] messages, which nobody sees again for so many seconds. All servers are
    /// asked (long polling), so that none means that there is none.
    async fn receive_messages(&self, url: &str, hidden: u16) -> Result<Vec<Received>>;
    /// `ChangeMessageVisibility`: the message is seen again after so many seconds.
    async fn change_message_visibility(&self, url: &str, receipt: &str, hidden: u16) -> Result<()>;
    /// `DeleteMessage`.
    async fn delete_message(&self, url: &str, receipt: &str) -> Result<()>;
    /// `ListQueueTags`.
    async fn list_queue_tags(&self, url: &str) -> Result<Tags>;
    /// `CreateQueue`: answers its URL.
    async fn create_queue(&self, name: &str, attributes: &Attributes, tags: &Tags) -> Result<String>;
    /// `SetQueueAttributes`: only those given change.
    async fn set_queue_attributes(&self, url: &str, attributes: &Attributes) -> Result<()>;
    /// `DeleteQueue`.
    async fn delete_queue(&self, url: &str) -> Result<()>;
}
