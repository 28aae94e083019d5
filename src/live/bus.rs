use super::{FieldChange, Live, OrAbsent, Result, Services, Writer, exists_or, service};
use crate::resource::{BUS_STATEMENT, Bus, tags};

impl Live for Bus {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let eventbridge = &services.eventbridge;
        let Some(bus) = eventbridge.describe_event_bus(&self.name).await.or_absent()? else {
            return Ok(None);
        };
        let tags = match self.is_default() {
            true => None,
            false => eventbridge.list_tags(&bus.arn).await.or_absent()?,
        };
        Ok(Some(Self {
            name: bus.name,
            policy: bus.policy,
            tags: tags.unwrap_or_default(),
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        if !self.is_default() {
            exists_or(writer.services.eventbridge.create_event_bus(&self.name, &tags()).await)?;
        }
        self.update(&[], writer).await
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        if let Some(policy) = &self.policy {
            writer.services.eventbridge.put_bus_policy(&self.name, policy).await?;
        }
        Ok(())
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        let eventbridge = &services.eventbridge;
        match self.is_default() {
            true => eventbridge.remove_bus_statement(&self.name, BUS_STATEMENT).await,
            false => eventbridge.delete_event_bus(&self.name).await,
        }
    }
}
