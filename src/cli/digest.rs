use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Outputs;
use super::status::{self, StatusArgs};
use super::{Context, Format};
use crate::apply::digest as apply;
use crate::observe::{charges, precheck};
use crate::plan::digest::{Digest, DigestInput, DigestMail, digest};
use crate::render::{self, DigestSent};
use crate::resource::{Chat, Facts, day_of};
use crate::spend::{self, By, Window};
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{AccountId, OuId};
use billctl_core::service::cloudformation::CallAs;

/// Arguments of `digest`.
#[derive(Debug, Args)]
pub(super) struct DigestArgs {
    /// Write it to digest.html and digest.txt in DIR, and send nothing.
    #[arg(long, value_name = "DIR", conflicts_with = "again")]
    pub preview: Option<PathBuf>,
    /// Send it although today's was sent already.
    #[arg(long)]
    pub again: bool,
}

/// Sends one mail about yesterday to those who answer for the bill, once a day.
///
/// # Errors
/// AWS's answers; today's was sent already; SES's refusal; a folder that can't be written.
pub(super) async fn run(args: &DigestArgs, context: &Context) -> Result<()> {
    let config = &context.config;
    if config.call_as != CallAs::Own {
        return Err(Error::usage(
            "a digest needs the charges of all accounts, which are in the management account alone",
        )
        .remedy("run it there, with a config without `call-as`"));
    }
    if args.preview.is_none() && config.digest.to.is_empty() {
        return Err(Error::usage("the config names nobody to send a digest to").remedy(
            "add `[digest]` with `to = [\"finops@example.com\"]`, or look at it first: `billctl digest --preview DIR`",
        ));
    }
    let services = &context.services;
    let today = day_of(services.clock.now());
    // Before thousands of accounts are read.
    if args.preview.is_none() {
        let info = precheck::billing_account(services, config).await?;
        let facts = Facts {
            organization: info.id,
            management_account: info.management_account,
            own_threshold: config.alarm.threshold,
            // Names alone are asked of them.
            chat: Chat::default(),
        };
        let naming = context.naming(&facts);
        apply::check(services, &naming, today, args.again).await?;
        apply::reachable(services, &*context.watched, &config.digest.to).await?;
    }
    let (found, facts) = read(context).await?;
    let mail = render::digest_mail(&found)?;
    let mut sent = DigestSent {
        subject: mail.subject.clone(),
        to: config.digest.to.clone(),
        ..DigestSent::default()
    };
    match &args.preview {
        Some(folder) => sent.files = preview(folder, &mail)?,
        None => {
            let naming = context.naming(&facts);
            let sending = apply::send(services, &naming, &mail, today, args.again);
            let answer = context.watched.sending("send the digest", sending).await?;
            sent.message_id = Some(answer.message_id);
            sent.claim = Some(answer.claim);
        }
    }
    say!("{}", render::digest(context.global.format, &found, &sent))?;
    context.summarize(|| render::digest(Format::Markdown, &found, &sent));
    Ok(())
}

/// Reads what `status` and `spend` read, each thing once.
async fn read(context: &Context) -> Result<(Digest, Facts)> {
    context.phase("reading the organisation");
    let services = &context.services;
    let measure = context.config.alarm.measure;
    let now = services.clock.now();
    let window = Window::of_days(super::spend::MIN_HISTORY, measure, now);
    let mut histories = None;
    let charges = async |accounts| {
        let read = charges::histories_and_standing(services, &accounts, &window).await;
        let (read, standing) = match read {
            Ok((read, standing)) => (Ok(read), Ok(standing)),
            // `status` shows the rest all the same; a digest without charges is none.
            Err(error) => {
                let said = Error::failed(error.to_string());
                (Err(error), Err(said))
            }
        };
        histories = Some(read);
        standing
    };
    let (status, organization) = status::look(&StatusArgs::default(), context, charges).await?;
    let histories = histories.ok_or_else(|| Error::failed("the accounts' charges weren't read"))??;
    let thresholds = context.thresholds(&organization)?;
    let limits = thresholds.limits(&context.config, &organization)?;
    let report = spend::report(spend::ReportInput {
        organization: &organization,
        now,
        by: By::Account,
        days: window.days,
        shown: window.days,
        measure,
        histories: histories.clone(),
        threshold: &|account: AccountId, _: &OuId| limits.get(&account).copied(),
        missing: Default::default(),
        top: None,
        metrics: histories.len(),
    });
    let digest = digest(&DigestInput {
        organization: &organization,
        organization_name: context.config.organization_name.as_deref(),
        report: &report,
        histories: &histories,
        members: &status.members,
        findings: &status.findings,
        not_looked_at: &status.not_looked_at,
    });
    Ok((digest, thresholds.facts(&organization)))
}

/// Both parts as files.
fn preview(folder: &Path, mail: &DigestMail) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).while_trying(format!("write to {}", folder.display()))?;
    let mut files = Vec::new();
    for (ending, text) in [("html", &mail.html), ("txt", &mail.text)] {
        let file = folder.join(format!("digest.{ending}"));
        Outputs::new([("--preview", file.as_path())])?.put(&file, text)?;
        files.push(file);
    }
    Ok(files)
}
