use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::Args;
use futures::{join, try_join};
use jiff::Timestamp;

use super::output::Outputs;
use super::{Context, Format};
use crate::apply::drift::detect;
use crate::observe::above::LOOKED_AT_WITHOUT_ASKING;
use crate::observe::charges::Silence;
use crate::observe::{self, Tree, precheck};
use crate::plan::Thresholds;
use crate::plan::above::{Circumstances, Told, above};
use crate::plan::billing::plan;
use crate::plan::billing_health::BillingHealth;
use crate::plan::probe::{self, Probes};
use crate::plan::rollout::{Observed, Override, targets};
use crate::plan::status::{Coverage, Findings, MembersStatus, members};
use crate::render::{self, BillingStatus, Status};
use crate::resource::{self, Scope, stack_set};
use crate::spend::Charges;
use billctl_core::error::{Error, ErrorKind, Result};
use billctl_core::event::Event;
use billctl_core::model::{AccountId, AccountState, Organization, OuId};
use billctl_core::service::cloudformation::CallAs;

/// Overrides that `status` reads one by one without being asked to: about half a minute at AWS's rate.
const READ_WITHOUT_ASKING: usize = 60;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Exit with code 4 if an account is uncovered, has a wrong threshold, has drifted, or is above its limit and nobody
    /// was told.
    #[arg(long)]
    pub check: bool,
    /// Read every threshold that can't be told otherwise, however many (about two a second), and look for every
    /// account's charges in the billing account.
    #[arg(long)]
    pub deep: bool,
    /// List every account, however many; by default those that are well are only counted beyond 100.
    #[arg(long)]
    pub all: bool,
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
}

/// How many accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
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
/// AWS's answers, or with `--check` a finding.
pub async fn run(args: &StatusArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let config = &context.config;
    let name = &config.deploy.stack_set;
    let now = services.clock.now();
    let reads = async {
        try_join!(
            tree_and_charges(context, now),
            observe::stack_set::observe(services, name),
        )
    };
    let (info, ((tree, charges), mut observed)) =
        precheck::checked(precheck::administrator(services, config), reads).await?;
    let organization = tree.organization(info)?;
    let thresholds = context.thresholds(&organization)?;
    let mut findings = Findings::default();
    if args.drift {
        observed = look_for_drift(context, observed, &mut findings).await?;
    }
    // An account that isn't active has no threshold in force.
    let active = |account| {
        let found = organization.account(account);
        found.is_some_and(|(account, _)| account.state == AccountState::Active)
    };
    let unknown = observed
        .instances
        .iter()
        .filter(|(id, instance)| instance.threshold == Override::Unknown && active(**id))
        .count();
    if args.deep || unknown <= READ_WITHOUT_ASKING {
        observe::stack_set::read_overrides(services, name, &mut observed, active).await?;
    } else {
        findings.notes.push(format!(
            "{unknown} thresholds aren't told by the listing: `status --deep` reads them, about two a second"
        ));
    }
    look_for_data(args, context, &organization, &observed, &mut findings).await;
    let probe = match args.probe {
        Some(many) => Some(probe(context, &organization, &thresholds, &observed, many).await),
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
            let limits = organization.accounts().map(|(account, parent)| {
                let limit = thresholds.of(account.id, parent, &organization);
                (account.id, limit)
            });
            let standing = |account, limit| {
                let charges: &Charges = charges.get(&account)?;
                charges.above(limit, config.alarm.measure, now)
            };
            members.above = above(&members.accounts, &limits.collect(), standing, now);
        }
        Err(why) => members.notes.push(why),
    }
    let facts = thresholds.facts(&organization);
    let scope = Scope { config, facts: &facts };
    let looked_at = match args.deep {
        true => members.above.len(),
        false => members.above.len().min(LOOKED_AT_WITHOUT_ASKING),
    };
    let (billing, told) = join!(
        billing(context, &scope),
        observe::above::told(services, &scope, &members.above[..looked_at], now),
    );
    explain(&mut members, told, &billing, now);
    let report = Status {
        members,
        probe,
        billing,
    };
    say!(
        "{}",
        render::status(context.global.format, &report, args.all, Outputs::width())
    )?;
    context.summarize(|| render::status(Format::Markdown, &report, args.all, None));
    if args.check && report.has_findings() {
        return Err(Error::new(ErrorKind::Check, "the check found something; see above"));
    }
    Ok(())
}

/// The organisation's accounts, and what the billing account says about each, as soon as it is known which there are.
/// What can't be read doesn't hide the rest.
async fn tree_and_charges(
    context: &Context,
    now: Timestamp,
) -> Result<(Tree, Result<BTreeMap<AccountId, Charges>, String>)> {
    let services = &context.services;
    let tree = observe::tree(services).await?;
    if context.config.call_as != CallAs::Own {
        let why = "who is above its limit isn't seen from here: the charges of all accounts are in the management \
                   account, where `billctl status` tells";
        return Ok((tree, Err(why.to_owned())));
    }
    let measure = context.config.alarm.measure;
    let charges = observe::charges::of(services, tree.account_ids(), measure, now).await;
    let charges = charges.map_err(|error| format!("who is above its limit isn't known: {error}"));
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
            members
                .notes
                .push(format!("whether owners were told isn't known: {error}"));
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
        members.notes.push(format!(
            "whether {unknown} more owners were told wasn't looked at: `status --deep` does"
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

/// `--drift`: CloudFormation looks, and what it finds is read.
async fn look_for_drift(context: &Context, before: Observed, findings: &mut Findings) -> Result<Observed> {
    if before.instances.is_empty() {
        return Ok(before);
    }
    let deploy = &context.config.deploy;
    let found = detect(
        &context.services,
        &*context.listener,
        &deploy.stack_set,
        &before,
        &deploy.preferences,
    )
    .await?;
    for (account, reason) in &found.outcome.failures {
        findings
            .notes
            .push(format!("drift of account {account} couldn't be looked for: {reason}"));
    }
    if !found.outcome.is_within_tolerance() {
        findings
            .notes
            .push("not every account was looked at for drift".to_owned());
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
) -> Probes {
    let covered = watched(organization, observed);
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
        return;
    }
    let watched = watched(organization, observed);
    if watched.is_empty() {
        return;
    }
    match observe::charges::silence(&context.services, organization, &watched, args.deep).await {
        Ok(Silence::MissingOf(accounts)) => findings.silent = accounts,
        Ok(Silence::Nobodys) => findings.no_charges = true,
        Ok(Silence::NotRead) => findings.notes.push(
            "whether every alarm has data wasn't looked at: `status --deep` reads the list of all charges".to_owned(),
        ),
        Err(error) => findings
            .notes
            .push(format!("whether every alarm has data isn't known: {error}")),
    }
}

/// The billing side, which only the management account can read. What can't be read doesn't hide the members.
async fn billing(context: &Context, scope: &Scope<'_>) -> BillingStatus {
    if context.config.call_as != CallAs::Own {
        return BillingStatus::NotHere;
    }
    let read = try_join!(
        observe::billing::read(&context.services, scope),
        observe::billing_health::read(&context.services, scope),
    );
    match read {
        Ok((observed, health)) => BillingStatus::Read {
            plan: plan(resource::desired(scope), &observed.present),
            health: Box::new(health),
        },
        Err(error) => BillingStatus::Unread {
            error: error.to_string(),
        },
    }
}
