use super::{Live, OrAbsent, Result, Services, Thing, Writer, service};
use crate::resource::Dashboard;

impl Live for Dashboard {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let body = services.cloudwatch.get_dashboard(&self.name).await.or_absent()?;
        Ok(body.map(|body| Self {
            name: self.name(),
            body,
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let cloudwatch = &writer.services.cloudwatch;
        Ok(cloudwatch.put_dashboard(&self.name, &self.body).await?)
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.cloudwatch.delete_dashboards(&[self.name()]).await
    }
}
