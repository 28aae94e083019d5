use std::cell::RefCell;
use std::collections::BTreeSet;

use clap::Args;

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
use billctl_core::event::Event;
use billctl_core::model::{AccountId, OrgId, Organization};
use billctl_core::service::OrAbsent;
use billctl_core::service::cloudformation::StackSet;
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
    let listener = &*context.listener;
    listener.on(Event::Phase("reading the billing side ...".to_owned()));
    let facts = observe::facts(services, &context.config).await?;
    let naming = context.naming(&facts);
    let observed = observe::read(services, &naming).await?;
    let plan = plan::removal(&naming, &observed.present);
    let format = context.global.format;
    let members = Members::read(context).await?;
    let of_members = members.removal();
    let nothing = plan.is_empty() && of_members.is_none();
    let text = |format, detail| {
        let mut text = render::billing_plan(format, "destroy", &plan, false);
        if let Some(more) = members.text(format, detail) {
            text = format!("{text}\n{more}");
        }
        text
    };
    if args.plan {
        let detail = Detail {
            full: args.full,
            width: Outputs::width(),
        };
        return match format {
            Format::Json => say!("{}", render::billing_json("destroy", &plan, false, None, of_members)),
            _ => say!("{}", text(format, detail)),
        };
    }
    let asks = context.interactive() && args.organization.is_none() && !nothing;
    context.show_plan(asks, args.full, text)?;
    if nothing {
        return match format {
            Format::Json => say!("{}", render::billing_json("destroy", &plan, true, None, of_members)),
            _ => context.conclude("", NEXT),
        };
    }
    let mut counts = vec![render::billing_counts(&plan)];
    counts.extend(of_members.map(|(waves, _)| {
        let instances = plural(waves.counts().remove, "instance");
        format!("StackSet {} and its {instances}", context.config.deploy.stack_set)
    }));
    confirm(args, context, &facts.organization, &counts.join("; ")).await?;
    let kept = match of_members {
        Some((_, organization)) => remove_members(context, organization).await?,
        None => BTreeSet::new(),
    };
    apply::run(&plan, services, listener).await?;
    let left = plan::removal(&naming, &observe::read(services, &naming).await?.present);
    if let Some(step) = left.steps.first() {
        return Err(Error::failed(format!("{} is still there", step.id)).remedy("run `billctl destroy` again"));
    }
    if format == Format::Json {
        return say!("{}", render::billing_json("destroy", &plan, true, None, of_members));
    }
    let but = if kept.is_empty() {
        ""
    } else {
        ", except the stacks named above"
    };
    context.conclude(&format!("what billctl made is gone{but}"), NEXT)
}

/// The StackSet, and what becomes of it.
struct Members {
    live: Option<StackSet>,
    /// The removal of its instances, if it is billctl's.
    removal: Option<(Waves, Organization)>,
}

impl Members {
    async fn read(context: &Context) -> Result<Self> {
        let services = &context.services;
        let deploy = &context.config.deploy;
        let observed = stack_set::observe(services, &deploy.stack_set).await?;
        let live = observed.stack_set.clone();
        // As with everything else: only what bears billctl's mark goes.
        let removal = match live.as_ref().filter(|live| foreign(live).is_none()) {
            None => None,
            Some(live) => {
                let organization = organization(services).await?;
                let desired = Desired::nothing(live);
                let rollout = plan_rollout(&desired, &observed, &organization, &everything());
                let wave = Wave { name: None, rollout };
                Some((Waves::from(wave), organization))
            }
        };
        Ok(Self { live, removal })
    }

    fn removal(&self) -> Option<(&Waves, &Organization)> {
        self.removal.as_ref().map(|(waves, organization)| (waves, organization))
    }

    fn text(&self, format: Format, detail: Detail) -> Option<String> {
        if let Some((waves, organization)) = self.removal() {
            return Some(render::stack_set_removal(format, waves, organization, detail));
        }
        let live = self.live.as_ref()?;
        let why = foreign(live)?;
        Some(format!(
            "= StackSet {} stays: billctl didn't make it ({why})",
            live.name
        ))
    }
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
    let listener = &*context.listener;
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
    let report = RolloutLoop::new(services, listener, name, Wait::Finish)
        .carry_out(&deploy.preferences, None, afresh, async |_| Ok(()))
        .await?;
    if report.has_failures() {
        say!("{}", render::failures(&report.outcomes, organization))?;
        return Err(
            Error::failed("not every instance could be removed, so the StackSet and the billing side stay")
                .remedy("fix the accounts above and run `billctl destroy` again"),
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
async fn confirm(args: &DestroyArgs, context: &Context, organization: &OrgId, counts: &str) -> Result<()> {
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
    aside!("{counts}");
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
