use super::{FieldChange, Live, OrAbsent, Result, Services, Writer, exists_or, service};
use crate::resource::tags;
use billctl_core::service::sfn::{NewStateMachine, StateMachine};

impl Live for StateMachine {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        services.sfn.describe_state_machine(&self.arn).await.or_absent()
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let new = &NewStateMachine {
            name: self.name.clone(),
            definition: self.definition.clone(),
            role_arn: self.role_arn.clone(),
            tags: tags(),
        };
        let sfn = &writer.services.sfn;
        let create = || async { exists_or(sfn.create_state_machine(new).await) };
        match writer.with_role(Some(&self.role_arn), create).await? {
            Some(_) => Ok(()),
            None => self.update(&[], writer).await,
        }
    }

    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let sfn = &writer.services.sfn;
        let update = || sfn.update_state_machine(&self.arn, &self.definition, &self.role_arn);
        writer.with_role(Some(&self.role_arn), update).await
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        services.sfn.delete_state_machine(&self.arn).await
    }
}
