use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgAction, Args, ValueEnum};

use crate::event::Listener;
use crate::service::Services;

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: versioned, documented in docs/json.md.
    Json,
    /// For a pull request.
    Markdown,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "BILLCTL_CONFIG",
        default_value = "config.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// The AWS profile to use.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Work on the embedded sandbox instead of AWS; its state is kept in FILE.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ".billctl-sandbox.json"
    )]
    pub sandbox: Option<PathBuf>,
    /// How the answer is written.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Say more: the API calls that were made; twice: what the SDK does.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Don't ask: agree to what would be asked.
    #[arg(long, global = true)]
    pub yes: bool,
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
pub struct Context {
    /// The arguments that every command takes.
    pub global: GlobalArgs,
    /// AWS, or the sandbox.
    pub services: Services,
    /// Who is told what happens.
    pub listener: Arc<dyn Listener>,
}

impl Context {
    /// Whether a person can be asked.
    pub fn interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}
