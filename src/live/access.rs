use super::{Live, Writer};
use crate::resource::Access;
use billctl_core::error::{Error, Result};
use billctl_core::service::cloudformation::OrganizationsAccess;
use billctl_core::service::{self, Services};

impl Live for Access {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let state = services.cloudformation.describe_organizations_access().await?;
        // Off is "not there": switching it on is then a creation.
        Ok((state != OrganizationsAccess::Disabled).then_some(Self { state }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let cloudformation = &writer.services.cloudformation;
        if cloudformation.describe_organizations_access().await? == OrganizationsAccess::DisabledPermanently {
            return Err(Error::failed("trusted access of StackSets is disabled permanently")
                .hint("only AWS support can switch it on again: open a case"));
        }
        Ok(cloudformation.activate_organizations_access().await?)
    }

    async fn delete(&self, _services: &Services) -> service::Result<()> {
        Ok(())
    }
}
