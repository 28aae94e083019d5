//! What the tests need beyond cargo: installed once below `target/`, by the test run itself.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Set to `1` where a test that can't get its emulators must fail instead of being skipped.
pub(crate) const REQUIRE: &str = "BILLCTL_REQUIRE_EMULATORS";

/// A folder `target/<kind>-<hash of the parts>`, filled by `make` unless it is complete.
///
/// # Errors
/// Why it can't be made.
pub(crate) fn once(
    kind: &str,
    parts: &[&str],
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .ok_or("the target folder has no parent")?;
    let name = format!("{kind}-{:016x}", fnv1a(parts));
    let root = target.join(&name);
    let complete = root.join("complete");

    // Test processes may run side by side: the first makes it, the others wait.
    let lock = File::create(target.join(format!("{name}.lock")))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| format!("{name} can't be locked: {error}"))?;
    if !complete.exists() {
        let _ = writeln!(std::io::stderr(), "making the tests' {name} (once)");
        make(&root)?;
        fs::write(&complete, "").map_err(|error| format!("{name} can't be marked complete: {error}"))?;
    }
    drop(lock);
    Ok(root)
}

/// Runs a command that must succeed.
///
/// # Errors
/// That it isn't there, or what it said.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
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

/// Says on standard error that `test` was not run, past the test harness's capture.
///
/// # Panics
/// Where [`REQUIRE`] is set.
pub(crate) fn skip(test: &str, reason: &str) {
    assert!(
        std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
        "{test}: {reason}"
    );
    // `eprintln!` would be swallowed by the capture, as the test passes.
    let line = format!("NOT RUN: {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
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
