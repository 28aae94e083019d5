//! Whether everything is there that billctl needs: from what was read, pure. One check each, and each with its
//! remedy; what could not be read is said and hides nothing else.

mod access;
mod charges;
mod first_hour;
mod mail;
mod members;
mod names;
mod operations;

use std::collections::{BTreeMap, BTreeSet};

pub use first_hour::{FirstHour, first_hour};
use serde::Serialize;

use crate::config::Config;
use crate::plan::chat::Channel;
use crate::plan::operations::Hearing;
use crate::plan::probe::Look;
use crate::plan::recipients::Owners;
use crate::resource::Resource;
use billctl_core::error::advice;
use billctl_core::model::{AccountId, AccountState, Organization, REGION};
use billctl_core::service::cloudformation::{OrganizationsAccess, StackSet};
use billctl_core::service::organizations::OrganizationInfo;
use billctl_core::service::sesv2::{EmailIdentity, SesAccount};
use billctl_core::service::sts::CallerIdentity;
use billctl_core::service::{Kind, Result, ServiceError};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it has to be.
    Ok,
    /// Something will be missing or can't be known.
    Warning,
    /// Not there yet, and the next command makes it.
    ToDo,
    /// billctl can't do its work like this.
    Failed,
    /// Not looked at, because something that it needs failed before.
    Skipped,
}

/// One precondition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Check {
    /// Its name: part of the JSON answer. The lists of checks give it.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub finding: String,
    /// What to do: a command, or a place in a console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Whether it is about what the config says, so that a config's defaults can't stand in for it.
    #[serde(skip)]
    by_config: bool,
    /// Whether nothing is known because a call failed.
    #[serde(skip)]
    pub unread: bool,
    /// Whether there is nothing to look at, rather than something that wasn't.
    #[serde(skip)]
    pub moot: bool,
}

impl Check {
    fn new(verdict: Verdict, finding: impl Into<String>) -> Self {
        Self {
            name: "",
            verdict,
            finding: finding.into(),
            remedy: None,
            by_config: false,
            unread: false,
            moot: false,
        }
    }

    fn to_do(finding: impl Into<String>) -> Self {
        Self::new(Verdict::ToDo, finding)
    }

    fn ok(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, finding)
    }

    fn warning(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, finding)
    }

    fn failed(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, finding)
    }

    fn skipped(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, finding)
    }

    /// Skipped, because there is nothing to look at.
    fn moot(finding: impl Into<String>) -> Self {
        Self {
            moot: true,
            ..Self::skipped(finding)
        }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What could not be read, so that nothing is known of it. Without credentials one check says so, and the others
    /// were not looked at.
    fn unread(error: &ServiceError) -> Self {
        if error.kind == Kind::Credentials {
            return Self::skipped("needs credentials");
        }
        let remedy = advice(error).unwrap_or_else(|| "run `billctl doctor` again later".to_owned());
        Self {
            unread: true,
            ..Self::warning(format!("not known: {error}")).remedy(remedy)
        }
    }
}

/// A check by its name.
fn named(name: &'static str, check: Check) -> Check {
    Check { name, ..check }
}

/// One that means nothing without a config.
fn by_config(name: &'static str, check: Check) -> Check {
    Check {
        by_config: true,
        ..named(name, check)
    }
}

/// The organisation's OUs and accounts, or why they could not be read.
type Tree = std::result::Result<Organization, String>;

/// A check of the OUs and accounts, where they could be read.
fn in_tree(tree: &Tree, check: impl FnOnce(&Organization) -> Check) -> Check {
    match tree {
        Ok(tree) => check(tree),
        Err(error) => Check::skipped(format!("needs the list of accounts: {error}")),
    }
}

/// What was read. Everything that could fail failed by itself.
pub struct Readings {
    /// Whose credentials these are.
    pub caller: Result<CallerIdentity>,
    /// The organisation.
    pub organization: Result<OrganizationInfo>,
    /// Its OUs and accounts, and why they could not be read.
    pub tree: std::result::Result<Organization, String>,
    /// Delegated administrators for StackSets.
    pub administrators: Result<Vec<AccountId>>,
    /// Trusted access.
    pub access: Result<OrganizationsAccess>,
    /// Whether "receive billing alerts" is on; None where AWS doesn't say.
    pub billing_alerts: Result<Option<bool>>,
    /// The accounts that have a series of charges in the payer.
    pub series: Result<BTreeSet<AccountId>>,
    /// Members without charges that joined too lately for any to be expected.
    pub young: BTreeSet<AccountId>,
    /// What SES lets the account send.
    pub ses: Result<SesAccount>,
    /// The identity that is to send.
    pub identity: Result<Option<EmailIdentity>>,
    /// Who hears when the notifier itself fails.
    pub hearing: Result<Hearing>,
    /// The topics that chat messages go to.
    pub chat: Vec<Channel>,
    /// The StackSet.
    pub stack_set: Result<Option<StackSet>>,
    /// Things that may collide with those that bootstrap makes: what they are called, and what is there.
    pub things: Vec<(String, Result<Option<Resource>>)>,
    /// Actions that the caller may not do, of those that billctl needs; None where that can't be known.
    pub denied: Result<Option<BTreeSet<String>>>,
    /// A few members from inside, and owner tags.
    pub members: Members,
}

impl Readings {
    /// Whose credentials these are, unless they ended after the first call: then AWS's answer to a later one.
    fn caller_to_the_end(&self) -> Result<CallerIdentity> {
        let later = [
            self.organization.as_ref().err(),
            self.administrators.as_ref().err(),
            self.access.as_ref().err(),
            self.billing_alerts.as_ref().err(),
            self.series.as_ref().err(),
            self.ses.as_ref().err(),
            self.identity.as_ref().err(),
            self.hearing.as_ref().err(),
            self.stack_set.as_ref().err(),
            self.denied.as_ref().err(),
            self.members.owners.as_ref().err(),
        ];
        let things = self.things.iter().map(|(_, thing)| thing.as_ref().err());
        let mut errors = later.into_iter().chain(things).flatten();
        match (&self.caller, errors.find(|error| error.kind == Kind::Credentials)) {
            (Ok(_), Some(error)) => Err(error.clone()),
            (caller, _) => caller.clone(),
        }
    }
}

/// What was read of members.
pub struct Members {
    /// Whether those below have an alarm of ours, as far as CloudFormation tells; None where it wasn't asked.
    pub covered: Option<bool>,
    /// The members that were looked into.
    pub looks: BTreeMap<AccountId, Look>,
    /// Whom the mails about them go to: about the same members, or about all with `--deep`.
    pub owners: Result<Owners>,
}

/// Every check, in the order in which remedies are best applied.
pub fn examine(config: &Config, readings: &Readings) -> Vec<Check> {
    let Readings {
        caller,
        organization,
        tree,
        series,
        identity,
        members,
        ..
    } = readings;
    let region = format!("{REGION}, whatever the environment says: the only one with billing metrics");
    let mut checks = vec![
        named("credentials", access::credentials(&readings.caller_to_the_end())),
        named("partition", access::partition(caller)),
        named("region", Check::ok(region)),
        named("organization", access::organization(config, organization)),
        named("all-features", access::all_features(organization)),
        by_config("account", access::account(config, readings)),
        named("accounts", names::accounts(readings)),
        named("trusted-access", access::trusted_access(&readings.access)),
    ];
    // Charges and mail are the management account's; a delegated administrator sees none of them.
    let elsewhere = match (caller, organization) {
        (Ok(caller), Ok(organization)) if caller.account != organization.management_account => {
            Some(organization.management_account)
        }
        _ => None,
    };
    let alerts = &readings.billing_alerts;
    let mut payer = vec![
        named("billing-alerts", charges::billing_alerts(alerts, series)),
        named("account-charges", charges::account_series(series, alerts)),
        named("own-charges", charges::own_series(series, organization)),
        named("member-charges", charges::member_series(series, tree, &readings.young)),
        by_config("member-access", members::access(config, members)),
        by_config("member-data", members::data(members)),
        by_config("member-alarms", members::alarms(config, members, organization)),
        by_config("owner-tags", members::owners(config, members)),
        by_config("recipients", members::recipients(config, members)),
        named("ses", mail::ses_account(&readings.ses)),
        named("ses-quota", mail::ses_quota(&readings.ses, tree)),
        by_config("identity", mail::identity(config, identity)),
        by_config("dkim", mail::dkim(config, identity)),
        by_config("mail-from", mail::mail_from(config, identity)),
        by_config("operations", operations::operations(&readings.hearing)),
        by_config("names", names::collisions(config, &readings.things)),
    ];
    payer.extend(operations::chat(&readings.chat).map(|check| by_config("chat", check)));
    checks.extend(payer.into_iter().map(|check| match elsewhere {
        Some(management) => {
            let why = format!("only the management account {management} can check this");
            named(check.name, Check::skipped(why))
        }
        None => check,
    }));
    checks.extend([
        by_config("stack-set", names::stack_set(config, &readings.stack_set)),
        by_config("targets", in_tree(tree, |tree| names::targets(config, tree))),
        named("instances-quota", in_tree(tree, names::instances_quota)),
        named("dashboard-quota", in_tree(tree, names::dashboard_quota)),
        named("permissions", access::permissions(config, &readings.denied)),
    ]);
    checks
}

/// What is left of the checks where there is no config to use: those that depend on it were not looked at.
pub fn without_config(checks: &mut Vec<Check>, fault: String, remedy: Option<String>) {
    for check in checks.iter_mut() {
        if check.by_config && check.verdict != Verdict::Skipped {
            *check = named(check.name, Check::skipped("needs a config"));
        }
    }
    let remedy = remedy.unwrap_or_else(|| "fix what is reported above".to_owned());
    checks.insert(0, named("config", Check::failed(fault).remedy(remedy)));
}

/// What to do next.
pub fn next(readings: &Readings, checks: &[Check]) -> &'static str {
    let failed = |name: &str| {
        let mut of_name = checks.iter().filter(|check| check.name == name);
        of_name.any(|check| check.verdict == Verdict::Failed)
    };
    if failed("config") {
        return "`billctl init` writes a config from the organisation; or fix the one that is there";
    }
    let to_do = checks.iter().any(|check| check.verdict == Verdict::ToDo);
    let bootstrapped = !to_do && readings.things.iter().all(|(_, thing)| !matches!(thing, Ok(None)));
    // A sender is verified by its owner, whatever else goes on.
    let others = checks
        .iter()
        .any(|check| check.verdict == Verdict::Failed && check.name != "identity");
    match (others, bootstrapped, &readings.stack_set) {
        (true, ..) => "fix what failed, from the top, and run `billctl doctor` again",
        (false, false, _) => "`billctl bootstrap --plan` shows what it will make, `billctl bootstrap` makes it",
        (false, true, _) if failed("identity") => "verify the sender as said above; until then no mail can leave",
        (false, true, Ok(None)) => {
            "`billctl deploy --plan` shows which accounts get an alarm, `billctl deploy` gives it to them"
        }
        (false, true, _) => "`billctl status` shows where every account stands",
    }
}

/// The members that can spend, without the management account.
pub fn active_members(tree: &Organization) -> impl Iterator<Item = AccountId> {
    tree.accounts()
        .map(|(account, _)| account)
        .filter(|account| account.state == AccountState::Active && account.id != tree.management_account)
        .map(|account| account.id)
}
