use std::io::Write;

use clap::Args;

use super::{Context, Format};
use crate::apply::billing as apply;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::model::OrgId;
use crate::observe::billing as observe;
use crate::plan::billing as plan;
use crate::render;
use crate::resource::Scope;

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// The organisation's id, instead of being asked for it: `--yes` alone doesn't do.
    #[arg(long, value_name = "ID")]
    pub organization: Option<OrgId>,
}

/// Removes what billctl made: the members' stacks, the StackSet, then the billing account's side. Interrupted, it
/// can be run again.
///
/// # Errors
/// The wrong account; not confirmed; a step that failed; something that is still there afterwards.
pub async fn run(args: &DestroyArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let listener = &*context.listener;
    listener.on(Event::Phase("reading the billing side ...".to_owned()));
    let facts = observe::facts(services, &context.config).await?;
    let scope = Scope {
        config: &context.config,
        facts: &facts,
    };
    let observed = observe::read(services, &scope).await?;
    let plan = plan::removal(&scope, &observed.present);
    let format = context.global.format;
    if format != Format::Json {
        anstream::println!("{}", render::billing_plan(format, "destroy", &plan));
    } else if args.plan {
        anstream::println!("{}", render::billing_json("destroy", &plan, false, None));
    }
    if args.plan || plan.is_empty() {
        return Ok(());
    }
    confirm(args, context, &facts.organization)?;
    apply::run(&plan, services, listener).await?;
    let left = plan::removal(&scope, &observe::read(services, &scope).await?.present);
    if let Some(step) = left.steps.first() {
        return Err(Error::failed(format!("{} is still there", step.id))
            .hint("run `billctl destroy` again"));
    }
    if format == Format::Json {
        anstream::println!("{}", render::billing_json("destroy", &plan, true, None));
    }
    Ok(())
}

/// The organisation's id, typed or given: a yes is too easily said to the wrong organisation.
fn confirm(args: &DestroyArgs, context: &Context, organization: &OrgId) -> Result<()> {
    if let Some(given) = &args.organization {
        return if given == organization {
            Ok(())
        } else {
            Err(Error::usage(format!(
                "--organization {given} isn't the organisation of these credentials, {organization}"
            )))
        };
    }
    if !context.interactive() {
        return Err(Error::usage(
            "removing everything needs the organisation's id, and there is no terminal to ask on",
        )
        .hint(format!("pass --organization {organization}")));
    }
    anstream::eprint!("type the organisation's id ({organization}) to remove all this: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == organization.as_str() {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::Interrupted,
            "not confirmed: nothing was removed",
        ))
    }
}
