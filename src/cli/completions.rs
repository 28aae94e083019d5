use clap::{Args, Command};
use clap_complete::Shell;

use super::output::Outputs;
use billctl_core::error::Result;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell. Commands and options only: `source <(COMPLETE=bash billctl)` also completes OUs, accounts, profiles and
    /// sandbox files (docs/completion.md).
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints completions of `command` for a shell.
///
/// # Errors
/// The output can't be written.
pub(super) fn run(args: &CompletionsArgs, mut command: Command) -> Result<()> {
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics where the output is closed early.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    Outputs::print(String::from_utf8_lossy(&script))
}
