use clap::Args;
use futures::try_join;

use super::{Context, Format, precheck};
use crate::config::CallAs;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{AccountState, Organization};
use crate::observe;
use crate::plan::Thresholds;
use crate::plan::billing::plan;
use crate::plan::rollout::{Override, targets};
use crate::plan::status::members;
use crate::render::{self, BillingStatus, Status};
use crate::resource::{self, Facts, Scope, stack_set};

/// Overrides that `status` reads one by one without being asked to: about half a minute at AWS's rate.
const READ_WITHOUT_ASKING: usize = 60;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Exit with code 4 if an account is uncovered, has a wrong threshold, or has drifted.
    #[arg(long)]
    pub check: bool,
    /// Read every threshold that can't be told otherwise, however many: about two a second.
    #[arg(long)]
    pub deep: bool,
}

/// Shows what is true everywhere.
///
/// # Errors
/// AWS's answers, or with `--check` a finding.
pub async fn run(args: &StatusArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let config = &context.config;
    let name = &config.deploy.stack_set;
    let (caller, organization, mut observed) = try_join!(
        precheck::caller(services),
        observe::organization(services),
        observe::stack_set::observe(services, name),
    )?;
    precheck::administrator(context, &caller, &organization).await?;
    let thresholds = context.thresholds(&organization)?;
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
    }
    let configured = config
        .deploy
        .ous
        .iter()
        .chain(config.waves.iter().flat_map(|wave| &wave.ous));
    let mut covered = targets(configured, &organization)?;
    if covered.is_empty() {
        covered.extend(
            observed
                .stack_set
                .iter()
                .flat_map(|live| live.organizational_units.iter().cloned()),
        );
    }
    let spec = stack_set::desired(config, organization.management_account);
    let report = Status {
        members: members(
            config,
            &spec,
            &organization,
            &thresholds,
            &covered,
            &observed,
        ),
        billing: billing(context, &organization, &thresholds).await,
    };
    anstream::println!("{}", render::status(context.global.format, &report));
    context.summarize(|| render::status(Format::Markdown, &report));
    if args.check && report.has_findings() {
        return Err(Error::new(
            ErrorKind::Check,
            "the check found something; see above",
        ));
    }
    Ok(())
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
    let management_account = organization.management_account;
    let own_threshold = organization
        .account(management_account)
        .map_or(thresholds.default, |(_, parent)| {
            thresholds.of(management_account, parent, organization)
        });
    let facts = Facts {
        organization: organization.id.clone(),
        management_account,
        own_threshold,
    };
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
