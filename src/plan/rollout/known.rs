use std::collections::BTreeMap;

use crate::plan::operation_id::Mark;
use crate::resource::override_record::OverrideRecord;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    /// It has this one, or none.
    Known(Option<Usd>),
    /// Only DescribeStackInstance can tell.
    Unknown,
}

/// What a run's own operations have done so far: for each account the last one, and the override that it left.
pub type Own = BTreeMap<AccountId, (OperationId, Override)>;

impl Instance {
    /// An instance as listed. Its override is known if billctl's own operation was the last one on it and went
    /// well (see [`Mark`]), or was an update of the StackSet that recorded it: such an update leaves overrides as
    /// they are, also where it fails.
    pub fn from_listing(listed: StackInstance, record: Option<&OverrideRecord>) -> Self {
        let threshold = match listed.last_operation.as_ref().and_then(Mark::read) {
            Some(Mark::Override(threshold)) if went_well(&listed) => Override::Known(threshold),
            // A record of another operation says nothing: it may be older or younger than this listing.
            Some(Mark::StackSet) => record
                .filter(|record| Some(&record.operation) == listed.last_operation.as_ref())
                .and_then(|record| record.told(listed.account))
                .map_or(Override::Unknown, Override::Known),
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

/// Whether the last operation did with this instance what it was to do. Engines differ in when they change the
/// status of an instance that an operation gave up before it came to it, so both statuses must agree.
fn went_well(listed: &StackInstance) -> bool {
    listed.status == InstanceStatus::Current && matches!(listed.detailed_status, None | Some(DetailedStatus::Succeeded))
}

impl Observed {
    /// What is there, as listed.
    pub fn from_listing(stack_set: Option<StackSet>, instances: impl IntoIterator<Item = StackInstance>) -> Self {
        let record = stack_set.as_ref().and_then(|live| OverrideRecord::read(&live.template));
        Self {
            stack_set,
            instances: instances
                .into_iter()
                .map(|listed| (listed.account, Instance::from_listing(listed, record.as_ref())))
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

    /// What an update of the StackSet by `operation` has to record, so that it hides no override. `self` is what
    /// is listed just before it; `planned` is what the plan was made for, with the overrides that were asked for;
    /// `own` is what this run has done since.
    pub fn record(&self, operation: OperationId, planned: &Self, own: &Own) -> OverrideRecord {
        let overrides = self
            .instances
            .iter()
            .filter_map(|(account, instance)| {
                let last = &instance.listed.last_operation;
                let planned = planned
                    .instances
                    .get(account)
                    .filter(|planned| planned.listed.last_operation == *last);
                // The listing may not show this run's operation yet; another one's it would not hide.
                let threshold = match (own.get(account), planned) {
                    (Some((id, left)), _) if last.as_ref() == Some(id) => *left,
                    (Some((_, left)), Some(_)) => *left,
                    (_, Some(planned)) => planned.threshold,
                    (_, None) => instance.threshold,
                };
                match threshold {
                    Override::Known(None) => None,
                    Override::Known(threshold) => Some((*account, threshold)),
                    Override::Unknown => Some((*account, None)),
                }
            })
            .collect();
        OverrideRecord {
            operation,
            overrides: Some(overrides),
        }
    }
}
