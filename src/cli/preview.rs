use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Context, Format, GlobalArgs};
use crate::config::{Config, Measure};
use crate::error::{Context as _, Error, Result};
use crate::event::{Event, Silent};
use crate::model::{Account, AccountId, Organization, OuId, Usd};
use crate::observe::precheck;
use crate::sandbox::metrics::{self, Published};
use crate::sandbox::sesv2::Mail;
use crate::sandbox::{Sandbox, Subject, World, seed};
use crate::service::cloudformation::{AccountFilter, InstancesRequest, OperationId, Targets};
use crate::service::cloudwatch::{
    AlarmState, DataRequest, MAX_QUERIES, Metric, MetricQuery, QuerySource,
};
use crate::service::{Services, all_pages};
use crate::{apply, observe, plan, render, resource};

/// How far back charges are read: the chart's fourteen days, and what the first of them is compared with.
const LOOK_BACK: Duration = Duration::from_secs(17 * 86_400);
/// How long the sandbox takes for one instance at most.
const INSTANCE_PATIENCE: Duration = Duration::from_secs(600);
/// The longest list of services that the notifier reads.
const MOST_SERVICES: usize = 100;

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// This account's real data, read from AWS (or from the sandbox); nothing is sent or changed.
    #[arg(long, value_name = "ID", conflicts_with = "case")]
    pub account: Option<AccountId>,
    /// Sample data of this kind.
    #[arg(long, value_enum, default_value_t)]
    pub case: Case,
    /// Where the files go.
    #[arg(long, value_name = "FOLDER", default_value = "billctl-preview")]
    pub out: PathBuf,
}

/// What kind of mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// One day far above all others.
    #[default]
    Spike,
    /// An alarm on the first day of a month.
    MonthStart,
    /// A credit in the days before.
    Credit,
    /// An account that is two days old.
    NewAccount,
    /// An amount of seven digits.
    Huge,
    /// Names full of markup, quotes and odd scripts.
    Hostile,
    /// The alarm is over.
    Recovery,
    /// The alarm watches the month so far.
    MonthToDate,
}

impl Case {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Writes the mail as it would be sent, by the notifier and the template that bootstrap would set up, run on a
/// sandbox in memory.
///
/// # Errors
/// No such account; data that can't be read; a folder that can't be written.
pub async fn run(args: &PreviewArgs, global: &GlobalArgs) -> Result<()> {
    let (name, scene) = match args.account {
        Some(account) => (account.to_string(), real(account, global).await?),
        None => (args.case.name(), sample(args.case, global)?),
    };
    let mail = mail(scene).await?;
    let files =
        write(&args.out, &name, &mail).while_trying(format!("write to {}", args.out.display()))?;
    report(global.format, &mail, &files);
    Ok(())
}

/// What a mail is made from.
struct Scene {
    config: Config,
    world: World,
    account: AccountId,
    threshold: Usd,
    state: AlarmState,
}

/// Sets up the billing side and the StackSet in a sandbox of its own, and lets the alarm go off.
async fn mail(scene: Scene) -> Result<Mail> {
    let Scene {
        mut config,
        mut world,
        account,
        threshold,
        state,
    } = scene;
    config.alarm.threshold = threshold;
    config.thresholds.clear();
    let now = world.now;
    world.sesv2.verify(&config.mail.identity, now);
    let parent = world.organizations.parent(account).cloned();
    let sandbox = Sandbox::in_memory(world);
    let services = sandbox.services();
    let facts = observe::billing::facts(&services, &config).await?;
    let scope = resource::Scope {
        config: &config,
        facts: &facts,
    };
    let observed = observe::billing::read(&services, &scope).await?;
    let plan = plan::billing::plan(resource::desired(&scope), &observed.present);
    apply::billing::run(&plan, &services, &Silent).await?;
    // The management account has its own alarm instead of an instance.
    if let Some(parent) = parent.filter(|_| account != facts.management_account) {
        deploy(
            &services,
            &config,
            facts.management_account,
            account,
            parent,
        )
        .await?;
    }
    sandbox.change(|world| {
        world.preview_mail(&scope.notifier_arn(), account, &config.alarm.name, state)
    })
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

/// The account as it is, and its charges, read through the services.
async fn real(account: AccountId, global: &GlobalArgs) -> Result<Scene> {
    let context = Context::open(global).await?;
    let services = &context.services;
    context
        .listener
        .on(Event::Phase(format!("reading account {account} ...")));
    let (_, organization) = precheck::checked(
        precheck::billing_account(services, &context.config),
        observe::organization(services),
    )
    .await?;
    let (found, parent) = organization
        .account(account)
        .ok_or_else(|| Error::usage(format!("account {account} is not in the organisation")))?;
    let thresholds = context.thresholds(&organization)?;
    let threshold = thresholds.of(account, parent, &organization);
    let management = management(&organization)?;
    let root = organization
        .root()
        .ok_or_else(|| Error::failed("the organisation's root couldn't be read"))?;
    let mut path: Vec<String> = organization
        .ancestry(parent)
        .filter(|ou| !ou.is_root())
        .filter_map(|ou| organization.ou(ou))
        .map(|ou| ou.name.clone())
        .collect();
    path.reverse();
    let (tags, charges) = futures::join!(
        services.organizations.list_account_tags(account),
        charges(services, account),
    );
    let subject = Subject {
        account: found.clone(),
        tags: tags.while_trying("read the account's tags")?,
        path,
        charges: charges.while_trying("read the account's charges")?,
    };
    let now = services.clock.now();
    let world = World::around(
        organization.id.clone(),
        root.id.clone(),
        management,
        subject,
        now,
    );
    Ok(Scene {
        config: context.config.clone(),
        world,
        account,
        threshold,
        state: AlarmState::Alarm,
    })
}

fn management(organization: &Organization) -> Result<Account> {
    organization
        .account(organization.management_account)
        .map(|(account, _)| account.clone())
        .ok_or_else(|| Error::failed("the management account couldn't be read"))
}

/// The account's month to date by the hour, in all and by service, from the payer's series.
async fn charges(services: &Services, account: AccountId) -> crate::service::Result<Published> {
    let dimensions = |service: Option<&str>| {
        let mut dimensions = BTreeMap::from([
            ("Currency".to_owned(), "USD".to_owned()),
            ("LinkedAccount".to_owned(), account.to_string()),
        ]);
        if let Some(service) = service {
            dimensions.insert("ServiceName".to_owned(), service.to_owned());
        }
        dimensions
    };
    let mut wanted: BTreeMap<String, Option<String>> = dimensions(None)
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    wanted.insert("ServiceName".to_owned(), None);
    let cloudwatch = &services.cloudwatch;
    let listed = all_pages(|token| {
        cloudwatch.list_metrics("AWS/Billing", "EstimatedCharges", &wanted, token)
    })
    .await?;
    let names: Vec<String> = listed
        .into_iter()
        .filter_map(|metric| metric.dimensions.get("ServiceName").cloned())
        .take(MOST_SERVICES.min(MAX_QUERIES - 1))
        .collect();
    let query = |id: String, service: Option<&str>| MetricQuery {
        id,
        source: QuerySource::Stat {
            metric: Metric {
                namespace: "AWS/Billing".into(),
                name: "EstimatedCharges".into(),
                dimensions: dimensions(service),
            },
            period: 3_600,
            stat: "Maximum".into(),
        },
        return_data: true,
        label: None,
    };
    let mut queries = vec![query("total".to_owned(), None)];
    queries.extend(
        names
            .iter()
            .enumerate()
            .map(|(index, name)| query(format!("s{index}"), Some(name))),
    );
    let end = services.clock.now();
    let request = DataRequest {
        queries,
        start: end - LOOK_BACK,
        end,
    };
    let series = all_pages(|token| cloudwatch.get_metric_data(&request, token)).await?;
    let mut published = Published::default();
    for part in series {
        if part.id == "total" {
            published.total.extend(part.points);
        } else if let Some(name) = part
            .id
            .strip_prefix('s')
            .and_then(|index| names.get(index.parse::<usize>().ok()?))
        {
            published
                .services
                .entry(name.clone())
                .or_default()
                .extend(part.points);
        }
    }
    published.total.sort_by_key(|(at, _)| *at);
    for points in published.services.values_mut() {
        points.sort_by_key(|(at, _)| *at);
    }
    Ok(published)
}

/// A sample: an account of the demo organisation with spend of this kind.
fn sample(case: Case, global: &GlobalArgs) -> Result<Scene> {
    let mut config = if global.config.exists() {
        Config::load(&global.config)?
    } else {
        // Enough for a sample; a mail about real data needs the real one.
        Config::parse("sample", "[mail]\nfrom = \"billing@example.com\"\n")?
    };
    config.organization = None;
    let mut world = seed::demo();
    let account = world
        .organizations
        .accounts()
        .map(|(account, _)| account.id)
        .find(|id| *id != world.management_account())
        .ok_or_else(|| Error::failed("the sample organisation has no accounts"))?;
    let mut state = AlarmState::Alarm;
    metrics::set_daily(&mut world, account, Usd::dollars(64));
    // A history of the sample's own size, then what the mail is about.
    world.advance(Duration::from_secs(16 * 86_400));
    let mut threshold = Usd::dollars(100);
    match case {
        Case::Spike => metrics::add_once(&mut world, account, Usd::dollars(187)),
        Case::MonthStart => {
            let first: jiff::Timestamp = "2026-04-01T09:00:00Z"
                .parse()
                .map_err(|_| Error::failed("the sample's date"))?;
            world.advance_to(first);
            metrics::add_once(&mut world, account, Usd::dollars(120));
        }
        Case::Credit => {
            metrics::add_once(&mut world, account, Usd::dollars(-250));
            world.advance(Duration::from_secs(2 * 86_400));
            metrics::add_once(&mut world, account, Usd::dollars(187));
        }
        Case::NewAccount => {
            metrics::open(&mut world, account);
            world.advance(Duration::from_secs(2 * 86_400));
            metrics::add_once(&mut world, account, Usd::dollars(187));
        }
        Case::Huge => metrics::add_once(&mut world, account, Usd::dollars(1_234_567)),
        Case::Hostile => {
            metrics::add_once(&mut world, account, Usd::dollars(187));
            world = renamed(
                &world,
                account,
                "<b>\"Zahlungen\" & 'Söhne'</b> {{subject}} \u{202e}txt.exe 支払い 🚀 of the whole wide world",
            );
        }
        Case::Recovery => {
            config.alarm.notify_ok = true;
            state = AlarmState::Ok;
        }
        Case::MonthToDate => {
            config.alarm.measure = Measure::MonthToDate;
            threshold = Usd::dollars(1_500);
        }
    }
    // Until AWS has published it.
    world.advance(Duration::from_secs(8 * 3_600));
    Ok(Scene {
        config,
        world,
        account,
        threshold,
        state,
    })
}

/// The same account with the same charges under another name.
fn renamed(world: &World, account: AccountId, name: &str) -> World {
    let mut renamed = world.clone();
    renamed.organizations.rename_account(account, name);
    renamed
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
        std::fs::write(&file, text)?;
        files.push(file);
    }
    Ok(files)
}

#[derive(Serialize)]
struct Answer<'a> {
    subject: &'a str,
    to: &'a [String],
    cc: &'a [String],
    files: &'a [PathBuf],
}

fn report(format: Format, mail: &Mail, files: &[PathBuf]) {
    let text = if format == Format::Json {
        render::json(
            "preview",
            &Answer {
                subject: &mail.subject,
                to: &mail.to,
                cc: &mail.cc,
                files,
            },
        )
    } else {
        render::preview(&mail.subject, &mail.to, files)
    };
    anstream::println!("{text}");
}
