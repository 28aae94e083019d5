//! SNS of the billing account: topics, who is subscribed to them, and what was published to them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::is_name;
use super::refusal::{Answer, Refusal};
use super::{Sandbox, World};
use billctl_core::model::Arn;
use billctl_core::service::sns::{
    Attributes, CREATE_TOPIC, DELETE_TOPIC, EMAIL, GET_TOPIC_ATTRIBUTES, KEY_ATTRIBUTE, LIST_SUBSCRIPTIONS_BY_TOPIC,
    LIST_TAGS_FOR_RESOURCE, SUBSCRIBE, Sns, Subscription,
};
use billctl_core::service::{Operation, Page, Result, Service, Tags};

/// The AWS managed key of SNS. Its policy can't be changed, and doesn't let CloudWatch publish
/// (docs/aws-facts.md, "SNS topics").
pub const MANAGED_KEY: &str = "alias/aws/sns";
/// Subscriptions of a page (SNS API reference, ListSubscriptionsByTopic).
const PAGE_SIZE: usize = 100;
/// Notifications kept; the oldest go first.
const MOST_KEPT: usize = 1_000;
/// Most bytes of a message (Publish, API reference).
const LONGEST_MESSAGE: usize = 262_144;
/// What Amazon Q Developer subscribes for a channel.
const CHANNEL: &str = "https://global.sns-api.chatbot.amazonaws.com";
/// The attribute that says who may do what with a topic.
const POLICY_ATTRIBUTE: &str = "Policy";
/// What only the notifier's role calls.
pub(super) const PUBLISH: Operation = Operation::write(Service::Sns, "Publish");
/// Whom SNS's mails come from.
const SENDER: &str = "AWS Notifications <no-reply@sns.amazonaws.com>";

/// Topics of the billing account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    topics: BTreeMap<String, Topic>,
    notifications: Vec<Notification>,
    /// How many there were.
    #[serde(default)]
    published: u64,
    /// Keys whose policies let no role in: KMS itself isn't simulated.
    #[serde(default)]
    pub locked: BTreeSet<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Topic {
    arn: Arn,
    attributes: Attributes,
    tags: Tags,
    subscriptions: Vec<Subscription>,
}

/// What was published to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Counts from one.
    #[serde(default)]
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Which topic.
    pub topic: Arn,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub message: String,
    /// The addresses that were mailed.
    pub mailed: Vec<String>,
}

impl Notification {
    /// Its title, where it is in the form that Amazon Q Developer shows in a chat and others drop
    /// (docs/aws-facts.md, "Chat messages").
    pub fn chat_title(&self) -> Option<String> {
        let message: Value = serde_json::from_str(&self.message).ok()?;
        let custom = message.get("version")? == "1.0" && message.get("source")? == "custom";
        let title = message.pointer("/content/title")?.as_str()?;
        custom.then(|| title.to_owned())
    }
}

impl State {
    /// What was published, oldest first.
    pub fn notifications(&self) -> &[Notification] {
        &self.notifications
    }

    /// Somebody clicks the link in SNS's mail: every subscription of this address counts from now on. Answers
    /// whether there was one to confirm.
    pub fn confirm(&mut self, address: &str) -> bool {
        let mut confirmed = false;
        for subscription in self.topics.values_mut().flat_map(|topic| &mut topic.subscriptions) {
            if subscription.endpoint.eq_ignore_ascii_case(address) && !subscription.confirmed {
                subscription.confirmed = true;
                confirmed = true;
            }
        }
        confirmed
    }

    /// Makes a topic as somebody does by hand, encrypted with this key if one is given.
    pub fn add(&mut self, arn: &Arn, key: Option<&str>) {
        let key = key.map(|key| (KEY_ATTRIBUTE.to_owned(), key.to_owned()));
        let topic = Topic {
            arn: arn.clone(),
            attributes: key.into_iter().collect(),
            tags: Tags::new(),
            subscriptions: Vec::new(),
        };
        self.topics.insert(arn.resource().to_owned(), topic);
    }

    /// Somebody chooses the topic for a channel in the Amazon Q Developer console, which subscribes it.
    pub fn add_channel(&mut self, topic: &Arn) {
        if let Some(topic) = self.topics.get_mut(topic.resource()) {
            topic.subscriptions.push(Subscription {
                protocol: "https".to_owned(),
                endpoint: CHANNEL.to_owned(),
                confirmed: true,
            });
        }
    }

    /// Gives a topic this policy.
    pub fn set_policy(&mut self, topic: &Arn, policy: &Value) {
        if let Some(topic) = self.topics.get_mut(topic.resource()) {
            topic.attributes.insert(POLICY_ATTRIBUTE.to_owned(), policy.to_string());
        }
    }

    /// The policy of a topic, if it has one of its own and is there.
    pub(super) fn policy(&self, topic: &Arn) -> Option<Value> {
        let topic = self.topics.get(topic.resource()).filter(|there| there.arn == *topic)?;
        serde_json::from_str(topic.attributes.get(POLICY_ATTRIBUTE)?).ok()
    }

    fn topic(&mut self, arn: &Arn) -> Answer<&mut Topic> {
        self.topics
            .get_mut(arn.resource())
            .filter(|topic| topic.arn == *arn)
            .ok_or_else(|| Refusal::not_found("NotFound", "Topic does not exist"))
    }
}

impl World {
    /// An alarm publishes to a topic. A topic that isn't there, that is another account's, or that CloudWatch may
    /// not encrypt for gets nothing, and nobody hears of that.
    pub(super) fn publish(&mut self, topic: &Arn, subject: &str, message: &str) {
        let Ok(there) = self.sns.topic(topic) else {
            return;
        };
        if there.attributes.get(KEY_ATTRIBUTE).map(String::as_str) != Some(MANAGED_KEY) {
            self.tell(topic, subject, message);
        }
    }

    /// A role that may publish to this topic does so.
    ///
    /// # Errors
    /// SNS's and KMS's refusals.
    pub(super) fn publish_as_role(&mut self, topic: &Arn, subject: &str, message: &str) -> Answer<String> {
        let payer = self.management_account();
        let there = self.sns.topic(topic)?;
        let key = there.attributes.get(KEY_ATTRIBUTE).cloned().unwrap_or_default();
        let foreign = topic.account() != Some(payer);
        // The managed key lets in everybody of its own account who may use the topic
        // (docs/aws-facts.md, "SNS topics").
        if !key.is_empty() && (foreign || self.sns.locked.contains(&key)) {
            let why = "User is not authorized to perform: kms:GenerateDataKey on this resource";
            return Err(Refusal::denied("KMSAccessDenied", why));
        }
        // docs/aws-facts.md, "Chat messages".
        let plain = subject.is_ascii() && !subject.contains(|c: char| c.is_ascii_control());
        if !plain || subject.len() >= 100 {
            return Err(invalid("Invalid parameter: Subject"));
        }
        if message.is_empty() || message.len() > LONGEST_MESSAGE {
            return Err(invalid("Invalid parameter: Message"));
        }
        self.tell(topic, subject, message);
        Ok(format!("00000000-0000-4000-8000-{:012}", self.sns.published))
    }

    /// Whoever is subscribed gets it.
    fn tell(&mut self, topic: &Arn, subject: &str, message: &str) {
        let Ok(there) = self.sns.topic(topic) else {
            return;
        };
        let mailed: Vec<String> = there
            .subscriptions
            .iter()
            .filter(|one| one.confirmed && one.protocol == EMAIL)
            .map(|one| one.endpoint.clone())
            .collect();
        for address in &mailed {
            self.deliver_mail(SENDER, address, subject, message);
        }
        if self.sns.notifications.len() >= MOST_KEPT {
            self.sns.notifications.remove(0);
        }
        self.sns.published += 1;
        self.sns.notifications.push(Notification {
            number: self.sns.published,
            at: self.now,
            topic: topic.clone(),
            subject: subject.to_owned(),
            message: message.to_owned(),
            mailed,
        });
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid("InvalidParameter", message)
}

#[async_trait]
impl Sns for Sandbox {
    async fn get_topic_attributes(&self, topic: &Arn) -> Result<Attributes> {
        self.call(GET_TOPIC_ATTRIBUTES, |world| {
            let topic = world.sns.topic(topic)?;
            let mut attributes = topic.attributes.clone();
            let count = |confirmed: bool| {
                let counted = topic.subscriptions.iter().filter(|one| one.confirmed == confirmed);
                counted.count().to_string()
            };
            let counted = [
                ("TopicArn", topic.arn.to_string()),
                ("SubscriptionsConfirmed", count(true)),
                ("SubscriptionsPending", count(false)),
            ];
            attributes.extend(counted.map(|(name, value)| (name.to_owned(), value)));
            Ok(attributes)
        })
        .await
    }

    async fn list_topic_tags(&self, topic: &Arn) -> Result<Tags> {
        self.call(LIST_TAGS_FOR_RESOURCE, |world| {
            let topic = world.sns.topic(topic);
            // This operation has a name of its own for it (API reference).
            let topic = topic.map_err(|error| Refusal::new(error.kind, "ResourceNotFound", error.message))?;
            Ok(topic.tags.clone())
        })
        .await
    }

    async fn list_subscriptions(&self, topic: &Arn, token: Option<String>) -> Result<Page<Subscription>> {
        self.call(LIST_SUBSCRIPTIONS_BY_TOPIC, |world| {
            let all = &world.sns.topic(topic)?.subscriptions;
            let skip = token.as_deref().unwrap_or("0").parse();
            let skip: usize = skip.map_err(|_| invalid("Invalid parameter: NextToken"))?;
            Ok(Page {
                items: all.iter().skip(skip).take(PAGE_SIZE).cloned().collect(),
                next: (all.len() > skip + PAGE_SIZE).then(|| (skip + PAGE_SIZE).to_string()),
            })
        })
        .await
    }

    async fn create_topic(&self, name: &str, tags: &Tags) -> Result<Arn> {
        self.call(CREATE_TOPIC, |world| {
            if !is_name(name, 256, "-_") {
                return Err(invalid("Invalid parameter: Topic Name"));
            }
            let arn = world.own_arn("sns", name);
            match world.sns.topics.get(name) {
                // The same topic again is no error; one with other tags is.
                Some(there) if there.tags == *tags => Ok(arn),
                Some(_) => Err(invalid(
                    "Invalid parameter: Tags Reason: Topic already exists with different tags",
                )),
                None => {
                    world.sns.add(&arn, None);
                    world.sns.topic(&arn)?.tags = tags.clone();
                    Ok(arn)
                }
            }
        })
        .await
    }

    async fn subscribe(&self, topic: &Arn, protocol: &str, endpoint: &str) -> Result<()> {
        self.call(SUBSCRIBE, |world| {
            if protocol != EMAIL {
                return Err(invalid("Invalid parameter: Does not support this protocol string"));
            }
            if !endpoint.contains('@') {
                return Err(invalid("Invalid parameter: Email address"));
            }
            let subscriptions = &mut world.sns.topic(topic)?.subscriptions;
            // Again for the same address: AWS mails the link once more, and a confirmed one stays.
            if !subscriptions.iter().any(|one| one.endpoint == endpoint) {
                subscriptions.push(Subscription {
                    protocol: protocol.to_owned(),
                    endpoint: endpoint.to_owned(),
                    confirmed: false,
                });
            }
            Ok(())
        })
        .await
    }

    async fn delete_topic(&self, topic: &Arn) -> Result<()> {
        self.call(DELETE_TOPIC, |world| {
            world.sns.topics.remove(topic.resource());
            Ok(())
        })
        .await
    }
}
