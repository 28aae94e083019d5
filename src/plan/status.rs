//! Where every account stands: config, organisation and stack instances side by side.

mod findings;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use findings::{Finding, Looked, Reach};

use super::Thresholds;
use super::above::Above;
use super::billing::Plan;
use super::billing_health::BillingHealth;
use super::coverage::{AccountStatus, Coverage};
use super::probe::Probes;
use super::rollout::{Observed, Override, target_of};
use crate::config::Config;
use crate::resource::mail_setup::MailSetup;
use crate::resource::stack_set;
use billctl_core::model::{AccountId, AccountState, OrgId, Organization, OuId, Time};
use billctl_core::service::cloudformation::{
    DetailedStatus, DriftStatus, InstanceStatus, OperationAction, OperationId, OperationStatus, ResourceDrift,
    StackInstance, StackSetOperation,
};

/// Where every account stands.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Status {
    /// The organisation.
    pub organization: OrgId,
    /// When it was looked at.
    #[schemars(with = "Time")]
    pub generated_at: Timestamp,
    /// The OUs and accounts that it is about; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// What isn't as it should be.
    pub findings: Vec<Finding>,
    /// What nothing is claimed of, in a few words each.
    pub not_looked_at: Vec<String>,
    /// When drift was looked for, in words that fit after "drift"; empty where there is nothing to drift.
    #[serde(skip)]
    pub drift_looked: String,
    /// The members.
    #[serde(flatten)]
    pub members: MembersStatus,
    /// What looking into members found, where that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probes>,
    /// The billing side.
    pub billing: BillingStatus,
}

/// The billing side, as far as it can be seen.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum BillingStatus {
    /// What `bootstrap` would change, and how it does.
    Read {
        /// What `bootstrap` would change.
        plan: Plan,
        /// How it does.
        health: Box<BillingHealth>,
        /// What is left to do before a mail can go out.
        mail: Box<MailSetup>,
        /// In SES's sandbox, whom it doesn't let be written to; None where that isn't known.
        #[serde(skip_serializing_if = "Option::is_none")]
        reach: Option<Reach>,
    },
    /// It could not be read.
    Unread {
        /// Why.
        error: String,
    },
    /// These credentials are a delegated administrator's: the billing side is in another account.
    NotHere,
}

/// The members' side.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
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
    /// The StackSet's operations that are under way or wait for their turn, oldest first.
    pub operations: Vec<UnderWay>,
    /// When drift was last looked for.
    pub drift: DriftLook,
    /// What wasn't looked at, in a few words each. The answer has it with what else wasn't.
    #[serde(skip)]
    pub not_looked_at: Vec<String>,
    /// Of that, what a call failed for.
    #[serde(skip)]
    pub unread: Vec<String>,
    /// What else is to be known, such as how to look at it.
    pub notes: Vec<String>,
}

impl MembersStatus {
    /// That `what` isn't known, because a call failed: `why`, in a sentence.
    pub fn failed_to_read(&mut self, what: &str, why: String) {
        self.not_looked_at.push(what.to_owned());
        self.unread.push(what.to_owned());
        self.notes.push(why);
    }

    /// Accounts above their limits whose owners should have been told and weren't.
    pub fn untold(&self) -> usize {
        self.above.iter().filter(|above| above.finding).count()
    }

    /// How many accounts stand so.
    pub fn count(&self, coverage: Coverage) -> usize {
        let stands_so = |account: &&AccountStatus| account.coverage == coverage;
        self.accounts.iter().filter(stands_so).count()
    }

    /// Keeps only these accounts.
    pub fn retain(&mut self, keep: impl Fn(AccountId) -> bool) {
        self.accounts.retain(|account| keep(account.account));
        self.above.retain(|above| keep(above.account));
    }
}

/// An operation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct UnderWay {
    /// Its id.
    pub id: OperationId,
    /// What it does.
    pub action: OperationAction,
    /// How it stands.
    pub status: OperationStatus,
    /// When it was made.
    #[schemars(with = "Option<Time>")]
    pub since: Option<Timestamp>,
    /// How many accounts it is about, as far as the instances tell.
    pub accounts: usize,
    /// In how many of them it is over.
    pub done: usize,
    /// In how many of those it failed.
    pub failed: usize,
}

impl UnderWay {
    fn new(operation: &StackSetOperation, observed: &Observed) -> Self {
        let drift = operation.action == OperationAction::DetectDrift;
        // Looking for drift is nobody's last operation, but leaves its time behind.
        let its_own = |listed: &&StackInstance| drift || listed.last_operation.as_ref() == Some(&operation.id);
        let is_done = |listed: &StackInstance| match (drift, operation.created) {
            (true, Some(created)) => listed.drift_checked.is_some_and(|checked| checked >= created),
            (true, None) => false,
            (false, _) => !listed.detailed_status.is_some_and(is_open),
        };
        let mut found = Self {
            id: operation.id.clone(),
            action: operation.action,
            status: operation.status,
            since: operation.created,
            accounts: 0,
            done: 0,
            failed: 0,
        };
        for listed in observed.instances.values().map(|one| &one.listed).filter(its_own) {
            found.accounts += 1;
            found.done += usize::from(is_done(listed));
            found.failed += usize::from(!drift && listed.detailed_status == Some(DetailedStatus::Failed));
        }
        found
    }
}

/// Whether an operation isn't over yet in an account.
pub(crate) const fn is_open(status: DetailedStatus) -> bool {
    matches!(status, DetailedStatus::Pending | DetailedStatus::Running)
}

/// When drift was last looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DriftLook {
    /// The newest look at any instance; None where there never was one.
    #[schemars(with = "Option<Time>")]
    pub last: Option<Timestamp>,
    /// Whether it is longer ago than `[status] drift-every`.
    pub due: bool,
    /// Active accounts whose stack the last look couldn't be taken at.
    pub unknown: usize,
}

impl DriftLook {
    /// How it stands with drift at `now`. A StackSet that is younger than `every` needn't have been looked at: `since` is
    /// when its first operation was made, where that is known.
    pub fn new(observed: &Observed, since: Option<Timestamp>, every: Option<SignedDuration>, now: Timestamp) -> Self {
        let looks = observed.instances.values().filter_map(|one| one.listed.drift_checked);
        let last = looks.max();
        let fresh = |at: Timestamp| every.is_none_or(|every| now.duration_since(at) < every);
        Self {
            last,
            due: every.is_some() && !observed.instances.is_empty() && !last.max(since).is_some_and(fresh),
            unknown: 0,
        }
    }
}

/// What was found out besides the listing.
#[derive(Debug, Default)]
pub struct Findings {
    /// The operations that are under way.
    pub operations: Vec<StackSetOperation>,
    /// When drift was last looked for.
    pub drift: DriftLook,
    /// The accounts whose alarm has no data.
    pub without_data: BTreeSet<AccountId>,
    /// The billing account has no charges of any account: not one alarm has data.
    pub no_charges: bool,
    /// What has drifted.
    pub drifts: BTreeMap<AccountId, Vec<ResourceDrift>>,
    /// What wasn't looked at, in a few words each.
    pub not_looked_at: Vec<String>,
    /// Of that, what a call failed for.
    pub unread: Vec<String>,
    /// What else is to be known, such as how to look at it.
    pub notes: Vec<String>,
}

impl Findings {
    /// As [`MembersStatus::failed_to_read`].
    pub fn failed_to_read(&mut self, what: &str, why: String) {
        self.not_looked_at.push(what.to_owned());
        self.unread.push(what.to_owned());
        self.notes.push(why);
    }
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
    let live = observed.stack_set.as_ref();
    let default = live.and_then(|live| stack_set::threshold(&live.parameters));
    let configured = !config.deploy.ous.is_empty() || !config.waves.is_empty();
    let mut accounts: Vec<AccountStatus> = organization
        .accounts()
        .map(|(account, parent)| {
            let instance = observed.instances.get(&account.id);
            let targeted = target_of(organization, parent, targets).is_some();
            let excluded = config.deploy.exclude_accounts.contains(&account.id);
            let wanted = thresholds.of(account.id, parent, organization);
            // What is behind has the threshold of an earlier operation, which nothing lists.
            let effective = instance
                .filter(|instance| instance.listed.status == InstanceStatus::Current)
                .and_then(|instance| instance.effective(default));
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
                    Some(instance) if instance.listed.status != InstanceStatus::Current => {
                        behind(&instance.listed, &findings.operations)
                    }
                    Some(instance) if instance.threshold != Override::Unknown && effective != Some(wanted) => {
                        Coverage::WrongThreshold
                    }
                    Some(instance) if instance.listed.drift == DriftStatus::Drifted => Coverage::Drifted,
                    Some(_) if findings.without_data.contains(&account.id) => Coverage::NoData,
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
    let unknown = |one: &&AccountStatus| one.state == AccountState::Active && one.drift == Some(DriftStatus::Unknown);
    findings.drift.unknown = accounts.iter().filter(unknown).count();
    let changes = live.map_or_else(Vec::new, |live| stack_set::diff(spec, live));
    findings.notes.extend(changes.iter().find_map(newcomers));
    accounts.sort_by(|a, b| (a.coverage, &a.ou, a.account).cmp(&(b.coverage, &b.ou, b.account)));
    let under_way = findings.operations.iter();
    let operations = under_way.map(|operation| UnderWay::new(operation, observed)).collect();
    MembersStatus {
        stack_set: spec.name.clone(),
        exists: live.is_some(),
        changes,
        accounts,
        no_charges: findings.no_charges,
        above: Vec::new(),
        operations,
        drift: findings.drift,
        not_looked_at: findings.not_looked_at,
        unread: findings.unread,
        notes: findings.notes,
    }
}

/// What another default means for the accounts to come. It is no finding: whoever may only move thresholds
/// (`deploy --instances-only`) can't change it, and puts newcomers right as they come.
fn newcomers(change: &stack_set::FieldChange) -> Option<String> {
    let (before, after) = (change.before.as_deref()?, change.after.as_deref()?);
    (change.field == stack_set::DEFAULT_THRESHOLD).then(|| {
        format!(
            "the StackSet's default threshold is {before}, config says {after}: accounts that come to it have {before} \
             until the next deploy; `billctl deploy` of everything changes the default"
        )
    })
}

/// How well an account is watched whose instance isn't as the StackSet says.
fn behind(listed: &StackInstance, operations: &[StackSetOperation]) -> Coverage {
    let failed = match listed.detailed_status {
        _ if listed.status == InstanceStatus::Inoperable => true,
        None | Some(DetailedStatus::Pending | DetailedStatus::Running) => false,
        Some(DetailedStatus::Succeeded | DetailedStatus::Cancelled) => false,
        Some(
            DetailedStatus::Failed
            | DetailedStatus::Inoperable
            | DetailedStatus::SkippedSuspendedAccount
            | DetailedStatus::FailedImport,
        ) => true,
    };
    // Looking for drift takes nothing up.
    let changes = operations.iter().any(|one| one.action != OperationAction::DetectDrift);
    match (failed, changes) {
        (true, _) => Coverage::Failed,
        (false, true) => Coverage::InProgress,
        (false, false) => Coverage::Outdated,
    }
}
