//! The tests' own Python: a virtual environment with the emulators, boto3 and the linters.
//!
//! It is made once under `target/` from the pinned `tests/support/requirements.txt` and
//! named after that file's content, so that changing a pin makes a new one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Set to `1` where a test that can't get its emulators must fail instead of being skipped.
pub const REQUIRE: &str = "BILLCTL_REQUIRE_EMULATORS";

/// The interpreter to make the environment with, where `python3` isn't the right one.
const PYTHON: &str = "BILLCTL_PYTHON";

const REQUIREMENTS: &str = include_str!("../../support/requirements.txt");
const REQUIREMENTS_FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/support/requirements.txt"
);

/// A complete virtual environment.
#[derive(Debug)]
pub struct Venv {
    root: PathBuf,
}

impl Venv {
    /// The environment's interpreter.
    pub fn python(&self) -> PathBuf {
        self.tool("python")
    }

    /// A program that one of the packages installed, such as `cfn-lint`.
    pub fn tool(&self, name: &str) -> PathBuf {
        bin(&self.root).join(name)
    }
}

/// The environment, made by whichever test asks first; `None` after saying why `test` is skipped.
///
/// # Panics
/// Where it can't be made and [`REQUIRE`] is set.
pub fn shared(test: &str) -> Option<&'static Venv> {
    static SHARED: OnceLock<Result<Venv, String>> = OnceLock::new();
    match SHARED.get_or_init(make) {
        Ok(venv) => Some(venv),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// Says on standard error that `test` was not run, past the test harness's capture.
///
/// # Panics
/// Where [`REQUIRE`] is set.
pub fn skip(test: &str, reason: &str) {
    assert!(
        std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
        "{test}: {reason}"
    );
    // `eprintln!` would be swallowed by the capture, as the test passes.
    let line = format!("NOT RUN: {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn make() -> Result<Venv, String> {
    let interpreter = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let version = interpreter_version(&interpreter)?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .ok_or("the target folder has no parent")?;
    let name = format!("venv-{:016x}", fnv1a(&[REQUIREMENTS, &version]));
    let root = target.join(&name);
    let complete = root.join("complete");

    // Test processes may run side by side: the first makes it, the others wait.
    let lock = File::create(target.join(format!("{name}.lock")))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| format!("the environment can't be locked: {error}"))?;
    if !complete.exists() {
        let _ = std::io::stderr().write_all(b"making the tests' Python environment (once)\n");
        run(Command::new(&interpreter)
            .args(["-m", "venv", "--clear"])
            .arg(&root))?;
        // Every transitive package is pinned, so nothing is left to resolve.
        run(Command::new(bin(&root).join("python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "-r", REQUIREMENTS_FILE]))?;
        fs::write(&complete, &version)
            .map_err(|error| format!("the environment can't be marked complete: {error}"))?;
    }
    drop(lock);
    Ok(Venv { root })
}

/// The interpreter's version, which also shows that it is there and new enough.
fn interpreter_version(interpreter: &str) -> Result<String, String> {
    let script =
        "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.version)";
    let output = run(Command::new(interpreter).args(["-c", script]))
        .map_err(|reason| format!("Python 3.10 or later with venv is needed: {reason}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(command: &mut Command) -> Result<Output, String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{shown}: {}: {}", output.status, said.trim()))
    }
}

fn bin(root: &Path) -> PathBuf {
    root.join(if cfg!(windows) { "Scripts" } else { "bin" })
}

/// FNV-1a: a hash that stays the same from one compiler to the next.
fn fnv1a(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}
