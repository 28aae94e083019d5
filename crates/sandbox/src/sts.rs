use async_trait::async_trait;

use super::Sandbox;
use billctl_core::model::Arn;
use billctl_core::service::sts::{CallerIdentity, GET_CALLER_IDENTITY};
use billctl_core::service::{Result, Sts};

#[async_trait]
impl Sts for Sandbox {
    async fn get_caller_identity(&self) -> Result<CallerIdentity> {
        self.read(GET_CALLER_IDENTITY, |world| {
            Ok(CallerIdentity {
                account: world.caller,
                arn: Arn::new("sts", "", world.caller, "assumed-role/Operator/sandbox"),
            })
        })
        .await
    }
}
