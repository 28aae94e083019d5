//! What every managed thing should be, and how what is there differs: here the billing account's things, in
//! `stack_set` the members'. Pure: no calls, no printing. One file per managed thing, and its line in `every_kind`.

mod access;
mod alarm;
mod bus;
mod chat;
mod configuration_set;
mod dashboard;
pub mod document;
mod execution;
mod fill;
mod identity;
pub mod mail_setup;
mod names;
mod notifier;
pub mod permissions;
mod policies;
mod queue;
mod role;
mod rule;
pub mod stack_set;
mod template;
mod topic;

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde_json::Value;

use billctl_core::service::cloudformation::OrganizationsAccess;
use billctl_core::service::sesv2::{EmailIdentity, EmailTemplate};
use billctl_core::service::sfn::StateMachine;

pub use alarm::{Alarm, SPEND_EXPRESSION};
pub use bus::{BUS_STATEMENT, Bus};
pub use chat::Chat;
pub use configuration_set::{ConfigurationSet, DESTINATION};
pub use dashboard::{Dashboard, MOST_SEARCHED};
pub use execution::{
    CHAT_NOT_TOLD, EVENT_REFUSED, ExecutionName, MAIL_EXECUTION_PREFIX, UNKNOWN_ACCOUNT, day_execution, day_of,
    digest_execution, unsent_execution, watch_execution,
};
pub use names::{
    ALARM_DETAIL_TYPE, ALARM_SOURCE, Facts, NOTIFIER_TARGET, Naming, QUEUE_TARGET, TEST_DETAIL_TYPE, TEST_SOURCE,
    alarm_arn, are_ours, bus_arn, notifier_role_arn, operations_topic_arn, tags,
};
pub use notifier::definition;
pub(crate) use notifier::knows_digests;
pub use queue::Queue;
pub use role::Role;
pub use rule::Rule;
pub use template::sample_data;
pub use topic::Topic;

/// Every kind of managed thing, in the order in which they can be made: what is referred to comes first, and alarms
/// late, because one can fire the moment it exists and its rule has to be there by then
/// (docs/aws-facts.md, "Alarms on charges"). Whatever goes through all kinds is written by a macro that is handed this
/// list.
macro_rules! every_kind {
    ($macro:ident) => {
        $macro! {
            TrustedAccess(OrganizationsAccess) "trusted access",
            Queue(Queue) "queue",
            EventBus(Bus) "event bus",
            Topic(Topic) "topic",
            Identity(EmailIdentity) "identity",
            ConfigurationSet(ConfigurationSet) "configuration set",
            Template(EmailTemplate) "mail template",
            Role(Role) "role",
            StateMachine(StateMachine) "state machine",
            Rule(Rule) "rule",
            Alarm(Alarm) "alarm",
            Dashboard(Dashboard) "dashboard",
        }
    };
}
pub(crate) use every_kind;

/// What to do about a thing that somebody else [`limited`](Thing::limited).
pub const LIMITED: &str = "take it off the role, or name it as permissions-boundary under [bootstrap]";

/// Why something stays that bears no mark of billctl.
const NOT_OURS: &str = "billctl didn't make it";

/// What there is to say of each kind of managed thing.
pub trait Thing {
    /// Those that the billing account should have, in the order in which they can be made.
    fn desired(naming: &Naming) -> Vec<Self>
    where
        Self: Sized;

    /// Those that billctl may have made with this config or an earlier one.
    fn possible(naming: &Naming) -> Vec<Self>
    where
        Self: Sized,
    {
        Self::desired(naming)
    }

    /// Its name, unique among its kind.
    fn name(&self) -> String;

    /// What is compared, in its one form.
    fn document(&self) -> Value;

    /// Whether billctl made it, or nobody did: by its tags, and where a service shows none with its answer, by its
    /// description or its content, which nobody writes by chance.
    fn is_ours(&self) -> bool;

    /// What it should be given what is there: what others set on things that they share with billctl stays.
    #[must_use]
    fn beside(self, _observed: &Self) -> Self
    where
        Self: Sized,
    {
        self
    }

    /// What somebody else set on it that [`beside`](Self::beside) leaves and that may keep it from its work. The remedy is
    /// [`LIMITED`].
    fn limited(&self) -> Option<String> {
        None
    }

    /// Why `destroy` leaves it; None where it goes.
    fn stays(&self) -> Option<&'static str> {
        (!self.is_ours()).then_some(NOT_OURS)
    }
}

macro_rules! declare {
    ($($kind:ident($thing:ident) $words:literal,)*) => {
        /// What kind of thing a resource is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            $(#[doc = $words] $kind,)*
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$kind => $words,)* })
            }
        }

        /// A managed thing, as it should be or as it is.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Resource {
            $(#[doc = $words] $kind($thing),)*
        }

        impl Deref for Resource {
            type Target = dyn Thing;

            fn deref(&self) -> &Self::Target {
                match self { $(Self::$kind(thing) => thing,)* }
            }
        }

        impl Resource {
            /// Which thing it is.
            pub fn id(&self) -> ResourceId {
                let kind = match self { $(Self::$kind(_) => Kind::$kind,)* };
                ResourceId { kind, name: self.name() }
            }

            /// As [`Thing::beside`].
            #[must_use]
            pub fn beside(self, observed: &Self) -> Self {
                match (self, observed) {
                    $((Self::$kind(thing), Self::$kind(observed)) => Self::$kind(thing.beside(observed)),)*
                    (desired, _) => desired,
                }
            }
        }

        /// Everything that the billing account should have, in the order in which it can be made.
        pub fn desired(naming: &Naming) -> Vec<Resource> {
            let mut all = Vec::new();
            $(all.extend($thing::desired(naming).into_iter().map(Resource::$kind));)*
            all
        }

        /// Everything that billctl may have made with this config or an earlier one, in the same order.
        pub fn possible(naming: &Naming) -> Vec<Resource> {
            let mut all = Vec::new();
            $(all.extend($thing::possible(naming).into_iter().map(Resource::$kind));)*
            all
        }
    };
}
every_kind!(declare);

/// Which thing: its kind and its name, unique together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
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

#[cfg(test)]
pub(crate) mod tests;
