//! What a look into members tells: the alarm as it is there, its data, and the rule that forwards it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::Thresholds;
use crate::config::Config;
use crate::resource::bus_arn;
use billctl_core::error::{advice, denied_by};
use billctl_core::model::{AccountId, Arn, Organization, OuId, Time, Usd};
use billctl_core::service::cloudwatch::{AlarmState, AlarmStatus};
use billctl_core::service::{Kind, Result, ServiceError};

/// What was read of a member.
#[derive(Debug, Clone)]
pub enum Look {
    /// From inside. Each read can have failed by itself.
    Inside(Box<Inside>),
    /// There was no way in.
    NoWay(ServiceError),
}

/// A member from inside.
#[derive(Debug, Clone)]
pub struct Inside {
    /// The alarm, if there is one.
    pub alarm: Result<Option<AlarmStatus>>,
    /// Whether its metric had data in the last two days.
    pub has_data: Result<bool>,
    /// The rule that forwards it, if there is one.
    pub rule: Result<Option<ForwardRule>>,
}

/// The rule that forwards a member's alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRule {
    /// Whether it is on.
    pub enabled: bool,
    /// Where it sends.
    pub targets: Vec<Arn>,
}

/// What is wrong in a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeFinding {
    /// The alarm isn't there.
    NoAlarm,
    /// Its threshold isn't the one that config wants.
    WrongThreshold,
    /// Its actions are switched off, which somebody did by hand.
    ActionsOff,
    /// The rule that forwards it isn't there.
    NoRule,
    /// That rule is switched off.
    RuleOff,
    /// That rule doesn't send to the billing account's bus.
    WrongTarget,
    /// The alarm's metric has no data: it can't fire.
    NoData,
}

impl ProbeFinding {
    /// In a few words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoAlarm => "no alarm",
            Self::WrongThreshold => "wrong threshold",
            Self::ActionsOff => "alarm's actions off",
            Self::NoRule => "no rule",
            Self::RuleOff => "rule off",
            Self::WrongTarget => "rule sends elsewhere",
            Self::NoData => "no data",
        }
    }
}

/// A member that was to be looked into.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct ProbedAccount {
    /// Its id.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The OU it is in, as a path.
    pub ou: String,
    /// Whether the role let us in.
    pub entered: bool,
    /// The threshold that config wants, in US dollars.
    pub wanted: Usd,
    /// The alarm's threshold as it is there.
    pub threshold: Option<Usd>,
    /// The alarm's state.
    pub alarm: Option<AlarmState>,
    /// Since when.
    #[schemars(with = "Option<Time>")]
    pub since: Option<Timestamp>,
    /// Whether the alarm's metric had data in the last two days; null where that couldn't be read.
    pub has_data: Option<bool>,
    /// Whether the rule is on; null where there is none or it couldn't be read.
    pub rule_enabled: Option<bool>,
    /// What is wrong.
    pub findings: BTreeSet<ProbeFinding>,
    /// What couldn't be read, in AWS's words.
    pub unread: Vec<String>,
}

/// What looking into members found.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Probes {
    /// The role that was assumed.
    pub role: String,
    /// How many accounts are covered; those below may be fewer.
    pub covered: usize,
    /// The accounts that were to be looked into, those with findings first.
    pub accounts: Vec<ProbedAccount>,
}

impl Probes {
    /// How many accounts there was a way into.
    pub fn entered(&self) -> usize {
        self.accounts.iter().filter(|one| one.entered).count()
    }

    /// How many accounts there was no way into.
    pub fn not_entered(&self) -> usize {
        self.accounts.len() - self.entered()
    }

    /// How many accounts have this finding.
    pub fn count(&self, finding: ProbeFinding) -> usize {
        let has = |one: &&ProbedAccount| one.findings.contains(&finding);
        self.accounts.iter().filter(has).count()
    }

    /// The accounts that are to be made again: data doesn't come by that.
    pub fn broken(&self) -> impl Iterator<Item = AccountId> {
        let broken = |one: &&ProbedAccount| one.findings.iter().any(|finding| *finding != ProbeFinding::NoData);
        self.accounts.iter().filter(broken).map(|one| one.account)
    }

    /// Whether anything is wrong. That there is no way into an account is no finding: it says nothing of its alarm.
    pub fn has_findings(&self) -> bool {
        self.accounts.iter().any(|one| !one.findings.is_empty())
    }
}

/// Chooses `most` of the accounts, spread over their OUs: one of each OU, then a second one of each, and so on.
pub fn spread(organization: &Organization, accounts: &BTreeSet<AccountId>, most: usize) -> BTreeSet<AccountId> {
    let mut by_ou: BTreeMap<&OuId, Vec<AccountId>> = BTreeMap::new();
    for account in accounts {
        if let Some((_, ou)) = organization.account(*account) {
            by_ou.entry(ou).or_default().push(*account);
        }
    }
    let rounds = by_ou.values().map(Vec::len).max().unwrap_or_default();
    (0..rounds)
        .flat_map(|round| by_ou.values().filter_map(move |one| one.get(round).copied()))
        .take(most)
        .collect()
}

/// Holds what was seen against what should be.
pub fn probes(
    config: &Config,
    organization: &Organization,
    thresholds: &Thresholds,
    covered: usize,
    looks: BTreeMap<AccountId, Look>,
) -> Probes {
    let bus = bus_arn(config, organization.management_account);
    let mut accounts: Vec<ProbedAccount> = looks
        .into_iter()
        .filter_map(|(id, look)| {
            let (account, parent) = organization.account(id)?;
            let mut probed = ProbedAccount {
                account: id,
                name: account.name.clone(),
                ou: organization.path(parent),
                entered: false,
                wanted: thresholds.of(id, parent, organization),
                threshold: None,
                alarm: None,
                since: None,
                has_data: None,
                rule_enabled: None,
                findings: BTreeSet::new(),
                unread: Vec::new(),
            };
            match look {
                Look::NoWay(error) => probed.unread.push(error.to_string()),
                Look::Inside(inside) => judge(&mut probed, *inside, &bus),
            }
            Some(probed)
        })
        .collect();
    accounts.sort_by_key(|one| (one.findings.is_empty(), !one.entered, one.account));
    Probes {
        role: config.members.role.clone(),
        covered,
        accounts,
    }
}

fn judge(probed: &mut ProbedAccount, inside: Inside, bus: &Arn) {
    probed.entered = true;
    let mut find = |finding, is_so: bool| probed.findings.extend(is_so.then_some(finding));
    match inside.alarm {
        Ok(Some(found)) => {
            probed.threshold = Usd::from_f64(found.alarm.threshold);
            probed.alarm = Some(found.state);
            probed.since = found.since;
            find(ProbeFinding::WrongThreshold, probed.threshold != Some(probed.wanted));
            find(ProbeFinding::ActionsOff, !found.alarm.actions_enabled);
        }
        Ok(None) => find(ProbeFinding::NoAlarm, true),
        Err(error) => probed.unread.push(error.to_string()),
    }
    match inside.has_data {
        Ok(has_data) => {
            probed.has_data = Some(has_data);
            find(ProbeFinding::NoData, !has_data);
        }
        Err(error) => probed.unread.push(error.to_string()),
    }
    match inside.rule {
        Ok(Some(rule)) => {
            probed.rule_enabled = Some(rule.enabled);
            find(ProbeFinding::RuleOff, !rule.enabled);
            find(ProbeFinding::WrongTarget, !rule.targets.contains(bus));
        }
        Ok(None) => find(ProbeFinding::NoRule, true),
        Err(error) => probed.unread.push(error.to_string()),
    }
}

/// How many accounts a remedy names.
const NAMED: usize = 5;

/// What makes the stacks of these accounts again, whatever CloudFormation believes of them: `deploy --repair` knows only
/// what a look for drift has found.
pub fn make_again(accounts: impl IntoIterator<Item = AccountId>) -> String {
    let named: Vec<String> = accounts.into_iter().map(|id| format!(" --recreate {id}")).collect();
    match named.len() {
        ..=NAMED => format!("`billctl deploy{}`", named.concat()),
        _ => "`billctl status --drift`, then `billctl deploy --repair`,".to_owned(),
    }
}

/// What to do where AssumeRole was refused: STS doesn't tell whether the caller may not, or there is no such role
/// that trusts the caller.
pub fn way_in_remedy(error: &ServiceError, role: &str) -> String {
    if error.kind != Kind::Denied {
        return advice(error).unwrap_or_else(|| "run it again later".to_owned());
    }
    // No trust of a role's can undo what a policy above it denies.
    denied_by(&error.operation.iam_action(), &error.message).unwrap_or_else(|| format!(
        "the identity in use needs sts:AssumeRole (`billctl policy status --probe` prints it), and the account a role \
         {role} that trusts the management account: Organizations makes one in accounts that it makes, not in invited \
         ones (make it there by hand, or name another in `[members] role`, such as AWSControlTowerExecution)"
    ))
}
