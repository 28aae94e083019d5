//! The one harness for the built binary: a folder of its own with a config and a sandbox, and commands in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Output, Stdio};

use assert_cmd::Command;
use billctl_core::service::cloudformation::CallAs;
use billctl_sandbox::{Sandbox, World, seed};
use serde_json::Value;
use tempfile::TempDir;

/// Where the sandbox of a [`Home`] is.
const SANDBOX: &str = "sandbox.json";

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its answer.
    pub stdout: String,
    /// What it said meanwhile.
    pub stderr: String,
}

impl Ended {
    /// What it printed, on stdout and on stderr.
    pub(crate) fn texts(&self) -> (String, String) {
        (self.stdout.clone(), self.stderr.clone())
    }

    /// That it ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// How many API calls of this kind `-v` counted: `read` or `write`.
    #[track_caller]
    pub(crate) fn calls(&self, access: &str) -> usize {
        assert!(self.stderr.contains("API calls"), "run it with -v: {}", self.stderr);
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

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The words of a command line.
pub(crate) trait Words {
    /// One by one.
    fn words(self) -> Vec<String>;
}

/// Words separated by single spaces; `_` in a word stands for one.
impl Words for &str {
    fn words(self) -> Vec<String> {
        self.split(' ').map(|word| word.replace('_', " ")).collect()
    }
}

impl Words for &String {
    fn words(self) -> Vec<String> {
        self.as_str().words()
    }
}

/// Words as they are.
impl Words for &[&str] {
    fn words(self) -> Vec<String> {
        self.iter().map(|word| (*word).to_owned()).collect()
    }
}

impl<const COUNT: usize> Words for &[&str; COUNT] {
    fn words(self) -> Vec<String> {
        self.as_slice().words()
    }
}

impl Words for &Vec<&str> {
    fn words(self) -> Vec<String> {
        self.as_slice().words()
    }
}

/// A folder of a test's own.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self {
            dir: TempDir::new().expect("a folder"),
        }
    }

    /// With a config and nothing else.
    pub(crate) fn with_config(config: &str) -> Self {
        let home = Self::empty();
        home.config(config);
        home
    }

    /// With the demo's organisation and no config.
    pub(crate) fn demo() -> Self {
        let home = Self::empty();
        Sandbox::create(home.file(SANDBOX), seed::demo(), false).expect("a sandbox");
        home
    }

    /// With a config and the demo's organisation.
    pub(crate) fn with_sandbox(config: &str) -> Self {
        let home = Self::demo();
        home.config(config);
        home
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the config.
    pub(crate) fn config(&self, text: &str) {
        std::fs::write(self.file("config.toml"), text).expect("a config");
    }

    /// The sandbox, opened past the binary.
    pub(crate) fn sandbox(&self) -> Sandbox {
        Sandbox::open(self.file(SANDBOX), CallAs::Own).expect("a sandbox")
    }

    /// Changes the sandbox's world between two commands.
    pub(crate) fn change(&self, change: impl FnOnce(&mut World)) {
        let changed = self.sandbox().change(|world| {
            change(world);
            Ok(())
        });
        changed.expect("a sandbox");
    }

    /// The binary in an environment where nothing of the machine's settings is seen.
    pub(crate) fn process(&self) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("billctl"));
        command
            .env_clear()
            .env("HOME", self.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.path());
        command
    }

    /// The same, to be asked what became of it.
    pub(crate) fn command(&self) -> Command {
        Command::from_std(self.process())
    }

    /// Runs a command line on the sandbox.
    pub(crate) fn run(&self, line: impl Words) -> Ended {
        self.end(self.command().arg("--sandbox=sandbox.json").args(line.words()))
    }

    /// Runs a command line without a sandbox, where there are no credentials and no way to AWS.
    pub(crate) fn run_on_aws(&self, line: impl Words) -> Ended {
        self.end(self.command().args(line.words()))
    }

    /// Runs it on the sandbox, and wants it to succeed: what it printed.
    #[track_caller]
    pub(crate) fn succeeds(&self, line: impl Words) -> String {
        self.run(line).code(0).stdout
    }

    /// Starts a command line as `run` does, without waiting for its end.
    pub(crate) fn start(&self, line: &str) -> Started {
        let child = self
            .process()
            .arg("--sandbox=sandbox.json")
            .args(line.words())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the binary starts");
        let said = BufReader::new(child.stderr.take().expect("piped"));
        Started { child, said }
    }

    /// The sandbox's world, as it is kept: what is true, whatever billctl says.
    pub(crate) fn world(&self) -> Value {
        let text = std::fs::read_to_string(self.file(SANDBOX)).expect("a sandbox");
        let (_, world) = text.split_once('\n').expect("a header");
        serde_json::from_str(world).expect("JSON")
    }

    /// Changes the sandbox's world past all APIs.
    pub(crate) fn edit_world(&self, change: impl FnOnce(&mut Value)) {
        let path = self.file(SANDBOX);
        let text = std::fs::read_to_string(&path).expect("a sandbox");
        let (header, _) = text.split_once('\n').expect("a header");
        let mut world = self.world();
        change(&mut world);
        std::fs::write(path, format!("{header}\n{world}\n")).expect("a sandbox");
    }

    /// The overrides that the instances of the StackSet `billctl` really have: thresholds by account.
    pub(crate) fn overrides(&self) -> BTreeMap<String, Option<f64>> {
        let world = self.world();
        let instances = world["cloudformation"]["sets"]["billctl"]["instances"].as_object();
        instances
            .into_iter()
            .flatten()
            .map(|(account, instance)| {
                let threshold = instance["overrides"]["Threshold"].as_str();
                let threshold = threshold.map(|text| text.parse().expect("an amount"));
                (account.clone(), threshold)
            })
            .collect()
    }

    /// The ids of the StackSet's operations, oldest first.
    pub(crate) fn operations(&self) -> Vec<String> {
        let world = self.world();
        world["cloudformation"]["sets"]["billctl"]["operations"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|operation| operation["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// Runs a command.
    pub(crate) fn end(&self, command: &mut Command) -> Ended {
        Ended::from(command.output().expect("the binary runs"))
    }
}

/// A command that is running.
pub(crate) struct Started {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Started {
    /// Reads what it tells until a line holds `what`; answers that line.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("text");
            assert!(read > 0, "it ended without saying {what}: {all}");
            if line.contains(what) {
                return line;
            }
            all.push_str(&line);
        }
    }

    /// Waits until it listens for Ctrl-C, as Linux tells of every process.
    #[track_caller]
    pub(crate) fn until_listening(&mut self) {
        const SIGINT: u64 = 1 << 1;
        let path = format!("/proc/{}/status", self.child.id());
        for _ in 0..6_000 {
            let status = std::fs::read_to_string(&path).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            if caught.is_some_and(|mask| mask & SIGINT != 0) {
                return;
            }
            assert!(self.child.try_wait().expect("a state").is_none(), "it ended before");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it never listens");
    }

    /// What Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let status = std::process::Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let mut stderr = String::new();
        self.said.read_to_string(&mut stderr).expect("text");
        let ended = Ended::from(self.child.wait_with_output().expect("an end"));
        Ended { stderr, ..ended }
    }
}
