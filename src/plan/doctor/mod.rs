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
    /// Its name: part of the JSON answer.
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
    fn new(name: &'static str, verdict: Verdict, finding: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            finding: finding.into(),
            remedy: None,
            by_config: false,
            unread: false,
            moot: false,
        }
    }

    fn to_do(name: &'static str, finding: impl Into<String>) -> Self {
        Self::new(name, Verdict::ToDo, finding)
    }

    const fn by_config(mut self) -> Self {
        self.by_config = true;
        self
    }

    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, finding)
    }

    fn warning(name: &'static str, finding: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warning, finding)
    }

    fn failed(name: &'static str, finding: impl Into<String>) -> Self {
        Self::new(name, Verdict::Failed, finding)
    }

    fn skipped(name: &'static str, finding: impl Into<String>) -> Self {
        Self::new(name, Verdict::Skipped, finding)
    }

    /// Skipped, because there is nothing to look at.
    fn moot(name: &'static str, finding: impl Into<String>) -> Self {
        Self {
            moot: true,
            ..Self::skipped(name, finding)
        }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What could not be read, so that nothing is known of it.
    fn unread(name: &'static str, error: &ServiceError) -> Self {
        Self {
            unread: error.kind != Kind::Credentials,
            ..Self::not_known(name, error)
        }
    }

    /// What could not be read. Without credentials one check says so, and the others were not looked at.
    fn not_known(name: &'static str, error: &ServiceError) -> Self {
        match error.kind {
            Kind::Credentials => Self::skipped(name, "needs credentials"),
            _ => Self::warning(name, format!("not known: {error}"))
                .remedy(advice(error).unwrap_or_else(|| "run `billctl doctor` again later".to_owned())),
        }
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
    let mut checks = vec![
        access::credentials(&readings.caller_to_the_end()),
        access::partition(&readings.caller),
        Check::ok(
            "region",
            format!("{REGION}, whatever the environment says: the only one with billing metrics"),
        ),
        access::organization(config, &readings.organization),
        access::all_features(&readings.organization),
        access::account(config, readings).by_config(),
        names::accounts(readings),
        access::trusted_access(&readings.access),
    ];
    // Charges and mail are the management account's; a delegated administrator sees none of them.
    let elsewhere = match (&readings.caller, &readings.organization) {
        (Ok(caller), Ok(organization)) if caller.account != organization.management_account => {
            Some(organization.management_account)
        }
        _ => None,
    };
    let mut payer = vec![
        charges::billing_alerts(&readings.billing_alerts, &readings.series),
        charges::account_series(&readings.series, &readings.billing_alerts),
        charges::own_series(&readings.series, &readings.organization),
        charges::member_series(&readings.series, &readings.tree, &readings.young),
        members::access(config, &readings.members).by_config(),
        members::data(&readings.members).by_config(),
        members::alarms(config, &readings.members, &readings.organization).by_config(),
        members::owners(config, &readings.members).by_config(),
        members::recipients(config, &readings.members).by_config(),
        mail::ses_account(&readings.ses),
        mail::ses_quota(&readings.ses, &readings.tree),
        mail::identity(config, &readings.identity).by_config(),
        mail::dkim(config, &readings.identity).by_config(),
        mail::mail_from(config, &readings.identity).by_config(),
        operations::operations(&readings.hearing).by_config(),
        names::collisions(config, &readings.things).by_config(),
    ];
    payer.extend(operations::chat(&readings.chat).map(Check::by_config));
    checks.extend(payer.into_iter().map(|check| match elsewhere {
        Some(management) => Check::skipped(
            check.name,
            format!("only the management account {management} can check this"),
        ),
        None => check,
    }));
    checks.extend([
        names::stack_set(config, &readings.stack_set).by_config(),
        names::targets(config, &readings.tree).by_config(),
        names::instances_quota(&readings.tree),
        names::dashboard_quota(&readings.tree),
        access::permissions(config, &readings.denied),
    ]);
    checks
}

/// What is left of the checks where there is no config to use: those that depend on it were not looked at.
pub fn without_config(checks: &mut Vec<Check>, fault: String, remedy: Option<String>) {
    for check in checks.iter_mut() {
        if check.by_config && check.verdict != Verdict::Skipped {
            *check = Check::skipped(check.name, "needs a config");
        }
    }
    let failed = Check::failed("config", fault);
    checks.insert(
        0,
        failed.remedy(remedy.unwrap_or_else(|| "fix what is reported above".to_owned())),
    );
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
