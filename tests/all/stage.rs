//! The built binary on a sandbox in a directory of its own, with an environment of its own.

use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use billctl_core::service::cloudformation::CallAs;
use billctl_sandbox::{Sandbox, World, seed};

/// A sandbox, a place for the config, and the binary that works on them.
pub struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    /// With the demo organisation and no config.
    pub fn demo() -> Self {
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        Sandbox::create(stage.path("sandbox.json"), seed::demo(), false).unwrap();
        stage
    }

    /// A file of the stage.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the config.
    pub fn config(&self, text: &str) {
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Changes the world between two commands.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        Sandbox::open(self.path("sandbox.json"), CallAs::Own)
            .unwrap()
            .change(|world| {
                change(world);
                Ok(())
            })
            .unwrap();
    }

    /// Runs billctl with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::cargo_bin("billctl")
            .unwrap()
            .env_clear()
            .env("NO_COLOR", "1")
            .current_dir(self.directory.path())
            .arg("--sandbox=sandbox.json")
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs billctl without a sandbox, where there are no credentials and no way to AWS.
    pub fn run_on_aws(&self, arguments: &[&str]) -> Output {
        Command::cargo_bin("billctl")
            .unwrap()
            .env_clear()
            .env("NO_COLOR", "1")
            .env("HOME", self.directory.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.directory.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs it, and wants it to succeed: what it printed.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = texts(&output);
        assert!(
            output.status.success(),
            "{arguments:?}: {:?}\n{out}\n{err}",
            output.status
        );
        out
    }
}

/// What was printed, on stdout and on stderr.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
