//! `~/.aws/config` and `~/.aws/credentials`, read as the AWS CLI reads them, and handed to the SDK in the form that it
//! understands: it takes no name with a space or a letter beyond ASCII, no byte order mark and no UTF-16, ignores a
//! file that it can't read, and doesn't say which one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::environment::Environment;
use crate::trouble::Trouble;

/// The longest file that is read, in bytes.
const LONGEST: usize = 16 << 20;
/// What belongs together: keys are taken from one of the files, never a part from each.
const KEYS: [&str; 4] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_security_token",
];

/// The kinds of sections that are read.
const PROFILE: &str = "profile";
const SSO_SESSION: &str = "sso-session";
const SERVICES: &str = "services";

/// The keys and values of a section. A nested value is a text that begins with a line break.
pub(crate) type Section = BTreeMap<String, String>;

/// Both files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Where each was looked for, and whether it was there.
    config: Place,
    credentials: Place,
    /// The sections by their kind (`profile`, `sso-session`, `services`) and name. A profile of the credentials file lies
    /// over that of the config file; of keys, this says whether there are any.
    sections: BTreeMap<(String, String), Section>,
    /// Their keys in the config file.
    config_keys: BTreeMap<String, Section>,
    /// Their keys in the credentials file.
    credentials_keys: BTreeMap<String, Section>,
    /// Sections that are no profiles because of their heading, with what the heading should be.
    misnamed: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Place {
    path: PathBuf,
    there: bool,
}

impl Files {
    /// Reads both, where the environment says they are.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Trouble> {
        let mut files = Self::default();
        let (place, sections) = read(environment, "AWS_CONFIG_FILE", "config")?;
        files.config = place;
        for (heading, section) in sections {
            // Of `[default]` and `[profile default]`, and of a name with and without quotes, the last counts.
            let (kind, name) = match kind_and_name(&heading) {
                (None, "default") => (PROFILE, "default"),
                (Some(kind @ (PROFILE | SSO_SESSION | SERVICES)), name) => (kind, name),
                _ => {
                    let name = files.config.name();
                    let remedy = format!("the heading [{heading}] in {name} has to be [profile {heading}]");
                    files.misnamed.insert(heading, remedy);
                    continue;
                }
            };
            if kind == PROFILE {
                files.config_keys.insert(name.to_owned(), keys(&section));
            }
            files.sections.insert(key(kind, name), section);
        }
        let (place, sections) = read(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
        files.credentials = place;
        for (heading, section) in sections {
            if let (Some(PROFILE), profile) = kind_and_name(&heading) {
                let name = files.credentials.name();
                let remedy = format!("the heading [{heading}] in {name} has to be [{profile}]");
                files.misnamed.insert(profile.to_owned(), remedy);
            }
            files.credentials_keys.insert(heading.clone(), keys(&section));
            let profile = files.sections.entry(key(PROFILE, &heading)).or_default();
            profile.extend(section);
        }
        Ok(files)
    }

    /// A profile that has to be there.
    pub(crate) fn profile(&self, name: &str) -> Result<&Section, Trouble> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    /// A profile.
    pub(crate) fn get(&self, name: &str) -> Option<&Section> {
        self.sections.get(&key(PROFILE, name))
    }

    /// A profile's keys in the config file, and that file's name.
    pub(crate) fn config_keys(&self, profile: &str) -> (Option<&Section>, String) {
        (self.config_keys.get(profile), self.config.name())
    }

    /// A profile's keys in the credentials file, and that file's name.
    pub(crate) fn credentials_keys(&self, profile: &str) -> (Option<&Section>, String) {
        (self.credentials_keys.get(profile), self.credentials.name())
    }

    /// A sign-in session of IAM Identity Center.
    pub(crate) fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sections.get(&key(SSO_SESSION, name))
    }

    /// A section of endpoints, by service.
    pub(crate) fn services(&self, name: &str) -> Option<&Section> {
        self.sections.get(&key(SERVICES, name))
    }

    /// Both files' names, for messages.
    pub(crate) fn names(&self) -> String {
        format!("{} or {}", self.config.name(), self.credentials.name())
    }

    fn missing(&self, name: &str) -> Trouble {
        let files = match (self.config.there, self.credentials.there) {
            (true, true) => self.names(),
            (true, false) => self.config.name(),
            (false, true) => self.credentials.name(),
            (false, false) => {
                return Trouble::new(format!("there is no profile {name}: neither {} nor {} exists", self.config.name(), self.credentials.name()))
                    .remedy("make the profile with `aws configure`, `aws configure sso` or `aws login`, or set AWS_CONFIG_FILE to where it is");
            }
        };
        let trouble = Trouble::new(format!("there is no profile {name} in {files}"));
        if let Some(remedy) = self.misnamed.get(name) {
            return trouble.remedy(remedy);
        }
        let profiles = self.sections.keys().filter(|(kind, _)| kind == PROFILE);
        let names: Vec<&str> = profiles.map(|(_, name)| name.as_str()).collect();
        let near = names
            .iter()
            .find(|one| one.eq_ignore_ascii_case(name) || one.trim() == name.trim());
        trouble.remedy(match near {
            Some(near) => format!("there is one called `{near}`"),
            None if names.is_empty() => {
                "there are no profiles at all; make one with `aws configure` or `aws configure sso`".to_owned()
            }
            None => format!("there are: {}", listed(&names)),
        })
    }

    /// Both files as the SDK takes them: it reads settings from them, such as `endpoint_url`, and no credentials.
    pub(crate) fn for_sdk(&self) -> EnvConfigFiles {
        let mut text = String::new();
        for ((kind, name), section) in &self.sections {
            let mut section = section.clone();
            if let Some(services) = section.get_mut(SERVICES).filter(|_| kind == PROFILE) {
                *services = self.sdk_name_of(SERVICES, services);
            }
            write_section(&mut text, &format!("{kind} {}", self.sdk_name_of(kind, name)), &section);
        }
        EnvConfigFiles::builder()
            .with_contents(EnvConfigFileKind::Config, text)
            .build()
    }

    /// A profile's name in [`Files::for_sdk`].
    pub(crate) fn sdk_name(&self, name: &str) -> String {
        self.sdk_name_of(PROFILE, name)
    }

    fn sdk_name_of(&self, kind: &str, name: &str) -> String {
        if is_plain(name) {
            return name.to_owned();
        }
        let wanted = key(kind, name);
        let number = self.sections.keys().position(|one| *one == wanted);
        number.map_or_else(|| name.to_owned(), |number| format!("billctl-{kind}-{number}"))
    }
}

/// A section's place among all.
fn key(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

/// Those of a profile's settings that are keys.
fn keys(section: &Section) -> Section {
    let keys = section.iter().filter(|(key, _)| KEYS.contains(&key.as_str()));
    keys.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the SDK takes it for a name.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "_-/.%@:+".contains(one))
}

fn listed(names: &[&str]) -> String {
    const MOST: usize = 20;
    match names.get(..MOST) {
        Some(first) if names.len() > MOST => format!("{} and {} more", first.join(", "), names.len() - MOST),
        _ => names.join(", "),
    }
}

fn write_section(text: &mut String, heading: &str, section: &Section) {
    let _ = writeln!(text, "[{heading}]");
    // An empty endpoint ends the SDK.
    let is_empty = |key: &str, value: &str| key.trim() == "endpoint_url" && value.trim().is_empty();
    for (key, value) in section
        .iter()
        .filter(|(key, value)| is_plain(key) && !is_empty(key, value))
    {
        let nested = value.starts_with('\n');
        let mut lines = value.split('\n');
        let _ = writeln!(text, "{key} = {}", lines.next().unwrap_or_default());
        let empty = |line: &str| line.split_once('=').is_some_and(|(key, value)| is_empty(key, value));
        for line in lines.filter(|line| !line.is_empty() && (!nested || (line.contains('=') && !empty(line)))) {
            let _ = writeln!(text, "  {line}");
        }
    }
}

impl Place {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// `[profile "my team"]`: `profile`, and the name without its quotes.
fn kind_and_name(heading: &str) -> (Option<&str>, &str) {
    let Some((kind, name)) = heading.split_once([' ', '\t']) else {
        return (None, unquoted(heading));
    };
    (Some(kind), unquoted(name.trim()))
}

fn unquoted(name: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(name)
}

type Sections = Vec<(String, Section)>;

/// A file that needn't be there, and its sections.
fn read(environment: &Environment, variable: &str, name: &str) -> Result<(Place, Sections), Trouble> {
    let path = match environment.get(variable)? {
        Some(path) => in_home(Path::new(&environment.filled(path))),
        None => in_home(&Path::new("~/.aws").join(name)),
    };
    let unreadable = |error: &std::io::Error| {
        Trouble::new(format!("{} can't be read: {}", path.display(), plain(error)))
            .remedy(format!("make it readable, or set {variable} to another file"))
    };
    let bytes = match billctl_core::file::read(&path, LONGEST) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok((Place { path, there: false }, Vec::new()));
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let text = decoded(&bytes)
        .map_err(|what| Trouble::new(format!("{} {what}", path.display())).remedy("save it as UTF-8"))?;
    let sections = parse(&text).map_err(|(line, what)| {
        Trouble::new(format!("{} can't be read: {what} in line {line}", path.display())).remedy(
            match what.ends_with("a second time") {
                true => "keep one of the two; the AWS CLI doesn't read the file either",
                false => "a line is a [heading], `key = value`, or begins with #; the AWS CLI doesn't read it either",
            },
        )
    })?;
    Ok((Place { path, there: true }, sections))
}

/// What went wrong with a file, without the system's number for it.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// A file's text, `longest` bytes at most, or why it can't be read.
pub(crate) fn text_of(path: &Path, longest: usize) -> Result<String, String> {
    let bytes = billctl_core::file::read(&in_home(path), longest).map_err(|error| plain(&error))?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// A path whose `~` is this user's home.
pub(crate) fn in_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

fn decoded(bytes: &[u8]) -> Result<String, String> {
    let utf16 = |order: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map_err(|_| "is broken UTF-16".to_owned())
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes)?,
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes)?,
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes)
                .map_err(|error| {
                    let before = &bytes[..error.valid_up_to()];
                    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                    format!("is not UTF-8: see line {line}")
                })?
                .to_owned()
        }
    };
    if text.contains('\0') {
        return Err("holds zero bytes, as UTF-16 without its mark does".to_owned());
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// A file's sections with what is in them, or a line and what is wrong with it.
fn parse(text: &str) -> Result<Sections, (usize, String)> {
    let mut sections: Sections = Vec::new();
    let mut headings = BTreeSet::new();
    // The key that was read last, and how far in its line began.
    let mut last: Option<(String, usize)> = None;
    for (number, line) in text.split('\n').enumerate().map(|(index, line)| (index + 1, line)) {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if let (Some((_, section)), Some((key, start))) = (sections.last_mut(), &last)
            && depth > *start
        {
            if let Some(value) = section.get_mut(key) {
                value.push('\n');
                value.push_str(content);
            }
            continue;
        }
        if let Some(heading) = content.strip_prefix('[') {
            let Some((heading, _)) = heading.rsplit_once(']') else {
                return Err((number, "a heading doesn't end with ]".to_owned()));
            };
            let heading = heading.trim();
            if !headings.insert(heading) {
                return Err((number, format!("[{heading}] appears a second time")));
            }
            sections.push((heading.to_owned(), Section::new()));
            last = None;
            continue;
        }
        let Some((_, section)) = sections.last_mut() else {
            return Err((number, "something comes before the first heading".to_owned()));
        };
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return Err((number, "there is no =".to_owned()));
        };
        let key = key.trim().to_lowercase();
        if key.is_empty() {
            return Err((number, "there is no key before the =".to_owned()));
        }
        // A command may have a # of its own.
        let value = match key == "credential_process" {
            true => value,
            false => without_comment(value),
        };
        if section.insert(key.clone(), value.trim().to_owned()).is_some() {
            return Err((number, format!("{key} appears a second time")));
        }
        last = Some((key, depth));
    }
    Ok(sections)
}

fn without_comment(value: &str) -> &str {
    let comment = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, before), at)| before.is_whitespace() && matches!(at, '#' | ';'));
    comment.map_or(value, |((index, _), _)| &value[..index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Section {
        parse(text).unwrap().remove(0).1
    }

    #[test]
    fn a_file_is_read_as_the_cli_reads_it() {
        let text = "# mine\n[profile \"my team\"] ; hers\n  A_Key : 1\n  b = x=y # z\n  services =\n    s3 =\n  c=#\n";
        let sections = parse(text).unwrap();
        assert_eq!(kind_and_name(&sections[0].0), (Some("profile"), "my team"));
        let expected = [("a_key", "1"), ("b", "x=y"), ("services", "\ns3 ="), ("c", "#")];
        let expected: Section = expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(sections[0].1, expected);
        assert_eq!(kind_and_name("profile my team"), (Some("profile"), "my team"));
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, line) in [
            ("a = b\n", 1),
            ("[a]\nb\n", 2),
            ("[a]\n\n[b\n", 3),
            ("[a]\n = b\n", 2),
            ("[a]\nb=1\nB=2", 3),
            ("[a]\n[b]\n[a]", 3),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }

    #[test]
    fn every_encoding_is_read_or_refused() {
        let text = "[default]\r\na = ü\r";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xff, 0xfe][..], &utf16].concat();
        for bytes in [text.as_bytes(), &marked, &[b"\xef\xbb\xbf", text.as_bytes()].concat()] {
            assert_eq!(section(&decoded(bytes).unwrap())["a"], "ü");
        }
        assert_eq!(decoded(b"[a]\nb = \xe9").unwrap_err(), "is not UTF-8: see line 2");
        assert!(
            decoded(
                &text
                    .replace('ü', "u")
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect::<Vec<_>>()
            )
            .is_err()
        );
    }
}
