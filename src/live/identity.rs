use super::{FieldChange, Live, OrAbsent, Result, Services, Writer, exists_or, service};
use billctl_core::service::sesv2::EmailIdentity;

impl Live for EmailIdentity {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        services.sesv2.get_email_identity(&self.name).await.or_absent()
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let made = writer.services.sesv2.create_email_identity(&self.name, &self.tags);
        exists_or(made.await)?;
        match self.mail_from_domain {
            Some(_) => self.update(&[], writer).await,
            None => Ok(()),
        }
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let domain = self.mail_from_domain.clone();
        Ok(writer.services.sesv2.put_mail_from(&self.name, domain).await?)
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sesv2.delete_email_identity(&self.name).await
    }
}
