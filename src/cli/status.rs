use clap::Args;
use futures::try_join;

use super::{Context, precheck};
use crate::error::{Error, ErrorKind, Result};
use crate::observe;
use crate::plan::rollout::{Override, targets};
use crate::plan::status::members;
use crate::render;
use crate::resource::stack_set;

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
    let unknown = observed
        .instances
        .values()
        .filter(|instance| instance.threshold == Override::Unknown)
        .count();
    if args.deep || unknown <= READ_WITHOUT_ASKING {
        observe::stack_set::read_overrides(services, name, &mut observed, |_| true).await?;
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
    let report = members(
        config,
        &spec,
        &organization,
        &thresholds,
        &covered,
        &observed,
    );
    anstream::println!("{}", render::status(context.global.format, &report));
    if args.check && (report.has_findings() || !report.exists) {
        return Err(Error::new(
            ErrorKind::Check,
            "the check found something; see above",
        ));
    }
    Ok(())
}
