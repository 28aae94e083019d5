//! The program: everything is in the library.

use std::process::ExitCode;

use git_version::git_version;

/// `0.2.0 (abc1234)`; without git, the number alone. Here and not in the library, so that a commit rebuilds this
/// file and nothing else.
const VERSION: &str = git_version!(
    args = ["--always", "--abbrev=7", "--dirty=-modified", "--exclude=*"],
    prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
    suffix = ")",
    fallback = env!("CARGO_PKG_VERSION")
);

fn main() -> ExitCode {
    billctl::cli::main(VERSION)
}
