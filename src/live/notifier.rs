use super::{Live, Writer, exists_or};
use crate::resource::document::FieldChange;
use crate::resource::{Notifier, tags};
use billctl_core::error::Result;
use billctl_core::service::sfn::NewStateMachine;
use billctl_core::service::{self, OrAbsent, Services};

impl Live for Notifier {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let machine = services.sfn.describe_state_machine(&self.arn).await.or_absent()?;
        Ok(machine.map(|machine| Self {
            name: machine.name,
            arn: machine.arn,
            definition: machine.definition,
            role: machine.role_arn,
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let new = &NewStateMachine {
            name: self.name.clone(),
            definition: self.definition.clone(),
            role_arn: self.role.clone(),
            tags: tags(),
        };
        let sfn = &writer.services.sfn;
        let create = || async { exists_or(sfn.create_state_machine(new).await) };
        match writer.with_role(Some(&self.role), create).await? {
            Some(_) => Ok(()),
            None => self.update(&[], writer).await,
        }
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let sfn = &writer.services.sfn;
        let update = || sfn.update_state_machine(&self.arn, &self.definition, &self.role);
        writer.with_role(Some(&self.role), update).await
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sfn.delete_state_machine(&self.arn).await
    }
}
