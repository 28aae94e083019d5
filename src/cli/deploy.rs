use std::collections::BTreeSet;

use clap::Args;
use futures::try_join;

use super::{Context, Format, precheck};
use crate::apply::operation::follow;
use crate::apply::rollout::{self as apply, Report, Wait};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::Event;
use crate::model::{AccountId, Organization};
use crate::observe;
use crate::plan::Thresholds;
use crate::plan::rollout::{self as plan, Desired, Observed, Options, Rollout, Scope};
use crate::render;
use crate::resource::stack_set;
use crate::service::cloudformation::{Amount, OrganizationsAccess, Preferences};

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// An OU by id, path (Root/Production) or unique name; again for more. Without it: all that config targets.
    #[arg(long, value_name = "OU")]
    pub ou: Vec<String>,
    /// Only these accounts of the OUs.
    #[arg(long, value_name = "ID")]
    pub account: Vec<AccountId>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove instances of accounts that config no longer targets.
    #[arg(long)]
    pub prune: bool,
    /// Remove and create the instance of this account, to mend what an update can't.
    #[arg(long, value_name = "ID")]
    pub recreate: Vec<AccountId>,
    /// Failures after which an operation stops: a count, or a share such as 10%.
    #[arg(long, value_name = "N|N%", value_parser = amount)]
    pub tolerance: Option<Amount>,
    /// Accounts at once: a count, or a share such as 25%.
    #[arg(long, value_name = "N|N%", value_parser = amount)]
    pub concurrency: Option<Amount>,
    /// Don't wait for another operation on the StackSet: exit with code 5.
    #[arg(long)]
    pub no_wait: bool,
    /// Submit the first operation and leave it to AWS.
    #[arg(long, conflicts_with = "plan")]
    pub detach: bool,
    /// Stop the operation that is under way.
    #[arg(long, exclusive = true)]
    pub stop: bool,
}

/// A count, or a share in percent.
fn amount(text: &str) -> Result<Amount, String> {
    let number = |digits: &str| {
        digits
            .parse::<u32>()
            .map_err(|_| "expected 5 or 10%".to_owned())
    };
    match text.strip_suffix('%') {
        Some(digits) => match number(digits)? {
            percent @ 0..=100 => Ok(Amount::Percent(percent)),
            _ => Err("a share is at most 100%".to_owned()),
        },
        None => number(text).map(Amount::Count),
    }
}

/// Rolls the alarm out.
///
/// # Errors
/// Anything that went wrong before, and accounts that failed.
pub async fn run(args: &DeployArgs, context: &Context) -> Result<()> {
    if args.stop {
        return stop(context).await;
    }
    let (organization, thresholds) = read(context).await?;
    let preferences = Preferences {
        tolerance: args
            .tolerance
            .unwrap_or(context.config.deploy.preferences.tolerance),
        concurrency: args
            .concurrency
            .unwrap_or(context.config.deploy.preferences.concurrency),
        mode: context.config.deploy.preferences.mode,
    };
    let rollout = Deploy {
        args,
        context,
        organization: &organization,
        thresholds: &thresholds,
        preferences,
    };
    let watching = rollout.run();
    tokio::select! {
        result = watching => result,
        _ = tokio::signal::ctrl_c() => Err(Error::new(
            ErrorKind::Interrupted,
            "stopped watching; an operation that was submitted goes on in AWS",
        )
        .hint("run the same command again to follow it, or `billctl deploy --stop` to stop it")),
    }
}

/// The organisation and its thresholds, once it is clear that this caller may act.
async fn read(context: &Context) -> Result<(Organization, Thresholds)> {
    context
        .listener
        .on(Event::Phase("reading the organisation ...".to_owned()));
    let services = &context.services;
    let (caller, organization) =
        try_join!(precheck::caller(services), observe::organization(services))?;
    precheck::administrator(context, &caller, &organization).await?;
    let thresholds = context.thresholds(&organization)?;
    Ok((organization, thresholds))
}

/// One deploy.
struct Deploy<'a> {
    args: &'a DeployArgs,
    context: &'a Context,
    organization: &'a Organization,
    thresholds: &'a Thresholds,
    preferences: Preferences,
}

impl Deploy<'_> {
    async fn run(&self) -> Result<()> {
        for scope in self.scopes()? {
            self.wave(&scope).await?;
        }
        Ok(())
    }

    /// The waves, each with its OUs; one wave if there are none in config or the command line names OUs.
    fn scopes(&self) -> Result<Vec<Wave>> {
        let config = &self.context.config;
        let accounts: BTreeSet<AccountId> = self.args.account.iter().copied().collect();
        let tolerance = self.preferences.tolerance;
        let all = |ous: &[String]| Wave {
            name: None,
            scope: Scope {
                ous: ous.to_vec(),
                accounts: accounts.clone(),
            },
            tolerance,
        };
        if !self.args.ou.is_empty() {
            return Ok(vec![all(&self.args.ou)]);
        }
        if config.deploy.ous.is_empty() && config.waves.is_empty() {
            return Err(Error::usage("config targets no OU, and none was given")
                .hint("pass --ou, or list OUs in [deploy] ous"));
        }
        let mut waves: Vec<Wave> = config
            .waves
            .iter()
            .map(|wave| Wave {
                name: Some(wave.name.clone()),
                scope: Scope {
                    ous: wave.ous.clone(),
                    accounts: accounts.clone(),
                },
                tolerance: self.args.tolerance.or(wave.tolerance).unwrap_or(tolerance),
            })
            .collect();
        if !config.deploy.ous.is_empty() {
            waves.push(all(&config.deploy.ous));
        }
        Ok(waves)
    }

    async fn wave(&self, wave: &Wave) -> Result<()> {
        let Self { context, args, .. } = self;
        let services = &context.services;
        let listener = &*context.listener;
        let config = &context.config;
        let spec = stack_set::desired(config, self.organization.management_account);
        let desired = Desired::new(
            config,
            spec,
            self.organization,
            self.thresholds,
            &wave.scope,
        )?;
        self.check_accounts(&desired)?;
        if let Some(name) = &wave.name {
            listener.on(Event::Phase(format!("wave {name}")));
        }
        let preferences = Preferences {
            tolerance: wave.tolerance,
            ..self.preferences
        };
        let options = Options {
            prune: args.prune,
            recreate: args.recreate.iter().copied().collect(),
        };
        let wait = match (args.detach, args.no_wait) {
            (true, _) => Wait::Detach,
            (false, true) => Wait::NotForOthers,
            (false, false) => Wait::Finish,
        };
        let mut confirmed = false;
        loop {
            if !args.plan {
                apply::wait_for_others(services, listener, &config.deploy.stack_set, wait).await?;
            }
            let observed = observe(context, &desired).await?;
            let rollout = plan::plan(&desired, &observed, self.organization, &options);
            if observed.stack_set.is_none() && !args.plan {
                self.check_access().await?;
            }
            if !confirmed {
                anstream::println!(
                    "{}",
                    render::rollout(context.global.format, &rollout, self.organization)
                );
                context
                    .summarize(|| render::rollout(Format::Markdown, &rollout, self.organization));
            }
            if rollout.is_empty() || args.plan {
                return Ok(());
            }
            if !confirmed {
                context.confirm("apply this plan?", rollout.counts().remove > 0)?;
                confirmed = true;
            }
            let report = apply::apply(services, listener, &rollout, &preferences, wait).await?;
            if !report.overtaken {
                return self.conclude(&rollout, &report);
            }
            listener.on(Event::Note(
                "another operation came in between: planning afresh".to_owned(),
            ));
        }
    }

    /// That the accounts named on the command line are in the OUs of the run.
    fn check_accounts(&self, desired: &Desired) -> Result<()> {
        for account in self.args.account.iter().chain(&self.args.recreate) {
            if !desired.accounts.contains_key(account) && !desired.skipped.contains_key(account) {
                let place = match self.organization.account(*account) {
                    Some((_, parent)) => format!("it is in {}", self.organization.path(parent)),
                    None => "it is not in the organisation".to_owned(),
                };
                return Err(Error::usage(format!(
                    "account {account} is outside the OUs of this deploy: {place}"
                ))
                .hint("name its OU with --ou"));
            }
        }
        Ok(())
    }

    /// That StackSets may act in the organisation.
    async fn check_access(&self) -> Result<()> {
        match self
            .context
            .services
            .cloudformation
            .describe_organizations_access()
            .await
        {
            Ok(OrganizationsAccess::Enabled) => Ok(()),
            Ok(OrganizationsAccess::Disabled) => Err(Error::failed(
                "trusted access of StackSets to the organisation is off",
            )
            .hint("run `billctl bootstrap` in the management account, which switches it on")),
            Ok(OrganizationsAccess::DisabledPermanently) => Err(Error::failed(
                "trusted access of StackSets to the organisation is disabled permanently",
            )
            .hint("ask AWS support to lift it")),
            // Not every engine has this call; StackSets itself refuses where access is off.
            Err(error) => {
                self.context.listener.on(Event::Warning(format!(
                    "trusted access could not be checked: {error}"
                )));
                Ok(())
            }
        }
    }

    /// What the run amounts to: every failure listed, and the exit code.
    fn conclude(&self, rollout: &Rollout, report: &Report) -> Result<()> {
        if report.has_failures() {
            let failures = render::failures(&report.outcomes, self.organization);
            anstream::println!("{failures}");
            self.context.summarize(|| format!("```\n{failures}\n```"));
        }
        if let Some(id) = &report.detached {
            anstream::println!(
                "operation {id} goes on in AWS; run the same command again to follow it"
            );
            return Ok(());
        }
        if report.failed() {
            return Err(
                Error::failed("the operation failed beyond its tolerance").hint(format!(
                    "{} of {} steps were not begun; mend the accounts above and run deploy again",
                    report.not_reached,
                    rollout.steps.len()
                )),
            );
        }
        if report.has_failures() {
            return Err(Error::new(
                ErrorKind::Partial,
                "some accounts failed, within the tolerance",
            )
            .hint("mend the accounts above and run deploy again: it takes up only those"));
        }
        Ok(())
    }
}

/// A part of the rollout that goes as one.
struct Wave {
    name: Option<String>,
    scope: Scope,
    tolerance: Amount,
}

/// What is there, with the overrides that the plan needs.
async fn observe(context: &Context, desired: &Desired) -> Result<Observed> {
    let name = &context.config.deploy.stack_set;
    let mut observed = observe::stack_set::observe(&context.services, name).await?;
    let everywhere = plan::changes_stack_set(&desired.spec, &observed);
    observe::stack_set::read_overrides(&context.services, name, &mut observed, |account| {
        everywhere || desired.accounts.contains_key(&account)
    })
    .await?;
    Ok(observed)
}

/// `--stop`.
async fn stop(context: &Context) -> Result<()> {
    let name = &context.config.deploy.stack_set;
    let services = &context.services;
    let running = observe::stack_set::running(services, name)
        .await
        .while_trying(format!("look for operations on StackSet {name}"))?;
    if running.is_empty() {
        anstream::println!("no operation is under way on StackSet {name}");
    }
    for operation in running {
        services
            .cloudformation
            .stop_operation(name, &operation.id)
            .await
            .while_trying(format!("stop operation {}", operation.id))?;
        follow(services, &*context.listener, name, &operation.id, None).await?;
        anstream::println!("operation {} is stopped", operation.id);
    }
    Ok(())
}
