//! The tests' own Node packages: the reference JSONata engine, Handlebars and the linters that are written for Node,
//! pinned by `tests/notifier/package-lock.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::install::{self, run};

const PACKAGES: [(&str, &str); 2] = [
    ("package.json", include_str!("../../notifier/package.json")),
    ("package-lock.json", include_str!("../../notifier/package-lock.json")),
];

/// The state machine as it is assembled when billctl is built.
pub(crate) const NOTIFIER: &str = concat!(env!("OUT_DIR"), "/notifier.asl.json");

/// A folder with the installed packages.
#[derive(Debug)]
pub(crate) struct Packages {
    root: PathBuf,
}

impl Packages {
    /// A file of a package.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root.join("node_modules").join(path)
    }

    /// Node on a script of `tests/notifier`, with these packages.
    pub(crate) fn node(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/notifier")
                    .join(script),
            )
            .env("NOTIFIER_NODE_MODULES", self.root.join("node_modules"))
            .env("NOTIFIER_ASL", NOTIFIER);
        command
    }
}

impl Packages {
    /// The text of a file of a package.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root.join("node_modules").join(file)).expect("a package's file")
    }
}

/// The packages, installed by whichever test asks first; `None` after saying why `test` is skipped.
///
/// # Panics
/// Where they can't be had and [`install::REQUIRE`] is set.
pub(crate) fn shared(test: &str) -> Option<&'static Packages> {
    static SHARED: OnceLock<Result<Packages, String>> = OnceLock::new();
    match SHARED.get_or_init(make) {
        Ok(packages) => Some(packages),
        Err(reason) => {
            install::skip(test, reason);
            None
        }
    }
}

fn make() -> Result<Packages, String> {
    run(Command::new("node").args([
        "--eval",
        "if (+process.versions.node.split('.')[0] < 18) process.exit(1)",
    ]))
    .map_err(|reason| format!("Node.js 18 or later is needed: {reason}"))?;
    let root = install::once("node", &PACKAGES.map(|(_, content)| content), |root| {
        fs::create_dir_all(root).map_err(|error| error.to_string())?;
        for (file, content) in PACKAGES {
            fs::write(root.join(file), content).map_err(|error| error.to_string())?;
        }
        // Exactly what the lock file names; no package's own scripts run.
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(root))
        .map(drop)
    })?;
    Ok(Packages { root })
}
