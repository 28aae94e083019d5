//! How a StackSet operation ended.

use std::collections::BTreeMap;

use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{OperationId, OperationStatus};

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its id.
    pub id: OperationId,
    /// Its status. `Succeeded` can hide failures within the tolerance (docs/aws-facts.md, "StackSets: operations").
    pub status: OperationStatus,
    /// The accounts that failed, with the reason in CloudFormation's words.
    pub failures: BTreeMap<AccountId, String>,
    /// The accounts that were not reached because the operation stopped.
    pub cancelled: Vec<AccountId>,
    /// Failures that AWS counts but doesn't list.
    pub unlisted: u32,
    /// Why the operation as a whole failed, where AWS says so.
    pub reason: Option<String>,
}

impl Outcome {
    /// Whether every account is as it should be.
    pub fn is_clean(&self) -> bool {
        self.is_within_tolerance() && self.failures.is_empty() && self.unlisted == 0
    }

    /// Whether it went through, if with failures that were tolerated.
    pub fn is_within_tolerance(&self) -> bool {
        self.status == OperationStatus::Succeeded
    }

    /// Whether somebody stopped it.
    pub fn is_stopped(&self) -> bool {
        self.status == OperationStatus::Stopped
    }
}
