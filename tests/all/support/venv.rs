//! The tests' own Python: a virtual environment with the emulators, boto3 and the linters.
//!
//! It is made once under `target/` from the pinned `tests/support/requirements.txt` and
//! named after that file's content, so that changing a pin makes a new one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::install::{self, run};

/// The interpreter to make the environment with, where `python3` isn't the right one.
const PYTHON: &str = "BILLCTL_PYTHON";

const REQUIREMENTS: &str = include_str!("../../support/requirements.txt");
const REQUIREMENTS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/requirements.txt");

/// A complete virtual environment.
#[derive(Debug)]
pub(crate) struct Venv {
    root: PathBuf,
}

impl Venv {
    /// The environment's interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        self.tool("python")
    }

    /// A program that one of the packages installed, such as `cfn-lint`.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        bin(&self.root).join(name)
    }
}

/// The environment, made by whichever test asks first; `None` after saying why `test` is skipped.
///
/// # Panics
/// Where it can't be made and [`install::REQUIRE`] is set.
pub(crate) fn shared(test: &str) -> Option<&'static Venv> {
    static SHARED: OnceLock<Result<Venv, String>> = OnceLock::new();
    match SHARED.get_or_init(make) {
        Ok(venv) => Some(venv),
        Err(reason) => {
            install::skip(test, reason);
            None
        }
    }
}

fn make() -> Result<Venv, String> {
    let interpreter = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let version = interpreter_version(&interpreter)?;
    let root = install::once("venv", &[REQUIREMENTS, &version], |root| {
        run(Command::new(&interpreter).args(["-m", "venv", "--clear"]).arg(root))?;
        // Every transitive package is pinned, so nothing is left to resolve.
        run(Command::new(bin(root).join("python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "-r", REQUIREMENTS_FILE]))
        .map(drop)
    })?;
    Ok(Venv { root })
}

/// The interpreter's version, which also shows that it is there and new enough.
fn interpreter_version(interpreter: &str) -> Result<String, String> {
    let script = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.version)";
    let output = run(Command::new(interpreter).args(["-c", script]))
        .map_err(|reason| format!("Python 3.10 or later with venv is needed: {reason}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn bin(root: &Path) -> PathBuf {
    root.join(if cfg!(windows) { "Scripts" } else { "bin" })
}
