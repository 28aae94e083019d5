use std::time::Duration;

use clap::Args;

use super::{Context, Format};
use crate::apply::billing as apply;
use crate::observe::billing::{self as observe, Observed};
use crate::plan::billing::{self as plan, Plan};
use crate::render;
use crate::resource::mail_setup::MailSetup;
use crate::resource::{self, Naming};
use billctl_core::error::{Error, ErrorKind, Result, WhileTrying};
use billctl_core::service::OrAbsent;
use billctl_core::text::plural;

/// Minutes that can be waited for a verification: SES gives up after 72 hours.
const LONGEST_WAIT: u64 = 72 * 60;
/// Between two looks at whether the identity is verified.
const VERIFY_PAUSE: Duration = Duration::from_secs(15);

/// Arguments of `bootstrap`.
#[derive(Debug, Args)]
pub(super) struct BootstrapArgs {
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// With --plan: exit with code 4 if something would be done.
    #[arg(long, requires = "plan")]
    pub check: bool,
    /// Show what is in everything that is made or changed: policies and patterns as whole documents.
    #[arg(long)]
    pub full: bool,
    /// Take over what is there under billctl's names though billctl didn't make it; `--yes` alone isn't enough.
    #[arg(long)]
    pub adopt: bool,
    /// Wait until SES has verified the identity; at most MINUTES.
    #[arg(
        long,
        value_name = "MINUTES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60",
        value_parser = clap::value_parser!(u64).range(..=LONGEST_WAIT),
        conflicts_with = "plan"
    )]
    pub wait_verified: Option<u64>,
}

/// Makes or repairs the billing account's side.
///
/// # Errors
/// The wrong account; a step that failed; something that still differs afterwards.
pub(super) async fn run(args: &BootstrapArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    context.phase("reading the billing side ...");
    let facts = observe::facts(services, &context.config).await?;
    let naming = context.naming(&facts);
    let mut observed = observe::read(services, &naming).await?;
    let plan = plan::plan(resource::desired(&naming), &observed.present);
    context.summarize(|| render::billing_plan(Format::Markdown, "bootstrap", &plan, args.full));
    if args.plan {
        show(context, &plan, false, &naming, &observed, args.full)?;
        return match args.check && !plan.is_empty() {
            true => Err(Error::new(ErrorKind::Check, "the plan isn't empty; see above")),
            false => Ok(()),
        };
    }
    let asks = context.asks() && !plan.is_empty();
    context.show_plan(asks, args.full, |format, _| {
        render::billing_plan(format, "bootstrap", &plan, args.full)
    })?;
    if !plan.is_empty() {
        confirm(args, context, &plan).await?;
        apply::run(&plan, services, &*context.watched).await?;
        observed = observe::read(services, &naming).await?;
        verify(&naming, &observed)?;
    }
    if let Some(minutes) = args.wait_verified {
        wait_verified(context, &naming, &mut observed, minutes).await?;
    }
    conclude(context, &plan, &naming, &observed)
}

/// Asks whether to go on. What somebody else made is changed only when they were named: whatever uses it may stop
/// working.
async fn confirm(args: &BootstrapArgs, context: &Context, plan: &Plan) -> Result<()> {
    let foreign: Vec<String> = plan.takeovers().map(|step| step.id.to_string()).collect();
    let foreign = foreign.join(", ");
    let counts = render::billing_counts(plan);
    if foreign.is_empty() || args.adopt {
        return context.confirm_plan(&counts, "apply this plan?", false).await;
    }
    if context.asks() {
        let question = format!("apply this plan, and take over what billctl didn't make ({foreign})?");
        return context.confirm_plan(&counts, &question, true).await;
    }
    Err(
        Error::usage(format!("billctl didn't make {foreign}, so nothing was changed"))
            .remedy("choose other names under [names] or [alarm] in the config, or take it over with --adopt"),
    )
}

/// The plan alone: with `--plan`.
fn show(context: &Context, plan: &Plan, applied: bool, naming: &Naming, observed: &Observed, full: bool) -> Result<()> {
    let setup = MailSetup::new(naming, &observed.ses, observed.identity.as_ref());
    let after = render::After {
        mail: &setup,
        operations: &observed.hearing,
        chat: &observed.chat,
    };
    let text = match context.global.format {
        Format::Json => render::billing_json("bootstrap", plan, applied, Some(after), None),
        format => render::billing_plan(format, "bootstrap", plan, full),
    };
    say!("{text}")
}

/// What is left to do by hand, or everything for a program.
fn conclude(context: &Context, plan: &Plan, naming: &Naming, observed: &Observed) -> Result<()> {
    if context.global.format == Format::Json {
        return show(context, plan, !plan.is_empty(), naming, observed, false);
    }
    if context.global.quiet {
        return Ok(());
    }
    let setup = MailSetup::new(naming, &observed.ses, observed.identity.as_ref());
    let format = context.global.format;
    say!("\n{}", render::mail_setup(format, &setup))?;
    if let Some(text) = render::hearing(format, &observed.hearing) {
        say!("\n{text}")?;
    }
    if let Some(text) = render::channels(format, &observed.chat) {
        say!("\n{text}")?;
    }
    let done = match plan.steps.len() {
        0 => String::new(),
        count => plural(count, "step"),
    };
    let next = match setup.verified {
        Some(false) => {
            "verify the sender as said above; meanwhile `billctl deploy --plan` shows which accounts get an alarm"
        }
        _ => {
            "`billctl deploy --plan` shows which accounts get an alarm; `billctl test-alert --account ACCOUNT` sends a test"
        }
    };
    say!("")?;
    context.global.conclude(&done, next)
}

/// That what was applied is there: AWS's own words, not the plan's.
fn verify(naming: &Naming, observed: &Observed) -> Result<()> {
    let left = plan::plan(resource::desired(naming), &observed.present);
    let Some(step) = left.steps.first() else {
        return Ok(());
    };
    let fields: Vec<&str> = step.fields.iter().map(|field| field.path.as_str()).collect();
    Err(Error::failed(format!(
        "{} still differs after it was written ({})",
        step.id,
        fields.join(", ")
    ))
    .remedy("somebody else may be changing it, or AWS needs a moment: run `billctl bootstrap --plan`"))
}

/// Waits until the identity may send.
async fn wait_verified(context: &Context, naming: &Naming<'_>, observed: &mut Observed, minutes: u64) -> Result<()> {
    let services = &context.services;
    let setup = MailSetup::new(naming, &observed.ses, observed.identity.as_ref());
    if setup.verified != Some(false) {
        return Ok(());
    }
    // What to do has to be read before it can be waited for.
    if context.global.format != Format::Json {
        say!("\n{}", render::mail_setup(context.global.format, &setup))?;
    }
    context.phase(format!("waiting until SES has verified {} ...", setup.identity));
    let deadline = services.clock.now() + Duration::from_secs(minutes * 60);
    while services.clock.now() < deadline {
        services.clock.sleep(VERIFY_PAUSE).await;
        observed.identity = services
            .sesv2
            .get_email_identity(&context.config.mail.identity)
            .await
            .or_absent()
            .while_trying("ask SES about the identity")?;
        if observed.identity.as_ref().is_some_and(|identity| identity.verified) {
            return Ok(());
        }
    }
    Err(Error::failed(format!(
        "SES hasn't verified {} within {minutes} minutes",
        setup.identity
    ))
    .remedy("check the DNS records, or the mail with the link; then run `billctl bootstrap --wait-verified` again"))
}
