//! The command line: one file per verb, with its arguments and its table of contents.

mod bootstrap;
mod context;
mod deploy;
mod destroy;
mod precheck;
mod status;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

pub use context::{Color, Context, Format, GlobalArgs, services};

use crate::error::Result;
use crate::render;

/// A daily-spend alarm for every account of an AWS Organization, and a mail worth reading for its owner.
#[derive(Debug, Parser)]
#[command(
    name = "billctl",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make or repair the billing account's side: bus, rules, notifier, mail, alarms, dashboard.
    Bootstrap(bootstrap::BootstrapArgs),
    /// Create or update the alarm in the accounts of OUs.
    Deploy(deploy::DeployArgs),
    /// Remove what billctl made; asks for the organisation's id.
    Destroy(destroy::DestroyArgs),
    /// Show what is true everywhere: coverage, thresholds, instances, drift, and the billing side.
    Status(status::StatusArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    trace(cli.global.verbose);
    // One thread: the work is waiting for answers, and a pool costs start-up time.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("{}", render::error(&error.into()));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}", render::error(&error));
            ExitCode::from(error.kind.exit_code())
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let started = Instant::now();
    let global = &cli.global;
    match &cli.command {
        Command::Bootstrap(args) => {
            let context = Context::open(global).await?;
            let result = bootstrap::run(args, &context).await;
            context.report_calls(started);
            result
        }
        Command::Deploy(args) => {
            let context = Context::open(global).await?;
            let result = deploy::run(args, &context).await;
            context.report_calls(started);
            result
        }
        Command::Destroy(args) => {
            let context = Context::open(global).await?;
            let result = destroy::run(args, &context).await;
            context.report_calls(started);
            result
        }
        Command::Status(args) => {
            let context = Context::open(global).await?;
            let result = status::run(args, &context).await;
            context.report_calls(started);
            result
        }
    }
}

/// `-vv` shows what the SDK does, on stderr. Headers and bodies, which can hold secrets, are never logged.
fn trace(verbose: u8) {
    if verbose >= 2 {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(tracing::Level::DEBUG)
            .init();
    }
}
