//! A file's bytes -> [`Config`], or everything that is wrong with it in one report.

use std::io::ErrorKind as IoError;
use std::path::Path;

use serde::Deserialize;
use toml::de::DeTable;

use super::problem::{Problem, Source};
use super::raw::RawConfig;
use super::resolve::resolve;
use super::types::Config;
use super::{schema, structure};
use billctl_core::error::{Error, Result};
use billctl_core::text::visible;

const HOW_TO_MAKE_ONE: &str =
    "`billctl init` writes one from your organisation; --config (or BILLCTL_CONFIG) names another file";

/// Bytes that a config has at most: 50,000 accounts, a threshold each, take a quarter.
const LARGEST: usize = 16 << 20;

impl Config {
    /// Reads the config in this file.
    ///
    /// # Errors
    /// Usage: the file isn't there or can't be read, isn't UTF-8, is empty, or has problems; all of them are in
    /// the one report.
    pub fn load(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = billctl_core::file::read(path, LARGEST).map_err(|error| match error.kind() {
            IoError::NotFound => Error::usage(format!("there is no config file {name}")).remedy(HOW_TO_MAKE_ONE),
            IoError::IsADirectory => Error::usage(format!("{name} is a directory, not a config file")).remedy(format!(
                "name the file in it: --config {}",
                path.join("config.toml").display()
            )),
            IoError::PermissionDenied => Error::usage(format!("config file {name} can't be read: {error}"))
                .remedy("give yourself read permission on it"),
            IoError::FileTooLarge => Error::usage(format!(
                "config file {} is larger than {} MB",
                visible(&name),
                LARGEST >> 20
            ))
            .remedy("a config for the largest organisation is far below: is it the right file?"),
            _ => Error::usage(format!("config file {name} can't be read: {error}")),
        })?;
        Self::parse_bytes(&name, &bytes)
    }

    /// Reads the config in these bytes of the file of this name.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(name, text),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
                let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
                let remedy = if utf16 {
                    "it looks like UTF-16: save it as UTF-8"
                } else {
                    "save it as UTF-8"
                };
                let message = format!("{name} is not UTF-8 text: line {line} has a byte that can't be in it");
                Err(Error::usage(message).remedy(remedy))
            }
        }
    }

    /// Reads the config in this text of the file of this name.
    ///
    /// # Errors
    /// Usage: with every problem of the file in one report.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let source = Source::new(name, text);
        let (mut document, faults) = DeTable::parse_recoverable(text);
        if !faults.is_empty() {
            let problems = faults.iter().map(|fault| syntax(fault, &source)).collect();
            return Err(source.error(problems));
        }
        if document.get_ref().is_empty() {
            return Err(Error::usage(format!("config file {name} is empty")).remedy(HOW_TO_MAKE_ONE));
        }
        let mut problems = structure::check(document.get_mut(), &schema::schema());
        // What is left fits the schema, so this fails only where schema and types have come apart.
        let raw = match RawConfig::deserialize(toml::Deserializer::from(document)) {
            Ok(raw) => raw,
            Err(fault) => {
                problems.push(syntax(&fault, &source));
                return Err(source.error(problems));
            }
        };
        let (mut config, source, more) = resolve(raw, source);
        problems.extend(more);
        if problems.is_empty() {
            config.source = source;
            Ok(config)
        } else {
            Err(source.error(problems))
        }
    }
}

/// What TOML itself refuses.
fn syntax(fault: &toml::de::Error, source: &Source) -> Problem {
    let Some(span) = fault.span() else {
        return Problem::nowhere(fault.message());
    };
    let line = source.line_text(span.start).to_owned();
    let mut problem = Problem::at(span, fault.message(), "");
    let (key, value) = line.split_once('=').unwrap_or((&line, ""));
    let value = value.split('#').next().unwrap_or_default().trim();
    let remedy = match key.trim() {
        _ if fault.message().starts_with("duplicate key") => Some("keep one of them"),
        "account" => Some("account ids are written in quotes: account = \"012345678901\""),
        "threshold" | "usd" => Some("an amount is a plain number of US dollars, such as 100 or 12.5"),
        key if key.starts_with('[') && !key.ends_with(']') => Some("a table begins with [name] on a line of its own"),
        _ if value.starts_with(|first: char| first.is_alphabetic()) => {
            Some("texts are written in quotes: key = \"value\"")
        }
        _ => None,
    };
    problem.remedy = remedy.map(str::to_owned);
    problem
}
