use super::{Live, Writer, exists_or};
use crate::resource::Identity;
use crate::resource::document::FieldChange;
use billctl_core::error::Result;
use billctl_core::service::{self, OrAbsent, Services};

impl Live for Identity {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let found = services.sesv2.get_email_identity(&self.0.name).await.or_absent()?;
        Ok(found.map(Self))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let made = writer.services.sesv2.create_email_identity(&self.0.name, &self.0.tags);
        exists_or(made.await)?;
        match self.0.mail_from_domain {
            Some(_) => self.update(&[], writer).await,
            None => Ok(()),
        }
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let domain = self.0.mail_from_domain.clone();
        Ok(writer.services.sesv2.put_mail_from(&self.0.name, domain).await?)
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sesv2.delete_email_identity(&self.0.name).await
    }
}
