use std::cell::RefCell;
use std::collections::BTreeSet;

use clap::Args;

use super::{Context, Format};
use crate::apply::billing as apply;
use crate::apply::removal;
use crate::apply::rollout_loop::RolloutLoop;
use crate::apply::stack_set_queue::Wait;
use crate::observe::{billing as observe, organization, stack_set};
use crate::plan::billing as plan;
use crate::plan::rollout::{Desired, Options, plan as plan_rollout};
use crate::render;
use crate::resource::Scope;
use crate::resource::stack_set::foreign;
use billctl_core::error::{Context as _, Error, Result};
use billctl_core::event::Event;
use billctl_core::model::{AccountId, OrgId};
use billctl_core::service::OrAbsent;

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub(super) struct DestroyArgs {
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
pub(super) async fn run(args: &DestroyArgs, context: &Context) -> Result<()> {
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
        say!("{}", render::billing_plan(format, "destroy", &plan, false))?;
    } else if args.plan {
        say!("{}", render::billing_json("destroy", &plan, false, None))?;
    }
    let members = stack_set::observe(services, &context.config.deploy.stack_set).await?;
    // As with everything else: only what bears billctl's mark goes.
    let live = members.stack_set.as_ref();
    let ours = live.is_some_and(|live| foreign(live).is_none());
    if let (Some(live), true) = (live, format != Format::Json) {
        let name = &live.name;
        match foreign(live) {
            None => {
                let instances = render::plural(members.instances.len(), "instance");
                say!("- StackSet {name} and its {instances}")?;
            }
            Some(why) => {
                say!("= StackSet {name} stays: billctl didn't make it ({why})")?;
            }
        }
    }
    if args.plan || (plan.is_empty() && !ours) {
        return Ok(());
    }
    confirm(args, context, &facts.organization).await?;
    let kept = if ours {
        remove_members(context).await?
    } else {
        BTreeSet::new()
    };
    apply::run(&plan, services, listener).await?;
    let left = plan::removal(&scope, &observe::read(services, &scope).await?.present);
    if let Some(step) = left.steps.first() {
        return Err(Error::failed(format!("{} is still there", step.id)).remedy("run `billctl destroy` again"));
    }
    if format == Format::Json {
        return say!("{}", render::billing_json("destroy", &plan, true, None));
    }
    if !context.global.quiet {
        let but = if kept.is_empty() {
            ""
        } else {
            ", but for the stacks named above"
        };
        say!("done: what billctl made is gone{but}. next: nothing, or `billctl bootstrap` makes it again")?;
    }
    Ok(())
}

/// Removes every instance, then the StackSet: before the bus that the members forward to. Answers the accounts in which
/// the stack stays, and says so.
async fn remove_members(context: &Context) -> Result<BTreeSet<AccountId>> {
    let services = &context.services;
    let listener = &*context.listener;
    let deploy = &context.config.deploy;
    let organization = organization(services).await?;
    let name = &deploy.stack_set;
    let options = Options {
        prune: true,
        ..Options::default()
    };
    let kept = RefCell::new(BTreeSet::new());
    let afresh = async || {
        let members = stack_set::observe(services, name).await?;
        let desired = match &members.stack_set {
            Some(live) => Desired::nothing(live, deploy.preferences),
            None => return Ok(None),
        };
        let removal = plan_rollout(&desired, &members, &organization, &options);
        kept.borrow_mut().extend(removal.retained());
        Ok(Some((members, removal)))
    };
    let report = RolloutLoop::new(services, listener, name, Wait::Finish)
        .carry_out(&deploy.preferences, None, afresh, async |_| Ok(()))
        .await?;
    if report.has_failures() {
        say!("{}", render::failures(&report.outcomes, &organization))?;
        return Err(
            Error::failed("not every instance could be removed, so the StackSet and the billing side stay")
                .remedy("mend the accounts above and run `billctl destroy` again"),
        );
    }
    listener.on(Event::Phase(format!("removing StackSet {name}")));
    let removing = removal::delete_stack_set(services, name);
    context
        .watched
        .sending(format!("delete StackSet {name}"), removing)
        .await
        .or_absent()
        .while_trying(format!("delete StackSet {name}"))?;
    let kept = kept.into_inner();
    if !kept.is_empty() {
        let ids: Vec<String> = kept.iter().map(ToString::to_string).collect();
        listener.on(Event::Warning(format!(
            "the stack stays in {}: StackSets takes none out of an account that isn't in use, nor out of an INOPERABLE \
             instance",
            ids.join(", ")
        )));
    }
    Ok(kept)
}

/// The organisation's id, typed or given: a yes is too easily said to the wrong organisation.
async fn confirm(args: &DestroyArgs, context: &Context, organization: &OrgId) -> Result<()> {
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
        .remedy(format!("pass --organization {organization}")));
    }
    let answer = Context::ask(&format!(
        "type the organisation's id ({organization}) to remove all this: "
    ))
    .await?;
    if answer == organization.as_str() {
        Ok(())
    } else {
        Err(Error::failed("not confirmed: nothing was removed"))
    }
}
