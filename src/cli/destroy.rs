use std::cell::RefCell;
use std::collections::BTreeSet;

use clap::Args;

use super::context::{ask, interactive};
use super::output::Outputs;
use super::{Context, Format};
use crate::apply::rollout_loop::RolloutLoop;
use crate::apply::stack_set_queue::Wait;
use crate::apply::{billing as apply, removal};
use crate::observe::{billing as observe, organization, stack_set};
use crate::plan::billing as plan;
use crate::plan::rollout::{Desired, Options, Wave, Waves, plan as plan_rollout};
use crate::render::{self, Detail};
use crate::resource::stack_set::foreign;
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{AccountId, OrgId, Organization};
use billctl_core::service::OrAbsent;
use billctl_core::text::plural;

/// What comes after it.
const NEXT: &str = "nothing, or `billctl bootstrap` makes it again";

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub(super) struct DestroyArgs {
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// Name every account, however many they are.
    #[arg(long)]
    pub full: bool,
    /// The organisation's id, instead of being asked for it: `--yes` alone isn't enough.
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
    context.phase("reading the billing side ...");
    let facts = observe::facts(services, &context.config).await?;
    let naming = context.naming(&facts);
    let observed = observe::read(services, &naming).await?;
    let plan = plan::removal(&naming, &observed.present);
    let format = context.global.format;
    let (removal, stays) = members(context).await?;
    let of_members = removal.as_ref().map(|(waves, organization)| (waves, organization));
    let nothing = plan.is_empty() && of_members.is_none();
    let text = |format, detail| {
        let text = render::billing_plan(format, "destroy", &plan, false);
        match (of_members, &stays) {
            (Some((waves, organization)), _) => {
                let more = render::stack_set_removal(format, waves, organization, detail);
                format!("{text}\n{more}")
            }
            (None, Some(more)) => format!("{text}\n{more}"),
            (None, None) => text,
        }
    };
    let json = |applied| say!("{}", render::billing_json("destroy", &plan, applied, None, of_members));
    if args.plan {
        let detail = Detail {
            full: args.full,
            width: Outputs::width(),
        };
        return match format {
            Format::Json => json(false),
            _ => say!("{}", text(format, detail)),
        };
    }
    let asks = interactive() && args.organization.is_none() && !nothing;
    context.show_plan(asks, args.full, text)?;
    if nothing {
        return match format {
            Format::Json => json(true),
            _ => context.global.conclude("", NEXT),
        };
    }
    let mut counts = vec![render::billing_counts(&plan)];
    counts.extend(of_members.map(|(waves, _)| {
        let instances = plural(waves.counts().remove, "instance");
        format!("StackSet {} and its {instances}", context.config.deploy.stack_set)
    }));
    confirm(args, &facts.organization, &counts.join("; ")).await?;
    let kept = match of_members {
        Some((_, organization)) => remove_members(context, organization).await?,
        None => BTreeSet::new(),
    };
    apply::run(&plan, services, &*context.watched).await?;
    let left = plan::removal(&naming, &observe::read(services, &naming).await?.present);
    if let Some(step) = left.steps.first() {
        return Err(Error::failed(format!("{} is still there", step.id)).remedy("run `billctl destroy` again"));
    }
    if format == Format::Json {
        return json(true);
    }
    let but = match kept.is_empty() {
        true => "",
        false => ", except the stacks named above",
    };
    context
        .global
        .conclude(&format!("what billctl made is gone{but}"), NEXT)
}

/// How the StackSet's instances are removed, with the organisation they are in; or the words for why the StackSet stays.
/// As with everything else, only what bears billctl's mark goes.
async fn members(context: &Context) -> Result<(Option<(Waves, Organization)>, Option<String>)> {
    let services = &context.services;
    let observed = stack_set::observe(services, &context.config.deploy.stack_set).await?;
    let Some(live) = &observed.stack_set else {
        return Ok((None, None));
    };
    if let Some(why) = foreign(live) {
        let stays = format!("= StackSet {} stays: billctl didn't make it ({why})", live.name);
        return Ok((None, Some(stays)));
    }
    let organization = organization(services).await?;
    let rollout = plan_rollout(&Desired::nothing(live), &observed, &organization, &everything());
    let waves = Waves::from(Wave { name: None, rollout });
    Ok((Some((waves, organization)), None))
}

/// Every instance goes.
fn everything() -> Options {
    Options {
        prune: true,
        ..Options::default()
    }
}

/// Removes every instance, then the StackSet: before the bus that the members forward to. Answers the accounts in which
/// the stack stays, and says so.
async fn remove_members(context: &Context, organization: &Organization) -> Result<BTreeSet<AccountId>> {
    let services = &context.services;
    let deploy = &context.config.deploy;
    let name = &deploy.stack_set;
    let kept = RefCell::new(BTreeSet::new());
    let afresh = async || {
        let members = stack_set::observe(services, name).await?;
        let desired = match &members.stack_set {
            Some(live) => Desired::nothing(live),
            None => return Ok(None),
        };
        let removal = plan_rollout(&desired, &members, organization, &everything());
        kept.borrow_mut().extend(removal.retained());
        Ok(Some((members, removal)))
    };
    let report = RolloutLoop::new(services, &*context.watched, name, Wait::Finish)
        .carry_out(&deploy.preferences, None, afresh, async |_| Ok(()))
        .await?;
    if report.has_failures() {
        say!("{}", render::failures(&report.outcomes, organization))?;
        return Err(
            Error::failed("not every instance could be removed, so the StackSet and the billing side stay")
                .remedy("fix the accounts above and run `billctl destroy` again"),
        );
    }
    context.phase(format!("removing StackSet {name}"));
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
        context.warn(format!(
            "the stack stays in {}: StackSets takes none out of an account that isn't in use, nor out of an INOPERABLE \
             instance",
            ids.join(", ")
        ));
    }
    Ok(kept)
}

/// The organisation's id, typed or given: a yes is too easily said to the wrong organisation.
async fn confirm(args: &DestroyArgs, organization: &OrgId, counts: &str) -> Result<()> {
    if let Some(given) = &args.organization {
        return match given == organization {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "--organization {given} isn't the organisation of these credentials, {organization}"
            ))),
        };
    }
    if !interactive() {
        return Err(Error::usage(
            "removing everything needs the organisation's id, and there is no terminal to ask on",
        )
        .remedy(format!("pass --organization {organization}")));
    }
    aside!("{counts}");
    let question = format!("type the organisation's id ({organization}) to remove all this: ");
    match ask(&question).await?.trim() == organization.as_str() {
        true => Ok(()),
        false => Err(Error::failed("not confirmed: nothing was removed")),
    }
}
