use super::{FieldChange, Live, OrAbsent, Result, Services, Writer, exists_or, service};
use crate::resource::{ConfigurationSet, DESTINATION};

impl Live for ConfigurationSet {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let (set, destinations) = futures::join!(
            services.sesv2.get_configuration_set(&self.name),
            services.sesv2.get_event_destinations(&self.name),
        );
        let Some(set) = set.or_absent()? else {
            return Ok(None);
        };
        let mut destinations = destinations.or_absent()?.unwrap_or_default().into_iter();
        Ok(Some(Self {
            name: set.name,
            tags: set.tags,
            destination: destinations.find(|destination| destination.name == DESTINATION),
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let made = writer.services.sesv2.create_configuration_set(&self.name, &self.tags);
        exists_or(made.await)?;
        self.update(&[], writer).await
    }

    async fn update(&self, fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let Some(destination) = &self.destination else {
            return Ok(());
        };
        let sesv2 = &writer.services.sesv2;
        // Where only some of its fields differ, it is there.
        let there = !fields.is_empty() && fields.iter().all(|field| field.before.is_some());
        if there || exists_or(sesv2.create_event_destination(&self.name, destination).await)?.is_none() {
            sesv2.update_event_destination(&self.name, destination).await?;
        }
        Ok(())
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sesv2.delete_configuration_set(&self.name).await
    }
}
