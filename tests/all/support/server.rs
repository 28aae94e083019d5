//! One emulator process on a free loopback port.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SERVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.py");

/// Longer than any machine needs: importing moto takes seconds on a busy one.
const READY_WITHIN: Duration = Duration::from_secs(120);
const BETWEEN_POLLS: Duration = Duration::from_millis(25);

/// Another process may take a port between finding it free and the emulator's own bind.
const PORTS_TO_TRY: usize = 3;

/// Which emulator, and how it is asked whether it is up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The name that `serve.py` takes.
    pub name: &'static str,
    /// A path that answers 200 once the emulator serves.
    pub health: &'static str,
    /// Settings in its environment.
    pub settings: &'static [(&'static str, &'static str)],
}

/// A running emulator. Dropping it ends the process; so does the end of the test process,
/// because the emulator watches the pipe that is its standard input.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts the emulator and waits until it answers.
    ///
    /// # Errors
    /// What went wrong, with the end of the emulator's own log.
    pub(crate) fn start(python: &Path, kind: Kind) -> Result<Self, String> {
        Self::start_with(python, kind, &[])
    }

    /// The same, with settings that are known only now.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_with(python: &Path, kind: Kind, more: &[(&str, &str)]) -> Result<Self, String> {
        let mut reason = String::new();
        for _ in 0..PORTS_TO_TRY {
            match Self::start_once(python, kind, more) {
                Ok(server) => return Ok(server),
                Err(failed) => reason = failed,
            }
        }
        Err(reason)
    }

    /// The base address, as `AWS_ENDPOINT_URL` takes it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn start_once(python: &Path, kind: Kind, more: &[(&str, &str)]) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{} can't be started: {error}", kind.name);
        let port = free_port().map_err(failed)?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let log = folder.join(format!("{}-{port}.log", kind.name));
        let output = File::create(&log).map_err(failed)?;
        let child = Command::new(python)
            .arg(SERVE)
            .args([kind.name, &port.to_string()])
            .env("TMPDIR", folder)
            .envs(kind.settings.iter().chain(more).copied())
            // Its own calls must not leave this machine, whoever runs the tests.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_ENDPOINT_URL")
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .spawn()
            .map_err(failed)?;
        let mut server = Self { child, port };
        server.wait_until_ready(kind).map_err(|reason| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let end: Vec<_> = said.lines().rev().take(15).collect();
            let end: Vec<_> = end.into_iter().rev().collect();
            format!("{}: {reason}\n{}", kind.name, end.join("\n"))
        })?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, kind: Kind) -> Result<(), String> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once: {status}"));
            }
            if answers(self.port, kind.health).unwrap_or(false) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("didn't answer within {READY_WITHIN:?}"));
            }
            std::thread::sleep(BETWEEN_POLLS);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a GET of `path` is answered with 200.
fn answers(port: u16, path: &str) -> std::io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200"))
}
