//! EventBridge: the bus, its policy, rules and targets.

use async_trait::async_trait;
use serde_json::Value;

use super::operation::operations;
use super::{Result, Tags};
use crate::model::Arn;

operations!(EventBridge:
    CREATE_EVENT_BUS = write "CreateEventBus";
    DELETE_EVENT_BUS = write "DeleteEventBus";
    DELETE_RULE = write "DeleteRule";
    DESCRIBE_EVENT_BUS = read "DescribeEventBus";
    DESCRIBE_RULE = read "DescribeRule";
    LIST_TAGS_FOR_RESOURCE = read "ListTagsForResource";
    LIST_TARGETS_BY_RULE = read "ListTargetsByRule";
    PUT_EVENTS = write "PutEvents";
    PUT_PERMISSION = write "PutPermission";
    PUT_RULE = write "PutRule";
    PUT_TARGETS = write "PutTargets";
    REMOVE_PERMISSION = write "RemovePermission";
    REMOVE_TARGETS = write "RemoveTargets";
);

/// The name of the bus that every account has.
pub const DEFAULT_BUS: &str = "default";

/// An event bus.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBus {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// Its resource policy, if it has one.
    pub policy: Option<Value>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The bus that it is on.
    pub bus: String,
    /// What it matches.
    pub pattern: Value,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its description.
    pub description: String,
}

/// A rule's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id within the rule.
    pub id: String,
    /// What is invoked.
    pub arn: Arn,
    /// The role that invokes it.
    pub role_arn: Option<Arn>,
    /// The queue for events that could not be delivered.
    pub dead_letter_arn: Option<Arn>,
    /// Anything else set on the target (input transformers, retry policies), which billctl doesn't use: shown as
    /// a difference and removed.
    pub extras: Option<String>,
}

/// An event to send, as `PutEvents` takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The bus.
    pub bus: String,
    /// Its source; not `aws.*`, which AWS refuses from callers.
    pub source: String,
    /// Its detail-type.
    pub detail_type: String,
    /// Its detail.
    pub detail: Value,
    /// ARNs it is about.
    pub resources: Vec<String>,
}

/// The operations of EventBridge that billctl uses.
#[async_trait]
pub trait EventBridge: Send + Sync {
    /// `DescribeEventBus`.
    async fn describe_event_bus(&self, name: &str) -> Result<EventBus>;
    /// `ListTagsForResource`, of a bus.
    async fn list_tags(&self, bus: &Arn) -> Result<Tags>;
    /// `CreateEventBus`.
    async fn create_event_bus(&self, name: &str, tags: &Tags) -> Result<Arn>;
    /// `DeleteEventBus`. Its rules have to go first.
    async fn delete_event_bus(&self, name: &str) -> Result<()>;
    /// `PutPermission` with a whole policy: replaces the bus's policy.
    async fn put_bus_policy(&self, bus: &str, policy: &Value) -> Result<()>;
    /// `RemovePermission` of one statement.
    async fn remove_bus_statement(&self, bus: &str, statement_id: &str) -> Result<()>;
    /// `DescribeRule`.
    async fn describe_rule(&self, bus: &str, name: &str) -> Result<Rule>;
    /// `PutRule`: makes or replaces it; its targets stay.
    async fn put_rule(&self, rule: &Rule) -> Result<()>;
    /// `DeleteRule`. Its targets have to go first.
    async fn delete_rule(&self, bus: &str, name: &str) -> Result<()>;
    /// `ListTargetsByRule` (all: a rule holds at most five).
    async fn list_targets(&self, bus: &str, rule: &str) -> Result<Vec<Target>>;
    /// `PutTargets`: adds or replaces by id. A refused entry is an error.
    async fn put_targets(&self, bus: &str, rule: &str, targets: &[Target]) -> Result<()>;
    /// `RemoveTargets`.
    async fn remove_targets(&self, bus: &str, rule: &str, ids: &[String]) -> Result<()>;
    /// `PutEvents` with one event: answers its id. A refused entry is an error.
    async fn put_event(&self, event: &NewEvent) -> Result<String>;
}
