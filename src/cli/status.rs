use std::collections::BTreeSet;

use clap::Args;
use futures::try_join;

use super::output::Outputs;
use super::watch::Watched;
use super::{Context, Format};
use crate::apply::drift::detect;
use crate::config::CallAs;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{AccountId, AccountState, Organization, OuId};
use crate::observe::silent::Charges;
use crate::observe::{self, precheck};
use crate::plan::Thresholds;
use crate::plan::billing::plan;
use crate::plan::rollout::{Observed, Override, targets};
use crate::plan::status::{Findings, members};
use crate::render::{self, BillingStatus, Status};
use crate::resource::{self, Scope, stack_set};

/// Overrides that `status` reads one by one without being asked to: about half a minute at AWS's rate.
const READ_WITHOUT_ASKING: usize = 60;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Exit with code 4 if an account is uncovered, has a wrong threshold, or has drifted.
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
}

/// Shows what is true everywhere.
///
/// # Errors
/// AWS's answers, or with `--check` a finding.
pub async fn run(args: &StatusArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let config = &context.config;
    let name = &config.deploy.stack_set;
    let reads = async {
        try_join!(
            observe::tree(services),
            observe::stack_set::observe(services, name),
        )
    };
    let (info, (tree, mut observed)) =
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
    let spec = stack_set::desired(config, organization.management_account);
    let report = Status {
        members: members(
            config,
            &spec,
            &organization,
            &thresholds,
            &targeted(context, &organization, &observed)?,
            &observed,
            findings,
        ),
        billing: billing(context, &organization, &thresholds).await,
    };
    say!(
        "{}",
        render::status(context.global.format, &report, args.all, Outputs::width())
    )?;
    context.summarize(|| render::status(Format::Markdown, &report, args.all, None));
    if args.check && report.has_findings() {
        return Err(Error::new(
            ErrorKind::Check,
            "the check found something; see above",
        ));
    }
    Ok(())
}

/// The OUs that should be covered: those of config, else those that the StackSet is deployed to.
fn targeted(
    context: &Context,
    organization: &Organization,
    observed: &Observed,
) -> Result<BTreeSet<OuId>> {
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
async fn look_for_drift(
    context: &Context,
    before: Observed,
    findings: &mut Findings,
) -> Result<Observed> {
    if before.instances.is_empty() {
        return Ok(before);
    }
    let watched = Watched::new(&context.listener);
    let deploy = &context.config.deploy;
    let found = watched
        .until_interrupted(detect(
            &context.services,
            &watched,
            &deploy.stack_set,
            &before,
            &deploy.preferences,
        ))
        .await?;
    for (account, reason) in &found.outcome.failures {
        findings.notes.push(format!(
            "drift of account {account} couldn't be looked for: {reason}"
        ));
    }
    if !found.outcome.is_within_tolerance() {
        findings
            .notes
            .push("not every account was looked at for drift".to_owned());
    }
    findings.drifts = found.resources;
    Ok(found.observed)
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
    let watched: BTreeSet<AccountId> = organization
        .accounts()
        .filter(|(account, _)| account.state == AccountState::Active)
        .map(|(account, _)| account.id)
        .filter(|account| observed.instances.contains_key(account))
        .collect();
    if watched.is_empty() {
        return;
    }
    match observe::silent::silent(&context.services, &watched, args.deep).await {
        Ok(Charges::MissingOf(accounts)) => findings.silent = accounts,
        Ok(Charges::Nobodys) => findings.no_charges = true,
        Ok(Charges::NotRead) => findings.notes.push(
            "whether every alarm has data wasn't looked at: `status --deep` reads the list of all charges".to_owned(),
        ),
        Err(error) => findings
            .notes
            .push(format!("whether every alarm has data isn't known: {error}")),
    }
}

/// The billing side, which only the management account can read. What can't be read doesn't hide the members.
async fn billing(
    context: &Context,
    organization: &Organization,
    thresholds: &Thresholds,
) -> BillingStatus {
    if context.config.call_as != CallAs::Own {
        return BillingStatus::NotHere;
    }
    let facts = thresholds.facts(organization);
    let scope = Scope {
        config: &context.config,
        facts: &facts,
    };
    let read = try_join!(
        observe::billing::read(&context.services, &scope),
        observe::billing_health::read(&context.services, &scope),
    );
    match read {
        Ok((observed, health)) => BillingStatus::Read {
            plan: plan(resource::desired(&scope), &observed.present),
            health,
        },
        Err(error) => BillingStatus::Unread {
            error: error.to_string(),
        },
    }
}
