use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Arn;
use crate::service::cloudwatch::{Alarm, AlarmState};

/// A member account's side: what the stack made there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Member {
    /// The alarm and its state.
    pub alarm: Option<(Alarm, AlarmState)>,
    /// The rule on the default bus.
    pub rule: Option<MemberRule>,
    /// The role's name, trust policy and inline policy.
    pub role: Option<(String, Value, Value)>,
}

/// The rule that forwards the alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberRule {
    /// What it matches.
    pub pattern: Value,
    /// The bus that gets the event.
    pub target: Arn,
    /// The role that it is sent with.
    pub role: Arn,
}
