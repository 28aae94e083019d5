//! What is true everywhere: config, organisation and stack instances side by side.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::Thresholds;
use super::above::Above;
use super::rollout::{Observed, Override, target_of};
use crate::config::Config;
use crate::resource::stack_set;
use billctl_core::model::{AccountId, AccountState, Organization, OuId, Usd};
use billctl_core::service::cloudformation::{DetailedStatus, DriftStatus, InstanceStatus, ResourceDrift};

/// How well an account is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// It should have an instance and has none.
    Missing,
    /// Its instance is behind or broken.
    Failed,
    /// Its threshold isn't the one that config says.
    WrongThreshold,
    /// Its resources were changed by hand.
    Drifted,
    /// It has an instance that config doesn't ask for.
    Stray,
    /// The billing account has no charges for it that its alarm could see.
    NoData,
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
            Self::Missing | Self::Failed | Self::WrongThreshold | Self::Drifted | Self::Stray | Self::NoData
        )
    }

    /// In a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "uncovered",
            Self::Failed => "failed",
            Self::WrongThreshold => "wrong threshold",
            Self::Drifted => "drifted",
            Self::Stray => "not in config",
            Self::NoData => "no data",
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
#[derive(Debug, Clone, Serialize)]
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
    pub drift_checked: Option<Timestamp>,
    /// What has drifted, where this run looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drifted_resources: Vec<ResourceDrift>,
}

/// The members' side.
#[derive(Debug, Clone, Serialize)]
pub struct MembersStatus {
    /// The StackSet's name.
    pub stack_set: String,
    /// Whether it exists.
    pub exists: bool,
    /// The fields in which it differs from what config wants.
    pub changes: Vec<stack_set::FieldChange>,
    /// Every account, the worst first.
    pub accounts: Vec<AccountStatus>,
    /// The billing account has no charges of any account: not one alarm has data.
    pub no_charges: bool,
    /// The accounts above their limits by the billing account's figures, by most above first.
    pub above: Vec<Above>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

impl MembersStatus {
    /// Accounts above their limits whose owners should have been told and weren't.
    pub fn untold(&self) -> usize {
        self.above.iter().filter(|above| above.finding).count()
    }

    /// How many accounts stand so.
    pub fn count(&self, coverage: Coverage) -> usize {
        self.accounts
            .iter()
            .filter(|account| account.coverage == coverage)
            .count()
    }

    /// Whether `--check` fails.
    pub fn has_findings(&self) -> bool {
        !self.changes.is_empty()
            || self.no_charges
            || self.untold() > 0
            || self.accounts.iter().any(|account| account.coverage.is_finding())
    }
}

/// What was found out besides the listing.
#[derive(Debug, Default)]
pub struct Findings {
    /// The accounts whose alarm has no data.
    pub silent: BTreeSet<AccountId>,
    /// The billing account has no charges of any account: not one alarm has data.
    pub no_charges: bool,
    /// What has drifted.
    pub drifts: BTreeMap<AccountId, Vec<ResourceDrift>>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// Puts config, organisation and instances side by side. `targets` are the OUs that should be covered; instances
/// outside them are strays only if config says the targets itself.
pub fn members(
    config: &Config,
    spec: &billctl_core::service::cloudformation::StackSetSpec,
    organization: &Organization,
    thresholds: &Thresholds,
    targets: &BTreeSet<OuId>,
    observed: &Observed,
    mut findings: Findings,
) -> MembersStatus {
    let default = observed
        .stack_set
        .as_ref()
        .and_then(|live| stack_set::threshold(&live.parameters));
    let configured = !config.deploy.ous.is_empty() || !config.waves.is_empty();
    let mut accounts: Vec<AccountStatus> = organization
        .accounts()
        .map(|(account, parent)| {
            let instance = observed.instances.get(&account.id);
            let targeted = target_of(organization, parent, targets).is_some();
            let excluded = config.deploy.exclude_accounts.contains(&account.id);
            let wanted = thresholds.of(account.id, parent, organization);
            let effective = instance.and_then(|instance| instance.effective(default));
            let coverage = if account.id == organization.management_account {
                Coverage::Management
            } else if account.state != AccountState::Active {
                Coverage::NotActive
            } else {
                match instance {
                    None if excluded => Coverage::Excluded,
                    None if targeted => Coverage::Missing,
                    None => Coverage::NotTargeted,
                    Some(_) if configured && (!targeted || excluded) => Coverage::Stray,
                    Some(instance) if instance.listed.status != InstanceStatus::Current => Coverage::Failed,
                    Some(instance) if instance.threshold != Override::Unknown && effective != Some(wanted) => {
                        Coverage::WrongThreshold
                    }
                    Some(instance) if instance.listed.drift == DriftStatus::Drifted => Coverage::Drifted,
                    Some(_) if findings.silent.contains(&account.id) => Coverage::NoData,
                    Some(instance) if instance.threshold == Override::Unknown => Coverage::ThresholdUnread,
                    Some(_) => Coverage::Covered,
                }
            };
            let shown = targeted || instance.is_some();
            AccountStatus {
                account: account.id,
                name: account.name.clone(),
                ou: organization.path(parent),
                state: account.state,
                coverage,
                wanted: shown.then_some(wanted),
                effective,
                overridden: instance.and_then(|instance| match instance.threshold {
                    Override::Known(threshold) => Some(threshold.is_some()),
                    Override::Unknown => None,
                }),
                instance: instance.map(|instance| instance.listed.status),
                detailed: instance.and_then(|instance| instance.listed.detailed_status),
                reason: instance.map_or_else(String::new, |instance| instance.listed.reason.clone()),
                drift: instance.map(|instance| instance.listed.drift),
                drift_checked: instance.and_then(|instance| instance.listed.drift_checked),
                drifted_resources: findings.drifts.remove(&account.id).unwrap_or_default(),
            }
        })
        .collect();
    accounts.sort_by(|a, b| (a.coverage, &a.ou, a.account).cmp(&(b.coverage, &b.ou, b.account)));
    MembersStatus {
        stack_set: spec.name.clone(),
        exists: observed.stack_set.is_some(),
        changes: observed
            .stack_set
            .as_ref()
            .map_or_else(Vec::new, |live| stack_set::diff(spec, live)),
        accounts,
        no_charges: findings.no_charges,
        above: Vec::new(),
        notes: findings.notes,
    }
}
