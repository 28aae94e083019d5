use std::time::Duration;

use super::{Event, FieldChange, Kind, Live, OrAbsent, Result, Services, Writer, exists_or, service};
use crate::resource::sample_data;
use billctl_core::error::WhileTrying;
use billctl_core::service::sesv2::EmailTemplate;

/// Between two calls for templates: SES takes one a second (docs/aws-facts.md, "SES: templates").
const PAUSE: Duration = Duration::from_secs(1);

impl Live for EmailTemplate {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        services.sesv2.get_email_template(&self.name).await.or_absent()
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let services = writer.services;
        if exists_or(services.sesv2.create_email_template(self).await)?.is_some() {
            return test_render(self, writer).await;
        }
        services.clock.sleep(PAUSE).await;
        self.update(&[], writer).await
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        writer.services.sesv2.update_email_template(self).await?;
        test_render(self, writer).await
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sesv2.delete_email_template(&self.name).await
    }
}

/// A template that doesn't render is accepted by SES and its mails are never delivered
/// (docs/aws-facts.md, "SES: templates"), so it is rendered once when it changed.
async fn test_render(template: &EmailTemplate, writer: &Writer<'_>) -> Result<()> {
    let services = writer.services;
    services.clock.sleep(PAUSE).await;
    let data = sample_data(template).to_string();
    let rendered = services.sesv2.test_render_email_template(&template.name, &data);
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
