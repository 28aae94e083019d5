use std::sync::Arc;

use super::{Sandbox, SimulatedClock};
use crate::service::{
    Billing, CloudFormation, CloudWatch, EventBridge, Iam, Organizations, Services, SesV2, Sqs,
    StepFunctions, Sts,
};

#[expect(
    dead_code,
    reason = "used once the billing services implement their traits"
)]
/// One world behind every trait.
pub(super) fn bundle<T>(sandbox: &T, of: &Sandbox) -> Services
where
    T: Billing
        + CloudFormation
        + CloudWatch
        + EventBridge
        + Iam
        + Organizations
        + SesV2
        + StepFunctions
        + Sqs
        + Sts
        + Clone
        + 'static,
{
    let shared = Arc::new(sandbox.clone());
    Services {
        billing: shared.clone(),
        cloudformation: shared.clone(),
        cloudwatch: shared.clone(),
        eventbridge: shared.clone(),
        iam: shared.clone(),
        organizations: shared.clone(),
        sesv2: shared.clone(),
        sfn: shared.clone(),
        sqs: shared.clone(),
        sts: shared,
        clock: Arc::new(SimulatedClock::new(of.clone())),
        gate: of.gate().clone(),
    }
}
