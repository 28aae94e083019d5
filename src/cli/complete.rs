//! What the Tab key offers: profiles, sandbox files, OUs and accounts. Fast and silent: files are read, AWS is never
//! asked, nothing is written, and what can't be read is not offered.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
#[cfg(feature = "sandbox")]
use clap_complete::engine::{PathCompleter, ValueCompleter as _};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::CONFIG_FILE;
#[cfg(feature = "sandbox")]
use super::{SANDBOX_FILE, SANDBOX_VARIABLE};
use billctl_core::text;

/// The variable by which a shell asks, as clap's engine has it.
const VARIABLE: &str = "COMPLETE";

/// Whether a shell asks for completions; a variable of that name that others set means nothing.
pub(super) fn asked() -> bool {
    std::env::var(VARIABLE).is_ok_and(|shell| SHELLS.completer(&shell).is_some())
}

const SHELLS: Shells<'static> = Shells(&[&BashWithEquals, &Elvish, &Fish, &Powershell, &Zsh]);

/// Bash makes three words of `--sandbox=FILE` (COMP_WORDBREAKS), which clap's engine takes for an option without a value
/// and two more words.
struct BashWithEquals;

impl EnvCompleter for BashWithEquals {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> std::io::Result<()> {
        Bash.write_registration(var, name, bin, completer, buf)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        buf: &mut dyn Write,
    ) -> std::io::Result<()> {
        let variable = |name: &str| std::env::var(name).ok();
        let at = variable("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok());
        let (words, at, before) = joined(words, at.unwrap_or_default());
        let separator = variable("_CLAP_IFS").unwrap_or_else(|| "\n".to_owned());
        let found = clap_complete::engine::complete(command, words, at, folder)?;
        // Bash replaces what is behind the sign only.
        let values = found.iter().map(|candidate| {
            let value = candidate.get_value().to_string_lossy().into_owned();
            value.strip_prefix(&before).map_or_else(|| value.clone(), str::to_owned)
        });
        buf.write_all(values.collect::<Vec<_>>().join(&separator).as_bytes())
    }
}

/// The words with `--option`, `=` and `value` as one, which of them is being typed, and what stands before its value.
fn joined(words: Vec<OsString>, at: usize) -> (Vec<OsString>, usize, String) {
    let mut whole: Vec<OsString> = Vec::with_capacity(words.len());
    let (mut place, mut before) = (0, String::new());
    let mut words = words.into_iter().enumerate().peekable();
    while let Some((index, word)) = words.next() {
        let option = whole.last_mut().filter(|last| last.to_string_lossy().starts_with("--"));
        if let Some(option) = option.filter(|_| word == "=") {
            option.push("=");
            let start = option.to_string_lossy().into_owned();
            if index == at {
                // The sign itself has just been typed.
                (place, before) = (whole.len() - 1, start);
            } else if let Some((index, value)) = words.next() {
                option.push(value);
                if index == at {
                    (place, before) = (whole.len() - 1, start);
                }
            }
            continue;
        }
        whole.push(word);
        if index == at {
            place = whole.len() - 1;
        }
    }
    (whole, place, before)
}

/// Answers a shell: its script, or what to offer.
pub(super) fn answer(command: impl Fn() -> Command) -> ExitCode {
    let current = std::env::current_dir().ok();
    // Into a shell's completion goes no error: it would stand in the middle of what is typed.
    match CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .shells(SHELLS)
        .try_complete(std::env::args_os(), current.as_deref())
    {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// OUs, as paths.
pub(super) fn ous() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy().to_lowercase();
        let typed = |form: &&str| form.to_lowercase().starts_with(&current);
        let known = Known::here();
        let ous = known.ous.iter().filter(|ou| typed_as_it_is(ou));
        // As a path from the root, or as people write it.
        ous.filter_map(|ou| {
            [Some(ou.as_str()), ou.strip_prefix("Root/")]
                .into_iter()
                .flatten()
                .find(typed)
        })
        .map(CompletionCandidate::new)
        .collect()
    })
}

/// Accounts: names where they can be typed and say which is meant, and ids.
pub(super) fn accounts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy().to_lowercase();
        let known = Known::here();
        let mut bearers: BTreeMap<String, usize> = BTreeMap::new();
        for (name, _) in known.accounts.values() {
            *bearers.entry(name.to_lowercase()).or_default() += 1;
        }
        let by_id = current.starts_with(|first: char| first.is_ascii_digit());
        let candidates = known.accounts.iter().filter_map(|(id, (name, ou))| {
            let by_name = !by_id && typed_as_it_is(name) && bearers.get(&name.to_lowercase()) == Some(&1);
            let (value, other) = if by_name { (name, id) } else { (id, name) };
            let help = text::line(format!("{other} {ou}").trim());
            let help = (!help.is_empty()).then(|| help.into());
            value
                .to_lowercase()
                .starts_with(&current)
                .then(|| CompletionCandidate::new(value).help(help))
        });
        candidates.collect()
    })
}

/// A file's text, if it can be read at once: who presses Tab doesn't wait.
fn read(path: &Path) -> Option<String> {
    const LONGEST: usize = 16 << 20;
    String::from_utf8(billctl_core::file::read(path, LONGEST).ok()?).ok()
}

/// Profiles of the AWS CLI.
pub(super) fn profiles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let home = std::env::home_dir().map(|home| home.join(".aws"));
        let file = |from: &str, name: &str| {
            let named = variable(from).map(PathBuf::from);
            let path = named.or_else(|| Some(home.as_ref()?.join(name)))?;
            read(&path)
        };
        let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
        let in_config = sections(&config).filter_map(|section| match section {
            "default" => Some(section),
            _ => section
                .strip_prefix("profile")
                .filter(|name| name.starts_with([' ', '\t']))
                .map(str::trim),
        });
        let found: BTreeSet<&str> = in_config.chain(sections(&credentials)).collect();
        let found = found.into_iter().map(|name| name.trim_matches(['"', '\'']));
        found
            .filter(|name| typed_as_it_is(name))
            .map(CompletionCandidate::new)
            .collect()
    })
}

/// The names in brackets.
fn sections(ini: &str) -> impl Iterator<Item = &str> {
    ini.lines()
        .filter_map(|line| Some(line.trim().strip_prefix('[')?.split_once(']')?.0.trim()))
}

#[cfg(feature = "sandbox")]
/// Files that hold a sandbox, and folders on the way to them.
pub(super) fn sandboxes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let all = PathCompleter::file().complete(current);
        let folder = |candidate: &CompletionCandidate| candidate.get_value().to_string_lossy().ends_with('/');
        let kept = all.into_iter().filter(|candidate| {
            let safe = typed_as_it_is(&candidate.get_value().to_string_lossy());
            safe && (folder(candidate) || is_sandbox(Path::new(candidate.get_value())))
        });
        kept.collect()
    })
}

#[cfg(feature = "sandbox")]
fn is_sandbox(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "json") && billctl_sandbox::Sandbox::is_one(path)
}

/// Whether a shell takes a text for one word and does nothing with it: who names an account or an OU must not decide
/// what is run on somebody's machine.
fn typed_as_it_is(text: &str) -> bool {
    let plain = |character: char| character.is_alphanumeric() || "-_./@+".contains(character);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(plain)
}

/// What files tell of the organisation.
#[derive(Default)]
struct Known {
    /// Paths, or as config names them.
    ous: BTreeSet<String>,
    /// Name and OU by id.
    accounts: BTreeMap<String, (String, String)>,
}

impl Known {
    /// By the command line that is being typed: the sandbox's organisation, else what config names.
    fn here() -> Self {
        let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
        #[cfg(feature = "sandbox")]
        if let Some(known) = sandbox(&words).and_then(|path| Self::of_sandbox(&path)) {
            return known;
        }
        let config = option(&words, "config")
            .flatten()
            .or_else(|| variable("BILLCTL_CONFIG"));
        let config = config.unwrap_or_else(|| CONFIG_FILE.into());
        read(Path::new(&config)).map_or_else(Self::default, |text| Self::of_config(&text))
    }

    /// Also of a config that isn't finished: what can be read of it.
    fn of_config(text: &str) -> Self {
        let mut known = Self::default();
        let Ok(config) = text.parse::<toml::Table>() else {
            return known;
        };
        let texts = |value: Option<&toml::Value>| -> Vec<String> {
            let all = value.and_then(toml::Value::as_array).into_iter().flatten();
            all.filter_map(|it| it.as_str().map(str::to_owned)).collect()
        };
        let tables = |name: &str| config.get(name).and_then(toml::Value::as_array).into_iter().flatten();
        let deploy = config.get("deploy");
        known.ous.extend(texts(deploy.and_then(|deploy| deploy.get("ous"))));
        known.ous.extend(tables("wave").flat_map(|wave| texts(wave.get("ous"))));
        let mut ids = texts(deploy.and_then(|deploy| deploy.get("exclude-accounts")));
        for rule in tables("threshold") {
            let named = |key: &str| rule.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            known.ous.extend(named("ou"));
            ids.extend(named("account"));
        }
        known
            .accounts
            .extend(ids.into_iter().map(|id| (id, Default::default())));
        known
    }

    #[cfg(feature = "sandbox")]
    fn of_sandbox(path: &Path) -> Option<Self> {
        use billctl_core::service::cloudformation::CallAs;
        let sandbox = billctl_sandbox::Sandbox::open(path, CallAs::Own).ok()?;
        let organization = sandbox.peek(|world| world.organizations.organization());
        let accounts = organization.accounts().map(|(account, parent)| {
            let about = (account.name.clone(), organization.path(parent));
            (account.id.to_string(), about)
        });
        Some(Self {
            ous: organization.ous().map(|ou| organization.path(&ou.id)).collect(),
            accounts: accounts.collect(),
        })
    }
}

#[cfg(feature = "sandbox")]
/// The sandbox that a command line works on.
fn sandbox(words: &[OsString]) -> Option<PathBuf> {
    match option(words, "sandbox") {
        Some(path) => Some(path.unwrap_or_else(|| SANDBOX_FILE.into()).into()),
        None => variable(SANDBOX_VARIABLE).map(PathBuf::from),
    }
}

/// An environment variable; one that is set to nothing counts as none.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether an option is on a command line, and its value; `--sandbox` never has one behind a blank.
fn option(words: &[OsString], name: &str) -> Option<Option<OsString>> {
    let long = format!("--{name}");
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let word = word.to_string_lossy();
        if let Some(value) = word.strip_prefix(&format!("{long}=")) {
            return Some(Some(value.into()).filter(|value: &OsString| !value.is_empty()));
        }
        // A shell may have made three words of `--sandbox=FILE`.
        if word == long.as_str() {
            let value = match words.peek() {
                Some(next) if *next == "=" => words.nth(1),
                Some(_) if name != "sandbox" => words.next(),
                _ => None,
            };
            return Some(value.cloned());
        }
    }
    None
}
