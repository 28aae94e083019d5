use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::accounts::account;
use super::context::STAND_IN;
use super::output::Outputs;
use super::{CONFIG_FILE, Context, Format, GlobalArgs, complete};
use crate::apply::tell as apply;
use crate::config::Config;
use crate::config::suggested::with_thresholds;
use crate::observe::charges::{self as observe, ChargeSeries, Window};
use crate::observe::precheck;
use crate::plan::tell::{Tellings, ToTell};
use crate::render;
use crate::resource::{Facts, day_of};
use crate::spend::{
    By, Figures, Grid, Interval, Key, Missing, Note, Report, ReportInput, SpendHistory, Subject, report,
};
use billctl_core::error::{Error, ErrorKind, Result, WhileTrying};
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::text::plural;

/// Days read at least: what is usual is said by the four weeks before a day, and the month so far can have 31, with
/// one more before the first difference.
pub(super) const MIN_HISTORY: usize = 32;
/// Days that can be shown: CloudWatch keeps 455 days by the hour (docs/aws-facts.md, "GetMetricData"), and some are
/// read on top.
const MAX_DAYS: i64 = 400;

/// Arguments of `spend`.
#[derive(Debug, Args)]
pub(super) struct SpendArgs {
    /// What a row is about.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    by: By,
    /// Only the accounts of this OU and those below it: an id, a path or a unique name. May be repeated.
    #[arg(long = "ou", value_name = "OU", add = complete::ous())]
    ous: Vec<String>,
    /// Only this account: its id, or its name if it is unique. May be repeated.
    #[arg(long = "account", value_name = "ACCOUNT", add = complete::accounts())]
    accounts: Vec<String>,
    /// Days to show, today included.
    #[arg(long, value_name = "N", default_value_t = 14, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=MAX_DAYS))]
    days: u16,
    /// Only the N most interesting rows; the total is of all.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// Days, or quarter days: as fine as the metric allows.
    #[arg(long, value_enum, default_value_t, value_name = "LENGTH")]
    interval: Interval,
    /// Write a report to FILE: one self-contained page for any browser; - is standard output.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the rows as metrics (OpenMetrics) to FILE, for a textfile collector; - is standard output.
    #[arg(long, value_name = "FILE")]
    openmetrics: Option<PathBuf>,
    /// Write a line per row and day as CSV to FILE, or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    csv: Option<PathBuf>,
    /// Write JSON to FILE, or to standard output as --format json does.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Propose thresholds from each account's own history, as a snippet for config.toml.
    #[arg(long, conflicts_with_all = ["by", "top", "interval", "html", "csv", "json", "openmetrics"])]
    suggest: bool,
    /// Put the proposed thresholds into the config, after showing what changes and asking; comments and everything else stay.
    #[arg(long, requires = "suggest")]
    write: bool,
    /// Exit with code 4 if an account is above its threshold.
    #[arg(long, conflicts_with = "suggest")]
    check: bool,
    /// Have the owner of every account that is above its threshold told, once a day, whether or not its alarm went off.
    #[arg(long, conflicts_with = "suggest")]
    tell: bool,
}

impl ValueEnum for By {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Account, Self::Ou, Self::Service]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(self.name().into())
    }
}

impl ValueEnum for Interval {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Day, Self::SixHours]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(self.name().into())
    }
}

/// Opens what `spend` works with. Spend can be seen before there is a config.toml: only thresholds need it.
///
/// # Errors
/// A config that is wrong or was named and isn't there; a sandbox that can't be opened.
pub(super) async fn open(global: &GlobalArgs) -> Result<Context> {
    match has_config(global) {
        true => Context::open(global).await,
        false => Context::with_config(global, Config::parse("the defaults", STAND_IN)?).await,
    }
}

/// Whether there is a config, or should be, since it was named.
fn has_config(global: &GlobalArgs) -> bool {
    global.config != Path::new(CONFIG_FILE) || global.config.exists()
}

/// Shows what every account spends a day.
///
/// # Errors
/// AWS's answers, an OU or account that isn't there, a file that can't be written.
pub(super) async fn run(args: &SpendArgs, context: &Context) -> Result<()> {
    // Before minutes of reading: a file that can't be written is known now.
    let outputs = outputs(args)?;
    if args.suggest && context.global.format != Format::Table {
        return Err(Error::usage(
            "--suggest prints a snippet for config.toml: --format doesn't apply to it",
        ));
    }
    let has_config = has_config(&context.global);
    if args.write && !has_config {
        return Err(
            Error::usage("--write needs a config to write to: there is no config.toml")
                .remedy("`billctl init` makes one"),
        );
    }
    context.phase("reading the organisation");
    let billing = precheck::billing_account(&context.services, &context.config);
    let organization = context.organization(billing).await?;
    let scope = Scope::of(args, &organization)?;
    let thresholds = has_config.then(|| context.thresholds(&organization)).transpose()?;
    let limits = match &thresholds {
        Some(thresholds) => thresholds.limits(&context.config, &organization)?,
        None => BTreeMap::new(),
    };
    let options = [args.check.then_some("--check"), args.tell.then_some("--tell")];
    for option in options.into_iter().flatten() {
        checkable(args, option, has_config)?;
    }
    let window = window(args, context);
    context.phase("reading the accounts' charges");
    let series = scope.series(args, context).await?;
    let histories = observe::histories(&context.services, &series, &window).await?;
    if args.suggest {
        let default = scope.said.is_some().then_some(context.config.alarm.threshold);
        let measure = context.config.alarm.measure;
        if args.write
            && let Some(proposal) = render::proposal(&organization, &histories, measure, default)
        {
            return merge(context, &organization, &proposal, default.is_none()).await;
        }
        let snippet = render::suggestion(&organization, &histories, measure, default, window.now);
        return Outputs::print(snippet + "\n");
    }
    let some_data = histories.iter().any(|(_, history)| !history.is_empty());
    let of_everybody = scope.said.is_none() && args.by == By::Service;
    let without_data = match (of_everybody, some_data) {
        (false, _) => scope.without_data(&series, &histories),
        // Services of the whole organisation are no account's: the one that pays tells why there are none.
        (true, false) => vec![organization.management_account],
        (true, true) => Vec::new(),
    };
    let mut missing = observe::reasons(&context.services, &organization, &without_data, some_data, window.now).await?;
    missing.retain(|_, missing| !of_everybody || missing.everywhere());
    let tellings = match thresholds.as_ref().filter(|_| args.tell) {
        Some(thresholds) => {
            let facts = thresholds.facts(&organization);
            Some(tell(context, &facts, &limits, &histories, window.now).await?)
        }
        None => None,
    };
    let mut report = assemble(
        args,
        &organization,
        thresholds.is_some().then_some(&limits),
        histories,
        &window,
        missing,
        series.len(),
    );
    report.scope = scope.said;
    drill_down(args, context, &window, &mut report).await;
    write(args, context, outputs, &report, tellings.as_ref())?;
    context.summarize(|| render::spend_summary(&report, tellings.as_ref()));
    conclude(args, &report, tellings.as_ref())?;
    if tellings.is_some() {
        // Beside the answer, which may be CSV or JSON.
        context.note("next: `billctl status` shows who is above the limit and was told");
    }
    Ok(())
}

/// How many accounts the page shows the services of: each is a call more.
const DRILLED: usize = 10;

/// For the page, the services of the accounts that one will ask about: those above their thresholds, and those that
/// stand out. That they can't be read is said, and leaves the rest as it is.
async fn drill_down(args: &SpendArgs, context: &Context, window: &Window, report: &mut Report) {
    if args.html.is_none() || report.by != By::Account {
        return;
    }
    let asked = report.rows.iter().filter(|row| row.over() || row.stands_out.is_some());
    let accounts: BTreeSet<AccountId> = asked
        .filter_map(|row| match row.key {
            Key::Account(id) => Some(id),
            Key::Ou(_) | Key::Service(_) | Key::Total => None,
        })
        .take(DRILLED)
        .collect();
    if accounts.is_empty() {
        return;
    }
    match observe::by_service(&context.services, &accounts, window).await {
        Ok(read) => {
            report.metrics += read.len();
            for (account, service, history) in read {
                let figures = Figures::of(&history, window.now);
                report.services.entry(account).or_default().push((service, figures));
            }
            for services in report.services.values_mut() {
                let spent = |figures: &Figures| figures.last_24_hours.map(|measured| measured.amount);
                services.sort_by(|a, b| spent(&b.1).cmp(&spent(&a.1)).then_with(|| a.0.cmp(&b.0)));
            }
        }
        Err(error) => context.warn(format!("the page has no services of accounts: {error}")),
    }
}

/// Whom nobody could tell is worse than that somebody is above.
fn conclude(args: &SpendArgs, report: &Report, tellings: Option<&Tellings>) -> Result<()> {
    if let Some(tellings) = tellings.filter(|tellings| tellings.failed > 0) {
        let error = Error::new(
            ErrorKind::Partial,
            format!(
                "of {1} accounts above their thresholds, {0} owners couldn't be told",
                tellings.failed,
                tellings.accounts.len()
            ),
        );
        return Err(error.remedy("see above for why, and run the same command again"));
    }
    match render::spend_above(report).filter(|_| args.check) {
        Some(above) => Err(Error::new(ErrorKind::Check, above)),
        None => Ok(()),
    }
}

/// Whether there is something to compare, as an option wants it.
fn checkable(args: &SpendArgs, option: &str, has_config: bool) -> Result<()> {
    if args.by == By::Service {
        return Err(Error::usage(format!(
            "{option} works for accounts only: services have no thresholds"
        )));
    }
    if !has_config {
        return Err(Error::usage(format!(
            "{option} needs thresholds: there is no config.toml"
        )));
    }
    Ok(())
}

/// `--tell`: the owners of accounts above their thresholds are told, of those that config has watched.
async fn tell(
    context: &Context,
    facts: &Facts,
    limits: &BTreeMap<AccountId, Usd>,
    histories: &[(Subject, SpendHistory)],
    now: Timestamp,
) -> Result<Tellings> {
    let naming = context.naming(facts);
    apply::notifier(&context.services, &naming).await?;
    let above = histories.iter().filter_map(|(subject, history)| {
        let Subject::Account(id) = subject else {
            return None;
        };
        let limit = *limits.get(id)?;
        let above = history.measured?.verdict(limit, now).is_above();
        above.then_some(ToTell { account: *id, limit })
    });
    context.phase("telling the owners");
    let telling = apply::tell(&context.services, &naming, above.collect(), day_of(now), "tell");
    context.watched.sending("tell the owners", telling).await
}

/// Which accounts are asked about.
struct Scope {
    accounts: BTreeSet<AccountId>,
    /// What was asked for, in words, where that isn't all of them.
    said: Option<String>,
}

impl Scope {
    fn of(args: &SpendArgs, organization: &Organization) -> Result<Self> {
        if args.ous.is_empty() && args.accounts.is_empty() {
            return Ok(Self {
                accounts: organization.accounts().map(|(account, _)| account.id).collect(),
                said: None,
            });
        }
        let mut ous = Vec::new();
        let mut said = Vec::new();
        for selector in &args.ous {
            let ou = organization.select(selector)?.id.clone();
            said.push(organization.path(&ou));
            ous.push(ou);
        }
        let mut accounts = organization.accounts_below(&ous);
        for wanted in &args.accounts {
            let id = account(organization, wanted)?;
            let name = organization.account(id).map(|(account, _)| account.name.clone());
            said.push(name.unwrap_or_else(|| id.to_string()));
            accounts.insert(id);
        }
        Ok(Self {
            accounts,
            said: Some(said.join(", ")),
        })
    }

    /// The accounts that were asked for and have no data.
    fn without_data(&self, series: &[ChargeSeries], histories: &[(Subject, SpendHistory)]) -> Vec<AccountId> {
        let by_service = series.iter().filter_map(|series| match series {
            ChargeSeries::AccountService(account, _) => Some(*account),
            ChargeSeries::Account(_) | ChargeSeries::Service(_) => None,
        });
        let in_all = histories.iter().filter_map(|(subject, history)| match subject {
            Subject::Account(account) if !history.is_empty() => Some(*account),
            Subject::Account(_) | Subject::Service(_) => None,
        });
        let with_data = by_service.chain(in_all).collect();
        self.accounts.difference(&with_data).copied().collect()
    }

    async fn series(&self, args: &SpendArgs, context: &Context) -> Result<Vec<ChargeSeries>> {
        match args.by {
            By::Account | By::Ou => Ok(self.accounts.iter().copied().map(ChargeSeries::Account).collect()),
            By::Service => {
                let accounts = self.said.as_ref().map(|_| &self.accounts);
                observe::service_series(&context.services, accounts).await
            }
        }
    }
}

fn window(args: &SpendArgs, context: &Context) -> Window {
    let now = context.services.clock.now();
    // One day on top: the first difference needs a publication before it.
    let days = (usize::from(args.days) + 1).max(MIN_HISTORY);
    let measure = context.config.alarm.measure;
    let quarters = [args.interval, Interval::of(measure)].contains(&Interval::SixHours);
    Window {
        days: Grid::until(now, days, Interval::Day),
        quarters: quarters.then(|| Grid::until(now, days, Interval::SixHours)),
        measure,
        now,
    }
}

fn assemble(
    args: &SpendArgs,
    organization: &Organization,
    limits: Option<&BTreeMap<AccountId, Usd>>,
    histories: Vec<(Subject, SpendHistory)>,
    window: &Window,
    missing: BTreeMap<AccountId, Missing>,
    metrics: usize,
) -> Report {
    let shown = match args.interval {
        Interval::Day => window.days,
        Interval::SixHours => window.quarters.unwrap_or(window.days),
    };
    let threshold = |account: AccountId, _: &OuId| limits?.get(&account).copied();
    let mut report = report(ReportInput {
        organization,
        now: window.now,
        by: args.by,
        days: window.days,
        shown: shown.last_days(usize::from(args.days)),
        measure: window.measure,
        histories,
        threshold: &threshold,
        missing,
        top: args.top.and_then(|top| usize::try_from(top).ok()),
        metrics,
    });
    if limits.is_none() {
        report.notes.push(Note::NoConfig);
    }
    if args.by == By::Service {
        if report.rows.is_empty() {
            report.notes.push(Note::NoServices);
        } else if args.ous.is_empty() && args.accounts.is_empty() {
            report.notes.push(Note::WholeOrganization);
        }
    }
    report
}

/// `--suggest --write`: the proposal goes into the config.
async fn merge(
    context: &Context,
    organization: &Organization,
    proposal: &render::Proposal,
    sets_default: bool,
) -> Result<()> {
    let path = &context.global.config;
    let name = path.display().to_string();
    let read = || std::fs::read_to_string(path).while_trying(format!("read {name}"));
    let before = read()?;
    let default = sets_default.then_some(proposal.default);
    let merged = with_thresholds(&name, &before, organization, default, &proposal.rules)?;
    if merged.text == before {
        return say!("{name} has these thresholds already");
    }
    say!(
        "{}",
        render::file_diff(context.global.format, &name, &before, &merged.text)
    )?;
    if merged.kept > 0 {
        context.note(format!(
            "{} in {name} that nothing is proposed for: they stay, and win over less specific thresholds",
            plural(merged.kept, "threshold")
        ));
    }
    context
        .confirm(&format!("put these thresholds into {name}?"), true)
        .await?;
    // Somebody may have edited it while the question stood.
    if read()? != before {
        return Err(
            Error::failed(format!("{name} was changed meanwhile: nothing was written"))
                .remedy("run the same command again"),
        );
    }
    let outputs = Outputs::new([("--config", path.as_path())])?;
    outputs.put(path, &merged.text)?;
    say!("wrote {name}; next: `billctl deploy --plan`")
}

/// Where everything that was asked for goes.
fn outputs(args: &SpendArgs) -> Result<Outputs> {
    let named = [
        ("--html", &args.html),
        ("--csv", &args.csv),
        ("--json", &args.json),
        ("--openmetrics", &args.openmetrics),
    ];
    Outputs::new(
        named
            .into_iter()
            .filter_map(|(option, path)| Some((option, path.as_deref()?))),
    )
}

/// Files first, then the answer: the table, unless standard output was asked for something else.
fn write(
    args: &SpendArgs,
    context: &Context,
    outputs: Outputs,
    report: &Report,
    tellings: Option<&Tellings>,
) -> Result<()> {
    let put = |path: &Path, text: String| -> Result<()> {
        outputs.put(path, &text)?;
        if !Outputs::is_stdout(path) {
            context.note(format!("wrote {}", path.display()));
        }
        Ok(())
    };
    if let Some(path) = &args.html {
        put(path, render::spend_html(report)?)?;
    }
    if let Some(path) = &args.csv {
        put(path, render::spend_csv(report)?)?;
    }
    if let Some(path) = &args.json {
        put(path, render::spend(Format::Json, report, tellings, None) + "\n")?;
    }
    if let Some(path) = &args.openmetrics {
        put(path, render::spend_openmetrics(report))?;
    }
    if !outputs.takes_stdout {
        let text = render::spend(context.global.format, report, tellings, Outputs::width());
        Outputs::print(text + "\n")?;
    }
    Ok(())
}
