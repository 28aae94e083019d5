//! How well each account is watched.

use jiff::Timestamp;
use serde::Serialize;

use billctl_core::model::{AccountId, AccountState, Time, Usd};
use billctl_core::service::cloudformation::{DetailedStatus, DriftStatus, InstanceStatus, ResourceDrift};

/// How well an account is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// It should have an instance and has none.
    Missing,
    /// Its instance is behind or broken, and nothing works on it.
    Failed,
    /// Its instance is behind, and nothing failed in it: an operation stopped before it, or its wave is still to come.
    Outdated,
    /// Its threshold isn't the one that config says.
    WrongThreshold,
    /// Its resources were changed by hand.
    Drifted,
    /// It has an instance that config doesn't ask for.
    Stray,
    /// The billing account has no charges for it that its alarm could see.
    NoData,
    /// An operation works on it, or is about to.
    InProgress,
    /// Its threshold could not be read without `--deep`.
    ThresholdUnread,
    /// As it should be.
    Covered,
    /// Not active, so it spends nothing that an alarm could tell.
    NotActive,
    /// Config excludes it.
    Excluded,
    /// No OU that it is in is targeted.
    NotTargeted,
    /// The management account: its alarm is on the billing side.
    Management,
}

impl Coverage {
    /// Whether `--check` fails on it.
    pub const fn is_finding(self) -> bool {
        matches!(
            self,
            Self::Missing
                | Self::Failed
                | Self::Outdated
                | Self::WrongThreshold
                | Self::Drifted
                | Self::Stray
                | Self::NoData
        )
    }

    /// As JSON names it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::Outdated => "outdated",
            Self::WrongThreshold => "wrong-threshold",
            Self::Drifted => "drifted",
            Self::Stray => "stray",
            Self::NoData => "no-data",
            Self::InProgress => "in-progress",
            Self::ThresholdUnread => "threshold-unread",
            Self::Covered => "covered",
            Self::NotActive => "not-active",
            Self::Excluded => "excluded",
            Self::NotTargeted => "not-targeted",
            Self::Management => "management",
        }
    }

    /// In a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "uncovered",
            Self::Failed => "failed",
            Self::Outdated => "outdated",
            Self::WrongThreshold => "wrong threshold",
            Self::Drifted => "drifted",
            Self::Stray => "not in config",
            Self::NoData => "no data",
            Self::InProgress => "in progress",
            Self::ThresholdUnread => "not read",
            Self::Covered => "covered",
            Self::NotActive => "not active",
            Self::Excluded => "excluded",
            Self::NotTargeted => "not targeted",
            Self::Management => "billing side",
        }
    }
}

/// One account.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct AccountStatus {
    /// Its id.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The OU it is in, as a path.
    pub ou: String,
    /// Where it is in its life.
    pub state: AccountState,
    /// How well it is watched.
    pub coverage: Coverage,
    /// The threshold that config wants, in US dollars.
    pub wanted: Option<Usd>,
    /// The threshold in force, as far as it is known.
    pub effective: Option<Usd>,
    /// Whether it is an override of the StackSet's.
    pub overridden: Option<bool>,
    /// Its instance's status against the StackSet.
    pub instance: Option<InstanceStatus>,
    /// What the last operation did with it.
    pub detailed: Option<DetailedStatus>,
    /// Why it is behind or broken, in CloudFormation's words.
    pub reason: String,
    /// The last drift result.
    pub drift: Option<DriftStatus>,
    /// When drift was last looked for.
    #[schemars(with = "Option<Time>")]
    pub drift_checked: Option<Timestamp>,
    /// What has drifted, where this run looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drifted_resources: Vec<ResourceDrift>,
}
