//! SQS in memory: queues and what waits in them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::is_name;
use super::policy::{PolicyKind, Request, RequestContext, allowed_by, check, named_roles};
use super::refusal::{Answer, Refusal};
use super::{Sandbox, World};
use billctl_core::model::{Arn, REGION};
use billctl_core::service::sqs::{
    self, Attributes, CHANGE_MESSAGE_VISIBILITY, CREATE_QUEUE, DELETE_MESSAGE, DELETE_QUEUE, GET_QUEUE_ATTRIBUTES,
    GET_QUEUE_URL, LIST_QUEUE_TAGS, MOST_SEEN, RECEIVE_MESSAGE, SET_QUEUE_ATTRIBUTES, Sqs,
};
use billctl_core::service::{Kind, Result, Tags};

/// A deleted queue's name is taken for so long (SQS API reference, `QueueDeletedRecently`).
const NAME_REST: SignedDuration = SignedDuration::from_secs(60);

/// Attributes that can be set, with what a new queue has (SQS API reference, SetQueueAttributes).
const SETTABLE: &[(&str, Option<&str>)] = &[
    ("DelaySeconds", Some("0")),
    ("KmsDataKeyReusePeriodSeconds", None),
    ("KmsMasterKeyId", None),
    ("MaximumMessageSize", Some("1048576")),
    ("MessageRetentionPeriod", Some("345600")),
    ("Policy", None),
    ("ReceiveMessageWaitTimeSeconds", Some("0")),
    ("RedriveAllowPolicy", None),
    ("RedrivePolicy", None),
    ("SqsManagedSseEnabled", Some("true")),
    ("VisibilityTimeout", Some("30")),
];

/// Queues of the billing account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    queues: BTreeMap<String, Queue>,
    deleted: BTreeMap<String, Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Queue {
    url: String,
    arn: Arn,
    created: Timestamp,
    modified: Timestamp,
    attributes: Attributes,
    tags: Tags,
    messages: Vec<Message>,
    /// When each message came that was deleted since, and when it was.
    #[serde(default)]
    deleted: Vec<(Timestamp, Timestamp)>,
    /// Receipts given out.
    #[serde(default)]
    receipts: u64,
}

/// A message in a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// When it came.
    pub at: Timestamp,
    /// Its body.
    pub body: Value,
    /// Its attributes; EventBridge says here why it could not deliver (`ERROR_CODE`, `ERROR_MESSAGE`, ...).
    pub attributes: BTreeMap<String, String>,
    /// Until when nobody sees it, and with what who received it deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<(Timestamp, String)>,
}

impl Message {
    /// One that comes now.
    pub(super) const fn new(at: Timestamp, body: Value, attributes: BTreeMap<String, String>) -> Self {
        Self {
            at,
            body,
            attributes,
            taken: None,
        }
    }

    fn has_receipt(&self, receipt: &str) -> bool {
        self.taken.as_ref().is_some_and(|(_, known)| known == receipt)
    }

    fn is_seen(&self, now: Timestamp) -> bool {
        self.taken.as_ref().is_none_or(|(until, _)| *until <= now)
    }

    fn as_received(&self) -> sqs::Message {
        sqs::Message {
            body: self.body.to_string(),
            attributes: self.attributes.clone(),
        }
    }
}

impl State {
    /// The messages of a queue, oldest first.
    pub fn messages(&self, name: &str) -> &[Message] {
        self.queues.get(name).map_or(&[], |queue| queue.messages.as_slice())
    }

    /// When the number of messages in a queue changed, oldest first.
    pub(crate) fn changed(&self, name: &str) -> Vec<Timestamp> {
        let Some(queue) = self.queues.get(name) else {
            return Vec::new();
        };
        let came = queue.messages.iter().map(|message| message.at);
        let gone = queue.deleted.iter().flat_map(|(came, deleted)| [*came, *deleted]);
        let mut times: Vec<Timestamp> = came.chain(gone).collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    /// How many messages a queue held at a time.
    pub(crate) fn held(&self, name: &str, at: Timestamp) -> usize {
        let Some(queue) = self.queues.get(name) else {
            return 0;
        };
        let there = queue.messages.iter().filter(|message| message.at <= at);
        let gone = queue.deleted.iter().filter(|(came, gone)| (*came..*gone).contains(&at));
        there.count() + gone.count()
    }

    /// How many messages wait in all queues.
    pub fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.messages.len()).sum()
    }

    /// EventBridge puts a message into a dead-letter queue for a rule: only if the queue's policy lets it.
    pub(super) fn receive_from_rule(&mut self, queue: &Arn, rule: &Arn, message: Message) -> bool {
        let Some(queue) = self.queues.values_mut().find(|one| one.arn == *queue) else {
            return false;
        };
        let policy = queue.attributes.get("Policy");
        let policy: Option<Value> = policy.and_then(|text| serde_json::from_str(text).ok());
        let account = rule.account().map_or_else(String::new, |id| id.to_string());
        let context = RequestContext::default()
            .with("aws:SourceArn", rule)
            .with("aws:SourceAccount", account);
        let send = Request::by_service("events.amazonaws.com", "sqs:SendMessage", queue.arn.as_str(), &context);
        let allowed = allowed_by(&policy, send);
        if allowed {
            queue.messages.push(message);
        }
        allowed
    }

    fn by_url(&mut self, url: &str) -> Answer<&mut Queue> {
        self.queues
            .values_mut()
            .find(|queue| queue.url == url)
            .ok_or_else(no_queue)
    }
}

fn no_queue() -> Refusal {
    // The code that the query-compatible header carries; the newer name is QueueDoesNotExist.
    let why = "The specified queue does not exist.";
    Refusal::not_found("AWS.SimpleQueueService.NonExistentQueue", why)
}

fn check_attributes(world: &World, attributes: &Attributes) -> Answer<()> {
    for (name, value) in attributes {
        if !SETTABLE.iter().any(|(known, _)| known == name) {
            let why = format!("Unknown Attribute {name}.");
            return Err(Refusal::invalid("InvalidAttributeName", why));
        }
        if !valid_value(world, name, value) {
            let why = format!("Invalid value for the parameter {name}.");
            return Err(Refusal::invalid("InvalidAttributeValue", why));
        }
    }
    Ok(())
}

/// Ranges as in the API reference; an empty policy takes the policy away.
fn valid_value(world: &World, name: &str, value: &str) -> bool {
    let number = |range: std::ops::RangeInclusive<u64>| value.parse().is_ok_and(|number: u64| range.contains(&number));
    match name {
        "DelaySeconds" => number(0..=900),
        "MaximumMessageSize" => number(1_024..=1_048_576),
        "MessageRetentionPeriod" => number(60..=1_209_600),
        "ReceiveMessageWaitTimeSeconds" => number(0..=20),
        "VisibilityTimeout" => number(0..=43_200),
        "Policy" if value.is_empty() => true,
        "Policy" => serde_json::from_str(value).is_ok_and(|policy: Value| {
            check(&policy, PolicyKind::Resource).is_ok()
                && named_roles(&policy).iter().all(|role| {
                    role.parse::<Arn>()
                        .is_ok_and(|arn| arn.account() != Some(world.management_account()) || world.iam.exists(&arn))
                })
        }),
        _ => true,
    }
}

#[async_trait]
impl Sqs for Sandbox {
    async fn get_queue_url(&self, name: &str) -> Result<String> {
        self.call(GET_QUEUE_URL, |world| {
            let found = world.sqs.queues.get(name).map(|queue| queue.url.clone());
            found.ok_or_else(no_queue)
        })
        .await
    }

    async fn get_queue_attributes(&self, url: &str) -> Result<Attributes> {
        self.call(GET_QUEUE_ATTRIBUTES, |world| {
            let queue = world.sqs.by_url(url)?;
            let mut attributes = queue.attributes.clone();
            let counted = [
                ("QueueArn", queue.arn.to_string()),
                ("ApproximateNumberOfMessages", queue.messages.len().to_string()),
                ("ApproximateNumberOfMessagesNotVisible", "0".to_owned()),
                ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
                ("CreatedTimestamp", queue.created.as_second().to_string()),
                ("LastModifiedTimestamp", queue.modified.as_second().to_string()),
            ];
            attributes.extend(counted.map(|(name, value)| (name.to_owned(), value)));
            Ok(attributes)
        })
        .await
    }

    async fn list_queue_tags(&self, url: &str) -> Result<Tags> {
        self.call(LIST_QUEUE_TAGS, |world| Ok(world.sqs.by_url(url)?.tags.clone()))
            .await
    }

    async fn peek_messages(&self, url: &str) -> Result<Vec<sqs::Message>> {
        self.read(RECEIVE_MESSAGE, |world| {
            let queue = world.sqs.queues.values().find(|queue| queue.url == url);
            let queue = queue.ok_or_else(no_queue)?;
            // In no order that a caller could rely on; here the oldest come first.
            Ok(queue
                .messages
                .iter()
                .filter(|message| message.is_seen(world.now))
                .take(MOST_SEEN)
                .map(Message::as_received)
                .collect())
        })
        .await
    }

    async fn receive_messages(&self, url: &str, hidden: u16) -> Result<Vec<sqs::Received>> {
        self.call(RECEIVE_MESSAGE, |world| {
            let now = world.now;
            let queue = world.sqs.by_url(url)?;
            let mut number = queue.receipts;
            let seen = queue.messages.iter_mut().filter(|one| one.is_seen(now));
            let received = seen
                .take(MOST_SEEN)
                .map(|message| {
                    number += 1;
                    let receipt = format!("receipt-{number}");
                    let until = now + SignedDuration::from_secs(hidden.into());
                    message.taken = Some((until, receipt.clone()));
                    sqs::Received {
                        message: message.as_received(),
                        receipt,
                    }
                })
                .collect();
            queue.receipts = number;
            Ok(received)
        })
        .await
    }

    async fn change_message_visibility(&self, url: &str, receipt: &str, hidden: u16) -> Result<()> {
        self.call(CHANGE_MESSAGE_VISIBILITY, |world| {
            let until = world.now + SignedDuration::from_secs(hidden.into());
            let queue = world.sqs.by_url(url)?;
            let message = queue.messages.iter_mut().find(|message| message.has_receipt(receipt));
            let message = message
                .ok_or_else(|| Refusal::invalid("ReceiptHandleIsInvalid", "The input receipt handle is invalid."))?;
            message.taken = Some((until, receipt.to_owned()));
            Ok(())
        })
        .await
    }

    async fn delete_message(&self, url: &str, receipt: &str) -> Result<()> {
        self.call(DELETE_MESSAGE, |world| {
            let now = world.now;
            let queue = world.sqs.by_url(url)?;
            // A message that is gone is no error (SQS API reference, DeleteMessage).
            let gone = queue.messages.extract_if(.., |message| message.has_receipt(receipt));
            queue.deleted.extend(gone.map(|message| (message.at, now)));
            Ok(())
        })
        .await
    }

    async fn create_queue(&self, name: &str, attributes: &Attributes, tags: &Tags) -> Result<String> {
        self.call(CREATE_QUEUE, |world| create_queue(world, name, attributes, tags))
            .await
    }

    async fn set_queue_attributes(&self, url: &str, attributes: &Attributes) -> Result<()> {
        self.call(SET_QUEUE_ATTRIBUTES, |world| {
            world.sqs.by_url(url)?;
            check_attributes(world, attributes)?;
            let now = world.now;
            let queue = world.sqs.by_url(url)?;
            for (name, value) in attributes {
                if value.is_empty() {
                    queue.attributes.remove(name);
                } else {
                    queue.attributes.insert(name.clone(), value.clone());
                }
            }
            queue.modified = now;
            Ok(())
        })
        .await
    }

    async fn delete_queue(&self, url: &str) -> Result<()> {
        self.call(DELETE_QUEUE, |world| {
            let arn = world.sqs.by_url(url)?.arn.clone();
            world.sqs.queues.remove(arn.resource());
            world.sqs.deleted.insert(arn.resource().to_owned(), world.now);
            Ok(())
        })
        .await
    }
}

fn create_queue(world: &mut World, name: &str, attributes: &Attributes, tags: &Tags) -> Answer<String> {
    if !is_name(name, 80, "-_") {
        let why = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Refusal::invalid("InvalidParameterValue", why));
    }
    check_attributes(world, attributes)?;
    if let Some(queue) = world.sqs.queues.get(name) {
        // The same queue again is no error; one with other attributes is.
        let mut given = attributes.iter();
        return if given.all(|(key, value)| queue.attributes.get(key) == Some(value)) {
            Ok(queue.url.clone())
        } else {
            let why = "A queue already exists with the same name and a different value for an attribute";
            Err(Refusal::exists("QueueAlreadyExists", why))
        };
    }
    if let Some(deleted) = world.sqs.deleted.get(name)
        && world.now.duration_since(*deleted) < NAME_REST
    {
        let why = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        let code = "AWS.SimpleQueueService.QueueDeletedRecently";
        return Err(Refusal::new(Kind::Busy, code, why));
    }
    let payer = world.management_account();
    let url = format!("https://sqs.{REGION}.amazonaws.com/{payer}/{name}");
    let defaults = SETTABLE.iter();
    let defaults = defaults.filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned())));
    world.sqs.queues.insert(
        name.to_owned(),
        Queue {
            url: url.clone(),
            arn: world.own_arn("sqs", name),
            created: world.now,
            modified: world.now,
            attributes: defaults.chain(attributes.clone()).collect(),
            tags: tags.clone(),
            messages: Vec::new(),
            deleted: Vec::new(),
            receipts: 0,
        },
    );
    Ok(url)
}
