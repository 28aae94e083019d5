use super::{FieldChange, Live, OrAbsent, Result, Services, Writer, changes, is_within, removed_keys, service};
use crate::resource::Rule;

impl Live for Rule {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let (bus, name) = (&self.rule.bus, &self.rule.name);
        let (rule, targets) = futures::join!(
            services.eventbridge.describe_rule(bus, name),
            services.eventbridge.list_targets(bus, name),
        );
        let Some(rule) = rule.or_absent()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            rule,
            targets: targets.or_absent()?.unwrap_or_default(),
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.services.eventbridge.put_rule(&self.rule).await?;
        put_targets(self, writer).await
    }

    async fn update(&self, fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let eventbridge = &writer.services.eventbridge;
        if fields.iter().any(|field| !is_within(&field.path, "targets")) {
            eventbridge.put_rule(&self.rule).await?;
        }
        let extra = removed_keys(fields, "targets");
        if !extra.is_empty() {
            eventbridge
                .remove_targets(&self.rule.bus, &self.rule.name, &extra)
                .await?;
        }
        if changes(fields, "targets") {
            put_targets(self, writer).await?;
        }
        Ok(())
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        let eventbridge = &services.eventbridge;
        let (bus, name) = (&self.rule.bus, &self.rule.name);
        let ids: Vec<String> = self.targets.iter().map(|target| target.id.clone()).collect();
        if !ids.is_empty() {
            eventbridge.remove_targets(bus, name, &ids).await.or_absent()?;
        }
        eventbridge.delete_rule(bus, name).await
    }
}

async fn put_targets(rule: &Rule, writer: &Writer<'_>) -> Result<()> {
    let role = rule.targets.iter().find_map(|target| target.role_arn.as_ref());
    let eventbridge = &writer.services.eventbridge;
    let put = || eventbridge.put_targets(&rule.rule.bus, &rule.rule.name, &rule.targets);
    writer.with_role(role, put).await
}
