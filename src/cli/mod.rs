//! The command line: one file per verb, with its arguments and its table of contents.

#[macro_use]
mod output;
mod accounts;
mod bootstrap;
mod complete;
mod completions;
mod context;
#[cfg(feature = "sandbox")]
mod demo;
mod deploy;
mod destroy;
mod digest;
mod doctor;
mod help;
mod init;
mod man;
mod panic;
mod policy;
#[cfg(feature = "sandbox")]
mod preview;
mod resend;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
mod spend;
mod status;
mod template;
mod test_alert;
mod watch;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use crate::render::Format;
pub use context::{Color, Context, GlobalArgs, report_calls, services};
pub use panic::end_faults_as_errors;
use watch::until_interrupted;

use crate::render;
use billctl_core::error::Result;
use output::Outputs;
use status::StatusArgs;

/// Where the config is unless `--config=FILE` says otherwise.
const CONFIG_FILE: &str = "config.toml";

#[cfg(feature = "sandbox")]
/// Where the sandbox is kept unless `--sandbox=FILE` says otherwise.
const SANDBOX_FILE: &str = ".billctl-sandbox.json";

#[cfg(feature = "sandbox")]
/// Names a sandbox file, as `--sandbox=FILE` does.
const SANDBOX_VARIABLE: &str = "BILLCTL_SANDBOX";

/// A daily-spend alarm for every account of an AWS Organization, and a mail worth reading for its owner.
#[derive(Debug, Parser)]
#[command(name = "billctl", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented config.toml from the organisation; never overwrites one.
    Init(init::InitArgs),
    /// Check every precondition; each that isn't met comes with its remedy.
    Doctor(doctor::DoctorArgs),
    /// Make or repair the billing account's side: bus, rules, notifier, mail, alarms, dashboard.
    Bootstrap(bootstrap::BootstrapArgs),
    /// Create or update the alarm in the accounts of OUs.
    Deploy(deploy::DeployArgs),
    /// Show where every account stands: coverage, thresholds, instances, drift, and the billing side.
    Status(status::StatusArgs),
    /// Show what every account spends a day, against its threshold, its month and what is usual for it.
    Spend(spend::SpendArgs),
    /// Send one mail about yesterday to those who answer for the bill: spend, who is above, who grew, coverage.
    Digest(digest::DigestArgs),
    /// Remove everything that billctl made: instances, StackSet, billing side.
    Destroy(destroy::DestroyArgs),
    #[cfg(feature = "sandbox")]
    /// Write the mail as it would be sent to files, from sample data or an account's own.
    Preview(preview::PreviewArgs),
    /// Send a test event through bus, rule, notifier and SES, and follow it to the mail.
    TestAlert(test_alert::TestAlertArgs),
    /// Send again what ended undelivered: events in the dead-letter queue, and the notifier's failed executions.
    Resend(resend::ResendArgs),
    /// Print the least IAM policy for an operator, for CI, or for looking only.
    Policy(policy::PolicyArgs),
    /// Print the CloudFormation template that the members get, with its parameters.
    Template(template::TemplateArgs),
    #[cfg(feature = "sandbox")]
    /// Play the whole story on the embedded sandbox: no AWS account needed.
    Demo(demo::DemoArgs),
    #[cfg(feature = "sandbox")]
    /// Make, show and change the sandbox that --sandbox works on.
    Sandbox(sandbox::SandboxArgs),
    /// Print the JSON schema of config.toml or of a JSON answer.
    Schema(schema::SchemaArgs),
    /// Print completions for a shell.
    Completions(completions::CompletionsArgs),
    /// Print the man page, or write those of all commands.
    Man(man::ManArgs),
}

/// Runs the command line of this process.
pub fn main(version: &'static str) -> ExitCode {
    end_faults_as_errors();
    if complete::asked() {
        return complete::answer(Cli::command);
    }
    let cli = match parse(version) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    trace(cli.global.verbose);
    // One thread: the work is waiting for answers, and a pool costs start-up time.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            aside!("{}", render::error(&error.into()));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(&cli));
    // A thread that still waits for an answer to a question must not hold the process.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A program that asked for JSON gets one object: the answer, or else the error.
            if cli.global.format == Format::Json && !Outputs::has_printed() {
                let _ = say!("{}", render::error_json(&error));
            }
            aside!("{}", render::error(&error));
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// The command line.
fn parse(version: &'static str) -> Result<Cli, clap::Error> {
    let mut matches = help::folded(Cli::command().version(version)).try_get_matches()?;
    Cli::from_arg_matches_mut(&mut matches)
}

/// What is wrong with the command line, or the help that it asks for.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        render::aside(&text);
    } else if let Err(error) = Outputs::print(&text) {
        aside!("{}", render::error(&error));
        return ExitCode::FAILURE;
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

async fn run(cli: &Cli) -> Result<()> {
    let started = Instant::now();
    let global = &cli.global;
    let context = match &cli.command {
        // What needs no config, or opens its own context.
        Command::Completions(args) => return completions::run(args, Cli::command()),
        Command::Schema(args) => return schema::run(args),
        Command::Man(args) => return man::run(args, Cli::command()),
        Command::Doctor(args) => return doctor::run(args, global, started).await,
        Command::Init(args) => return until_interrupted(init::run(args, global, started)).await,
        Command::Policy(args) => return policy::run(args, global),
        Command::Template(args) => return until_interrupted(template::run(args, global)).await,
        #[cfg(feature = "sandbox")]
        Command::Preview(args) => return until_interrupted(preview::run(args, global)).await,
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => return demo::run(args).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => return sandbox::run(args, global).await,
        Command::Spend(_) => spend::open(global).await?,
        _ => Context::open(global).await?,
    };
    // Boxed, for it holds the state of every command.
    let work = Box::pin(async {
        match &cli.command {
            Command::Bootstrap(args) => bootstrap::run(args, &context).await,
            Command::Deploy(args) => deploy::run(args, &context).await,
            Command::Destroy(args) => destroy::run(args, &context).await,
            Command::Digest(args) => digest::run(args, &context).await,
            Command::Resend(args) => resend::run(args, &context).await,
            Command::Spend(args) => spend::run(args, &context).await,
            Command::Status(args) => status::run(args, &context).await,
            Command::TestAlert(args) => test_alert::run(args, &context).await,
            Command::Completions(_)
            | Command::Doctor(_)
            | Command::Init(_)
            | Command::Man(_)
            | Command::Policy(_)
            | Command::Schema(_)
            | Command::Template(_) => Ok(()),
            #[cfg(feature = "sandbox")]
            Command::Preview(_) | Command::Demo(_) | Command::Sandbox(_) => Ok(()),
        }
    });
    let result = match &cli.command {
        // Ctrl-C is its good end.
        Command::Status(
            args @ StatusArgs {
                watch: Some(seconds), ..
            },
        ) => status::watch(args, &context, *seconds).await,
        _ => context.watched.until_interrupted(work).await,
    };
    if let Err(error) = &result {
        context.summarize(|| render::failure_summary(error));
    }
    report_calls(global, &context.services, started);
    result
}

/// `-vv` shows what the SDK does, on stderr. Headers and bodies, which can hold secrets, are never logged.
fn trace(verbose: u8) {
    if verbose >= 2 {
        tracing_subscriber::fmt()
            .with_writer(|| render::Aside)
            .with_max_level(tracing::Level::DEBUG)
            .init();
    }
}
