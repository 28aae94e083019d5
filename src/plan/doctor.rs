//! Whether everything is there that billctl needs: from what was read, pure. One check each, and each with its
//! cure; what could not be read is said and hides nothing else.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::config::{CallAs, Config};
use crate::model::{AccountId, AccountState, Organization, REGION};
use crate::resource::mail_setup::dns_records;
use crate::resource::{Resource, bare_address};
use crate::service::cloudformation::{OrganizationsAccess, StackSet};
use crate::service::organizations::OrganizationInfo;
use crate::service::sesv2::{EmailIdentity, SesAccount};
use crate::service::sts::CallerIdentity;
use crate::service::{Kind, Operation, Result, ServiceError};

/// Most stack instances of one StackSet (CloudFormation quotas).
const MAX_INSTANCES: usize = 100_000;
/// Share of a quota from which on it is worth a warning.
const NEARLY: f64 = 0.8;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it has to be.
    Ok,
    /// Something will be missing or can't be told.
    Warning,
    /// billctl can't do its work like this.
    Failed,
    /// Not looked at, because something that it needs failed before.
    Skipped,
}

/// One precondition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name: part of the JSON answer.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub finding: String,
    /// What to do: a command, or a place in a console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, finding: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            finding: finding.into(),
            cure: None,
        }
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

    fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// What could not be read. Without credentials one check says so, and the others were not looked at.
    fn unread(name: &'static str, error: &ServiceError) -> Self {
        match error.kind {
            Kind::Credentials => Self::skipped(name, "needs credentials"),
            Kind::Denied => Self::warning(name, format!("can't be told: {error}"))
                .cure(format!("allow {}", error.operation.iam_action())),
            _ => Self::warning(name, format!("can't be told: {error}"))
                .cure("run `billctl doctor` again later"),
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
    /// What SES lets the account send.
    pub ses: Result<SesAccount>,
    /// The identity that is to send.
    pub identity: Result<Option<EmailIdentity>>,
    /// The StackSet.
    pub stack_set: Result<Option<StackSet>>,
    /// Things that may collide with those that bootstrap makes: what they are called, and what is there.
    pub things: Vec<(String, Result<Option<Resource>>)>,
    /// Actions that the caller may not do, of those that billctl needs; None where that can't be told.
    pub denied: Result<Option<Vec<String>>>,
}

/// Every check, in the order in which cures are best applied.
pub fn examine(config: &Config, readings: &Readings) -> Vec<Check> {
    let mut checks = vec![
        credentials(&readings.caller),
        partition(&readings.caller),
        Check::ok(
            "region",
            format!("{REGION}, whatever the environment says: the only one with billing metrics"),
        ),
        organization(config, &readings.organization),
        all_features(&readings.organization),
        account(config, readings),
        trusted_access(&readings.access),
    ];
    // Charges and mail are the management account's; a delegated administrator sees none of them.
    let elsewhere = match (&readings.caller, &readings.organization) {
        (Ok(caller), Ok(organization)) if caller.account != organization.management_account => {
            Some(organization.management_account)
        }
        _ => None,
    };
    let payer = [
        billing_alerts(&readings.billing_alerts, &readings.series),
        account_series(&readings.series),
        own_series(&readings.series, &readings.organization),
        member_series(&readings.series, &readings.tree),
        ses_account(&readings.ses),
        ses_quota(&readings.ses, &readings.tree),
        identity(config, &readings.identity),
        dkim(config, &readings.identity),
        mail_from(config, &readings.identity),
        collisions(&readings.things),
    ];
    checks.extend(payer.into_iter().map(|check| match elsewhere {
        Some(management) => Check::skipped(
            check.name,
            format!("to be looked at in the management account {management}"),
        ),
        None => check,
    }));
    checks.extend([
        stack_set(config, &readings.stack_set),
        instances_quota(&readings.tree),
        permissions(&readings.denied),
    ]);
    checks
}

fn credentials(caller: &Result<CallerIdentity>) -> Check {
    match caller {
        Ok(caller) => Check::ok("credentials", caller.arn.to_string()),
        Err(error) => Check::failed("credentials", error.to_string())
            .cure("log in (`aws sso login`), set AWS_PROFILE or pass --profile"),
    }
}

fn partition(caller: &Result<CallerIdentity>) -> Check {
    match caller.as_ref().map(|caller| caller.arn.partition()) {
        Ok("aws") => Check::ok("partition", "aws"),
        Ok(other) => Check::failed(
            "partition",
            format!("{other}: its billing metrics and StackSets differ"),
        )
        .cure("use credentials of an account in partition aws"),
        Err(_) => Check::skipped("partition", "needs credentials"),
    }
}

fn organization(config: &Config, organization: &Result<OrganizationInfo>) -> Check {
    const NAME: &str = "organization";
    match organization {
        Ok(found) => match &config.organization {
            Some(wanted) if *wanted != found.id => {
                Check::failed(NAME, format!("{}, but the config is for {wanted}", found.id))
                    .cure("use the right profile, or the right --config")
            }
            Some(_) => Check::ok(NAME, format!("{}, as the config says", found.id)),
            None => Check::ok(NAME, found.id.to_string())
                .cure(format!("to guard against wrong credentials, write organization = \"{}\" at the top of the config", found.id)),
        },
        Err(error) if error.kind == Kind::NotFound => {
            Check::failed(NAME, "the account belongs to no organisation")
                .cure("use credentials of the organisation's management account")
        }
        Err(error) => Check::unread(NAME, error),
    }
}

fn all_features(organization: &Result<OrganizationInfo>) -> Check {
    const NAME: &str = "all-features";
    match organization {
        Ok(found) if found.all_features => Check::ok(NAME, "on"),
        Ok(_) => Check::failed(NAME, "the organisation has only consolidated billing")
            .cure("console: AWS Organizations > Settings > Begin process to enable all features"),
        Err(error) if error.kind == Kind::NotFound => Check::skipped(NAME, "needs an organisation"),
        Err(error) => Check::unread(NAME, error),
    }
}

fn account(config: &Config, readings: &Readings) -> Check {
    const NAME: &str = "account";
    let (Ok(caller), Ok(organization)) = (&readings.caller, &readings.organization) else {
        return Check::skipped(NAME, "needs credentials of an account in an organisation");
    };
    let (account, management) = (caller.account, organization.management_account);
    match (config.call_as, &readings.administrators) {
        (CallAs::Own, _) if account == management => {
            Check::ok(NAME, format!("{account} is the management account"))
        }
        (CallAs::Own, Ok(administrators)) if administrators.contains(&account) => {
            Check::failed(NAME, format!("{account} is a delegated administrator, but the config says otherwise"))
                .cure("write call-as = \"delegated-admin\" at the top of the config")
        }
        (CallAs::Own, _) => {
            Check::failed(NAME, format!("{account} is not the management account ({management})"))
                .cure("use the management account's credentials (--profile)")
        }
        (CallAs::DelegatedAdmin, _) if account == management => {
            Check::failed(NAME, format!("{account} is the management account, but the config says delegated-admin"))
                .cure("take call-as out of the config, or use the delegated administrator's credentials")
        }
        (CallAs::DelegatedAdmin, Ok(administrators)) if administrators.contains(&account) => {
            Check::ok(NAME, format!("{account} is a delegated administrator for StackSets"))
        }
        (CallAs::DelegatedAdmin, Ok(_)) => {
            Check::failed(NAME, format!("{account} is not a delegated administrator for StackSets")).cure(format!(
                "in the management account: aws organizations register-delegated-administrator \
                 --service-principal member.org.stacksets.cloudformation.amazonaws.com --account-id {account}"
            ))
        }
        (CallAs::DelegatedAdmin, Err(error)) => Check::unread(NAME, error),
    }
}

fn trusted_access(access: &Result<OrganizationsAccess>) -> Check {
    const NAME: &str = "trusted-access";
    match access {
        Ok(OrganizationsAccess::Enabled) => {
            Check::ok(NAME, "StackSets may act in the organisation")
        }
        Ok(OrganizationsAccess::Disabled) => Check::failed(NAME, "off for StackSets").cure(
            "`billctl bootstrap` switches it on (aws cloudformation activate-organizations-access)",
        ),
        Ok(OrganizationsAccess::DisabledPermanently) => {
            Check::failed(NAME, "off for StackSets for good")
                .cure("ask AWS Support to allow it again")
        }
        Err(error) => Check::unread(NAME, error),
    }
}

const SWITCH_ON: &str = "console of the management account: Billing and Cost Management > Billing preferences > Alert \
                         preferences > Edit > Receive CloudWatch billing alerts; first data comes after about 15 minutes";

fn billing_alerts(alerts: &Result<Option<bool>>, series: &Result<BTreeSet<AccountId>>) -> Check {
    const NAME: &str = "billing-alerts";
    let seen = series.as_ref().is_ok_and(|series| !series.is_empty());
    match alerts {
        Ok(Some(true)) => Check::ok(NAME, "on"),
        Ok(Some(false)) => {
            Check::failed(NAME, "off: AWS publishes no charges to CloudWatch").cure(SWITCH_ON)
        }
        // Without them there would be no series.
        _ if seen => Check::ok(NAME, "on: the charges are there"),
        Ok(None) => {
            Check::warning(NAME, "AWS doesn't say, and no charges are there").cure(SWITCH_ON)
        }
        Err(error) => Check::unread(NAME, error),
    }
}

fn account_series(series: &Result<BTreeSet<AccountId>>) -> Check {
    const NAME: &str = "account-charges";
    match series {
        Ok(series) if series.is_empty() => {
            Check::failed(NAME, "no account's charges are in AWS/Billing").cure(SWITCH_ON)
        }
        Ok(series) => Check::ok(
            NAME,
            format!(
                "of {} accounts, in the payer's AWS/Billing metrics",
                series.len()
            ),
        ),
        Err(error) => Check::unread(NAME, error),
    }
}

fn own_series(
    series: &Result<BTreeSet<AccountId>>,
    organization: &Result<OrganizationInfo>,
) -> Check {
    const NAME: &str = "own-charges";
    match (series, organization) {
        (Ok(series), Ok(found)) if series.contains(&found.management_account) => {
            Check::ok(NAME, "the management account's own charges are there")
        }
        (Ok(_), Ok(_)) => Check::warning(
            NAME,
            "no charges of the management account itself: its own alarm has no data",
        )
        .cure("nothing to do if it has no costs of its own; data appear with the first ones"),
        (Err(error), _) | (_, Err(error)) => Check::unread(NAME, error),
    }
}

/// How many of a list are named.
const NAMED: usize = 5;

fn member_series(
    series: &Result<BTreeSet<AccountId>>,
    tree: &std::result::Result<Organization, String>,
) -> Check {
    const NAME: &str = "member-charges";
    let (series, tree) = match (series, tree) {
        (Ok(series), Ok(tree)) => (series, tree),
        (Err(error), _) => return Check::unread(NAME, error),
        (_, Err(error)) => {
            return Check::skipped(NAME, format!("needs the list of accounts: {error}"));
        }
    };
    let active: Vec<_> = active_members(tree).collect();
    let missing: Vec<String> = active
        .iter()
        .filter(|id| !series.contains(id))
        .map(ToString::to_string)
        .collect();
    if missing.is_empty() {
        return Check::ok(
            NAME,
            format!("all {} active members have charges", active.len()),
        );
    }
    let named = missing
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = if missing.len() > NAMED { ", ..." } else { "" };
    Check::warning(
        NAME,
        format!("{} of {} active members have none: {named}{more}", missing.len(), active.len()),
    )
    .cure("nothing to do for accounts that cost nothing; accounts of the AWS Partner Network never get any")
}

fn active_members(tree: &Organization) -> impl Iterator<Item = AccountId> {
    tree.accounts()
        .map(|(account, _)| account)
        .filter(|account| {
            account.state == AccountState::Active && account.id != tree.management_account
        })
        .map(|account| account.id)
}

fn ses_account(ses: &Result<SesAccount>) -> Check {
    const NAME: &str = "ses";
    match ses {
        Ok(ses) if !ses.sending_enabled => Check::failed(NAME, "sending is switched off for this account")
            .cure("console: Amazon SES > Account dashboard; AWS says there why"),
        Ok(ses) if !ses.production_access => {
            Check::warning(NAME, "in the SES sandbox: mails go to verified addresses only")
                .cure("console: Amazon SES > Account dashboard > Request production access (Region us-east-1)")
        }
        Ok(_) => Check::ok(NAME, "out of the SES sandbox, sending is on"),
        Err(error) => Check::unread(NAME, error),
    }
}

fn ses_quota(ses: &Result<SesAccount>, tree: &std::result::Result<Organization, String>) -> Check {
    const NAME: &str = "ses-quota";
    let ses = match ses {
        Ok(ses) => ses,
        Err(error) => return Check::unread(NAME, error),
    };
    if ses.max_24_hour_send < 0.0 {
        return Check::ok(NAME, "unlimited");
    }
    let left = (ses.max_24_hour_send - ses.sent_last_24_hours).max(0.0);
    let quota = format!(
        "{left:.0} of {:.0} mails left for these 24 hours",
        ses.max_24_hour_send
    );
    let accounts = tree
        .as_ref()
        .map_or(0, |tree| active_members(tree).count() + 1);
    // On a bad day every account goes over its threshold once.
    if left < accounts as f64 {
        return Check::warning(
            NAME,
            format!("{quota}: less than one for each of {accounts} accounts"),
        )
        .cure("console: Service Quotas > Amazon SES > Sending quota > Request increase");
    }
    Check::ok(NAME, quota)
}

fn identity(config: &Config, identity: &Result<Option<EmailIdentity>>) -> Check {
    const NAME: &str = "identity";
    let name = &config.mail.identity;
    if let Some(arn) = &config.mail.identity_arn {
        return Check::ok(
            NAME,
            format!("{arn} is another account's: only a mail shows whether it may be used"),
        );
    }
    match identity {
        Ok(Some(found)) if found.verified => Check::ok(NAME, format!("{name} is verified")),
        Ok(Some(found)) => {
            let check = Check::failed(
                NAME,
                format!("{name} is not verified ({})", found.verification_status),
            );
            if name.contains('@') {
                check.cure(format!("open the link in the mail that AWS sent to {name}"))
            } else {
                check.cure(records(found, "DKIM"))
            }
        }
        Ok(None) => Check::warning(NAME, format!("{name} is not known to SES yet"))
            .cure("`billctl bootstrap` makes it, and says how to verify it"),
        Err(error) => Check::unread(NAME, error),
    }
}

/// The DNS records that are missing, in one line.
fn records(identity: &EmailIdentity, purpose: &str) -> String {
    let records: Vec<String> = dns_records(identity)
        .into_iter()
        .filter(|record| {
            record.purpose == purpose || (purpose == "MAIL FROM" && record.purpose == "SPF")
        })
        .map(|record| format!("{} {} {}", record.name, record.kind, record.value))
        .collect();
    format!("set these DNS records: {}", records.join("; "))
}

fn dkim(config: &Config, identity: &Result<Option<EmailIdentity>>) -> Check {
    const NAME: &str = "dkim";
    match identity {
        _ if config.mail.identity_arn.is_some() => {
            Check::skipped(NAME, "the identity is another account's")
        }
        _ if config.mail.identity.contains('@') => Check::warning(
            NAME,
            "an address has no DKIM of its own: its mails are more often taken for spam",
        )
        .cure(format!(
            "write identity = \"{}\" under [mail] to verify the whole domain",
            bare_address(&config.mail.from)
                .rsplit_once('@')
                .map_or("", |(_, domain)| domain)
        )),
        Ok(Some(found)) => match found.dkim_status.as_deref() {
            Some("SUCCESS") => Check::ok(NAME, "mails are signed"),
            status => Check::warning(
                NAME,
                format!("not signing yet ({})", status.unwrap_or("no status")),
            )
            .cure(records(found, "DKIM")),
        },
        Ok(None) => Check::skipped(NAME, "needs the identity"),
        Err(error) => Check::unread(NAME, error),
    }
}

fn mail_from(config: &Config, identity: &Result<Option<EmailIdentity>>) -> Check {
    const NAME: &str = "mail-from";
    let Some(wanted) = &config.mail.mail_from_domain else {
        return Check::ok(NAME, "amazonses.com: the config names no domain of its own");
    };
    match identity {
        Ok(Some(found)) if found.mail_from_domain.as_deref() == Some(wanted) => {
            match found.mail_from_status.as_deref() {
                Some("SUCCESS") => Check::ok(NAME, format!("{wanted} is set up")),
                status => Check::warning(
                    NAME,
                    format!("{wanted} is not ready ({})", status.unwrap_or("no status")),
                )
                .cure(records(found, "MAIL FROM")),
            }
        }
        Ok(Some(_)) => {
            Check::warning(NAME, format!("{wanted} is not set")).cure("`billctl bootstrap` sets it")
        }
        Ok(None) => Check::skipped(NAME, "needs the identity"),
        Err(error) => Check::unread(NAME, error),
    }
}

fn collisions(things: &[(String, Result<Option<Resource>>)]) -> Check {
    const NAME: &str = "names";
    let foreign: Vec<&str> = things
        .iter()
        .filter(|(_, thing)| matches!(thing, Ok(Some(resource)) if !resource.is_ours()))
        .map(|(label, _)| label.as_str())
        .collect();
    if !foreign.is_empty() {
        return Check::warning(NAME, format!("not made by billctl: {}", foreign.join(", "))).cure(
            "`billctl bootstrap` would change them: choose other names under [names] or [alarm]",
        );
    }
    match things.iter().find_map(|(_, thing)| thing.as_ref().err()) {
        Some(error) => Check::unread(NAME, error),
        None => Check::ok(NAME, "free, or billctl's own"),
    }
}

fn stack_set(config: &Config, stack_set: &Result<Option<StackSet>>) -> Check {
    const NAME: &str = "stack-set";
    let name = &config.deploy.stack_set;
    let elsewhere = "choose another name: stack-set under [deploy]";
    match stack_set {
        Ok(None) => Check::ok(NAME, format!("{name} is free")),
        Ok(Some(found)) if !found.service_managed => Check::failed(
            NAME,
            format!("{name} is there, with self-managed permissions"),
        )
        .cure(elsewhere),
        Ok(Some(found)) if !crate::resource::are_ours(&found.tags) => {
            Check::warning(NAME, format!("{name} is there, and billctl didn't make it"))
                .cure(elsewhere)
        }
        Ok(Some(_)) => Check::ok(NAME, format!("{name} is billctl's own")),
        Err(error) => Check::unread(NAME, error),
    }
}

fn instances_quota(tree: &std::result::Result<Organization, String>) -> Check {
    const NAME: &str = "instances-quota";
    let tree = match tree {
        Ok(tree) => tree,
        Err(error) => return Check::skipped(NAME, format!("needs the list of accounts: {error}")),
    };
    let members = active_members(tree).count();
    let finding = format!("{members} active members; a StackSet holds {MAX_INSTANCES} instances");
    if members > MAX_INSTANCES {
        Check::failed(NAME, finding)
            .cure("deploy to some OUs only, or raise the quota in Service Quotas > CloudFormation")
    } else if members as f64 > NEARLY * MAX_INSTANCES as f64 {
        Check::warning(NAME, finding).cure("raise the quota in Service Quotas > CloudFormation")
    } else {
        Check::ok(NAME, finding)
    }
}

fn permissions(denied: &Result<Option<Vec<String>>>) -> Check {
    const NAME: &str = "permissions";
    match denied {
        Ok(Some(denied)) if denied.is_empty() => Check::ok(NAME, "every action that billctl needs is allowed"),
        Ok(Some(denied)) => Check::warning(
            NAME,
            format!("IAM's simulator finds no permission on all resources for {}", denied.join(", ")),
        )
        .cure("a policy limited to billctl's own resources looks like this too; compare it with `billctl policy operator`"),
        Ok(None) => Check::warning(NAME, "can't be told for this kind of identity")
            .cure("compare its policy with `billctl policy operator`"),
        Err(error) => Check::unread(NAME, error),
    }
}

/// The actions that billctl needs, from the operations that it calls.
pub fn actions(operations: impl IntoIterator<Item = Operation>) -> Vec<String> {
    let actions: BTreeSet<String> = operations
        .into_iter()
        .map(|operation| operation.iam_action())
        .collect();
    actions.into_iter().collect()
}
