use clap::Args;

use super::{Context, Format};
use crate::apply::{resend as apply, tell};
use crate::observe::precheck;
use crate::render::{self, Resend};
use billctl_core::error::{Error, ErrorKind, Result};

/// Arguments of `resend`.
#[derive(Debug, Args)]
pub(super) struct ResendArgs {
    /// Show what would be sent again, and change nothing.
    #[arg(long)]
    plan: bool,
    /// Delete the messages of the dead-letter queue that can't be sent again: SES's reports, and others' events.
    #[arg(long, conflicts_with = "plan")]
    drop: bool,
}

/// What comes after it.
const NEXT: &str = "`billctl status` shows what is undelivered, and who is above the limit and was told";

/// Sends again what ended undelivered.
///
/// # Errors
/// AWS's answers; something that couldn't be sent.
pub(super) async fn run(args: &ResendArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let format = context.global.format;
    context.phase("looking for what ended undelivered");
    let billing = precheck::billing_account(services, &context.config);
    let organization = context.organization(billing).await?;
    let thresholds = context.thresholds(&organization)?;
    let facts = thresholds.facts(&organization);
    let naming = context.naming(&facts);
    tell::notifier(services, &naming).await?;
    let known = apply::Known {
        naming: &naming,
        organization: &organization,
        limits: &thresholds.limits(&context.config, &organization)?,
        now: services.clock.now(),
    };
    let mut undone = apply::look(services, &known).await?;
    let plan = Resend::of(&undone.items, &undone.notes, false);
    let nothing = plan.again == 0 && !args.drop;
    if args.plan || nothing {
        apply::release(services, &undone).await?;
        let plan = Resend::of(&undone.items, &undone.notes, !args.plan);
        if args.plan || format == Format::Json {
            return say!("{}", render::resend(format, &plan));
        }
        context.global.notice(render::resend(format, &plan))?;
        return context.global.conclude("", NEXT);
    }
    if context.asks() {
        context.show_plan(true, false, |format, _| render::resend(format, &plan))?;
    }
    if let Err(refused) = context.confirm("send these again?", false).await {
        apply::release(services, &undone).await?;
        return Err(refused);
    }
    let sending = apply::run(services, &known, &mut undone, args.drop);
    context.watched.sending("send these again", sending).await?;
    let done = Resend::of(&undone.items, &undone.notes, true);
    // Whom it could not be sent to is never hidden.
    if format == Format::Json || done.failed > 0 {
        say!("{}", render::resend(format, &done))?;
    } else {
        context.global.notice(render::resend(format, &done))?;
    }
    if done.failed > 0 {
        return Err(
            Error::new(ErrorKind::Partial, format!("{} couldn't be sent again", done.failed))
                .remedy("see above for why, fix it, and run `billctl resend` again"),
        );
    }
    context.global.conclude(&done.summary(), NEXT)
}
