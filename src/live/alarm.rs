use super::{Live, Result, Services, Thing, Writer, service};
use crate::resource::{Alarm, tags};

impl Live for Alarm {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let mut found = services.cloudwatch.describe_alarms(&[self.name()]).await?;
        Ok(found.pop().map(|status| Self::from(status.alarm)))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        Ok(writer.services.cloudwatch.put_metric_alarm(&self.0, &tags()).await?)
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.cloudwatch.delete_alarms(&[self.name()]).await
    }
}
