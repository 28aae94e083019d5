use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use futures::{FutureExt as _, join, try_join};
use jiff::Timestamp;
use tokio::signal::ctrl_c;

use super::accounts::account;
use super::output::Outputs;
use super::{Context, Format, complete};
use crate::apply::drift::detect;
use crate::observe::above::LOOKED_AT_WITHOUT_ASKING;
use crate::observe::charges::Absence;
use crate::observe::reach::LOOKED_UP_WITHOUT_ASKING;
use crate::observe::{self, Tree, precheck};
use crate::plan::Thresholds;
use crate::plan::above::{Circumstances, Told, above};
use crate::plan::billing::plan;
use crate::plan::billing_health::BillingHealth;
use crate::plan::coverage::{AccountStatus, Coverage};
use crate::plan::probe::{self, Probes};
use crate::plan::rollout::{Observed, Override, targets};
use crate::plan::status::{BillingSide, DriftLook, Findings, Looked, MembersStatus, members};
use crate::render::{self, BillingStatus, Shown, Status};
use crate::resource::mail_setup::MailSetup;
use crate::resource::{self, ExecutionName, Naming, stack_set};
use crate::spend::Charges;
use billctl_core::error::{Error, ErrorKind, Result};
use billctl_core::event::Event;
use billctl_core::model::{Account, AccountId, AccountState, Organization, OuId};
use billctl_core::service::cloudformation::{CallAs, InstanceStatus, StackInstance};

/// Overrides that `status` reads one by one without being asked to: about half a minute at AWS's rate.
const READ_WITHOUT_ASKING: usize = 60;

/// Arguments of `status`.
#[derive(Debug, Default, Args)]
pub(super) struct StatusArgs {
    /// Exit with code 4 if anything isn't as it should be; looks for drift where that is due ([status] drift-every).
    #[arg(long)]
    pub check: bool,
    /// Read every threshold that the listing doesn't give, however many (about two a second), and look for every
    /// account's charges in the billing account.
    #[arg(long)]
    pub deep: bool,
    /// List every account, however many; by default those that are well are only counted beyond 100.
    #[arg(long)]
    pub all: bool,
    /// Only the accounts below this OU: its id, path (Root/Production) or unique name; repeatable.
    #[arg(long, value_name = "OU", add = complete::ous())]
    pub ou: Vec<String>,
    /// Only this account: its id, or its name if it is unique; repeatable.
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    pub account: Vec<String>,
    /// List only accounts of this kind; repeatable. The verdict is about all of them.
    #[arg(long, value_name = "KIND", value_enum)]
    pub only: Vec<Only>,
    /// Have CloudFormation compare every resource with its template, and show what differs.
    #[arg(long)]
    pub drift: bool,
    /// Look into all covered accounts, or into N of them spread over the OUs, by the role of `[members]`: the alarm as
    /// it is there, whether it has data, and the rule.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all"
    )]
    pub probe: Option<Many>,
    /// Look again every so many seconds, until Ctrl-C.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with_all = ["check", "drift"]
    )]
    pub watch: Option<u16>,
}

/// Which accounts are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Only {
    /// Any of those that `--check` fails on.
    Findings,
    /// Above its limit by the billing account's figures.
    Above,
    /// It should have an instance and has none.
    #[value(alias = "missing")]
    Uncovered,
    /// Its instance is broken, or failed.
    Failed,
    /// Its instance is behind.
    Outdated,
    /// Its threshold isn't config's.
    WrongThreshold,
    /// Its resources were changed by hand.
    Drifted,
    /// It has an instance that config doesn't ask for.
    #[value(alias = "stray")]
    NotInConfig,
    /// Its alarm has no data.
    NoData,
    /// An operation works on it.
    InProgress,
    /// As it should be.
    Covered,
    /// Suspended or closed.
    NotActive,
    /// Config excludes it.
    Excluded,
    /// No OU that it is in is targeted.
    NotTargeted,
}

impl Only {
    fn holds(self, account: &AccountStatus, above: &BTreeSet<AccountId>) -> bool {
        let is = |coverage| account.coverage == coverage;
        match self {
            Self::Findings => account.coverage.is_finding(),
            Self::Above => above.contains(&account.account),
            Self::Uncovered => is(Coverage::Missing),
            Self::Failed => is(Coverage::Failed),
            Self::Outdated => is(Coverage::Outdated),
            Self::WrongThreshold => is(Coverage::WrongThreshold),
            Self::Drifted => is(Coverage::Drifted),
            Self::NotInConfig => is(Coverage::Stray),
            Self::NoData => is(Coverage::NoData),
            Self::InProgress => is(Coverage::InProgress),
            Self::Covered => is(Coverage::Covered),
            Self::NotActive => is(Coverage::NotActive),
            Self::Excluded => is(Coverage::Excluded),
            Self::NotTargeted => is(Coverage::NotTargeted),
        }
    }
}

/// How many accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    /// All of them.
    All,
    /// At most so many.
    Some(NonZeroUsize),
}

impl FromStr for Many {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            text => text
                .parse()
                .map(Self::Some)
                .map_err(|_| "give a number of accounts, at least 1, or nothing for all"),
        }
    }
}

/// Shows what is true everywhere.
///
/// # Errors
/// AWS's answer, or with `--check` a finding.
pub(super) async fn run(args: &StatusArgs, context: &Context) -> Result<()> {
    let (status, _) = look(args, context, async |accounts| judged(context, accounts).await).await?;
    print(args, context, &status)?;
    if args.check && !status.findings.is_empty() {
        return Err(Error::new(ErrorKind::Check, "the check found something; see above"));
    }
    Ok(())
}

/// Shows it again every so many `seconds`, until Ctrl-C, which is its good end.
///
/// # Errors
/// AWS's answer.
pub(super) async fn watch(args: &StatusArgs, context: &Context, seconds: u16) -> Result<()> {
    let mut ctrl_c = pin!(ctrl_c());
    loop {
        let status = tokio::select! {
            looked = look(args, context, async |accounts| judged(context, accounts).await) => looked?.0,
            _ = &mut ctrl_c => return Ok(()),
        };
        // A person wants to see the newest; a file has all of them.
        if std::io::stdout().is_terminal() {
            Outputs::print(CLEAR)?;
        }
        print(args, context, &status)?;
        context
            .listener
            .on(Event::Phase(format!("looking again in {seconds} s; Ctrl-C ends it")));
        // Real time also in the sandbox: who watches doesn't move the world.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds.into())) => {}
            _ = &mut ctrl_c => return Ok(()),
        }
    }
}

/// Clears the screen, and goes to its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

fn print(args: &StatusArgs, context: &Context, status: &Status) -> Result<()> {
    let above: BTreeSet<AccountId> = status.members.above.iter().map(|above| above.account).collect();
    let only = |account: &AccountStatus| args.only.iter().any(|only| only.holds(account, &above));
    let mut shown = Shown {
        all: args.all,
        only: (!args.only.is_empty()).then_some(&only),
        quiet: context.global.quiet,
        width: Outputs::width(),
    };
    let text = render::status(context.global.format, status, &shown);
    if !text.is_empty() {
        say!("{text}")?;
    }
    if args.watch.is_none() {
        shown.quiet = false;
        shown.width = None;
        context.summarize(|| render::status(Format::Markdown, status, &shown));
    }
    Ok(())
}

/// How each of these accounts stands, by the billing account's figures.
async fn judged(context: &Context, accounts: BTreeSet<AccountId>) -> Result<BTreeMap<AccountId, Charges>> {
    let measure = context.config.alarm.measure;
    let now = context.services.clock.now();
    observe::charges::of(&context.services, accounts, measure, now).await
}

/// Looks at everything. `charges` reads how accounts stand, as soon as it is known which there are.
///
/// # Errors
/// AWS's answer.
pub(super) async fn look(
    args: &StatusArgs,
    context: &Context,
    charges: impl AsyncFnOnce(BTreeSet<AccountId>) -> Result<BTreeMap<AccountId, Charges>>,
) -> Result<(Status, Organization)> {
    let services = &context.services;
    let config = &context.config;
    let name = &config.deploy.stack_set;
    let now = services.clock.now();
    let reads = async {
        try_join!(
            tree_and_charges(context, charges),
            observe::stack_set::observe(services, name),
            observe::stack_set::running(services, name).map(Ok),
        )
    };
    let (info, ((tree, charges), mut observed, running)) =
        precheck::checked(precheck::administrator(services, config), reads).await?;
    let organization = tree.organization(info)?;
    let thresholds = context.thresholds(&organization)?;
    let scope = scope(args, &organization)?;
    let mut findings = Findings::default();
    let first = match running {
        Ok(running) => {
            findings.operations = running.operations;
            running.first
        }
        Err(error) => {
            let why = format!("operations could not be listed: {error}");
            findings.failed_to_read("whether an operation is under way", why);
            None
        }
    };
    let drift_every = config.status.drift_every;
    findings.drift = DriftLook::new(&observed, first, drift_every, now);
    // What looks must not hold a rollout up, nor wait for it.
    let due = args.check && findings.drift.due && findings.operations.is_empty();
    if args.drift || due {
        observed = look_for_drift(context, observed, args.drift, &mut findings).await?;
        findings.drift = DriftLook::new(&observed, first, drift_every, services.clock.now());
        findings.operations.clear();
    }
    // What is behind has the threshold of an earlier operation, which nothing tells.
    let tells = |listed: &StackInstance| listed.status == InstanceStatus::Current;
    let unknown: BTreeSet<AccountId> = observed
        .instances
        .iter()
        .filter(|(_, instance)| instance.threshold == Override::Unknown && tells(&instance.listed))
        .map(|(account, _)| *account)
        .collect();
    if args.deep || unknown.len() <= READ_WITHOUT_ASKING {
        observe::stack_set::read_overrides(services, name, &mut observed, |account| unknown.contains(&account)).await?;
    } else {
        findings.notes.push(format!(
            "{} thresholds aren't in the listing: `status --deep` reads them, about two a second",
            unknown.len()
        ));
    }
    look_for_data(args, context, &organization, &observed, &mut findings).await;
    let probe = match args.probe {
        Some(many) => Some(probe(context, &organization, &thresholds, &observed, many, scope.as_ref()).await),
        None => None,
    };
    let spec = stack_set::desired(config, organization.management_account);
    let mut members = members(
        config,
        &spec,
        &organization,
        &thresholds,
        &targeted(context, &organization, &observed)?,
        &observed,
        findings,
    );
    match charges {
        Ok(charges) => {
            let limits = thresholds.limits(config, &organization)?;
            let standing = |account, limit| {
                let charges: &Charges = charges.get(&account)?;
                charges.above(limit, config.alarm.measure, now)
            };
            members.above = above(&members.accounts, &limits, standing, now);
        }
        Err(Some(why)) => members.failed_to_read("who is above the limit", why),
        Err(None) => {
            members.not_looked_at.push("who is above the limit".to_owned());
            members.notes.push(
                "who is above its limit can't be seen from here: the charges of all accounts are in the management \
                 account, where `billctl status` tells"
                    .to_owned(),
            );
        }
    }
    if let Some(scope) = &scope {
        members.retain(|account| scope.contains(&account));
    }
    let facts = thresholds.facts(&organization);
    let desired = Naming { config, facts: &facts };
    let looked_at = match args.deep {
        true => members.above.len(),
        false => members.above.len().min(LOOKED_AT_WITHOUT_ASKING),
    };
    let (mut billing, told) = join!(
        billing(context, &desired),
        observe::above::told(services, &desired, &members.above[..looked_at], now),
    );
    explain(&mut members, told, &billing, now);
    let unreachable = reach(args, context, &organization, &members, &mut billing).await;
    let selectors = args.ou.iter().chain(&args.account).cloned().collect();
    let status = conclude(
        context,
        &organization,
        selectors,
        (members, probe, billing),
        unreachable,
    );
    Ok((status, organization))
}

/// The accounts that `--ou` and `--account` name; None for all.
fn scope(args: &StatusArgs, organization: &Organization) -> Result<Option<BTreeSet<AccountId>>> {
    if args.ou.is_empty() && args.account.is_empty() {
        return Ok(None);
    }
    let ous = args.ou.iter().map(|ou| organization.select(ou).map(|ou| ou.id.clone()));
    let mut accounts = organization.accounts_below(&ous.collect::<Result<Vec<_>, _>>()?);
    for text in &args.account {
        accounts.insert(account(organization, text)?);
    }
    Ok(Some(accounts))
}

/// In SES's sandbox: whom it doesn't let be written to; else None. What stands in the way of finding out is said.
async fn reach(
    args: &StatusArgs,
    context: &Context,
    organization: &Organization,
    members: &MembersStatus,
    billing: &mut BillingStatus,
) -> Option<String> {
    let BillingStatus::Read { mail, reach, .. } = billing else {
        return None;
    };
    if !mail.in_ses_sandbox {
        return None;
    }
    let watched = members.accounts.iter().filter(|one| one.instance.is_some());
    let active = watched.filter_map(|one| organization.account(one.account));
    let accounts: Vec<&Account> = active
        .map(|(account, _)| account)
        .filter(|account| account.state == AccountState::Active)
        .collect();
    let most = match args.deep {
        true => accounts.len(),
        false => LOOKED_UP_WITHOUT_ASKING,
    };
    match observe::reach::reach(
        &context.services,
        &context.config.mail,
        organization.management_account,
        &accounts,
        most,
    )
    .await
    {
        Ok(found) => *reach = Some(found),
        Err(error) => return Some(error.to_string()),
    }
    None
}

/// Puts together what was looked at, with what isn't as it should be.
fn conclude(
    context: &Context,
    organization: &Organization,
    scope: Vec<String>,
    (mut members, probe, billing): (MembersStatus, Option<Probes>, BillingStatus),
    unreachable: Option<String>,
) -> Status {
    let own_alarm = &context.config.alarm.name;
    members.notes.extend(
        unreachable
            .as_ref()
            .map(|why| format!("whether SES's sandbox lets mails through to the owners isn't known: {why}")),
    );
    let side = match &billing {
        BillingStatus::NotHere => BillingSide::NotHere,
        BillingStatus::Unread { .. } => BillingSide::Unread,
        BillingStatus::Read {
            plan,
            health,
            mail,
            reach,
        } => BillingSide::Read {
            plan,
            mail,
            sent_last_24_hours: health.sent_last_24_hours,
            reach: match (&unreachable, reach) {
                (Some(why), _) => Some(Err(why)),
                (None, Some(reach)) => Some(Ok(reach)),
                (None, None) => None,
            },
            failed: failed_since_told(health, &members),
            waiting: health.waiting(),
            // Its own alarm is about spend.
            alarms: health
                .alarms
                .iter()
                .map(|alarm| alarm.name.as_str())
                .filter(|name| name != own_alarm)
                .collect(),
            hearing: health.hearing.as_deref(),
            chat: &health.chat,
            chats_lost: health.chats_lost,
        },
    };
    let looked = Looked {
        now: context.services.clock.now(),
        members: &members,
        probe: probe.as_ref(),
        billing: side,
    };
    let has_instances = members.accounts.iter().any(|account| account.instance.is_some());
    let (generated_at, findings) = (looked.now, looked.findings());
    let drift_looked = if has_instances {
        looked.drift_looked()
    } else {
        String::new()
    };
    let not_looked_at = looked.not_looked_at();
    Status {
        organization: organization.id.clone(),
        generated_at,
        scope,
        findings,
        not_looked_at,
        drift_looked,
        members,
        probe,
        billing,
    }
}

/// Executions that failed after the last that told somebody. A day that is still going on may have told, which only its
/// history says.
fn failed_since_told(health: &BillingHealth, members: &MembersStatus) -> usize {
    let last_failed = health.failures.first().map(|failed| failed.started);
    let told = members.above.iter().filter_map(|above| match &above.told {
        Some(Told::Yes { execution, .. }) => Some(ExecutionName::parse(execution)),
        _ => None,
    });
    let told: BTreeSet<ExecutionName> = told.collect();
    let later = health.recent.iter().filter(|recent| Some(recent.started) > last_failed);
    match later.map(|recent| recent.name).any(|name| told.contains(&name)) {
        true => 0,
        false => health.failed_since_told,
    }
}

/// The organisation's accounts, and what the billing account says about each, as soon as it is known which there are.
/// What can't be read doesn't hide the rest: why, or None where it is another account's.
async fn tree_and_charges(
    context: &Context,
    charges: impl AsyncFnOnce(BTreeSet<AccountId>) -> Result<BTreeMap<AccountId, Charges>>,
) -> Result<(Tree, Result<BTreeMap<AccountId, Charges>, Option<String>>)> {
    let services = &context.services;
    let tree = observe::tree(services).await?;
    if context.config.call_as != CallAs::Own {
        return Ok((tree, Err(None)));
    }
    let charges = charges(tree.account_ids().collect()).await;
    let charges = charges.map_err(|error| Some(format!("who is above its limit isn't known: {error}")));
    Ok((tree, charges))
}

/// Whether those above their limits were told, and if not, why that is likely.
fn explain(
    members: &mut MembersStatus,
    told: Result<BTreeMap<AccountId, Told>>,
    billing: &BillingStatus,
    now: Timestamp,
) {
    let mut told = match told {
        Ok(told) => told,
        Err(error) => {
            let why = format!("whether owners were told isn't known: {error}");
            members.failed_to_read("whether owners were told", why);
            BTreeMap::new()
        }
    };
    let health = match billing {
        BillingStatus::Read { health, .. } => Some(&**health),
        BillingStatus::Unread { .. } | BillingStatus::NotHere => None,
    };
    let circumstances = Circumstances {
        now,
        recent: health.map_or(&[], |health| &health.recent),
        waiting: health.map_or(0, BillingHealth::waiting),
        failed: health.map_or(0, |health| health.failed),
    };
    let coverage: BTreeMap<AccountId, Coverage> = members
        .accounts
        .iter()
        .map(|account| (account.account, account.coverage))
        .collect();
    let mut unknown = 0;
    for above in &mut members.above {
        let coverage = coverage.get(&above.account).copied();
        match (told.remove(&above.account), coverage) {
            (Some(told), Some(coverage)) => above.explain(told, coverage, &circumstances),
            _ => {
                above.finding = false;
                unknown += 1;
            }
        }
    }
    if unknown > 0 {
        let unread = format!(
            "whether {} above the limit were told",
            render::plural(unknown, "account")
        );
        members.not_looked_at.push(unread);
        members.notes.push(format!(
            "whether {unknown} more owners were told wasn't looked at: `status --deep` looks"
        ));
    }
}

/// The OUs that should be covered: those of config, else those that the StackSet is deployed to.
fn targeted(context: &Context, organization: &Organization, observed: &Observed) -> Result<BTreeSet<OuId>> {
    let mut covered = targets(context.config.ous(), organization)?;
    if covered.is_empty() {
        covered.extend(
            observed
                .stack_set
                .iter()
                .flat_map(|live| live.organizational_units.iter().cloned()),
        );
    }
    Ok(covered)
}

/// CloudFormation looks for drift, and what it finds is read. Where nobody `asked` for it, what stands in the way is
/// said and hides nothing else.
async fn look_for_drift(context: &Context, before: Observed, asked: bool, findings: &mut Findings) -> Result<Observed> {
    if before.instances.is_empty() {
        return Ok(before);
    }
    let deploy = &context.config.deploy;
    let looking = detect(
        &context.services,
        &*context.listener,
        &deploy.stack_set,
        &before,
        &deploy.preferences,
    );
    let found = match looking.await {
        Ok(found) => found,
        Err(error) if asked => return Err(error),
        Err(error) => {
            findings.notes.push(format!("drift couldn't be looked for: {error}"));
            return Ok(before);
        }
    };
    for (account, reason) in &found.outcome.failures {
        findings
            .notes
            .push(format!("drift of account {account} couldn't be looked for: {reason}"));
    }
    if !found.outcome.is_within_tolerance() {
        findings.not_looked_at.push("drift of every account".to_owned());
    }
    findings.drifts = found.resources;
    Ok(found.observed)
}

/// `--probe`: looks into covered accounts.
async fn probe(
    context: &Context,
    organization: &Organization,
    thresholds: &Thresholds,
    observed: &Observed,
    many: Many,
    scope: Option<&BTreeSet<AccountId>>,
) -> Probes {
    let mut covered = watched(organization, observed);
    covered.retain(|account| scope.is_none_or(|scope| scope.contains(account)));
    let chosen = match many {
        Many::All => covered.clone(),
        Many::Some(most) => probe::spread(organization, &covered, most.get()),
    };
    context.listener.on(Event::Phase(format!(
        "looking into {} ...",
        render::plural(chosen.len(), "account")
    )));
    let looks = observe::probe::looks(&context.services, &context.config, chosen).await;
    probe::probes(&context.config, organization, thresholds, covered.len(), looks)
}

/// The active accounts with an instance.
fn watched(organization: &Organization, observed: &Observed) -> BTreeSet<AccountId> {
    organization
        .accounts()
        .filter(|(account, _)| account.state == AccountState::Active)
        .map(|(account, _)| account.id)
        .filter(|account| observed.instances.contains_key(account))
        .collect()
}

/// Whether the alarms have data, which the billing account's series tell. What can't be read is said.
async fn look_for_data(
    args: &StatusArgs,
    context: &Context,
    organization: &Organization,
    observed: &Observed,
    findings: &mut Findings,
) {
    if context.config.call_as != CallAs::Own {
        findings.not_looked_at.push("whether every alarm has data".to_owned());
        return;
    }
    let watched = watched(organization, observed);
    if watched.is_empty() {
        return;
    }
    match observe::charges::absence(&context.services, organization, &watched, args.deep).await {
        Ok(Absence::MissingOf(accounts)) => findings.without_data = accounts,
        Ok(Absence::Nobodys) => findings.no_charges = true,
        Ok(Absence::NotRead) => {
            findings.not_looked_at.push("whether every alarm has data".to_owned());
            findings.notes.push(
                "`status --deep` reads the list of all charges, which tells whether every alarm has data".to_owned(),
            );
        }
        Err(error) => {
            let why = format!("whether every alarm has data isn't known: {error}");
            findings.failed_to_read("whether every alarm has data", why);
        }
    }
}

/// The billing side, which only the management account can read. What can't be read doesn't hide the members.
async fn billing(context: &Context, naming: &Naming<'_>) -> BillingStatus {
    if context.config.call_as != CallAs::Own {
        return BillingStatus::NotHere;
    }
    let read = try_join!(
        observe::billing::read(&context.services, naming),
        observe::billing_health::read(&context.services, naming),
    );
    match read {
        Ok((observed, health)) => BillingStatus::Read {
            plan: plan(resource::desired(naming), &observed.present),
            mail: Box::new(MailSetup::new(naming, &observed.ses, observed.identity.as_ref())),
            health: Box::new(health),
            reach: None,
        },
        Err(error) => BillingStatus::Unread {
            error: error.to_string(),
        },
    }
}
