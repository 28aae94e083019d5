use super::{Error, Live, Result, Services, Writer, service};
use billctl_core::service::cloudformation::OrganizationsAccess;

impl Live for OrganizationsAccess {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let state = services.cloudformation.describe_organizations_access().await?;
        // Off is "not there": switching it on is then a creation.
        Ok((state != Self::Disabled).then_some(state))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let cloudformation = &writer.services.cloudformation;
        if cloudformation.describe_organizations_access().await? == Self::DisabledPermanently {
            return Err(Error::failed("trusted access of StackSets is disabled permanently")
                .remedy("only AWS support can switch it on again: open a case"));
        }
        Ok(cloudformation.activate_organizations_access().await?)
    }

    async fn delete(&self, _services: &Services) -> service::Result<()> {
        Ok(())
    }
}
