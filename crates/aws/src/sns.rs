use async_trait::async_trait;
use aws_sdk_sns::{Client, types as sdk};

use super::call::{Caller, built, parsed};
use super::convert::page;
use billctl_core::model::Arn;
use billctl_core::service::sns::{
    Attributes, CREATE_TOPIC, DELETE_TOPIC, GET_TOPIC_ATTRIBUTES, LIST_SUBSCRIPTIONS_BY_TOPIC, LIST_TAGS_FOR_RESOURCE,
    PENDING, SUBSCRIBE, Sns, Subscription,
};
use billctl_core::service::{Page, Result, Tags};

/// What stands in place of the ARN of a subscription that somebody has ended.
const DELETED: &str = "Deleted";

#[async_trait]
impl Sns for Caller<Client> {
    async fn get_topic_attributes(&self, topic: &Arn) -> Result<Attributes> {
        let request = self.client.get_topic_attributes().topic_arn(topic.as_str());
        let answer = self.call(GET_TOPIC_ATTRIBUTES, || request.clone().send()).await?;
        Ok(answer.attributes.unwrap_or_default().into_iter().collect())
    }

    async fn list_topic_tags(&self, topic: &Arn) -> Result<Tags> {
        let request = self.client.list_tags_for_resource().resource_arn(topic.as_str());
        let answer = self.call(LIST_TAGS_FOR_RESOURCE, || request.clone().send()).await?;
        let tags = answer.tags().iter();
        Ok(tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    async fn list_subscriptions(&self, topic: &Arn, token: Option<String>) -> Result<Page<Subscription>> {
        let request = self
            .client
            .list_subscriptions_by_topic()
            .topic_arn(topic.as_str())
            .set_next_token(token);
        let answer = self
            .call(LIST_SUBSCRIPTIONS_BY_TOPIC, || request.clone().send())
            .await?;
        let items = answer
            .subscriptions()
            .iter()
            .filter(|one| one.subscription_arn() != Some(DELETED))
            .map(|one| {
                Ok(Subscription {
                    protocol: one.protocol().unwrap_or_default().to_owned(),
                    endpoint: one.endpoint().unwrap_or_default().to_owned(),
                    confirmed: one.subscription_arn().is_some_and(|arn| arn != PENDING),
                })
            });
        page(items, answer.next_token())
    }

    async fn create_topic(&self, name: &str, tags: &Tags) -> Result<Arn> {
        let op = CREATE_TOPIC;
        let tags = tags
            .iter()
            .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
        let request = self.client.create_topic().name(name).set_tags(Some(built(op, tags)?));
        let answer = self.call(op, || request.clone().send()).await?;
        parsed(op, answer.topic_arn(), "TopicArn")
    }

    async fn subscribe(&self, topic: &Arn, protocol: &str, endpoint: &str) -> Result<()> {
        let request = self
            .client
            .subscribe()
            .topic_arn(topic.as_str())
            .protocol(protocol)
            .endpoint(endpoint);
        self.command(SUBSCRIBE, || request.clone().send()).await
    }

    async fn delete_topic(&self, topic: &Arn) -> Result<()> {
        let request = self.client.delete_topic().topic_arn(topic.as_str());
        self.command(DELETE_TOPIC, || request.clone().send()).await
    }
}
