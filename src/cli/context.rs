use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, Args, ValueEnum};

use super::output::Outputs;
use super::watch::Watched;
use super::{CONFIG_FILE, complete};
#[cfg(feature = "sandbox")]
use super::{SANDBOX_FILE, SANDBOX_VARIABLE};
use crate::config::Config;
use crate::observe::{self, precheck};
use crate::plan::Thresholds;
use crate::render::{self, Detail, Format, Progress};
use crate::resource::{Facts, Naming};
use billctl_core::error::{Error, Result};
use billctl_core::event::{Event, Listener};
use billctl_core::model::Organization;
use billctl_core::service::Services;
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::organizations::OrganizationInfo;
#[cfg(feature = "sandbox")]
use billctl_sandbox::Sandbox;

/// A CI variable that is set to nothing counts as none.
fn config_file(text: OsString) -> PathBuf {
    match text.is_empty() {
        true => CONFIG_FILE.into(),
        false => text.into(),
    }
}

/// What stands in for a config that isn't there or can't be used: the defaults, with the least that it must hold.
pub(super) const STAND_IN: &str = "[mail]\nfrom = \"nobody@example.com\"\n";

/// What the options that every command takes stand under.
pub(super) const GLOBAL_HEADING: &str = "Global options";

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = GLOBAL_HEADING)]
pub struct GlobalArgs {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "BILLCTL_CONFIG",
        default_value = CONFIG_FILE,
        value_name = "FILE",
        value_parser = OsStringValueParser::new().map(config_file)
    )]
    pub config: PathBuf,
    /// The AWS profile to use.
    #[arg(long, global = true, value_name = "NAME", add = complete::profiles())]
    pub profile: Option<String>,
    #[cfg(feature = "sandbox")]
    /// Work on the embedded sandbox instead of AWS; its state is kept in FILE.
    #[arg(
        long,
        global = true,
        env = SANDBOX_VARIABLE,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = SANDBOX_FILE,
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        add = complete::sandboxes()
    )]
    sandbox: Option<PathBuf>,
    /// The format of the answer.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Say more: the API calls that were made; twice: what the SDK does.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong, what was asked for, and what has to be answered: no progress, no notices.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Not said on the command line: whether the answer is to come without the steps that led to it.
    #[arg(skip)]
    pub only_answers: bool,
    /// Don't ask: agree to what would be asked.
    #[arg(long, global = true)]
    pub yes: bool,
}

impl GlobalArgs {
    /// What nobody asked for, such as what was done: `--quiet` hides it, and JSON has no place for it. Everything on
    /// standard output is either this or the answer that was asked for, which is always shown; progress and notes on
    /// stderr are the listener's, and errors, warnings and questions are always shown.
    ///
    /// # Errors
    /// Standard output can't be written to.
    pub fn notice(&self, text: impl AsRef<str>) -> Result<()> {
        match self.quiet || self.format == Format::Json {
            true => Ok(()),
            false => say!("{}", text.as_ref()),
        }
    }

    /// The last words of a command that changes something: what was done, and what comes next. A program reads them
    /// from its JSON answer.
    ///
    /// # Errors
    /// Standard output can't be written to.
    pub fn conclude(&self, done: &str, next: &str) -> Result<()> {
        match done.is_empty() {
            true => self.notice(format!("next: {next}")),
            false => self.notice(format!("done: {done}. next: {next}")),
        }
    }

    #[cfg(feature = "sandbox")]
    /// The sandbox to work on, if not AWS. A CI variable that is set to nothing counts as none.
    pub(super) fn sandbox(&self) -> Option<&Path> {
        self.sandbox.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a command works with.
#[derive(Clone)]
pub struct Context {
    /// The arguments that every command takes.
    pub global: GlobalArgs,
    /// The config.
    pub config: Config,
    /// AWS, or the sandbox.
    pub services: Services,
    /// Who listens to what happens, and knows what Ctrl-C would leave behind.
    pub watched: Arc<Watched>,
}

impl Context {
    /// The names and ARNs of the billing side.
    pub(super) const fn naming<'a>(&'a self, facts: &'a Facts) -> Naming<'a> {
        let config = &self.config;
        Naming { config, facts }
    }

    /// Reads the config and opens AWS or the sandbox. No call is made yet.
    ///
    /// # Errors
    /// A config that is missing or wrong; a sandbox that can't be opened.
    pub async fn open(global: &GlobalArgs) -> Result<Self> {
        let config = Config::load(&global.config)?;
        Self::with_config(global, config).await
    }

    /// The same with a config from elsewhere.
    ///
    /// # Errors
    /// A sandbox that can't be opened.
    pub async fn with_config(global: &GlobalArgs, config: Config) -> Result<Self> {
        let services = services(global, config.call_as).await?;
        let progress = Progress::new(global.quiet || global.only_answers);
        let watched = Arc::new(Watched::new(Arc::new(progress)));
        let told = watched.clone();
        services.gate.report_to(move |note| told.on(Event::Note(note)));
        Ok(Self {
            watched,
            global: global.clone(),
            config,
            services,
        })
    }

    /// The organisation as it is, if `check` of the credentials holds.
    ///
    /// # Errors
    /// The check's, else AWS's answers.
    pub async fn organization(&self, check: impl Future<Output = Result<OrganizationInfo>>) -> Result<Organization> {
        let (info, tree) = precheck::checked(check, observe::tree(&self.services)).await?;
        tree.organization(info)
    }

    /// The config's thresholds in this organisation.
    ///
    /// # Errors
    /// Every rule that doesn't fit the organisation, with its line.
    pub fn thresholds(&self, organization: &Organization) -> Result<Thresholds> {
        Thresholds::checked(&self.config, organization)
    }

    /// Says what goes on from now on, until something else is said.
    pub fn phase(&self, text: impl Into<String>) {
        self.watched.on(Event::Phase(text.into()));
    }

    /// Says what the user should know.
    pub fn note(&self, text: impl Into<String>) {
        self.watched.on(Event::Note(text.into()));
    }

    /// Says what the user should do something about.
    pub fn warn(&self, text: impl Into<String>) {
        self.watched.on(Event::Warning(text.into()));
    }

    /// Whether somebody is going to be asked before anything is done.
    pub fn asks(&self) -> bool {
        interactive() && !self.global.yes
    }

    /// Shows a plan that is about to be carried out. Whoever `asks` means to ask has to see it, also where the answer is
    /// JSON, goes into a file, or nothing but faults is to be said.
    ///
    /// # Errors
    /// Standard output can't be written to.
    pub fn show_plan(&self, asks: bool, full: bool, plan: impl Fn(Format, Detail) -> String) -> Result<()> {
        let format = self.global.format;
        let detail = |width| Detail { full, width };
        let answer_follows = format == Format::Json;
        if !answer_follows && (asks || !self.global.quiet) {
            say!("{}", plan(format, detail(Outputs::width())))?;
        }
        if asks && (answer_follows || !std::io::stdout().is_terminal()) {
            let width = terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0));
            aside!("{}", plan(Format::Table, detail(width)));
        }
        Ok(())
    }

    /// Asks whether to carry out a plan, its counts right above the question: what stands before them may have scrolled
    /// away.
    ///
    /// # Errors
    /// Those of [`Self::confirm`].
    pub async fn confirm_plan(&self, counts: &str, question: &str, destructive: bool) -> Result<()> {
        if self.asks() {
            aside!("{counts}");
        }
        self.confirm(question, destructive).await
    }

    /// Asks a yes-or-no question. Without a terminal nobody can be asked: what adds goes ahead, what destroys
    /// needs `--yes`.
    ///
    /// # Errors
    /// The answer was no, or `destructive` without `--yes` and without a terminal.
    pub async fn confirm(&self, question: &str, destructive: bool) -> Result<()> {
        if self.global.yes || !(interactive() || destructive) {
            return Ok(());
        }
        if !interactive() {
            return Err(Error::usage(format!(
                "{question} needs an answer, and there is no terminal to ask on"
            ))
            .remedy("pass --yes to agree"));
        }
        match agrees(question).await? {
            true => Ok(()),
            // A no is an answer, and nobody interrupted.
            false => Err(Error::failed("not confirmed: nothing was changed")),
        }
    }

    /// Appends to the summary of a CI step where the environment offers one (GitHub's `GITHUB_STEP_SUMMARY`; Gitea
    /// and Forgejo name it the same). That it can't be written is said, and fails nothing.
    pub fn summarize(&self, markdown: impl FnOnce() -> String) {
        let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
            return;
        };
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(render::step_summary(&markdown()).as_bytes()));
        if let Err(error) = written {
            let path = Path::new(&path).display();
            self.warn(format!("the step summary {path} can't be written: {error}"));
        }
    }
}

/// Whether a person can be asked.
pub(super) fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a person on the terminal: whether the answer is yes.
///
/// # Errors
/// The terminal can't be read.
pub(super) async fn agrees(question: &str) -> Result<bool> {
    let answer = ask(&format!("{question} [y/N] ")).await?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks a question on the terminal; answers the line that was typed, with its end: nothing is the end of all input.
///
/// # Errors
/// The terminal can't be read.
pub(super) async fn ask(question: &str) -> Result<String> {
    render::aside(question);
    // On a thread of its own: Ctrl-C must get through while the answer is waited for.
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    Ok(reading.await.map_err(|error| Error::failed(error.to_string()))??)
}

/// With `-v`, the API calls that were made, on stderr.
pub fn report_calls(global: &GlobalArgs, services: &Services, started: Instant) {
    if global.verbose > 0 {
        let gate = &services.gate;
        let calls = render::calls(&gate.counts(), &gate.concurrency_reports(), started.elapsed());
        aside!("{calls}");
    }
}

/// AWS, or the sandbox: the one place that chooses.
///
/// # Errors
/// A sandbox that can't be opened.
pub async fn services(global: &GlobalArgs, call_as: CallAs) -> Result<Services> {
    #[cfg(feature = "sandbox")]
    if let Some(path) = global.sandbox() {
        return Ok(Sandbox::open(path, call_as)?.services());
    }
    let options = billctl_aws::Options {
        profile: global.profile.clone(),
        call_as,
        ..billctl_aws::Options::default()
    };
    billctl_aws::connect(&options).await
}
