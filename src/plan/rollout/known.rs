use std::collections::BTreeMap;

use crate::plan::operation_id::Mark;
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudformation::{DetailedStatus, InstanceStatus, OperationId, StackInstance, StackSet};

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The StackSet, if it exists.
    pub stack_set: Option<StackSet>,
    /// Its instances by account.
    pub instances: BTreeMap<AccountId, Instance>,
}

/// A stack instance and what is known of its override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// As listed.
    pub listed: StackInstance,
    /// Its threshold override, as far as it is known.
    pub threshold: Override,
}

/// What is known of an instance's threshold override.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Override {
    /// It has this one, or none.
    Known(Option<Usd>),
    /// Only DescribeStackInstance can tell.
    Unknown,
}

impl Instance {
    /// An instance as listed. Its override is known if billctl's own operation was the last one on it and went
    /// well (see [`Mark`]).
    pub fn from_listing(listed: StackInstance) -> Self {
        let threshold = match listed.last_operation.as_ref().and_then(Mark::read) {
            Some(Mark::Override(threshold)) if went_well(&listed) => Override::Known(threshold),
            _ => Override::Unknown,
        };
        Self { listed, threshold }
    }

    /// The threshold in force when the StackSet's is `default`.
    pub fn effective(&self, default: Option<Usd>) -> Option<Usd> {
        match self.threshold {
            Override::Known(threshold) => threshold.or(default),
            Override::Unknown => None,
        }
    }
}

/// Whether the last operation did with this instance what it was to do. It may be OUTDATED all the same: an update of
/// the StackSet that is for others marks it so. Where no status of the operation itself is known, only what is
/// CURRENT is believed.
fn went_well(listed: &StackInstance) -> bool {
    match listed.detailed_status {
        Some(detailed) => detailed == DetailedStatus::Succeeded && listed.status != InstanceStatus::Inoperable,
        None => listed.status == InstanceStatus::Current,
    }
}

impl Observed {
    /// What is there, as listed.
    pub fn from_listing(stack_set: Option<StackSet>, instances: impl IntoIterator<Item = StackInstance>) -> Self {
        Self {
            stack_set,
            instances: instances
                .into_iter()
                .map(|listed| (listed.account, Instance::from_listing(listed)))
                .collect(),
        }
    }

    /// Takes over what was known `before` an operation that changes no override, of instances on which nothing else
    /// has worked since.
    pub fn keep_known(&mut self, before: &Self, operation: &OperationId) {
        for (account, instance) in &mut self.instances {
            let Some(before) = before.instances.get(account) else {
                continue;
            };
            let last = instance.listed.last_operation.as_ref();
            let untouched = last == Some(operation) || last == before.listed.last_operation.as_ref();
            if untouched && instance.threshold == Override::Unknown {
                instance.threshold = before.threshold;
            }
        }
    }
}
