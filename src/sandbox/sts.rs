use async_trait::async_trait;

use super::Sandbox;
use crate::model::Arn;
use crate::service::sts::{CallerIdentity, GET_CALLER_IDENTITY};
use crate::service::{Result, Sts};

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
