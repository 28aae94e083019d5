//! What is in the member accounts.
//!
//! A stack's resources aren't kept: they follow from its template, its parameters and its account, so 10,000 of
//! them cost little. Kept is only what can't be derived: which revision it has, how its alarm stands, and what was
//! changed by hand. Ask [`World::member_alarm`], [`World::member_rule`] and [`World::member_role`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use billctl_core::model::Arn;
use billctl_core::service::cloudformation::Parameters;
use billctl_core::service::cloudwatch::AlarmState;

#[allow(unused_imports, reason = "the link above")]
use super::World;

/// A member account's side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its stacks: one of each StackSet that reaches it, and those that were retained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<Stack>,
    /// How its spend alarm stands.
    #[serde(default)]
    pub alarm_state: MemberAlarmState,
}

/// How a member's alarm stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAlarmState {
    /// Its state.
    pub state: AlarmState,
    /// Why, in CloudWatch's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// A CloudFormation stack in a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The StackSet it came from.
    pub stack_set: String,
    /// Tells this stack from others of the same StackSet and account, before and after it.
    pub serial: u64,
    /// The revision of the StackSet's template and parameters that it has.
    pub revision: u32,
    /// Its parameters that differ from the StackSet's.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub overrides: Parameters,
    /// Whether its instance was deleted and the stack left behind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retained: bool,
    /// What people changed by hand, by logical id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edits: BTreeMap<String, Edit>,
}

/// A change by hand to a stack's resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// It was deleted.
    Deleted,
    /// Top-level properties that were set, by name; null is a property taken away.
    Changed(BTreeMap<String, Value>),
}

/// The rule that forwards the alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRule {
    /// Its name.
    pub name: String,
    /// What it matches.
    pub pattern: Value,
    /// Whether it is on.
    pub enabled: bool,
    /// The bus that gets the event.
    pub target: Arn,
    /// The role that it is sent with.
    pub role: Option<Arn>,
}

/// The role with which the rule sends.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRole {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// Who may assume it.
    pub trust_policy: Value,
    /// Its inline policies, by name.
    pub policies: BTreeMap<String, Value>,
    /// Its permissions boundary.
    pub boundary: Option<Arn>,
}
