use async_trait::async_trait;
use aws_sdk_sts::Client;

use super::call::{Caller, parsed};
use billctl_core::service::Result;
use billctl_core::service::sts::{CallerIdentity, GET_CALLER_IDENTITY, Sts};

#[async_trait]
impl Sts for Caller<Client> {
    async fn get_caller_identity(&self) -> Result<CallerIdentity> {
        let op = GET_CALLER_IDENTITY;
        let request = self.client.get_caller_identity();
        let answer = self.call(op, || request.clone().send()).await?;
        Ok(CallerIdentity {
            account: parsed(op, answer.account(), "Account")?,
            arn: parsed(op, answer.arn(), "Arn")?,
        })
    }
}
