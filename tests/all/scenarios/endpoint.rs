//! An AWS-compatible endpoint as a place: changed, and looked at, by boto3 in `tests/support/place.py`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::place::{ALARM, Engine, MEMBER_ROLE, Place};
use crate::support::emulator::{Emulators, Endpoints, Tenant};
use crate::support::home::{Ended, Home};
use crate::support::venv::Venv;

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/place.py");

/// An organisation, or an OU of a scenario's own in one.
pub(super) struct EndpointPlace<'a> {
    engine: Engine,
    /// The scenario's own OU, StackSet, and ending of mail addresses.
    name: String,
    home: Home,
    env: BTreeMap<String, String>,
    python: RefCell<Python>,
    /// Kept, because its folder goes with it.
    _tenant: Option<Tenant<'a>>,
}

struct Python {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl<'a> EndpointPlace<'a> {
    /// An organisation of its own on moto.
    pub(super) fn on_moto(emulators: &'a Emulators, venv: &Venv) -> Self {
        let tenant = emulators.tenant();
        let env = tenant.env(Endpoints::Moto);
        Self::open(Engine::Moto, env, venv, Some(tenant))
    }

    /// An OU of its own in the organisation that the environment leads to: the endpoint `url`, or AWS where that is
    /// `aws`.
    pub(super) fn at(url: &str, engine: Engine, venv: &Venv) -> Self {
        let mut env: BTreeMap<String, String> = std::env::vars()
            .filter(|(name, _)| name.starts_with("AWS_") || name == "HOME" || name == "PATH")
            .collect();
        if url != "aws" {
            env.insert("AWS_ENDPOINT_URL".into(), url.into());
            for (name, value) in [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")] {
                env.entry(name.into()).or_insert_with(|| value.into());
            }
        }
        env.insert("AWS_REGION".into(), "us-east-1".into());
        env.insert("AWS_DEFAULT_REGION".into(), "us-east-1".into());
        Self::open(engine, env, venv, None)
    }

    fn open(engine: Engine, env: BTreeMap<String, String>, venv: &Venv, tenant: Option<Tenant<'a>>) -> Self {
        let mut child = Command::new(venv.python())
            .arg(PLACE)
            .env_clear()
            .envs(&env)
            .env(super::ENGINE, format!("{engine:?}").to_lowercase())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the environment's Python runs");
        let requests = child.stdin.take().expect("standard input is piped");
        let answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let place = Self {
            engine,
            name: unique(),
            home: Home::empty(),
            env,
            python: RefCell::new(Python {
                child,
                requests,
                answers,
            }),
            _tenant: tenant,
        };
        place.ask(json!({"do": "open", "base": place.name}));
        place
    }

    /// Asks the place's own client.
    #[track_caller]
    fn ask(&self, request: Value) -> Value {
        let mut python = self.python.borrow_mut();
        writeln!(python.requests, "{request}").expect("the request is read");
        let mut line = String::new();
        python.answers.read_line(&mut line).expect("an answer");
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{request}: {error}: {line:?}"));
        assert!(
            answer.get("error").is_none(),
            "{request}\n{}",
            answer["error"].as_str().unwrap_or_default()
        );
        answer["ok"].take()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name that no other scenario has, now or in an earlier run at the same endpoint.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a clock after 1970")
        .as_millis();
    format!("billctl-{since:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Place for EndpointPlace<'_> {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn path(&self, ou: &str) -> String {
        format!("Root/{}/{ou}", self.name)
    }

    fn stack_set(&self) -> &str {
        &self.name
    }

    fn add_ou(&mut self, ou: &str) {
        self.ask(json!({"do": "add_ou", "path": ou}));
    }

    fn add_account(&mut self, ou: &str, name: &str) -> String {
        let email = format!("{name}.{}@example.com", self.name);
        let made = self.ask(json!({"do": "add_account", "path": ou, "name": name, "email": email}));
        made.as_str().expect("an id").to_owned()
    }

    fn move_account(&mut self, account: &str, ou: &str) {
        self.ask(json!({"do": "move", "account": account, "path": ou}));
    }

    fn suspend(&mut self, account: &str) {
        self.ask(json!({"do": "suspend", "account": account}));
    }

    fn obstruct(&mut self, account: &str) {
        self.ask(json!({"do": "obstruct", "account": account, "role": MEMBER_ROLE}));
    }

    fn clear(&mut self, account: &str) {
        self.ask(json!({"do": "clear", "account": account, "role": MEMBER_ROLE}));
    }

    fn edit_alarm(&mut self, account: &str, usd: u32) {
        self.ask(json!({"do": "edit_alarm", "account": account, "name": ALARM, "usd": usd}));
    }

    fn delete_alarm(&mut self, account: &str) {
        self.ask(json!({"do": "delete_alarm", "account": account, "name": ALARM}));
    }

    fn delegate(&mut self, account: &str) {
        let credentials = self.ask(json!({"do": "delegate", "account": account}));
        for (name, value) in credentials.as_object().expect("credentials") {
            let value = value.as_str().expect("a text").to_owned();
            self.env.insert(name.clone(), value);
        }
    }

    fn settle(&mut self, account: Option<&str>) {
        self.ask(json!({"do": "settle", "stack_set": self.name, "account": account}));
    }

    fn thresholds(&mut self) -> BTreeMap<String, f64> {
        // moto's StackSets make no alarms (docs/emulators.md): there the instances' own parameters tell.
        let alarm = match self.engine {
            Engine::Moto => Value::Null,
            Engine::Sandbox | Engine::Fakecloud | Engine::Aws => json!(ALARM),
        };
        let found = self.ask(json!({"do": "thresholds", "stack_set": self.name, "alarm_name": alarm}));
        serde_json::from_value(found).expect("thresholds by account")
    }

    fn operations(&mut self) -> u64 {
        self.ask(json!({"do": "count_operations", "stack_set": self.name}))
            .as_u64()
            .expect("a number")
    }

    fn home(&self) -> &Home {
        &self.home
    }

    fn billctl(&self, line: &str) -> Ended {
        let mut command = self.home.command();
        command.env_clear().envs(&self.env).args(line.split(' '));
        self.home.end(&mut command)
    }
}
