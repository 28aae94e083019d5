//! A member account, seen from inside: by a role there that the management account may assume. What holds in a member
//! can only be seen in the member (docs/aws-facts.md, "Charges of linked accounts").

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::cloudwatch::{AlarmState, AlarmStatus, DataRequest, Series};
use super::eventbridge::{Rule, Target};
use super::operation::operations;
use super::{Operation, Page, Result, Service};
use crate::model::{AccountId, Arn};

// It gives credentials and changes nothing.
operations!(Sts: ASSUME_ROLE = read "AssumeRole";);

/// `SetAlarmState`, which billctl calls in members alone: no policy of a billing account needs it.
pub const SET_ALARM_STATE: Operation = Operation::write(Service::CloudWatch, "SetAlarmState");

/// What a session is called: in the member's CloudTrail it says who was there.
pub const SESSION_NAME: &str = "billctl";
/// How long a session lasts: the shortest that AssumeRole gives (API reference).
pub const SESSION_SECONDS: u16 = 900;

/// How to get into a member.
#[derive(Debug, Clone, PartialEq)]
pub struct WayIn {
    /// The member.
    pub account: AccountId,
    /// The role there.
    pub role: String,
    /// What the session may do, of what the role may do: the role is an administrator's.
    pub policy: Value,
}

impl WayIn {
    /// The role's ARN.
    pub fn role_arn(&self) -> Arn {
        Arn::new("iam", "", self.account, &format!("role/{}", self.role))
    }
}

/// What billctl does inside a member.
#[async_trait]
pub trait Member: Send + Sync {
    /// `DescribeAlarms` of one metric alarm.
    async fn describe_alarm(&self, name: &str) -> Result<Option<AlarmStatus>>;
    /// `SetAlarmState`. CloudWatch puts it back at its next evaluation.
    async fn set_alarm_state(&self, name: &str, state: AlarmState, reason: &str) -> Result<()>;
    /// `GetMetricData`, oldest first, of few points.
    async fn get_metric_data(&self, request: &DataRequest) -> Result<Page<Series>>;
    /// `DescribeRule`, on the default bus.
    async fn describe_rule(&self, name: &str) -> Result<Rule>;
    /// `ListTargetsByRule`, on the default bus.
    async fn list_targets(&self, rule: &str) -> Result<Vec<Target>>;
}

/// The way into members.
#[async_trait]
pub trait Members: Send + Sync {
    /// `AssumeRole`: the member, as the session may see it. Denied is the answer both where the caller may not and
    /// where there is no such role that trusts it.
    async fn enter(&self, way: &WayIn) -> Result<Arc<dyn Member>>;
}
