//! A folder with a config and a sandbox, and the built binary in it.

use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

/// What a command left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its answer.
    pub stdout: String,
    /// What it told meanwhile.
    pub stderr: String,
}

impl Ended {
    /// That it ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// How many API calls of this kind `-v` counted: `read` or `write`.
    #[track_caller]
    pub fn calls(&self, access: &str) -> usize {
        assert!(
            self.stderr.contains("API calls"),
            "run it with -v: {}",
            self.stderr
        );
        self.stderr
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.as_slice() {
                    [_, kind, count, ..] if *kind == access => count.parse::<usize>().ok(),
                    _ => None,
                }
            })
            .sum()
    }
}

/// A folder of a test's own.
pub struct Home {
    dir: TempDir,
}

impl Home {
    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            dir: TempDir::new().expect("a folder"),
        }
    }

    /// With a config and the demo's organisation.
    pub fn with_sandbox(config: &str) -> Self {
        let home = Self::empty();
        home.config(config);
        home.run("sandbox new").code(0);
        home
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the config.
    pub fn config(&self, text: &str) {
        std::fs::write(self.dir.path().join("config.toml"), text).expect("a config");
    }

    /// The binary in an environment where nothing of the machine's settings is seen.
    pub fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("billctl"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.dir.path());
        command
    }

    /// Runs a command line on the sandbox; words are separated by single spaces, `_` in a word stands for one.
    pub fn run(&self, line: &str) -> Ended {
        let words = line.split(' ').map(|word| word.replace('_', " "));
        self.end(self.command().arg("--sandbox=sandbox.json").args(words))
    }

    /// Runs a command.
    pub fn end(&self, command: &mut Command) -> Ended {
        let output = command.output().expect("the binary runs");
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
