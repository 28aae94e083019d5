mod real;
mod sample;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum as _};
use serde::Serialize;

use super::{Format, GlobalArgs, complete};
use crate::config::Config;
use crate::plan::recipients::RecipientFrom;
use crate::{apply, observe, plan, render, resource};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::event::NullListener;
use billctl_core::model::{AccountId, OuId, Usd};
use billctl_core::service::Services;
use billctl_core::service::cloudformation::{AccountFilter, InstancesRequest, OperationId, Targets};
use billctl_sandbox::sesv2::Mail;
use billctl_sandbox::{MailKind, Preview, Sandbox, World};
pub(super) use sample::Case;

/// How long the sandbox takes for one instance at most.
const INSTANCE_PATIENCE: Duration = Duration::from_secs(600);

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub(super) struct PreviewArgs {
    /// The real data of this account (its id, or its name if it is unique), read from AWS (or from the sandbox); nothing is sent or changed.
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "case", add = complete::accounts())]
    pub account: Option<String>,
    /// Sample data of this kind.
    #[arg(long, value_enum, default_value_t)]
    pub case: Case,
    /// Sample data of every kind.
    #[arg(long, conflicts_with_all = ["case", "account"])]
    pub all: bool,
    /// Where the files go.
    #[arg(long, value_name = "FOLDER", default_value = "billctl-preview")]
    pub out: PathBuf,
}

/// Writes the mail as it would be sent, by the notifier and the template that bootstrap would set up, run on a
/// sandbox in memory.
///
/// # Errors
/// No such account; data that can't be read; a folder that can't be written.
pub(super) async fn run(args: &PreviewArgs, global: &GlobalArgs) -> Result<()> {
    let mut written = Vec::new();
    for (name, scene) in scenes(args, global).await? {
        let mail = mail(scene).await?;
        let files = write(&args.out, &name, &mail.mail).while_trying(format!("write to {}", args.out.display()))?;
        written.push((mail, files));
    }
    report(global.format, &written, args.all)
}

/// The names of the mails to show, and what each is made from.
async fn scenes(args: &PreviewArgs, global: &GlobalArgs) -> Result<Vec<(String, Scene)>> {
    if let Some(account) = &args.account {
        let scene = real::scene(account, global).await?;
        return Ok(vec![(scene.account.to_string(), scene)]);
    }
    let cases = if args.all { Case::value_variants() } else { &[args.case] };
    cases
        .iter()
        .map(|case| Ok((case.name(), sample::scene(*case, global)?)))
        .collect()
}

/// What a mail is made from.
struct Scene {
    config: Config,
    world: World,
    account: AccountId,
    threshold: Usd,
    kind: MailKind,
}

/// Sets up the billing side and the StackSet in a sandbox of its own, and lets the notifier write the mail.
async fn mail(scene: Scene) -> Result<Preview> {
    let (mut config, mut world, account) = (scene.config, scene.world, scene.account);
    config.alarm.threshold = scene.threshold;
    config.thresholds.clear();
    // The mail alone is looked at, and its world has no topic.
    config.chat.clear();
    world.sesv2.verify(&config.mail.identity, world.now);
    let parent = world.organizations.parent(account).cloned();
    // In memory alone: what is tried out in it touches neither AWS nor a sandbox file.
    let sandbox = Sandbox::in_memory(world);
    let services = sandbox.services();
    let facts = observe::billing::facts(&services, &config).await?;
    let naming = resource::Naming {
        config: &config,
        facts: &facts,
    };
    let observed = observe::billing::read(&services, &naming).await?;
    let plan = plan::billing::plan(resource::desired(&naming), &observed.present);
    apply::billing::run(&plan, &services, &NullListener).await?;
    // The management account has its own alarm instead of an instance.
    if let Some(parent) = parent.filter(|_| account != facts.management_account) {
        deploy(&services, &config, facts.management_account, account, parent).await?;
    }
    sandbox.change(|world| world.preview_mail(&naming.notifier_arn(), account, scene.kind))
}

/// The StackSet with an instance in this account, which is where the notifier reads the threshold.
async fn deploy(
    services: &Services,
    config: &Config,
    billing: AccountId,
    account: AccountId,
    parent: OuId,
) -> Result<()> {
    let spec = resource::stack_set::desired(config, billing);
    let cloudformation = &services.cloudformation;
    cloudformation.create_stack_set(&spec, "preview").await?;
    cloudformation
        .create_stack_instances(&InstancesRequest {
            stack_set: spec.name.clone(),
            targets: Targets {
                ous: vec![parent],
                accounts: AccountFilter::Intersection(vec![account]),
            },
            overrides: None,
            preferences: config.deploy.preferences,
            operation_id: OperationId("preview".to_owned()),
        })
        .await?;
    services.clock.sleep(INSTANCE_PATIENCE).await;
    Ok(())
}

/// The HTML and text parts as files: `spike.html`, `spike.txt`.
fn write(folder: &Path, name: &str, mail: &Mail) -> std::io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for (ending, text) in [("html", &mail.html), ("txt", &mail.text)] {
        if text.is_empty() {
            continue;
        }
        let file = folder.join(format!("{name}.{ending}"));
        super::output::replace(&file, text)?;
        files.push(file);
    }
    Ok(files)
}

/// The answer for `--all`.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Answers<'a> {
    mails: Vec<Answer<'a>>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Answer<'a> {
    subject: &'a str,
    to: &'a [String],
    /// Why they get it.
    recipient_from: Option<RecipientFrom>,
    cc: &'a [String],
    files: &'a [PathBuf],
}

fn report(format: Format, written: &[(Preview, Vec<PathBuf>)], all: bool) -> Result<()> {
    let mut mails = Vec::new();
    for (Preview { mail, recipient_from }, files) in written {
        let recipient_from = recipient_from.as_deref().and_then(RecipientFrom::named);
        if format == Format::Json {
            mails.push(Answer {
                subject: &mail.subject,
                to: &mail.to,
                recipient_from,
                cc: &mail.cc,
                files,
            });
        } else {
            say!(
                "{}",
                render::preview(format, &mail.subject, &mail.to, recipient_from, files)
            )?;
        }
    }
    match mails.as_slice() {
        [] => Ok(()),
        [mail] if !all => say!("{}", render::json("preview", mail)),
        _ => say!("{}", render::json("preview", &Answers { mails })),
    }
}
