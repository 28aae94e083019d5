//! The traits of `service` on the AWS SDK: one file per service, and the only place that names an SDK type.

use crate::config::CallAs;
use crate::error::{Error, Result};
use crate::service::Services;

/// How to reach AWS.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The profile of `~/.aws/config`; by default what the SDK's chain finds.
    pub profile: Option<String>,
    /// As whom StackSets are called.
    pub call_as: CallAs,
}

/// Clients for every service, on the SDK's default chain of credentials and endpoints.
///
/// # Errors
/// None yet: credentials are looked for at the first call.
pub async fn connect(_options: &Options) -> Result<Services> {
    Err(Error::failed("not connected"))
}
