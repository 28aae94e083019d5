use super::{Event, FieldChange, Live, OrAbsent, Result, Services, Writer, service};
use crate::resource::{Topic, tags};
use billctl_core::model::Arn;
use billctl_core::service::all_pages;
use billctl_core::service::sns::{LIST_SUBSCRIPTIONS_BY_TOPIC, Subscription};

/// Who is subscribed to a topic; nobody to one that isn't there.
///
/// # Errors
/// SNS's answer.
pub(crate) async fn subscriptions(services: &Services, topic: &Arn) -> service::Result<Vec<Subscription>> {
    let listed = all_pages(LIST_SUBSCRIPTIONS_BY_TOPIC, |token| {
        services.sns.list_subscriptions(topic, token)
    });
    Ok(listed.await.or_absent()?.unwrap_or_default())
}

impl Live for Topic {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let (sns, arn) = (&services.sns, &self.arn);
        if sns.get_topic_attributes(arn).await.or_absent()?.is_none() {
            return Ok(None);
        }
        let (tags, subscriptions) = futures::join!(sns.list_topic_tags(arn), subscriptions(services, arn));
        Ok(Some(Self {
            name: self.name.clone(),
            arn: arn.clone(),
            tags: tags.or_absent()?.unwrap_or_default(),
            subscriptions: subscriptions?,
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.services.sns.create_topic(&self.name, &tags()).await?;
        self.update(&[], writer).await
    }

    /// Subscribes everybody, or only those that are new in an update: a second subscription of an address that hasn't
    /// clicked yet would only mail the link once more.
    async fn update(&self, fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        for one in &self.subscriptions {
            let path = format!("subscriptions[{}]", one.endpoint);
            if !fields.is_empty() && !fields.iter().any(|field| field.path == path) {
                continue;
            }
            let sns = &writer.services.sns;
            sns.subscribe(&self.arn, &one.protocol, &one.endpoint).await?;
            writer.listener.on(Event::Note(format!(
                "AWS has mailed {} a link: nothing comes from topic {} before it is clicked",
                one.endpoint, self.name
            )));
        }
        Ok(())
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sns.delete_topic(&self.arn).await
    }
}
