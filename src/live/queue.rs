use super::{FieldChange, Live, OrAbsent, Result, Services, Writer, changes, exists_or, service};
use crate::resource::{Queue, tags};
use billctl_core::service::sqs::Attributes;

impl Live for Queue {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let sqs = &services.sqs;
        let Some(url) = sqs.get_queue_url(&self.name).await.or_absent()? else {
            return Ok(None);
        };
        let (attributes, tags) = futures::join!(sqs.get_queue_attributes(&url), sqs.list_queue_tags(&url));
        let tags = tags.or_absent()?.unwrap_or_default();
        Ok(attributes.or_absent()?.map(|attributes| Self {
            name: self.name.clone(),
            attributes,
            tags,
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let sqs = &writer.services.sqs;
        let made = sqs.create_queue(&self.name, &self.attributes, &tags()).await;
        // "Exists" here means: with other attributes.
        if exists_or(made)?.is_none() {
            set(writer.services, &self.name, &self.attributes).await?;
        }
        Ok(())
    }

    async fn update(&self, fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let mut changed = self.attributes.clone();
        changed.retain(|name, _| changes(fields, if name == "Policy" { "policy" } else { name }));
        Ok(set(writer.services, &self.name, &changed).await?)
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        let url = services.sqs.get_queue_url(&self.name).await?;
        services.sqs.delete_queue(&url).await
    }
}

async fn set(services: &Services, name: &str, attributes: &Attributes) -> service::Result<()> {
    let url = services.sqs.get_queue_url(name).await?;
    services.sqs.set_queue_attributes(&url, attributes).await
}
