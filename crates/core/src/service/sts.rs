//! STS: who is calling.

use async_trait::async_trait;

use super::Result;
use super::operation::operations;
use crate::model::{AccountId, Arn};

operations!(Sts: GET_CALLER_IDENTITY = read "GetCallerIdentity";);

/// Whom the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account.
    pub account: AccountId,
    /// The user, or the role's session.
    pub arn: Arn,
}

/// The operations of STS that billctl uses.
#[async_trait]
pub trait Sts: Send + Sync {
    /// `GetCallerIdentity`. Needs no permission.
    async fn get_caller_identity(&self) -> Result<CallerIdentity>;
}
