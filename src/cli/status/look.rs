//! Looks at everything that `status` shows.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt as _, join, try_join};
use jiff::Timestamp;

use super::StatusArgs;
use crate::apply::drift::detect;
use crate::cli::Context;
use crate::cli::accounts::accounts;
use crate::observe::charges::Absence;
use crate::observe::reach::LOOKED_UP_WITHOUT_ASKING;
use crate::observe::told::LOOKED_AT_WITHOUT_ASKING;
use crate::observe::{self, Tree, precheck};
use crate::plan::Thresholds;
use crate::plan::above::{Circumstances, Told, above};
use crate::plan::billing::plan;
use crate::plan::billing_health::BillingHealth;
use crate::plan::coverage::Coverage;
use crate::plan::probe::{self, Probes};
use crate::plan::rollout::{Observed, Override, targets};
use crate::plan::status::{BillingStatus, DriftLook, Findings, Looked, MembersStatus, Status, members};
use crate::resource::mail_setup::MailSetup;
use crate::resource::{self, Naming, stack_set};
use crate::spend::Charges;
use billctl_core::error::Result;
use billctl_core::model::{Account, AccountId, AccountState, Organization, OuId};
use billctl_core::service::cloudformation::{CallAs, InstanceStatus, StackInstance};
use billctl_core::text::plural;

/// Overrides that `status` reads one by one without being asked to: about half a minute at AWS's rate.
const READ_WITHOUT_ASKING: usize = 60;

/// Looks at everything. `charges` reads how accounts stand, as soon as it is known which there are.
///
/// # Errors
/// AWS's answer.
pub(in crate::cli) async fn look(
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
        Some(most) => Some(probe(context, &organization, &thresholds, &observed, most, scope.as_ref()).await),
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
    let desired = context.naming(&facts);
    let looked_at = match args.deep {
        true => members.above.len(),
        false => members.above.len().min(LOOKED_AT_WITHOUT_ASKING),
    };
    let (mut billing, told) = join!(
        billing(context, &desired),
        observe::told::owners(services, &desired, &members.above[..looked_at], now),
    );
    explain(&mut members, told, &billing, now);
    let reached = reach(args, context, &organization, &members, &mut billing).await;
    if let Err(why) = &reached {
        let note = format!("whether SES's sandbox lets mails through to the owners isn't known: {why}");
        members.notes.push(note);
    }
    let looked = Looked {
        now: services.clock.now(),
        members: &members,
        probe: probe.as_ref(),
        billing: &billing,
        reach_is_unknown: reached.is_err(),
        own_alarm: &config.alarm.name,
    };
    let has_instances = members.accounts.iter().any(|account| account.instance.is_some());
    let status = Status {
        organization: organization.id.clone(),
        generated_at: looked.now,
        scope: args.ou.iter().chain(&args.account).cloned().collect(),
        findings: looked.findings(),
        not_looked_at: looked.not_looked_at(),
        drift_looked: match has_instances {
            true => looked.drift_looked(),
            false => String::new(),
        },
        members,
        probe,
        billing,
    };
    Ok((status, organization))
}

/// The accounts that `--ou` and `--account` name; None for all.
fn scope(args: &StatusArgs, organization: &Organization) -> Result<Option<BTreeSet<AccountId>>> {
    if args.ou.is_empty() && args.account.is_empty() {
        return Ok(None);
    }
    let ous: Vec<OuId> = targets(&args.ou, organization)?.into_iter().collect();
    let mut scope = organization.accounts_below(&ous);
    scope.extend(accounts(organization, &args.account)?);
    Ok(Some(scope))
}

/// In SES's sandbox: whom it doesn't let be written to.
///
/// # Errors
/// What stands in the way of finding out.
async fn reach(
    args: &StatusArgs,
    context: &Context,
    organization: &Organization,
    members: &MembersStatus,
    billing: &mut BillingStatus,
) -> Result<()> {
    let BillingStatus::Read { mail, reach, .. } = billing else {
        return Ok(());
    };
    if !mail.in_ses_sandbox {
        return Ok(());
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
    let (services, mail) = (&context.services, &context.config.mail);
    let own = organization.management_account;
    *reach = Some(observe::reach::reach(services, mail, own, &accounts, most).await?);
    Ok(())
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
    let mut told = told.unwrap_or_else(|error| {
        let why = format!("whether owners were told isn't known: {error}");
        members.failed_to_read("whether owners were told", why);
        BTreeMap::new()
    });
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
        let unread = format!("whether {} above the limit were told", plural(unknown, "account"));
        members.not_looked_at.push(unread);
        members.notes.push(format!(
            "whether {unknown} more owners were told wasn't looked at: `status --deep` looks"
        ));
    }
}

/// The OUs that should be covered: those of config, else those that the StackSet is deployed to.
fn targeted(context: &Context, organization: &Organization, observed: &Observed) -> Result<BTreeSet<OuId>> {
    let configured = targets(context.config.ous(), organization)?;
    Ok(match &observed.stack_set {
        Some(live) if configured.is_empty() => live.organizational_units.iter().cloned().collect(),
        _ => configured,
    })
}

/// CloudFormation looks for drift, and what it finds is read. Where nobody `asked` for it, what stands in the way is
/// said and hides nothing else.
async fn look_for_drift(context: &Context, before: Observed, asked: bool, findings: &mut Findings) -> Result<Observed> {
    if before.instances.is_empty() {
        return Ok(before);
    }
    let deploy = &context.config.deploy;
    let (services, listener) = (&context.services, &*context.watched);
    let looking = detect(services, listener, &deploy.stack_set, &before, &deploy.preferences);
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
    most: usize,
    scope: Option<&BTreeSet<AccountId>>,
) -> Probes {
    let mut covered = watched(organization, observed);
    covered.retain(|account| scope.is_none_or(|scope| scope.contains(account)));
    let chosen = probe::spread(organization, &covered, most);
    context.phase(format!("looking into {} ...", plural(chosen.len(), "account")));
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
