//! What every managed thing should be, and how what is there differs: here the billing account's things, in
//! `stack_set` the members'. Pure: no calls, no printing. One file per managed thing.

mod access;
mod alarm;
mod bus;
mod dashboard;
pub mod document;
mod execution;
mod fill;
mod mail;
pub mod mail_setup;
mod names;
mod notifier;
pub mod permissions;
mod policies;
mod queue;
mod role;
mod rule;
pub mod stack_set;
mod topic;

use std::fmt;

use serde::Serialize;
use serde_json::Value;

pub use access::Access;
pub use alarm::{Alarm, SPEND_EXPRESSION};
pub use bus::{BUS_STATEMENT, Bus};
pub use dashboard::{Dashboard, MOST_SEARCHED};
pub use execution::{
    EVENT_REFUSED, ExecutionName, MAIL_EXECUTION_PREFIX, UNKNOWN_ACCOUNT, day_execution, day_of, watch_execution,
};
pub use mail::{ConfigurationSet, DESTINATION, Identity, Template, sample_data};
pub use names::{
    ALARM_DETAIL_TYPE, ALARM_SOURCE, Facts, NOTIFIER_TARGET, QUEUE_TARGET, Scope, TEST_DETAIL_TYPE, TEST_SOURCE,
    are_ours, bare_address, operations_topic_arn, tags,
};
pub use notifier::{Notifier, definition};
pub use queue::Queue;
pub use role::Role;
pub use rule::Rule;
pub use topic::Topic;

/// What kind of thing a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Trusted access of StackSets.
    TrustedAccess,
    /// An SQS queue.
    Queue,
    /// An SNS topic.
    Topic,
    /// An event bus.
    EventBus,
    /// An SES identity.
    Identity,
    /// An SES configuration set.
    ConfigurationSet,
    /// An SES template.
    Template,
    /// An IAM role.
    Role,
    /// A state machine.
    StateMachine,
    /// An EventBridge rule.
    Rule,
    /// A CloudWatch alarm.
    Alarm,
    /// A CloudWatch dashboard.
    Dashboard,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TrustedAccess => "trusted access",
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::EventBus => "event bus",
            Self::Identity => "identity",
            Self::ConfigurationSet => "configuration set",
            Self::Template => "mail template",
            Self::Role => "role",
            Self::StateMachine => "state machine",
            Self::Rule => "rule",
            Self::Alarm => "alarm",
            Self::Dashboard => "dashboard",
        })
    }
}

/// Which thing: its kind and its name, unique together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ResourceId {
    /// Its kind.
    pub kind: Kind,
    /// Its name; a rule's with its bus, `default/billctl-own-alarm`.
    pub name: String,
}

/// `role billctl-notifier`.
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// A managed thing, as it should be or as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// Trusted access of StackSets.
    Access(Access),
    /// An SQS queue.
    Queue(Queue),
    /// An SNS topic.
    Topic(Topic),
    /// An event bus.
    Bus(Bus),
    /// An SES identity.
    Identity(Identity),
    /// An SES configuration set.
    ConfigurationSet(ConfigurationSet),
    /// An SES template.
    Template(Template),
    /// An IAM role.
    Role(Role),
    /// A state machine.
    Notifier(Notifier),
    /// A rule.
    Rule(Rule),
    /// An alarm.
    Alarm(Alarm),
    /// A dashboard.
    Dashboard(Dashboard),
}

impl Resource {
    /// Which thing it is.
    pub fn id(&self) -> ResourceId {
        let (kind, name) = match self {
            Self::Access(_) => return Access::id(),
            Self::Queue(queue) => (Kind::Queue, queue.name.clone()),
            Self::Topic(topic) => (Kind::Topic, topic.name.clone()),
            Self::Bus(bus) => (Kind::EventBus, bus.name.clone()),
            Self::Identity(identity) => (Kind::Identity, identity.name.clone()),
            Self::ConfigurationSet(set) => (Kind::ConfigurationSet, set.name.clone()),
            Self::Template(template) => (Kind::Template, template.0.name.clone()),
            Self::Role(role) => (Kind::Role, role.name.clone()),
            Self::Notifier(machine) => (Kind::StateMachine, machine.name.clone()),
            Self::Rule(rule) => (Kind::Rule, format!("{}/{}", rule.rule.bus, rule.rule.name)),
            Self::Alarm(alarm) => (Kind::Alarm, alarm.0.name.clone()),
            Self::Dashboard(dashboard) => (Kind::Dashboard, dashboard.name.clone()),
        };
        ResourceId { kind, name }
    }

    /// What is compared, in its one form.
    pub fn document(&self) -> Value {
        match self {
            Self::Access(access) => access.document(),
            Self::Queue(queue) => queue.document(),
            Self::Topic(topic) => topic.document(),
            Self::Bus(bus) => bus.document(),
            Self::Identity(identity) => identity.document(),
            Self::ConfigurationSet(set) => set.document(),
            Self::Template(template) => template.document(),
            Self::Role(role) => role.document(),
            Self::Notifier(machine) => machine.document(),
            Self::Rule(rule) => rule.document(),
            Self::Alarm(alarm) => alarm.document(),
            Self::Dashboard(dashboard) => dashboard.document(),
        }
    }

    /// Whether billctl made it: by its tags, and where a service shows none with its answer, by its description or
    /// its content, which nobody writes by chance.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Access(_) => true,
            Self::Queue(queue) => queue.is_ours(),
            Self::Topic(topic) => topic.is_ours(),
            Self::Bus(bus) => bus.is_ours(),
            Self::Template(template) => template.is_ours(),
            Self::Identity(identity) => identity.is_ours(),
            Self::ConfigurationSet(set) => set.is_ours(),
            Self::Role(role) => role.is_ours(),
            Self::Notifier(machine) => machine.is_ours(),
            Self::Rule(rule) => rule.is_ours(),
            Self::Alarm(alarm) => alarm.is_ours(),
            Self::Dashboard(dashboard) => dashboard.is_ours(),
        }
    }

    /// What it should be given what is there: what others set on things that they share with billctl stays.
    #[must_use]
    pub fn beside(self, observed: &Self) -> Self {
        match (self, observed) {
            (Self::Bus(bus), Self::Bus(observed)) => Self::Bus(bus.beside(observed)),
            (Self::Identity(identity), Self::Identity(observed)) => Self::Identity(identity.beside(observed)),
            (Self::Topic(topic), Self::Topic(observed)) => Self::Topic(topic.beside(observed)),
            (Self::Alarm(alarm), Self::Alarm(observed)) => Self::Alarm(alarm.beside(observed)),
            (desired, _) => desired,
        }
    }
}

/// Everything that the billing account should have, in the order in which it can be made: what is referred to
/// comes first, and the management account's own alarm late, because it can fire the moment it exists and its rule
/// has to be there by then (AWS-FACTS 2).
pub fn desired(scope: &Scope) -> Vec<Resource> {
    let mut all = vec![
        Resource::Access(Access::desired()),
        Resource::Queue(Queue::desired(scope)),
        Resource::Bus(Bus::desired(scope)),
    ];
    all.extend(Topic::desired(scope).map(Resource::Topic));
    all.extend(Identity::desired(scope).map(Resource::Identity));
    all.extend([
        Resource::ConfigurationSet(ConfigurationSet::desired(scope)),
        Resource::Template(Template::desired(scope)),
        Resource::Role(Role::notifier(scope)),
        Resource::Notifier(Notifier::desired(scope)),
        Resource::Role(Role::rules(scope)),
        Resource::Rule(Rule::members(scope)),
    ]);
    all.extend(Rule::own(scope).map(Resource::Rule));
    all.extend([
        Resource::Rule(Rule::mail_failures(scope)),
        Resource::Alarm(Alarm::failures(scope)),
        Resource::Alarm(Alarm::queue(scope)),
        Resource::Alarm(Alarm::own(scope)),
        Resource::Dashboard(Dashboard::desired(scope)),
    ]);
    all
}

/// Everything that billctl may have made with this config or an earlier one, in the same order.
pub fn possible(scope: &Scope) -> Vec<Resource> {
    let mut all = desired(scope);
    if Topic::desired(scope).is_none() {
        all.insert(0, Resource::Topic(Topic::possible(scope)));
    }
    all
}

#[cfg(test)]
pub(crate) mod tests;
