//! What is kept of a StackSet, its instances and its operations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use billctl_core::model::{AccountId, Arn, OuId, REGION};
use billctl_core::service::Tags;
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, DetailedStatus, DriftStatus, InstanceStatus, OperationAction, OperationId,
    OperationResult, OperationStatus, Parameters, Preferences, ResourceDrift, StackInstance, StackSetOperation,
    Targets,
};

/// A StackSet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SetRecord {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) tags: Tags,
    pub(super) auto_deployment: AutoDeployment,
    pub(super) managed_execution: bool,
    /// The token of the request that made it: the same request again is harmless.
    pub(super) token: String,
    /// Its template and parameters.
    pub(super) revision: u32,
    /// The OUs it was deployed to: auto-deployment follows them.
    pub(super) targets: BTreeSet<OuId>,
    pub(super) instances: BTreeMap<AccountId, Instance>,
    /// Oldest first.
    pub(super) operations: Vec<OperationRecord>,
}

impl SetRecord {
    /// The operations that are running or queued.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &OperationRecord> {
        self.operations.iter().filter(|operation| !operation.status.is_over())
    }

    /// Whether an operation is running or queued.
    pub(super) fn is_busy(&self) -> bool {
        self.unfinished().next().is_some()
    }

    pub(super) fn operation(&self, id: &OperationId) -> Option<&OperationRecord> {
        self.operations.iter().find(|operation| operation.id == *id)
    }
}

/// A stack instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Instance {
    /// The OU that was named when it was made: not necessarily its account's parent.
    pub(super) ou: OuId,
    pub(super) status: InstanceStatus,
    pub(super) detailed: DetailedStatus,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub(super) overrides: Parameters,
    pub(super) drift: DriftStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drift_checked: Option<Timestamp>,
    /// The last operation on it but for drift detection (unverified: docs/aws-facts.md, "StackSets: instances").
    pub(super) last_operation: OperationId,
    /// The serial number of its stack, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stack: Option<u64>,
    /// While lists are behind: what they go on showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behind: Option<Box<Behind>>,
}

/// An instance as a list that is behind shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Behind {
    /// When it changed.
    pub(super) changed: Timestamp,
    /// What it was before the operation; nothing if it wasn't there.
    pub(super) was: Option<(InstanceStatus, DetailedStatus, OperationId)>,
}

impl Instance {
    /// As a list shows it that knows nothing younger than `horizon`.
    pub(super) fn listed_at(&self, stack_set: &str, account: AccountId, horizon: Timestamp) -> Option<StackInstance> {
        let listed = self.listed(stack_set, account);
        match self.behind.as_deref().filter(|behind| behind.changed > horizon) {
            None => Some(listed),
            Some(behind) => behind.was.clone().map(|(status, detailed, last)| StackInstance {
                status,
                detailed_status: Some(detailed),
                last_operation: Some(last),
                ..listed
            }),
        }
    }

    pub(super) fn listed(&self, stack_set: &str, account: AccountId) -> StackInstance {
        StackInstance {
            account,
            ou: Some(self.ou.clone()),
            stack_id: self
                .stack
                .map(|serial| stack_id(stack_set, account, serial).to_string()),
            status: self.status,
            detailed_status: Some(self.detailed),
            reason: self.reason.clone(),
            drift: self.drift,
            drift_checked: self.drift_checked,
            last_operation: Some(self.last_operation.clone()),
        }
    }
}

/// A stack's name as StackSets makes it.
pub(super) fn stack_name(stack_set: &str, serial: u64) -> String {
    format!("StackSet-{stack_set}-{serial:08x}-0000-4000-8000-{serial:012x}")
}

pub(super) fn stack_id(stack_set: &str, account: AccountId, serial: u64) -> Arn {
    Arn::new(
        "cloudformation",
        REGION,
        account,
        &format!(
            "stack/{}/{serial:08x}-0000-4000-9000-{serial:012x}",
            stack_name(stack_set, serial)
        ),
    )
}

/// What an operation does in each account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    Create { overrides: Option<Parameters> },
    Update { overrides: Option<Parameters> },
    UpdateSet { change: Box<SetChange> },
    Delete { retain: bool },
    Drift,
}

impl Work {
    /// The overrides that it gives the instances, where it says any.
    pub(super) const fn overrides(&self) -> Option<&Parameters> {
        match self {
            Self::Create { overrides } | Self::Update { overrides } => overrides.as_ref(),
            Self::UpdateSet { .. } | Self::Delete { .. } | Self::Drift => None,
        }
    }

    pub(super) const fn action(&self) -> OperationAction {
        match self {
            Self::Create { .. } => OperationAction::Create,
            Self::Update { .. } | Self::UpdateSet { .. } => OperationAction::Update,
            Self::Delete { .. } => OperationAction::Delete,
            Self::Drift => OperationAction::DetectDrift,
        }
    }
}

/// What `UpdateStackSet` changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SetChange {
    pub(super) description: String,
    pub(super) template: String,
    pub(super) parameters: Parameters,
    pub(super) tags: Tags,
    /// Not sent together with targets (docs/aws-facts.md, "StackSets: create and update"): then it stays.
    pub(super) auto_deployment: Option<AutoDeployment>,
}

/// Which accounts an operation is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reach {
    /// Every instance.
    All,
    /// As the caller said.
    Targets(Targets),
    /// One account, that StackSets deploys to or leaves by itself.
    Auto { account: AccountId, ou: OuId },
}

impl Reach {
    pub(super) fn targets(&self) -> Option<Targets> {
        match self {
            Self::All => None,
            Self::Targets(targets) => Some(targets.clone()),
            Self::Auto { account, ou } => Some(Targets {
                ous: vec![ou.clone()],
                accounts: AccountFilter::Intersection(vec![*account]),
            }),
        }
    }
}

/// How an operation stands in an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) status: DetailedStatus,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
}

impl Outcome {
    pub(super) fn new(status: DetailedStatus, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            at: None,
        }
    }

    /// As a list shows it that knows nothing younger than `horizon`.
    pub(super) fn listed_at(&self, account: AccountId, horizon: Timestamp) -> OperationResult {
        let is_known = self.at.is_none_or(|at| at <= horizon);
        OperationResult {
            account,
            status: if is_known { self.status } else { DetailedStatus::Running },
            reason: if is_known { self.reason.clone() } else { String::new() },
        }
    }
}

/// An operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OperationRecord {
    pub(super) id: OperationId,
    pub(super) status: OperationStatus,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) work: Work,
    pub(super) reach: Reach,
    pub(super) preferences: Preferences,
    /// Accounts not begun, in order.
    pub(super) waiting: VecDeque<AccountId>,
    /// Accounts under way, and when they end.
    pub(super) under_way: BTreeSet<(Timestamp, AccountId)>,
    pub(super) outcomes: BTreeMap<AccountId, Outcome>,
    /// How many accounts it set out for.
    pub(super) total: u32,
    pub(super) failed: u32,
    /// What drift detection found, of accounts that differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) drifts: BTreeMap<AccountId, Vec<ResourceDrift>>,
}

impl OperationRecord {
    pub(super) fn described(&self) -> StackSetOperation {
        StackSetOperation {
            targets: self.reach.targets(),
            ..self.listed()
        }
    }

    /// As a list shows it that knows nothing younger than `horizon`.
    pub(super) fn listed_at(&self, horizon: Timestamp) -> Option<StackSetOperation> {
        (self.created <= horizon).then(|| match self.ended.is_none_or(|ended| ended <= horizon) {
            true => self.listed(),
            false => StackSetOperation {
                status: OperationStatus::Running,
                ended: None,
                reason: None,
                ..self.listed()
            },
        })
    }

    /// As lists have it: without its targets.
    pub(super) fn listed(&self) -> StackSetOperation {
        StackSetOperation {
            id: self.id.clone(),
            action: self.work.action(),
            status: self.status,
            created: Some(self.created),
            ended: self.ended,
            failed_instances: Some(self.failed),
            targets: None,
            reason: (self.status == OperationStatus::Failed).then(|| "The failure tolerance was exceeded".to_owned()),
        }
    }
}
