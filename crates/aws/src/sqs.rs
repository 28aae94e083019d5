use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{self as sdk, QueueAttributeName};

use super::call::{Caller, required};
use billctl_core::service::sqs::{
    Attributes, CHANGE_MESSAGE_VISIBILITY, CREATE_QUEUE, DELETE_MESSAGE, DELETE_QUEUE, GET_QUEUE_ATTRIBUTES,
    GET_QUEUE_URL, LIST_QUEUE_TAGS, MOST_SEEN, Message, RECEIVE_MESSAGE, Received, SET_QUEUE_ATTRIBUTES, Sqs,
};
use billctl_core::service::{Result, Tags};

#[async_trait]
impl Sqs for Caller<Client> {
    async fn get_queue_url(&self, name: &str) -> Result<String> {
        let op = GET_QUEUE_URL;
        let request = self.client.get_queue_url().queue_name(name);
        let answer = self.call(op, || request.clone().send()).await?;
        required(op, answer.queue_url, "QueueUrl")
    }

    async fn get_queue_attributes(&self, url: &str) -> Result<Attributes> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::All);
        let answer = self.call(GET_QUEUE_ATTRIBUTES, || request.clone().send()).await?;
        let attributes = answer.attributes.unwrap_or_default().into_iter();
        Ok(attributes
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect())
    }

    async fn peek_messages(&self, url: &str) -> Result<Vec<Message>> {
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(MOST_SEEN as i32)
            .message_attribute_names("All")
            .visibility_timeout(0);
        let answer = self.call(RECEIVE_MESSAGE, || request.clone().send()).await?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.map(read).collect())
    }

    async fn receive_messages(&self, url: &str, hidden: u16) -> Result<Vec<Received>> {
        let op = RECEIVE_MESSAGE;
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(MOST_SEEN as i32)
            .message_attribute_names("All")
            .visibility_timeout(hidden.into())
            .wait_time_seconds(1);
        let answer = self.call(op, || request.clone().send()).await?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        messages
            .map(|message| {
                let receipt = required(op, message.receipt_handle.clone(), "ReceiptHandle")?;
                let message = read(message);
                Ok(Received { message, receipt })
            })
            .collect()
    }

    async fn change_message_visibility(&self, url: &str, receipt: &str, hidden: u16) -> Result<()> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(receipt)
            .visibility_timeout(hidden.into());
        self.command(CHANGE_MESSAGE_VISIBILITY, || request.clone().send()).await
    }

    async fn delete_message(&self, url: &str, receipt: &str) -> Result<()> {
        let request = self.client.delete_message().queue_url(url).receipt_handle(receipt);
        self.command(DELETE_MESSAGE, || request.clone().send()).await
    }

    async fn list_queue_tags(&self, url: &str) -> Result<Tags> {
        let request = self.client.list_queue_tags().queue_url(url);
        let answer = self.call(LIST_QUEUE_TAGS, || request.clone().send()).await?;
        Ok(answer.tags.unwrap_or_default().into_iter().collect())
    }

    async fn create_queue(&self, name: &str, attributes: &Attributes, tags: &Tags) -> Result<String> {
        let op = CREATE_QUEUE;
        let tags = tags.iter().map(|(key, value)| (key.clone(), value.clone()));
        let request = self
            .client
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(write(attributes)))
            .set_tags(Some(tags.collect()));
        let answer = self.call(op, || request.clone().send()).await?;
        required(op, answer.queue_url, "QueueUrl")
    }

    async fn set_queue_attributes(&self, url: &str, attributes: &Attributes) -> Result<()> {
        let request = self
            .client
            .set_queue_attributes()
            .queue_url(url)
            .set_attributes(Some(write(attributes)));
        self.command(SET_QUEUE_ATTRIBUTES, || request.clone().send()).await
    }

    async fn delete_queue(&self, url: &str) -> Result<()> {
        let request = self.client.delete_queue().queue_url(url);
        self.command(DELETE_QUEUE, || request.clone().send()).await
    }
}

fn read(message: sdk::Message) -> Message {
    Message {
        body: message.body.unwrap_or_default(),
        attributes: message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .collect(),
    }
}

fn write(attributes: &Attributes) -> HashMap<QueueAttributeName, String> {
    attributes
        .iter()
        .map(|(name, value)| (name.as_str().into(), value.clone()))
        .collect()
}
