use std::path::PathBuf;

use clap::{Args, Command};

use super::output::Outputs;
use billctl_core::error::{Result, WhileTrying};

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write the pages of all commands into this directory, which is created if needed.
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
}

/// Prints the man page of `command`, or writes those of all its commands.
///
/// # Errors
/// The output can't be written.
pub(super) fn run(args: &ManArgs, command: Command) -> Result<()> {
    match &args.dir {
        Some(dir) => {
            let what = format!("write man pages to {}", dir.display());
            std::fs::create_dir_all(dir).while_trying(&what)?;
            clap_mangen::generate_to(command, dir).while_trying(&what)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            Outputs::print(String::from_utf8_lossy(&page))
        }
    }
}
