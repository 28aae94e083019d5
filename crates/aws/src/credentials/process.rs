//! `credential_process`: a program that prints credentials, run as the AWS CLI runs it, in bounds of time and length.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::What;
use super::failure::{late, shown, source};
use crate::config_files::plain;
use crate::trouble::Trouble;

/// The longest answer in bytes.
const LONGEST: u64 = 1 << 20;
/// How much of what a program complains about is kept, in bytes.
const KEPT: u64 = 64 << 10;
/// Credentials that are good for less are asked for again.
const SOON: Duration = Duration::from_secs(10);

/// A profile's program. It runs once for as long as its credentials are good, whoever asks for them, and not again
/// where it failed: it may ask a person, who shouldn't be asked ten times.
#[derive(Debug)]
pub(super) struct Process {
    /// Whose program it is.
    what: What,
    command: String,
    patience: Duration,
    ended: Mutex<Option<Result<Credentials, Trouble>>>,
}

impl Process {
    pub(super) fn new(what: What, command: &str, patience: Duration) -> Self {
        Self {
            what,
            command: command.to_owned(),
            patience,
            ended: Mutex::new(None),
        }
    }

    async fn credentials(&self) -> provider::Result {
        let mut ended = self.ended.lock().await;
        let is_good = |found: &Credentials| found.expiry().is_none_or(|expiry| expiry > SystemTime::now() + SOON);
        match ended.as_ref() {
            Some(Ok(found)) if !is_good(found) => {}
            Some(ended) => return ended.clone().map_err(Into::into),
            None => {}
        }
        let result = tokio::time::timeout(self.patience, self.run()).await;
        let result = result.unwrap_or_else(|_| Err(late(&self.what, self.patience)));
        *ended = Some(result.clone());
        result.map_err(Into::into)
    }

    async fn run(&self) -> Result<Credentials, Trouble> {
        let wrong = |what: String| {
            Trouble::new(format!("{} {what}", source(&self.what)))
                .remedy("run its command by hand: it has to print JSON with Version 1, AccessKeyId and SecretAccessKey")
        };
        let words = split(&self.command).map_err(|what| wrong(format!("can't be run: {what}")))?;
        let [program, arguments @ ..] = words.as_slice() else {
            return Err(wrong("names no program".to_owned()));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = Running::start(&mut command).map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong(format!("can't be run: there is no {}", shown(program))),
            _ => wrong(format!("can't be run: {}: {}", shown(program), plain(&error))),
        })?;
        let (stdout, stderr) = (child.child.stdout.take(), child.child.stderr.take());
        let (printed, complained) = tokio::join!(head(stdout, LONGEST + 1, false), head(stderr, KEPT, true));
        if printed.len() as u64 > LONGEST {
            return Err(wrong(format!("prints more than {} MB", LONGEST >> 20)));
        }
        let status = child
            .child
            .wait()
            .await
            .map_err(|error| wrong(format!("can't be run: {}", plain(&error))))?;
        child.over = true;
        if !status.success() {
            let how = ending(status);
            let complained = String::from_utf8_lossy(&complained);
            return Err(wrong(match complained.trim() {
                "" => format!("{how} and said nothing"),
                said => format!("{how}: {}", shown(said)),
            }));
        }
        let found = serde_json::from_slice::<Value>(&printed).map_err(|_| "it isn't JSON".to_owned());
        let found = found.and_then(|value| match value.get("Version") {
            Some(version) if version.as_u64() == Some(1) => keys(&value, "SessionToken"),
            Some(_) => Err("Version isn't 1".to_owned()),
            None => Err("Version is missing".to_owned()),
        });
        found.map_err(|what| wrong(format!("printed no credentials: {what}")))
    }
}

impl ProvideCredentials for Process {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// The credentials in JSON as programs and containers give them, or what is wrong with it.
pub(super) fn keys(value: &Value, token: &str) -> Result<Credentials, String> {
    let text = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} isn't a text")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("{name} is missing"));
    let expiry = text("Expiration")?.map(|time| {
        let time = time.parse::<jiff::Timestamp>().ok();
        let time = time.and_then(|time| SystemTime::try_from(time).ok());
        time.ok_or("Expiration isn't a time such as 2026-11-27T12:34:56Z")
    });
    let expiry = expiry.transpose()?;
    let (id, secret) = (needed("AccessKeyId")?, needed("SecretAccessKey")?);
    let token = text(token)?.map(str::to_owned);
    Ok(Credentials::new(id, secret, token, expiry, "billctl"))
}

/// The beginning of what comes. Who prints on is hung up on, or heard to the end.
async fn head(from: Option<impl AsyncRead + Unpin>, longest: u64, to_the_end: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What breaks off is judged by how the program ends.
        let _ = (&mut from).take(longest).read_to_end(&mut bytes).await;
        if to_the_end {
            let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
        }
    }
    bytes
}

fn ending(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(signal) = status.signal() {
            return format!("was ended by signal {signal}");
        }
    }
    status.code().map_or_else(
        || "ended with no status".to_owned(),
        |code| format!("ended with status {code}"),
    )
}

/// A program that runs, with those that it has started, until dropped.
struct Running {
    child: Child,
    /// The number of its group, if it has one of its own.
    #[cfg(unix)]
    group: Option<u32>,
    over: bool,
}

impl Running {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        // Who asks on a terminal has to be in the group in its foreground, which also gets the user's Ctrl-C.
        #[cfg(unix)]
        let own = std::fs::File::open("/dev/tty").is_err();
        #[cfg(unix)]
        if own {
            command.process_group(0);
        }
        let child = command.spawn()?;
        Ok(Self {
            #[cfg(unix)]
            group: child.id().filter(|_| own),
            child,
            over: false,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let _ = self.child.start_kill();
        #[cfg(unix)]
        if let Some(group) = self
            .group
            .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// A command's words. The AWS CLI splits as Python's `shlex` does: quotes and backslashes as in a shell, but nothing
/// else of one, no variables, no pipes, no comments. On Windows it is split as programs there do.
fn split(command: &str) -> Result<Vec<String>, String> {
    match cfg!(windows) {
        true => Ok(split_for_windows(command)),
        false => split_as_shlex(command),
    }
}

fn split_as_shlex(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(one) = characters.next() {
        match one {
            one if one.is_ascii_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or("a quotation mark has no other")? {
                        end if end == one => break,
                        '\\' if one == '"' => match characters.next().ok_or("a quotation mark has no other")? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => {
                let escaped = characters.next().ok_or("nothing comes after its last \\")?;
                word.get_or_insert_default().push(escaped);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Double quotes hold words together, and a backslash is one, unless before a quotation mark.
fn split_for_windows(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = command.chars().peekable();
    while let Some(one) = characters.next() {
        match one {
            ' ' | '\t' if !quoted => words.extend(word.take()),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if characters.peek() == Some(&'"') => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::profile::Base;

    #[test]
    fn a_command_is_split_as_the_cli_splits_it() {
        // What Python's shlex.split says.
        for (command, words) in [
            ("", &[][..]),
            ("  a  b\tc\n", &["a", "b", "c"]),
            ("a 'b c' \"d e\"f", &["a", "b c", "d ef"]),
            (r#"a "b\"c\\d\$e""#, &["a", r#"b"c\d\$e"#]),
            (r"a\ b '\'", &["a b", r"\"]),
            ("a #b $HOME x;y|z pa$$word", &["a", "#b", "$HOME", "x;y|z", "pa$$word"]),
            ("a ''", &["a", ""]),
        ] {
            assert_eq!(split_as_shlex(command).unwrap(), words, "{command}");
        }
        assert!(split_as_shlex("a 'b").is_err() && split_as_shlex("a \"b").is_err() && split_as_shlex("a\\").is_err());
    }

    /// Whether a process runs, as Linux tells.
    #[cfg(target_os = "linux")]
    fn runs(id: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended_and_not_run_again() {
        let file = std::env::temp_dir().join(format!("billctl-process-{}", std::process::id()));
        let command = format!("sh -c 'sleep 60 & echo $$ $! >> {}; wait'", file.display());
        let what = What::Profile("tool".to_owned(), Base::Process(command.clone()));
        let process = Process::new(what, &command, Duration::from_secs(2));
        for _ in 0..2 {
            let error = process.credentials().await.unwrap_err();
            let trouble = crate::classify::causes(&error).find_map(|cause| cause.downcast_ref::<Trouble>());
            assert!(trouble.unwrap().text.ends_with("in 2 seconds"), "{error:?}");
        }
        let started = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let started: Vec<&str> = started.split_whitespace().collect();
        let [shell, slept] = started[..] else {
            panic!("{started:?}")
        };
        // What it has started is ended with it only where there is no terminal.
        let all = match std::fs::File::open("/dev/tty") {
            Ok(_) => vec![shell],
            Err(_) => vec![shell, slept],
        };
        for _ in 0..100 {
            if !all.iter().any(|id| runs(id)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{all:?} still run");
    }

    #[test]
    fn on_windows_a_path_s_backslashes_stay() {
        let words = split_for_windows(r#""C:\Program Files\x.exe" --a "b c" \"d\" e:\f"#);
        assert_eq!(words, [r"C:\Program Files\x.exe", "--a", "b c", "\"d\"", r"e:\f"]);
    }
}
