//! AWS emulators that nobody here wrote: ministack and moto, shared by the tests.
//!
//! Every test takes a [`Tenant`]: an account id of its own, whose state no other test sees,
//! so that tests run side by side on the same two processes. What each emulator does
//! differently from AWS is in `docs/emulators.md`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::install;
use super::server::{Kind, Server};
use super::venv::{self, Venv};

const BOTO3_RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/boto3_run.py");
const REGION: &str = "us-east-1";

const MINISTACK: Kind = Kind {
    name: "ministack",
    health: "/_ministack/health",
    settings: &[],
};
const ENFORCING: Kind = Kind {
    settings: &[("AUTH", "true")],
    ..MINISTACK
};
/// In front of the shared ministack: gives CloudWatch's answers in pages, which ministack doesn't.
const PAGER: Kind = Kind {
    name: "pager",
    ..MINISTACK
};
const MOTO: Kind = Kind {
    name: "moto",
    health: "/moto-api/data.json",
    settings: &[],
};

/// Which emulator answers for which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoints {
    /// Every service on ministack.
    Ministack,
    /// Every service on moto.
    Moto,
    /// Each service on the one that follows AWS more closely: StackSets, Organizations,
    /// EventBridge (bus policies) and CloudWatch (metric math in alarms) on moto, the others
    /// (SES templates, Step Functions, SQS, IAM, STS) on ministack.
    Closest,
    /// As [`Endpoints::Ministack`], with ListMetrics and GetMetricData in small pages.
    Paged,
    /// Every service on a ministack that enforces IAM. The tenant's own key is its root;
    /// other keys come from IAM users that the test makes.
    EnforcingIam,
}

/// The services that [`Endpoints::Closest`] takes from moto, as in `AWS_ENDPOINT_URL_<SERVICE>`.
const CLOSEST_ON_MOTO: [&str; 4] = ["CLOUDFORMATION", "ORGANIZATIONS", "EVENTBRIDGE", "CLOUDWATCH"];

/// The emulators that this test process runs.
#[derive(Debug)]
pub(crate) struct Emulators {
    venv: &'static Venv,
    ministack: Server,
    moto: Server,
    enforcing: OnceLock<Result<Server, String>>,
    pager: OnceLock<Result<Server, String>>,
}

/// The shared emulators, started by whichever test asks first; `None` after saying that `test`
/// is skipped and why.
///
/// # Panics
/// Where they can't be started and `BILLCTL_REQUIRE_EMULATORS=1`.
pub(crate) fn shared(test: &str) -> Option<&'static Emulators> {
    static SHARED: OnceLock<Result<Emulators, String>> = OnceLock::new();
    let venv = venv::shared(test)?;
    match SHARED.get_or_init(|| Emulators::start(venv)) {
        Ok(emulators) => Some(emulators),
        Err(reason) => {
            install::skip(test, reason);
            None
        }
    }
}

impl Emulators {
    fn start(venv: &'static Venv) -> Result<Self, String> {
        let python = venv.python();
        // Both at once: each spends seconds on importing itself.
        let (ministack, moto) = std::thread::scope(|scope| {
            let ministack = scope.spawn(|| Server::start(&python, MINISTACK));
            let moto = Server::start(&python, MOTO);
            (ministack.join().expect("starting doesn't panic"), moto)
        });
        Ok(Self {
            venv,
            ministack: ministack?,
            moto: moto?,
            enforcing: OnceLock::new(),
            pager: OnceLock::new(),
        })
    }

    /// An account that no other test uses.
    pub(crate) fn tenant(&self) -> Tenant<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Tenant {
            emulators: self,
            account: format!("{:012}", 700_000_000_000 + number),
            home: TempDir::new().expect("a folder for the test"),
        }
    }

    /// Started only when a test needs it.
    fn pager(&self) -> &Server {
        self.pager
            .get_or_init(|| {
                let upstream = self.ministack.url();
                Server::start_with(&self.venv.python(), PAGER, &[("PAGER_UPSTREAM", &upstream)])
            })
            .as_ref()
            .expect("a pager in front of ministack")
    }

    /// Started only when a test needs it: a third process costs memory.
    fn enforcing(&self) -> &Server {
        self.enforcing
            .get_or_init(|| Server::start(&self.venv.python(), ENFORCING))
            .as_ref()
            .expect("a ministack that enforces IAM")
    }
}

/// One account on the emulators.
#[derive(Debug)]
pub(crate) struct Tenant<'a> {
    emulators: &'a Emulators,
    account: String,
    home: TempDir,
}

impl Tenant<'_> {
    /// The account's id, which is also its access key.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// The environment by which an AWS SDK, botocore or the built binary reaches this account
    /// and nothing else. Give it to a command after `env_clear()`.
    pub(crate) fn env(&self, endpoints: Endpoints) -> BTreeMap<String, String> {
        let moto = self.emulators.moto.url();
        let main = match endpoints {
            Endpoints::Ministack | Endpoints::Closest | Endpoints::Paged => self.emulators.ministack.url(),
            Endpoints::Moto => moto.clone(),
            Endpoints::EnforcingIam => self.emulators.enforcing().url(),
        };
        let absent = self.home.path().join("absent").display().to_string();
        let mut env = BTreeMap::from(
            [
                ("AWS_ENDPOINT_URL", main),
                ("AWS_ACCESS_KEY_ID", self.account.clone()),
                ("AWS_SECRET_ACCESS_KEY", "anything".to_owned()),
                ("AWS_REGION", REGION.to_owned()),
                ("AWS_DEFAULT_REGION", REGION.to_owned()),
                ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
                // The settings of whoever runs the tests stay out of them.
                ("AWS_CONFIG_FILE", absent.clone()),
                ("AWS_SHARED_CREDENTIALS_FILE", absent),
                ("HOME", self.home.path().display().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if endpoints == Endpoints::Closest {
            for service in CLOSEST_ON_MOTO {
                env.insert(format!("AWS_ENDPOINT_URL_{service}"), moto.clone());
            }
        }
        if endpoints == Endpoints::Paged {
            let pager = self.emulators.pager().url();
            env.insert("AWS_ENDPOINT_URL_CLOUDWATCH".to_owned(), pager);
        }
        env
    }

    /// Runs a Python snippet with boto3 in this account and gives what it leaves in `result`.
    /// See `tests/support/boto3_run.py` for what the snippet has at hand.
    ///
    /// # Panics
    /// Where the snippet fails, with its traceback.
    pub(crate) fn boto3(&self, endpoints: Endpoints, snippet: &str) -> Value {
        self.boto3_with(&self.env(endpoints), snippet)
    }

    /// As [`Tenant::boto3`], with the environment changed by the test, such as another key.
    ///
    /// # Panics
    /// Where the snippet fails, with its traceback.
    pub(crate) fn boto3_with(&self, env: &BTreeMap<String, String>, snippet: &str) -> Value {
        let mut child = Command::new(self.emulators.venv.python())
            .arg(BOTO3_RUN)
            .env_clear()
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the environment's Python runs");
        child
            .stdin
            .take()
            .expect("standard input is piped")
            .write_all(snippet.as_bytes())
            .expect("the snippet is read");
        let output = child.wait_with_output().expect("the snippet ends");
        assert!(
            output.status.success(),
            "the snippet failed:\n{snippet}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("the runner prints JSON")
    }
}
