use std::time::Duration;

use super::{Live, Writer, exists_or};
use crate::resource::document::FieldChange;
use crate::resource::{Template, sample_data};
use billctl_core::error::{Context, Result};
use billctl_core::event::Event;
use billctl_core::service::{self, Kind, OrAbsent, Services};

/// Between two calls for templates: SES takes one a second (AWS-FACTS 6).
const PAUSE: Duration = Duration::from_secs(1);

impl Live for Template {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let found = services.sesv2.get_email_template(&self.0.name).await.or_absent()?;
        Ok(found.map(Self))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let services = writer.services;
        if exists_or(services.sesv2.create_email_template(&self.0).await)?.is_some() {
            return test_render(self, writer).await;
        }
        services.clock.sleep(PAUSE).await;
        self.update(&[], writer).await
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        writer.services.sesv2.update_email_template(&self.0).await?;
        test_render(self, writer).await
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sesv2.delete_email_template(&self.0.name).await
    }
}

/// A template that doesn't render is accepted by SES and its mails are never delivered (AWS-FACTS 6), so it is rendered
/// once when it changed.
async fn test_render(template: &Template, writer: &Writer<'_>) -> Result<()> {
    let services = writer.services;
    services.clock.sleep(PAUSE).await;
    let data = sample_data(&template.0).to_string();
    let rendered = services.sesv2.test_render_email_template(&template.0.name, &data);
    match rendered.await {
        // The template was written a moment ago: what isn't found is the operation (an emulator's gap).
        Err(error) if error.kind == Kind::NotFound => {
            let text = format!("the mail template could not be rendered as a test: {error}");
            writer.listener.on(Event::Warning(text));
            Ok(())
        }
        answer => answer
            .map(drop)
            .while_trying("render the mail template with sample data"),
    }
}
