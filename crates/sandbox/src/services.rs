use std::sync::Arc;

use super::Sandbox;
use billctl_core::service::Services;

impl Sandbox {
    /// This world behind every trait.
    pub fn services(&self) -> Services {
        let shared = Arc::new(self.clone());
        Services {
            account: shared.clone(),
            billing: shared.clone(),
            cloudformation: shared.clone(),
            cloudwatch: shared.clone(),
            eventbridge: shared.clone(),
            iam: shared.clone(),
            members: shared.clone(),
            organizations: shared.clone(),
            sesv2: shared.clone(),
            sfn: shared.clone(),
            sns: shared.clone(),
            sqs: shared.clone(),
            sts: shared.clone(),
            clock: shared,
            gate: self.gate().clone(),
        }
    }
}
