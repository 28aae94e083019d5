use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::member::Member;
use super::{cloudformation, cloudwatch, eventbridge, iam, organizations, sesv2, sfn, sqs};
use crate::model::AccountId;

/// Everything that the sandbox knows: one serialisable value.
///
/// Each service's state is a type of its own in the file of that service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// The simulated time.
    pub now: Timestamp,
    /// OUs and accounts.
    pub organizations: organizations::State,
    /// StackSets, their instances and operations.
    pub cloudformation: cloudformation::State,
    /// The payer's metrics, alarms and dashboards.
    pub cloudwatch: cloudwatch::State,
    /// The payer's buses and rules.
    pub eventbridge: eventbridge::State,
    /// The payer's roles.
    pub iam: iam::State,
    /// Identities, templates, and mails sent.
    pub sesv2: sesv2::State,
    /// State machines and their executions.
    pub sfn: sfn::State,
    /// Queues and their messages.
    pub sqs: sqs::State,
    /// What the StackSet's stacks made in the members.
    pub members: BTreeMap<AccountId, Member>,
}
